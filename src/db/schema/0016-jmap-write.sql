-- What JMAP writes.

-- Bytes that a person uploaded: a link to a blob for a time. The same bytes again are one row, which lives on from then.
CREATE TABLE upload (
    account BIGINT NOT NULL,
    blob BYTEA NOT NULL,
    size BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (account, blob)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX upload_blob ON upload (blob, account);

-- How a person likes the mailbox shown; order -1: as its role says.
ALTER TABLE mailbox ADD COLUMN sort_order BIGINT NOT NULL DEFAULT -1;
ALTER TABLE mailbox ADD COLUMN subscribed BIGINT NOT NULL DEFAULT 1;

-- Of an email that is destroyed: the thread that lost it. 0: none was noted.
ALTER TABLE change ADD COLUMN thread BIGINT NOT NULL DEFAULT 0;
