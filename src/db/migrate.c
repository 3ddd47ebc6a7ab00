/* migrate: the schema and its numbered steps.
 *
 * The files of db/schema/ are built into the program (schema.c, made by the build). Each is
 * filtered for the store at hand, split into statements, and run in one transaction together with
 * its row in table `migration`. That row is written first: nodes that start at once queue for its
 * key, and whoever comes later is told that it is there. So no lock is needed that only one kind of
 * server has.
 *
 * The splitter knows quotes, comments and dollar quotes ($$ ... $$), but not BEGIN ... END bodies:
 * a SQLite trigger would need it to learn.
 *
 * Failures: a store that is newer, edited, or not ours: ERROR_REJECT; the store's own errors,
 * passed on.
 */
#include "db/migrate.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/must.h"
#include "db/driver.h"
#include "db/schema.h"

static const DbSql count_migration_tables = {
    .sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migration'",
    .postgresql = "SELECT count(*) FROM pg_catalog.pg_tables"
                  " WHERE schemaname = current_schema() AND tablename = 'migration'",
};
static const DbSql count_tables = {
    .sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' "
           "ESCAPE '~'",
    .postgresql = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema()",
};
static const DbSql create_migration_table = {
    .sql = "CREATE TABLE IF NOT EXISTS migration (version BIGINT PRIMARY KEY, name TEXT NOT NULL,"
           " digest TEXT NOT NULL, applied_at BIGINT NOT NULL)",
};
static const DbSql read_migrations = {
    .sql = "SELECT version, name, digest FROM migration ORDER BY version",
};
static const DbSql record_migration = {
    .sql =
        "INSERT INTO migration (version, name, digest, applied_at) VALUES ($1, $2, $3, rota_now())",
    /* The first step makes rota_now(). */
    .postgresql = "INSERT INTO migration (version, name, digest, applied_at) VALUES ($1, $2, $3,"
                  " CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))",
};
unsigned migrate_newest(void)
{
    return schema_file_count;
}

/* The text for one kind of store: without the other's lines. */
static char *filter(const char *text, DbKind kind)
{
    static const char *const marks[] = {
        [DB_SQLITE] = "--sqlite ", [DB_POSTGRESQL] = "--postgresql "};
    GString *out = g_string_sized_new(strlen(text));
    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n');
        const char *from = line;
        for (unsigned i = 0; i < G_N_ELEMENTS(marks); i++) {
            size_t length = strlen(marks[i]);
            if (strncmp(line, marks[i], length) == 0)
                from = i == (unsigned)kind ? line + length : end;
        }
        g_string_append_len(out, from, end - from);
        g_string_append_c(out, '\n');
        line = *end ? end + 1 : end;
    }
    return g_string_free(out, FALSE);
}

/* The end of a quoted stretch that begins at `at`, or at + 1 when none begins there. An open one
 * ends with the text. */
static const char *skip_quoted(const char *at)
{
    if (*at == '\'' || *at == '"') {
        const char *end = strchr(at + 1, *at); /* a doubled quote is two stretches in a row */
        return end ? end + 1 : at + strlen(at);
    }
    if (at[0] == '-' && at[1] == '-')
        return strchrnul(at, '\n');
    if (at[0] == '/' && at[1] == '*') {
        const char *end = strstr(at + 2, "*/");
        return end ? end + 2 : at + strlen(at);
    }
    if (*at == '$') {
        size_t tag = 1;
        while (g_ascii_isalpha(at[tag]) || at[tag] == '_')
            tag++;
        if (at[tag] == '$') {
            g_autofree char *mark = g_strndup(at, tag + 1);
            const char *end = strstr(at + tag + 1, mark);
            return end ? end + tag + 1 : at + strlen(at);
        }
    }
    return at + 1;
}

static bool only_comments(const char *sql)
{
    while (*sql) {
        if (g_ascii_isspace(*sql)) {
            sql++;
        } else if ((sql[0] == '-' && sql[1] == '-') || (sql[0] == '/' && sql[1] == '*')) {
            sql = skip_quoted(sql);
        } else {
            return false;
        }
    }
    return true;
}

