-- name: standing
SELECT id, intent, what, given_by, given_at, state, result FROM orders
WHERE intent = %(key)s AND state = 'open';

-- name: one
SELECT id, intent, what, given_by, given_at, state, result FROM orders WHERE id = %(id)s;

-- name: open
SELECT o.id, o.intent, o.what, o.given_by, o.given_at, o.state, o.result, p.nonce
FROM orders o JOIN placements p ON p.intent = o.intent AND p.is_open = 1
WHERE o.state = 'open' AND p.chain = %(chain)s AND p.account = %(account)s
ORDER BY o.id;

-- name: give
INSERT INTO orders (id, intent, what, given_by, given_at, state, done_at, result)
SELECT coalesce(max(id), 0) + 1, %(key)s, %(what)s, %(who)s, %(now)s, %(state)s,
       %(done_at)s::double precision, %(result)s
FROM orders
RETURNING id;

-- name: answer
UPDATE orders SET state = %(state)s, attempt = %(attempt)s, done_at = %(now)s, result = %(result)s
WHERE id = %(id)s AND state = 'open';

-- name: overtaken
UPDATE orders SET state = 'refused', done_at = %(now)s, result = %(result)s
WHERE state = 'open' AND intent IN (
    SELECT intent FROM placements
    WHERE chain = %(chain)s AND account = %(account)s AND nonce = %(nonce)s AND is_open = 1);

-- name: has_open_slot
SELECT 1 FROM placements WHERE intent = %(key)s AND is_open = 1;

-- name: in_series
SELECT in_series FROM intents WHERE key = %(key)s;

-- name: newest
SELECT coalesce(max(id), 0) FROM orders;

-- name: retried_since
SELECT o.id, o.given_by, i.key, i.family, i.contract, i.kind, i.params
FROM orders o JOIN intents i ON i.key = o.intent
WHERE o.id > %(id)s AND o.what = 'retry' AND o.state = 'done' AND i.chain = %(chain)s
ORDER BY o.id;

-- name: cancelled_by
SELECT o.given_by FROM orders o JOIN attempts a ON a.id = o.attempt
WHERE a.chain = %(chain)s AND a.account = %(account)s AND a.nonce = %(nonce)s AND a.purpose = 'cancel'
  AND o.intent = %(key)s AND o.what = 'cancel'
ORDER BY o.id DESC LIMIT 1;
