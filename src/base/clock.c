/* clock: the real clocks, and one that tests move.
 *
 * Failures: none. Known weak point: the wall clock counts microseconds in a manual clock only to
 * the millisecond, so a sum of tiny advances loses up to a millisecond; nothing compares the two
 * clocks.
 */
#include "base/clock.h"

#include <glib.h>

#include "base/must.h"

static int64_t real_monotonic_us(const Clock *clock)
{
    (void)clock;
    return g_get_monotonic_time();
}

static int64_t real_wall_ms(const Clock *clock)
{
    (void)clock;
    return g_get_real_time() / 1000;
}

const Clock *clock_real(void)
{
    static const Clock real = {.monotonic_us = real_monotonic_us, .wall_ms = real_wall_ms};
    return &real;
}

static int64_t manual_monotonic_us(const Clock *clock)
{
    return ((const ClockManual *)clock)->monotonic;
}

static int64_t manual_wall_ms(const Clock *clock)
{
    return ((const ClockManual *)clock)->wall / 1000;
}

void clock_manual_init(ClockManual *manual, int64_t wall_ms)
{
    *manual = (ClockManual){
        .clock = {.monotonic_us = manual_monotonic_us, .wall_ms = manual_wall_ms},
        .monotonic = 1000000,
        .wall = wall_ms * 1000,
    };
}

void clock_manual_advance(ClockManual *manual, int64_t us)
{
    MUST(us >= 0);
    manual->monotonic += us;
    manual->wall += us;
}

void clock_manual_step_wall(ClockManual *manual, int64_t ms)
{
    manual->wall += ms * 1000;
}
