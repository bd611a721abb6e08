-- The spine: what must be unique is unique here, not only in Python.
-- Amounts in wei are decimal text, since they outgrow SQLite's 64-bit integers.
-- What may be one of more than two texts is checked with OR: for a list behind IN SQLite (3.40)
-- builds a table, and does so anew for every row that is written.
-- `chain` is the fingerprint of chain id and genesis, see scheduler/chain/fingerprint.py.

-- An account on a chain, from which this journal may send unless it is in quarantine: what was
-- sent before, by a journal that was lost or is newer than this one, may still be on its way.
-- Nonces below `accounted` are accounted for, though others' are in no slot. `highest_head` is the
-- highest block that anything here was concluded from.
CREATE TABLE accounts (
    chain        TEXT NOT NULL,
    account      TEXT NOT NULL,
    quarantine   TEXT CHECK (quarantine IN ('new', 'behind')),
    calm_since   INTEGER,
    admitted_at  REAL,
    accounted    INTEGER NOT NULL CHECK (accounted >= 0),
    highest_head INTEGER NOT NULL CHECK (highest_head >= 0),
    PRIMARY KEY (chain, account),
    CHECK (quarantine IS NOT NULL OR (admitted_at IS NOT NULL AND calm_since IS NULL))
) STRICT;

-- What should happen once.
CREATE TABLE intents (
    key         TEXT PRIMARY KEY,
    family      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    chain       TEXT NOT NULL,
    contract    TEXT NOT NULL,
    params      TEXT NOT NULL CHECK (json_valid(params)),
    recipient   TEXT NOT NULL,
    data        BLOB NOT NULL,
    value       TEXT NOT NULL,
    gas         INTEGER NOT NULL CHECK (gas > 0),
    first_block INTEGER NOT NULL,
    last_block  INTEGER NOT NULL CHECK (last_block >= first_block),
    urgency     TEXT NOT NULL CHECK (
        urgency = 'normal' OR urgency = 'urgent' OR urgency = 'repair'),
    max_cost    TEXT NOT NULL,
    min_price   TEXT NOT NULL,
    worth_sending TEXT NOT NULL CHECK (json_valid(worth_sending)),
    expects     TEXT NOT NULL CHECK (json_valid(expects)),
    proof       TEXT CHECK (proof IS NULL OR json_valid(proof)),
    state       TEXT NOT NULL CHECK (
        state = 'planned' OR state = 'in_slot' OR state = 'suspended' OR state = 'succeeded' OR
        state = 'target_failed' OR state = 'no_effect' OR state = 'deposit_lost' OR
        state = 'reverted' OR state = 'expired' OR state = 'abandoned'),
    has_turn    INTEGER NOT NULL DEFAULT 0 CHECK (has_turn IN (0, 1)),
    -- Whether it ever had one: its key has a number, and others follow it.
    in_series   INTEGER NOT NULL DEFAULT 0 CHECK (in_series IN (0, 1)),
    -- Of its mined failures so many do not count any more: the operator resumed it.
    pardoned    INTEGER NOT NULL DEFAULT 0,
    created_at  REAL NOT NULL
) STRICT;

CREATE INDEX intents_by_age ON intents (created_at);
CREATE INDEX intents_by_series ON intents (chain, contract, family, kind) WHERE in_series = 1;

-- Where the intents of a series come in turn: of which one the transaction waits to be mined.
CREATE UNIQUE INDEX one_turn_per_series ON intents (chain, contract, family, kind)
    WHERE has_turn = 1;

CREATE INDEX planned_intents ON intents (chain) WHERE state = 'planned';

-- A nonce of an account: given out once, to a program, and consumed by exactly one hash. Until
-- something is mined in it, `reserved` wei are promised to it, the worst case of its dearest
-- attempt, from a purse.
CREATE TABLE slots (
    chain       TEXT NOT NULL,
    account     TEXT NOT NULL,
    nonce       INTEGER NOT NULL CHECK (nonce >= 0),
    state       TEXT NOT NULL CHECK (state IN ('open', 'consumed')),
    consumed_by TEXT,
    block_number INTEGER,
    block_hash  TEXT,
    program     TEXT NOT NULL,
    purse       TEXT NOT NULL CHECK (purse = 'normal' OR purse = 'urgent' OR purse = 'repair'),
    reserved    TEXT NOT NULL,
    created_at  REAL NOT NULL,
    PRIMARY KEY (chain, account, nonce),
    FOREIGN KEY (chain, account) REFERENCES accounts (chain, account),
    CHECK ((state = 'consumed') = (consumed_by IS NOT NULL)),
    CHECK ((consumed_by IS NULL) = (block_number IS NULL)),
    CHECK ((consumed_by IS NULL) = (block_hash IS NULL))
) STRICT;

