/* audit_balance: findings about how the work is shared: shards of unequal strength or load, heavy
 * roles beside those that people wait for, a heavy role in one shard, more shards than there is
 * work.
 *
 * How it fits: audit.c. A cluster of one node has nothing to share. Failures: none. Known weak
 * point: the strength of a machine is the number of its cores, and nothing else.
 */
#include "roster/audit_private.h"

#include <inttypes.h>
#include <string.h>

/* How many times the weakest shard the strongest is, and which they are. */
typedef struct {
    unsigned least, most;
    double times;
} Inequality;

static Inequality compare_shards(const double *strength, unsigned count)
{
    Inequality found = {0};
    for (unsigned i = 1; i < count; i++) {
        found.least = strength[i] < strength[found.least] ? i : found.least;
        found.most = strength[i] > strength[found.most] ? i : found.most;
    }
    found.times = strength[found.most] / MAX(strength[found.least], 1);
    return found;
}

/* By what there is: cores of running nodes, shared where a node serves several shards of the role.
 */
static Inequality compare_running(const AuditView *view, const Role *role, unsigned count)
{
    const RoleTable *table = view->ask->status->table;
    g_autofree double *strength = g_new0(double, count);
    for (unsigned n = 0; n < view->nodes->len; n++) {
        const AuditNode *node = &g_array_index(view->nodes, AuditNode, n);
        g_autoptr(GArray) serves = table_shards_of_node(table, role->name, node->member->node);
        for (unsigned i = 0; i < serves->len; i++)
            strength[g_array_index(serves, unsigned, i) - 1] +=
                (double)MAX(node->health.cores, 1) / serves->len;
    }
    return compare_shards(strength, count);
}

/* By what the table names: cores where a node runs; one that does not is as strong as the weakest.
 */
static double weigh_named(const AuditView *view, NodeSet nodes)
{
    double weight = 0;
    int64_t named = 0, running = 0, weakest = G_MAXINT64;
    for (unsigned i = 0; i < nodes.count; i++)
        named += nodes.ranges[i].last - nodes.ranges[i].first + 1;
    for (unsigned n = 0; n < view->nodes->len; n++) {
        const AuditNode *node = &g_array_index(view->nodes, AuditNode, n);
        int64_t cores = MAX(node->health.cores, 1);
        weakest = MIN(weakest, cores);
        for (unsigned i = 0; i < nodes.count; i++) {
            bool is = nodes.ranges[i].first <= node->member->node &&
                      node->member->node <= nodes.ranges[i].last;
            running += is;
            weight += is ? (double)cores : 0;
        }
    }
    return weight + (double)(named - running) * (double)weakest;
}

static Inequality compare_named(const AuditView *view, const Role *role, unsigned count)
{
    g_autofree double *strength = g_new0(double, count);
    for (unsigned i = 0; i < count; i++)
        strength[i] = weigh_named(view, table_nodes(view->ask->status->table, role->name, i + 1));
    return compare_shards(strength, count);
}

/* Both must say so: an outage is no fault of the table, nor is a range of nodes that never came. */
static void find_unequal_strength(const AuditView *view, const Role *role, unsigned count)
{
    Inequality runs = compare_running(view, role, count);
    if (MIN(runs.times, compare_named(view, role, count).times) < UNEQUAL_TIMES)
        return;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    Finding *finding = audit_add(
        view, AUDIT_UNEQUAL_SHARDS, AUDIT_WARNING,
        g_strdup_printf("%s: shard %u (nodes %s) has %.1f times the cores of shard %u (nodes %s), "
                        "and each has the same part of the work.",
                        role->name, runs.most + 1, shards[runs.most].report->nodes, runs.times,
                        runs.least + 1, shards[runs.least].report->nodes),
        g_strdup("Share the nodes evenly, so that each shard has about the same cores."));
    audit_set_figure(finding, runs.times, UNEQUAL_TIMES, "times");
    finding->role = role;
    finding->shard = runs.least + 1;
    finding->toml = audit_table_even(view, role);
}

static void find_unequal_load(const AuditView *view, const Role *role, const AuditShard *shards,
                              unsigned count)
{
    int64_t sum = 0;
    unsigned most = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += shards[i].busy_us;
        most = shards[i].busy_us > shards[most].busy_us ? i : most;
    }
    double threads = audit_threads(view, shards[most].busy_us);
    double others = audit_threads(view, sum - shards[most].busy_us) / (count - 1);
    if (threads < UNEQUAL_THREADS || threads < UNEQUAL_TIMES * others ||
        audit_is_hot(&shards[most]))
        return; /* an account that makes it is a finding of its own */
    Finding *finding = audit_add(
        view, AUDIT_UNEQUAL_SHARDS, AUDIT_WARNING,
        g_strdup_printf("%s: shard %u (nodes %s) keeps %.2f threads busy, the others %.2f on "
                        "average.",
                        role->name, most + 1, shards[most].report->nodes, threads, others),
        g_strdup("The accounts of that shard make more work than others': more shards spread them "
                 "anew. `rota plan` says what would move."));
    audit_set_figure(finding, threads / MAX(others, 0.01), UNEQUAL_TIMES, "times");
    finding->weight = MIN(finding->weight, 10);
    finding->role = role;
    finding->shard = most + 1;
}

