-- What metrics.push has to send, and how its targets fare.

-- One node's series of one moment, as one target wants them: written by that node, gone when the target has them.
CREATE TABLE metric_outbox (
    target TEXT NOT NULL,               -- 'open-telemetry', 'remote-write', 'pushgateway'
    at BIGINT NOT NULL,                 -- by the store's clock
    node BIGINT NOT NULL,               -- 0: the cluster's own
    size BIGINT NOT NULL,               -- of body
    plain_size BIGINT NOT NULL,         -- of what it is when unpacked
    body BYTEA NOT NULL,                -- zstd
    PRIMARY KEY (target, at, node)
--sqlite ) WITHOUT ROWID;
--postgresql );

-- Shard 0: what nodes have taken out themselves, because nobody sent it.
CREATE TABLE metric_target (
    target TEXT NOT NULL,
    shard BIGINT NOT NULL,              -- of metrics.push
    created_at BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,            -- when it last took something; 0: never
    not_before BIGINT NOT NULL,         -- it asked to be left alone until then
    failures BIGINT NOT NULL,           -- since it last took something
    problem TEXT NOT NULL,              -- of the last failure or refusal
    sent BIGINT NOT NULL,               -- snapshots, ever
    refused BIGINT NOT NULL,            -- that it does not want, ever
    cluster_at BIGINT NOT NULL,         -- when the cluster's own were last taken down; 0: never
    dropped BIGINT NOT NULL,            -- that the buffer had no room or time for, ever
    PRIMARY KEY (target, shard)
);
