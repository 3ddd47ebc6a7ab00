/* node_poll: the safety net below the wake-ups, and the eye on coverage.
 *
 * The node polls for all its lanes with one statement. It hops through the index task_due from role
 * to role and from one nonempty bucket to the next, and brings for each role the buckets whose
 * oldest task is due. Lanes of roles with a due bucket in one of this node's shards are woken. An
 * empty queue costs one probe; a full one at most one for each role and bucket.
 *
 * Failures: those of the store, logged at debug level, for the heartbeat tells of an outage. Known
 * weak point: a due task that another lane runs looks due here; that lane's neighbour is woken for
 * nothing, once a poll.
 */
#include "roster/node_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "roster/coverage.h"
#include "roster/shard.h"

/* A poll that takes long steps over rows that are gone but that a held snapshot may still see; it
 * comes the more seldom. Wake-ups come all the same. */
#define POLL_REST 50

/* clang-format off */
#define HEADS                                                                                     \
    "WITH RECURSIVE roles(role) AS ("                                                             \
    " SELECT (SELECT min(role) FROM task) UNION ALL"                                              \
    " SELECT (SELECT min(role) FROM task WHERE role > roles.role) FROM roles"                     \
    " WHERE role IS NOT NULL),"                                                                   \
    " head(role, bucket) AS ("                                                                    \
    " SELECT role, (SELECT min(bucket) FROM task WHERE task.role = roles.role) FROM roles"        \
    " WHERE role IS NOT NULL UNION ALL"                                                           \
    " SELECT role, (SELECT min(bucket) FROM task WHERE task.role = head.role"                     \
    " AND bucket > head.bucket)"                                                                  \
    " FROM head WHERE bucket IS NOT NULL)"
#define DUE                                                                                       \
    " FROM head WHERE bucket IS NOT NULL AND (SELECT min(due_at) FROM task t"                     \
    " WHERE t.role = head.role AND t.bucket = head.bucket) <= (SELECT rota_now()) GROUP BY role"
static const DbSql SQL_DUE = {
    HEADS " SELECT role, group_concat(bucket, ' ')" DUE,
    HEADS " SELECT role, string_agg(CAST(bucket AS TEXT), ' ')" DUE,
};
/* clang-format on */

static bool has_taken(const Node *node, const char *role, unsigned shard)
{
    for (unsigned i = 0; i < node->taken->len; i++) {
        const Takeover *takeover = g_ptr_array_index(node->taken, i);
        if (takeover->shard == shard && strcmp(takeover->role, role) == 0)
            return true;
    }
    return false;
}

/* Does one of the buckets ("3 17 900") lie in a shard of this node, or in one that it has taken
 * over? */
static bool is_ours(const Node *node, const RoleTable *table, const char *role, const char *buckets)
{
    unsigned shards = table_shards(table, role);
    for (const char *at = buckets; at && *at;) {
        char *end;
        unsigned bucket = (unsigned)strtoul(at, &end, 10);
        unsigned shard = shard_of_bucket(bucket, shards);
        if (table_may(table, role, shard, node->config.node_id) || has_taken(node, role, shard))
            return true;
        if (end == at)
            return false;
        at = end;
    }
    return false;
}

static bool read_due(Node *node, const RoleTable *table, GPtrArray *roles, GError **error)
{
    g_autoptr(DbRows) rows = db_query(node->config.db, &SQL_DUE, DB_NO_ARGS, error);
    if (!rows)
        return false;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        const char *role = db_rows_text(rows, 0);
        if (is_ours(node, table, role, db_rows_text(rows, 1)))
            g_ptr_array_add(roles, g_strdup(role));
    }
    return more == 0;
}

void node_poll(Node *node)
{
    /* Where other nodes send wake-ups the poll is rarer; on SQLite other processes (commands)
     * cannot send any, and a query costs no round trip. */
    int64_t beats = db_kind(node->config.db) == DB_SQLITE ? 1 : 5;
    int64_t now = clock_monotonic_us(node->config.clock);
    node->next_poll_us = now + beats * node->config.heartbeat_ms * 1000;
    g_autoptr(RoleTable) table = node_table(node, NULL);
    g_autoptr(GPtrArray) roles = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    bool done = table && db_begin(node->config.db, DB_READ, &error);
    if (done) {
        g_auto(DbScope) scope = db_scope(node->config.db);
        done =
            read_due(node, table, roles, &error) && db_commit(node->config.db, &error) == DB_DONE;
    }
    if (error)
        log_event(LOG_LEVEL_DEBUG, "node.poll", "%s", error->message);
    int64_t took = clock_monotonic_us(node->config.clock) - now;
    node->next_poll_us = MAX(node->next_poll_us, now + POLL_REST * took);
    for (unsigned i = 0; done && i < roles->len; i++)
        node_wake(node, g_ptr_array_index(roles, i));
}

