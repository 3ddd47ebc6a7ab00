/* metrics.h: what /metrics tells: this node's own counts, and the cluster's state as the store has
 * it.
 *
 * A label is a role, a shard, a result or a state: bounded by the role table, never an address or
 * an account. Names follow Prometheus' conventions: base units, _total for counters. The cluster's
 * part is asked of the store at most once in METRICS_CLUSTER_MS by a node, however often it is
 * scraped, by one scrape at a time; the others get what was known before. Where the store does not
 * answer, a node's own part comes all the same, and rota_cluster_report_success is 0.
 */
#ifndef ROTA_FRONT_METRICS_H
#define ROTA_FRONT_METRICS_H

#include "base/clock.h"
#include "front/http.h"
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
    bool lmtp;
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

typedef struct MetricsCluster MetricsCluster;
MetricsCluster *metrics_cluster_new(void);
void metrics_cluster_free(MetricsCluster *cluster);

struct MetricsHouse {
    const char *username, *password;                 /* "", "": open to all */
    void (*read_node)(NodeMetrics *ret, void *data); /* any thread; `loads` is then the caller's */
    void *data;
    const RoleSet *roles;
    const Clock *clock;
    MetricsCluster *cluster;
};

extern const HttpRoute http_route_metrics;

#endif
