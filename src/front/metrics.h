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
#include "front/metrics_node.h"

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
