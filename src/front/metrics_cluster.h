/* metrics_cluster.h: the cluster's state as the store has it, as series; the same from every node.
 *
 * Calling sequence: metrics_state_read → metrics_state_add* → metrics_state_free. A state is not
 * changed after it was read.
 */
#ifndef ROTA_FRONT_METRICS_CLUSTER_H
#define ROTA_FRONT_METRICS_CLUSTER_H

#include "content/series.h"
#include "roster/report.h"

typedef struct MetricsState MetricsState;
/* Asks the store, in transactions of its own. The role set is borrowed until free. */
MetricsState *metrics_state_read(Db *db, const RoleSet *roles, GError **error);
void metrics_state_free(MetricsState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MetricsState, metrics_state_free)
void metrics_state_add(SeriesSet *set, const MetricsState *state);

#endif