CREATE INDEX open_slots ON slots (chain, account) WHERE state = 'open';

-- Which intents were given which slots; an intent is in one open slot at most.
CREATE TABLE placements (
    intent  TEXT NOT NULL REFERENCES intents (key),
    chain   TEXT NOT NULL,
    account TEXT NOT NULL,
    nonce   INTEGER NOT NULL,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    PRIMARY KEY (intent, chain, account, nonce),
    FOREIGN KEY (chain, account, nonce) REFERENCES slots (chain, account, nonce)
) STRICT;

CREATE INDEX placements_by_slot ON placements (chain, account, nonce);
CREATE UNIQUE INDEX one_open_slot_per_intent ON placements (intent) WHERE is_open = 1;

-- One signed transaction in a slot: for the intent, or to free the slot of it. Without `raw` it is a request that the node is to sign and
-- send itself; its hash is then known only from the node's answer, or found on the chain.
CREATE TABLE attempts (
    id           INTEGER PRIMARY KEY,
    chain        TEXT NOT NULL,
    account      TEXT NOT NULL,
    nonce        INTEGER NOT NULL,
    intent       TEXT NOT NULL REFERENCES intents (key),
    purpose      TEXT NOT NULL CHECK (purpose IN ('act', 'cancel')),
    fields       TEXT NOT NULL CHECK (json_valid(fields)),
    raw          BLOB,
    hash         TEXT,
    is_found     INTEGER NOT NULL DEFAULT 0 CHECK (is_found IN (0, 1)),
    state        TEXT NOT NULL CHECK (
        state = 'signed' OR state = 'broadcast' OR state = 'mined' OR state = 'final' OR
        state = 'replaced'),
    head_number  INTEGER NOT NULL,
    block_number INTEGER,
    block_hash   TEXT,
    created_at   REAL NOT NULL,
    FOREIGN KEY (chain, account, nonce) REFERENCES slots (chain, account, nonce),
    UNIQUE (chain, hash),
    CHECK (raw IS NULL OR hash IS NOT NULL),
    CHECK ((state IN ('mined', 'final')) = (block_hash IS NOT NULL)),
    CHECK ((block_hash IS NULL) = (block_number IS NULL))
) STRICT;

CREATE INDEX attempts_by_intent ON attempts (intent);
CREATE INDEX attempts_by_slot ON attempts (chain, account, nonce);
CREATE UNIQUE INDEX one_mined_attempt_per_slot ON attempts (chain, account, nonce)
    WHERE state IN ('mined', 'final');

-- What a mined attempt did, read from its receipt and logs. Of its money: what its gas cost, what
-- was sent along with it, what came in by it, and how much of that was a deposit that came back.
CREATE TABLE outcomes (
    attempt   INTEGER PRIMARY KEY REFERENCES attempts (id),
    intent    TEXT NOT NULL REFERENCES intents (key),
    kind      TEXT NOT NULL CHECK (
        kind = 'succeeded' OR kind = 'target_failed' OR kind = 'no_effect' OR
        kind = 'deposit_lost' OR kind = 'reverted' OR kind = 'expired' OR kind = 'abandoned'),
    detail    TEXT NOT NULL,
    gas_used  INTEGER NOT NULL,
    gas_price TEXT NOT NULL,
    sent      TEXT NOT NULL,
    earned    TEXT NOT NULL,
    returned  TEXT NOT NULL,
    is_final  INTEGER NOT NULL CHECK (is_final IN (0, 1)),
    judged_at REAL NOT NULL
) STRICT;

CREATE INDEX outcomes_by_intent ON outcomes (intent);
CREATE INDEX outcomes_by_time ON outcomes (judged_at);

-- A deposit that a mined attempt left with a contract. It is settled once it is known for good that
-- it is not there any more: `returned` is what came back by somebody else's transaction, `lost` what
-- never will; the rest came with transactions of the account.
CREATE TABLE deposits (
    attempt    INTEGER PRIMARY KEY REFERENCES attempts (id),
    intent     TEXT NOT NULL REFERENCES intents (key),
    amount     TEXT NOT NULL,
    returned   TEXT,
    lost       TEXT,
    detail     TEXT,
    settled_at REAL,
    CHECK ((settled_at IS NULL) = (returned IS NULL)),
    CHECK ((settled_at IS NULL) = (lost IS NULL)),
    CHECK ((settled_at IS NULL) = (detail IS NULL))
) STRICT;

CREATE INDEX deposits_by_intent ON deposits (intent);
CREATE INDEX deposits_out ON deposits (intent) WHERE settled_at IS NULL;

