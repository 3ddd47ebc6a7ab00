-- The index of messages. Its terms are made by content/words, each with its account in front ("7/house"), so that one account's search does not depend on the size
-- of the others. The engine only splits at spaces: FTS5's ascii tokenizer with all ASCII but the space as part of a token.

--sqlite CREATE VIRTUAL TABLE search_index USING fts5(terms, detail = none, columnsize = 0,
--sqlite     tokenize = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[\]^_`{|}~'");
-- Segments are merged by sixteen, not by four: writing follows mail as it comes, in many small transactions, and each merge writes again what is there.
--sqlite INSERT INTO search_index (search_index, rank) VALUES ('automerge', 16);
--postgresql CREATE TABLE search_index (
--postgresql     account BIGINT NOT NULL,
--postgresql     email BIGINT NOT NULL,
--postgresql     terms TSVECTOR NOT NULL,
--postgresql     PRIMARY KEY (account, email)
--postgresql );
--postgresql CREATE INDEX search_index_terms ON search_index USING gin (terms);

-- How far the index of an account is.
CREATE TABLE search_state (
    account BIGINT PRIMARY KEY,
    position BIGINT NOT NULL,           -- changes up to this seq are in the index
    rebuild_after BIGINT NOT NULL,      -- -1, or while all is indexed anew: emails up to this id are
    languages BIGINT NOT NULL           -- bit n: a message had its stems in language n, see content/words_language.c
);
