/* table.h: who may do what. The role table as it is resolved from the settings or read back from
 * the store.
 *
 * Built once, immutable, counted by reference, shared by all threads. It knows nothing of who is
 * alive. A role that is not configured has one shard and every node; one of the operator's own that
 * the table does not know has no node (role_is_custom). The digest is the same for the
 * same meaning, whatever the spelling: the canonical text (table_format) is what is digested and
 * what the store keeps: one line a role, sorted by name: "purge.stores = 1,4 | 2,3 | 10-19", "x =
 * *", "y = none".
 */
#ifndef ROTA_ROSTER_TABLE_H
#define ROTA_ROSTER_TABLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "roster/role.h"

typedef struct RoleTable RoleTable;

/* A run of node ids, both ends included. */
typedef struct {
    int64_t first, last;
} NodeRange;

typedef struct {
    const NodeRange *ranges; /* sorted, disjoint, not touching */
    unsigned count;
} NodeSet;

/* Builds: start with every role at its default (one shard, every node), then set what is
 * configured, then seal. */
typedef struct RoleTableBuilder RoleTableBuilder;
RoleTableBuilder *table_builder_new(const RoleSet *set);
void table_builder_free(RoleTableBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RoleTableBuilder, table_builder_free)
/* One shard of every node ("*"), or of none ("none"). */
void table_builder_set_all(RoleTableBuilder *builder, const Role *role);
void table_builder_set_none(RoleTableBuilder *builder, const Role *role);
/* Adds a shard written as in the seed: "1,4", "10-19", "1,4,10-19". ERROR_REJECT says what was
 * found and what to write (no place: the caller knows file, line and column). An item may be
 * rejected and the next one still added, so that a check finds all. */
bool table_builder_add_shard(RoleTableBuilder *builder, const Role *role, const char *nodes,
                             GError **error);
/* The rules that need all shards of a role (must_shard). ERROR_REJECT as above. */
bool table_builder_check(const RoleTableBuilder *builder, const Role *role, GError **error);
RoleTable *table_builder_seal(
    RoleTableBuilder *builder); /* one reference, for the caller; the builder is empty after */

RoleTable *table_ref(RoleTable *table);
void table_unref(RoleTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RoleTable, table_unref)

/* Number of shards of a role, 1 at least. */
unsigned table_shards(const RoleTable *table, const char *role);
bool table_role_is_none(const RoleTable *table, const char *role);
bool table_role_is_all(const RoleTable *table, const char *role);
/* The nodes of a shard (from 1); all nodes: one range 1..NODE_ID_MAX; none: count 0. Borrowed from
 * the table. */
NodeSet table_nodes(const RoleTable *table, const char *role, unsigned shard);
bool table_may(const RoleTable *table, const char *role, unsigned shard, int64_t node);
/* The shards that a node serves, as a new array of unsigned (free with g_array_unref). */
GArray *table_shards_of_node(const RoleTable *table, const char *role, int64_t node);

char *table_format(const RoleTable *table);       /* canonical text; the caller frees it */
const char *table_digest(const RoleTable *table); /* hex; borrowed */
/* Reads canonical text back; roles that `set` does not know are kept as they stand. ERROR_REJECT:
 * not canonical text. */
RoleTable *table_parse(const RoleSet *set, const char *text, GError **error);
/* Nodes written as in a shard: "1,4,10-19", as a new GArray of NodeRange, sorted and disjoint.
 * ERROR_REJECT. */
GArray *node_set_parse(const char *nodes, GError **error);
/* "1,4", "10-19", "*", "none"; the caller frees it. */
char *node_set_format(NodeSet nodes);

#endif
