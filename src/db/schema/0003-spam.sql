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
CREATE INDEX spam_verdict_digest ON spam_verdict (digest, verdict, noted_at);

-- What a message looks like to the classifier, once however many judge it. A verdict without its row here waits for bayes-training.
CREATE TABLE spam_features (
    digest BYTEA PRIMARY KEY,
    features BYTEA NOT NULL             -- content/classifier.h, classifier_pack; empty: its bytes were gone, it teaches nothing
);

-- The newest model of each account; 0: the cluster's. A function of the two tables above alone. Nodes load it when its version has
-- grown.
CREATE TABLE spam_model (
    account BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    spam BIGINT NOT NULL,               -- messages of each that it was made from
    ham BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    data BYTEA NOT NULL                 -- content/classifier.h, classifier_model_format, compressed by zstd
);
