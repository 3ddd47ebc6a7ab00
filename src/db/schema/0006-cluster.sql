-- Whose store it is: the name that the first node gave it whose settings name a cluster (cluster.name); '' none yet.
ALTER TABLE cluster ADD COLUMN name TEXT NOT NULL DEFAULT '';
