-- What the spam filter learns from, and what it has learnt.

-- The ledger: who says what of which message. A person's word on a message is there once or not at all, so training twice counts
-- once and moving back takes away. Account 0 is `rota train`.
CREATE TABLE spam_verdict (
    account BIGINT NOT NULL,
    digest BYTEA NOT NULL,              -- of the message's bytes, as in blob
    verdict BIGINT NOT NULL,            -- 1 spam, -1 ham: their sum over the accounts is the cluster's word
    noted_at BIGINT NOT NULL,
    PRIMARY KEY (account, digest)
--sqlite ) WITHOUT ROWID;
--postgresql );
CREATE INDEX spam_verdict_digest ON spam_verdict (digest);

-- What a message looks like to the classifier, once however many judge it. A verdict without its row here waits for bayes-training.
CREATE TABLE spam_features (
    digest BYTEA PRIMARY KEY,
    features BYTEA NOT NULL             -- content/classifier.h, classifier_pack
);

-- Each account's sums, written by its shard alone; the cluster's are their sum.
CREATE TABLE spam_count (
    account BIGINT PRIMARY KEY,
    spam BIGINT NOT NULL,
    ham BIGINT NOT NULL,
    changes BIGINT NOT NULL             -- grows with each change: a model says which sum it was made from
);

-- The newest model of each account; 0: the cluster's. Nodes load it when its version has grown.
CREATE TABLE spam_model (
    account BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    spam BIGINT NOT NULL,
    ham BIGINT NOT NULL,
    changes BIGINT NOT NULL,            -- of spam_count, when it was made
    made_at BIGINT NOT NULL,
    data BYTEA NOT NULL                 -- content/classifier.h, classifier_model_format
);
