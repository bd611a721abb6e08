-- name: now
-- By the database's clock, seconds since the epoch.
SELECT (julianday('now') - 2440587.5) * 86400;

-- name: standing
SELECT quarantine, calm_since, accounted, highest_head FROM accounts
WHERE chain = :chain AND account = :account;

-- name: chains
SELECT DISTINCT chain FROM accounts;

-- name: quarantined
SELECT chain, account FROM accounts WHERE quarantine IS NOT NULL ORDER BY rowid;

-- name: admit
INSERT INTO accounts (chain, account, admitted_at, accounted, highest_head)
VALUES (:chain, :account, :now, :accounted, 0)
ON CONFLICT DO UPDATE SET quarantine = NULL, calm_since = NULL, admitted_at = :now,
    accounted = max(accounted, :accounted);

-- name: quarantine
INSERT INTO accounts (chain, account, quarantine, accounted, highest_head)
VALUES (:chain, :account, :why, :accounted, 0)
ON CONFLICT DO UPDATE SET quarantine = coalesce(quarantine, :why), calm_since = NULL,
    accounted = max(accounted, :accounted);

-- name: set_calm_since
UPDATE accounts SET calm_since = :since
WHERE chain = :chain AND account = :account AND quarantine IS NOT NULL;

-- name: release
UPDATE accounts SET quarantine = NULL, calm_since = NULL, admitted_at = :now
WHERE chain = :chain AND account = :account AND calm_since = :since
RETURNING account;

-- name: account_for
UPDATE accounts SET accounted = :accounted
WHERE chain = :chain AND account = :account AND accounted < :accounted
RETURNING account;

-- name: saw_head
UPDATE accounts SET highest_head = max(highest_head, :head)
WHERE chain = :chain AND account = :account;

-- name: saw_block
UPDATE accounts SET highest_head = max(highest_head, :head)
WHERE (chain, account) = (SELECT chain, account FROM attempts WHERE id = :id);

-- name: highest_nonce
SELECT max(nonce) FROM slots WHERE chain = :chain AND account = :account;

-- name: intent_states
SELECT key, state FROM intents WHERE key IN (SELECT value FROM json_each(:keys));

-- name: insert_intent
INSERT INTO intents (
    key, family, kind, chain, contract, params, recipient, data, value, gas,
    first_block, last_block, urgency, max_cost, min_price, worth_sending, expects, proof, state,
    created_at)
VALUES (
    :key, :family, :kind, :chain, :contract, :params, :recipient, :data, :value, :gas,
    :first_block, :last_block, :urgency, :max_cost, :min_price, :worth_sending, :expects, :proof,
    :state, :now)
-- One that is planned again is what its family wants now.
ON CONFLICT (key) DO UPDATE SET
    params = excluded.params, recipient = excluded.recipient, data = excluded.data, value = excluded.value,
    gas = excluded.gas, proof = excluded.proof, first_block = excluded.first_block, last_block = excluded.last_block,
    urgency = excluded.urgency, max_cost = excluded.max_cost, min_price = excluded.min_price,
    worth_sending = excluded.worth_sending, expects = excluded.expects, state = excluded.state;

-- name: ended_in_series
-- A mined failure has ended when it is final: only then is it known not to be tried again. Those
-- that were forgotten since count, too.
SELECT (
    SELECT count(*) FROM intents i
    WHERE chain = :chain AND contract = :contract AND family = :family AND kind = :kind
      AND in_series = 1
      AND (state IN ('expired', 'abandoned')
           OR state = 'succeeded' AND :successes
           OR state IN ('target_failed', 'no_effect', 'deposit_lost', 'reverted')
              AND EXISTS (SELECT 1 FROM outcomes o WHERE o.intent = i.key AND o.is_final = 1)
              AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.intent = i.key AND o.is_final = 0))
) + coalesce((
    SELECT sum(number) FROM forgotten
    WHERE chain = :chain AND contract = :contract AND family = :family AND kind = :kind
      AND (state <> 'succeeded' OR :successes)), 0);

-- name: newest_in_series
SELECT i.params, o.kind
FROM intents i
JOIN outcomes o ON o.intent = i.key
JOIN attempts a ON a.id = o.attempt
WHERE i.chain = :chain AND i.contract = :contract AND i.family = :family
  AND i.kind = :kind AND i.in_series = 1 AND a.purpose = 'act'
