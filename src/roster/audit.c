/* audit: what all findings are made from, and their order.
 *
 * How it fits: `rota audit` reads (app/cmd_audit.c), this adds up by node and by shard and asks
 * each group of findings: audit_coverage.c (who works), audit_balance.c (is it well shared),
 * audit_work.c (does it get done), audit_certificates.c (those of TLS). Tables to paste are
 * audit_table.c's. Failures: none. Known weak point: loads are averages over up to three days; a
 * peak of an hour does not show.
 */
#include "roster/audit_private.h"

#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "roster/shard.h"

static const char *const names[AUDIT_KINDS] = {
    [AUDIT_UNCOVERED_SHARD] = "uncovered-shard",
    [AUDIT_LAGGING_ROLE] = "lagging-role",
    [AUDIT_DEAD_LETTERS] = "dead-letters",
    [AUDIT_FAILING_ROLE] = "failing-role",
    [AUDIT_SINGLE_NODE_SHARD] = "single-node-shard",
    [AUDIT_HEAVY_BESIDE_WAITING] = "heavy-beside-waiting",
    [AUDIT_SLOW_NODE] = "slow-node",
    [AUDIT_OVERLOADED_NODE] = "overloaded-node",
    [AUDIT_UNEQUAL_SHARDS] = "unequal-shards",
    [AUDIT_HOT_ACCOUNT] = "hot-account",
    [AUDIT_FULL_SHARD] = "full-shard",
    [AUDIT_REDUNDANT_UNSHARDED] = "redundant-unsharded",
    [AUDIT_QUOTA_NEARLY_FULL] = "quota-nearly-full",
    [AUDIT_TABLE_DIFFERS] = "table-differs",
    [AUDIT_IDLE_NODE] = "idle-node",
    [AUDIT_NEEDLESS_SHARDS] = "needless-shards",
    [AUDIT_ONE_NODE] = "one-node",
    [AUDIT_CERTIFICATE_UNUSABLE] = "certificate-unusable",
    [AUDIT_CERTIFICATE_ENDS] = "certificate-ends",
    [AUDIT_CERTIFICATE_MISSING] = "certificate-missing",
    [AUDIT_CERTIFICATE_FAILING] = "certificate-failing",
    [AUDIT_CERTIFICATE_OVERDUE] = "certificate-overdue",
    [AUDIT_CERTIFICATE_UNWANTED] = "certificate-unwanted",
    [AUDIT_STAND_IN] = "stand-in-certificate",
};

const char *audit_kind_name(AuditKind kind)
{
    MUST(kind < AUDIT_KINDS);
    return names[kind];
}

const char *audit_severity_name(AuditSeverity severity)
{
    switch (severity) {
    case AUDIT_NOTE:
        return "note";
    case AUDIT_WARNING:
        return "warning";
    case AUDIT_ERROR:
        return "error";
    }
    MUST(false);
    return NULL;
}

/* ---------------------------------------------------------------- what the groups share */

double audit_threads(const AuditView *view, int64_t busy_us)
{
    return view->ms > 0 ? (double)busy_us / 1000 / view->ms : 0;
}

static AuditNode *find_node(const AuditView *view, int64_t number)
{
    for (unsigned i = 0; i < view->nodes->len; i++) {
        AuditNode *node = &g_array_index(view->nodes, AuditNode, i);
        if (node->member->node == number)
            return node;
    }
    return NULL;
}

const AuditShard *audit_shards_of(const AuditView *view, const Role *role, unsigned *ret_count)
{
    const AuditShard *first = NULL;
    *ret_count = 0;
    for (unsigned i = 0; i < view->shards->len; i++) {
        const AuditShard *shard = &g_array_index(view->shards, AuditShard, i);
        if (shard->report->role != role)
            continue;
        if (!first)
            first = shard;
        (*ret_count)++;
    }
    return first;
}

Finding *audit_add(const AuditView *view, AuditKind kind, AuditSeverity severity, char *take_what,
                   char *take_advice)
{
    Finding *finding = g_new0(Finding, 1);
    finding->kind = kind;
    finding->severity = severity;
    finding->what = take_what;
    finding->advice = take_advice;
    finding->weight = 1;
    finding->unit = "";
    g_ptr_array_add(view->audit->findings, finding);
    return finding;
}

void audit_set_figure(Finding *finding, double value, double limit, const char *unit)
{
    finding->value = value;
    finding->limit = limit;
    finding->unit = unit;
    finding->weight = limit > 0 ? value / limit : value;
}

/* ---------------------------------------------------------------- the view */

static void add_nodes(const AuditView *view)
{
    const GPtrArray *members = view->ask->status->members;
    for (unsigned i = 0; i < members->len; i++) {
        AuditNode node = {.member = g_ptr_array_index(members, i)};
        if (!node.member->living || strcmp(node.member->state, "up") != 0)
            continue;
        health_parse(node.member, &node.health);
        g_array_append_val(view->nodes, node);
    }
}

