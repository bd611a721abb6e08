-- name: standing
SELECT scope, mode, since, placed_by, why FROM holds
WHERE lifted_at IS NULL AND scope IN (%(scope)s, 'all')
ORDER BY scope = 'all' DESC;

-- name: all_standing
SELECT scope, mode, since, placed_by, why FROM holds WHERE lifted_at IS NULL ORDER BY id;

-- name: place
INSERT INTO holds (id, scope, mode, since, placed_by, why)
SELECT coalesce(max(id), 0) + 1, %(scope)s, %(mode)s, %(now)s, %(who)s, %(why)s FROM holds
ON CONFLICT DO NOTHING
RETURNING id;

-- name: lift
UPDATE holds SET lifted_at = %(now)s, lifted_by = %(who)s
WHERE lifted_at IS NULL AND (scope = %(scope)s OR %(scope)s = 'all')
RETURNING scope;

-- name: in_flight
SELECT s.account, s.nonce, p.intent
FROM slots s LEFT JOIN placements p ON p.chain = s.chain AND p.account = s.account
    AND p.nonce = s.nonce AND p.is_open = 1
WHERE s.state = 'open' AND (s.program = %(scope)s OR %(scope)s = 'all')
ORDER BY s.account, s.nonce;
