/* report_status: the roster at a glance: members, and for each shard who works for it and what
 * waits.
 *
 * Counts go through the index task_due, from one nonempty bucket of the shard to the next as a
 * claim does (task_claim.c), and stop after REPORT_COUNT_MAX rows: a shard with ten million due
 * tasks costs what one with ten thousand costs. Lag is exact: the first task in each bucket that
 * nobody holds. What was done in the last hour comes from load_sample by its key.
 *
 * Failures: those of the store. Known weak point: where a shard has more due tasks than are
 * counted, running ones beyond them are not seen, and `running` says so.
 */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"

#include "roster/coverage.h"
#include "roster/report_private.h"
#include "roster/shard.h"

/* $1 role, $2 shards, $3 shard - 1, $4 now, $5 limit */
/* clang-format off */
#define HEADS                                                                                    \
    "WITH RECURSIVE head(bucket) AS ("                                                           \
    " SELECT (SELECT min(bucket) FROM task WHERE role = $1 AND bucket >= $3)"                    \
    " UNION ALL"                                                                                 \
    " SELECT (SELECT min(bucket) FROM task WHERE role = $1 AND bucket >="                        \
    "  head.bucket + 1 + ((($3 - head.bucket - 1) % $2) + $2) % $2)"                             \
    " FROM head WHERE head.bucket IS NOT NULL)"
#define COUNTED                                                                                  \
    " SELECT count(*), CAST(COALESCE(sum(running), 0) AS BIGINT) FROM (SELECT"                   \
    " CASE WHEN " SQL_RUNNING " THEN 1 ELSE 0 END AS running FROM head CROSS JOIN "
#define OF_BUCKET "t.role = $1 AND t.bucket = head.bucket AND t.due_at "
#define OURS "head.bucket % $2 = $3"

static const DbSql SQL_DUE = {
    HEADS COUNTED "task t WHERE " OURS " AND " OF_BUCKET "<= $4 LIMIT $5) counted",
    HEADS COUNTED "LATERAL (SELECT owner FROM task t WHERE " OF_BUCKET "<= $4 LIMIT $5) t"
    " WHERE " OURS
    " LIMIT $5) counted",
};
static const DbSql SQL_WAITING = {
    HEADS " SELECT count(*) FROM (SELECT 1 FROM head CROSS JOIN task t WHERE " OURS " AND "
    OF_BUCKET
    "> $4 LIMIT $5) counted",
    HEADS " SELECT count(*) FROM (SELECT 1 FROM head CROSS JOIN LATERAL (SELECT 1 FROM task t"
    " WHERE " OF_BUCKET
    "> $4 LIMIT $5) t WHERE " OURS " LIMIT $5) counted",
};
static const DbSql SQL_OLDEST = {
    HEADS " SELECT min((SELECT t.due_at FROM task t WHERE " OF_BUCKET "<= $4 AND NOT " SQL_RUNNING
    " ORDER BY t.due_at LIMIT 1)) FROM head WHERE " OURS, NULL,
};
static const DbSql SQL_DEAD = {
    "SELECT role, bucket, count(*) FROM (SELECT role, bucket FROM dead_letter LIMIT $1)"
    " counted GROUP BY role, bucket",
    NULL,
};
static const DbSql SQL_ROLES = {
    "WITH RECURSIVE roles(role) AS (SELECT (SELECT min(role) FROM task)"
    " UNION ALL SELECT (SELECT min(role) FROM task WHERE role > roles.role) FROM roles"
    " WHERE role IS NOT NULL) SELECT role FROM roles WHERE role IS NOT NULL", NULL,
};
static const DbSql SQL_COUNT = {
    "SELECT count(*) FROM (SELECT 1 FROM task WHERE role = $1 LIMIT $2) counted", NULL,
};
static const DbSql SQL_LOAD = {
    "SELECT role, shard, CAST(sum(done) AS BIGINT), CAST(sum(failed) AS BIGINT) FROM load_sample"
    " WHERE minute > $1 GROUP BY role, shard", NULL,
};
static const DbSql SQL_ROUNDS = {
    "SELECT role, shard, last_started_at, last_done_at, last_result FROM round ORDER BY"
    " last_started_at", NULL,
};
/* clang-format on */

/* ---------------------------------------------------------------- one shard */

static bool count_due(const ReportView *view, ShardReport *shard, GError **error)
{
    int64_t limit = REPORT_COUNT_MAX + 1;
    g_autoptr(DbRows) rows =
        db_query(view->db, &SQL_DUE,
                 DB_ARGS(db_text(shard->role->name), db_int(shard->shards),
                         db_int(shard->shard - 1), db_int(view->now), db_int(limit)),
                 error);
    if (!rows || db_rows_next(rows, error) < 0)
        return false;
    int64_t all = db_rows_int(rows, 0);
    bool more = all == limit;
    shard->running = (ReportCount){db_rows_int(rows, 1), more};
    shard->due = (ReportCount){all - more - shard->running.count, more};
    return true;
}

