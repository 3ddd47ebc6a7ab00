/* audit_coverage: findings about who works: shards without a node, or with one alone; nodes without
 * a shard, or with another table.
 *
 * How it fits: audit.c. One finding for each role, not for each shard, so that a broken table is
 * one line and not thirty. Failures: none.
 */
#include "roster/audit_private.h"

#include <inttypes.h>
#include <string.h>

/* "shard 2 of 3", "shards 1 and 3 of 3", of those that `wanted` says yes to; NULL: of none. */
static char *format_shards(const AuditShard *shards, unsigned count,
                           bool (*wanted)(const AuditShard *shard), unsigned *ret_count)
{
    g_autoptr(GString) list = g_string_new(NULL);
    *ret_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!wanted(&shards[i]))
            continue;
        g_string_append_printf(list, "%s%u", *ret_count ? ", " : "", i + 1);
        (*ret_count)++;
    }
    if (*ret_count == 0)
        return NULL;
    if (count == 1)
        return g_strdup("its one shard");
    return g_strdup_printf("shard%s %s of %u", *ret_count > 1 ? "s" : "", list->str, count);
}

static bool is_uncovered(const AuditShard *shard)
{
    return !shard->report->covered;
}

static bool hangs_on_one(const AuditShard *shard)
{
    return !shard->report->none && shard->report->living->len == 1;
}

static void find_uncovered(const AuditView *view, const Role *role)
{
    unsigned count, uncovered;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    g_autofree char *which = format_shards(shards, count, is_uncovered, &uncovered);
    if (!which)
        return;
    unsigned first = 0;
    while (!is_uncovered(&shards[first]))
        first++;
    int64_t due = 0;
    for (unsigned i = 0; i < count; i++)
        due += is_uncovered(&shards[i]) ? shards[i].report->due.count : 0;
    Finding *finding = audit_add(
        view, AUDIT_UNCOVERED_SHARD, AUDIT_ERROR,
        g_strdup_printf("%s: %s %s no running node: %" PRId64 " tasks are due and wait.",
                        role->name, which, uncovered > 1 ? "have" : "has", due),
        strcmp(shards[first].report->nodes, "*") == 0
            ? g_strdup("Any node may do it: start one.")
            : g_strdup_printf("Start one of its nodes (%s), or give the shard to nodes that run.",
                              shards[first].report->nodes));
    audit_set_figure(finding, uncovered, 0, "shards");
    finding->role = role;
    finding->shard = first + 1;
    finding->toml = audit_table_more_nodes(view, role, role->fragile ? 2 : 1);
}

/* The only node of the first shard that hangs on one. */
static int64_t only_node(const AuditShard *shards, unsigned *ret_shard)
{
    for (*ret_shard = 0; !hangs_on_one(&shards[*ret_shard]); (*ret_shard)++)
        continue;
    return g_array_index(shards[*ret_shard].report->living, int64_t, 0);
}

static bool names_one_node(const char *nodes)
{
    return strpbrk(nodes, ",-*") == NULL;
}

static void find_single(const AuditView *view, const Role *role)
{
    unsigned count, single, first;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    if (!role->fragile || view->nodes->len < 2)
        return;
    g_autofree char *which = format_shards(shards, count, hangs_on_one, &single);
    if (!which)
        return;
    int64_t node = only_node(shards, &first);
    bool named = names_one_node(shards[first].report->nodes);
    Finding *finding = audit_add(
        view, AUDIT_SINGLE_NODE_SHARD, AUDIT_WARNING,
        g_strdup_printf("%s: %s %s on one node (%" PRId64 "%s): if it fails, this work stops.",
                        role->name, which, single > 1 ? "each hang" : "hangs", node,
                        single > 1 ? " and so on" : ""),
        named ? g_strdup(single > 1 ? "Give each of these shards a second node."
                                    : "Give it a second node.")
              : g_strdup_printf("The table gives it more nodes (%s), and they do not run: start "
                                "them, or give it others.",
                                shards[first].report->nodes));
    audit_set_figure(finding, single, 0, "shards");
    finding->weight = 2.0 + 2.0 * single / count;
    finding->role = role;
    finding->shard = first + 1;
    finding->node = node;
    finding->toml = audit_table_more_nodes(view, role, 2);
}

static void find_idle(const AuditView *view)
{
    for (unsigned i = 0; i < view->nodes->len; i++) {
        const AuditNode *node = &g_array_index(view->nodes, AuditNode, i);
        const Role *role = NULL;
        if (node->shards > 0)
            continue;
        int64_t number = node->member->node;
        g_autofree char *toml = audit_table_for_node(view, number, &role);
        Finding *finding =
            audit_add(view, AUDIT_IDLE_NODE, AUDIT_WARNING,
                      g_strdup_printf("Node %" PRId64 " (%s) runs and has no role.", number,
                                      node->member->host),
                      g_strdup_printf("If it is to do more than take mail, give it a share%s%s.",
                                      role ? ", for example of " : "", role ? role->name : ""));
        audit_set_figure(finding, 0, 1, "shards");
        finding->weight = 1;
        finding->node = number;
        finding->role = role;
        finding->toml = g_steal_pointer(&toml);
    }
}

static void find_differing(const AuditView *view)
{
    const StatusReport *status = view->ask->status;
    g_autoptr(GString) who = g_string_new(NULL);
    unsigned count = 0;
    for (unsigned i = 0; i < view->nodes->len; i++) {
        const MemberRow *member = g_array_index(view->nodes, AuditNode, i).member;
        if (strcmp(member->proposed_digest, status->digest) == 0)
            continue;
        g_string_append_printf(who, "%s%" PRId64, count ? ", " : "", member->node);
        count++;
    }
    if (count == 0)
        return;
    Finding *finding = audit_add(
        view, AUDIT_TABLE_DIFFERS, AUDIT_WARNING,
        g_strdup_printf(
            "The file of node%s %s has another table than the one in force%s%s.",
            count > 1 ? "s" : "", who->str, status->differing->len ? ": " : "",
            status->differing->len ? (const char *)g_ptr_array_index(status->differing, 0) : ""),
        g_strdup("Bring the files of all nodes to the same table and say `rota reload`, or say "
                 "`rota roles adopt --node N`."));
    audit_set_figure(finding, count, 0, "nodes");
    finding->weight = 1.5;
}

void audit_coverage(const AuditView *view)
{
    for (size_t i = 0; i < view->ask->set->count; i++) {
        find_uncovered(view, &view->ask->set->roles[i]);
        find_single(view, &view->ask->set->roles[i]);
    }
    find_idle(view);
    find_differing(view);
    if (view->nodes->len == 1)
        audit_add(view, AUDIT_ONE_NODE, AUDIT_NOTE,
                  g_strdup("One node runs: if it fails, all background work waits."),
                  g_strdup("Redundancy needs a second node, on PostgreSQL; until then the rules "
                           "about several nodes are not applied."));
}
