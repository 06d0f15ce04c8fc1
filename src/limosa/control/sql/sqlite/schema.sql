-- The ledger: in which limosa remembers. Every statement may be run again.
-- Keys are JSON arrays of texts, times are seconds since 1970, both without a type of their own here.
CREATE TABLE IF NOT EXISTS limosa_migration (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    place      TEXT NOT NULL,
    shape      TEXT NOT NULL,
    job        TEXT NOT NULL,
    plan_hash  TEXT NOT NULL,
    plan       TEXT NOT NULL,
    step       TEXT NOT NULL DEFAULT 'plan',
    direction  TEXT NOT NULL DEFAULT 'forward',
    active     INTEGER NOT NULL DEFAULT 1,
    epoch      INTEGER NOT NULL DEFAULT 0,
    frontier   TEXT,
    top        TEXT,
    chunk_rows INTEGER NOT NULL DEFAULT 10000,
    at_expand  INTEGER,
    proofs     TEXT,
    created    REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    changed    REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0)
);
-- A place is claimed by one migration at a time.
CREATE UNIQUE INDEX IF NOT EXISTS limosa_migration_place ON limosa_migration (place) WHERE active = 1;

CREATE TABLE IF NOT EXISTS limosa_operation (
    migration TEXT NOT NULL,
    id        TEXT NOT NULL,
    position  INTEGER NOT NULL,
    state     TEXT NOT NULL,
    changed   REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    PRIMARY KEY (migration, id)
);

CREATE TABLE IF NOT EXISTS limosa_chunk (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    migration   TEXT NOT NULL,
    follows     INTEGER NOT NULL DEFAULT 0,
    lower       TEXT,
    upper       TEXT,
    cursor      TEXT,
    state       TEXT NOT NULL DEFAULT 'open',
    owner       INTEGER,
    fence       INTEGER NOT NULL DEFAULT 0,
    lease_until REAL,
    done        INTEGER NOT NULL DEFAULT 0,
    skipped     INTEGER NOT NULL DEFAULT 0,
    dead        INTEGER NOT NULL DEFAULT 0,
    tokens      INTEGER NOT NULL DEFAULT 0,
    cost_usd    REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS limosa_chunk_open ON limosa_chunk (migration, id) WHERE state = 'open';
CREATE UNIQUE INDEX IF NOT EXISTS limosa_chunk_follows ON limosa_chunk (migration) WHERE follows = 1;

CREATE TABLE IF NOT EXISTS limosa_exception (
    migration TEXT NOT NULL,
    key       TEXT NOT NULL,
    kind      TEXT NOT NULL,
    reason    TEXT NOT NULL,
    changed   REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    PRIMARY KEY (migration, key)
);

-- What a point was like when it came to be dead or skipped, where changes are found by looking: a digest.
CREATE TABLE IF NOT EXISTS limosa_trace (
    migration TEXT NOT NULL,
    key       TEXT NOT NULL,
    trace     TEXT NOT NULL,
    PRIMARY KEY (migration, key)
);

-- Rows whose text was not embedded as it is: cut, or pooled from pieces.
CREATE TABLE IF NOT EXISTS limosa_mark (
    migration TEXT NOT NULL,
    key       TEXT NOT NULL,
    mark      TEXT NOT NULL,
    PRIMARY KEY (migration, key)
);

-- Append-only for the application's triggers; read by id, removed by id. An id is never given twice.
CREATE TABLE IF NOT EXISTS limosa_change (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    migration TEXT NOT NULL,
    key       TEXT NOT NULL,
    changed   REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0)
);
CREATE INDEX IF NOT EXISTS limosa_change_key ON limosa_change (migration, key);

-- Keys that a rollback has to put right.
CREATE TABLE IF NOT EXISTS limosa_touched (
    migration TEXT NOT NULL,
    key       TEXT NOT NULL,
    PRIMARY KEY (migration, key)
);

-- What people ask of a migration while it runs.
CREATE TABLE IF NOT EXISTS limosa_wish (
    migration TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    changed   REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    PRIMARY KEY (migration, name)
);

CREATE TABLE IF NOT EXISTS limosa_event (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    migration TEXT NOT NULL,
    at        REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    kind      TEXT NOT NULL,
    detail    TEXT NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS limosa_space (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    title       TEXT NOT NULL,
    description TEXT NOT NULL
);

-- Whose turn it is to carry out operations: the one process that may change the schema.
CREATE TABLE IF NOT EXISTS limosa_turn (
    migration   TEXT PRIMARY KEY NOT NULL,
    owner       INTEGER,
    lease_until REAL
);

-- How a table lies now, since when, and what the view over both layouts reads: old, both or new.
CREATE TABLE IF NOT EXISTS limosa_layout (
    name    TEXT PRIMARY KEY NOT NULL,
    layout  TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    changed TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    reads   TEXT NOT NULL DEFAULT 'both' CHECK (reads IN ('old', 'both', 'new'))
);

-- Texts that are with a provider as a batch job: the part of a chunk after the job before it, up to a key.
CREATE TABLE IF NOT EXISTS limosa_job (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    migration  TEXT NOT NULL,
    chunk      INTEGER NOT NULL,
    upto       TEXT NOT NULL,
    tag        TEXT NOT NULL UNIQUE,
    job        TEXT,
    state      TEXT NOT NULL DEFAULT 'sending',
    tries      INTEGER NOT NULL DEFAULT 1,
    texts      INTEGER NOT NULL,
    tokens     INTEGER NOT NULL,
    cost_usd   REAL NOT NULL,
    before_usd REAL NOT NULL,
    submitted  REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    next_look  REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
    reason     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS limosa_job_open ON limosa_job (migration, chunk) WHERE state <> 'closed';

-- How it went: sums of all workers at one moment, and durations of one process's work. A bounded number of
-- rows for each migration; they stay after finish.
CREATE TABLE IF NOT EXISTS limosa_sample (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    migration TEXT NOT NULL,
    began     REAL NOT NULL,
    at        REAL NOT NULL,
    done      INTEGER NOT NULL,
    skipped   INTEGER NOT NULL,
    dead      INTEGER NOT NULL,
    followed  INTEGER NOT NULL,
    asked     INTEGER NOT NULL,
    tokens    INTEGER NOT NULL,
    cost_usd  REAL NOT NULL,
    writes    TEXT NOT NULL DEFAULT '{}',
    requests  TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS limosa_sample_at ON limosa_sample (migration, at);