static bool count_waiting(const ReportView *view, ShardReport *shard, GError **error)
{
    int64_t count, limit = REPORT_COUNT_MAX + 1;
    if (db_query_int(view->db, &SQL_WAITING,
                     DB_ARGS(db_text(shard->role->name), db_int(shard->shards),
                             db_int(shard->shard - 1), db_int(view->now), db_int(limit)),
                     &count, error) < 0)
        return false;
    shard->waiting = (ReportCount){MIN(count, REPORT_COUNT_MAX), count == limit};
    return true;
}

static bool read_lag(const ReportView *view, ShardReport *shard, GError **error)
{
    int64_t oldest;
    int found = db_query_int(view->db, &SQL_OLDEST,
                             DB_ARGS(db_text(shard->role->name), db_int(shard->shards),
                                     db_int(shard->shard - 1), db_int(view->now)),
                             &oldest, error);
    if (found > 0)
        shard->lag_ms = MAX(view->now - oldest, 0);
    return found >= 0;
}

static ShardReport *shard_new(const ReportView *view, const Role *role, unsigned number)
{
    ShardReport *shard = g_new0(ShardReport, 1);
    shard->role = role;
    shard->shard = number;
    shard->shards = report_shards(view, role->name);
    shard->nodes = report_nodes(view, role->name, number);
    shard->living = coverage_nodes(view->in_force.table, role->name, number, view->members);
    shard->takers = takeover_nodes(view->takeovers, view->members, role->name, number);
    shard->none = table_role_is_none(view->in_force.table, role->name);
    shard->covered = shard->none || shard->living->len > 0;
    shard->round_result = g_strdup("");
    return shard;
}

static void shard_free(void *data)
{
    ShardReport *shard = data;
    g_free(shard->nodes);
    g_array_unref(shard->living);
    g_array_unref(shard->takers);
    g_free(shard->round_result);
    g_free(shard);
}

static bool read_shards(const ReportView *view, StatusReport *report, GError **error)
{
    for (size_t i = 0; i < view->set->count; i++) {
        const Role *role = &view->set->roles[i];
        unsigned shards = report_shards(view, role->name);
        for (unsigned number = 1; number <= shards; number++) {
            ShardReport *shard = shard_new(view, role, number);
            g_ptr_array_add(report->shards, shard);
            report->uncovered += !shard->covered;
            if (!count_due(view, shard, error) || !count_waiting(view, shard, error) ||
                !read_lag(view, shard, error))
                return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- what is read for all at once */

/* The role's shard; NULL if it is not in the report. */
static ShardReport *find_shard(const StatusReport *report, const char *role, int64_t number)
{
    for (unsigned i = 0; i < report->shards->len; i++) {
        ShardReport *shard = g_ptr_array_index(report->shards, i);
        if (shard->shard == number && strcmp(shard->role->name, role) == 0)
            return shard;
    }
    return NULL;
}

static UnknownReport *get_unknown(const StatusReport *report, const char *role)
{
    for (unsigned i = 0; i < report->unknown->len; i++) {
        UnknownReport *unknown = g_ptr_array_index(report->unknown, i);
        if (strcmp(unknown->role, role) == 0)
            return unknown;
    }
    UnknownReport *unknown = g_new0(UnknownReport, 1);
    unknown->role = g_strdup(role);
    g_ptr_array_add(report->unknown, unknown);
    return unknown;
}

static void unknown_free(void *data)
{
    UnknownReport *unknown = data;
    g_free(unknown->role);
    g_free(unknown);
}

static bool read_unknown(const ReportView *view, const StatusReport *report, GError **error)
{
    int64_t limit = REPORT_COUNT_MAX + 1;
    {
        g_autoptr(DbRows) rows = db_query(view->db, &SQL_ROLES, DB_NO_ARGS, error);
        int more = rows ? 0 : -1;
        while (rows && (more = db_rows_next(rows, error)) > 0)
            if (!role_find(view->set, db_rows_text(rows, 0)))
                get_unknown(report, db_rows_text(rows, 0));
        if (more < 0)
            return false;
    }
    for (unsigned i = 0; i < report->unknown->len; i++) {
        UnknownReport *unknown = g_ptr_array_index(report->unknown, i);
        int64_t count;
        if (db_query_int(view->db, &SQL_COUNT, DB_ARGS(db_text(unknown->role), db_int(limit)),
                         &count, error) < 0)
            return false;
        unknown->tasks = (ReportCount){MIN(count, REPORT_COUNT_MAX), count == limit};
    }
    return true;
}

static bool read_dead(const ReportView *view, const StatusReport *report, GError **error)
{
    int64_t limit = REPORT_COUNT_MAX + 1, all = 0;
    g_autoptr(DbRows) rows = db_query(view->db, &SQL_DEAD, DB_ARGS(db_int(limit)), error);
    if (!rows)
        return false;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        const char *role = db_rows_text(rows, 0);
        unsigned number =
            shard_of_bucket((unsigned)db_rows_int(rows, 1), report_shards(view, role));
        ShardReport *shard = find_shard(report, role, number);
        if (shard)
            shard->dead.count += db_rows_int(rows, 2);
        else if (!role_find(view->set, role))
            get_unknown(report, role)->dead += db_rows_int(rows, 2);
        all += db_rows_int(rows, 2);
    }
    for (unsigned i = 0; i < report->shards->len; i++) {
        ShardReport *shard = g_ptr_array_index(report->shards, i);
        shard->dead.more = all == limit;
    }
    return more == 0;
}

static bool read_load(const ReportView *view, const StatusReport *report, GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(view->db, &SQL_LOAD, DB_ARGS(db_int(view->now / 60000 - 60)), error);
    if (!rows)
        return false;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        ShardReport *shard = find_shard(report, db_rows_text(rows, 0), db_rows_int(rows, 1));
        if (!shard)
            continue;
        shard->done_hour = db_rows_int(rows, 2);
        shard->failed_hour = db_rows_int(rows, 3);
    }
    return more == 0;
}

/* A shard may have a round for each of several units: the newest start and the newest end count. */
static bool read_rounds(const ReportView *view, const StatusReport *report, GError **error)
{
    g_autoptr(DbRows) rows = db_query(view->db, &SQL_ROUNDS, DB_NO_ARGS, error);
    if (!rows)
        return false;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        ShardReport *shard = find_shard(report, db_rows_text(rows, 0), db_rows_int(rows, 1));
        if (!shard)
            continue;
        shard->round_started_at = MAX(shard->round_started_at, db_rows_int(rows, 2));
        if (db_rows_int(rows, 3) < shard->round_done_at || db_rows_int(rows, 3) == 0)
            continue;
        shard->round_done_at = db_rows_int(rows, 3);
        g_free(shard->round_result);
        shard->round_result = g_strdup(db_rows_text(rows, 4));
    }
    return more == 0;
}

