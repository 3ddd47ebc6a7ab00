-- The queue on PostgreSQL: its words are compared byte by byte, whatever language the database sorts by; keys are for programs.
--
-- The primary key is made last: of two indexes that look equally good, as all do while the table is empty, the planner takes the younger one,
-- and a plan lives long. A task that is looked up by bucket, role and key must not be looked for among all tasks of its bucket.

--postgresql ALTER TABLE task DROP CONSTRAINT task_pkey;
--postgresql DROP INDEX task_due;
--postgresql ALTER TABLE task ALTER COLUMN role TYPE TEXT COLLATE "C", ALTER COLUMN key TYPE TEXT COLLATE "C";
--postgresql CREATE INDEX task_due ON task (role, bucket, due_at);
--postgresql ALTER TABLE task ADD PRIMARY KEY (bucket, role, key);
