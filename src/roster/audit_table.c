/* audit_table: role tables that an operator can paste into rota.toml.
 *
 * How it fits: a finding that another table would mend carries it. A shard that stays is written as
 * it is; nodes that come are running ones: first those that the role suits (no heavy role where
 * people wait for others, and the other way round), of these the idlest. `rota check` accepts what
 * is written here. Failures: none; NULL where no table would be better.
 */
#include "roster/audit_private.h"

#include <inttypes.h>
#include <string.h>

/* A role's shards as texts, and what was given to nodes while it was made. */
typedef struct {
    const AuditView *view;
    const Role *role;
    GPtrArray *shards; /* of char *, as between the quotes */
    GArray *given;     /* of unsigned, by index of view->nodes */
    unsigned changes;
} Draft;

static void draft_init(Draft *draft, const AuditView *view, const Role *role)
{
    *draft = (Draft){view, role, g_ptr_array_new_with_free_func(g_free),
                     g_array_new(FALSE, TRUE, sizeof(unsigned)), 0};
    g_array_set_size(draft->given, view->nodes->len);
}

/* With the shards of the table in force. */
static void draft_init_as_is(Draft *draft, const AuditView *view, const Role *role)
{
    const RoleTable *table = view->ask->status->table;
    draft_init(draft, view, role);
    for (unsigned shard = 1; shard <= table_shards(table, role->name); shard++)
        g_ptr_array_add(draft->shards, node_set_format(table_nodes(table, role->name, shard)));
}

static void draft_clear(Draft *draft)
{
    g_ptr_array_unref(draft->shards);
    g_array_unref(draft->given);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Draft, draft_clear)

/* [cluster.roles.purge]
 * stores = ["1,4", "2,3"] */
static char *draft_format(const Draft *draft)
{
    const char *setting = draft->role->setting, *dot = strrchr(setting, '.');
    const char *first = g_ptr_array_index(draft->shards, 0);
    bool single = draft->shards->len == 1;
    if (role_is_custom(draft->role->name))
        return NULL; /* its table has more than nodes, and cannot be there twice */
    if (draft->role->must_shard && single && strpbrk(first, ",-"))
        return NULL; /* one shard of several nodes is refused */
    GString *text = g_string_new("[cluster.roles");
    if (dot)
        g_string_append_printf(text, ".%.*s", (int)(dot - setting), setting);
    g_string_append_printf(text, "]\n%s = ", dot ? dot + 1 : setting);
    if (single && (strcmp(first, "*") == 0 || strcmp(first, "none") == 0)) {
        g_string_append_printf(text, "\"%s\"\n", first);
        return g_string_free(text, FALSE);
    }
    for (unsigned i = 0; i < draft->shards->len; i++)
        g_string_append_printf(text, "%s\"%s\"", i ? ", " : "[",
                               (const char *)g_ptr_array_index(draft->shards, i));
    g_string_append(text, "]\n");
    return g_string_free(text, FALSE);
}

/* ---------------------------------------------------------------- nodes that come */

/* How badly a node suits: less is better. */
static double misfit(const Draft *draft, unsigned index)
{
    const AuditNode *node = &g_array_index(draft->view->nodes, AuditNode, index);
    double threads = audit_threads(draft->view, node->busy_us);
    double heavy = audit_threads(draft->view, node->heavy_us);
    bool wrong = draft->role->people_wait ? heavy >= HEAVY_THREADS
                 : draft->role->heavy     ? node->waited_for
                                          : false;
    unsigned given = g_array_index(draft->given, unsigned, index);
    return wrong * 1000.0 + given * 100.0 + threads * 10 + node->shards;
}

/* The best running node that a shard does not have; -1: there is none. */
static int find_candidate(const Draft *draft, unsigned shard, const char *text)
{
    int best = -1;
    for (unsigned i = 0; i < draft->view->nodes->len; i++) {
        const AuditNode *node = &g_array_index(draft->view->nodes, AuditNode, i);
        g_autofree char *number = g_strdup_printf("%" PRId64, node->member->node);
        g_auto(GStrv) written = g_strsplit(text, ",", -1);
        if (table_may(draft->view->ask->status->table, draft->role->name, shard,
                      node->member->node) ||
            g_strv_contains((const char *const *)written, number))
            continue;
        if (best < 0 || misfit(draft, i) < misfit(draft, (unsigned)best))
            best = (int)i;
    }
    return best;
}

