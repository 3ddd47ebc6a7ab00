/* plan: a comparison of two tables and two sets of running nodes, bucket by bucket.
 *
 * How it fits: `rota plan` hands in the table in force, the one that would be, who runs, how many
 * accounts each bucket has and what was measured (load_report.c). The hands of a table are worked
 * out once for each shard; then each bucket is looked at for each role. What a hand is, and how
 * loads are estimated: plan.h. Failures: none.
 *
 * Known weak points: within a hand the nodes need not share evenly, a fast one takes more; and a
 * hot account's work lies in one bucket, where this spreads it over its shard. The figures of
 * accounts and buckets do not depend on either.
 */
#include "roster/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "roster/shard.h"

/* The nodes that serve a shard, and how they are written. */
typedef struct {
    GArray *nodes; /* of int64 */
    char *text;
} Hand;

/* One role while it is compared. */
typedef struct {
    const PlanAsk *ask;
    Plan *plan;
    PlanRole *role;
    GArray *before, *after;    /* of Hand, by shard */
    bool moved[BUCKETS];       /* for this role */
    double shared_us[BUCKETS]; /* of this role: work to be shared evenly in the hand after */
    bool any_moved[BUCKETS];   /* for any role so far */
    bool account_moved[BUCKETS];
} Comparison;

/* ---------------------------------------------------------------- hands */

static char *format_nodes(const GArray *nodes)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(NodeRange));
    if (nodes->len == 0)
        return g_strdup("nobody");
    for (unsigned i = 0; i < nodes->len; i++) {
        int64_t node = g_array_index(nodes, int64_t, i);
        NodeRange range = {node, node};
        NodeRange *last = ranges->len ? &g_array_index(ranges, NodeRange, ranges->len - 1) : NULL;
        if (last && last->last + 1 == node)
            last->last = node;
        else
            g_array_append_val(ranges, range);
    }
    return node_set_format((NodeSet){&g_array_index(ranges, NodeRange, 0), ranges->len});
}

static void hand_clear(void *data)
{
    Hand *hand = data;
    g_array_unref(hand->nodes);
    g_free(hand->text);
}

static GArray *hands_new(const RoleTable *table, const char *role, const GArray *running)
{
    GArray *hands = g_array_new(FALSE, FALSE, sizeof(Hand));
    unsigned shards = table_shards(table, role);
    g_array_set_clear_func(hands, hand_clear);
    for (unsigned shard = 1; shard <= shards; shard++) {
        Hand hand = {.nodes = g_array_new(FALSE, FALSE, sizeof(int64_t))};
        for (unsigned i = 0; i < running->len; i++) {
            int64_t node = g_array_index(running, int64_t, i);
            if (table_may(table, role, shard, node))
                g_array_append_val(hand.nodes, node);
        }
        hand.text = format_nodes(hand.nodes);
        g_array_append_val(hands, hand);
    }
    return hands;
}

static const Hand *hand_of(const GArray *hands, unsigned bucket)
{
    return &g_array_index(hands, Hand, shard_of_bucket(bucket, hands->len) - 1);
}

static char *format_shards(const RoleTable *table, const char *role)
{
    GString *text = g_string_new(NULL);
    for (unsigned shard = 1; shard <= table_shards(table, role); shard++) {
        g_autofree char *nodes = node_set_format(table_nodes(table, role, shard));
        g_string_append_printf(text, "%s%s", shard > 1 ? " | " : "", nodes);
    }
    return g_string_free(text, FALSE);
}

/* ---------------------------------------------------------------- what moves */

static void move_free(void *data)
{
    PlanMove *move = data;
    g_free(move->before);
    g_free(move->after);
    g_free(move);
}

static PlanMove *get_move(const PlanRole *role, const Hand *before, const Hand *after)
{
    for (unsigned i = 0; i < role->moves->len; i++) {
        PlanMove *move = g_ptr_array_index(role->moves, i);
        if (strcmp(move->before, before->text) == 0 && strcmp(move->after, after->text) == 0)
            return move;
    }
    PlanMove *move = g_new0(PlanMove, 1);
    move->before = g_strdup(before->text);
    move->after = g_strdup(after->text);
    g_ptr_array_add(role->moves, move);
    return move;
}

static int compare_moves(gconstpointer a, gconstpointer b)
{
    const PlanMove *one = *(PlanMove *const *)a, *other = *(PlanMove *const *)b;
    return one->buckets == other->buckets  ? strcmp(one->before, other->before)
           : one->buckets > other->buckets ? -1
                                           : 1;
}

