/* plan_read: what another role table, or fewer or more nodes, would mean, before it is so.
 *
 * How it fits: `rota plan` and /api/plan call it. It reads the table in force, the members, the
 * accounts of each bucket and the measured loads in one snapshot, and lets roster/plan compare.
 * What would be: the table that is asked about, or the one in force; the nodes that run now, less
 * and more those that are named. It changes nothing.
 *
 * Failures: a node list that is none; no table is in force yet, or no node runs and none is
 * assumed; the store's. Known weak point: none.
 */
#include "front/plan_read.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/account.h"
#include "roster/adoption.h"
#include "roster/member.h"

#define NODES_MAX 10000 /* that are taken for running; more than a cluster has */

/* What is read from the store. */
typedef struct {
    TableInForce in_force;
    GArray *running; /* of int64, ascending */
    LoadReport *load;
    int64_t accounts[BUCKETS];
} Reading;

static void reading_clear(Reading *reading)
{
    table_in_force_clear(&reading->in_force);
    g_clear_pointer(&reading->running, g_array_unref);
    g_clear_pointer(&reading->load, load_report_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reading, reading_clear)

static bool read_running(Db *db, Reading *reading, GError **error)
{
    g_autoptr(GPtrArray) members = member_list(db, error);
    if (!members)
        return false;
    reading->running = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (member->living && strcmp(member->state, "up") == 0)
            g_array_append_val(reading->running, member->node);
    }
    return true;
}

static bool read_all(Db *db, const RoleSet *set, Reading *reading, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!adoption_read(db, set, 0, &reading->in_force, error))
        return false;
    if (!reading->in_force.table)
        return fail(error, ERROR_GONE,
                    "no node has ever started on this store: there is no table in force to "
                    "compare with; `rota roles` shows the table of the settings");
    if (!read_running(db, reading, error) || !account_count_by_bucket(db, reading->accounts, error))
        return false;
    reading->load = load_report_read(db, reading->in_force.at, error);
    return reading->load != NULL;
}

static int compare_numbers(gconstpointer a, gconstpointer b)
{
    const int64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static bool in_ranges(const GArray *ranges, int64_t node)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        NodeRange range = g_array_index(ranges, NodeRange, i);
        if (range.first <= node && node <= range.last)
            return true;
    }
    return false;
}

static bool add_nodes(GArray *running, const GArray *ranges, GError **error)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        NodeRange range = g_array_index(ranges, NodeRange, i);
        for (int64_t node = range.first; node <= range.last; node++) {
            if (running->len >= NODES_MAX)
                return fail(error, ERROR_REJECT,
                            "with names more than %d nodes; write those that you will start",
                            NODES_MAX);
            bool there = false;
            for (unsigned n = 0; n < running->len && !there; n++)
                there = g_array_index(running, int64_t, n) == node;
            if (!there)
                g_array_append_val(running, node);
        }
    }
    g_array_sort(running, compare_numbers);
    return true;
}

/* The nodes of an option; *ret is NULL where it is not given. */
static bool parse_option(const char *name, const char *value, GArray **ret, GError **error)
{
    if (!value)
        return true;
    *ret = node_set_parse(value, error);
    if (!*ret)
        g_prefix_error(error, "%s: ", name);
    return *ret != NULL;
}

/* Who runs, or is said to: `all` with `with`, and of these `after` those but `without`. Both are
 * the caller's. */
static bool read_nodes(const PlanReadAsk *ask, const GArray *running, GArray **ret_all,
                       GArray **ret_after, GError **error)
{
    g_autoptr(GArray) with = NULL;
    g_autoptr(GArray) without = NULL;
    if (!parse_option("with", ask->with, &with, error) ||
        !parse_option("without", ask->without, &without, error))
        return false;
    g_autoptr(GArray) all = g_array_copy((GArray *)(uintptr_t)running);
    if (with && !add_nodes(all, with, error))
        return false;
    GArray *after = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < all->len; i++) {
        int64_t node = g_array_index(all, int64_t, i);
        if (!without || !in_ranges(without, node))
            g_array_append_val(after, node);
    }
    *ret_all = g_steal_pointer(&all);
    *ret_after = after;
    return true;
}