ORDER BY a.block_number DESC, a.nonce DESC
LIMIT :many;

-- name: has_turn
-- One that a reorg put back into its slot had its turn, and waits again.
SELECT key FROM intents i
WHERE chain = :chain AND contract = :contract AND family = :family AND kind = :kind
  AND in_series = 1
  AND (has_turn = 1 OR state = 'in_slot' AND EXISTS (
    SELECT 1 FROM placements p
    WHERE p.intent = i.key AND p.is_open = 1 AND NOT EXISTS (
      SELECT 1 FROM attempts a
      WHERE a.chain = p.chain AND a.account = p.account AND a.nonce = p.nonce
        AND a.state IN ('mined', 'final'))));

-- name: any_turn
SELECT 1 FROM intents WHERE chain = :chain AND has_turn = 1 LIMIT 1;

-- name: set_turn
UPDATE intents SET has_turn = :has_turn, in_series = max(in_series, :has_turn) WHERE key = :key;

-- name: mandates
SELECT key, recipient, value, data, proof FROM intents
WHERE key IN (SELECT value FROM json_each(:keys));

-- name: set_intent_state
UPDATE intents SET state = :state WHERE key = :key;

-- name: insert_slot
INSERT INTO slots (chain, account, nonce, state, program, purse, reserved, created_at)
VALUES (:chain, :account, :nonce, 'open', :program, :purse, :reserved, :now)
ON CONFLICT DO NOTHING;

-- name: insert_placement
INSERT INTO placements (intent, chain, account, nonce, is_open)
VALUES (:key, :chain, :account, :nonce, 1);

-- name: insert_attempt
INSERT INTO attempts (
    id, chain, account, nonce, intent, purpose, fields, raw, hash, state, head_number, created_at)
VALUES (
    :id, :chain, :account, :nonce, :key, :purpose, :fields, :raw, :hash, :state, :head_number,
    :now);

-- name: insert_found
INSERT INTO attempts (
    chain, account, nonce, intent, purpose, fields, hash, is_found, state, head_number, created_at)
VALUES (
    :chain, :account, :nonce, :key, 'act', :fields, :hash, 1, 'broadcast', :head_number, :now)
ON CONFLICT DO NOTHING;

-- name: mark_found
UPDATE attempts SET is_found = 1, hash = :hash, state = 'broadcast' WHERE id = :id;

-- name: nonces_from
SELECT nonce FROM slots WHERE chain = :chain AND account = :account AND nonce >= :lowest;

-- name: newest_attempt
SELECT coalesce(max(id), 0) FROM attempts;

-- name: open_attempts
SELECT a.id, a.nonce, a.purpose, a.fields, a.raw, a.hash, a.state, a.head_number, a.block_number,
       a.block_hash, a.is_found, coalesce(p.is_open, 0), i.key, i.family, i.contract, i.kind, i.params,
       i.last_block, i.urgency, i.max_cost, i.min_price, i.worth_sending, i.expects
FROM slots s
-- In this order: sqlite would else walk through all attempts that there ever were.
CROSS JOIN attempts a USING (chain, account, nonce)
JOIN intents i ON i.key = a.intent
LEFT JOIN placements p ON p.intent = a.intent AND p.chain = a.chain AND p.account = a.account
    AND p.nonce = a.nonce
WHERE s.chain = :chain AND s.account = :account AND s.state = 'open'
ORDER BY a.nonce, a.id;

-- name: open_of_others
SELECT s.account, count(DISTINCT s.nonce)
FROM slots s
-- In this order: see open_attempts.
CROSS JOIN attempts a USING (chain, account, nonce)
JOIN intents i ON i.key = a.intent
WHERE s.chain = :chain AND s.account <> :account AND s.state = 'open'
    AND i.family = :family AND i.contract = :contract
GROUP BY s.account
ORDER BY s.account;

-- name: attempt_state
SELECT state FROM attempts WHERE id = :id;

-- name: attempt_states
SELECT id, state, block_hash FROM attempts WHERE id IN (SELECT value FROM json_each(:ids));

-- name: intent_state
SELECT state FROM intents WHERE key = :key;

-- name: set_broadcast
-- Of what came further meanwhile another process knows more than that a node took it.
UPDATE attempts SET state = 'broadcast'
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'signed';

-- name: set_hash
-- The hash of bytes that were signed here is known; what a node says of it changes nothing.
UPDATE attempts SET hash = :hash
WHERE id = :id AND raw IS NULL AND state = 'broadcast';

