-- The queue on PostgreSQL: its words are compared byte by byte, whatever language the database sorts by; keys are for programs. A claim, and a
-- burial's mark, are written beside the row as it was inserted: half of a page is kept free for that.

--postgresql ALTER TABLE task ALTER COLUMN role TYPE TEXT COLLATE "C", ALTER COLUMN key TYPE TEXT COLLATE "C";
