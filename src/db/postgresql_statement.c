/* postgresql_statement: statements and rows of the PostgreSQL driver.
 *
 * A statement is prepared when it is first used on a connection, in the same round as its first
 * run, so that this costs no round trip. The types of its parameters are those of the values that
 * it is called with; NULL fits all. Where a later call brings a type that is still open (the first
 * call had NULL there), the statement is prepared once more. Statements of db_exec_later go the
 * same way, and only their results are read later.
 *
 * Failures: the server's, by SQLSTATE; a lost connection. A statement whose preparing failed is
 * forgotten. Known weak point: a query's rows are all held at once, so callers must bound them
 * (DB_ROWS_FETCH_MAX).
 */
#include "db/postgresql.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"

#define TYPE_BYTEA 17

typedef struct Statement Statement;
struct Statement {
    char name[16];
    unsigned count;
    Oid types[DB_ARGS_MAX];
    bool prepared;   /* the server has it, or will when what is awaited has come */
    Statement *next; /* of the same text, with other types */
};

static void statement_free(void *data)
{
    Statement *statement = data;
    while (statement) {
        Statement *next = statement->next;
        g_free(statement);
        statement = next;
    }
}

GHashTable *postgresql_statements_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, statement_free);
}

static bool fits(const Statement *statement, const Oid *types, unsigned count)
{
    MUST(statement->count == count);
    for (unsigned i = 0; i < count; i++) {
        if (types[i] != 0 && types[i] != statement->types[i])
            return false;
    }
    return true;
}

static void types_of(const DbValue *args, unsigned count, Oid *ret_types)
{
    MUST(count <= DB_ARGS_MAX);
    for (unsigned i = 0; i < count; i++)
        ret_types[i] = postgresql_type_of(&args[i]);
}

static Statement *find_statement(PostgresqlDb *db, const DbSql *sql, const Oid *types,
                                 unsigned count)
{
    MUST(count <= DB_ARGS_MAX);
    Statement *first = g_hash_table_lookup(db->statements, sql);
    for (Statement *at = first; at; at = at->next) {
        if (fits(at, types, count))
            return at;
    }
    Statement *statement = g_new0(Statement, 1);
    g_snprintf(statement->name, sizeof statement->name, "s%u", ++db->last_name);
    statement->count = count;
    memcpy(statement->types, types, count * sizeof(Oid));
    if (first) {
        statement->next = first->next;
        first->next = statement;
    } else {
        g_hash_table_insert(db->statements, (void *)(uintptr_t)sql, statement);
    }
    return statement;
}

static const char *text_of(const DbSql *sql)
{
    return sql->postgresql ? sql->postgresql : sql->sql;
}

void postgresql_statement_failed(void *data)
{
    Statement *statement = data;
    statement->prepared = false;
}

/* Sends what is pending and, if need be, the preparing, which is believed to succeed: what comes
 * after it in its round is skipped if not. */
static bool send_before(PostgresqlDb *db, const DbSql *sql, Statement *statement, GError **error)
{
    if (!postgresql_send_pending(db, error))
        return false;
    if (statement->prepared)
        return true;
    if (!PQsendPrepare(db->conn, statement->name, text_of(sql), (int)statement->count,
                       statement->types))
        return postgresql_fail_connection(db, error);
    g_ptr_array_add(db->awaited, statement);
    statement->prepared = true;
    return true;
}

static bool send_wire(PostgresqlDb *db, const Statement *statement, const WireArgs *wire,
                      GError **error)
{
    db->base.counts.statements++;
    return PQsendQueryPrepared(db->conn, statement->name, (int)wire->count, wire->data, wire->sizes,
                               wire->formats, 1) ||
           postgresql_fail_connection(db, error);
}

static bool send_one(PostgresqlDb *db, const Statement *statement, const DbValue *args,
                     GError **error)
{
    WireArgs wire;
    postgresql_encode(args, statement->count, &wire);
    return send_wire(db, statement, &wire, error);
}

