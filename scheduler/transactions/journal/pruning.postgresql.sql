-- name: candidates
-- Of a chain, oldest first, from behind the one named on: with an outcome that is final, in slots
-- that are consumed for good, and neither asked for nor mined since a while. What has the account's
-- highest consumed nonce stays, since it says how far the account was.
SELECT i.created_at, i.place, i.key, i.family, i.contract, i.kind, i.params
FROM intents i
WHERE i.created_at < %(before)s AND (i.created_at, i.place) > (%(at)s, %(row)s)
  AND i.chain = %(chain)s
  AND i.state IN (
    'succeeded', 'target_failed', 'no_effect', 'deposit_lost', 'reverted', 'expired', 'abandoned')
  AND NOT EXISTS (
    SELECT 1 FROM placements p JOIN slots s USING (chain, account, nonce)
    WHERE p.intent = i.key
      AND (s.state = 'open' OR s.block_number >= %(block)s OR s.nonce >= (
        SELECT h.nonce FROM slots h
        WHERE h.chain = s.chain AND h.account = s.account AND h.state = 'consumed'
        ORDER BY h.nonce DESC LIMIT 1)))
  AND NOT EXISTS (
    SELECT 1 FROM outcomes o
    WHERE o.intent = i.key AND (o.is_final = 0 OR o.judged_at >= %(before)s))
  AND NOT EXISTS (
    SELECT 1 FROM attempts a WHERE a.intent = i.key AND a.block_number >= %(block)s)
  AND NOT EXISTS (
    SELECT 1 FROM deposits d
    WHERE d.intent = i.key AND (d.settled_at IS NULL OR d.settled_at >= %(before)s))
  -- What came back with it is looked up when the deposit for its call is settled.
  AND NOT EXISTS (
    SELECT 1 FROM deposits d
    JOIN intents c ON c.key = d.intent
    WHERE d.settled_at IS NULL
      AND c.chain = i.chain AND c.contract = i.contract AND c.family = i.family
      AND c.params ->> 'call' = i.params ->> 'call')
  AND NOT EXISTS (
    SELECT 1 FROM orders o
    WHERE o.intent = i.key AND (o.state = 'open' OR o.given_at >= %(before)s))
ORDER BY i.created_at, i.place
LIMIT %(many)s;

-- name: count_in
INSERT INTO forgotten (chain, contract, family, kind, state, number)
SELECT chain, contract, family, kind, state, count(*) FROM intents
WHERE key IN (SELECT json_array_elements_text(%(keys)s::json))
GROUP BY chain, contract, family, kind, state
ON CONFLICT (chain, contract, family, kind, state) DO UPDATE
    SET number = forgotten.number + excluded.number;

-- name: bookings
SELECT day, chain, account, chain_id, family, contract, call, gas_used, gas_price, sent, earned,
       returned, lost, is_final, number
FROM bookings WHERE intent = %(key)s;

-- name: past_day
SELECT day, chain, account, chain_id, family, contract, number, fees, sent, earned, returned, lost
FROM past_days
WHERE chain = %(chain)s AND account = %(account)s AND day = %(day)s AND family = %(family)s
  AND contract = %(contract)s;

-- name: write_past_day
INSERT INTO past_days (
    chain, account, day, family, contract, chain_id, number, fees, sent, earned, returned, lost)
VALUES (
    %(chain)s, %(account)s, %(day)s, %(family)s, %(contract)s, %(chain_id)s, %(number)s, %(fees)s, %(sent)s, %(earned)s,
    %(returned)s, %(lost)s)
ON CONFLICT (chain, account, day, family, contract) DO UPDATE SET
    number = excluded.number, fees = excluded.fees, sent = excluded.sent, earned = excluded.earned,
    returned = excluded.returned, lost = excluded.lost;

-- name: delete_orders
DELETE FROM orders WHERE intent IN (SELECT json_array_elements_text(%(keys)s::json));

-- name: delete_deposits
DELETE FROM deposits WHERE intent IN (SELECT json_array_elements_text(%(keys)s::json));

-- name: delete_outcomes
DELETE FROM outcomes WHERE intent IN (SELECT json_array_elements_text(%(keys)s::json));

-- name: delete_reorgs
DELETE FROM reorgs WHERE attempt IN (
    SELECT id FROM attempts WHERE intent IN (SELECT json_array_elements_text(%(keys)s::json)));

-- name: delete_attempts
DELETE FROM attempts WHERE intent IN (SELECT json_array_elements_text(%(keys)s::json));

-- name: delete_placements
DELETE FROM placements WHERE intent IN (SELECT json_array_elements_text(%(keys)s::json))
RETURNING chain, account, nonce;

-- name: delete_slot
-- Unless it was another intent's, too.
DELETE FROM slots
WHERE chain = %(chain)s AND account = %(account)s AND nonce = %(nonce)s
  AND NOT EXISTS (
    SELECT 1 FROM placements p
    WHERE p.chain = slots.chain AND p.account = slots.account AND p.nonce = slots.nonce)
  AND NOT EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = slots.chain AND a.account = slots.account AND a.nonce = slots.nonce);

-- name: delete_intents
DELETE FROM intents WHERE key IN (SELECT json_array_elements_text(%(keys)s::json));
