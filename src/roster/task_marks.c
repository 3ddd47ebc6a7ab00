/* task_marks: the floors of a shard's buckets (task_marks.h).
 *
 * A floor is found by one probe of the index: the earliest due time in the bucket, from the old
 * floor on, of a row that is there at all, free, held or locked. So no claim, give-back, death or
 * roll-back puts a row below it; only an insert with an older due time can.
 *
 * Failures: those of the store. Known weak point: a transaction that adds a task and takes longer
 * than the slack to commit may have it wait for up to TASK_MARK_MS, on lanes that use floors.
 */
#include "roster/task_marks.h"

#include "base/clock.h"
#include "base/limits.h"

/* A claim that takes longer than this, and this more for each task, steps over dead rows, or the
 * machine is busy; so many in a row, and it is the rows. */
#define SLOW_US      3000
#define SLOW_TASK_US 30
#define SLOW_CLAIMS  3
#define USED_US      300000000 /* then it is tried again without: a held snapshot may be gone */
/* As many claims by floors are compared with as many slow ones without; where they are not twice as
 * quick it was the machine, and floors are left alone for a while. */
#define TRIED_CLAIMS 3
#define UNUSED_US    60000000

typedef struct {
    int64_t floor, looked_at; /* looked_at 0: never */
} Mark;

struct TaskMarks {
    const Clock *clock;
    unsigned slow;         /* claims in a row */
    unsigned tried;        /* claims by floors since they came into use */
    int64_t quickest_us;   /* of those slow ones; then of the tried ones */
    int64_t hopping_us;    /* the quickest of the slow ones */
    int64_t used_until_us; /* monotonic */
    int64_t not_before_us; /* monotonic */
    Mark *marks;           /* BUCKETS of them; NULL: never used */
};

/* clang-format off */
static const DbSql SQL_FLOORS = {
    NULL,
    "SELECT head.bucket, (SELECT min(due_at) FROM task WHERE role = $1 AND bucket = head.bucket"
    " AND due_at >= head.floor)"
    " FROM unnest(CAST($2 AS BIGINT[]), CAST($3 AS BIGINT[])) AS head(bucket, floor)",
};
/* clang-format on */

TaskMarks *task_marks_new(const Clock *clock)
{
    TaskMarks *marks = g_new0(TaskMarks, 1);
    marks->clock = clock;
    return marks;
}

void task_marks_free(TaskMarks *marks)
{
    if (!marks)
        return;
    g_free(marks->marks);
    g_free(marks);
}

bool task_marks_are_used(const TaskMarks *marks)
{
    return clock_monotonic_us(marks->clock) < marks->used_until_us;
}

int64_t task_marks_begin(const TaskMarks *marks)
{
    return clock_monotonic_us(marks->clock);
}

/* Were claims by floors worth it? */
static void judge(TaskMarks *marks, int64_t now, int64_t took_us)
{
    if (marks->tried >= TRIED_CLAIMS)
        return;
    marks->quickest_us = marks->tried ? MIN(marks->quickest_us, took_us) : took_us;
    marks->tried++;
    if (marks->tried < TRIED_CLAIMS || marks->quickest_us * 2 <= marks->hopping_us)
        return;
    marks->used_until_us = now;
    marks->not_before_us = now + UNUSED_US;
}

void task_marks_note(TaskMarks *marks, unsigned tasks, int64_t begin_us)
{
    int64_t now = clock_monotonic_us(marks->clock), took_us = now - begin_us;
    if (begin_us < marks->used_until_us) {
        judge(marks, now, took_us);
        return;
    }
    bool slow = took_us > SLOW_US + (int64_t)tasks * SLOW_TASK_US;
    marks->quickest_us = slow && marks->slow ? MIN(marks->quickest_us, took_us) : took_us;
    marks->slow = slow ? marks->slow + 1 : 0;
    if (marks->slow < SLOW_CLAIMS || now < marks->not_before_us)
        return;
    if (!marks->marks)
        marks->marks = g_new0(Mark, BUCKETS);
    marks->slow = marks->tried = 0;
    marks->hopping_us = marks->quickest_us;
    marks->used_until_us = now + USED_US;
}

void task_mark_span_clear(TaskMarkSpan *span)
{
    g_clear_pointer(&span->buckets, g_free);
    g_clear_pointer(&span->floors, g_free);
}

/* Floors are forgotten in turns, so that no claim has to walk over all at once. */
static int64_t floor_of(const TaskMarks *marks, unsigned bucket, int64_t now)
{
    const Mark *mark = &marks->marks[bucket];
    int64_t phase = (int64_t)bucket * TASK_MARK_MS / BUCKETS;
    bool same = (now + phase) / TASK_MARK_MS == (mark->looked_at + phase) / TASK_MARK_MS;
    return same && now >= mark->looked_at ? mark->floor : 0;
}

TaskMarkSpan task_marks_span(const TaskMarks *marks, const unsigned *buckets, unsigned count,
                             int64_t now)
{
    GString *names = g_string_new("{"), *floors = g_string_new("{");
    for (unsigned i = 0; i < count; i++) {
        const char *comma = i > 0 ? "," : "";
        g_string_append_printf(names, "%s%u", comma, buckets[i]);
        g_string_append_printf(floors, "%s%" G_GINT64_FORMAT, comma,
                               floor_of(marks, buckets[i], now));
    }
    g_string_append_c(names, '}');
    g_string_append_c(floors, '}');
    return (TaskMarkSpan){g_string_free(names, FALSE), g_string_free(floors, FALSE)};
}

bool task_marks_learn(TaskMarks *marks, Db *db, const TaskMarkLook *look, GError **error)
{
    int64_t now = look->now;
    unsigned stale[BUCKETS], stale_count = 0;
    for (unsigned i = 0; i < look->count; i++)
        if (floor_of(marks, look->buckets[i], now) == 0 ||
            now - marks->marks[look->buckets[i]].looked_at >= TASK_MARK_LOOK_MS)
            stale[stale_count++] = look->buckets[i];
    if (stale_count == 0)
        return true;
    g_auto(TaskMarkSpan) span = task_marks_span(marks, stale, stale_count, now);
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_FLOORS,
                 DB_ARGS(db_text(look->role), db_text(span.buckets), db_text(span.floors)), error);
    if (!rows)
        return false;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        int64_t floor = now - TASK_MARK_SLACK_MS;
        if (!db_rows_is_null(rows, 1))
            floor = MIN(floor, db_rows_int(rows, 1));
        marks->marks[db_rows_int(rows, 0)] = (Mark){floor, now};
    }
    return more == 0;
}
