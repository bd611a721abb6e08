-- What whoever watches a journal asks of it again and again. `:chain` NULL: of all chains.

-- name: intents
SELECT state, count(*) AS number FROM intents WHERE :chain IS NULL OR chain = :chain GROUP BY state;

-- name: outcomes
-- Also of what was forgotten.
SELECT family, state, sum(number) AS number FROM (
    SELECT family, state, count(*) AS number FROM intents
    WHERE state NOT IN ('planned', 'in_slot', 'suspended') AND (:chain IS NULL OR chain = :chain)
    GROUP BY family, state
    UNION ALL
    SELECT family, state, number FROM forgotten WHERE :chain IS NULL OR chain = :chain)
GROUP BY family, state ORDER BY family, state;

-- name: open_slots
SELECT s.account, s.nonce, s.program, s.created_at, p.intent, EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
      AND a.state IN ('mined', 'final')) AS mined
FROM slots s LEFT JOIN placements p ON p.chain = s.chain AND p.account = s.account
    AND p.nonce = s.nonce AND p.is_open = 1
WHERE s.state = 'open' AND (:chain IS NULL OR s.chain = :chain)
ORDER BY s.created_at, s.nonce;

-- name: suspended
SELECT key FROM intents WHERE state = 'suspended' AND (:chain IS NULL OR chain = :chain)
ORDER BY created_at;

-- name: accounts
SELECT account, quarantine, accounted, highest_head, (
    SELECT max(s.nonce) + 1 FROM slots s
    WHERE s.chain = a.chain AND s.account = a.account) AS next_nonce
FROM accounts a WHERE :chain IS NULL OR chain = :chain;

-- name: losses
SELECT count(*) AS number FROM outcomes o JOIN attempts a ON a.id = o.attempt
WHERE o.judged_at >= :since AND o.kind IN ('no_effect', 'reverted', 'deposit_lost')
  AND a.purpose = 'act' AND (:chain IS NULL OR a.chain = :chain);

-- name: work
-- What each program's transactions came to, and how many of its slots are open.
SELECT s.program, sum(s.state = 'open') AS in_flight, sum(coalesce(o.kind = 'succeeded', 0)) AS done,
       sum(coalesce(o.kind <> 'succeeded', 0)) AS failed, max(CASE WHEN o.kind IS NOT NULL THEN a.id END)
       AS newest
FROM slots s
LEFT JOIN attempts a ON a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
    AND a.state IN ('mined', 'final')
LEFT JOIN outcomes o ON o.attempt = a.id
WHERE :chain IS NULL OR s.chain = :chain
GROUP BY s.program;

-- name: outcome
SELECT intent, kind, detail, is_final, judged_at FROM outcomes WHERE attempt = :attempt;

-- name: money
-- In wei, as a floating number: sums of products outgrow SQLite's integers.
SELECT total(fees) AS fees, total(earned) AS earned, total(recent) AS recent FROM (
    SELECT o.gas_used * CAST(o.gas_price AS REAL) AS fees,
           CAST(o.earned AS REAL) - CAST(o.returned AS REAL) AS earned,
           CASE WHEN o.judged_at >= :since THEN o.gas_used * CAST(o.gas_price AS REAL) END AS recent
    FROM outcomes o JOIN attempts a ON a.id = o.attempt
    WHERE :chain IS NULL OR a.chain = :chain
    UNION ALL
    SELECT CAST(fees AS REAL), CAST(earned AS REAL) - CAST(returned AS REAL), NULL FROM past_days
    WHERE :chain IS NULL OR chain = :chain);

-- name: first_outcome
SELECT min(judged_at) AS first FROM outcomes o JOIN attempts a ON a.id = o.attempt
WHERE o.judged_at >= :since AND (:chain IS NULL OR a.chain = :chain);

-- name: holders
-- Of a file nobody has leases: who acts has locks of the kernel.
SELECT NULL AS program, NULL AS box, NULL AS pid WHERE 0;

-- name: violations
-- Each must be zero; what is so for no longer than a moment is so within one transaction alone.
SELECT 'done_twice' AS name, count(*) AS number FROM (
    SELECT o.intent FROM outcomes o WHERE o.kind = 'succeeded'
    GROUP BY o.intent HAVING count(*) > 1)
UNION ALL
SELECT 'in_slot_without_slot', count(*) FROM intents i
WHERE i.state = 'in_slot' AND NOT EXISTS (
    SELECT 1 FROM placements p WHERE p.intent = i.key AND p.is_open = 1)
UNION ALL
SELECT 'slot_without_attempt', count(*) FROM slots s
WHERE s.state = 'open' AND NOT EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce)
UNION ALL
SELECT 'succeeded_without_outcome', count(*) FROM intents i
WHERE i.state = 'succeeded' AND NOT EXISTS (
    SELECT 1 FROM outcomes o WHERE o.intent = i.key AND o.kind = 'succeeded');
