/* metric.h: metrics over time: what metrics.calculate adds up, keeps, rolls up and corrects.
 *
 * What an account holds stands in its own row, kept by each delivery and removal in their own
 * transaction; so adding up costs a look at each account of the shard, whatever its mail, and
 * delivery pays nothing. A recount looks at the mail itself, and mends the row.
 *
 * Samples are idempotent: a sample of the same minute, series, label and shard is written once. All
 * functions run in the caller's transaction, with an error as the store has it. One thread.
 */
#ifndef ROTA_MODEL_METRIC_H
#define ROTA_MODEL_METRIC_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

#define METRIC_MINUTE_MS INT64_C(60000)
#define METRIC_HOUR_MS   INT64_C(3600000)
#define METRIC_DAY_MS    INT64_C(86400000)

/* How values of a series are put together, over time and over shards: a level is averaged over time
 * and added up over shards; a count is added up over both; of the worst the greatest counts. */
typedef enum { METRIC_LEVEL, METRIC_COUNT, METRIC_WORST } MetricFold;
typedef struct {
    const char *name;  /* "messages" */
    const char *label; /* what its labels are: "role", "shard" (as "ROLE/N"), "node", "domain";
                          "" none */
    const char *unit;  /* "bytes", "ms", "us"; "" a number */
    MetricFold fold;
} MetricSeries;
/* Ended by a NULL name. */
extern const MetricSeries metric_series[];
/* NULL: there is none of that name. */
const MetricSeries *metric_series_find(const char *name);

/* How far a shard is. */
typedef struct {
    int64_t load_minute, hour_at, day_at;
    int64_t recount_after, recount_at, checked, corrected;
} MetricMark;

/* What one run of one shard writes. */
typedef struct MetricBatch MetricBatch;
void metric_batch_free(MetricBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MetricBatch, metric_batch_free)

typedef struct {
    const char *role; /* borrowed */
    unsigned shards;  /* in the table in force */
} MetricRole;
/* Adds up what the shard is responsible for: its accounts, its tasks, and for the first shard what
 * all nodes have done (load_sample) and tell of themselves. `roles`, of MetricRole, are those that
 * have a value though they have no task. NULL: an error. (read tx) */
MetricBatch *metric_calculate(Db *db, unsigned shard, unsigned shards, const GArray *roles,
                              GError **error);
/* Writes it, with the shard's mark, and rolls up what is due (the first shard, for all). (tx) */
bool metric_write(Db *db, const MetricBatch *batch, GError **error);
const MetricMark *metric_batch_mark(const MetricBatch *batch);
int64_t metric_batch_now(const MetricBatch *batch); /* the store's clock when it was calculated */

/* ---- metric_recount.c */

typedef struct {
    unsigned shard, shards;
    int64_t after;    /* the last account looked at; moved */
    unsigned limit;   /* accounts of a page */
    unsigned looked;  /* so many were */
    GArray *suspects; /* of int64: their row is wrong */
} MetricRecount;
/* Counts the messages and events of the next accounts of the shard. (read tx) */
bool metric_recount_page(Db *db, MetricRecount *recount, GError **error);
/* Counts an account again with its row locked, and mends the row; *ret_wrong: it was wrong. (tx) */
bool metric_recount_mend(Db *db, int64_t account, bool *ret_wrong, GError **error);
/* Notes a page in the shard's mark; the last one with `ended`. (tx) */
bool metric_recount_note(Db *db, const MetricRecount *recount, unsigned corrected, bool ended,
                         GError **error);

/* ---- metric_history.c */

typedef struct {
    const MetricSeries *series;
    int64_t step; /* METRIC_MINUTE_MS, … */
    int64_t from, to;
    unsigned limit; /* points; more: ERROR_REJECT */
} MetricAsk;
typedef struct {
    char *label;
    int64_t at;
    double value;
} MetricPoint;
/* All shards together, by label and time; of MetricPoint, owned by the caller. (read tx) */
GArray *metric_history(Db *db, const MetricAsk *ask, GError **error);
/* The finest step that is kept since `from` and has at most `points` between `from` and `to`. */
int64_t metric_step_for(int64_t now, int64_t from, int64_t to, unsigned points);
/* Minutes into hours, hours into days, up to `now`; moves the mark. (tx) */
bool metric_roll_up(Db *db, MetricMark *mark, int64_t now, GError **error);

#endif
