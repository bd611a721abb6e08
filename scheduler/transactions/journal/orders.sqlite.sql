-- name: standing
SELECT id, intent, what, given_by, given_at, state, result FROM orders
WHERE intent = :key AND state = 'open';

-- name: one
SELECT id, intent, what, given_by, given_at, state, result FROM orders WHERE id = :id;

-- name: open
-- Sorted afterwards: the index of the open ones does not have them by id.
SELECT o.id, o.intent, o.what, o.given_by, o.given_at, o.state, o.result, p.nonce
FROM orders o CROSS JOIN placements p ON p.intent = o.intent AND p.is_open = 1
WHERE o.state = 'open' AND p.chain = :chain AND p.account = :account
ORDER BY +o.id;

-- name: give
INSERT INTO orders (intent, what, given_by, given_at, state, done_at, result)
VALUES (:key, :what, :who, :now, :state, :done_at, :result)
RETURNING id;

-- name: answer
UPDATE orders SET state = :state, attempt = :attempt, done_at = :now, result = :result
WHERE id = :id AND state = 'open';

-- name: overtaken
UPDATE orders SET state = 'refused', done_at = :now, result = :result
WHERE state = 'open' AND intent IN (
    SELECT intent FROM placements
    WHERE chain = :chain AND account = :account AND nonce = :nonce AND is_open = 1);

-- name: has_open_slot
SELECT 1 FROM placements WHERE intent = :key AND is_open = 1;

-- name: in_series
SELECT in_series FROM intents WHERE key = :key;

-- name: newest
SELECT coalesce(max(id), 0) FROM orders;

-- name: retried_since
SELECT o.id, o.given_by, i.key, i.family, i.contract, i.kind, i.params
FROM orders o CROSS JOIN intents i ON i.key = o.intent
WHERE o.id > :id AND o.what = 'retry' AND o.state = 'done' AND i.chain = :chain
ORDER BY o.id;

-- name: cancelled_by
SELECT o.given_by FROM orders o JOIN attempts a ON a.id = o.attempt
WHERE a.chain = :chain AND a.account = :account AND a.nonce = :nonce AND a.purpose = 'cancel'
  AND o.intent = :key AND o.what = 'cancel'
ORDER BY o.id DESC LIMIT 1;
