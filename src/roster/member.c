/* member: the rows of living nodes.
 *
 * A lease is one row. Taking it is one transaction that draws the next incarnation from the
 * cluster's counter; on PostgreSQL the counter's row is also the lock that puts joins one after the
 * other. A heartbeat is one UPDATE that brings back, by its RETURNING, all that a node must look
 * at: the operator's wish, the epoch of the table in force, whether some other lease has run out.
 * Only if there is something to do does another statement follow. Of other leases it asks for its
 * neighbours' by number, and with some heartbeats for all: so a cluster's heartbeats cost the store
 * as much as it has nodes, and not the square of that.
 *
 * Failures of the world: those of the store; another life of this node (ERROR_CONFLICT). Known weak
 * point: a node that stalls between its commit and the next heartbeat for longer than the margin
 * relies on the fence alone, as it must.
 */
#include "roster/member.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"

#define DRAINED_KEPT_MS "86400000"

/* clang-format off */
static const DbSql SQL_FIND = {
    "SELECT incarnation, host, pid, CASE WHEN lease_until >= rota_now() THEN 1 ELSE 0 END,"
    " lease_until FROM member WHERE node = $1", NULL,
};
static const DbSql SQL_NUMBER = {
    "UPDATE cluster SET incarnations = incarnations + 1 WHERE id = 1 RETURNING incarnations", NULL,
};
static const DbSql SQL_TAKE_ROW = {"DELETE FROM member WHERE node = $1", NULL};
static const DbSql SQL_JOIN = {
    "INSERT INTO member (node, incarnation, host, pid, version, started_at, lease_until, state,"
    " wish, proposed_table, proposed_digest, health)"
    " VALUES ($1, $2, $3, $4, $5, rota_now(), rota_now() + $6, 'up', '', $7, $8, '')", NULL,
};
#define RUN_OUT \
    "lease_until < rota_now()" \
    " AND (state <> 'drained' OR lease_until < rota_now() - " DRAINED_KEPT_MS ")"
#define RENEW \
    "UPDATE member SET lease_until = rota_now() + $3, health = COALESCE($4, health)" \
    " WHERE node = $1 AND incarnation = $2 AND state <> 'drained'" \
    " RETURNING rota_now(), wish, (SELECT epoch FROM cluster WHERE id = 1),"
#define NEXT(from) \
    "SELECT lease_until, state FROM member m WHERE " from " ORDER BY m.node LIMIT 3"
/* The next members by number, and after the last the first again: whatever dies, somebody who lives
 * looks at it with each heartbeat, and it costs the same with three members and with thousands. */
static const DbSql SQL_RENEW = {
    RENEW " (SELECT count(*) FROM (SELECT * FROM (" NEXT("m.node > $1") ") after"
    " UNION ALL SELECT * FROM (" NEXT("m.node < $1") ") first) next WHERE " RUN_OUT ")", NULL,
};
static const DbSql SQL_RENEW_AND_LOOK = {
    RENEW " (SELECT count(*) FROM member m WHERE m.node <> $1 AND " RUN_OUT "),"
    " (SELECT CASE WHEN min(m.proposed_digest) = max(m.proposed_digest)"
    "  AND min(m.proposed_digest) <> (SELECT digest FROM cluster WHERE id = 1) THEN 1 ELSE 0 END"
    "  FROM member m WHERE m.state <> 'drained'),"
    " (SELECT CAST(COALESCE(sum(m.incarnation * m.incarnation), 0) + count(*) AS BIGINT)"
    " FROM member m  WHERE m.state = 'up'), (SELECT count(*) FROM member)", NULL,
};
static const DbSql SQL_PROPOSE = {
    "UPDATE member SET proposed_table = $2, proposed_digest = $3 WHERE incarnation = $1", NULL,
};
static const DbSql SQL_STATE = {"UPDATE member SET state = $2 WHERE incarnation = $1", NULL};
static const DbSql SQL_CLEAR_WISH = {"UPDATE member SET wish = '' WHERE incarnation = $1", NULL};
static const DbSql SQL_LEAVE = {"DELETE FROM member WHERE incarnation = $1", NULL};
static const DbSql SQL_DRAINED = {
    "UPDATE member SET state = 'drained', wish = '', lease_until = rota_now() - 1"
    " WHERE incarnation = $1", NULL,
};
/* A row that is locked is being renewed or removed: it is left to that transaction. Without this
 * all nodes wait for each other in a circle when they come back from an outage of the store. */