/* Adds a running node to a shard (from 1); false: there is none. */
static bool draft_add_node(Draft *draft, unsigned shard)
{
    char *text = g_ptr_array_index(draft->shards, shard - 1);
    int index = find_candidate(draft, shard, text);
    if (index < 0)
        return false;
    int64_t node = g_array_index(draft->view->nodes, AuditNode, index).member->node;
    draft->shards->pdata[shard - 1] = strcmp(text, "none") == 0
                                          ? g_strdup_printf("%" PRId64, node)
                                          : g_strdup_printf("%s,%" PRId64, text, node);
    g_free(text);
    g_array_index(draft->given, unsigned, index)++;
    draft->changes++;
    return true;
}

char *audit_table_more_nodes(const AuditView *view, const Role *role, unsigned least)
{
    unsigned count;
    const AuditShard *shards = audit_shards_of(view, role, &count);
    g_auto(Draft) draft;
    draft_init_as_is(&draft, view, role);
    for (unsigned i = 0; i < count; i++)
        for (unsigned has = shards[i].report->living->len; has < least; has++)
            if (!draft_add_node(&draft, i + 1))
                break;
    return draft.changes > 0 ? draft_format(&draft) : NULL;
}

char *audit_table_add_node(const AuditView *view, const Role *role, unsigned shard)
{
    g_auto(Draft) draft;
    draft_init_as_is(&draft, view, role);
    return draft_add_node(&draft, shard) ? draft_format(&draft) : NULL;
}

char *audit_table_for_node(const AuditView *view, int64_t node, const Role **ret_role)
{
    const AuditShard *best = NULL;
    bool best_needs = false;
    for (unsigned i = 0; i < view->shards->len; i++) {
        const AuditShard *shard = &g_array_index(view->shards, AuditShard, i);
        const ShardReport *report = shard->report;
        bool needs = report->role->fragile && report->living->len < 2;
        if (report->none || (report->role->must_shard && report->shards == 1))
            continue;
        if (!best || needs > best_needs ||
            (needs == best_needs && shard->busy_us > best->busy_us)) {
            best = shard;
            best_needs = needs;
        }
    }
    if (!best)
        return NULL;
    g_auto(Draft) draft;
    draft_init_as_is(&draft, view, best->report->role);
    char **text = (char **)&draft.shards->pdata[best->report->shard - 1];
    char *longer = g_strdup_printf("%s,%" PRId64, *text, node);
    g_free(*text);
    *text = longer;
    *ret_role = best->report->role;
    return draft_format(&draft);
}

/* ---------------------------------------------------------------- nodes dealt out anew */

/* The running nodes of a role, as indices of view->nodes (unsigned). */
static GArray *nodes_of_role(const AuditView *view, const Role *role)
{
    GArray *indices = g_array_new(FALSE, FALSE, sizeof(unsigned));
    for (unsigned i = 0; i < view->nodes->len; i++) {
        int64_t node = g_array_index(view->nodes, AuditNode, i).member->node;
        g_autoptr(GArray) shards = table_shards_of_node(view->ask->status->table, role->name, node);
        if (shards->len > 0)
            g_array_append_val(indices, i);
    }
    return indices;
}

static int64_t cores_of(const AuditView *view, unsigned index)
{
    return MAX(g_array_index(view->nodes, AuditNode, index).health.cores, 1);
}

static int compare_cores(gconstpointer a, gconstpointer b, gpointer data)
{
    const AuditView *view = data;
    unsigned one = *(const unsigned *)a, other = *(const unsigned *)b;
    int64_t difference = cores_of(view, other) - cores_of(view, one);
    return difference < 0 ? -1 : difference > 0 ? 1 : one < other ? -1 : one > other;
}

