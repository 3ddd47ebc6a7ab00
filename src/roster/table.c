/* table: the role table: built once, then only asked.
 *
 * How it fits: app/settings builds it from a file, adoption.c reads it back from the store with
 * table_parse; both go through the same builder, so a table of the store and a table of a file with
 * the same meaning have the same text and digest. Failures: a shard that is written wrongly
 * (ERROR_REJECT: what was found, what to write). Known weak point: a question costs a binary search
 * for the role by name; callers that ask often keep the answer for as long as they keep the table.
 */
#include "roster/table.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/must.h"

#define NODES_SHOWN_MAX 8 /* of a long shard, in a message that shows what to write */

typedef enum { NODES_ALL, NODES_NONE, NODES_LISTED } NodesKind;

typedef struct {
    char *name;
    NodesKind kind;
    GPtrArray *shards; /* of GArray of NodeRange: sorted, disjoint, not touching */
} Entry;

struct RoleTable {
    gatomicrefcount references;
    GPtrArray *entries; /* of Entry, sorted by name */
    char *text, *digest;
};

struct RoleTableBuilder {
    GPtrArray *entries; /* of Entry */
};

static const NodeRange every_node = {1, NODE_ID_MAX};

static Entry *entry_new(const char *name, NodesKind kind)
{
    Entry *entry = g_new0(Entry, 1);
    entry->name = g_strdup(name);
    entry->kind = kind;
    entry->shards = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    return entry;
}

static void entry_free(void *data)
{
    Entry *entry = data;
    g_free(entry->name);
    g_ptr_array_unref(entry->shards);
    g_free(entry);
}

static RoleTableBuilder *builder_empty(void)
{
    RoleTableBuilder *builder = g_new0(RoleTableBuilder, 1);
    builder->entries = g_ptr_array_new_with_free_func(entry_free);
    return builder;
}

RoleTableBuilder *table_builder_new(const RoleSet *set)
{
    RoleTableBuilder *builder = builder_empty();
    for (size_t i = 0; i < set->count; i++)
        g_ptr_array_add(builder->entries, entry_new(set->roles[i].name, NODES_ALL));
    return builder;
}

void table_builder_free(RoleTableBuilder *builder)
{
    if (!builder)
        return;
    if (builder->entries)
        g_ptr_array_unref(builder->entries);
    g_free(builder);
}

static Entry *builder_get(const RoleTableBuilder *builder, const char *name)
{
    for (unsigned i = 0; i < builder->entries->len; i++) {
        Entry *entry = g_ptr_array_index(builder->entries, i);
        if (strcmp(entry->name, name) == 0)
            return entry;
    }
    must_fail("the builder's set has the role", __FILE__, __LINE__);
}

void table_builder_set_all(RoleTableBuilder *builder, const Role *role)
{
    Entry *entry = builder_get(builder, role->name);
    entry->kind = NODES_ALL;
    g_ptr_array_set_size(entry->shards, 0);
}

void table_builder_set_none(RoleTableBuilder *builder, const Role *role)
{
    Entry *entry = builder_get(builder, role->name);
    entry->kind = NODES_NONE;
    g_ptr_array_set_size(entry->shards, 0);
}

/* A node's number at *at, which moves behind it. */
static bool take_node(const char **at, const char *item, int64_t *ret_node, GError **error)
{
    int64_t node = 0;
    if (**at == '-')
        return fail(error, ERROR_REJECT,
                    "found the negative node \"%s\"; write a number from 1 to %d", item,
                    NODE_ID_MAX);
    if (!g_ascii_isdigit(**at))
        return fail(
            error, ERROR_REJECT,
            "found \"%s\", which is no node; write numbers (\"1,4\") or ranges of them (\"10-19\")",
            item);
    for (; g_ascii_isdigit(**at); (*at)++) {
        node = node * 10 + (**at - '0');
        if (node > NODE_ID_MAX)
            return fail(error, ERROR_REJECT,
                        "found the node \"%s\", which is too large; write a number from 1 to %d",
                        item, NODE_ID_MAX);
    }
    if (node == 0)
        return fail(error, ERROR_REJECT,
                    "found node 0 in \"%s\"; nodes count from 1: write a number from 1 to %d", item,
                    NODE_ID_MAX);
    *ret_node = node;
    return true;
}

