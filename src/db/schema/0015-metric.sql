-- Metrics over time, by metrics.calculate. No row of mail is written for them: the account's own row is what is added up.

-- One value of one series at a time, of one shard of metrics.calculate. What is rolled up keeps what is needed to roll up again.
CREATE TABLE metric_sample (
    step BIGINT NOT NULL,               -- ms: a minute, an hour, a day
    series TEXT NOT NULL,               -- as model/metric.h
    at BIGINT NOT NULL,                 -- begin of the step
    label TEXT NOT NULL,                -- a role, a domain; '' none
    shard BIGINT NOT NULL,
    count BIGINT NOT NULL,              -- of samples of a minute
    total DOUBLE PRECISION NOT NULL,    -- of their values
    greatest DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (step, series, at, label, shard)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX metric_sample_at ON metric_sample (step, at, series, label, shard);

-- How far each shard is; written with the samples.
CREATE TABLE metric_mark (
    shard BIGINT NOT NULL PRIMARY KEY,
    load_minute BIGINT NOT NULL,        -- minutes of load_sample up to here are taken
    hour_at BIGINT NOT NULL,            -- minutes before are rolled up
    day_at BIGINT NOT NULL,             -- hours before are
    recount_after BIGINT NOT NULL,      -- accounts up to here are counted again; 0: none yet
    recount_at BIGINT NOT NULL,         -- when the last recount ended
    checked BIGINT NOT NULL,            -- accounts counted again, ever
    corrected BIGINT NOT NULL           -- of these, accounts whose row was wrong
);
