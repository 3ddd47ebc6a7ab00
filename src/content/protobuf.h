/* protobuf.h: the wire format of Protocol Buffers: fields put after each other, and read again.
 *
 * No schema and no messages: who writes a message knows its fields' numbers. A message is a string
 * of fields, so two messages put after each other are one in which single fields are the last and
 * repeated ones are all there; remote_write.h and otlp.h rely on that.
 *
 * Pure; any thread.
 */
#ifndef ROTA_CONTENT_PROTOBUF_H
#define ROTA_CONTENT_PROTOBUF_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A varint: int32, int64, uint64, bool, enum. 0 is written too. */
void protobuf_put_int(GString *out, unsigned field, uint64_t value);
void protobuf_put_fixed64(GString *out, unsigned field, uint64_t value);
void protobuf_put_double(GString *out, unsigned field, double value);
void protobuf_put_text(GString *out, unsigned field, const char *text);
/* A message in a message: what is put between begin and end is in it. `begin` gives the place that
 * `end` wants. */
size_t protobuf_begin(GString *out, unsigned field);
void protobuf_end(GString *out, size_t begin);
/* Without a field's number, for packed fields between begin and end. */
void protobuf_append_fixed64(GString *out, uint64_t value);
void protobuf_append_double(GString *out, double value);

typedef struct {
    unsigned number;
    unsigned type;       /* of the wire: 0 varint, 1 eight bytes, 2 a string of bytes, 5 four */
    uint64_t value;      /* of 0, 1, 5 */
    const uint8_t *data; /* of 2; borrowed */
    size_t size;
} ProtobufField;
typedef struct {
    const uint8_t *next;
    size_t left;
} ProtobufReader;
/* 1 a field, 0 the end, -1: these bytes are no message. Groups are none. */
int protobuf_next(ProtobufReader *reader, ProtobufField *ret);

#endif
