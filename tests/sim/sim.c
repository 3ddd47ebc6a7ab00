/* sim: hundreds of simulated nodes on one thread, by seed: chaos, then calm; the promises of
 * design and docs are checked after every step (sim_oracle.c).
 *
 *   sim [--seeds N] [--seed FIRST] [--verbose] [--twice] [--first]
 *
 * A seed that breaks a promise is printed with what happened last, and `sim --seed S --seeds 1
 * --verbose` runs it again, step for step. --twice runs each seed two times and compares. Exit
 * status 1 if a promise was broken.
 *
 * Known weak point: it runs on SQLite's semantics, where a write transaction is alone in the store;
 * what PostgreSQL's concurrency adds is the business of the tests on both stores.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"

#include "sim_oracle.h"

#define TAKEOVER_99_MS  (SIM_LEASE_MS + 2000)
#define TAKEOVER_ENOUGH 100 /* for a percentile that means something */

static int first_seed = 1, seeds = 20;
static gboolean verbose, twice, first;
static World *current;

static const GOptionEntry options[] = {
    {"seeds", 'n', 0, G_OPTION_ARG_INT, &seeds, "How many seeds", "N"},
    {"seed", 's', 0, G_OPTION_ARG_INT, &first_seed, "The first one", "S"},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose,
     "What happened last in each seed, and its digest", NULL},
    {"twice", 0, 0, G_OPTION_ARG_NONE, &twice, "Each seed two times: they must be the same", NULL},
    {"first", 0, 0, G_OPTION_ARG_NONE, &first, "End with the first one that breaks a promise",
     NULL},
    {0},
};

static void take_line(LogLevel level, const char *line, void *data)
{
    (void)level;
    (void)data;
    if (current)
        trace(current, "log: %s", line);
}

/* A MUST failed: the seed and what happened before. The signal is our own abort(), on the one
 * thread that there is, so that printing is safe enough. */
static void on_abort(int signal_number) /* NOLINT(bugprone-signal-handler) */
{
    (void)signal_number;
    if (current) {
        printf("seed %d: aborted\n", (int)current->seed); /* NOLINT(bugprone-signal-handler) */
        trace_print(current);                             /* NOLINT(bugprone-signal-handler) */
        fflush(stdout);                                   /* NOLINT(bugprone-signal-handler) */
    }
    signal(SIGABRT, SIG_DFL);
    abort();
}

static bool run_seed(uint64_t seed, Stats *stats, uint64_t *ret_digest)
{
    World *world = world_new(seed, stats);
    current = world;
    world_run(world, sim_between(world, 15 * SEC, 40 * SEC));
    if (!sim_what_broke(world))
        ending_run(world);
    current = NULL;
    const char *broken = sim_what_broke(world);
    if (broken || verbose)
        trace_print(world);
    if (broken)
        printf("seed %d, %u nodes, %.1f s: %s\n", (int)seed, world->machine_count,
               (double)world->now / 1e6, broken);
    else if (verbose)
        printf("seed %d, %u nodes, %.1f s: well, digest %016" G_GINT64_MODIFIER "x\n", (int)seed,
               world->machine_count, (double)world->now / 1e6, trace_digest(world));
    *ret_digest = trace_digest(world);
    world_free(world);
    return !broken;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* False: takeovers are too slow. */
static bool print_stats(const Stats *stats)
{
    GArray *ms = stats->takeover_ms;
    g_array_sort(ms, compare);
    int64_t high = ms->len > 0 ? g_array_index(ms, int64_t, (ms->len - 1) * 99 / 100) : 0;
    int64_t most = ms->len > 0 ? g_array_index(ms, int64_t, ms->len - 1) : 0;
    printf("%" G_GUINT64_FORMAT " steps, %" G_GUINT64_FORMAT " enqueues, %" G_GUINT64_FORMAT
           " effects, %" G_GUINT64_FORMAT " dead letters, %" G_GUINT64_FORMAT
           " acts outside (%" G_GUINT64_FORMAT " again, after a kill)\n",
           stats->steps, stats->enqueued, stats->effects, stats->burials, stats->acts,
           stats->acts_twice);
    printf("%" G_GUINT64_FORMAT " kills, %" G_GUINT64_FORMAT " stalls, %" G_GUINT64_FORMAT
           " unknown commits, %" G_GUINT64_FORMAT " tables adopted, %" G_GUINT64_FORMAT
           " claims in shards taken over\n",
           stats->kills, stats->stalls, stats->unknown, stats->adoptions, stats->claims_for_others);
    printf("%u takeovers after a kill: 99%% within %d ms, the slowest %d ms\n", ms->len, (int)high,
           (int)most);
    if (ms->len < TAKEOVER_ENOUGH || high <= TAKEOVER_99_MS)
        return true;
    printf("promise 8 is broken: the 99th percentile is over %d ms\n", TAKEOVER_99_MS);
    return false;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || seeds < 1 || first_seed < 0) {
        fprintf(stderr, "sim: %s\n", error ? error->message : "--seeds begins with 1");
        return 2;
    }
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_JOURNAL);
    log_sink_set(take_line, NULL);
    signal(SIGABRT, on_abort);
    Stats stats = {.takeover_ms = g_array_new(FALSE, FALSE, sizeof(int64_t))};
    int broken = 0;
    for (int i = 0; i < seeds && !(first && broken > 0); i++) {
        uint64_t digest, again;
        broken += !run_seed((uint64_t)first_seed + (uint64_t)i, &stats, &digest);
        if (!twice)
            continue;
        run_seed((uint64_t)first_seed + (uint64_t)i, &stats, &again);
        if (digest != again) {
            printf("seed %d is not the same the second time\n", first_seed + i);
            broken++;
        }
    }
    broken += !print_stats(&stats);
    g_array_unref(stats.takeover_ms);
    printf("%d seeds, %d broken\n", seeds, broken);
    return broken > 0;
}