static const DbSql SQL_EXPIRE = {
    "DELETE FROM member WHERE " RUN_OUT " RETURNING node",
    "DELETE FROM member WHERE node = ANY(ARRAY(SELECT node FROM member WHERE " RUN_OUT
    " FOR UPDATE SKIP LOCKED)) RETURNING node",
};
static const DbSql SQL_LIST = {
    "SELECT node, incarnation, pid, started_at, lease_until, host, version, state, wish,"
    " proposed_table, proposed_digest, health,"
    " CASE WHEN lease_until >= rota_now() THEN 1 ELSE 0 END FROM member ORDER BY node", NULL,
};
static const DbSql SQL_WISH = {
    "UPDATE member SET wish = $2 WHERE (node = $1 OR $1 = 0) AND state <> 'drained'",
    "UPDATE member SET wish = $2 WHERE (node = $1 OR CAST($1 AS BIGINT) = 0)"
    " AND state <> 'drained'"};
/* clang-format on */

Member *member_new(int64_t node, int64_t lease_ms, const char *host, int64_t pid,
                   const char *version)
{
    MUST(node >= 1 && node <= NODE_ID_MAX && lease_ms > LEASE_MARGIN_MS);
    Member *member = g_new0(Member, 1);
    member->node = node;
    member->lease_ms = lease_ms;
    member->host = g_strdup(host);
    member->pid = pid;
    member->version = g_strdup(version);
    return member;
}

void member_free(Member *member)
{
    if (!member)
        return;
    g_free(member->host);
    g_free(member->version);
    g_free(member);
}

/* ERROR_CONFLICT when another life holds the id. The number alone does not tell our own row: a join
 * that was rolled back leaves its number to the next. */
static bool check_free(Member *member, Db *db, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_FIND, DB_ARGS(db_int(member->node)), error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found <= 0)
        return found == 0;
    bool ours = member->pending != 0 && db_rows_int(rows, 0) == member->pending &&
                db_rows_int(rows, 2) == member->pid &&
                strcmp(db_rows_text(rows, 1), member->host) == 0;
    int64_t rival = db_rows_int(rows, 0), lease = db_rows_int(rows, 4);
    bool same = rival == member->rival && lease == member->rival_lease;
    if (ours || db_rows_int(rows, 3) == 0 || (same && member->rival_is_dead))
        return true;
    member->rival = rival;
    member->rival_lease = lease;
    return fail(error, ERROR_CONFLICT,
                "node %" G_GINT64_FORMAT " is already running on host %s, pid %" G_GINT64_FORMAT,
                member->node, db_rows_text(rows, 1), db_rows_int(rows, 2));
}

bool member_join(Member *member, Db *db, const RoleTable *table, GError **error)
{
    /* The number first: on PostgreSQL its row lock makes two joins of one node see each other. */
    int64_t incarnation;
    int drawn = db_query_int(db, &SQL_NUMBER, DB_NO_ARGS, &incarnation, error);
    if (drawn <= 0)
        return drawn == 0 ? fail(error, ERROR_REJECT, "the store has no row in table cluster")
                          : false;
    if (!check_free(member, db, error) ||
        db_exec(db, &SQL_TAKE_ROW, DB_ARGS(db_int(member->node)), error) < 0)
        return false;
    g_autofree char *text = table_format(table);
    if (db_exec(db, &SQL_JOIN,
                DB_ARGS(db_int(member->node), db_int(incarnation), db_text(member->host),
                        db_int(member->pid), db_text(member->version), db_int(member->lease_ms),
                        db_text(text), db_text(table_digest(table))),
                error) < 0)
        return false;
    member->pending = incarnation;
    return true;
}

bool member_should_look(const Member *member, int64_t beat, int64_t members)
{
    int64_t every = MAX((members + MEMBER_LOOKS - 1) / MEMBER_LOOKS, 1);
    return (beat + member->incarnation) % every == 0;
}

bool member_renew(Member *member, Db *db, const char *health, bool look, MemberPulse *ret_pulse,
                  GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, look ? &SQL_RENEW_AND_LOOK : &SQL_RENEW,
                                      DB_ARGS(db_int(member->node), db_int(member->incarnation),
                                              db_int(member->lease_ms), db_text(health)),
                                      error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found < 0)
        return false;
    if (found == 0)
        return fail(error, ERROR_CONFLICT, "the lease of node %" G_GINT64_FORMAT " was taken",
                    member->node);
    const char *wish = db_rows_text(rows, 1);
    *ret_pulse = (MemberPulse){
        .drain = strcmp(wish, "drain") == 0,
        .reload = strcmp(wish, "reload") == 0,
        .now = db_rows_int(rows, 0),
        .epoch = db_rows_int(rows, 2),
        .expired = db_rows_int(rows, 3),
    };
    if (look) {
        ret_pulse->agreed = db_rows_int(rows, 4) != 0;
        ret_pulse->fingerprint = db_rows_int(rows, 5);
        ret_pulse->members = db_rows_int(rows, 6);
    }
    return true;
}

