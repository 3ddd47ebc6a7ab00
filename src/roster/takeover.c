/* takeover: who may do the work of a shard that nobody of its own does.
 *
 * How it fits: node_poll.c takes a step when the members that work have changed, and when a time
 * has come; node_beat.c ends takeovers with a join; the worker asks takeover_holds in the
 * transaction of each claim in a shard of others.
 *
 * The lock on the cluster's row orders steps and joins: a step that reads the members before a join
 * writes its rows before that join removes them; one after it sees the new member. Without it a row
 * could outlive the join, and the time of the shard's next loss would count from the last.
 *
 * Failures: the store's. Known weak point: each node that works takes a step of its own, so that
 * after a death in a cluster of a hundred a hundred transactions wait for one row, once.
 */
#include "roster/takeover.h"

#include <string.h>

#include "base/must.h"

/* clang-format off */
static const DbSql SQL_LOCK = {
    "UPDATE cluster SET epoch = epoch WHERE id = 1 RETURNING epoch, rota_now()", NULL,
};
static const DbSql SQL_UNCOVERED = {"SELECT role, shard, epoch, since FROM uncovered", NULL};
static const DbSql SQL_NOTE = {
    "INSERT INTO uncovered (role, shard, epoch, since) VALUES ($1, $2, $3, rota_now())", NULL,
};
static const DbSql SQL_COVERED = {"DELETE FROM uncovered WHERE role = $1 AND shard = $2", NULL};
static const DbSql SQL_HAND_BACK = {"DELETE FROM takeover WHERE role = $1 AND shard = $2", NULL};
static const DbSql SQL_TAKE = {
    "INSERT INTO takeover (role, shard, node, epoch, taken_at) VALUES ($1, $2, $3, $4, rota_now())"
    " ON CONFLICT (role, shard, node) DO UPDATE SET epoch = excluded.epoch", NULL,
};
static const DbSql SQL_FORGET = {"DELETE FROM takeover WHERE node = $1", NULL};
static const DbSql SQL_HOLDS = {
    "SELECT 1 FROM takeover WHERE role = $1 AND shard = $2 AND node = $3 AND epoch = $4", NULL,
};
static const DbSql SQL_LIST = {
    "SELECT role, shard, node FROM takeover WHERE epoch = $1 ORDER BY role, shard, node", NULL,
};
/* clang-format on */

/* A shard that was uncovered, as the store has it. */
typedef struct {
    char *role;
    unsigned shard;
    int64_t epoch, since;
} Row;

static void row_free(void *data)
{
    Row *row = data;
    g_free(row->role);
    g_free(row);
}

static void takeover_free(void *data)
{
    Takeover *takeover = data;
    g_free(takeover->role);
    g_free(takeover);
}

GPtrArray *takeovers_new(void)
{
    return g_ptr_array_new_with_free_func(takeover_free);
}

static void add_takeover(GPtrArray *list, const char *role, unsigned shard, int64_t node,
                         int64_t epoch)
{
    Takeover *takeover = g_new0(Takeover, 1);
    *takeover = (Takeover){g_strdup(role), shard, node, epoch};
    g_ptr_array_add(list, takeover);
}

static GPtrArray *read_rows(Db *db, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(row_free);
    g_autoptr(DbRows) rows = db_query(db, &SQL_UNCOVERED, DB_NO_ARGS, error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        Row *row = g_new0(Row, 1);
        row->role = g_strdup(db_rows_text(rows, 0));
        row->shard = (unsigned)db_rows_int(rows, 1);
        row->epoch = db_rows_int(rows, 2);
        row->since = db_rows_int(rows, 3);
        g_ptr_array_add(list, row);
    }
    return more == 0 ? g_steal_pointer(&list) : NULL;
}

static const Row *find_row(const GPtrArray *rows, const char *role, unsigned shard)
{
    for (unsigned i = 0; i < rows->len; i++) {
        const Row *row = g_ptr_array_index(rows, i);
        if (row->shard == shard && strcmp(row->role, role) == 0)
            return row;
    }
    return NULL;
}

/* Has the shard a node that works, or may come back without a join? */
static bool is_served(const RoleTable *table, const char *role, unsigned shard,
                      const GPtrArray *members)
{
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (strcmp(member->state, "up") == 0 && table_may(table, role, shard, member->node))
            return true;
    }
    return false;
}

static bool clear(Db *db, const char *role, unsigned shard, GError **error)
{
    DbValue args[] = {db_text(role), db_int(shard)};
    return db_exec(db, &SQL_COVERED, args, 2, error) >= 0 &&
           db_exec(db, &SQL_HAND_BACK, args, 2, error) >= 0;
}

/* Removes what is over: another table's, and what is served. */
static bool clear_old(Db *db, const TakeoverAsk *ask, const GPtrArray *rows,
                      const GPtrArray *members, GError **error)
{
    for (unsigned i = 0; i < rows->len; i++) {
        const Row *row = g_ptr_array_index(rows, i);
        bool over =
            row->epoch != ask->epoch || is_served(ask->table, row->role, row->shard, members);
        if (over && !clear(db, row->role, row->shard, error))
            return false;
    }
    return true;
}

