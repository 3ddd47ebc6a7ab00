-- Push to people's devices (RFC 8620 §7.2): who is told, what, and what is on its way.

-- How many subscriptions an account has: whoever changes something of the account reads it with the account's row, and adds no task for none.
ALTER TABLE account ADD COLUMN subscribers BIGINT NOT NULL DEFAULT 0;

-- A device's subscription, and its outbox: `sending_seq` is committed before anything is sent, and taken away with what came of it.
CREATE TABLE push_subscription (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,                 -- by chance, never used twice
    device TEXT NOT NULL,               -- deviceClientId: one subscription for each
    url TEXT NOT NULL,
    origin TEXT NOT NULL,               -- of the URL
    p256dh BYTEA NOT NULL,              -- both empty: what is sent is not encrypted
    auth BYTEA NOT NULL,
    code TEXT NOT NULL,                 -- what the device has to say back
    stage BIGINT NOT NULL,              -- 0: the code is to be pushed; 1: it was; 2: verified
    types TEXT NOT NULL,                -- each between spaces; '' all
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    states TEXT NOT NULL,               -- the newest change of each type up to seen_seq
    seen_seq BIGINT NOT NULL,
    pushed_seq BIGINT NOT NULL,         -- changes up to here were pushed, or are of other types
    pushed_at BIGINT NOT NULL,
    sending_seq BIGINT NOT NULL,        -- -1 a verification, 0 nothing
    sending_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,           -- pushes that failed since the last good one
    next_at BIGINT NOT NULL,            -- nothing is pushed before
    pushes BIGINT NOT NULL,             -- that came through
    repeats BIGINT NOT NULL,            -- pushes that were sent again since their fate was not known
    last_status BIGINT NOT NULL,        -- of the last answer, 0 none
    last_error TEXT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (account, id)
--sqlite ) WITHOUT ROWID;
--postgresql ) WITH (fillfactor = 70);
CREATE INDEX push_subscription_expires ON push_subscription (expires_at);

-- Push services that do not answer, or badly: they rest until open_until. One that is well has no row.
CREATE TABLE push_origin (
    origin TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,           -- in a row
    open_until BIGINT NOT NULL,
    rest_ms BIGINT NOT NULL,            -- the next rest
    last_error TEXT NOT NULL
);

-- The cluster's key for push services (VAPID): one row.
CREATE TABLE push_key (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    private BYTEA NOT NULL,
    public BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
