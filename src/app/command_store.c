/* command_store: how a command comes to the store that the settings name.
 *
 * How it fits: commands call command_open_db; nobody else in app/ opens a store for a command. The
 * texts say what to run when the store is not there or not of this version. Failures: ERROR_GONE
 * (no store yet), ERROR_REJECT (not a rota store, another version, settings broken), ERROR_RETRY
 * (cannot be reached). Known weak point: with COMMAND_STORE_CREATE two commands may both upgrade;
 * migrate_upgrade bears that.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "db/migrate.h"
#include "roster/identity.h"

#include "app/command.h"

/* SQLite's file needs its folder. */
static bool make_folder(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return true;
    return fail(error, ERROR_REJECT,
                "could not make the store's folder \"%s\": %s; set store.data.path to a place that "
                "this user may write",
                folder, g_strerror(errno));
}

/* Brings the store to this program's version, where it is not. */
static bool bring_up(Db *db, GError **error)
{
    unsigned version = 0, applied = 0;
    if (!migrate_version(db, &version, error))
        return false;
    if (version == migrate_newest() || migrate_upgrade(db, &applied, error))
        return true;
    g_prefix_error(error,
                   "the store has version %u, this program needs %u, and it could not be brought "
                   "there (the owner of the schema can, by `rota store upgrade`): ",
                   version, migrate_newest());
    return false;
}

static bool check_name(Db *db, const char *name, GError **error)
{
    if (!*name)
        return true;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return identity_check(db, name, error);
}

static bool check_version(Db *db, GError **error)
{
    unsigned version = 0;
    if (!migrate_version(db, &version, error))
        return false;
    if (version == 0)
        return fail(error, ERROR_GONE,
                    "the store is empty; `rota store init` sets it up, and so does `rota serve`");
    if (version < migrate_newest())
        return fail(
            error, ERROR_REJECT,
            "the store has version %u, this program needs %u; `rota store upgrade` brings it there",
            version, migrate_newest());
    return true;
}

Db *command_open_db(CommandContext *context, CommandStore how, GError **error)
{
    const Settings *settings = command_settings(context, error);
    if (!settings)
        return NULL;
    const DbConfig *config = &settings->data.db;
    bool file = config->kind == DB_SQLITE && strcmp(config->path, ":memory:") != 0;
    bool must_be_there = how == COMMAND_STORE_EXISTING || how == COMMAND_STORE_ANY_NAME;
    if (file && must_be_there && !g_file_test(config->path, G_FILE_TEST_EXISTS)) {
        fail(error, ERROR_GONE,
             "there is no store at \"%s\"; `rota store init` makes one, and so does `rota serve`",
             config->path);
        return NULL;
    }
    if (file && !must_be_there && !make_folder(config->path, error))
        return NULL;
    g_autoptr(Db) db = db_open(config, error);
    if (!db)
        return NULL;
    bool well = false;
    switch (how) {
    case COMMAND_STORE_CREATE:
        well = bring_up(db, error) && check_name(db, settings->cluster_name, error);
        break;
    case COMMAND_STORE_EXISTING:
        well = check_version(db, error) && check_name(db, settings->cluster_name, error);
        break;
    case COMMAND_STORE_ANY_NAME:
        well = check_version(db, error);
        break;
    case COMMAND_STORE_RAW:
        well = true;
        break;
    }
    return well ? g_steal_pointer(&db) : NULL;
}
