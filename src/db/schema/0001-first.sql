-- The first schema. Types: BIGINT, TEXT, BYTEA, DOUBLE PRECISION. Times: *_at is milliseconds since 1970-01-01 UTC by the store's
-- clock. Primary keys are led by account or bucket wherever a table grows with users.
--
-- A line beginning with --sqlite or --postgresql counts for that store alone.

--postgresql CREATE FUNCTION rota_now() RETURNS BIGINT LANGUAGE sql VOLATILE AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT $$;

-- ---------------------------------------------------------------- roster

-- One row: counters and the table in force of the whole cluster.
CREATE TABLE cluster (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    incarnations BIGINT NOT NULL,       -- the last incarnation given out; only grows
    epoch BIGINT NOT NULL,              -- of the table in force; 0: none yet
    role_table TEXT NOT NULL,           -- canonical text of the table in force
    digest TEXT NOT NULL
);
INSERT INTO cluster (id, incarnations, epoch, role_table, digest) VALUES (1, 0, 0, '', '');

-- Living and drained nodes. A row that is gone takes its incarnation's claims with it: a task whose owner has no row is free.
CREATE TABLE member (
    node BIGINT PRIMARY KEY,
    incarnation BIGINT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    version TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,        -- by the store's clock
    state TEXT NOT NULL,                -- 'up', 'draining', 'drained'
    wish TEXT NOT NULL,                 -- what an operator asked of it: '', 'drain', 'reload'
    proposed_table TEXT NOT NULL,       -- of its own file, canonical
    proposed_digest TEXT NOT NULL,
    health TEXT NOT NULL                -- JSON: cores, memory, load, heartbeat gap
);

-- One durable piece of work. `owner` and what a claim writes are in no index (HOT updates on PostgreSQL).
CREATE TABLE task (
    bucket BIGINT NOT NULL,
    role TEXT NOT NULL,
    key TEXT NOT NULL,                  -- unique within the role; decides the bucket
    due_at BIGINT NOT NULL,
    payload TEXT NOT NULL,
    version BIGINT NOT NULL,            -- grows with each enqueue: work asked for during a run is not lost
    owner BIGINT NOT NULL,              -- incarnation that runs it; 0: nobody
    generation BIGINT NOT NULL,         -- grows with each claim: the fence
    claimed_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,           -- failed runs since the last success
    deaths BIGINT NOT NULL,             -- incarnations that died with it
    created_at BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    PRIMARY KEY (bucket, role, key)
--sqlite ) WITHOUT ROWID;
--postgresql ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_due ON task (role, bucket, due_at);

-- Tasks that failed their last attempt: kept until a person retries or drops them.
CREATE TABLE dead_letter (
    bucket BIGINT NOT NULL,
    role TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    deaths BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    buried_at BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    node BIGINT NOT NULL,               -- who buried it
    PRIMARY KEY (bucket, role, key)
);

-- The last slot of each round that was enqueued: a slot runs at most once for a shard.
CREATE TABLE round (
    role TEXT NOT NULL,
    unit TEXT NOT NULL,                 -- store name, certificate name, '' where the role has one unit
    shard BIGINT NOT NULL,              -- from 1
    shards BIGINT NOT NULL,
    last_slot BIGINT NOT NULL,          -- the slot's nominal time
    last_started_at BIGINT NOT NULL,
    last_done_at BIGINT NOT NULL,
    last_result TEXT NOT NULL,
    PRIMARY KEY (role, unit, shard)
);

-- Ends of tasks that a person may ask about: rounds, failures, burials. Purged after a time.
CREATE TABLE task_history (
    id BIGINT NOT NULL,                 -- ended_at * 2^20 + chance: ordered by time
    role TEXT NOT NULL,
    shard BIGINT NOT NULL,
    key TEXT NOT NULL,
    node BIGINT NOT NULL,
    outcome TEXT NOT NULL,              -- 'done', 'again', 'failed', 'buried'
    attempts BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    detail TEXT NOT NULL,               -- error, or what a round did
    PRIMARY KEY (id)
);

-- Work counts by node, role, shard and minute; added to with the heartbeat.
CREATE TABLE load_sample (
    minute BIGINT NOT NULL,             -- wall minute since 1970 by the store's clock
    node BIGINT NOT NULL,
    role TEXT NOT NULL,
    shard BIGINT NOT NULL,
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    retried BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    busy_us BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (minute, node, role, shard)
);

-- ---------------------------------------------------------------- mail

