-- What `rota plan` and `rota audit` measure by.

-- Since when the table in force is: loads counted before it were of other shards.
ALTER TABLE cluster ADD COLUMN in_force_at BIGINT NOT NULL DEFAULT 0;

-- Of a minute's busy_us, at least so much went to one key: that of a hot account, if there is one.
ALTER TABLE load_sample ADD COLUMN top_key TEXT NOT NULL DEFAULT '';
ALTER TABLE load_sample ADD COLUMN top_us BIGINT NOT NULL DEFAULT 0;