static int64_t changed_by(PGresult *result)
{
    const char *text = PQcmdTuples(result);
    return *text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

/* Sends a statement for all tuples, whose types agree. */
static bool send_all(PostgresqlDb *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    Oid types[DB_ARGS_MAX];
    types_of(tuples->args, tuples->width, types);
    Statement *statement = find_statement(db, sql, types, tuples->width);
    if (!send_before(db, sql, statement, error))
        return false;
    for (unsigned i = 0; i < tuples->rows; i++) {
        if (!send_one(db, statement, tuples->args + (size_t)i * tuples->width, error))
            return false;
    }
    return true;
}

/* The same in one round, with its results. The last one goes to *ret_result where that is given. */
static bool run(PostgresqlDb *db, const DbSql *sql, const DbTuples *tuples, PGresult **ret_result,
                GError **error)
{
    if (!send_all(db, sql, tuples, error) || !postgresql_sync(db, error))
        return false;
    bool good = postgresql_expect(db, error);
    for (unsigned i = 0; i < tuples->rows && !db->lost; i++) {
        PGresult *result = postgresql_result(db, good ? error : NULL);
        if (good && result && !postgresql_result_is_good(result))
            postgresql_fail_result(db, result, error);
        good = good && result && postgresql_result_is_good(result);
        if (good && tuples->ret_changed)
            tuples->ret_changed[i] = changed_by(result);
        if (good && ret_result && i == tuples->rows - 1)
            *ret_result = result;
        else
            PQclear(result);
    }
    return postgresql_end_round(db, good ? error : NULL) && good;
}

/* The same without its results. */
static bool run_later(PostgresqlDb *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    if (!send_all(db, sql, tuples, error))
        return false;
    g_ptr_array_set_size(db->awaited, (gint)(db->awaited->len + tuples->rows)); /* NULLs */
    return true;
}

bool postgresql_run_wire(PostgresqlDb *db, const DbSql *sql, const Oid *types, const WireArgs *wire,
                         PGresult **ret_result, GError **error)
{
    Statement *statement = find_statement(db, sql, types, wire->count);
    if (!send_before(db, sql, statement, error) || !send_wire(db, statement, wire, error))
        return false;
    if (!ret_result) {
        g_ptr_array_add(db->awaited, NULL);
        return true;
    }
    if (!postgresql_sync(db, error))
        return false;
    bool good = postgresql_expect(db, error);
    PGresult *result = db->lost ? NULL : postgresql_result(db, good ? error : NULL);
    if (good && result && !postgresql_result_is_good(result))
        postgresql_fail_result(db, result, error);
    good = good && result && postgresql_result_is_good(result);
    if (postgresql_end_round(db, good ? error : NULL) && good) {
        *ret_result = result;
        return true;
    }
    PQclear(result);
    return false;
}

int64_t postgresql_exec(Db *db, const DbSql *sql, const DbValue *args, unsigned count,
                        GError **error)
{
    int64_t changed = 0;
    DbTuples one = {args, count, 1, &changed};
    return run((PostgresqlDb *)db, sql, &one, NULL, error) ? changed : -1;
}

/* Tuples whose types differ (a NULL here, a number there) go in runs of the same statement. */
static bool run_many(PostgresqlDb *db, const DbSql *sql, const DbTuples *tuples, bool now,
                     GError **error)
{
    for (unsigned from = 0; from < tuples->rows;) {
        DbTuples part = {tuples->args + (size_t)from * tuples->width, tuples->width, 1, NULL};
        Oid types[DB_ARGS_MAX];
        types_of(part.args, part.width, types);
        const Statement *statement = find_statement(db, sql, types, part.width);
        for (; from + part.rows < tuples->rows; part.rows++) {
            types_of(part.args + (size_t)part.rows * part.width, part.width, types);
            if (!fits(statement, types, part.width))
                break;
        }
        if (tuples->ret_changed)
            part.ret_changed = tuples->ret_changed + from;
        if (!(now ? run(db, sql, &part, NULL, error) : run_later(db, sql, &part, error)))
            return false;
        from += part.rows;
    }
    return true;
}

bool postgresql_exec_many(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    return run_many((PostgresqlDb *)base, sql, tuples, true, error);
}

bool postgresql_exec_later(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    return run_many((PostgresqlDb *)base, sql, tuples, false, error);
}

bool postgresql_run_text(Db *base, const char *sql, GError **error)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    db->base.counts.statements++;
    if (!postgresql_send_pending(db, error) || !postgresql_send_text(db, sql, error) ||
        !postgresql_sync(db, error))
        return false;
    bool good = postgresql_expect(db, error);
    return postgresql_end_round(db, good ? error : NULL) && good;
}