-- What was earned and spent, with whose work that was: the call, where it was for one of the alarm
-- clock. Days are in UTC, those on which it was judged or settled.
CREATE VIEW bookings AS
SELECT o.intent, date(o.judged_at, 'unixepoch') AS day, a.chain, a.account,
       json_extract(a.fields, '$.chainId') AS chain_id, i.family, i.contract,
       json_extract(i.params, '$.call') AS call, o.gas_used, o.gas_price, o.sent, o.earned,
       o.returned, CASE o.kind WHEN 'deposit_lost' THEN o.sent ELSE '0' END AS lost, o.is_final,
       1 AS number
FROM outcomes o
JOIN attempts a ON a.id = o.attempt
JOIN intents i ON i.key = o.intent
UNION ALL
SELECT d.intent, date(d.settled_at, 'unixepoch'), a.chain, a.account,
       json_extract(a.fields, '$.chainId'), i.family, i.contract, json_extract(i.params, '$.call'),
       0, '0', '0', d.returned, d.returned, d.lost, 1, 0
FROM deposits d
JOIN attempts a ON a.id = d.attempt
JOIN intents i ON i.key = d.intent
WHERE d.settled_at IS NOT NULL;

-- What the operator holds back: as long as a row is not lifted, a program of this name, or any
-- where the scope is 'all', gets no slots for new work. Rows stay, for who did it and when.
CREATE TABLE holds (
    id        INTEGER PRIMARY KEY,
    scope     TEXT NOT NULL,
    mode      TEXT NOT NULL CHECK (mode IN ('pause', 'drain')),
    since     REAL NOT NULL,
    placed_by TEXT NOT NULL,
    why       TEXT NOT NULL,
    lifted_at REAL,
    lifted_by TEXT,
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_hold_per_scope ON holds (scope) WHERE lifted_at IS NULL;

-- What the operator ordered for an intent; `attempt` is the one that it caused, if it took one.
CREATE TABLE orders (
    id       INTEGER PRIMARY KEY,
    intent   TEXT NOT NULL REFERENCES intents (key),
    what     TEXT NOT NULL CHECK (what = 'bump' OR what = 'cancel' OR what = 'retry'),
    given_by TEXT NOT NULL,
    given_at REAL NOT NULL,
    state    TEXT NOT NULL CHECK (state = 'open' OR state = 'done' OR state = 'refused'),
    attempt  INTEGER REFERENCES attempts (id),
    done_at  REAL,
    result   TEXT,
    CHECK ((state = 'open') = (done_at IS NULL)),
    CHECK ((done_at IS NULL) = (result IS NULL)),
    CHECK (attempt IS NULL OR state = 'done')
) STRICT;

CREATE INDEX orders_by_intent ON orders (intent);
CREATE INDEX orders_by_attempt ON orders (attempt) WHERE attempt IS NOT NULL;
CREATE UNIQUE INDEX one_open_order_per_intent ON orders (intent) WHERE state = 'open';

-- Blocks with an attempt in them that a reorg removed, and what the attempt's outcome was there.
CREATE TABLE reorgs (
    id           INTEGER PRIMARY KEY,
    attempt      INTEGER NOT NULL REFERENCES attempts (id),
    block_number INTEGER NOT NULL,
    block_hash   TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    removed_at   REAL NOT NULL
) STRICT;

CREATE INDEX reorgs_by_attempt ON reorgs (attempt);

-- What intents that were removed, being old, had earned and spent on a UTC day, wei.
CREATE TABLE past_days (
    chain    TEXT NOT NULL,
    account  TEXT NOT NULL,
    day      TEXT NOT NULL,
    family   TEXT NOT NULL,
    contract TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    number   INTEGER NOT NULL,
    fees     TEXT NOT NULL,
    sent     TEXT NOT NULL,
    earned   TEXT NOT NULL,
    returned TEXT NOT NULL,
    lost     TEXT NOT NULL,
    PRIMARY KEY (chain, account, day, family, contract)
) STRICT;

-- Of a series how many intents with this outcome were removed, being old.
CREATE TABLE forgotten (
    chain    TEXT NOT NULL,
    contract TEXT NOT NULL,
    family   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    state    TEXT NOT NULL,
    number   INTEGER NOT NULL,
    PRIMARY KEY (chain, contract, family, kind, state)
) STRICT;

-- How far a contract's logs about a subject were searched: up to a block, as long as that is on the
-- chain, and what of them still matters. All of it can be read again.
CREATE TABLE searches (
    chain        TEXT NOT NULL,
    contract     TEXT NOT NULL,
    subject      TEXT NOT NULL,
    block_number INTEGER NOT NULL,
    block_hash   TEXT NOT NULL,
    found        TEXT NOT NULL CHECK (json_valid(found)),
    PRIMARY KEY (chain, contract, subject)
) STRICT;