/* What one step works with. */
typedef struct {
    Db *db;
    const TakeoverAsk *ask;
    const GPtrArray *rows, *members;
    int64_t now;
    TakeoverStep *step;
} Step;

/* One shard that nobody serves. `may`: this node serves another one of the role. */
static bool step_shard(const Step *step, const char *role, unsigned shard, bool may, GError **error)
{
    const TakeoverAsk *ask = step->ask;
    const Row *row = find_row(step->rows, role, shard);
    bool known = row && row->epoch == ask->epoch;
    int64_t due = (known ? row->since : step->now) + ask->after_ms;
    if (!known && db_exec(step->db, &SQL_NOTE,
                          DB_ARGS(db_text(role), db_int(shard), db_int(ask->epoch)), error) < 0)
        return false;
    if (!may)
        return true;
    if (!known || due > step->now) {
        step->step->next_at = MIN(step->step->next_at, due);
        return true;
    }
    add_takeover(step->step->taken, role, shard, ask->node, ask->epoch);
    return db_exec(step->db, &SQL_TAKE,
                   DB_ARGS(db_text(role), db_int(shard), db_int(ask->node), db_int(ask->epoch)),
                   error) >= 0;
}

static bool step_role(const Step *step, const Role *what, GError **error)
{
    const char *role = what->name;
    const RoleTable *table = step->ask->table;
    unsigned shards = table_shards(table, role);
    g_autoptr(GArray) own = table_shards_of_node(table, role, step->ask->node);
    for (unsigned shard = 1; shard <= shards && !table_role_is_none(table, role); shard++)
        if (!is_served(table, role, shard, step->members) &&
            !step_shard(step, role, shard, own->len > 0 && what->handler, error))
            return false;
    return true;
}

static bool lock(Db *db, int64_t *ret_epoch, int64_t *ret_now, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_LOCK, DB_NO_ARGS, error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found < 0)
        return false;
    MUST(found > 0);
    *ret_epoch = db_rows_int(rows, 0);
    *ret_now = db_rows_int(rows, 1);
    return true;
}

bool takeover_step(Db *db, const TakeoverAsk *ask, TakeoverStep *ret, GError **error)
{
    g_autoptr(GPtrArray) taken = takeovers_new();
    TakeoverStep found = {.taken = taken, .next_at = INT64_MAX};
    int64_t epoch;
    Step step = {.db = db, .ask = ask, .step = &found};
    if (!lock(db, &epoch, &step.now, error))
        return false;
    if (epoch == ask->epoch) {
        g_autoptr(GPtrArray) members = member_list(db, error);
        g_autoptr(GPtrArray) rows = members ? read_rows(db, error) : NULL;
        if (!rows || !clear_old(db, ask, rows, members, error))
            return false;
        step.members = members;
        step.rows = rows;
        for (size_t i = 0; i < ask->set->count; i++)
            if (!step_role(&step, &ask->set->roles[i], error))
                return false;
    }
    *ret = found;
    ret->taken = g_steal_pointer(&taken);
    return true;
}

bool takeover_end(Db *db, const RoleTable *table, int64_t node, GError **error)
{
    g_autoptr(GPtrArray) rows = read_rows(db, error);
    if (!rows || db_exec(db, &SQL_FORGET, DB_ARGS(db_int(node)), error) < 0)
        return false;
    for (unsigned i = 0; i < rows->len; i++) {
        const Row *row = g_ptr_array_index(rows, i);
        if (table_may(table, row->role, row->shard, node) &&
            !clear(db, row->role, row->shard, error))
            return false;
    }
    return true;
}

bool takeover_holds(Db *db, const Takeover *takeover, bool *ret_holds, GError **error)
{
    int64_t one;
    int found = db_query_int(db, &SQL_HOLDS,
                             DB_ARGS(db_text(takeover->role), db_int(takeover->shard),
                                     db_int(takeover->node), db_int(takeover->epoch)),
                             &one, error);
    *ret_holds = found > 0;
    return found >= 0;
}

GPtrArray *takeover_list(Db *db, int64_t epoch, GError **error)
{
    g_autoptr(GPtrArray) list = takeovers_new();
    g_autoptr(DbRows) rows = db_query(db, &SQL_LIST, DB_ARGS(db_int(epoch)), error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0)
        add_takeover(list, db_rows_text(rows, 0), (unsigned)db_rows_int(rows, 1),
                     db_rows_int(rows, 2), epoch);
    return more == 0 ? g_steal_pointer(&list) : NULL;
}

static bool works(const GPtrArray *members, int64_t node)
{
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (member->node == node)
            return member->living && strcmp(member->state, "up") == 0;
    }
    return false;
}

GArray *takeover_nodes(const GPtrArray *takeovers, const GPtrArray *members, const char *role,
                       unsigned shard)
{
    GArray *nodes = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < takeovers->len; i++) {
        const Takeover *takeover = g_ptr_array_index(takeovers, i);
        if (takeover->shard == shard && strcmp(takeover->role, role) == 0 &&
            works(members, takeover->node))
            g_array_append_val(nodes, takeover->node);
    }
    return nodes;
}
