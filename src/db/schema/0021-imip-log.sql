-- A letter that waits is looked for by its number alone: its delivery writes one index, and the decision none twice.
DROP INDEX imip_in_uid;
DROP INDEX imip_in_at;
CREATE INDEX imip_in_uid ON imip_in (account, uid) WHERE outcome <> '';
CREATE INDEX imip_in_at ON imip_in (at) WHERE outcome <> '';
