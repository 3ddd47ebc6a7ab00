/* cmd_status: the roster at a glance, once or live.
 *
 * How it fits: the report is roster/report's, its look status_view's. With --watch a thread of its
 * own reads the store once a second, so that keys are heard also while the store does not answer;
 * the view says since when it does not, and goes on when it does again.
 *
 * Failures: broken settings (2), a store that cannot be reached (75; with --watch that is shown).
 * An uncovered shard is the answer no (1). Known weak point: a thread that waits for the store when
 * a person has seen enough is left to the end of the process.
 */
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/must.h"
#include "front/report_json.h"
#include "content/acme_problem.h"
#include "front/certificate_read.h"

#include "app/command.h"
#include "app/screen.h"
#include "app/status_view.h"
#include "app/ui.h"

#define WATCH_MS 1000

static gboolean option_watch;

/* ---------------------------------------------------------------- live */

typedef struct {
    CommandContext *context;
    GMutex lock;
    GCond changed;
    bool ending;          /* under lock, as all below */
    StatusReport *report; /* the newest; NULL: none yet */
    char *trouble;        /* why the store could not be asked; NULL: it was */
    int64_t trouble_at;   /* since when, wall */
    unsigned readers;     /* the thread lives */
    int new_fd;           /* readable when there is something to show */
} Watch;

static void publish(Watch *watch, StatusReport *take_report, const GError *error)
{
    uint64_t one = 1;
    g_mutex_lock(&watch->lock);
    if (take_report) {
        status_report_free(watch->report);
        watch->report = take_report;
        g_clear_pointer(&watch->trouble, g_free);
        watch->trouble_at = 0;
    } else {
        g_free(watch->trouble);
        watch->trouble = ui_safe(error->message);
        if (watch->trouble_at == 0)
            watch->trouble_at = clock_wall_ms(watch->context->clock);
    }
    MUST(write(watch->new_fd, &one, sizeof(one)) == sizeof(one));
    g_mutex_unlock(&watch->lock);
}

/* False: it is enough. */
static bool pause_watch(Watch *watch)
{
    int64_t until = clock_monotonic_us(watch->context->clock) + WATCH_MS * 1000;
    g_mutex_lock(&watch->lock);
    while (!watch->ending && g_cond_wait_until(&watch->changed, &watch->lock, until))
        continue;
    bool go_on = !watch->ending;
    g_mutex_unlock(&watch->lock);
    return go_on;
}

static gpointer read_thread(gpointer data)
{
    Watch *watch = data;
    g_autoptr(Db) db = NULL;
    do {
        g_autoptr(GError) error = NULL;
        if (!db)
            db = command_open_db(watch->context, COMMAND_STORE_EXISTING, &error);
        StatusReport *report =
            db ? report_status(db, &watch->context->settings->roles, &error) : NULL;
        publish(watch, report, error);
    } while (pause_watch(watch));
    g_mutex_lock(&watch->lock);
    watch->readers--;
    g_cond_broadcast(&watch->changed);
    g_mutex_unlock(&watch->lock);
    return NULL;
}

static void show(Watch *watch, Screen *screen)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    MUST(out);
    ui_colour_as(out, stdout);
    g_mutex_lock(&watch->lock);
    if (watch->trouble) {
        g_autofree char *since = ui_format_time(watch->trouble_at);
        fprintf(out, "%sThe store has not answered since %s: %s%s\n%s", ui_colour(out, UI_RED),
                since, watch->trouble, ui_colour(out, UI_PLAIN),
                watch->report ? "What it said before:\n\n" : "");
    }
    if (watch->report)
        status_view_print(watch->report, out);
    g_mutex_unlock(&watch->lock);
    fprintf(out, "\n%sq ends%s\n", ui_colour(out, UI_DIM), ui_colour(out, UI_PLAIN));
    ui_colour_as(NULL, NULL);
    fclose(out);
    screen_show(screen, text);
    free(text);
}

static void run_screen(Watch *watch, Screen *screen)
{
    for (;;) {
        uint64_t count;
        switch (screen_wait(screen, watch->new_fd, -1)) {
        case SCREEN_ENOUGH:
            return;
        case SCREEN_RESIZED:
            break;
        case SCREEN_OTHER:
            if (read(watch->new_fd, &count, sizeof(count)) != sizeof(count))
                continue;
            break;
        }
        show(watch, screen);
    }
}