static void find_unequal(const AuditView *view, const Role *role)
{
    unsigned count;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    if (count < 2)
        return;
    for (unsigned i = 0; i < count; i++)
        if (!shards[i].report->covered)
            return; /* that is the finding */
    find_unequal_strength(view, role, count);
    find_unequal_load(view, role, shards, count);
}

/* ---------------------------------------------------------------- heavy and waited for */

static double heavy_limit(const AuditNode *node)
{
    return MIN(HEAVY_THREADS, HEAVY_CORES * (double)MAX(node->health.cores, 1));
}

static bool is_mixed(const AuditView *view, const AuditNode *node)
{
    return node->waited_for && audit_threads(view, node->heavy_us) >= heavy_limit(node);
}

/* The role that works most of the heavy ones on a node. */
static const Role *heaviest_of(const AuditView *view, int64_t node)
{
    const Role *heaviest = NULL;
    int64_t most = -1;
    for (size_t i = 0; i < view->ask->set->count; i++) {
        const Role *role = &view->ask->set->roles[i];
        int64_t busy_us = 0;
        for (unsigned n = 0; n < view->ask->load->rows->len; n++) {
            const LoadRow *row = g_ptr_array_index(view->ask->load->rows, n);
            if (row->node == node && strcmp(row->role, role->name) == 0)
                busy_us += row->counts.busy_us;
        }
        if (role->heavy && busy_us > most) {
            heaviest = role;
            most = busy_us;
        }
    }
    return heaviest;
}

/* The first role that people wait for on a node. */
static const Role *waited_for_on(const AuditView *view, int64_t node)
{
    for (size_t i = 0; i < view->ask->set->count; i++) {
        const Role *role = &view->ask->set->roles[i];
        g_autoptr(GArray) shards = table_shards_of_node(view->ask->status->table, role->name, node);
        if (role->people_wait && shards->len > 0)
            return role;
    }
    return NULL;
}

static bool find_mixed(const AuditView *view)
{
    g_autoptr(GString) who = g_string_new(NULL);
    const AuditNode *worst = NULL;
    for (unsigned i = 0; i < view->nodes->len; i++) {
        const AuditNode *node = &g_array_index(view->nodes, AuditNode, i);
        if (!is_mixed(view, node))
            continue;
        g_string_append_printf(who, "%s%" PRId64, who->len ? ", " : "", node->member->node);
        if (!worst || node->heavy_us > worst->heavy_us)
            worst = node;
    }
    if (!worst)
        return false;
    const Role *heavy = heaviest_of(view, worst->member->node);
    const Role *waited = waited_for_on(view, worst->member->node);
    double threads = audit_threads(view, worst->heavy_us);
    char *toml = audit_table_apart(view, heavy);
    Finding *finding = audit_add(
        view, AUDIT_HEAVY_BESIDE_WAITING, AUDIT_WARNING,
        g_strdup_printf("Node%s %s: heavy work (most of it %s) keeps %.2f threads busy beside %s, "
                        "which people wait for.",
                        strchr(who->str, ',') ? "s" : "", who->str, heavy->name, threads,
                        waited->name),
        toml ? g_strdup_printf("Let nodes do %s on which nobody waits for anything else.",
                               heavy->name)
             : g_strdup_printf("Give %s and %s different nodes: every running node has a role that "
                               "people wait for.",
                               heavy->name, waited->name));
    audit_set_figure(finding, threads, heavy_limit(worst), "threads");
    finding->weight = 2 * finding->weight;
    finding->role = heavy;
    finding->node = worst->member->node;
    finding->toml = toml;
    return true;
}

/* Does the table itself, not by "every node", give the node a role of this sort? Rounds of the
 * night do not count as heavy here. */
static const Role *find_named(const AuditView *view, int64_t node, bool heavy)
{
    const RoleTable *table = view->ask->status->table;
    for (size_t i = 0; i < view->ask->set->count; i++) {
        const Role *role = &view->ask->set->roles[i];
        bool sort = heavy ? role->heavy && !role->schedule : role->people_wait;
        g_autoptr(GArray) shards = table_shards_of_node(table, role->name, node);
        if (sort && shards->len > 0 && !table_role_is_all(table, role->name))
            return role;
    }
    return NULL;
}