Plan *plan_read(Db *db, const PlanReadAsk *ask, PlanReadOf *ret_of, GError **error)
{
    g_auto(Reading) reading = {0};
    g_autoptr(GArray) all = NULL;
    g_autoptr(GArray) after = NULL;
    if (!read_all(db, ask->set, &reading, error) ||
        !read_nodes(ask, reading.running, &all, &after, error))
        return NULL;
    if (reading.running->len == 0 && !ask->with) {
        fail(error, ERROR_GONE,
             "no node runs now, and a plan is about nodes that do; say which are to be counted, as "
             "in: rota plan --with 1-6");
        return NULL;
    }
    if (ret_of) {
        g_strlcpy(ret_of->digest, table_digest(reading.in_force.table), sizeof ret_of->digest);
        ret_of->epoch = reading.in_force.epoch;
    }
    return plan_new(&(PlanAsk){
        .set = ask->set,
        .before = reading.in_force.table,
        .after = ask->table ? ask->table : reading.in_force.table,
        .running_before = reading.running->len ? reading.running : all,
        .running_after = after,
        .accounts = reading.accounts,
        .load = reading.load,
    });
}

/* ---------------------------------------------------------------- JSON */

static json_t *role_json(const PlanRole *role)
{
    json_t *moves = json_array();
    for (unsigned i = 0; i < role->moves->len; i++) {
        const PlanMove *move = g_ptr_array_index(role->moves, i);
        json_array_append_new(moves, json_pack("{s:s, s:s, s:i, s:I}", "before", move->before,
                                               "after", move->after, "buckets", (int)move->buckets,
                                               "accounts", (json_int_t)move->accounts));
    }
    return json_pack("{s:s, s:b, s:s, s:s, s:i, s:I, s:I, s:o}", "role", role->role->name,
                     "by_account", role->role->unit == ROLE_BY_ACCOUNT, "before", role->before,
                     "after", role->after, "buckets", (int)role->buckets, "accounts",
                     (json_int_t)role->accounts, "busy_us", (json_int_t)role->busy_us, "moves",
                     moves);
}

static json_t *shards_json(const GPtrArray *shards)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < shards->len; i++) {
        const PlanShard *shard = g_ptr_array_index(shards, i);
        json_array_append_new(
            list, json_pack("{s:s, s:i, s:i, s:s, s:I, s:b}", "role", shard->role->name, "shard",
                            (int)shard->shard, "shards", (int)shard->shards, "nodes", shard->nodes,
                            "node", (json_int_t)shard->node, "fragile", shard->role->fragile));
    }
    return list;
}

static json_t *node_json(const PlanNode *node)
{
    return json_pack("{s:I, s:b, s:b, s:I, s:I, s:I, s:i}", "node", (json_int_t)node->node,
                     "runs_before", node->runs_before, "runs_after", node->runs_after, "runs",
                     (json_int_t)node->runs, "busy_us", (json_int_t)node->busy_us, "busy_us_after",
                     (json_int_t)node->busy_us_after, "shards_after", (int)node->shards_after);
}

json_t *plan_json(const Plan *plan)
{
    json_t *roles = json_array(), *nodes = json_array(), *dropped = json_array();
    for (unsigned i = 0; i < plan->dropped->len; i++)
        json_array_append_new(dropped, json_string(g_ptr_array_index(plan->dropped, i)));
    for (unsigned i = 0; i < plan->roles->len; i++)
        json_array_append_new(roles, role_json(g_ptr_array_index(plan->roles, i)));
    for (unsigned i = 0; i < plan->nodes->len; i++)
        json_array_append_new(nodes, node_json(&g_array_index(plan->nodes, PlanNode, i)));
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:I, s:I}", "good",
                     plan->uncovered->len == 0, "dropped", dropped, "uncovered",
                     shards_json(plan->uncovered), "single", shards_json(plan->single), "roles",
                     roles, "nodes", nodes, "buckets", (int)plan->buckets, "accounts",
                     (json_int_t)plan->accounts, "all_accounts", (json_int_t)plan->all_accounts,
                     "measured_ms", (json_int_t)plan->measured_ms, "busy_us_uncovered",
                     (json_int_t)plan->busy_us_uncovered);
}
