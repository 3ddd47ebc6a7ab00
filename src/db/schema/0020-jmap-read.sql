-- What JMAP reads for a list of emails, without their bytes and without the rest of the mailbox.

-- content/envelope as text; '': it is long, or was never made, and is read from the bytes.
ALTER TABLE email ADD COLUMN envelope TEXT NOT NULL DEFAULT '';

-- Both as in the email, which never changes them.
ALTER TABLE email_mailbox ADD COLUMN received_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE email_mailbox ADD COLUMN thread BIGINT NOT NULL DEFAULT 0;
UPDATE email_mailbox SET received_at = (SELECT e.received_at FROM email e WHERE e.account = email_mailbox.account AND e.id = email_mailbox.email),
    thread = (SELECT e.thread FROM email e WHERE e.account = email_mailbox.account AND e.id = email_mailbox.email)
    WHERE EXISTS (SELECT 1 FROM email e WHERE e.account = email_mailbox.account AND e.id = email_mailbox.email);

-- A mailbox from the newest on. On PostgreSQL no other lookup may take this index: see 0009.
--sqlite CREATE INDEX email_mailbox_newest ON email_mailbox (account, mailbox, received_at, email, thread);
--postgresql CREATE INDEX email_mailbox_newest ON email_mailbox ((account + 0), mailbox, received_at, email);
