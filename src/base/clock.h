/* clock.h: time is a device that is handed in.
 *
 * Two clocks: monotonic for waiting and for a node's trust in its own lease; wall for people and
 * for rows. Monotonic never goes back; wall may jump, and callers survive it. Leases are compared
 * by the STORE's clock (rota_now() in SQL, see db.h), so that a node's skew costs delay, not
 * safety. Deadlines are values: an int64 of monotonic microseconds.
 *
 * The real clock may be read by any thread; a manual one belongs to the thread that moves it.
 */
#ifndef ROTA_BASE_CLOCK_H
#define ROTA_BASE_CLOCK_H

#include <stdint.h>

typedef struct Clock Clock;
struct Clock {
    int64_t (*monotonic_us)(const Clock *clock);
    int64_t (*wall_ms)(const Clock *clock); /* milliseconds since 1970-01-01 UTC */
};

/* The machine's clocks. Static, never freed. */
const Clock *clock_real(void);

/* A clock that stands still until it is moved; for tests and the simulator. */
typedef struct {
    Clock clock; /* hand out &manual.clock */
    int64_t monotonic;
    int64_t wall;
} ClockManual;
void clock_manual_init(ClockManual *manual, int64_t wall_ms);
/* Moves both clocks forward by `us` microseconds (>= 0). */
void clock_manual_advance(ClockManual *manual, int64_t us);
/* Steps the wall clock alone, by milliseconds, either way. */
void clock_manual_step_wall(ClockManual *manual, int64_t ms);

static inline int64_t clock_monotonic_us(const Clock *clock)
{
    return clock->monotonic_us(clock);
}
static inline int64_t clock_wall_ms(const Clock *clock)
{
    return clock->wall_ms(clock);
}

#endif
