/* load.h: work counts of this process by role and shard, and their way into the store (table
 * load_sample) with the heartbeat.
 *
 * Thread safety: load_add from any thread; load_flush from one.
 */
#ifndef ROTA_ROSTER_LOAD_H
#define ROTA_ROSTER_LOAD_H

#include "db/db.h"

typedef struct Load Load;
typedef struct {
    int64_t done, failed, retried, dead, busy_us, bytes;
} LoadCounts;

Load *load_new(void);
void load_free(Load *load);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Load, load_free)
void load_add(Load *load, const char *role, unsigned shard, const LoadCounts *counts);
/* How much of a shard's busy_us went to one key, an account. Of the keys between two flushes only
 * those are remembered that have a good part of it (LOAD_KEYS). A key of LOAD_KEY_BYTES and more is
 * left out. */
typedef struct {
    const char *key;
    int64_t busy_us;
} LoadKey;
void load_add_keys(Load *load, const char *role, unsigned shard, const LoadKey *keys,
                   unsigned count);
/* A count of another kind, for the history of metrics (metric_sample): `series` is static. 0 is
 * nothing. */
void load_count(Load *load, const char *series, int64_t count);
/* Adds what has gathered, or a bounded part of it, to the store's current minute, in the open
 * transaction; it is forgotten here only by load_flushed(true). After an unknown outcome say true:
 * a count lost once is better than one counted twice. */
bool load_flush(Load *load, Db *db, int64_t node, GError **error);
void load_flushed(Load *load, bool done);

/* What this process has done since its start: no flush takes it away. */
#define LOAD_TIMES 7
extern const int64_t load_times_us[LOAD_TIMES];
typedef struct {
    char *role;
    unsigned shard;
    LoadCounts counts;
    int64_t runs[LOAD_TIMES + 1]; /* by the time they took: up to load_times_us[i]; last: longer */
} LoadTotal;
/* All, by role and shard; owned by the caller. Any thread. */
GPtrArray *load_totals(Load *load);

#endif
