/* index_bench: how long taking in and indexing a whole archive takes, as a node does it: parse,
 * store, change log, index, each batch durable.
 *
 * index_bench STORE [THREADS] < list of files. STORE is made anew. The mail goes in as `rota
 * import` takes it (app/intake, THREADS at its edge: one); a node with one lane of fts-indexing, a
 * thread of its own, indexes meanwhile. Prints: messages, seconds until all is stored, seconds
 * until all is found, seconds of CPU, bytes of the store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/must.h"
#include "db/migrate.h"
#include "duty/duty.h"
#include "model/account.h"
#include "roster/node.h"
#include "roster/worker.h"
#include "app/intake.h"

#define ROLE "fts-indexing"

typedef struct {
    const DbConfig *config;
    int taken; /* atomic: all mail is stored */
    double done_s;
} Indexer;

static double now_s(void)
{
    return (double)clock_monotonic_us(clock_real()) / 1e6;
}

static Db *open_store(const DbConfig *config)
{
    g_autoptr(GError) error = NULL;
    Db *db = db_open(config, &error);
    if (!db)
        fprintf(stderr, "%s\n", error->message);
    MUST(db);
    return db;
}

static int64_t tasks_left(Db *db)
{
    static const DbSql sql = {"SELECT count(*) FROM task", NULL};
    int64_t count = -1;
    MUST(db_begin(db, DB_READ, NULL) && db_query_int(db, &sql, DB_NO_ARGS, &count, NULL) > 0);
    db_rollback(db);
    return count;
}

static gpointer index_thread(gpointer data)
{
    Indexer *indexer = data;
    g_autoptr(Db) node_db = open_store(indexer->config), lane_db = open_store(indexer->config);
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&duty_roles);
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    NodeConfig node_config = {.db = node_db,
                              .clock = clock_real(),
                              .set = &duty_roles,
                              .node_id = 1,
                              .lease_ms = 6000,
                              .heartbeat_ms = 2000,
                              .host = "bench",
                              .version = "1",
                              .pid = 1,
                              .table = table};
    g_autoptr(Node) node = node_new(&node_config);
    int64_t node_next = 0, lane_next = 0;
    const Role *role = role_find(&duty_roles, ROLE);
    WorkerConfig worker_config = {.db = lane_db,
                                  .clock = clock_real(),
                                  .node = node,
                                  .role = role,
                                  .batch = role->batch,
                                  .attempts = role->attempts,
                                  .retry_min_ms = 1000,
                                  .retry_max_ms = 1000,
                                  .seed = 1,
                                  .poll_ms = 20};
    g_autoptr(Worker) worker = worker_new(&worker_config);
    for (;;) {
        bool last = g_atomic_int_get(&indexer->taken);
        int64_t now = clock_monotonic_us(clock_real());
        if (now >= node_next)
            node_next = node_step(node);
        if (now >= lane_next)
            lane_next = worker_step(worker);
        int64_t idle = MIN(node_next, lane_next) - clock_monotonic_us(clock_real());
        if (last && lane_next > now && tasks_left(node_db) == 0)
            break;
        if (idle > 0)
            g_usleep((gulong)MIN(idle, 10000));
    }
    indexer->done_s = now_s();
    return NULL;
}

typedef struct {
    int64_t account;
    unsigned messages;
} Archive;

static bool next_file(IntakeItem *ret, void *data)
{
    const Archive *archive = data;
    char line[4096];
    if (!fgets(line, sizeof(line), stdin))
        return false;
    line[strcspn(line, "\n")] = '\0';
    ret->path = g_strdup(line);
    ret->account = archive->account;
    return true;
}

static char *key_of_file(const IntakeItem *item, const Letter *letter, void *data)
{
    (void)data;
    return deliver_key(letter, &letter->blob->digest, item->path, NULL);
}

static bool count_file(const IntakeItem *item, const Delivered *delivered, const GError *error,
                       void *data)
{
    Archive *archive = data;
    if (error)
        fprintf(stderr, "%s: %s\n", item->path, error->message);
    MUST(delivered && delivered->result == DELIVER_STORED);
    archive->messages++;
    return true;
}

static unsigned take_in(Db *db, int64_t account, unsigned threads)
{
    Archive archive = {.account = account};
    IntakeConfig config = {.db = db,
                           .threads = threads,
                           .next = next_file,
                           .key = key_of_file,
                           .done = count_file,
                           .data = &archive};
    g_autoptr(GError) error = NULL;
    if (!intake_run(&config, &error))
        fprintf(stderr, "%s\n", error->message);
    MUST(!error);
    return archive.messages;
}

int main(int argc, char **argv)
{
    MUST(argc == 2 || argc == 3);
    unsigned threads = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    message_library_init();
    const char *suffixes[] = {"", "-wal", "-shm", "-writer"};
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = g_strconcat(argv[1], suffixes[i], NULL);
        remove(path);
    }
    DbConfig config = {.kind = DB_SQLITE, .path = argv[1]}, background = config;
    background.background = true;
    g_autoptr(Db) db = open_store(&background);
    unsigned applied;
    int64_t account;
    MUST(migrate_upgrade(db, &applied, NULL) &&
         account_add(db, "bench@example.org", "", 0, &account, NULL));
    Indexer indexer = {.config = &background};
    double begin = now_s();
    g_autoptr(GThread) thread = g_thread_new("indexer", index_thread, &indexer);
    unsigned messages = take_in(db, account, threads);
    double taken = now_s();
    g_atomic_int_set(&indexer.taken, 1);
    g_thread_join(g_steal_pointer(&thread));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct stat size;
    MUST(stat(argv[1], &size) == 0);
    printf(
        "messages\t%u\tstored_s\t%.2f\tfound_s\t%.2f\tcpu_s\t%.2f\tstore_bytes\t%" G_GINT64_FORMAT
        "\n",
        messages, taken - begin, indexer.done_s - begin,
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        (int64_t)size.st_size);
    return 0;
}
