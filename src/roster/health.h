/* health.h: what a node tells of itself and its machine with each heartbeat, in its member row.
 *
 * Pure; any thread.
 */
#ifndef ROTA_ROSTER_HEALTH_H
#define ROTA_ROSTER_HEALTH_H

#include "roster/member.h"

/* Zero where the node told nothing: it has just joined, or is of another version. */
typedef struct {
    int64_t cores, memory_bytes, memory_free_bytes;
    double load;            /* of the last minute */
    int64_t lease_ms;       /* of its settings */
    int64_t beat_gap_ms;    /* the longest time between two heartbeats of the last ten minutes */
    int64_t beats_failed;   /* since its start */
    int64_t clock_ahead_ms; /* of its wall clock before the store's */
    int64_t held;           /* tasks that its lanes hold */
    int64_t statements;     /* since its start, see db_statements_of_process */
    int64_t reloads;        /* how often it has read its settings again */
    char *reload_error;     /* of the last time; NULL: none */
} NodeHealth;
void health_parse(const MemberRow *member, NodeHealth *ret);
void health_clear(NodeHealth *health);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NodeHealth, health_clear)
/* As JSON, for the row; the caller frees it. */
char *health_format(const NodeHealth *health);

#endif
