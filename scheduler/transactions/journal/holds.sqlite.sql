-- name: standing
SELECT scope, mode, since, placed_by, why FROM holds
WHERE lifted_at IS NULL AND scope IN (:scope, 'all')
ORDER BY scope = 'all' DESC;

-- name: all_standing
SELECT scope, mode, since, placed_by, why FROM holds WHERE lifted_at IS NULL ORDER BY id;

-- name: place
INSERT INTO holds (scope, mode, since, placed_by, why)
VALUES (:scope, :mode, :now, :who, :why)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: lift
UPDATE holds SET lifted_at = :now, lifted_by = :who
WHERE lifted_at IS NULL AND (scope = :scope OR :scope = 'all')
RETURNING scope;

-- name: in_flight
SELECT s.account, s.nonce, p.intent
FROM slots s LEFT JOIN placements p ON p.chain = s.chain AND p.account = s.account
    AND p.nonce = s.nonce AND p.is_open = 1
WHERE s.state = 'open' AND (s.program = :scope OR :scope = 'all')
ORDER BY s.account, s.nonce;
