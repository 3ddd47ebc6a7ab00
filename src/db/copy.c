/* copy: all rows of one store into another one, of either kind.
 *
 * How it fits: `rota store copy`, for a back-up of a store that is in use, and to move between one
 * node's SQLite and a cluster's PostgreSQL. The schema is the same on both, so the source's own
 * catalog says which tables, columns and keys there are, and a table that a later migration brings
 * is copied without a word here. Tables that only one kind has (the index of messages) are in
 * `without`, and are made anew by who calls.
 *
 * Rows go in pages by primary key, each page in a transaction of the target; how many rows a page
 * has follows the bytes that the page before had, so that neither messages of megabytes nor
 * millions of short rows cost much memory.
 *
 * Failures: those of either store, with the table in front. Known weak points: a page's bytes are
 * known only when it is read (PAGE_ROWS_BYTES bounds the first guess for tables with bytes); the
 * source keeps its snapshot for the whole time, so what is deleted there meanwhile keeps its room.
 */
#include "db/copy.h"

#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "db/driver.h"

#define PAGE_ROWS       256 /* of a page that nothing is known of */
#define PAGE_ROWS_BYTES 8   /* the same where a row may hold a message */
#define PAGE_ROWS_MAX   2000
#define PAGE_BYTES      (4 << 20) /* what a page should have at most */
#define COLUMNS_MAX     64        /* more than any table has; a bound on what a catalog says */

typedef enum { COLUMN_INT, COLUMN_TEXT, COLUMN_BYTES, COLUMN_REAL } ColumnType;

typedef struct {
    char *name; /* quoted, as SQL wants it */
    ColumnType type;
    int64_t key; /* place in the primary key from 1; 0: not of it */
} Column;

typedef struct {
    char *name;
    Column columns[COLUMNS_MAX];
    unsigned count, keys;
    unsigned key[COLUMNS_MAX]; /* columns of the primary key, in its order */
    /* Statements of this table; prepared by address, so they live as long as the handles. */
    char *texts[3];
    DbSql first, next, insert;
} Table;

static void table_free(void *data)
{
    Table *table = data;
    for (unsigned i = 0; i < table->count; i++)
        g_free(table->columns[i].name);
    for (unsigned i = 0; i < G_N_ELEMENTS(table->texts); i++)
        g_free(table->texts[i]);
    g_free(table->name);
    g_free(table);
}

/* ---------------------------------------------------------------- the catalog */

static const DbSql read_catalog = {
    /* 'shadow' and 'virtual' are the index of messages. */
    .sql = "SELECT t.name, c.name, c.type, c.pk FROM pragma_table_list AS t, "
           "pragma_table_info(t.name) AS c WHERE t.schema = 'main' AND t.type = 'table' "
           "AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~' AND t.name <> 'migration' "
           "ORDER BY t.name, c.cid",
    .postgresql =
        "SELECT t.relname::text, a.attname::text, upper(format_type(a.atttypid, NULL)), "
        "COALESCE(array_position(i.indkey::smallint[], a.attnum) + 1, 0)::bigint "
        "FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid "
        "LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisprimary "
        "WHERE t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace "
        "WHERE nspname = current_schema()) AND t.relkind = 'r' AND t.relname <> 'migration' "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY t.relname::text COLLATE \"C\", a.attnum",
};

static bool column_type(const char *name, ColumnType *ret)
{
    static const char *const names[] = {[COLUMN_INT] = "BIGINT",
                                        [COLUMN_TEXT] = "TEXT",
                                        [COLUMN_BYTES] = "BYTEA",
                                        [COLUMN_REAL] = "DOUBLE PRECISION"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (ColumnType)i;
            return true;
        }
    }
    return false;
}

static bool add_column(Table *table, const char *name, const char *type, int64_t key,
                       GError **error)
{
    ColumnType is;
    if (table->count == COLUMNS_MAX || key < 0 || key > COLUMNS_MAX || !column_type(type, &is))
        return fail(error, ERROR_REJECT, "table %s: column %s of type %s is none of rota's",
                    table->name, name, type);
    table->columns[table->count] = (Column){.name = db_quote_name(name), .type = is, .key = key};
    if (key > 0) {
        table->key[key - 1] = table->count;
        table->keys++;
    }
    table->count++;
    return true;
}

