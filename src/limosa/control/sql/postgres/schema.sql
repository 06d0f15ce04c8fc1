-- The ledger: in which limosa remembers. Every statement may be run again.
CREATE SCHEMA IF NOT EXISTS limosa;

CREATE TABLE IF NOT EXISTS limosa.migration (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    place      text NOT NULL,
    shape      text NOT NULL,
    job        text NOT NULL,
    plan_hash  text NOT NULL,
    plan       jsonb NOT NULL,
    step       text NOT NULL DEFAULT 'plan',
    direction  text NOT NULL DEFAULT 'forward',
    active     boolean NOT NULL DEFAULT true,
    epoch      integer NOT NULL DEFAULT 0,
    frontier   text[],
    top        text[],
    chunk_rows integer NOT NULL DEFAULT 10000,
    at_expand  bigint,
    proofs     jsonb,
    created    timestamptz NOT NULL DEFAULT now(),
    changed    timestamptz NOT NULL DEFAULT now()
);
-- A place is claimed by one migration at a time.
CREATE UNIQUE INDEX IF NOT EXISTS migration_place ON limosa.migration (place) WHERE active;

CREATE TABLE IF NOT EXISTS limosa.operation (
    migration text NOT NULL,
    id        text NOT NULL,
    position  integer NOT NULL,
    state     text NOT NULL,
    changed   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, id)
);

CREATE TABLE IF NOT EXISTS limosa.chunk (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration   text NOT NULL,
    follows     boolean NOT NULL DEFAULT false,
    lower       text[],
    upper       text[],
    cursor      text[],
    state       text NOT NULL DEFAULT 'open',
    owner       bigint,
    fence       bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    done        bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    dead        bigint NOT NULL DEFAULT 0,
    tokens      bigint NOT NULL DEFAULT 0,
    cost_usd    double precision NOT NULL DEFAULT 0
);
-- Texts that were paid for. Ledgers of an earlier version lack it.
ALTER TABLE limosa.chunk ADD COLUMN IF NOT EXISTS asked bigint NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS chunk_open ON limosa.chunk (migration, id) WHERE state = 'open';
CREATE UNIQUE INDEX IF NOT EXISTS chunk_follows ON limosa.chunk (migration) WHERE follows;

CREATE TABLE IF NOT EXISTS limosa.exception (
    migration text NOT NULL,
    key       text[] NOT NULL,
    kind      text NOT NULL,
    reason    text NOT NULL,
    changed   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, key)
);

-- What a point was like when it came to be dead or skipped, where changes are found by looking: a digest.
CREATE TABLE IF NOT EXISTS limosa.trace (
    migration text NOT NULL,
    key       text[] NOT NULL,
    trace     text NOT NULL,
    PRIMARY KEY (migration, key)
);

-- Rows whose text was not embedded as it is: cut, or pooled from pieces.
CREATE TABLE IF NOT EXISTS limosa.mark (
    migration text NOT NULL,
    key       text[] NOT NULL,
    mark      text NOT NULL,
    PRIMARY KEY (migration, key)
);

-- Append-only for the application's triggers; read by id, removed by id.
CREATE TABLE IF NOT EXISTS limosa.change (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    key       text[] NOT NULL,
    changed   timestamptz NOT NULL DEFAULT now()
);

-- Keys whose old vector no longer belongs to their text (upgrade, after cutover), or whose
-- vector limosa made (fill): what a rollback has to put right.
CREATE TABLE IF NOT EXISTS limosa.touched (
    migration text NOT NULL,
    key       text[] NOT NULL,
    PRIMARY KEY (migration, key)
);

-- What people ask of a migration while it runs: that it pauses, and how fast and dear it may be.
CREATE TABLE IF NOT EXISTS limosa.wish (
    migration text NOT NULL,
    name      text NOT NULL,
    value     text NOT NULL,
    changed   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, name)
);

CREATE TABLE IF NOT EXISTS limosa.event (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    kind      text NOT NULL,
    detail    text NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS limosa.space (
    fingerprint text PRIMARY KEY,
    title       text NOT NULL,
    description jsonb NOT NULL
);

-- Texts that are with a provider as a batch job: the part of a chunk after the job before it, up to a key.
CREATE TABLE IF NOT EXISTS limosa.job (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration  text NOT NULL,
    chunk      bigint NOT NULL,
    upto       text[] NOT NULL,
    tag        text NOT NULL UNIQUE,
    job        text,
    state      text NOT NULL DEFAULT 'sending',
    tries      integer NOT NULL DEFAULT 1,
    texts      bigint NOT NULL,
    tokens     bigint NOT NULL,
    cost_usd   double precision NOT NULL,
    before_usd double precision NOT NULL,
    submitted  timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_look  timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason     text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS job_open ON limosa.job (migration, chunk) WHERE state <> 'closed';

-- How it went: sums of all workers at one moment, and durations of one process's work. A bounded number of
-- rows for each migration; they stay after finish.
CREATE TABLE IF NOT EXISTS limosa.sample (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    began     timestamptz NOT NULL,
    at        timestamptz NOT NULL,
    done      bigint NOT NULL,
    skipped   bigint NOT NULL,
    dead      bigint NOT NULL,
    followed  bigint NOT NULL,
    asked     bigint NOT NULL,
    tokens    bigint NOT NULL,
    cost_usd  double precision NOT NULL,
    writes    text NOT NULL DEFAULT '{}',
    requests  text NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS sample_at ON limosa.sample (migration, at);
