"""What happened in the store, written down by triggers in the transactions in which it happened.

It is outside rota: its program does not know of the schema "ledger". Each claim and each end of a task is there, with
the node that the connection belongs to (application_name) and the node that the row says; each slot of a round; each
role table that came into force. `violations` reads out of it what must not have been.
"""

from cluster import RoleTable

INSTALL = """
CREATE SCHEMA ledger;
CREATE TABLE ledger.life (incarnation BIGINT PRIMARY KEY, node BIGINT, at TIMESTAMPTZ, gone TIMESTAMPTZ);
CREATE TABLE ledger.claim (at TIMESTAMPTZ, began TIMESTAMPTZ, role TEXT, bucket BIGINT, key TEXT, owner BIGINT,
    generation BIGINT, node BIGINT, writer TEXT, epoch BIGINT, stolen_from BIGINT);
CREATE INDEX ON ledger.claim (role, key, at);
CREATE INDEX ON ledger.claim (at);
CREATE TABLE ledger.finish (at TIMESTAMPTZ, role TEXT, bucket BIGINT, key TEXT, owner BIGINT, node BIGINT, writer TEXT,
    removed BOOLEAN, deaths BIGINT);
CREATE INDEX ON ledger.finish (role, key, at);
CREATE TABLE ledger.slot (at TIMESTAMPTZ, role TEXT, unit TEXT, shard BIGINT, before BIGINT, slot BIGINT);
CREATE TABLE ledger.in_force (at TIMESTAMPTZ, epoch BIGINT PRIMARY KEY, role_table TEXT);
INSERT INTO ledger.in_force SELECT clock_timestamp(), epoch, role_table FROM cluster;
INSERT INTO ledger.life SELECT incarnation, node, clock_timestamp() FROM member;

CREATE FUNCTION ledger.note_life() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ledger.life VALUES (NEW.incarnation, NEW.node, clock_timestamp())
            ON CONFLICT (incarnation) DO UPDATE SET node = excluded.node, at = excluded.at, gone = NULL;
    ELSE
        UPDATE ledger.life SET gone = clock_timestamp() WHERE incarnation = OLD.incarnation;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION ledger.note_task() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF TG_OP = 'UPDATE' AND NEW.owner <> 0 THEN
        INSERT INTO ledger.claim SELECT clock_timestamp(), now(), NEW.role, NEW.bucket, NEW.key, NEW.owner,
            NEW.generation, (SELECT node FROM ledger.life WHERE incarnation = NEW.owner),
            current_setting('application_name'), (SELECT epoch FROM public.cluster),
            (SELECT incarnation FROM public.member WHERE incarnation = OLD.owner);
    ELSE
        INSERT INTO ledger.finish SELECT clock_timestamp(), OLD.role, OLD.bucket, OLD.key, OLD.owner,
            (SELECT node FROM ledger.life WHERE incarnation = OLD.owner), current_setting('application_name'),
            TG_OP = 'DELETE', OLD.deaths;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION ledger.note_slot() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO ledger.slot VALUES (clock_timestamp(), NEW.role, NEW.unit, NEW.shard,
        CASE TG_OP WHEN 'UPDATE' THEN OLD.last_slot END, NEW.last_slot);
    RETURN NULL;
END $$;
CREATE FUNCTION ledger.note_table() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO ledger.in_force VALUES (clock_timestamp(), NEW.epoch, NEW.role_table);
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_life AFTER INSERT OR DELETE ON member FOR EACH ROW EXECUTE FUNCTION ledger.note_life();
CREATE TRIGGER ledger_claim AFTER UPDATE ON task FOR EACH ROW
    WHEN (NEW.owner <> OLD.owner OR (NEW.owner <> 0 AND NEW.generation <> OLD.generation))
    EXECUTE FUNCTION ledger.note_task();
CREATE TRIGGER ledger_finish AFTER DELETE ON task FOR EACH ROW EXECUTE FUNCTION ledger.note_task();
CREATE TRIGGER ledger_slot AFTER INSERT OR UPDATE OF last_slot ON round FOR EACH ROW
    EXECUTE FUNCTION ledger.note_slot();
CREATE TRIGGER ledger_table AFTER UPDATE OF epoch ON cluster FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch)
    EXECUTE FUNCTION ledger.note_table();
"""

