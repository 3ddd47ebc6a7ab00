/* postgresql_set: one statement for many tuples (set.h), whose values go as arrays.
 *
 * An array's binary form is a head (dimensions, "has NULLs", element type, length, lower bound) and
 * then each value's size and bytes, all numbers big-endian; see array_recv in PostgreSQL's
 * src/backend/utils/adt/arrayfuncs.c.
 *
 * Failures: the server's, by SQLSTATE; a lost connection. Known weak point: the arrays are held as
 * a whole, so callers bound their tuples (DB_ROWS_FETCH_MAX).
 */
#include "db/postgresql.h"

#include "base/must.h"

static void put_int(GByteArray *bytes, uint32_t value)
{
    uint32_t big = GUINT32_TO_BE(value);
    g_byte_array_append(bytes, (const guint8 *)&big, sizeof big);
}

/* The values of one column as an array. */
static GByteArray *encode_column(const DbTuples *tuples, unsigned column)
{
    GByteArray *bytes = g_byte_array_sized_new(20 + tuples->rows * 16);
    DbValue first = tuples->args[column];
    put_int(bytes, 1); /* dimensions */
    put_int(bytes, 0); /* no NULLs */
    put_int(bytes, postgresql_type_of(&first));
    put_int(bytes, tuples->rows);
    put_int(bytes, 1); /* lower bound */
    for (unsigned i = 0; i < tuples->rows; i++) {
        const DbValue *value = &tuples->args[(size_t)i * tuples->width + column];
        MUST(value->type == first.type);
        if (value->type == DB_VALUE_INT) {
            uint64_t big = GUINT64_TO_BE((uint64_t)value->integer);
            put_int(bytes, sizeof big);
            g_byte_array_append(bytes, (const guint8 *)&big, sizeof big);
        } else {
            MUST(value->size <= DB_VALUE_BYTES_MAX);
            put_int(bytes, (uint32_t)value->size);
            g_byte_array_append(bytes, value->data, (guint)value->size);
        }
    }
    return bytes;
}

/* The result's rows are the numbers of the tuples that changed one. */
static void count_changed(const PGresult *result, const DbTuples *tuples)
{
    for (unsigned i = 0; i < tuples->rows; i++)
        tuples->ret_changed[i] = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        int64_t number = postgresql_decode_int(result, row, 0);
        MUST(number >= 1 && number <= tuples->rows);
        tuples->ret_changed[number - 1]++;
    }
}

static bool run_set(PostgresqlDb *db, const DbSql *sql, const DbTuples *tuples,
                    PGresult **ret_result, GError **error)
{
    MUST(tuples->width <= DB_ARGS_MAX && tuples->rows <= DB_ROWS_FETCH_MAX);
    WireArgs wire = {.count = tuples->width};
    Oid types[DB_ARGS_MAX];
    g_autoptr(GPtrArray) columns =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    for (unsigned column = 0; column < tuples->width; column++) {
        GByteArray *bytes = encode_column(tuples, column);
        g_ptr_array_add(columns, bytes);
        types[column] = postgresql_array_type_of(&tuples->args[column]);
        wire.data[column] = (const char *)bytes->data;
        wire.sizes[column] = (int)bytes->len;
        wire.formats[column] = 1;
    }
    return postgresql_run_wire(db, sql, types, &wire, ret_result, error);
}

bool postgresql_exec_set(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    PGresult *result = NULL;
    if (!run_set((PostgresqlDb *)db, sql, tuples, &result, error))
        return false;
    if (tuples->ret_changed)
        count_changed(result, tuples);
    PQclear(result);
    return true;
}

bool postgresql_exec_set_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    return run_set((PostgresqlDb *)db, sql, tuples, NULL, error);
}