static void say_changes(Node *node, GPtrArray *now_uncovered)
{
    g_autoptr(GHashTable) now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (unsigned i = 0; i < now_uncovered->len; i++) {
        const char *shard = g_ptr_array_index(now_uncovered, i);
        g_hash_table_add(now, g_strdup(shard));
        if (!g_hash_table_contains(node->uncovered, shard))
            log_event(LOG_LEVEL_ERROR, "shard.uncovered", "no living node for %s: its work waits",
                      shard);
    }
    GHashTableIter iter;
    void *shard;
    g_hash_table_iter_init(&iter, node->uncovered);
    while (g_hash_table_iter_next(&iter, &shard, NULL))
        if (!g_hash_table_contains(now, shard))
            log_event(LOG_LEVEL_INFO, "shard.covered", "%s has a living node again",
                      (const char *)shard);
    g_hash_table_unref(node->uncovered);
    node->uncovered = g_steal_pointer(&now);
}

static bool is_listed(const GPtrArray *list, const Takeover *wanted)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Takeover *takeover = g_ptr_array_index(list, i);
        if (takeover->shard == wanted->shard && takeover->epoch == wanted->epoch &&
            strcmp(takeover->role, wanted->role) == 0)
            return true;
    }
    return false;
}

/* What of one list is not in the other; how many. */
static unsigned say_takeovers(const GPtrArray *list, const GPtrArray *other, bool taken)
{
    unsigned changes = 0;
    for (unsigned i = 0; i < list->len; i++) {
        const Takeover *takeover = g_ptr_array_index(list, i);
        if (is_listed(other, takeover))
            continue;
        changes++;
        if (taken)
            log_event(LOG_LEVEL_WARNING, "shard.taken-over",
                      "takes over %s shard %u: none of its own nodes has worked for long",
                      takeover->role, takeover->shard);
        else
            log_event(LOG_LEVEL_INFO, "shard.handed-back", "hands back %s shard %u", takeover->role,
                      takeover->shard);
    }
    return changes;
}

/* The step is committed, or the node works no more: now this is what it has taken over. */
static void take_up(Node *node, GPtrArray *take_list)
{
    g_autoptr(GPtrArray) before = g_ptr_array_ref(node->taken);
    unsigned changes =
        say_takeovers(take_list, before, true) + say_takeovers(before, take_list, false);
    if (changes == 0) {
        g_ptr_array_unref(take_list);
        return;
    }
    node_set_taken(node, take_list);
    node->rounds_at = 0;
    node_wake(node, NULL);
}

/* An unknown outcome counts as none: the lanes ask for the right to claim in any case. */
static void look_at_takeovers(Node *node, const RoleTable *table)
{
    Db *db = node->config.db;
    g_autoptr(GError) error = NULL;
    TakeoverAsk ask = {.set = node->config.set,
                       .table = table,
                       .epoch = node->epoch,
                       .node = node->config.node_id,
                       .after_ms = node->config.takeover_ms};
    TakeoverStep step = {.next_at = INT64_MAX};
    if (node->state != NODE_UP) {
        take_up(node, takeovers_new());
        return;
    }
    bool done = db_begin(db, DB_WRITE, &error);
    if (done) {
        g_auto(DbScope) scope = db_scope(db);
        done = takeover_step(db, &ask, &step, &error) && db_commit(db, &error) == DB_DONE;
    }
    if (done) {
        node->takeover_at = step.next_at;
        take_up(node, g_steal_pointer(&step.taken));
        return;
    }
    log_event(LOG_LEVEL_DEBUG, "node.takeover", "%s", error->message);
    node->takeover_at = 0; /* the next heartbeat sends us here again */
    if (step.taken)
        g_ptr_array_unref(step.taken);
}

void node_look_at_coverage(Node *node)
{
    Db *db = node->config.db;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) members = NULL;
    node->look_at_coverage = false;
    if (db_begin(db, DB_READ, &error)) {
        g_auto(DbScope) scope = db_scope(db);
        members = member_list(db, &error);
        if (members && db_commit(db, &error) != DB_DONE)
            g_clear_pointer(&members, g_ptr_array_unref);
    }
    g_autoptr(RoleTable) table = node_table(node, NULL);
    if (!members || !table) {
        node->fingerprint = 0; /* the next heartbeat asks for it again */
        return;
    }
    g_autoptr(GPtrArray) uncovered = coverage_uncovered(table, node->config.set, members);
    say_changes(node, uncovered);
    bool concerned = uncovered->len > 0 || node->taken->len > 0 || node->takeover_at != INT64_MAX;
    node->takeover_at = INT64_MAX;
    if (node->config.takeover_ms > 0 && concerned)
        look_at_takeovers(node, table);
}