static void skip_blank(const char **at)
{
    while (**at == ' ' || **at == '\t')
        (*at)++;
}

/* "4", "10-19", with blanks around numbers. */
static bool parse_item(const char *item, NodeRange *ret_range, GError **error)
{
    NodeRange range;
    const char *at = item;
    if (!take_node(&at, item, &range.first, error))
        return false;
    range.last = range.first;
    skip_blank(&at);
    if (*at == '-') {
        at++;
        skip_blank(&at);
        if (!*at)
            return fail(error, ERROR_REJECT,
                        "found the range \"%s\" without an end; write for example \"%" PRId64
                        "-%" PRId64 "\"",
                        item, range.first, MIN(range.first + 9, NODE_ID_MAX));
        if (!take_node(&at, item, &range.last, error))
            return false;
        if (range.last < range.first)
            return fail(error, ERROR_REJECT,
                        "found the reversed range \"%s\"; write \"%" PRId64 "-%" PRId64 "\"", item,
                        range.last, range.first);
    }
    if (*at)
        return fail(
            error, ERROR_REJECT,
            "found \"%s\", which is no node; write numbers (\"1,4\") or ranges of them (\"10-19\")",
            item);
    *ret_range = range;
    return true;
}

static int compare_ranges(gconstpointer a, gconstpointer b)
{
    const NodeRange *one = a, *other = b;
    return one->first < other->first ? -1 : one->first > other->first;
}

/* Sorts, refuses what is there twice, joins what touches. */
static bool order_ranges(GArray *ranges, const char *nodes, GError **error)
{
    g_array_sort(ranges, compare_ranges);
    unsigned kept = 0;
    for (unsigned i = 1; i < ranges->len; i++) {
        NodeRange *last = &g_array_index(ranges, NodeRange, kept);
        NodeRange now = g_array_index(ranges, NodeRange, i);
        if (now.first <= last->last)
            return fail(error, ERROR_REJECT,
                        "found node %" PRId64 " twice in the shard \"%s\"; write each node once",
                        now.first, nodes);
        if (now.first == last->last + 1)
            last->last = now.last;
        else
            g_array_index(ranges, NodeRange, ++kept) = now;
    }
    g_array_set_size(ranges, kept + 1);
    return true;
}

static bool parse_shard(const char *nodes, GArray *ranges, GError **error)
{
    g_auto(GStrv) items = g_strsplit(nodes, ",", SHARD_RANGES_MAX + 1);
    if (!*items || (!items[1] && !*g_strstrip(items[0])))
        return fail(error, ERROR_REJECT,
                    "found an empty shard; write its nodes (\"1,4\"), or \"*\" for every node, "
                    "\"none\" for no node");
    if (g_strv_length(items) > SHARD_RANGES_MAX)
        return fail(error, ERROR_REJECT,
                    "found a shard of more than %d items; write ranges (\"10-19\")",
                    SHARD_RANGES_MAX);
    for (char **item = items; *item; item++) {
        NodeRange range;
        g_strstrip(*item);
        if (!**item)
            return fail(error, ERROR_REJECT,
                        "found an empty item in the shard \"%s\"; write a node between the commas, "
                        "or remove one",
                        nodes);
        if (strcmp(*item, "*") == 0 || strcmp(*item, "none") == 0)
            return fail(error, ERROR_REJECT,
                        "found \"%s\" beside other nodes or shards; write it alone: \"%s\"", *item,
                        *item);
        if (!parse_item(*item, &range, error))
            return false;
        g_array_append_val(ranges, range);
    }
    return order_ranges(ranges, nodes, error);
}

GArray *node_set_parse(const char *nodes, GError **error)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(NodeRange));
    return parse_shard(nodes, ranges, error) ? g_steal_pointer(&ranges) : NULL;
}

static bool add_shard(Entry *entry, const char *nodes, GError **error)
{
    g_autoptr(GArray) ranges = node_set_parse(nodes, error);
    if (!ranges)
        return false;
    if (entry->shards->len >= SHARDS_MAX)
        return fail(error, ERROR_REJECT,
                    "found more than %d shards; write fewer: there are only %d buckets to share",
                    SHARDS_MAX, BUCKETS);
    entry->kind = NODES_LISTED;
    g_ptr_array_add(entry->shards, g_steal_pointer(&ranges));
    return true;
}

