-- Invitations by mail: what came, what was done with it and why; what is to be sent, to whom, and what came of it.

-- A letter with a text/calendar part waits here from its delivery on; then the row is the log of what was decided.
CREATE TABLE imip_in (
    account BIGINT NOT NULL,
    email BIGINT NOT NULL,
    at BIGINT NOT NULL,                 -- delivered; then: decided
    outcome TEXT NOT NULL,              -- '' waits; else a word of content/itip.h
    method TEXT NOT NULL,
    uid TEXT NOT NULL,
    recurrence TEXT NOT NULL,           -- of the first instance in it; '' the series
    sequence BIGINT NOT NULL,
    stamp BIGINT NOT NULL,              -- DTSTAMP, seconds
    sender TEXT NOT NULL,               -- the mail's From
    why TEXT NOT NULL,
    PRIMARY KEY (account, email)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX imip_in_waiting ON imip_in (account, email) WHERE outcome = '';
CREATE INDEX imip_in_uid ON imip_in (account, uid);
CREATE INDEX imip_in_at ON imip_in (at);

-- What one change sends: the same to all its recipients.
CREATE TABLE imip_letter (
    account BIGINT NOT NULL,
    id BIGINT NOT NULL,                 -- grows
    method TEXT NOT NULL,
    uid TEXT NOT NULL,
    recurrence TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    stamp BIGINT NOT NULL,              -- DTSTAMP, seconds: no two of one UID have the same
    sender TEXT NOT NULL,               -- the address of ours
    recipients BIGINT NOT NULL,         -- how many
    calendar BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX imip_letter_uid ON imip_letter (account, uid, stamp);
CREATE INDEX imip_letter_at ON imip_letter (at);

-- The outbox and ledger: a row for each recipient, written with the change, noted as under way before it is sent.
CREATE TABLE imip_out (
    account BIGINT NOT NULL,
    letter BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    state BIGINT NOT NULL,              -- 0 waits, 1 under way, 2 sent, 3 failed for good
    due_at BIGINT NOT NULL,             -- of states 0 and 1
    attempts BIGINT NOT NULL,
    uncertain BIGINT NOT NULL,          -- sent again since its fate was not known
    error TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, letter, recipient)
--sqlite ) WITHOUT ROWID;
--postgresql ) WITH (fillfactor = 70);
CREATE INDEX imip_out_due ON imip_out (account, due_at) WHERE state < 2;
