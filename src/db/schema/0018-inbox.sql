-- The scheduling inbox (RFC 6638 section 2.2) of clients that look into it: 1 until one of them removes the letter there.
ALTER TABLE imip_in ADD COLUMN inbox BIGINT NOT NULL DEFAULT 1;