static void compare_buckets(Comparison *comparison)
{
    PlanRole *role = comparison->role;
    bool by_account = role->role->unit == ROLE_BY_ACCOUNT;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        const Hand *before = hand_of(comparison->before, bucket);
        const Hand *after = hand_of(comparison->after, bucket);
        comparison->moved[bucket] = strcmp(before->text, after->text) != 0;
        if (!comparison->moved[bucket])
            continue;
        PlanMove *move = get_move(role, before, after);
        int64_t accounts = by_account ? comparison->ask->accounts[bucket] : 0;
        move->buckets++;
        move->accounts += accounts;
        role->buckets++;
        role->accounts += accounts;
        comparison->any_moved[bucket] = true;
        comparison->account_moved[bucket] |= by_account;
    }
    g_ptr_array_sort(role->moves, compare_moves);
}

/* ---------------------------------------------------------------- coverage */

static void shard_free(void *data)
{
    PlanShard *shard = data;
    g_free(shard->nodes);
    g_free(shard);
}

static int compare_nodes(gconstpointer a, gconstpointer b)
{
    const PlanNode *one = a, *other = b;
    return one->node < other->node ? -1 : one->node > other->node;
}

/* Among the nodes, which are sorted. */
static PlanNode *find_node(const Plan *plan, int64_t number)
{
    PlanNode key = {.node = number};
    return bsearch(&key, plan->nodes->data, plan->nodes->len, sizeof(key), compare_nodes);
}

static void look_at_coverage(const Comparison *comparison)
{
    const Role *role = comparison->role->role;
    const RoleTable *table = comparison->ask->after;
    if (table_role_is_none(table, role->name))
        return; /* as was asked for */
    for (unsigned i = 0; i < comparison->after->len; i++) {
        const Hand *hand = &g_array_index(comparison->after, Hand, i);
        for (unsigned n = 0; n < hand->nodes->len; n++)
            find_node(comparison->plan, g_array_index(hand->nodes, int64_t, n))->shards_after++;
        if (hand->nodes->len > 1)
            continue;
        PlanShard *shard = g_new0(PlanShard, 1);
        shard->role = role;
        shard->shard = i + 1;
        shard->shards = comparison->after->len;
        shard->nodes = node_set_format(table_nodes(table, role->name, i + 1));
        shard->node = hand->nodes->len ? g_array_index(hand->nodes, int64_t, 0) : 0;
        g_ptr_array_add(shard->node ? comparison->plan->single : comparison->plan->uncovered,
                        shard);
    }
}

/* ---------------------------------------------------------------- load */

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static bool has_node(const Hand *hand, int64_t node)
{
    return bsearch(&node, hand->nodes->data, hand->nodes->len, sizeof(node), compare_numbers);
}

/* How many accounts, or buckets where those do not count, a shard of the table before has. */
static double weigh_shard(const Comparison *comparison, unsigned shard, bool *ret_by_account)
{
    int64_t accounts = 0;
    unsigned buckets = 0;
    for (unsigned bucket = shard - 1; bucket < BUCKETS; bucket += comparison->before->len) {
        accounts += comparison->ask->accounts[bucket];
        buckets++;
    }
    *ret_by_account = comparison->role->role->unit == ROLE_BY_ACCOUNT && accounts > 0;
    return *ret_by_account ? (double)accounts : (double)buckets;
}

/* One measured row: what a node has done for a shard. */
static void spread_row(Comparison *comparison, const LoadRow *row)
{
    bool by_account;
    double whole = weigh_shard(comparison, row->shard, &by_account);
    for (unsigned bucket = row->shard - 1; bucket < BUCKETS; bucket += comparison->before->len) {
        double weight = by_account ? (double)comparison->ask->accounts[bucket] : 1;
        double busy_us = (double)row->counts.busy_us * weight / whole;
        if (!comparison->moved[bucket] && has_node(hand_of(comparison->after, bucket), row->node))
            find_node(comparison->plan, row->node)->busy_us_after += busy_us;
        else
            comparison->shared_us[bucket] += busy_us;
    }
}

static void share_evenly(const Comparison *comparison, unsigned bucket)
{
    const Hand *hand = hand_of(comparison->after, bucket);
    double busy_us = comparison->shared_us[bucket];
    if (hand->nodes->len == 0)
        comparison->plan->busy_us_uncovered += busy_us;
    for (unsigned i = 0; busy_us > 0 && i < hand->nodes->len; i++)
        find_node(comparison->plan, g_array_index(hand->nodes, int64_t, i))->busy_us_after +=
            busy_us / hand->nodes->len;
}

