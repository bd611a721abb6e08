-- name: standing
SELECT name, box, pid, program, place FROM leases WHERE ends_at > clock_timestamp() ORDER BY name;

-- name: take
-- Of what has not ended, only what a process had in whose place nobody else can be by now; and what
-- one has that only looks on, for one that works.
INSERT INTO leases (name, token, box, pid, program, place, ends_at)
VALUES (%(name)s, 1, %(box)s, %(pid)s, %(program)s, %(place)s,
        clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (name) DO UPDATE SET token = leases.token + 1, box = excluded.box,
    pid = excluded.pid, program = excluded.program, place = excluded.place,
    ends_at = excluded.ends_at, given_up = false
WHERE leases.ends_at <= clock_timestamp() OR leases.place = %(emptied)s
    OR (leases.program LIKE '%% (shadow)' AND excluded.program NOT LIKE '%% (shadow)')
RETURNING token, left(pg_walfile_name(pg_current_wal_lsn()), 8);

-- name: renew
UPDATE leases SET ends_at = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM jsonb_to_recordset(CAST(%(mine)s AS jsonb)) AS mine (name text, token bigint)
WHERE leases.name = mine.name AND leases.token = mine.token
RETURNING leases.name, leases.given_up, left(pg_walfile_name(pg_current_wal_lsn()), 8);

-- name: give_up
UPDATE leases SET given_up = true
WHERE ends_at > clock_timestamp() AND place = %(place)s AND %(scope)s IN (program, 'all')
RETURNING name;

-- name: release
UPDATE leases SET ends_at = clock_timestamp()
FROM jsonb_to_recordset(CAST(%(mine)s AS jsonb)) AS mine (name text, token bigint)
WHERE leases.name = mine.name AND leases.token = mine.token
RETURNING leases.name;

-- name: held
-- And the server's timeline: that of a standby that was promoted is another.
SELECT count(*), left(pg_walfile_name(pg_current_wal_lsn()), 8)
FROM leases JOIN jsonb_to_recordset(CAST(%(mine)s AS jsonb)) AS mine (name text, token bigint)
    ON leases.name = mine.name AND leases.token = mine.token
WHERE ends_at > clock_timestamp();
