/* tally: what the doors of this process have done since it was last asked.
 *
 * How it fits: deliver.c and search.c add; app/serve.c takes with each heartbeat, and roster/load
 * writes. Failures: none. Known weak point: what a process that is killed had not told is lost.
 */
#include "model/tally.h"

#include <stdatomic.h>

#include "base/must.h"

static _Atomic int64_t tallies[TALLY_COUNT];

void tally_add(Tally tally, int64_t count)
{
    MUST(tally < TALLY_COUNT);
    tallies[tally] += count;
}

int64_t tally_take(Tally tally)
{
    MUST(tally < TALLY_COUNT);
    return atomic_exchange(&tallies[tally], 0);
}

const char *tally_series(Tally tally)
{
    switch (tally) {
    case TALLY_DELIVERIES:
        return "deliveries";
    case TALLY_SPAM:
        return "spam";
    case TALLY_SEARCHES:
        return "searches";
    case TALLY_COUNT:
        break;
    }
    return NULL;
}
