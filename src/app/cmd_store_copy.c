/* cmd_store_copy: a store's content into another, empty store: back-up, restore, and the move
 * between one node's SQLite and a cluster's PostgreSQL.
 *
 * How it fits: the copy is model/store_copy's; here the two stores are found, the target is made,
 * and progress is shown.
 *
 * Failures: no settings, a source that is not there or not of this version, a target in use: each
 * says what to do; either store's own. Known weak point: whoever lets nodes run on both stores
 * afterwards has two clusters that send the same reminders and invitations; the manual says so.
 */
#include "app/command.h"

#include <errno.h>
#include <inttypes.h>

#include "app/ui.h"
#include "base/error.h"
#include "db/migrate.h"
#include "model/store_copy.h"

#define COPY_STATEMENT_SECONDS (24 * 3600)

static gchar *option_to, *option_from;

/* `place` is a settings file (*.toml), or a SQLite file. *ret_settings owns what *ret points to. */
static bool other_config(const char *place, Settings **ret_settings, DbConfig *ret, GError **error)
{
    *ret_settings = NULL;
    if (!g_str_has_suffix(place, ".toml")) {
        *ret = (DbConfig){.kind = DB_SQLITE, .path = place};
        return true;
    }
    g_autoptr(GPtrArray) problems = settings_problems_new();
    *ret_settings = settings_read(place, problems);
    if (!*ret_settings) {
        g_autofree char *text = settings_problems_format(problems);
        return fail(error, ERROR_REJECT, "%s", text);
    }
    *ret = (*ret_settings)->data.db;
    return true;
}

static Db *open_patient(const DbConfig *config, unsigned *ret_version, GError **error)
{
    DbConfig patient = *config;
    patient.statement_seconds = COPY_STATEMENT_SECONDS;
    g_autoptr(Db) db = db_open(&patient, error);
    return db && migrate_version(db, ret_version, error) ? g_steal_pointer(&db) : NULL;
}

/* A store that is there, with this program's schema. */
static Db *open_source(const DbConfig *config, GError **error)
{
    if (config->kind == DB_SQLITE && !g_file_test(config->path, G_FILE_TEST_EXISTS)) {
        fail(error, ERROR_GONE, "there is no store to copy at \"%s\"", config->path);
        return NULL;
    }
    unsigned version;
    g_autoptr(Db) db = open_patient(config, &version, error);
    if (db && version == migrate_newest())
        return g_steal_pointer(&db);
    if (db && version == 0)
        fail(error, ERROR_GONE, "the store to copy is empty");
    else if (db)
        fail(error, ERROR_REJECT,
             "the store to copy has version %u, this program needs %u; `rota store upgrade` brings "
             "it there",
             version, migrate_newest());
    return NULL;
}

/* The target, made or brought up to date where it is not. */
static Db *open_target(const DbConfig *config, GError **error)
{
    if (config->kind == DB_SQLITE) {
        g_autofree char *folder = g_path_get_dirname(config->path);
        if (g_mkdir_with_parents(folder, 0700) != 0) {
            fail(error, ERROR_REJECT, "could not make the folder \"%s\": %s", folder,
                 g_strerror(errno));
            return NULL;
        }
    }
    unsigned version, applied;
    g_autoptr(Db) db = open_patient(config, &version, error);
    return db && migrate_upgrade(db, &applied, error) ? g_steal_pointer(&db) : NULL;
}

static void show_progress(const char *what, int64_t rows, void *data)
{
    ui_progress_set(data, rows, what);
}

static const char *place_of(const DbConfig *config)
{
    return config->kind == DB_SQLITE ? config->path : "PostgreSQL";
}

static int copy(CommandContext *context, const DbConfig *from, const DbConfig *to)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) source = open_source(from, &error);
    g_autoptr(Db) target = source ? open_target(to, &error) : NULL;
    if (!target)
        return command_fail(error);
    UiProgress *progress = ui_progress_new("copying", 0, context->clock);
    StoreCopyWatch watch = {.moved = show_progress, .data = progress};
    int64_t rows = 0;
    bool done = store_copy(source, target, &watch, &rows, &error);
    ui_progress_free(progress);
    if (!done)
        return command_fail(error);
    if (context->json) {
        ui_print_json(json_pack("{s:s, s:s, s:I}", "from", place_of(from), "to", place_of(to),
                                "rows", (json_int_t)rows));
        return EXIT_FINE;
    }
    printf("%s: %" PRId64 " rows, from %s; the index of messages is made when a node runs on it\n",
           place_of(to), rows, place_of(from));
    return EXIT_FINE;
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    if (!option_to == !option_from)
        return command_misuse(context, "say either --to PLACE or --from PLACE");
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Settings) others = NULL;
    DbConfig other;
    if (!settings || !other_config(option_to ? option_to : option_from, &others, &other, &error))
        return command_fail(error);
    const DbConfig *ours = &settings->data.db;
    return option_to ? copy(context, ours, &other) : copy(context, &other, ours);
}

static const GOptionEntry options[] = {
    {"to", 0, 0, G_OPTION_ARG_FILENAME, &option_to,
     "copy the settings' store to there: a SQLite file, or the store of another settings file",
     "PLACE"},
    {"from", 0, 0, G_OPTION_ARG_FILENAME, &option_from,
     "copy from there into the settings' store, which must be empty", "PLACE"},
    {0},
};

const Command cmd_store_copy = {
    .name = "store copy",
    .usage = "",
    .summary = "copies a store, also one in use, into an empty one of either kind",
    .example = "rota store copy --to /backup/rota-monday.db\n"
               "rota store copy --from /backup/rota-monday.db -c cluster.toml",
    .options = options,
    .run = run,
};