void member_confirm(Member *member, int64_t sent_us)
{
    MUST(member->pending != 0);
    member->incarnation = member->pending;
    member->trusted_until_us = sent_us + (member->lease_ms - LEASE_MARGIN_MS) * 1000;
}

void member_forget(Member *member)
{
    member->trusted_until_us = 0;
    member->incarnation = 0;
}

/* An update of our row; no row is ERROR_CONFLICT. */
static bool write_own(const Member *member, Db *db, const DbSql *sql, const char *value,
                      GError **error)
{
    DbValue args[] = {db_int(member->incarnation), db_text(value)};
    int64_t rows = db_exec(db, sql, args, value ? 2 : 1, error);
    if (rows == 0)
        return fail(error, ERROR_CONFLICT, "the lease of node %" G_GINT64_FORMAT " was taken",
                    member->node);
    return rows > 0;
}

bool member_propose(const Member *member, Db *db, const RoleTable *table, GError **error)
{
    g_autofree char *text = table_format(table);
    int64_t rows = db_exec(
        db, &SQL_PROPOSE,
        DB_ARGS(db_int(member->incarnation), db_text(text), db_text(table_digest(table))), error);
    if (rows == 0)
        return fail(error, ERROR_CONFLICT, "the lease of node %" G_GINT64_FORMAT " was taken",
                    member->node);
    return rows > 0;
}

bool member_set_state(const Member *member, Db *db, const char *state, GError **error)
{
    return write_own(member, db, &SQL_STATE, state, error);
}

bool member_clear_wish(const Member *member, Db *db, GError **error)
{
    return write_own(member, db, &SQL_CLEAR_WISH, NULL, error);
}

bool member_leave(const Member *member, Db *db, GError **error)
{
    return db_exec(db, &SQL_LEAVE, DB_ARGS(db_int(member->incarnation)), error) >= 0;
}

bool member_leave_drained(const Member *member, Db *db, GError **error)
{
    return write_own(member, db, &SQL_DRAINED, NULL, error);
}

bool member_trusts(const Member *member, const Clock *clock)
{
    return clock_monotonic_us(clock) < member->trusted_until_us;
}

int member_expire(Db *db, GArray *ret_nodes, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_EXPIRE, DB_NO_ARGS, error);
    if (!rows)
        return -1;
    int count = 0, more;
    while ((more = db_rows_next(rows, error)) > 0) {
        int64_t node = db_rows_int(rows, 0);
        if (ret_nodes)
            g_array_append_val(ret_nodes, node);
        count++;
    }
    return more < 0 ? -1 : count;
}

static void member_row_free(void *data)
{
    MemberRow *row = data;
    g_free(row->host);
    g_free(row->version);
    g_free(row->state);
    g_free(row->wish);
    g_free(row->proposed_table);
    g_free(row->proposed_digest);
    g_free(row->health);
    g_free(row);
}

GPtrArray *member_list(Db *db, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(member_row_free);
    g_autoptr(DbRows) rows = db_query(db, &SQL_LIST, DB_NO_ARGS, error);
    if (!rows)
        return NULL;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        MemberRow *row = g_new0(MemberRow, 1);
        row->node = db_rows_int(rows, 0);
        row->incarnation = db_rows_int(rows, 1);
        row->pid = db_rows_int(rows, 2);
        row->started_at = db_rows_int(rows, 3);
        row->lease_until = db_rows_int(rows, 4);
        row->host = g_strdup(db_rows_text(rows, 5));
        row->version = g_strdup(db_rows_text(rows, 6));
        row->state = g_strdup(db_rows_text(rows, 7));
        row->wish = g_strdup(db_rows_text(rows, 8));
        row->proposed_table = g_strdup(db_rows_text(rows, 9));
        row->proposed_digest = g_strdup(db_rows_text(rows, 10));
        row->health = g_strdup(db_rows_text(rows, 11));
        row->living = db_rows_int(rows, 12) != 0;
        g_ptr_array_add(list, row);
    }
    return more < 0 ? NULL : g_steal_pointer(&list);
}

int64_t member_set_wish(Db *db, int64_t node, const char *wish, GError **error)
{
    return db_exec(db, &SQL_WISH, DB_ARGS(db_int(node), db_text(wish)), error);
}