/* The tables to copy, `last` at the end; inside a transaction. */
static GPtrArray *read_tables(Db *from, const DbCopy *copy, GError **error)
{
    g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func(table_free);
    g_autoptr(DbRows) rows = db_query(from, &read_catalog, DB_NO_ARGS, error);
    if (!rows)
        return NULL;
    Table *table = NULL, *last = NULL;
    int step;
    while ((step = db_rows_next(rows, error)) == 1) {
        const char *name = db_rows_text(rows, 0);
        if (g_strv_contains(copy->without, name))
            continue;
        if (!table || strcmp(table->name, name) != 0) {
            table = g_new0(Table, 1);
            table->name = g_strdup(name);
            g_ptr_array_add(tables, table);
            if (strcmp(name, copy->last) == 0)
                last = table;
        }
        if (!add_column(table, db_rows_text(rows, 1), db_rows_text(rows, 2), db_rows_int(rows, 3),
                        error))
            return NULL;
    }
    if (step < 0)
        return NULL;
    MUST(last);
    g_ptr_array_set_free_func(tables, NULL);
    g_ptr_array_remove(tables, last);
    g_ptr_array_add(tables, last);
    g_ptr_array_set_free_func(tables, table_free);
    return g_steal_pointer(&tables);
}

/* ---------------------------------------------------------------- statements */

static void append_keys(GString *sql, const Table *table)
{
    for (unsigned i = 0; i < table->keys; i++)
        g_string_append_printf(sql, "%s%s", i ? ", " : "", table->columns[table->key[i]].name);
}

static void append_numbers(GString *sql, unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        g_string_append_printf(sql, "%s$%u", i > 1 ? ", " : "", i);
}

/* The page after the key that is bound first; without one: the first page. */
static char *format_select(const Table *table, bool after)
{
    g_autofree char *name = db_quote_name(table->name);
    GString *sql = g_string_new("SELECT ");
    for (unsigned i = 0; i < table->count; i++)
        g_string_append_printf(sql, "%s%s", i ? ", " : "", table->columns[i].name);
    g_string_append_printf(sql, " FROM %s", name);
    if (after) {
        g_string_append(sql, " WHERE (");
        append_keys(sql, table);
        g_string_append(sql, ") > (");
        append_numbers(sql, table->keys);
        g_string_append_c(sql, ')');
    }
    g_string_append(sql, " ORDER BY ");
    append_keys(sql, table);
    g_string_append_printf(sql, " LIMIT $%u", after ? table->keys + 1 : 1);
    return g_string_free(sql, FALSE);
}

static char *format_insert(const Table *table)
{
    g_autofree char *name = db_quote_name(table->name);
    GString *sql = g_string_new("INSERT INTO ");
    g_string_append_printf(sql, "%s (", name);
    for (unsigned i = 0; i < table->count; i++)
        g_string_append_printf(sql, "%s%s", i ? ", " : "", table->columns[i].name);
    g_string_append(sql, ") VALUES (");
    append_numbers(sql, table->count);
    g_string_append_c(sql, ')');
    return g_string_free(sql, FALSE);
}

static bool make_statements(Table *table, GError **error)
{
    if (table->keys == 0)
        return fail(error, ERROR_REJECT, "table %s has no primary key: it is none of rota's",
                    table->name);
    table->first.sql = table->texts[0] = format_select(table, false);
    table->next.sql = table->texts[1] = format_select(table, true);
    table->insert.sql = table->texts[2] = format_insert(table);
    return true;
}

/* ---------------------------------------------------------------- rows */

typedef struct {
    GArray *values;  /* DbValue, a row after the other */
    GPtrArray *kept; /* what they point to */
    unsigned rows;
    size_t bytes;
} Page;

static void page_free(Page *page)
{
    g_array_unref(page->values);
    g_ptr_array_unref(page->kept);
    g_free(page);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Page, page_free)

static Page *page_new(void)
{
    Page *page = g_new0(Page, 1);
    page->values = g_array_new(FALSE, FALSE, sizeof(DbValue));
    page->kept = g_ptr_array_new_with_free_func(g_free);
    return page;
}

/* Bytes and text are the rows' own until the next one: they are taken along. */
static DbValue keep(Page *page, const void *data, size_t size, bool text)
{
    char *copy = g_malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = '\0';
    g_ptr_array_add(page->kept, copy);
    page->bytes += size;
    return text ? db_text(copy) : db_bytes(copy, size);
}

static DbValue read_value(Page *page, DbRows *rows, unsigned column, ColumnType type)
{
    if (db_rows_is_null(rows, column))
        return db_null();
    if (type == COLUMN_INT)
        return db_int(db_rows_int(rows, column));
    if (type == COLUMN_REAL)
        return db_real(db_rows_real(rows, column));
    if (type == COLUMN_TEXT) {
        const char *text = db_rows_text(rows, column);
        return keep(page, text, strlen(text), true);
    }
    size_t size;
    const void *bytes = db_rows_bytes(rows, column, &size);
    return keep(page, bytes ? bytes : "", size, false);
}

