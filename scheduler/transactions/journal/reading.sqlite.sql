-- name: tables
SELECT name FROM sqlite_master WHERE type = 'table';

-- name: names
SELECT key, kind, contract FROM intents ORDER BY rowid;

-- name: summaries
-- Of an intent's attempts the mined one is shown, else the newest.
WITH tried AS (
    SELECT intent, count(*) AS attempts,
           coalesce(max(CASE WHEN block_number IS NOT NULL THEN id END), max(id)) AS shown
    FROM attempts GROUP BY intent)
SELECT i.key, i.family, i.kind, i.contract, i.state,
       a.nonce, coalesce(t.attempts, 0) AS attempts, a.hash, a.block_number AS block,
       o.kind AS outcome, coalesce(o.is_final, 0) AS is_final,
       coalesce(o.judged_at, a.created_at, i.created_at) AS changed_at
FROM intents i
LEFT JOIN tried t ON t.intent = i.key
LEFT JOIN attempts a ON a.id = t.shown
LEFT JOIN outcomes o ON o.attempt = a.id
WHERE (:states IS NULL OR i.state IN (SELECT value FROM json_each(:states)))
  AND (:family IS NULL OR i.family = :family)
ORDER BY i.rowid DESC
LIMIT :limit;

-- name: how_many
SELECT count(*) FROM intents i
WHERE (:states IS NULL OR i.state IN (SELECT value FROM json_each(:states)))
  AND (:family IS NULL OR i.family = :family);

-- name: intent
SELECT key, family, kind, chain, contract, params, recipient, data, value, gas, first_block,
       last_block, urgency, max_cost, worth_sending, proof, state, pardoned, created_at
FROM intents WHERE key = :key;

-- name: slots
SELECT s.account, s.nonce, s.state, s.consumed_by, s.created_at
FROM placements p JOIN slots s USING (chain, account, nonce)
WHERE p.intent = :key
ORDER BY s.created_at, s.nonce;

-- name: attempts
-- Also those that other intents have in the same slots: only one of them can be mined.
SELECT a.id, a.account, a.nonce, a.intent, a.purpose, a.fields, a.hash,
       a.raw IS NULL AND NOT a.is_found AS by_node, a.is_found,
       a.state, a.head_number, a.block_number, a.created_at,
       o.kind, o.detail, o.gas_used, o.gas_price, o.sent, o.earned, o.returned, o.is_final,
       o.judged_at
FROM attempts a LEFT JOIN outcomes o ON o.attempt = a.id
WHERE EXISTS (
    SELECT 1 FROM placements p
    WHERE p.intent = :key
      AND p.chain = a.chain AND p.account = a.account AND p.nonce = a.nonce)
ORDER BY a.id;

-- name: bookings
SELECT day, chain, account, chain_id, family, contract, call, gas_used, gas_price, sent, earned,
       returned, lost, is_final, number
FROM bookings ORDER BY day;

-- name: past_days
SELECT day, chain, account, chain_id, family, contract, number, fees, sent, earned, returned, lost
FROM past_days ORDER BY day;

-- name: on_their_way
SELECT s.chain, s.account, s.reserved, (
    SELECT json_extract(a.fields, '$.chainId') FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce) AS chain_id
FROM slots s
WHERE s.state = 'open'
  AND NOT EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
      AND a.state IN ('mined', 'final'));

-- name: unknown
-- Nonces that something consumed which is not in the journal.
SELECT s.chain, s.account, count(*) FROM slots s
WHERE s.state = 'consumed'
  AND NOT EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
      AND a.hash = s.consumed_by)
GROUP BY s.chain, s.account;

-- name: all_accounts
SELECT * FROM accounts ORDER BY rowid;

-- name: all_intents
SELECT * FROM intents ORDER BY rowid;

-- name: all_slots
SELECT * FROM slots ORDER BY rowid;

-- name: all_placements
SELECT * FROM placements ORDER BY rowid;

-- name: all_attempts
SELECT * FROM attempts ORDER BY id;

-- name: all_outcomes
SELECT * FROM outcomes ORDER BY attempt;

-- name: all_deposits
SELECT * FROM deposits ORDER BY attempt;

-- name: all_holds
SELECT * FROM holds ORDER BY id;

-- name: standing_holds
SELECT scope, mode, since, placed_by, why FROM holds WHERE lifted_at IS NULL ORDER BY id;

-- name: all_orders
SELECT * FROM orders ORDER BY id;

-- name: open_orders
SELECT id, intent, what, given_by, given_at, state, result FROM orders
WHERE state = 'open' ORDER BY id;

-- name: orders
SELECT id, intent, what, given_by, given_at, state, result, done_at FROM orders
WHERE intent = :key ORDER BY id;

-- name: all_reorgs
SELECT * FROM reorgs ORDER BY id;

-- name: all_past_days
SELECT * FROM past_days ORDER BY rowid;

-- name: all_forgotten
SELECT * FROM forgotten ORDER BY rowid;

-- name: all_searches
SELECT * FROM searches ORDER BY chain, contract, subject;

-- name: reorgs
SELECT a.nonce, r.block_number, r.outcome, r.removed_at
FROM reorgs r JOIN attempts a ON a.id = r.attempt
WHERE a.intent = :key ORDER BY r.id;

-- name: deposits
SELECT amount, returned, lost, detail, settled_at FROM deposits
WHERE intent = :key ORDER BY attempt;

-- name: sheet
-- One row for each attempt, and one for each intent that has none.
SELECT i.key, i.family, i.kind, i.chain, i.contract, i.params, i.recipient, i.data, i.value, i.gas,
       i.first_block, i.last_block, i.urgency, i.max_cost, i.min_price, i.worth_sending, i.expects,
       i.proof, i.state, i.has_turn, i.in_series, i.pardoned, i.created_at,
       a.account, a.nonce, s.state AS slot_state, s.consumed_by, s.purse, s.reserved,
       a.id AS attempt, a.purpose, a.state AS attempt_state, a.hash, a.fields, a.raw, a.is_found,
       a.head_number, a.block_number, a.block_hash, a.created_at AS signed_at,
       o.kind AS outcome, o.detail, o.gas_used, o.gas_price, o.sent, o.earned, o.returned,
       o.is_final, o.judged_at
FROM intents i
LEFT JOIN attempts a ON a.intent = i.key
LEFT JOIN slots s ON s.chain = a.chain AND s.account = a.account AND s.nonce = a.nonce
LEFT JOIN outcomes o ON o.attempt = a.id
ORDER BY i.rowid, a.id;