-- name: other_mined_in_slot
SELECT 1 FROM attempts a JOIN attempts o USING (chain, account, nonce)
WHERE a.id = :id AND o.id <> a.id AND o.state IN ('mined', 'final');

-- name: set_mined
UPDATE attempts
SET state = :state, hash = :hash, block_number = :block_number, block_hash = :block_hash
WHERE id = :id;

-- name: note_reorg
INSERT INTO reorgs (attempt, block_number, block_hash, outcome, removed_at)
SELECT a.id, a.block_number, a.block_hash, o.kind, :now
FROM attempts a JOIN outcomes o ON o.attempt = a.id
WHERE a.id = :id;

-- name: set_unmined
UPDATE attempts SET state = :state, block_number = NULL, block_hash = NULL WHERE id = :id;

-- name: insert_outcome
INSERT INTO outcomes (
    attempt, intent, kind, detail, gas_used, gas_price, sent, earned, returned, is_final, judged_at)
VALUES (
    :id, :key, :kind, :detail, :gas_used, :gas_price, :sent, :earned, :returned, 0, :now);

-- name: delete_outcome
DELETE FROM outcomes WHERE attempt = :id;

-- name: set_final
UPDATE attempts SET state = :state WHERE id = :id;

-- name: outcome_kind
SELECT kind FROM outcomes WHERE attempt = :id;

-- name: finish_outcome
UPDATE outcomes SET is_final = 1 WHERE attempt = :id;

-- name: mined_in
SELECT hash, block_number, block_hash FROM attempts WHERE id = :id;

-- name: is_placed
-- Whether the slot of the attempt is where its intent is now.
SELECT 1 FROM attempts a JOIN placements p USING (intent, chain, account, nonce)
WHERE a.id = :id AND p.is_open = 1;

-- name: leave_other_slots
UPDATE placements SET is_open = 0 WHERE intent = :key AND is_open = 1;

-- name: place_where_it_is_mined
UPDATE placements SET is_open = 1
WHERE intent = :key
  AND (chain, account, nonce) = (SELECT chain, account, nonce FROM attempts WHERE id = :id);

-- name: other_open_slot
-- The newest: what was signed for the intent there may be mined still.
SELECT p.nonce FROM placements p JOIN slots s USING (chain, account, nonce)
WHERE p.intent = :key AND p.chain = :chain AND p.account = :account AND p.nonce <> :nonce
  AND s.state = 'open'
ORDER BY p.nonce DESC LIMIT 1;

-- name: mined_outcome
SELECT o.kind FROM attempts a JOIN outcomes o ON o.attempt = a.id
WHERE a.chain = :chain AND a.account = :account AND a.nonce = :nonce AND a.intent = :key
  AND a.purpose = 'act';

-- name: consumed_slots
SELECT nonce, consumed_by, block_number, block_hash FROM slots
WHERE chain = :chain AND account = :account AND state = 'consumed'
  AND (:below IS NULL OR nonce < :below)
ORDER BY nonce DESC LIMIT :limit;

-- name: ever_placed_in
SELECT i.key, i.family, i.contract, i.kind, i.params FROM placements p
JOIN intents i ON i.key = p.intent
WHERE p.chain = :chain AND p.account = :account AND p.nonce = :nonce;

-- name: attempts_in
SELECT id, state FROM attempts WHERE chain = :chain AND account = :account AND nonce = :nonce;

-- name: reopen_slot
UPDATE slots SET state = 'open', consumed_by = NULL, block_number = NULL, block_hash = NULL
WHERE chain = :chain AND account = :account AND nonce = :nonce AND state = 'consumed'
RETURNING nonce;

-- name: reopen_placement
-- An intent that is in another slot by now stays there.
UPDATE placements SET is_open = 1
WHERE intent = :key AND chain = :chain AND account = :account AND nonce = :nonce
  AND NOT EXISTS (SELECT 1 FROM placements o WHERE o.intent = :key AND o.is_open = 1)
RETURNING nonce;

-- name: planned
SELECT key, family, contract, kind, params, last_block FROM intents
WHERE state = 'planned' AND chain = :chain;

-- name: consume_slot
UPDATE slots SET state = 'consumed', consumed_by = :hash, block_number = :block_number,
    block_hash = :block_hash
WHERE chain = :chain AND account = :account AND nonce = :nonce AND state = 'open';