static int compare_numbers(gconstpointer a, gconstpointer b)
{
    const int64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static char *format_list(GArray *nodes)
{
    GString *text = g_string_new(NULL);
    g_array_sort(nodes, compare_numbers);
    for (unsigned i = 0; i < nodes->len; i++)
        g_string_append_printf(text, "%s%" PRId64, i ? "," : "", g_array_index(nodes, int64_t, i));
    return g_string_free(text, FALSE);
}

/* Deals nodes out to `count` shards, the strongest first, each to the weakest shard; returns how
 * many times the weakest the strongest is then. */
static double deal_out(Draft *draft, GArray *indices, unsigned count)
{
    g_autofree int64_t *cores = g_new0(int64_t, count);
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    for (unsigned i = 0; i < count; i++)
        g_ptr_array_add(lists, g_array_new(FALSE, FALSE, sizeof(int64_t)));
    g_array_sort_with_data(indices, compare_cores, (gpointer)(uintptr_t)draft->view);
    for (unsigned i = 0; i < indices->len; i++) {
        unsigned index = g_array_index(indices, unsigned, i), weakest = 0;
        for (unsigned shard = 1; shard < count; shard++)
            if (cores[shard] < cores[weakest])
                weakest = shard;
        int64_t node = g_array_index(draft->view->nodes, AuditNode, index).member->node;
        GArray *list = g_ptr_array_index(lists, weakest);
        g_array_append_val(list, node);
        cores[weakest] += cores_of(draft->view, index);
    }
    int64_t least = cores[0], most = cores[0];
    for (unsigned i = 0; i < count; i++) {
        least = MIN(least, cores[i]);
        most = MAX(most, cores[i]);
        g_ptr_array_add(draft->shards, format_list(g_ptr_array_index(lists, i)));
    }
    return least > 0 ? (double)most / (double)least : G_MAXDOUBLE;
}

/* The best node that the role does not have yet joins the indices. */
static bool add_other(const Draft *draft, GArray *indices)
{
    int best = -1;
    for (unsigned i = 0; i < draft->view->nodes->len; i++) {
        bool there = false;
        for (unsigned n = 0; n < indices->len && !there; n++)
            there = g_array_index(indices, unsigned, n) == i;
        if (!there && (best < 0 || misfit(draft, i) < misfit(draft, (unsigned)best)))
            best = (int)i;
    }
    if (best < 0)
        return false;
    unsigned index = (unsigned)best;
    g_array_append_val(indices, index);
    return true;
}

char *audit_table_even(const AuditView *view, const Role *role)
{
    unsigned count = table_shards(view->ask->status->table, role->name);
    g_autoptr(GArray) indices = nodes_of_role(view, role);
    for (;;) {
        g_auto(Draft) draft;
        draft_init(&draft, view, role);
        if (indices->len >= count && deal_out(&draft, indices, count) < UNEQUAL_TIMES)
            return draft_format(&draft);
        if (!add_other(&draft, indices))
            return NULL;
    }
}

char *audit_table_apart(const AuditView *view, const Role *role)
{
    g_autoptr(GArray) indices = g_array_new(FALSE, FALSE, sizeof(unsigned));
    unsigned count = table_shards(view->ask->status->table, role->name);
    for (unsigned i = 0; i < view->nodes->len; i++)
        if (!g_array_index(view->nodes, AuditNode, i).waited_for)
            g_array_append_val(indices, i);
    if (indices->len == 0)
        return NULL;
    g_auto(Draft) draft;
    draft_init(&draft, view, role);
    deal_out(&draft, indices, MIN(count, indices->len));
    return draft_format(&draft);
}

/* Four nodes and more: pairs. Fewer: one each, or, where a node alone would hurt or a round runs on
 * one node of a shard, each shard with a neighbour. */
char *audit_table_cut(const AuditView *view, const Role *role)
{
    g_autoptr(GArray) indices = nodes_of_role(view, role);
    g_auto(Draft) draft;
    draft_init(&draft, view, role);
    if (indices->len < 2)
        return NULL;
    if (indices->len >= 4 || !(role->fragile || role->schedule)) {
        deal_out(&draft, indices, indices->len >= 4 ? indices->len / 2 : indices->len);
        return draft_format(&draft);
    }
    for (unsigned i = 0; i < indices->len; i++) {
        unsigned one = g_array_index(indices, unsigned, i),
                 other = g_array_index(indices, unsigned, (i + 1) % indices->len);
        g_ptr_array_add(draft.shards,
                        g_strdup_printf("%" PRId64 ",%" PRId64,
                                        g_array_index(view->nodes, AuditNode, one).member->node,
                                        g_array_index(view->nodes, AuditNode, other).member->node));
    }
    return draft_format(&draft);
}