-- Numbers that are never given out twice.
CREATE TABLE sequence (
    name TEXT PRIMARY KEY,              -- 'account'
    value BIGINT NOT NULL               -- the last one given out
);
INSERT INTO sequence (name, value) VALUES ('account', 0);

CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    bucket BIGINT NOT NULL,
    address TEXT NOT NULL UNIQUE,       -- lower-cased; freed ('id#address') when deleted
    name TEXT NOT NULL,
    quota_bytes BIGINT NOT NULL,        -- 0: no limit
    used_bytes BIGINT NOT NULL,
    used_messages BIGINT NOT NULL,
    next_email BIGINT NOT NULL,         -- ids within the account; below 2^31, see search
    next_mailbox BIGINT NOT NULL,
    change_seq BIGINT NOT NULL,         -- the newest change
    change_floor BIGINT NOT NULL,       -- changes up to here were trimmed
    password TEXT NOT NULL,             -- argon2id, '' none
    created_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL          -- 0: living
);
CREATE INDEX account_bucket ON account (bucket, id);

-- Every address that is delivered to, the account's own too.
CREATE TABLE alias (
    address TEXT PRIMARY KEY,           -- lower-cased
    account BIGINT NOT NULL
);
CREATE INDEX alias_account ON alias (account);

CREATE TABLE mailbox (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    parent BIGINT NOT NULL,             -- 0: top
    role TEXT NOT NULL,                 -- RFC 8621: 'inbox', 'junk', 'trash', ... or ''
    total BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX mailbox_name ON mailbox (account, parent, name);

-- Equal bytes are kept once. `touched_at` grows whenever a delivery links it: the purge's lock against the race. `data` comes last, so that
-- the others can be read without it.
CREATE TABLE blob (
    digest BYTEA PRIMARY KEY,           -- SHA-256 of the plain bytes
    size BIGINT NOT NULL,               -- plain
    codec BIGINT NOT NULL,              -- 0 as it is, 1 zstd
    touched_at BIGINT NOT NULL,
    data BYTEA NOT NULL
);
--postgresql ALTER TABLE blob ALTER COLUMN data SET STORAGE EXTERNAL;

-- Blobs that lost a link, and when: what the purge looks at, so that its cost follows what was removed and not what is kept.
CREATE TABLE blob_loose (
    digest BYTEA PRIMARY KEY,
    since BIGINT NOT NULL
--sqlite ) WITHOUT ROWID;
--postgresql );

CREATE TABLE email (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,
    blob BYTEA NOT NULL,
    size BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,            -- Date header, 0: none
    message_id TEXT NOT NULL,           -- without <>, '' none
    thread BIGINT NOT NULL,             -- id of the thread's first email
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,               -- From as people see it
    preview TEXT NOT NULL,
    keywords TEXT NOT NULL,             -- sorted, each between spaces: ' $junk $seen ', '' none
    has_attachment BIGINT NOT NULL,
    spam_score DOUBLE PRECISION NOT NULL,  -- 0 to 1; -1: not scored
    trace TEXT NOT NULL,                -- header lines of this delivery (Return-Path, X-Spam-Status, ...), each ending in CRLF; not in the blob
    changed_seq BIGINT NOT NULL,
    PRIMARY KEY (account, id)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX email_blob ON email (blob);
CREATE INDEX email_message_id ON email (account, message_id);

CREATE TABLE email_mailbox (
    account BIGINT NOT NULL,
    mailbox BIGINT NOT NULL,
    email BIGINT NOT NULL,
    filed_at BIGINT NOT NULL,           -- when it came into this mailbox: Trash and Junk expire by it
    PRIMARY KEY (account, mailbox, email)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX email_mailbox_email ON email_mailbox (account, email);

-- What happened to an account's objects, in order: JMAP states, the index and training read it.
CREATE TABLE change (
    account BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    kind BIGINT NOT NULL,               -- object: 1 email, 2 mailbox
    object BIGINT NOT NULL,
    action BIGINT NOT NULL,             -- 1 created, 2 updated, 3 destroyed
    at BIGINT NOT NULL,
    PRIMARY KEY (account, seq)
--sqlite ) WITHOUT ROWID;
--postgresql );

-- Short-lived keys: delivery marks, import marks, login failures. Purged when expired.
CREATE TABLE expiring (
    account BIGINT NOT NULL,            -- 0: of no account
    kind TEXT NOT NULL,                 -- 'delivery', 'import', ...
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (account, kind, key)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX expiring_at ON expiring (expires_at);
