/* audit_work: findings about whether the work gets done: lag, failures, dead letters, nodes that
 * are slow, shards that are full, accounts that are hot or near their quota.
 *
 * How it fits: audit.c. Failures: none. Known weak point: a run's length is compared between nodes
 * by role alone; accounts of different sizes even out only over many runs.
 */
#include "roster/audit_private.h"

#include <inttypes.h>
#include <string.h>

/* ---------------------------------------------------------------- shards */

static void find_lag(const AuditView *view, const AuditShard *shard)
{
    const ShardReport *report = shard->report;
    const Role *role = report->role;
    double limit = role->people_wait ? LAG_WAITING_MS : LAG_OTHER_MS;
    if (!report->covered || report->none || (double)report->lag_ms < limit)
        return;
    Finding *finding = audit_add(
        view, AUDIT_LAGGING_ROLE,
        (double)report->lag_ms >= LAG_ERROR * limit ? AUDIT_ERROR : AUDIT_WARNING,
        g_strdup_printf("%s shard %u of %u falls behind: its oldest task has waited %" PRId64
                        " s, %" PRId64 "%s are due, %" PRId64 " were done in the last hour.",
                        role->name, report->shard, report->shards, report->lag_ms / 1000,
                        report->due.count, report->due.more ? " or more" : "", report->done_hour),
        g_strdup(!role->handler
                     ? "This version does not do the role: its tasks wait for one that does."
                 : report->done_hour == 0
                     ? "Nothing was done at all: `rota tasks list` and `rota tasks why` say why."
                     : "Give it a node more, or raise its concurrency."));
    audit_set_figure(finding, (double)report->lag_ms / 1000, limit / 1000, "s");
    finding->role = role;
    finding->shard = report->shard;
    if (report->done_hour > 0)
        finding->toml = audit_table_add_node(view, role, report->shard);
}

static void find_full(const AuditView *view, const AuditShard *shard)
{
    const ShardReport *report = shard->report;
    double threads = audit_threads(view, shard->busy_us);
    unsigned concurrency = view->ask->concurrency[report->role - view->ask->set->roles];
    /* A round is one task: it runs on one thread, however many nodes there are. An own role may be
     * one for each account. */
    bool rounds = report->role->schedule && !role_is_custom(report->role->name);
    double there = rounds ? 1 : (double)report->living->len * MAX(concurrency, 1);
    if (!report->covered || report->living->len == 0 || threads < FULL_SHARE * there)
        return;
    Finding *finding = audit_add(
        view, AUDIT_FULL_SHARD, AUDIT_WARNING,
        g_strdup_printf(
            "%s shard %u of %u is full: %.1f of its %.0f threads are busy all the time.",
            report->role->name, report->shard, report->shards, threads, there),
        g_strdup("Before it falls behind: give it a node more, raise its concurrency, or split the "
                 "shard."));
    audit_set_figure(finding, threads / there * 100, FULL_SHARE * 100, "%");
    finding->role = report->role;
    finding->shard = report->shard;
    finding->toml = audit_table_add_node(view, report->role, report->shard);
}

static void find_dead(const AuditView *view, const Role *role)
{
    unsigned count;
    int64_t dead = 0;
    bool more = false;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    for (unsigned i = 0; i < count; i++) {
        dead += shards[i].report->dead.count;
        more |= shards[i].report->dead.more;
    }
    if (dead == 0)
        return;
    Finding *finding =
        audit_add(view, AUDIT_DEAD_LETTERS, AUDIT_WARNING,
                  g_strdup_printf("%s: %" PRId64 "%s dead letters wait for a person.", role->name,
                                  dead, more ? " or more" : ""),
                  g_strdup_printf("`rota tasks list --state dead --role %s` shows their errors; "
                                  "mend the cause, then `rota tasks retry` or `drop`.",
                                  role->name));
    audit_set_figure(finding, (double)dead, 0, "tasks");
    finding->weight = MIN((double)dead, 3);
    finding->role = role;
}

static void find_failing(const AuditView *view, const Role *role)
{
    unsigned count;
    int64_t failed = 0, runs = 0;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    for (unsigned i = 0; i < count; i++) {
        failed += shards[i].failed;
        runs += shards[i].runs;
    }
    if (failed < FAILED_RUNS || (double)failed < FAILED_SHARE * (double)runs)
        return;
    Finding *finding = audit_add(
        view, AUDIT_FAILING_ROLE, AUDIT_WARNING,
        g_strdup_printf("%s: %" PRId64 " of %" PRId64 " runs failed.", role->name, failed, runs),
        g_strdup_printf("`rota tasks list --role %s` shows the last errors.", role->name));
    audit_set_figure(finding, (double)failed * 100 / (double)runs, FAILED_SHARE * 100, "%");
    finding->role = role;
}