/* The status of the last look; false: the thread still waits for the store. */
static bool end_watch(Watch *watch, int *ret_status)
{
    int64_t until = clock_monotonic_us(watch->context->clock) + WATCH_MS * 1000;
    g_mutex_lock(&watch->lock);
    watch->ending = true;
    g_cond_broadcast(&watch->changed);
    while (watch->readers > 0 && g_cond_wait_until(&watch->changed, &watch->lock, until))
        continue;
    bool ended = watch->readers == 0;
    *ret_status = watch->trouble                 ? EXIT_UNREACHABLE
                  : !watch->report               ? EXIT_FINE
                  : report_is_bad(watch->report) ? EXIT_NO
                                                 : EXIT_FINE;
    g_mutex_unlock(&watch->lock);
    return ended;
}

static int watch_status(CommandContext *context)
{
    g_autoptr(GError) error = NULL;
    if (!command_settings(context, &error))
        return command_fail(error);
    g_autoptr(Screen) screen = screen_open(&error);
    if (!screen)
        return command_misuse(context, "%s; without --watch the status is printed once",
                              error->message);
    Watch *watch = g_new0(Watch, 1);
    watch->context = context;
    watch->readers = 1;
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->changed);
    watch->new_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    MUST(watch->new_fd >= 0);
    g_thread_unref(g_thread_new("status", read_thread, watch));
    show(watch, screen);
    run_screen(watch, screen);
    g_clear_pointer(&screen, screen_close);
    int status;
    if (!end_watch(watch, &status)) {
        fflush(stdout);
        _exit(status);
    }
    status_report_free(watch->report);
    g_free(watch->trouble);
    close(watch->new_fd);
    g_mutex_clear(&watch->lock);
    g_cond_clear(&watch->changed);
    g_free(watch);
    return status;
}

/* ---------------------------------------------------------------- once */

/* Those that fail or are over, or are about to be. What the store does not tell now is not told. */
static void print_certificates(const Settings *settings, Db *db)
{
    CertificateHouse house = settings_certificates(settings);
    if (!db_begin(db, DB_READ, NULL))
        return;
    g_autoptr(GPtrArray) rows = certificate_read_all(db, &house, NULL);
    db_rollback(db);
    for (unsigned i = 0; rows && i < rows->len; i++) {
        const Certificate *row = g_ptr_array_index(rows, i);
        /* Half of the time between its due renewal and its end has passed, as for the audit. */
        bool ends =
            row->not_after - row->now < (row->not_after - row->renew_at) / 2 || row->version == 0;
        if ((row->failures == 0 && !ends) || !certificate_wanted(&house, row->name))
            continue;
        g_autofree char *line = *row->problem ? acme_problem_line(row->problem) : g_strdup("");
        g_autofree char *safe = ui_safe(line);
        g_autofree char *until = ui_format_time(row->not_after);
        printf("%scertificate %s: %s%s, %d orders failed%s%s%s\n", ui_colour(stdout, UI_RED),
               row->name, row->version ? "good until " : "there is none yet",
               row->version ? until : "", (int)row->failures, *safe ? ": " : "", safe,
               ui_colour(stdout, UI_PLAIN));
    }
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    if (option_watch && context->json)
        return command_misuse(context, "--watch is for people; --json prints the status once");
    if (option_watch)
        return watch_status(context);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(StatusReport) report =
        db ? report_status(db, &context->settings->roles, &error) : NULL;
    if (!report)
        return command_fail(error);
    if (context->json) {
        ui_print_json(report_json_status(report));
        return report_is_bad(report) ? EXIT_NO : EXIT_FINE;
    }
    status_view_print(report, stdout);
    print_certificates(context->settings, db);
    if (!report_is_bad(report))
        return EXIT_FINE;
    /* Last, too, where a long table has pushed the first lines out of sight. */
    fflush(stdout);
    if (report->epoch == 0)
        fail(&error, ERROR_GONE, "no node has ever started on this store");
    else
        fail(&error, ERROR_GONE,
             "%u of %u shards are uncovered: start a node of theirs, or change "
             "the table",
             report->uncovered, report->shards->len);
    return command_fail(error);
}

static const GOptionEntry options[] = {
    {"watch", 'w', 0, G_OPTION_ARG_NONE, &option_watch, "a live view, until q or Ctrl-C", NULL},
    {0},
};

const Command cmd_status = {
    .name = "status",
    .usage = "",
    .summary = "shows nodes, and for each shard of each role who works, what waits, what failed",
    .example = "rota status\nrota status --watch\nrota status --json",
    .options = options,
    .run = run,
};
