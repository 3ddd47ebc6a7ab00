/* cmd_store: makes the store, brings it up to date, and asks whether it is whole.
 *
 * How it fits: the schema is db/migrate's, the rules of a whole store are model/check's; `rota
 * serve` makes and upgrades by itself, so that these are for operators who want to do it before.
 *
 * Failures: no settings or a wrong store (2), a store that cannot be reached (75); findings of the
 * check, and a store that is not there or not up to date, are the answer no (1).
 */
#include "app/command.h"

#include <inttypes.h>

#include "app/ui.h"
#include "base/error.h"
#include "db/migrate.h"
#include "model/check.h"

/* A full pass over a big file is one statement (its integrity check). */
#define CHECK_STATEMENT_SECONDS (24 * 3600)

static bool file_is_missing(const StoreSettings *store)
{
    return store->db.kind == DB_SQLITE && !g_file_test(store->db.path, G_FILE_TEST_EXISTS);
}

/* "store.db, version 3" for people; an object for machines. */
static void print_version(const CommandContext *context, const StoreSettings *store,
                          const char *what, unsigned version, unsigned applied)
{
    const char *place = store->db.kind == DB_SQLITE ? store->db.path : "PostgreSQL";
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s, s:i, s:i}", "store", place, "result", what, "version",
                                (int)version, "applied", (int)applied));
    else
        printf("%s: %s, version %u\n", place, what, version);
}

/* Upgrades from `version`; the exit status. */
static int bring_up(CommandContext *context, const StoreSettings *store, Db *db, const char *what)
{
    g_autoptr(GError) error = NULL;
    unsigned applied = 0;
    if (!migrate_upgrade(db, &applied, &error))
        return command_fail(error);
    print_version(context, store, what, migrate_newest(), applied);
    return EXIT_FINE;
}

static int init(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Db) db = settings ? command_open_db(context, COMMAND_STORE_RAW, &error) : NULL;
    unsigned version = 0;
    if (!db || !migrate_version(db, &version, &error))
        return command_fail(error);
    if (version == 0)
        return bring_up(context, &settings->data, db, "made");
    if (version < migrate_newest()) {
        fail(&error, ERROR_CONFLICT,
             "there is a store of version %u already; `rota store upgrade` brings it to %u",
             version, migrate_newest());
        return command_fail(error);
    }
    print_version(context, &settings->data, "is there already", version, 0);
    return EXIT_FINE;
}

static int upgrade(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    if (!settings)
        return command_fail(error);
    unsigned version = 0;
    g_autoptr(Db) db = NULL;
    if (!file_is_missing(&settings->data)) {
        db = command_open_db(context, COMMAND_STORE_RAW, &error);
        if (!db || !migrate_version(db, &version, &error))
            return command_fail(error);
    }
    if (version == 0) {
        fail(&error, ERROR_GONE, "there is no store yet; `rota store init` makes one");
        return command_fail(error);
    }
    if (version == migrate_newest()) {
        print_version(context, &settings->data, "is up to date", version, 0);
        return EXIT_FINE;
    }
    return bring_up(context, &settings->data, db, "upgraded");
}

/* ---- check */

static gboolean option_deep;

typedef struct {
    json_t *findings; /* NULL: print them as they come */
    UiProgress *progress;
} Report;

static void report_finding(const char *rule, const char *text, void *data)
{
    Report *report = data;
    if (report->findings) {
        json_array_append_new(report->findings,
                              json_pack("{s:s, s:s}", "rule", rule, "text", text));
        return;
    }
    g_autofree char *safe = ui_safe(text);
    printf("%s%s%s %s\n", ui_colour(stdout, UI_RED), rule, ui_colour(stdout, UI_PLAIN), safe);
}

static void report_progress(const char *what, int64_t done, void *data)
{
    Report *report = data;
    ui_progress_set(report->progress, done, what);
}

static void print_result(const CheckResult *result, json_t *take_findings)
{
    if (take_findings) {
        ui_print_json(json_pack("{s:b, s:I, s:I, s:I, s:I, s:o}", "good", result->findings == 0,
                                "accounts", (json_int_t)result->accounts, "aliases",
                                (json_int_t)result->aliases, "blobs", (json_int_t)result->blobs,
                                "tasks", (json_int_t)result->tasks, "findings", take_findings));
        return;
    }
    printf("%" PRId64 " accounts, %" PRId64 " addresses, %" PRId64 " blobs, %" PRId64 " tasks: ",
           result->accounts, result->aliases, result->blobs, result->tasks);
    if (result->findings)
        printf("%" PRId64 " findings\n", result->findings);
    else
        printf("whole\n");
}

static int check(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Db) first =
        settings ? command_open_db(context, COMMAND_STORE_EXISTING, &error) : NULL;
    if (!first)
        return command_fail(error);
    DbConfig patient = settings->data.db;
    patient.statement_seconds = CHECK_STATEMENT_SECONDS;
    g_autoptr(Db) db = db_open(&patient, &error);
    if (!db)
        return command_fail(error);
    Report report = {.findings = context->json ? json_array() : NULL,
                     .progress = ui_progress_new("checking", 0, context->clock)};
    CheckWatch watch = {.found = report_finding, .moved = report_progress, .data = &report};
    CheckResult result = {0};
    bool done = check_store(db, option_deep, &watch, &result, &error);
    ui_progress_free(report.progress);
    if (!done) {
        if (report.findings)
            json_decref(report.findings);
        return command_fail(error);
    }
    print_result(&result, report.findings);
    return result.findings ? EXIT_NO : EXIT_FINE;
}

static const GOptionEntry check_options[] = {
    {"deep", 0, 0, G_OPTION_ARG_NONE, &option_deep,
     "read every message's bytes, too, and compare them with their digest", NULL},
    {0},
};

const Command cmd_store_init = {
    .name = "store init",
    .usage = "",
    .summary = "makes the store",
    .example = "rota store init",
    .run = init,
};

const Command cmd_store_upgrade = {
    .name = "store upgrade",
    .usage = "",
    .summary = "brings the store's schema to this program's version",
    .example = "rota store upgrade",
    .run = upgrade,
};

const Command cmd_store_check = {
    .name = "store check",
    .usage = "",
    .summary = "asks whether the store is whole, and says what is not",
    .example = "rota store check\nrota store check --deep --json",
    .options = check_options,
    .run = check,
};
