-- What the purges need to find their work without looking at all there is.

-- No message in the mailbox was filed before; written by purge.accounts alone, after it has looked. Whatever comes later is filed later, so it
-- stays true by itself, and an account whose Trash and Junk are young costs one look at this row.
ALTER TABLE mailbox ADD COLUMN oldest_at BIGINT NOT NULL DEFAULT 0;

-- What is kept of an account's tasks goes with the account.
CREATE INDEX task_history_key ON task_history (key);
