/* tally.h: what the doors of this process have done since it was last asked: few numbers, for the
 * history of metrics. `rota serve` tells them to the store with its heartbeat; other commands
 * tell nobody.
 *
 * Counts of the whole process. Any thread.
 */
#ifndef ROTA_MODEL_TALLY_H
#define ROTA_MODEL_TALLY_H

#include <stdint.h>

typedef enum {
    TALLY_DELIVERIES, /* messages stored for one recipient each, as they came by mail */
    TALLY_SPAM,       /* of these, those that were scored as spam */
    TALLY_SEARCHES,   /* questions to the search index */
    TALLY_COUNT
} Tally;

void tally_add(Tally tally, int64_t count);
/* What has gathered; it begins again at 0. */
int64_t tally_take(Tally tally);
/* Its series (metric.h); static. */
const char *tally_series(Tally tally);

#endif