/* The canonical text has a line a role, so lines that the table in force lacks are what differs. */
static void find_differing(const ReportView *view, StatusReport *report)
{
    g_autofree char *text = table_format(view->in_force.table);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; i < view->members->len; i++) {
        const MemberRow *member = g_ptr_array_index(view->members, i);
        if (!member->living || strcmp(member->state, "drained") == 0 ||
            strcmp(member->proposed_digest, report->digest) == 0)
            continue;
        g_auto(GStrv) proposed = g_strsplit(member->proposed_table, "\n", -1);
        for (char **line = proposed; *line; line++)
            if (**line && !g_strv_contains((const char *const *)lines, *line))
                g_ptr_array_add(report->differing, g_strdup_printf("node %" PRId64 " proposes %s",
                                                                   member->node, *line));
    }
}

/* ---------------------------------------------------------------- the report */

static bool read_status(const ReportView *view, StatusReport *report, GError **error)
{
    report->at = view->now;
    report->epoch = view->in_force.epoch;
    report->in_force_at = view->in_force.at;
    report->table = view->in_force.table ? table_ref(view->in_force.table) : NULL;
    report->digest = g_strdup(view->in_force.table ? table_digest(view->in_force.table) : "");
    report->members = g_ptr_array_ref(view->members);
    report->shards = g_ptr_array_new_with_free_func(shard_free);
    report->differing = g_ptr_array_new_with_free_func(g_free);
    report->unknown = g_ptr_array_new_with_free_func(unknown_free);
    if (!view->in_force.table)
        return true;
    find_differing(view, report);
    return read_shards(view, report, error) && read_unknown(view, report, error) &&
           read_dead(view, report, error) && read_load(view, report, error) &&
           read_rounds(view, report, error);
}

StatusReport *report_status(Db *db, const RoleSet *set, GError **error)
{
    g_auto(ReportView) view = {0};
    if (!report_view_open(&view, db, set, error))
        return NULL;
    g_autoptr(StatusReport) report = g_new0(StatusReport, 1);
    if (!read_status(&view, report, error))
        return NULL;
    return g_steal_pointer(&report);
}

void status_report_free(StatusReport *report)
{
    if (!report)
        return;
    g_clear_pointer(&report->table, table_unref);
    g_free(report->digest);
    g_ptr_array_unref(report->members);
    g_ptr_array_unref(report->shards);
    g_ptr_array_unref(report->differing);
    g_ptr_array_unref(report->unknown);
    g_free(report);
}