# Each gives rows that tell of a broken promise. The ledger's own clock is the store's.
QUERIES = {
    "2 · a task was claimed from a living life":
        "SELECT role, key, node, owner, stolen_from, at FROM ledger.claim WHERE stolen_from IS NOT NULL",
    "2 · a claim was written by another node than it names":
        "SELECT role, key, node, writer, at FROM ledger.claim WHERE writer LIKE 'rota-%' AND node IS NOT NULL"
        " AND writer <> 'rota-' || node",
    # A claim may bury what three dead lives left (poison): that is the one end by another.
    "1 · a task was ended by a node that did not hold it":
        "SELECT role, key, node, owner, writer, at FROM ledger.finish f WHERE writer LIKE 'rota-%'"
        " AND writer IS DISTINCT FROM 'rota-' || node AND NOT (removed AND deaths >= 2)",
    "6 · a slot of a round was enqueued twice":
        "SELECT role, unit, shard, slot, count(*) FROM ledger.slot WHERE before IS NOT NULL"
        " GROUP BY role, unit, shard, slot HAVING count(*) > 1",
    "6 · a round went back in time":
        "SELECT * FROM ledger.slot WHERE before >= slot",
    "6 · a round ran more often than it has slots":
        "SELECT * FROM (SELECT role, key, count(*) AS ends, (SELECT count(*) FROM ledger.slot s WHERE s.role = f.role"
        " AND 'round/' || s.unit || '/' || s.shard = f.key AND s.before IS NOT NULL) AS slots FROM ledger.finish f"
        " WHERE key LIKE 'round/%' AND removed GROUP BY role, key) x WHERE ends > slots",
}


def install(store):
    store.sql(INSTALL)


class Audit:
    def __init__(self, store):
        self.store = store

    def tables(self):
        """The tables in force by epoch, with the time of the commit that brought each."""
        rows = self.store.rows("SELECT epoch, role_table, extract(epoch FROM coalesce(pg_xact_commit_timestamp(xmin),"
                               " at)) AS at FROM ledger.in_force ORDER BY epoch")
        return {row["epoch"]: (row["at"], RoleTable.of_text(row["role_table"])) for row in rows}

    def foreign_claims(self):
        """Claims by nodes that the table in force does not name. One whose transaction began before its table came
        into force may still go by the one before."""
        tables, wrong = self.tables(), []
        rows = self.store.rows("SELECT role, bucket, node, epoch, count(*) AS claims, max(extract(epoch FROM began))"
                               " AS last FROM ledger.claim WHERE node IS NOT NULL GROUP BY role, bucket, node, epoch")
        for row in rows:
            at, table = tables[row["epoch"]]
            if table.may(row["role"], row["node"], bucket=row["bucket"]):
                continue
            before = tables.get(row["epoch"] - 1)
            if before and row["last"] < at and before[1].may(row["role"], row["node"], bucket=row["bucket"]):
                continue
            wrong.append(row)
        return wrong

    def foreign_loads(self):
        """What the nodes themselves counted: work done, by node, role and shard. Only where one table was in force."""
        tables = self.tables()
        if len([epoch for epoch in tables if epoch > 0]) > 1:
            return []
        table = tables[max(tables)][1]
        return [row for row in self.store.rows("SELECT DISTINCT node, role, shard FROM load_sample WHERE done > 0")
                if not table.may(row["role"], row["node"], shard=row["shard"])]

    def violations(self):
        """{promise: rows}; empty lists where all is well."""
        found = {name: self.store.rows(query) for name, query in QUERIES.items()}
        found["5 · a claim by a node of another shard"] = self.foreign_claims()
        found["5 · work counted by a node of another shard"] = self.foreign_loads()
        return found

    def counts(self):
        return self.store.rows("SELECT (SELECT count(*) FROM ledger.claim) AS claims,"
                               " (SELECT count(*) FROM ledger.finish WHERE removed) AS ends,"
                               " (SELECT count(*) FROM ledger.slot WHERE before IS NOT NULL) AS slots,"
                               " (SELECT count(*) FROM ledger.life) AS lives")[0]
