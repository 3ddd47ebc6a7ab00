/* metrics_cluster.h: the cluster's state as the store has it, as series; the same from every node.
 */
#ifndef ROTA_FRONT_METRICS_CLUSTER_H
#define ROTA_FRONT_METRICS_CLUSTER_H

#include "content/series.h"
#include "roster/report.h"

void metrics_cluster_add(SeriesSet *set, const StatusReport *report);
/* Asks the store, in transactions of its own, and adds that, with the certificates. */
bool metrics_cluster_read(SeriesSet *set, Db *db, const RoleSet *roles, GError **error);

#endif