/* The table alone, until a day's measurement has shown that there is little of it. */
static void find_mixed_table(const AuditView *view)
{
    for (unsigned i = 0; i < view->nodes->len; i++) {
        int64_t node = g_array_index(view->nodes, AuditNode, i).member->node;
        const Role *heavy = find_named(view, node, true), *waited = find_named(view, node, false);
        if (!heavy || !waited)
            continue;
        Finding *finding =
            audit_add(view, AUDIT_HEAVY_BESIDE_WAITING, AUDIT_NOTE,
                      g_strdup_printf("Node %" PRId64
                                      ": the table gives it %s, which is heavy, and %s, which "
                                      "people wait for. Nothing is measured yet.",
                                      node, heavy->name, waited->name),
                      g_strdup_printf(
                          "If there will be much of it, let nodes do %s on which nobody waits for "
                          "anything else.",
                          heavy->name));
        finding->role = heavy;
        finding->node = node;
        finding->toml = audit_table_apart(view, heavy);
        return; /* one is enough to say so */
    }
}

/* ---------------------------------------------------------------- number of shards */

static void find_unsharded_table(const AuditView *view, const Role *role)
{
    unsigned count;
    const AuditShard *shard = audit_shards_of(view, role, &count);
    if (!role->heavy || role->schedule || count != 1 ||
        table_role_is_all(view->ask->status->table, role->name) ||
        shard->report->living->len < UNSHARDED_NODES)
        return;
    Finding *finding = audit_add(
        view, AUDIT_REDUNDANT_UNSHARDED, AUDIT_NOTE,
        g_strdup_printf("%s: %u nodes do a heavy role as one shard. Measured so far: %.2f threads.",
                        role->name, shard->report->living->len,
                        audit_threads(view, shard->busy_us)),
        g_strdup("If there will be much of it, cut it into shards: each node then has its own "
                 "part."));
    audit_set_figure(finding, shard->report->living->len, UNSHARDED_NODES, "nodes");
    finding->role = role;
    finding->shard = 1;
    finding->toml = audit_table_cut(view, role);
}

static bool find_unsharded(const AuditView *view, const Role *role)
{
    unsigned count;
    const AuditShard *shard = audit_shards_of(view, role, &count);
    if (!role->heavy || count != 1 || shard->report->living->len < 2)
        return false;
    double threads = audit_threads(view, shard->busy_us);
    if (threads < UNSHARDED_THREADS)
        return false;
    Finding *finding = audit_add(
        view, AUDIT_REDUNDANT_UNSHARDED, AUDIT_WARNING,
        g_strdup_printf("%s: %u nodes do %.2f threads of heavy work as one shard, each of them on "
                        "all accounts.",
                        role->name, shard->report->living->len, threads),
        g_strdup("Cut it into shards: each node then has its own part, and the others are left "
                 "alone."));
    audit_set_figure(finding, threads, UNSHARDED_THREADS, "threads");
    finding->role = role;
    finding->shard = 1;
    finding->toml = audit_table_cut(view, role);
    return true;
}

static void find_needless(const AuditView *view, const Role *role)
{
    unsigned count;
    int64_t busy_us = 0;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    for (unsigned i = 0; i < count; i++)
        busy_us += shards[i].busy_us;
    if (count < NEEDLESS_SHARDS || role->must_shard || view->ms < TRUSTED_MS ||
        audit_threads(view, busy_us) >= NEEDLESS_THREADS)
        return;
    Finding *finding =
        audit_add(view, AUDIT_NEEDLESS_SHARDS, AUDIT_NOTE,
                  g_strdup_printf("%s: %u shards for %.2f %% of one thread.", role->name, count,
                                  audit_threads(view, busy_us) * 100),
                  g_strdup("One shard, or a few, would be simpler and do as well."));
    audit_set_figure(finding, count, NEEDLESS_SHARDS, "shards");
    finding->role = role;
}

void audit_balance(const AuditView *view)
{
    if (view->nodes->len < 2)
        return;
    bool young = view->ms < TRUSTED_MS;
    if (!find_mixed(view) && young)
        find_mixed_table(view);
    for (size_t i = 0; i < view->ask->set->count; i++) {
        find_unequal(view, &view->ask->set->roles[i]);
        if (!find_unsharded(view, &view->ask->set->roles[i]) && young)
            find_unsharded_table(view, &view->ask->set->roles[i]);
        find_needless(view, &view->ask->set->roles[i]);
    }
}