/* ---------------------------------------------------------------- nodes */

/* How long others take for a run of this role, in µs: the nodes of the same shard, or, where there
 * are none, those of the role's other shards; 0: nobody to compare with. Shards with a hot account
 * are left out, for their runs are longer wherever they run. */
static double pace_of_others(const AuditView *view, unsigned index)
{
    const LoadRow *own = g_ptr_array_index(view->ask->load->rows, index);
    const AuditShard *own_shard = g_ptr_array_index(view->row_shards, index);
    struct {
        int64_t busy_us, runs;
    } same = {0}, other = {0};
    for (unsigned i = 0; i < view->ask->load->rows->len; i++) {
        const LoadRow *row = g_ptr_array_index(view->ask->load->rows, i);
        const AuditShard *shard = g_ptr_array_index(view->row_shards, i);
        int64_t runs = row->counts.done + row->counts.failed;
        if (!shard || shard->report->role != own_shard->report->role || row->node == own->node ||
            audit_is_hot(shard))
            continue;
        if (shard == own_shard) {
            same.busy_us += row->counts.busy_us;
            same.runs += runs;
        } else {
            other.busy_us += row->counts.busy_us;
            other.runs += runs;
        }
    }
    if (same.runs >= SLOW_RUNS)
        return (double)same.busy_us / (double)same.runs;
    return other.runs >= SLOW_RUNS ? SLOW_APART * (double)other.busy_us / (double)other.runs : 0;
}

static void find_slow(const AuditView *view, const AuditNode *node)
{
    double expected = 0;
    struct {
        int64_t busy_us, runs;
    } all = {0};
    for (unsigned i = 0; view->ms > 0 && i < view->ask->load->rows->len; i++) {
        const LoadRow *row = g_ptr_array_index(view->ask->load->rows, i);
        const AuditShard *shard = g_ptr_array_index(view->row_shards, i);
        if (row->node != node->member->node || !shard || audit_is_hot(shard))
            continue;
        int64_t runs = row->counts.done + row->counts.failed;
        double pace = pace_of_others(view, i);
        if (pace == 0)
            continue;
        expected += (double)runs * pace;
        all.busy_us += row->counts.busy_us;
        all.runs += runs;
    }
    double times = expected > 0 ? (double)all.busy_us / expected : 0;
    if (all.runs < SLOW_RUNS || all.busy_us < SLOW_BUSY_US || times < SLOW_TIMES)
        return;
    Finding *finding = audit_add(
        view, AUDIT_SLOW_NODE, AUDIT_WARNING,
        g_strdup_printf("Node %" PRId64
                        " (%s) takes %.1f times as long for the same kind of run as "
                        "the other nodes (%" PRId64 " runs).",
                        node->member->node, node->member->host, times, all.runs),
        g_strdup("Look at its disk, its processors and its way to the store; or give it less."));
    audit_set_figure(finding, times, SLOW_TIMES, "times");
    finding->weight = 1.5 * finding->weight;
    finding->node = node->member->node;
}

static void find_gap(const AuditView *view, const AuditNode *node)
{
    const NodeHealth *health = &node->health;
    double limit = GAP_OF_LEASE * (double)health->lease_ms;
    if (health->lease_ms == 0 || (double)health->beat_gap_ms < limit)
        return;
    Finding *finding = audit_add(
        view, AUDIT_SLOW_NODE, AUDIT_WARNING,
        g_strdup_printf("Node %" PRId64 " (%s): up to %.1f s passed between two heartbeats in the "
                        "last minutes, its lease is %.1f s; %" PRId64
                        " have failed since its start.",
                        node->member->node, node->member->host, (double)health->beat_gap_ms / 1000,
                        (double)health->lease_ms / 1000, health->beats_failed),
        g_strdup("It is near to losing its lease: look at its load, its way to the store, and "
                 "whether the machine stands still at times."));
    audit_set_figure(finding, (double)health->beat_gap_ms / 1000, limit / 1000, "s");
    finding->node = node->member->node;
}

static bool is_overloaded(const AuditNode *node)
{
    const NodeHealth *health = &node->health;
    return health->cores > 0 && health->load >= OVERLOAD_TIMES * (double)health->cores;
}

