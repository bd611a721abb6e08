-- What whoever watches a journal asks of it again and again. `chain` NULL: of all chains.

-- name: intents
SELECT state, count(*) AS number FROM intents WHERE %(chain)s::text IS NULL OR chain = %(chain)s GROUP BY state;

-- name: outcomes
-- Also of what was forgotten.
SELECT family, state, sum(number) AS number FROM (
    SELECT family, state, count(*) AS number FROM intents
    WHERE state NOT IN ('planned', 'in_slot', 'suspended') AND (%(chain)s::text IS NULL OR chain = %(chain)s)
    GROUP BY family, state
    UNION ALL
    SELECT family, state, number FROM forgotten
    WHERE %(chain)s::text IS NULL OR chain = %(chain)s) AS ended
GROUP BY family, state ORDER BY family, state;

-- name: open_slots
SELECT s.account, s.nonce, s.program, s.created_at, p.intent, EXISTS (
    SELECT 1 FROM attempts a
    WHERE a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
      AND a.state IN ('mined', 'final')) AS mined
FROM slots s LEFT JOIN placements p ON p.chain = s.chain AND p.account = s.account
    AND p.nonce = s.nonce AND p.is_open = 1
WHERE s.state = 'open' AND (%(chain)s::text IS NULL OR s.chain = %(chain)s)
ORDER BY s.created_at, s.nonce;

-- name: suspended
SELECT key FROM intents WHERE state = 'suspended' AND (%(chain)s::text IS NULL OR chain = %(chain)s)
ORDER BY created_at;

-- name: accounts
SELECT account, quarantine, accounted, highest_head, (
    SELECT max(s.nonce) + 1 FROM slots s
    WHERE s.chain = a.chain AND s.account = a.account) AS next_nonce
FROM accounts a WHERE %(chain)s::text IS NULL OR chain = %(chain)s;

-- name: losses
SELECT count(*) AS number FROM outcomes o JOIN attempts a ON a.id = o.attempt
WHERE o.judged_at >= %(since)s AND o.kind IN ('no_effect', 'reverted', 'deposit_lost')
  AND a.purpose = 'act' AND (%(chain)s::text IS NULL OR a.chain = %(chain)s);

-- name: work
-- What each program's transactions came to, and how many of its slots are open.
SELECT s.program, count(DISTINCT s.nonce) FILTER (WHERE s.state = 'open') AS in_flight, count(*) FILTER (WHERE o.kind = 'succeeded') AS done,
       count(*) FILTER (WHERE o.kind <> 'succeeded') AS failed, max(CASE WHEN o.kind IS NOT NULL THEN a.id END)
       AS newest
FROM slots s
LEFT JOIN attempts a ON a.chain = s.chain AND a.account = s.account AND a.nonce = s.nonce
    AND a.state IN ('mined', 'final')
LEFT JOIN outcomes o ON o.attempt = a.id
WHERE %(chain)s::text IS NULL OR s.chain = %(chain)s
GROUP BY s.program;

-- name: outcome
SELECT intent, kind, detail, is_final, judged_at FROM outcomes WHERE attempt = %(attempt)s;

-- name: money
-- In wei.
SELECT coalesce(sum(fees), 0) AS fees, coalesce(sum(earned), 0) AS earned,
       coalesce(sum(recent), 0) AS recent FROM (
    SELECT o.gas_used * CAST(o.gas_price AS numeric) AS fees,
           CAST(o.earned AS numeric) - CAST(o.returned AS numeric) AS earned,
           CASE WHEN o.judged_at >= %(since)s THEN o.gas_used * CAST(o.gas_price AS numeric) END AS recent
    FROM outcomes o JOIN attempts a ON a.id = o.attempt
    WHERE %(chain)s::text IS NULL OR a.chain = %(chain)s
    UNION ALL
    SELECT CAST(fees AS numeric), CAST(earned AS numeric) - CAST(returned AS numeric), NULL::numeric FROM past_days
    WHERE %(chain)s::text IS NULL OR chain = %(chain)s) AS booked;

-- name: first_outcome
SELECT min(judged_at) AS first FROM outcomes o JOIN attempts a ON a.id = o.attempt
WHERE o.judged_at >= %(since)s AND (%(chain)s::text IS NULL OR a.chain = %(chain)s);

-- name: holders
SELECT DISTINCT program, box, pid FROM leases WHERE ends_at > clock_timestamp()
ORDER BY program, box, pid;

-- name: violations
-- Each must be zero; what is so for no longer than a moment is so within one transaction alone.
SELECT 'done_twice' AS name, count(*) AS number FROM (
    SELECT o.intent FROM outcomes o WHERE o.kind = 'succeeded'
    GROUP BY o.intent HAVING count(*) > 1) AS twice
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
