-- TLS certificates, and the orders by which they are got. Private keys are sealed with storage.secret-key, which is not in the store.

-- One row for each acme.NAME: what is served, and the one order that is under way for it.
CREATE TABLE certificate (
    name TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,            -- 0: there is none yet; grows with each exchange
    chain TEXT NOT NULL,                -- PEM
    sealed_key BYTEA NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    exchanged_at BIGINT NOT NULL,
    renew_at BIGINT NOT NULL,           -- when the next order is due
    info_at BIGINT NOT NULL,            -- when the CA is asked for renewal information again
    step TEXT NOT NULL,                 -- of the order: '', 'account', 'order', 'authorise', 'finalise', 'collect'
    order_url TEXT NOT NULL,
    order_key BYTEA NOT NULL,           -- sealed; of the certificate to come
    order_detail TEXT NOT NULL,         -- JSON
    order_at BIGINT NOT NULL,           -- begun
    next_at BIGINT NOT NULL,            -- not before
    failures BIGINT NOT NULL,           -- since the last success
    failed_at BIGINT NOT NULL,
    problem TEXT NOT NULL,              -- of the last failure: what the CA said, whole
    wish TEXT NOT NULL                  -- '', 'renew', 'revoke': a person's
);

-- Our account with a CA.
CREATE TABLE acme_account (
    directory TEXT NOT NULL,
    eab_kid TEXT NOT NULL,
    url TEXT NOT NULL,                  -- '': the CA has not told it yet
    sealed_key BYTEA NOT NULL,
    next_key BYTEA NOT NULL,            -- sealed; the key that is rolled over to
    PRIMARY KEY (directory, eab_kid)
);

-- What nodes look at: grows with each exchange.
CREATE TABLE certificate_epoch (
    id BIGINT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL
);
INSERT INTO certificate_epoch (id, epoch) VALUES (1, 0);