/* The page after the last row of `before` (NULL: the first one). */
static Page *read_page(Db *from, const Table *table, const Page *before, unsigned limit,
                       GError **error)
{
    DbValue args[COLUMNS_MAX + 1];
    unsigned count = 0;
    if (before) {
        const DbValue *row =
            &g_array_index(before->values, DbValue, (before->rows - 1) * table->count);
        for (; count < table->keys; count++)
            args[count] = row[table->key[count]];
    }
    args[count++] = db_int(limit);
    g_autoptr(DbRows) rows =
        db_query(from, before ? &table->next : &table->first, args, count, error);
    if (!rows)
        return NULL;
    g_autoptr(Page) page = page_new();
    int step;
    while ((step = db_rows_next(rows, error)) == 1) {
        for (unsigned i = 0; i < table->count; i++) {
            DbValue value = read_value(page, rows, i, table->columns[i].type);
            g_array_append_val(page->values, value);
        }
        page->rows++;
    }
    return step < 0 ? NULL : g_steal_pointer(&page);
}

static bool write_page(Db *to, const Table *table, const Page *page, GError **error)
{
    return page->rows == 0 ||
           db_exec_many(to, &table->insert, &g_array_index(page->values, DbValue, 0), table->count,
                        page->rows, NULL, error);
}

/* As many rows as should have PAGE_BYTES, by what this page had. */
static unsigned next_limit(const Page *page, unsigned limit)
{
    if (page->bytes > PAGE_BYTES)
        return MAX(1, limit / 4);
    if (page->bytes < PAGE_BYTES / 4)
        return MIN(PAGE_ROWS_MAX, limit * 2);
    return limit;
}

static unsigned first_limit(const Table *table)
{
    for (unsigned i = 0; i < table->count; i++) {
        if (table->columns[i].type == COLUMN_BYTES)
            return PAGE_ROWS_BYTES;
    }
    return PAGE_ROWS;
}

typedef struct {
    Db *from, *to;
    const DbCopy *copy;
    int64_t rows; /* so far */
} Course;

/* One page in a transaction of the target's own, or in the one that is open there. */
static bool write_alone(Db *to, const Table *table, const Page *page, GError **error)
{
    if (db_in_transaction(to))
        return write_page(to, table, page, error);
    if (!db_begin(to, DB_WRITE_LAZY, error))
        return false;
    g_auto(DbScope) scope = db_scope(to);
    return write_page(to, table, page, error) && db_commit(to, error) == DB_DONE;
}

static bool copy_table(Course *course, const Table *table, GError **error)
{
    g_autoptr(Page) before = NULL;
    unsigned limit = first_limit(table);
    for (;;) {
        g_autoptr(Page) page = read_page(course->from, table, before, limit, error);
        if (!page || !write_alone(course->to, table, page, error)) {
            g_prefix_error(error, "table %s: ", table->name);
            return false;
        }
        course->rows += page->rows;
        if (course->copy->moved)
            course->copy->moved(table->name, course->rows, course->copy->data);
        if (page->rows < limit)
            return true;
        limit = next_limit(page, limit);
        g_clear_pointer(&before, page_free);
        before = g_steal_pointer(&page);
    }
}

/* What the target's migrations, or a copy that broke off, have left there; `last` before all. */
static bool empty_tables(Db *to, const GPtrArray *tables, GError **error)
{
    if (!db_begin(to, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(to);
    for (unsigned i = tables->len; i > 0; i--) {
        const Table *table = tables->pdata[i - 1];
        g_autofree char *name = db_quote_name(table->name);
        g_autofree char *sql = g_strdup_printf("DELETE FROM %s", name);
        if (!db_run_text(to, sql, error))
            return false;
    }
    return db_commit(to, error) ==
           DB_DONE; /* unknown, too: nothing is lost, and it is tried again */
}

bool copy_tables(Db *from, Db *to, const DbCopy *copy, GError **error)
{
    if (!db_begin(from, DB_READ, error))
        return false;
    g_auto(DbScope) reading = db_scope(from);
    g_autoptr(GPtrArray) tables = read_tables(from, copy, error);
    if (!tables || !empty_tables(to, tables, error))
        return false;
    Course course = {.from = from, .to = to, .copy = copy};
    for (unsigned i = 0; i < tables->len; i++) {
        if (!make_statements(tables->pdata[i], error))
            return false;
        if (i + 1 < tables->len && !copy_table(&course, tables->pdata[i], error))
            return false;
    }
    if (!db_begin(to, DB_WRITE, error))
        return false;
    g_auto(DbScope) writing = db_scope(to);
    return copy_table(&course, tables->pdata[tables->len - 1], error) &&
           db_commit(to, error) == DB_DONE;
}
