/* protobuf: the wire format of Protocol Buffers.
 *
 * How it fits: content/otlp.c and content/remote_write.c are written with it; why not with a
 * library is docs/decisions/0021-metrics-push.md. Failures: of reading, what is cut off or longer
 * than a number can be. Known weak point: a nested message is moved by its length's bytes when it
 * ends, so deep ones cost their size once a level.
 */
#include "content/protobuf.h"

#include <string.h>

#include "base/must.h"

enum { VARINT = 0, EIGHT = 1, BYTES = 2, FOUR = 5 };
#define VARINT_BYTES_MAX 10
#define NUMBER_MAX       ((1u << 29) - 1)

static unsigned format_varint(uint8_t room[VARINT_BYTES_MAX], uint64_t value)
{
    unsigned size = 0;
    while (value > 0x7f) {
        room[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    room[size++] = (uint8_t)value;
    return size;
}

static void append_varint(GString *out, uint64_t value)
{
    uint8_t room[VARINT_BYTES_MAX];
    unsigned size = format_varint(room, value);
    g_string_append_len(out, (const char *)room, size);
}

static void append_key(GString *out, unsigned field, unsigned type)
{
    MUST(field >= 1 && field <= NUMBER_MAX);
    append_varint(out, (uint64_t)field << 3 | type);
}

void protobuf_append_fixed64(GString *out, uint64_t value)
{
    uint64_t little = GUINT64_TO_LE(value);
    g_string_append_len(out, (const char *)&little, sizeof little);
}

void protobuf_append_double(GString *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    protobuf_append_fixed64(out, bits);
}

void protobuf_put_int(GString *out, unsigned field, uint64_t value)
{
    append_key(out, field, VARINT);
    append_varint(out, value);
}

void protobuf_put_fixed64(GString *out, unsigned field, uint64_t value)
{
    append_key(out, field, EIGHT);
    protobuf_append_fixed64(out, value);
}

void protobuf_put_double(GString *out, unsigned field, double value)
{
    append_key(out, field, EIGHT);
    protobuf_append_double(out, value);
}

static void put_bytes(GString *out, unsigned field, const void *bytes, size_t size)
{
    append_key(out, field, BYTES);
    append_varint(out, size);
    g_string_append_len(out, bytes, (gssize)size);
}

void protobuf_put_text(GString *out, unsigned field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

size_t protobuf_begin(GString *out, unsigned field)
{
    append_key(out, field, BYTES);
    return out->len;
}

void protobuf_end(GString *out, size_t begin)
{
    uint8_t room[VARINT_BYTES_MAX];
    MUST(begin <= out->len);
    unsigned size = format_varint(room, out->len - begin);
    g_string_insert_len(out, (gssize)begin, (const char *)room, size);
}

/* ---------------------------------------------------------------- reading */

static bool take_varint(ProtobufReader *reader, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && i < reader->left; i++) {
        uint8_t byte = reader->next[i];
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            return false; /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte <= 0x7f) {
            reader->next += i + 1;
            reader->left -= i + 1;
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(ProtobufReader *reader, uint64_t size, const uint8_t **ret)
{
    if (size > reader->left)
        return false;
    *ret = reader->next;
    reader->next += size;
    reader->left -= (size_t)size;
    return true;
}

static bool take_number(ProtobufReader *reader, unsigned size, uint64_t *ret)
{
    const uint8_t *bytes;
    if (!take_bytes(reader, size, &bytes))
        return false;
    *ret = 0;
    for (unsigned i = 0; i < size; i++)
        *ret |= (uint64_t)bytes[i] << (8 * i);
    return true;
}

int protobuf_next(ProtobufReader *reader, ProtobufField *ret)
{
    uint64_t key, size;
    if (reader->left == 0)
        return 0;
    if (!take_varint(reader, &key) || key >> 3 == 0 || key >> 3 > NUMBER_MAX)
        return -1;
    *ret = (ProtobufField){.number = (unsigned)(key >> 3), .type = (unsigned)(key & 7)};
    switch (ret->type) {
    case VARINT:
        return take_varint(reader, &ret->value) ? 1 : -1;
    case EIGHT:
        return take_number(reader, 8, &ret->value) ? 1 : -1;
    case FOUR:
        return take_number(reader, 4, &ret->value) ? 1 : -1;
    case BYTES:
        if (!take_varint(reader, &size) || !take_bytes(reader, size, &ret->data))
            return -1;
        ret->size = (size_t)size;
        return 1;
    default:
        return -1;
    }
}
