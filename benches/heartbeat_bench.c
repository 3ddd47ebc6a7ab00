/* heartbeat_bench: many nodes on one store that do nothing but live, for benches/heartbeats.sh.
 *
 * heartbeat-bench URL SCHEMA NODES SECONDS. Each node is the program's own: lease, heartbeat, poll,
 * a look at who is covered, at their default pace; only that a few threads step them all, each over
 * a connection of its own. Prints "joined" when all are in, lives for so long, and prints how many
 * statements a second it sent, how late the latest step came in ms, and how many leases were lost.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "db/fault.h"
#include "db/migrate.h"
#include "duty/duty.h"
#include "roster/node.h"

#define THREADS      4
#define LEASE_MS     6000 /* the defaults of cluster.lease and cluster.heartbeat */
#define HEARTBEAT_MS 2000

typedef struct {
    const DbConfig *config;
    RoleTable *table;
    int first, count, seconds;
    GAsyncQueue *joined; /* hears once from each thread */
    int64_t late_us;
    int lost;
    uint64_t statements;
} Share;

typedef struct {
    Db *door; /* its own view of the thread's connection */
    Node *node;
    int64_t next_us, incarnation;
} Life;

static Db *open_store(const DbConfig *config)
{
    g_autoptr(GError) error = NULL;
    Db *db = db_open(config, &error);
    if (!db) {
        fprintf(stderr, "heartbeat-bench: %s\n", error->message);
        exit(1);
    }
    return db;
}

static void begin(Life *life, const Share *share, Db *behind, int number)
{
    life->door = db_open_fault(behind, NULL, NULL);
    life->node = node_new(&(NodeConfig){
        .db = life->door,
        .clock = clock_real(),
        .set = &duty_roles,
        .node_id = number,
        .lease_ms = LEASE_MS,
        .heartbeat_ms = HEARTBEAT_MS,
        .host = "bench",
        .version = "0",
        .pid = 1,
        .table = share->table,
    });
}

/* Steps all that are due until the time; they come to lie a heartbeat apart by themselves. */
static void live_until(Share *share, Life *lives, int64_t until_us, bool counts)
{
    while (clock_monotonic_us(clock_real()) < until_us) {
        int64_t next = until_us;
        for (int i = 0; i < share->count; i++) {
            Life *life = &lives[i];
            int64_t now = clock_monotonic_us(clock_real());
            if (life->next_us <= now) {
                if (counts && life->next_us > 0)
                    share->late_us = MAX(share->late_us, now - life->next_us);
                life->next_us = node_step(life->node);
            }
            next = MIN(next, life->next_us);
        }
        int64_t wait = next - clock_monotonic_us(clock_real());
        if (wait > 0)
            g_usleep((gulong)wait);
    }
}

static gpointer live(gpointer data)
{
    Share *share = data;
    g_autoptr(Db) behind = open_store(share->config);
    g_autofree Life *lives = g_new0(Life, share->count);
    int64_t start = clock_monotonic_us(clock_real());
    for (int i = 0; i < share->count; i++) {
        begin(&lives[i], share, behind, share->first + i);
        /* As nodes do that were not started at one moment. */
        lives[i].next_us = start + (int64_t)(share->first + i) % 1000 * HEARTBEAT_MS * 1000 / 1000;
    }
    live_until(share, lives, start + 3 * (int64_t)HEARTBEAT_MS * 1000, false);
    for (int i = 0; i < share->count; i++) {
        MUST(node_state(lives[i].node) == NODE_UP);
        lives[i].incarnation = node_member(lives[i].node)->incarnation;
    }
    g_async_queue_push(share->joined, share);
    uint64_t before = db_counts(behind).statements;
    live_until(share, lives, clock_monotonic_us(clock_real()) + share->seconds * G_USEC_PER_SEC,
               true);
    share->statements = db_counts(behind).statements - before;
    for (int i = 0; i < share->count; i++) {
        share->lost += node_member(lives[i].node)->incarnation != lives[i].incarnation;
        node_free(lives[i].node);
        db_close(lives[i].door);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int nodes = (int)g_ascii_strtoll(argv[3], NULL, 10);
    int seconds = (int)g_ascii_strtoll(argv[4], NULL, 10);
    DbConfig config = {.kind = DB_POSTGRESQL, .url = argv[1], .schema = argv[2]};
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = open_store(&config);
    unsigned applied;
    if (!migrate_upgrade(db, &applied, &error)) {
        fprintf(stderr, "heartbeat-bench: %s\n", error->message);
        return 1;
    }
    log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&duty_roles);
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    g_autoptr(GAsyncQueue) joined = g_async_queue_new();
    Share shares[THREADS] = {0};
    GThread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        int first = 1 + nodes * i / THREADS, next = 1 + nodes * (i + 1) / THREADS;
        shares[i] = (Share){.config = &config,
                            .table = table,
                            .first = first,
                            .count = next - first,
                            .seconds = seconds,
                            .joined = joined};
        threads[i] = g_thread_new("nodes", live, &shares[i]);
    }
    for (int i = 0; i < THREADS; i++)
        g_async_queue_pop(joined);
    puts("joined");
    fflush(stdout);
    uint64_t statements = 0;
    int64_t late_us = 0;
    int lost = 0;
    for (int i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
        statements += shares[i].statements;
        late_us = MAX(late_us, shares[i].late_us);
        lost += shares[i].lost;
    }
    printf("statements\t%.1f\nlate\t%.1f\nlost\t%d\n", (double)statements / seconds,
           (double)late_us / 1000, lost);
    return lost > 0;
}