-- name: close_placements
UPDATE placements SET is_open = 0
WHERE chain = :chain AND account = :account AND nonce = :nonce;

-- name: replace_others
UPDATE attempts SET state = 'replaced'
WHERE chain = :chain AND account = :account AND nonce = :nonce
  AND state IN ('signed', 'broadcast');

-- name: free_slot
-- Nothing in it is mined, and nobody has outbid what is to be replaced.
SELECT s.purse, s.reserved FROM slots s
WHERE s.chain = :chain AND s.account = :account AND s.nonce = :nonce AND s.state = 'open'
  AND NOT EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
      AND (a.state IN ('mined', 'final') OR a.id > :replaced));

-- name: outcome_counts
SELECT o.kind, count(*) FROM outcomes o JOIN intents i ON i.key = o.intent
WHERE i.chain = :chain GROUP BY o.kind;

-- name: set_purse
UPDATE slots SET purse = :purse
WHERE chain = :chain AND account = :account AND nonce = :nonce;

-- name: placed_in
SELECT intent FROM placements
WHERE chain = :chain AND account = :account AND nonce = :nonce AND is_open = 1;

-- name: set_reserved
UPDATE slots SET reserved = :reserved
WHERE chain = :chain AND account = :account AND nonce = :nonce;

-- name: promises
-- What was mined up to the block of a balance is paid for in it, what was mined later is not.
SELECT s.nonce, s.purse, s.reserved FROM slots s
WHERE s.chain = :chain AND s.account = :account AND s.state = 'open'
  AND NOT EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
      AND a.state IN ('mined', 'final') AND a.block_number <= :head_number);

-- name: stakes
-- A slot's bids for the same carry the same, and one of them at most is mined.
SELECT DISTINCT s.nonce, i.contract, json_extract(a.fields, '$.value')
FROM slots s INDEXED BY open_slots
CROSS JOIN attempts a USING (chain, account, nonce)
JOIN intents i ON i.key = a.intent
WHERE s.chain = :chain AND s.account = :account AND s.state = 'open' AND a.purpose = 'act'
  AND NOT EXISTS (
    SELECT 1 FROM attempts m
    WHERE m.chain = s.chain AND m.account = s.account AND m.nonce = s.nonce
      AND m.state IN ('mined', 'final'));

-- name: expenses
SELECT s.purse, i.contract, o.kind, o.sent, o.gas_used, o.gas_price, o.earned
FROM outcomes o
CROSS JOIN attempts a ON a.id = o.attempt
JOIN slots s USING (chain, account, nonce)
JOIN intents i ON i.key = o.intent
WHERE o.judged_at >= :since AND a.chain = :chain AND a.account = :account;

-- name: failures
SELECT i.key, count(*), i.pardoned, max(a.block_number)
FROM intents i
JOIN outcomes o ON o.intent = i.key
JOIN attempts a ON a.id = o.attempt
WHERE i.key IN (SELECT value FROM json_each(:keys)) AND o.is_final = 1
  AND o.kind IN ('target_failed', 'no_effect', 'deposit_lost', 'reverted')
GROUP BY i.key;

-- name: pardon
UPDATE intents SET pardoned = (
    SELECT count(*) FROM outcomes o
    WHERE o.intent = intents.key AND o.is_final = 1
      AND o.kind IN ('target_failed', 'no_effect', 'deposit_lost', 'reverted'))
WHERE key = :key;

-- name: limit_pardon
-- A failure that a reorg took back is not there to be pardoned.
UPDATE intents SET pardoned = min(pardoned, (
    SELECT count(*) FROM outcomes o
    WHERE o.intent = intents.key AND o.is_final = 1
      AND o.kind IN ('target_failed', 'no_effect', 'deposit_lost', 'reverted')))
WHERE key = :key;

-- name: raised_bids
-- Of the newest slots, as many as geth's suggestion looks back blocks and more.
SELECT bid.fields, first.fields FROM attempts bid
JOIN attempts first USING (chain, account, nonce)
WHERE bid.chain = :chain AND bid.account = :account
  AND bid.nonce > (SELECT max(nonce) FROM slots
                   WHERE chain = :chain AND account = :account) - 50
  AND first.id = (SELECT min(id) FROM attempts a
                  WHERE a.chain = bid.chain AND a.account = bid.account AND a.nonce = bid.nonce)
  AND bid.id > first.id;
