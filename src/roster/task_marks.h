/* task_marks.h: what a lane remembers of a shard's buckets on PostgreSQL: a floor for each, below
 * which no row of the bucket is alive.
 *
 * Rows that are gone stay in the index until no snapshot can see them any more. While one is held
 * open for long, as a back-up does, each claim would step over all that was done since; with its
 * floors it begins behind them. A floor is what was found in the store, and no later than
 * TASK_MARK_SLACK_MS before that look: no due time is set to the past (task.c), but a row may
 * become visible a while after its due time was set. It is believed for TASK_MARK_MS at most: a row
 * that was hidden all the same is found then.
 *
 * For task_claim.c and the worker alone. One lane's, one thread.
 */
#ifndef ROTA_ROSTER_TASK_MARKS_H
#define ROTA_ROSTER_TASK_MARKS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* longer than a transaction of ours takes from setting a due time to its commit */
#define TASK_MARK_SLACK_MS 2000
/* how long a floor is believed */
#define TASK_MARK_MS 30000
/* a floor is looked for anew after so long: rows that died since are stepped over until then */
#define TASK_MARK_LOOK_MS 500

typedef struct TaskMarks TaskMarks;
/* The clock is borrowed. */
TaskMarks *task_marks_new(const Clock *clock);
void task_marks_free(TaskMarks *marks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TaskMarks, task_marks_free)

/* Whether claims go by the floors now. They do for a while when claims took long and are quicker by
 * them; otherwise a claim hops from one nonempty bucket to the next, which is better where most are
 * empty. */
bool task_marks_are_used(const TaskMarks *marks);
/* The monotonic clock, before a claim; and after it, of so many tasks. */
int64_t task_marks_begin(const TaskMarks *marks);
void task_marks_note(TaskMarks *marks, unsigned tasks, int64_t begin_us);

/* Buckets and their floors as PostgreSQL's arrays ("{3,7}"), owned. */
typedef struct {
    char *buckets, *floors;
} TaskMarkSpan;
void task_mark_span_clear(TaskMarkSpan *span);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TaskMarkSpan, task_mark_span_clear)
/* Of these buckets. `now` is the store's clock; 0: not known, so no floor is believed. */
TaskMarkSpan task_marks_span(const TaskMarks *marks, const unsigned *buckets, unsigned count,
                             int64_t now);
/* What is looked at: buckets of a role, at the store's time `now`. */
typedef struct {
    const char *role;
    const unsigned *buckets;
    unsigned count;
    int64_t now;
} TaskMarkLook;
/* Looks in the store for the floors of those of the buckets that were not looked at lately. */
bool task_marks_learn(TaskMarks *marks, Db *db, const TaskMarkLook *look, GError **error);

#endif
