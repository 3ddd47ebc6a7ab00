/* queue_bare: the bare limit beside queue_bench: a table of tasks in SQLite and a loop around it.
 *
 *     queue-bare FILE TASKS BATCH [--interleaved]
 *
 * The same phases and batches as queue-bench, and as many durable commits (WAL, synchronous=FULL):
 * TASKS are enqueued, BATCH in a transaction; one connection works them off, each transaction
 * removing the last batch and leasing the next. No leases of nodes, no fence, no merging, no
 * buckets. It prints what queue-bench prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/must.h"

#define BATCH_MAX 1000

typedef struct {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *add, *claim, *done;
} Queue;

static void run_sql(sqlite3 *db, const char *sql)
{
    MUST(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    MUST(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    return stmt;
}

static void run(sqlite3_stmt *stmt)
{
    MUST(sqlite3_step(stmt) == SQLITE_DONE);
    sqlite3_reset(stmt);
}

static Queue open_queue(const char *path)
{
    Queue queue = {0};
    MUST(sqlite3_open(path, &queue.db) == SQLITE_OK);
    run_sql(queue.db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                      "CREATE TABLE task (id INTEGER PRIMARY KEY, due INTEGER NOT NULL, attempts "
                      "INTEGER NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL);"
                      "CREATE INDEX task_due ON task (due)");
    queue.begin = prepare(queue.db, "BEGIN IMMEDIATE");
    queue.commit = prepare(queue.db, "COMMIT");
    queue.add =
        prepare(queue.db, "INSERT INTO task (due, attempts, key, payload) VALUES (?1, 0, ?2, '')");
    queue.claim = prepare(queue.db, "UPDATE task SET due = ?1 + 30000, attempts = attempts + 1 "
                                    "WHERE id IN (SELECT id FROM task WHERE due <= ?1 ORDER BY due "
                                    "LIMIT ?2) RETURNING id, attempts, key, payload");
    queue.done = prepare(queue.db, "DELETE FROM task WHERE id = ?1");
    return queue;
}

static void enqueue(Queue *queue, int from, int count)
{
    run(queue->begin);
    for (int i = 0; i < count; i++) {
        char key[24];
        g_snprintf(key, sizeof(key), "%d", from + i);
        sqlite3_bind_int64(queue->add, 1, clock_wall_ms(clock_real()));
        sqlite3_bind_text(queue->add, 2, key, -1, SQLITE_TRANSIENT);
        run(queue->add);
    }
    run(queue->commit);
}

/* Ends `count` tasks and claims the next ones into `ids`; returns how many. */
static int end_and_claim(Queue *queue, sqlite3_int64 *ids, int count, int batch)
{
    run(queue->begin);
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int64(queue->done, 1, ids[i]);
        run(queue->done);
    }
    sqlite3_bind_int64(queue->claim, 1, clock_wall_ms(clock_real()));
    sqlite3_bind_int(queue->claim, 2, batch);
    count = 0;
    while (sqlite3_step(queue->claim) == SQLITE_ROW)
        ids[count++] = sqlite3_column_int64(queue->claim, 0);
    sqlite3_reset(queue->claim);
    run(queue->commit);
    return count;
}

static void measure_phases(Queue *queue, int tasks, int batch)
{
    sqlite3_int64 ids[BATCH_MAX];
    int64_t begin = clock_monotonic_us(clock_real());
    for (int at = 0; at < tasks; at += batch)
        enqueue(queue, at, MIN(batch, tasks - at));
    int64_t enqueued = clock_monotonic_us(clock_real());
    int done = 0;
    for (int held = 0; (held = end_and_claim(queue, ids, held, batch)) > 0;)
        done += held;
    int64_t worked = clock_monotonic_us(clock_real());
    MUST(done == tasks);
    printf("enqueue %.0f/s\nwork %.0f/s\nboth %.0f/s\n", tasks * 1e6 / (double)(enqueued - begin),
           tasks * 1e6 / (double)(worked - enqueued), tasks * 1e6 / (double)(worked - begin));
}

static void measure_interleaved(Queue *queue, int tasks, int batch)
{
    sqlite3_int64 ids[BATCH_MAX];
    int64_t begin = clock_monotonic_us(clock_real());
    int done = 0;
    for (int at = 0; at < tasks; at += batch) {
        enqueue(queue, at, MIN(batch, tasks - at));
        for (int held = 0; (held = end_and_claim(queue, ids, held, batch)) > 0;)
            done += held;
    }
    MUST(done == tasks);
    printf("interleaved %.0f/s\n",
           tasks * 1e6 / (double)(clock_monotonic_us(clock_real()) - begin));
}

int main(int argc, char **argv)
{
    MUST(argc == 4 || (argc == 5 && strcmp(argv[4], "--interleaved") == 0));
    int tasks = (int)strtol(argv[2], NULL, 10), batch = (int)strtol(argv[3], NULL, 10);
    MUST(tasks > 0 && batch > 0 && batch <= BATCH_MAX);
    Queue queue = open_queue(argv[1]);
    if (argc == 5)
        measure_interleaved(&queue, tasks, batch);
    else
        measure_phases(&queue, tasks, batch);
    return 0;
}
