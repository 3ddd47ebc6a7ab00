/* postgresql_value: values on the wire, in PostgreSQL's binary formats: no digits to print and
 * parse, no quoting of bytes.
 *
 * Integers go as int8, reals as float8, text and bytes as they are. Results may be of a few more
 * types, since SQL makes them out of ours: int4 from a literal, bool from a comparison, numeric
 * from sum().
 *
 * Failures: none from outside; a column read as something that it is not is our own bug.
 * Known weak point: a numeric beyond 64 bits is cut to the nearest int64; sums of our columns
 * cannot get there.
 */
#include "db/postgresql.h"

#include <math.h>

#include "base/must.h"

/* pg_type.dat; stable since long before version 12 */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTES = 17,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_FLOAT4 = 700,
    TYPE_FLOAT8 = 701,
    TYPE_BYTES_ARRAY = 1001,
    TYPE_TEXT_ARRAY = 1009,
    TYPE_INT8_ARRAY = 1016,
    TYPE_NUMERIC = 1700,
};

Oid postgresql_type_of(const DbValue *value)
{
    switch (value->type) {
    case DB_VALUE_NULL:
        return 0;
    case DB_VALUE_INT:
        return TYPE_INT8;
    case DB_VALUE_TEXT:
        return TYPE_TEXT;
    case DB_VALUE_BYTES:
        return TYPE_BYTES;
    case DB_VALUE_REAL:
        return TYPE_FLOAT8;
    }
    must_fail("a known type of value", __FILE__, __LINE__);
}

Oid postgresql_array_type_of(const DbValue *value)
{
    switch (value->type) {
    case DB_VALUE_INT:
        return TYPE_INT8_ARRAY;
    case DB_VALUE_TEXT:
        return TYPE_TEXT_ARRAY;
    case DB_VALUE_BYTES:
        return TYPE_BYTES_ARRAY;
    case DB_VALUE_NULL:
    case DB_VALUE_REAL:
        break;
    }
    must_fail("a value that arrays are made of", __FILE__, __LINE__);
}

void postgresql_encode(const DbValue *args, unsigned count, WireArgs *ret_wire)
{
    MUST(count <= DB_ARGS_MAX);
    ret_wire->count = count;
    for (unsigned i = 0; i < count; i++) {
        const DbValue *value = &args[i];
        uint64_t number = 0;
        ret_wire->formats[i] = 1;
        switch (value->type) {
        case DB_VALUE_NULL:
            ret_wire->data[i] = NULL;
            ret_wire->sizes[i] = 0;
            break;
        case DB_VALUE_TEXT:
        case DB_VALUE_BYTES:
            MUST(value->size <= DB_VALUE_BYTES_MAX);
            ret_wire->data[i] = value->data;
            ret_wire->sizes[i] = (int)value->size;
            break;
        case DB_VALUE_INT:
        case DB_VALUE_REAL:
            if (value->type == DB_VALUE_INT)
                number = (uint64_t)value->integer;
            else
                memcpy(&number, &value->real, sizeof number);
            ret_wire->numbers[i] = GUINT64_TO_BE(number);
            ret_wire->data[i] = (const char *)&ret_wire->numbers[i];
            ret_wire->sizes[i] = sizeof number;
            break;
        }
    }
}

/* Big-endian, signed, of 1 to 8 bytes. */
static int64_t read_int(const char *bytes, int size)
{
    uint64_t value = bytes[0] < 0 ? UINT64_MAX : 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | (uint8_t)bytes[i];
    return (int64_t)value;
}

/* A numeric's parts: digits of base 10000, the first of weight `weight`. See
 * src/backend/utils/adt/numeric.c, numeric_send. */
static double read_numeric(const char *bytes, int size, int64_t *ret_int)
{
    MUST(size >= 8);
    int64_t digits = read_int(bytes, 2), weight = read_int(bytes + 2, 2);
    bool negative = (read_int(bytes + 4, 2) & 0xffff) == 0x4000;
    MUST(size >= 8 + 2 * digits);
    double real = 0;
    int64_t whole = 0;
    for (int64_t i = 0; i < digits || i <= weight; i++) {
        int64_t digit = i < digits ? read_int(bytes + 8 + 2 * i, 2) : 0;
        real += (double)digit * pow(10000, (double)(weight - i));
        if (i <= weight && whole != INT64_MAX &&
            (__builtin_mul_overflow(whole, 10000, &whole) ||
             __builtin_add_overflow(whole, digit, &whole)))
            whole = INT64_MAX;
    }
    *ret_int = negative ? -whole : whole;
    return negative ? -real : real;
}

static void read_number(const PGresult *result, int row, int column, int64_t *ret_int,
                        double *ret_real)
{
    const char *bytes = PQgetvalue(result, row, column);
    int size = PQgetlength(result, row, column);
    union {
        uint64_t bits;
        double real;
    } wide;
    union {
        uint32_t bits;
        float real;
    } narrow;
    switch (PQftype(result, column)) {
    case TYPE_BOOL:
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        *ret_int = read_int(bytes, size);
        *ret_real = (double)*ret_int;
        return;
    case TYPE_NUMERIC:
        *ret_real = read_numeric(bytes, size, ret_int);
        return;
    case TYPE_FLOAT8:
        wide.bits = (uint64_t)read_int(bytes, 8);
        *ret_real = wide.real;
        *ret_int = 0;
        return;
    case TYPE_FLOAT4:
        narrow.bits = (uint32_t)read_int(bytes, 4);
        *ret_real = (double)narrow.real;
        *ret_int = 0;
        return;
    default:
        must_fail("a column that is read as a number is one", __FILE__, __LINE__);
    }
}

int64_t postgresql_decode_int(const PGresult *result, int row, int column)
{
    int64_t integer = 0;
    double real = 0;
    MUST(PQftype(result, column) != TYPE_FLOAT4 && PQftype(result, column) != TYPE_FLOAT8);
    read_number(result, row, column, &integer, &real);
    return integer;
}

double postgresql_decode_real(const PGresult *result, int row, int column)
{
    int64_t integer = 0;
    double real = 0;
    read_number(result, row, column, &integer, &real);
    return real;
}
