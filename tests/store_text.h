/* store_text.h: all that is in a store, as text, by introspection: so that a test can say that
 * nothing has changed, and sees the tables that are made after it was written.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_STORE_TEXT_H
#define ROTA_TESTS_STORE_TEXT_H

#include "support.h"

#include <string.h>

/* A statement of a test's own. A handle finds it by its address, so each is made once, and kept. */
static inline const DbSql *store_statement(char *take_sql)
{
    static GHashTable *statements;
    if (!statements)
        statements = g_hash_table_new(g_str_hash, g_str_equal);
    DbSql *statement = g_hash_table_lookup(statements, take_sql);
    if (statement) {
        g_free(take_sql);
        return statement;
    }
    statement = g_new0(DbSql, 1);
    statement->sql = take_sql;
    g_hash_table_insert(statements, take_sql, statement);
    return statement;
}

/* The tables of a store, by introspection, without the engine's own. */
static inline GPtrArray *store_tables(Db *db)
{
    static const DbSql sql = {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE "
        "'~' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
        "SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = current_schema() "
        "ORDER BY tablename"};
    GPtrArray *tables = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    assert_true(db_begin(db, DB_READ, &error));
    DbRows *rows = db_query(db, &sql, DB_NO_ARGS, &error);
    assert_no_error(error);
    while (db_rows_next(rows, &error) > 0)
        g_ptr_array_add(tables, g_strdup(db_rows_text(rows, 0)));
    db_rows_free(rows);
    db_rollback(db);
    return tables;
}

static inline char *store_text(Db *db, char *take_sql)
{
    const DbSql *sql = store_statement(take_sql);
    GError *error = NULL;
    assert_true(db_begin(db, DB_READ, &error));
    DbRows *rows = db_query(db, sql, DB_NO_ARGS, &error);
    if (!rows || db_rows_next(rows, &error) < 1)
        fail_msg("%s: %s", sql->sql, error ? error->message : "no row");
    char *text = g_strdup(db_rows_text(rows, 0));
    db_rows_free(rows);
    db_rollback(db);
    return text;
}

/* All rows of a table as one text, in an order of their own. */
static inline char *store_table_text(Db *db, const char *table)
{
    if (db_kind(db) == DB_POSTGRESQL)
        return store_text(db, g_strdup_printf("SELECT coalesce(string_agg(t::text, chr(10) ORDER "
                                              "BY t::text), '') FROM %s t",
                                              table));
    char *columns = store_text(
        db, g_strdup_printf("SELECT group_concat('quote(\"' || name || '\")', ' || '','' || ') "
                            "FROM pragma_table_info('%s')",
                            table));
    char *text = store_text(db, g_strdup_printf("SELECT coalesce(group_concat(line, char(10)), '') "
                                                "FROM (SELECT %s AS line FROM %s ORDER BY 1)",
                                                columns, table));
    g_free(columns);
    return text;
}

/* The whole content of a store but for the tables named; caller frees. */
static inline char *store_whole_text(Db *db, const char *const *but)
{
    GString *all = g_string_new(NULL);
    GPtrArray *tables = store_tables(db);
    for (unsigned i = 0; i < tables->len; i++) {
        const char *table = g_ptr_array_index(tables, i);
        if (but && g_strv_contains(but, table))
            continue;
        char *text = store_table_text(db, table);
        g_string_append_printf(all, "%s\n%s\n", table, text);
        g_free(text);
    }
    g_ptr_array_unref(tables);
    return g_string_free(all, FALSE);
}

/* Two whole contents are the same; says the first line that is not. */
static inline void store_assert_same(const char *want, const char *got)
{
    char **wanted = g_strsplit(want, "\n", -1), **found = g_strsplit(got, "\n", -1);
    unsigned i = 0;
    while (wanted[i] && found[i] && strcmp(wanted[i], found[i]) == 0)
        i++;
    if (wanted[i] || found[i])
        fail_msg("the store has changed: want \"%.200s\", got \"%.200s\"",
                 wanted[i] ? wanted[i] : "", found[i] ? found[i] : "");
    g_strfreev(wanted);
    g_strfreev(found);
}

#endif
