-- cluster.takeover: a shard that none of its own nodes serves any more may be worked by nodes of the role's other shards.

-- Since when a shard has had no node that works, by the store's clock. A row goes when one of its nodes joins, or another table comes into force.
CREATE TABLE uncovered (
    role TEXT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,              -- of the table that the shard is of
    since BIGINT NOT NULL,
    PRIMARY KEY (role, shard)
);

-- Who works for it meanwhile: the right to claim there, while the row is.
CREATE TABLE takeover (
    role TEXT NOT NULL,
    shard BIGINT NOT NULL,
    node BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (role, shard, node)
);
