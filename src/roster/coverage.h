/* coverage.h: which shards have a living node that works, by a table and a list of members.
 *
 * Pure; any thread.
 */
#ifndef ROTA_ROSTER_COVERAGE_H
#define ROTA_ROSTER_COVERAGE_H

#include "roster/member.h"
#include "roster/table.h"

/* The nodes (int64) of `members` (of MemberRow) that work for a shard; owned by the caller. */
GArray *coverage_nodes(const RoleTable *table, const char *role, unsigned shard,
                       const GPtrArray *members);
/* The uncovered shards of all roles of `set` as "purge.stores shard 2 of 3", a new GPtrArray of
 * char *. A role of no node ("none") is never uncovered: that is what was asked for. */
GPtrArray *coverage_uncovered(const RoleTable *table, const RoleSet *set, const GPtrArray *members);

#endif