char **migrate_split(const char *text, DbKind kind)
{
    g_autofree char *filtered = filter(text, kind);
    g_autoptr(GPtrArray) statements = g_ptr_array_new();
    const char *from = filtered;
    for (const char *at = filtered; *from;) {
        if (*at && *at != ';') {
            at = skip_quoted(at);
            continue;
        }
        char *statement = g_strstrip(g_strndup(from, (gsize)(at - from)));
        if (only_comments(statement))
            g_free(statement);
        else
            g_ptr_array_add(statements, statement);
        from = *at ? at + 1 : at;
        at = from;
    }
    g_ptr_array_add(statements, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&statements), FALSE);
}

/* Reads, inside a transaction, which steps the store has, and checks them against ours. */
static bool read_version(Db *db, unsigned *ret_version, GError **error)
{
    int64_t tables = 0;
    if (db_query_int(db, &count_migration_tables, DB_NO_ARGS, &tables, error) < 0)
        return false;
    if (tables == 0) {
        if (db_query_int(db, &count_tables, DB_NO_ARGS, &tables, error) < 0)
            return false;
        if (tables > 0)
            return fail(error, ERROR_REJECT,
                        "this is not a rota store: it has tables, but not rota's");
        *ret_version = 0;
        return true;
    }
    g_autoptr(DbRows) rows = db_query(db, &read_migrations, DB_NO_ARGS, error);
    if (!rows)
        return false;
    unsigned version = 0;
    int step;
    while ((step = db_rows_next(rows, error)) == 1) {
        int64_t found = db_rows_int(rows, 0);
        if (found > schema_file_count)
            return fail(error, ERROR_REJECT,
                        "the store is newer than this program: it has migration %d (%s), the "
                        "program knows %u",
                        (int)found, db_rows_text(rows, 1), schema_file_count);
        if (found != version + 1)
            return fail(error, ERROR_REJECT, "the store lacks migration %u", version + 1);
        const SchemaFile *file = &schema_files[version];
        Digest digest = digest_of(file->text, strlen(file->text));
        g_autofree char *ours = digest_format(&digest);
        if (strcmp(db_rows_text(rows, 2), ours) != 0)
            return fail(error, ERROR_REJECT, "the store was made with another text of migration %s",
                        file->name);
        version++;
    }
    if (step < 0)
        return false;
    *ret_version = version;
    return true;
}

bool migrate_version(Db *db, unsigned *ret_version, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return read_version(db, ret_version, error);
}

/* The table of steps, in a transaction of its own: its rows are what nodes queue for. */
static bool make_migration_table(Db *db, unsigned *ret_version, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return read_version(db, ret_version, error) &&
           (*ret_version > 0 || db_exec(db, &create_migration_table, DB_NO_ARGS, error) >= 0) &&
           db_commit(db, error) ==
               DB_DONE; /* unknown, too: the next try sees whether it is there */
}

/* Takes the step after `version`. ERROR_CONFLICT: another node has taken it meanwhile. */
static bool take_step(Db *db, unsigned version, GError **error)
{
    const SchemaFile *file = &schema_files[version];
    Digest digest = digest_of(file->text, strlen(file->text));
    g_autofree char *text = digest_format(&digest);
    g_auto(GStrv) statements = migrate_split(file->text, db_kind(db));
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (db_exec(db, &record_migration,
                DB_ARGS(db_int(version + 1), db_text(file->name), db_text(text)), error) < 0)
        return false;
    for (unsigned i = 0; statements[i]; i++) {
        if (!db_run_text(db, statements[i], error)) {
            g_prefix_error(error, "migration %s: ", file->name);
            return false;
        }
    }
    return db_commit(db, error) == DB_DONE; /* unknown, too: the next try reads what is there */
}

bool migrate_upgrade(Db *db, unsigned *ret_applied, GError **error)
{
    unsigned version = 0, steps = 0;
    g_autoptr(GError) raced = NULL;
    /* Two that make the table at once: one is refused, in words that differ, and finds it there. */
    if (!make_migration_table(db, &version, &raced) && !migrate_version(db, &version, error))
        return false;
    while (version < schema_file_count) {
        g_autoptr(GError) refusal = NULL;
        bool taken = take_step(db, version, &refusal);
        unsigned before = version;
        if (!taken && error_kind(refusal) == ERROR_CONFLICT) {
            if (!migrate_version(db, &version, error))
                return false;
            taken = version > before;
        } else if (taken) {
            version++;
            steps++;
        }
        if (!taken) {
            g_propagate_error(error, raced ? g_steal_pointer(&raced) : g_steal_pointer(&refusal));
            return false;
        }
    }
    *ret_applied = steps;
    return true;
}