/* One finding for all of them. */
static void find_overloaded(const AuditView *view)
{
    g_autoptr(GString) who = g_string_new(NULL);
    const AuditNode *worst = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < view->nodes->len; i++) {
        const AuditNode *node = &g_array_index(view->nodes, AuditNode, i);
        if (!is_overloaded(node))
            continue;
        g_string_append_printf(who, "%s%" PRId64, count++ ? ", " : "", node->member->node);
        if (!worst || node->health.load > worst->health.load)
            worst = node;
    }
    if (!worst)
        return;
    Finding *finding =
        audit_add(view, AUDIT_OVERLOADED_NODE, AUDIT_WARNING,
                  g_strdup_printf("Node%s %s: the load average of node %" PRId64
                                  " (%s) is %.1f on %" PRId64 " cores.",
                                  count > 1 ? "s" : "", who->str, worst->member->node,
                                  worst->member->host, worst->health.load, worst->health.cores),
                  g_strdup("Let another node do its heavy roles, or lower their concurrency."));
    audit_set_figure(finding, worst->health.load / (double)worst->health.cores, OVERLOAD_TIMES,
                     "times");
    finding->node = worst->member->node;
}

/* ---------------------------------------------------------------- accounts */

/* An account that is hot for one role is so for others too: once is enough. */
static bool is_told(const AuditView *view, const char *key)
{
    for (unsigned i = 0; i < view->audit->findings->len; i++) {
        const Finding *finding = g_ptr_array_index(view->audit->findings, i);
        if (finding->account && strcmp(finding->account, key) == 0)
            return true;
    }
    return false;
}

static void find_hot(const AuditView *view, const AuditShard *shard)
{
    const ShardReport *report = shard->report;
    bool much = audit_threads(view, shard->busy_us) >= HOT_THREADS;
    bool some = view->ms > 0 && view->nodes->len > 1 && shard->busy_us >= HOT_NOTE_US;
    if (!audit_is_hot(shard) || !(much || some) || shard->accounts < HOT_ACCOUNTS ||
        is_told(view, shard->top->key))
        return;
    double share = (double)shard->top->busy_us / (double)MAX(shard->busy_us, 1);
    const char *address = g_hash_table_lookup(view->ask->names, shard->top->key);
    Finding *finding = audit_add(
        view, AUDIT_HOT_ACCOUNT, much ? AUDIT_WARNING : AUDIT_NOTE,
        g_strdup_printf("Account %s%s%s%s makes at least %.0f %% of the work of %s shard %u of %u, "
                        "which has %" PRId64 " accounts.",
                        shard->top->key, address ? " (" : "", address ? address : "",
                        address ? ")" : "", share * 100, report->role->name, report->shard,
                        report->shards, shard->accounts),
        g_strdup("See what comes into it: a rule that loops, a list, an import. An account lies in "
                 "one shard: more shards do not help it, a stronger shard does."));
    audit_set_figure(finding, share * 100, HOT_SHARE * 100, "%");
    finding->weight = 3 * finding->weight;
    finding->role = report->role;
    finding->shard = report->shard;
    finding->account = g_strdup(shard->top->key);
}

static void find_quota(const AuditView *view)
{
    const GArray *quotas = view->ask->quotas;
    if (quotas->len == 0)
        return;
    g_autoptr(GString) who = g_string_new(NULL);
    double fullest = 0;
    for (unsigned i = 0; i < quotas->len; i++) {
        const AuditQuota *quota = &g_array_index(quotas, AuditQuota, i);
        double share = (double)quota->used_bytes * 100 / (double)MAX(quota->quota_bytes, 1);
        fullest = MAX(fullest, share);
        g_string_append_printf(who, "%s%s %.0f %%", i ? ", " : "", quota->address, share);
    }
    int64_t more = view->ask->quota_count - quotas->len;
    if (more > 0)
        g_string_append_printf(who, " and %" PRId64 " more", more);
    Finding *finding = audit_add(
        view, AUDIT_QUOTA_NEARLY_FULL, AUDIT_WARNING,
        g_strdup_printf("%" PRId64 " account%s near the quota, or at it: %s.",
                        view->ask->quota_count, view->ask->quota_count == 1 ? " is" : "s are",
                        who->str),
        g_strdup("At the quota mail is turned away: `rota account quota` raises it, or let people "
                 "clear out."));
    audit_set_figure(finding, fullest, AUDIT_QUOTA_PERCENT, "%");
}

void audit_work(const AuditView *view)
{
    for (size_t i = 0; i < view->ask->set->count; i++) {
        find_dead(view, &view->ask->set->roles[i]);
        find_failing(view, &view->ask->set->roles[i]);
    }
    for (unsigned i = 0; i < view->shards->len; i++) {
        const AuditShard *shard = &g_array_index(view->shards, AuditShard, i);
        find_lag(view, shard);
        find_full(view, shard);
        find_hot(view, shard);
    }
    for (unsigned i = 0; i < view->nodes->len; i++) {
        const AuditNode *node = &g_array_index(view->nodes, AuditNode, i);
        find_slow(view, node);
        find_gap(view, node);
    }
    find_overloaded(view);
    find_quota(view);
}