static int64_t count_accounts(const AuditView *view, const ShardReport *report)
{
    int64_t count = 0;
    for (unsigned bucket = report->shard - 1; bucket < BUCKETS; bucket += report->shards)
        count += view->ask->accounts[bucket];
    return report->role->unit == ROLE_BY_ACCOUNT ? count : 0;
}

static void add_shards(const AuditView *view)
{
    const GPtrArray *reports = view->ask->status->shards;
    for (unsigned i = 0; i < reports->len; i++) {
        const ShardReport *report = g_ptr_array_index(reports, i);
        AuditShard shard = {.report = report, .accounts = count_accounts(view, report)};
        g_array_append_val(view->shards, shard);
        for (unsigned n = 0; n < report->living->len; n++) {
            AuditNode *node = find_node(view, g_array_index(report->living, int64_t, n));
            if (!node)
                continue;
            node->shards++;
            node->waited_for |= report->role->people_wait;
        }
    }
}

static AuditShard *find_shard(const AuditView *view, const char *role, unsigned number)
{
    for (unsigned i = 0; i < view->shards->len; i++) {
        AuditShard *shard = &g_array_index(view->shards, AuditShard, i);
        if (shard->report->shard == number && strcmp(shard->report->role->name, role) == 0)
            return shard;
    }
    return NULL;
}

bool audit_is_hot(const AuditShard *shard)
{
    return shard->top && (double)shard->top->busy_us >= HOT_SHARE * (double)shard->busy_us;
}

static void add_load(const AuditView *view)
{
    const LoadReport *load = view->ask->load;
    for (unsigned i = 0; i < load->rows->len; i++) {
        const LoadRow *row = g_ptr_array_index(load->rows, i);
        AuditShard *shard = find_shard(view, row->role, row->shard);
        AuditNode *node = find_node(view, row->node);
        g_ptr_array_add(view->row_shards, shard);
        if (!shard || view->ms == 0)
            continue;
        shard->busy_us += row->counts.busy_us;
        shard->runs += row->counts.done + row->counts.failed;
        shard->failed += row->counts.failed;
        if (node)
            node->busy_us += row->counts.busy_us;
        if (node && shard->report->role->heavy)
            node->heavy_us += row->counts.busy_us;
    }
    for (unsigned i = 0; view->ms > 0 && i < load->tops->len; i++) {
        const LoadTop *top = g_ptr_array_index(load->tops, i);
        AuditShard *shard = find_shard(view, top->role, top->shard);
        if (shard && !shard->top)
            shard->top = top;
    }
}

/* ---------------------------------------------------------------- the audit */

static int compare_findings(gconstpointer a, gconstpointer b)
{
    const Finding *one = *(Finding *const *)a, *other = *(Finding *const *)b;
    if (one->severity != other->severity)
        return one->severity > other->severity ? -1 : 1;
    if (one->weight != other->weight)
        return one->weight > other->weight ? -1 : 1;
    return one->kind < other->kind ? -1 : one->kind > other->kind;
}

static void finding_free(void *data)
{
    Finding *finding = data;
    g_free(finding->account);
    g_free(finding->what);
    g_free(finding->advice);
    g_free(finding->toml);
    g_free(finding);
}

static void node_clear(void *data)
{
    health_clear(&((AuditNode *)data)->health);
}

Audit *audit_new(const AuditAsk *ask)
{
    MUST(ask->status->table);
    Audit *audit = g_new0(Audit, 1);
    AuditView view = {.ask = ask,
                      .audit = audit,
                      .nodes = g_array_new(FALSE, FALSE, sizeof(AuditNode)),
                      .shards = g_array_new(FALSE, FALSE, sizeof(AuditShard)),
                      .row_shards = g_ptr_array_new(),
                      .ms = ask->load->ms >= AUDIT_MEASURED_MS ? (double)ask->load->ms : 0};
    g_array_set_clear_func(view.nodes, node_clear);
    audit->findings = g_ptr_array_new_with_free_func(finding_free);
    audit->measured_ms = ask->load->ms;
    add_nodes(&view);
    add_shards(&view);
    add_load(&view);
    audit->nodes = view.nodes->len;
    audit_coverage(&view);
    audit_balance(&view);
    audit_work(&view);
    if (ask->certificates)
        audit_certificates(&view);
    g_ptr_array_sort(audit->findings, compare_findings);
    for (unsigned i = 0; i < audit->findings->len; i++)
        audit->errors +=
            ((Finding *)g_ptr_array_index(audit->findings, i))->severity == AUDIT_ERROR;
    g_array_unref(view.nodes);
    g_array_unref(view.shards);
    g_ptr_array_unref(view.row_shards);
    return audit;
}

void audit_free(Audit *audit)
{
    if (!audit)
        return;
    g_ptr_array_unref(audit->findings);
    g_free(audit);
}
