/* metrics_node.h: what one node counts of itself.
 *
 * A label is a role, a shard, a result or a state: bounded by the role table, never an address or
 * an account.
 */
#ifndef ROTA_FRONT_METRICS_NODE_H
#define ROTA_FRONT_METRICS_NODE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/series.h"
#include "roster/load.h"

typedef struct {
    /* the process */
    double cpu_seconds;
    int64_t started_at; /* wall, ms */
    int64_t resident_bytes, virtual_bytes, open_files, files_max;
    uint64_t statements;
    /* the node; `state` "" while it does not run yet */
    const char *version, *state; /* static */
    int64_t node;
    bool may_work;
    int64_t lease_left_ms; /* that it trusts its lease for; 0: not at all */
    int64_t epoch;         /* of the table in force, as it knows it */
    int64_t held, clock_ahead_ms, beat_gap_ms, beats_failed;
    /* the doors */
    bool lmtp, http;
    unsigned lmtp_sessions, http_connections;
    uint64_t lmtp_sessions_total, lmtp_turned_away;
    uint64_t stored, duplicate, refused, over_quota, later; /* deliveries answered */
    uint64_t http_turned_away;
    uint64_t http_answers[5]; /* 1xx to 5xx */
    bool tls;
    unsigned tls_connections;
    uint64_t tls_handshakes, tls_failures;
    /* its work */
    GPtrArray *loads; /* of LoadTotal */
} NodeMetrics;

void metrics_node_add(SeriesSet *set, const NodeMetrics *node);

#endif