static void spread_load(Comparison *comparison)
{
    memset(comparison->shared_us, 0, sizeof(comparison->shared_us));
    const LoadReport *load = comparison->ask->load;
    for (unsigned i = 0; i < load->rows->len; i++) {
        const LoadRow *row = g_ptr_array_index(load->rows, i);
        if (strcmp(row->role, comparison->role->role->name) != 0 || row->shard < 1 ||
            row->shard > comparison->before->len)
            continue;
        comparison->role->busy_us += row->counts.busy_us;
        spread_row(comparison, row);
    }
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        share_evenly(comparison, bucket);
}

/* ---------------------------------------------------------------- the plan */

static void role_free(void *data)
{
    PlanRole *role = data;
    g_free(role->before);
    g_free(role->after);
    g_ptr_array_unref(role->moves);
    g_free(role);
}

static PlanNode *get_node(Plan *plan, int64_t number)
{
    for (unsigned i = 0; i < plan->nodes->len; i++)
        if (g_array_index(plan->nodes, PlanNode, i).node == number)
            return &g_array_index(plan->nodes, PlanNode, i);
    PlanNode node = {.node = number};
    g_array_append_val(plan->nodes, node);
    return &g_array_index(plan->nodes, PlanNode, plan->nodes->len - 1);
}

/* Every node that runs, would run, or has worked. */
static void find_nodes(const PlanAsk *ask, Plan *plan)
{
    for (unsigned i = 0; i < ask->running_before->len; i++)
        get_node(plan, g_array_index(ask->running_before, int64_t, i))->runs_before = true;
    for (unsigned i = 0; i < ask->running_after->len; i++)
        get_node(plan, g_array_index(ask->running_after, int64_t, i))->runs_after = true;
    for (unsigned i = 0; i < ask->load->rows->len; i++) {
        const LoadRow *row = g_ptr_array_index(ask->load->rows, i);
        PlanNode *node = get_node(plan, row->node);
        node->busy_us += row->counts.busy_us;
        node->runs += row->counts.done + row->counts.failed;
    }
    g_array_sort(plan->nodes, compare_nodes);
}

static void compare_role(Comparison *comparison, const Role *role)
{
    const PlanAsk *ask = comparison->ask;
    PlanRole *found = g_new0(PlanRole, 1);
    found->role = role;
    found->before = format_shards(ask->before, role->name);
    found->after = format_shards(ask->after, role->name);
    found->moves = g_ptr_array_new_with_free_func(move_free);
    g_ptr_array_add(comparison->plan->roles, found);
    comparison->role = found;
    comparison->before = hands_new(ask->before, role->name, ask->running_before);
    comparison->after = hands_new(ask->after, role->name, ask->running_after);
    compare_buckets(comparison);
    look_at_coverage(comparison);
    spread_load(comparison);
    g_clear_pointer(&comparison->before, g_array_unref);
    g_clear_pointer(&comparison->after, g_array_unref);
}

/* An operator's own role that is in force, and not in the settings that would be. */
static void find_dropped(const PlanAsk *ask, Plan *plan)
{
    g_autofree char *text = table_format(ask->before);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *end = strstr(*line, " = ");
        g_autofree char *name = end ? g_strndup(*line, (size_t)(end - *line)) : NULL;
        if (name && !role_find(ask->set, name))
            g_ptr_array_add(plan->dropped, g_steal_pointer(&name));
    }
}

Plan *plan_new(const PlanAsk *ask)
{
    Plan *plan = g_new0(Plan, 1);
    Comparison comparison = {.ask = ask, .plan = plan};
    plan->roles = g_ptr_array_new_with_free_func(role_free);
    plan->dropped = g_ptr_array_new_with_free_func(g_free);
    plan->uncovered = g_ptr_array_new_with_free_func(shard_free);
    plan->single = g_ptr_array_new_with_free_func(shard_free);
    plan->nodes = g_array_new(FALSE, FALSE, sizeof(PlanNode));
    plan->measured_ms = ask->load->ms;
    find_nodes(ask, plan);
    find_dropped(ask, plan);
    for (size_t i = 0; i < ask->set->count; i++)
        compare_role(&comparison, &ask->set->roles[i]);
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        plan->all_accounts += ask->accounts[bucket];
        plan->buckets += comparison.any_moved[bucket];
        if (comparison.account_moved[bucket])
            plan->accounts += ask->accounts[bucket];
    }
    return plan;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->roles);
    g_ptr_array_unref(plan->dropped);
    g_ptr_array_unref(plan->uncovered);
    g_ptr_array_unref(plan->single);
    g_array_unref(plan->nodes);
    g_free(plan);
}