bool table_builder_add_shard(RoleTableBuilder *builder, const Role *role, const char *nodes,
                             GError **error)
{
    return add_shard(builder_get(builder, role->name), nodes, error);
}

/* ["1", "2", "3"], as an operator would write one shard for each of these nodes; cut where it gets
 * long. */
static char *format_split(const GArray *ranges)
{
    GString *text = g_string_new("[");
    unsigned shown = 0;
    for (unsigned i = 0; i < ranges->len; i++) {
        const NodeRange *range = &g_array_index(ranges, NodeRange, i);
        for (int64_t node = range->first; node <= range->last; node++) {
            if (shown == NODES_SHOWN_MAX) {
                g_string_append(text, ", and so on]");
                return g_string_free(text, FALSE);
            }
            g_string_append_printf(text, "%s\"%" PRId64 "\"", shown++ ? ", " : "", node);
        }
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

bool table_builder_check(const RoleTableBuilder *builder, const Role *role, GError **error)
{
    const Entry *entry = builder_get(builder, role->name);
    if (!role->must_shard || entry->kind != NODES_LISTED || entry->shards->len != 1)
        return true;
    const GArray *ranges = g_ptr_array_index(entry->shards, 0);
    const NodeRange *first = &g_array_index(ranges, NodeRange, 0);
    if (ranges->len == 1 && first->first == first->last)
        return true;
    g_autofree char *found = node_set_format((NodeSet){first, ranges->len});
    g_autofree char *split = format_split(ranges);
    return fail(error, ERROR_REJECT,
                "found one shard of several nodes (\"%s\"); %s must be sharded, so that nothing is "
                "sent twice: write one shard for each node: "
                "%s",
                found, role->name, split);
}

static int compare_entries(gconstpointer a, gconstpointer b)
{
    return strcmp((*(Entry *const *)a)->name, (*(Entry *const *)b)->name);
}

static NodeSet entry_nodes(const Entry *entry, unsigned shard)
{
    if (entry->kind == NODES_ALL)
        return (NodeSet){&every_node, 1};
    if (entry->kind == NODES_NONE || shard == 0 || shard > entry->shards->len)
        return (NodeSet){NULL, 0};
    const GArray *ranges = g_ptr_array_index(entry->shards, shard - 1);
    return (NodeSet){&g_array_index(ranges, NodeRange, 0), ranges->len};
}

static char *format_entries(const GPtrArray *entries)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < entries->len; i++) {
        const Entry *entry = g_ptr_array_index(entries, i);
        g_string_append_printf(text, "%s = ", entry->name);
        for (unsigned shard = 1; shard <= MAX(1, entry->shards->len); shard++) {
            g_autofree char *nodes = node_set_format(entry_nodes(entry, shard));
            g_string_append_printf(text, "%s%s", shard > 1 ? " | " : "", nodes);
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

RoleTable *table_builder_seal(RoleTableBuilder *builder)
{
    RoleTable *table = g_new0(RoleTable, 1);
    g_atomic_ref_count_init(&table->references);
    table->entries = g_steal_pointer(&builder->entries);
    builder->entries = g_ptr_array_new_with_free_func(entry_free);
    g_ptr_array_sort(table->entries, compare_entries);
    table->text = format_entries(table->entries);
    Digest digest = digest_of(table->text, strlen(table->text));
    table->digest = digest_format(&digest);
    return table;
}

RoleTable *table_ref(RoleTable *table)
{
    g_atomic_ref_count_inc(&table->references);
    return table;
}

void table_unref(RoleTable *table)
{
    if (!g_atomic_ref_count_dec(&table->references))
        return;
    g_ptr_array_unref(table->entries);
    g_free(table->text);
    g_free(table->digest);
    g_free(table);
}

static const Entry *find_entry(const RoleTable *table, const char *role)
{
    unsigned low = 0, high = table->entries->len;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const Entry *entry = g_ptr_array_index(table->entries, middle);
        int order = strcmp(entry->name, role);
        if (order == 0)
            return entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

unsigned table_shards(const RoleTable *table, const char *role)
{
    const Entry *entry = find_entry(table, role);
    return entry && entry->kind == NODES_LISTED ? entry->shards->len : 1;
}

/* A role that the table does not know. */
static NodesKind kind_of_absent(const char *role)
{
    return role_is_custom(role) ? NODES_NONE : NODES_ALL;
}

static NodesKind kind_of(const RoleTable *table, const char *role)
{
    const Entry *entry = find_entry(table, role);
    return entry ? entry->kind : kind_of_absent(role);
}

bool table_role_is_none(const RoleTable *table, const char *role)
{
    return kind_of(table, role) == NODES_NONE;
}

bool table_role_is_all(const RoleTable *table, const char *role)
{
    return kind_of(table, role) == NODES_ALL;
}

NodeSet table_nodes(const RoleTable *table, const char *role, unsigned shard)
{
    const Entry *entry = find_entry(table, role);
    if (!entry && kind_of_absent(role) == NODES_NONE)
        return (NodeSet){NULL, 0};
    return entry ? entry_nodes(entry, shard) : (NodeSet){&every_node, 1};
}

bool table_may(const RoleTable *table, const char *role, unsigned shard, int64_t node)
{
    NodeSet nodes = table_nodes(table, role, shard);
    unsigned low = 0, high = nodes.count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (nodes.ranges[middle].last < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low < nodes.count && nodes.ranges[low].first <= node;
}

GArray *table_shards_of_node(const RoleTable *table, const char *role, int64_t node)
{
    GArray *shards = g_array_new(FALSE, FALSE, sizeof(unsigned));
    unsigned count = table_shards(table, role);
    for (unsigned shard = 1; shard <= count; shard++)
        if (table_may(table, role, shard, node))
            g_array_append_val(shards, shard);
    return shards;
}

char *table_format(const RoleTable *table)
{
    return g_strdup(table->text);
}

const char *table_digest(const RoleTable *table)
{
    return table->digest;
}

/* One line, "name = nodes | nodes". */
static bool parse_line(RoleTableBuilder *builder, const char *line, GError **error)
{
    const char *equals = strstr(line, " = ");
    if (!equals || equals == line)
        return fail(error, ERROR_REJECT,
                    "the stored role table has the line \"%s\", which is not of its form", line);
    g_autofree char *name = g_strndup(line, (gsize)(equals - line));
    const char *value = equals + 3;
    Entry *entry = entry_new(name, strcmp(value, "none") == 0 ? NODES_NONE : NODES_ALL);
    g_ptr_array_add(builder->entries, entry);
    if (entry->kind == NODES_NONE || strcmp(value, "*") == 0)
        return true;
    g_auto(GStrv) shards = g_strsplit(value, " | ", SHARDS_MAX + 1);
    for (char **shard = shards; *shard; shard++) {
        if (!add_shard(entry, *shard, error)) {
            g_prefix_error(error, "the stored role table has the line \"%s\": ", line);
            return false;
        }
    }
    return true;
}

RoleTable *table_parse(const RoleSet *set, const char *text, GError **error)
{
    (void)set; /* a role it does not name has every node, one that the set does not know is kept:
                  the text is all there is to know */
    g_autoptr(RoleTableBuilder) builder = builder_empty();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (**line && !parse_line(builder, *line, error))
            return NULL;
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    if (strcmp(table->text, text) != 0) {
        fail(error, ERROR_REJECT,
             "the stored role table is not in its canonical form; `rota roles adopt` writes it "
             "anew");
        return NULL;
    }
    return g_steal_pointer(&table);
}

char *node_set_format(NodeSet nodes)
{
    if (nodes.count == 0)
        return g_strdup("none");
    if (nodes.count == 1 && nodes.ranges[0].first == 1 && nodes.ranges[0].last == NODE_ID_MAX)
        return g_strdup("*");
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < nodes.count; i++) {
        const NodeRange *range = &nodes.ranges[i];
        g_string_append_printf(text, "%s%" PRId64, i ? "," : "", range->first);
        if (range->last > range->first) /* two in a row read better as "5,6" */
            g_string_append_printf(text, "%c%" PRId64, range->last == range->first + 1 ? ',' : '-',
                                   range->last);
    }
    return g_string_free(text, FALSE);
}
