/* coverage: who works for a shard just now.
 *
 * A shard is covered while one of its nodes holds a lease and claims tasks; a node that drains does
 * not. Nothing here can fail, and nothing is kept.
 */
#include "roster/coverage.h"

#include <string.h>

/* Does this member work for the shard: living, neither draining nor drained, and named by the
 * table? */
static bool serves(const RoleTable *table, const char *role, unsigned shard,
                   const MemberRow *member)
{
    return member->living && strcmp(member->state, "up") == 0 &&
           table_may(table, role, shard, member->node);
}

GArray *coverage_nodes(const RoleTable *table, const char *role, unsigned shard,
                       const GPtrArray *members)
{
    GArray *nodes = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (serves(table, role, shard, member))
            g_array_append_val(nodes, member->node);
    }
    return nodes;
}

GPtrArray *coverage_uncovered(const RoleTable *table, const RoleSet *set, const GPtrArray *members)
{
    GPtrArray *uncovered = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < set->count; i++) {
        const char *role = set->roles[i].name;
        unsigned shards = table_shards(table, role);
        for (unsigned shard = 1; shard <= shards && !table_role_is_none(table, role); shard++) {
            g_autoptr(GArray) nodes = coverage_nodes(table, role, shard, members);
            if (nodes->len == 0)
                g_ptr_array_add(uncovered,
                                g_strdup_printf("%s shard %u of %u", role, shard, shards));
        }
    }
    return uncovered;
}
