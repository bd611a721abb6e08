-- name: leave
INSERT INTO deposits (attempt, intent, amount) VALUES (%(id)s, %(key)s, %(amount)s);

-- name: undo
-- What its own block is gone for was not left anywhere.
DELETE FROM deposits WHERE attempt = %(id)s;

-- name: out
SELECT d.attempt, d.amount, i.key, i.family, i.contract, i.kind, i.params
FROM deposits d
JOIN attempts a ON a.id = d.attempt
JOIN intents i ON i.key = d.intent
WHERE d.settled_at IS NULL AND a.chain = %(chain)s AND a.account = %(account)s
ORDER BY d.attempt;

-- name: came_back
-- With what the account itself sent to the same call.
SELECT o.returned FROM deposits d
JOIN intents i ON i.key = d.intent
JOIN attempts a ON a.id = d.attempt
JOIN intents e ON e.chain = i.chain AND e.contract = i.contract AND e.family = i.family
    AND e.params ->> 'call' = i.params ->> 'call'
JOIN outcomes o ON o.intent = e.key
JOIN attempts b ON b.id = o.attempt AND b.account = a.account
WHERE d.attempt = %(id)s;

-- name: settle
UPDATE deposits SET returned = %(returned)s, lost = %(lost)s, detail = %(detail)s, settled_at = %(now)s
WHERE attempt = %(id)s AND settled_at IS NULL;