/* ---- rows */

static int rows_next(DbRows *base, GError **error)
{
    (void)error;
    PostgresqlRows *rows = (PostgresqlRows *)base;
    MUST(rows->result);
    if (rows->row < PQntuples(rows->result))
        rows->row++;
    return rows->row < PQntuples(rows->result);
}

/* True if the value may be read; a wrong column, or none stepped to, is our bug. */
static bool has_value(const PostgresqlRows *rows, unsigned column)
{
    MUST(rows->result);
    MUST(rows->row >= 0 && rows->row < PQntuples(rows->result));
    MUST(column < (unsigned)PQnfields(rows->result));
    return !PQgetisnull(rows->result, rows->row, (int)column);
}

static int64_t rows_int(DbRows *base, unsigned column)
{
    PostgresqlRows *rows = (PostgresqlRows *)base;
    if (!has_value(rows, column))
        return 0;
    return postgresql_decode_int(rows->result, rows->row, (int)column);
}

static double rows_real(DbRows *base, unsigned column)
{
    PostgresqlRows *rows = (PostgresqlRows *)base;
    if (!has_value(rows, column))
        return 0;
    return postgresql_decode_real(rows->result, rows->row, (int)column);
}

static const char *rows_text(DbRows *base, unsigned column)
{
    PostgresqlRows *rows = (PostgresqlRows *)base;
    if (!has_value(rows, column))
        return NULL;
    Oid type = PQftype(rows->result, (int)column);
    MUST(type == 25 || type == 1043 || type == 19 || type == 1042 || type == 705);
    return PQgetvalue(rows->result, rows->row, (int)column);
}

static const void *rows_bytes(DbRows *base, unsigned column, size_t *ret_size)
{
    PostgresqlRows *rows = (PostgresqlRows *)base;
    *ret_size = 0;
    if (!has_value(rows, column))
        return NULL;
    Oid type = PQftype(rows->result, (int)column);
    MUST(type == TYPE_BYTEA || type == 25);
    *ret_size = (size_t)PQgetlength(rows->result, rows->row, (int)column);
    return PQgetvalue(rows->result, rows->row, (int)column);
}

static bool rows_is_null(DbRows *base, unsigned column)
{
    return !has_value((PostgresqlRows *)base, column);
}

static void rows_free(DbRows *base)
{
    PostgresqlRows *rows = (PostgresqlRows *)base;
    PQclear(rows->result);
    rows->result = NULL;
}

static const DbRowsDriver rows_driver = {
    .next = rows_next,
    .get_int = rows_int,
    .get_real = rows_real,
    .get_text = rows_text,
    .get_bytes = rows_bytes,
    .is_null = rows_is_null,
    .free = rows_free,
};

DbRows *postgresql_query(Db *base, const DbSql *sql, const DbValue *args, unsigned count,
                         GError **error)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    PGresult *result = NULL;
    DbTuples one = {args, count, 1, NULL};
    if (!run(db, sql, &one, &result, error)) {
        PQclear(result);
        return NULL;
    }
    db->rows = (PostgresqlRows){.base = {.driver = &rows_driver}, .result = result, .row = -1};
    return &db->rows.base;
}
