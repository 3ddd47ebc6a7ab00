/* toml_private.h: what the three files of the TOML reader share. Nobody else includes it.
 *
 * toml.c holds the tree, toml_scalar.c reads strings, numbers and times, toml_parse.c reads keys,
 * tables, arrays and the file as a whole. A reading function leaves `at` behind what it read; on a
 * mistake it notes a problem and returns false or NULL.
 */
#ifndef ROTA_BASE_TOML_PRIVATE_H
#define ROTA_BASE_TOML_PRIVATE_H

#include "base/toml.h"

typedef struct {
    const char *at, *end;
    const char *line_start;
    unsigned line;
    const char
        *counted; /* columns are counted from here on, so that a long line costs its length once */
    unsigned column; /* of `counted` */
    unsigned depth;
    GPtrArray *problems;
} TomlReader;

/* The place of a byte of the current line. */
TomlPlace toml_place(TomlReader *reader, const char *at);
/* Notes a problem; always false. */
bool toml_problem(TomlReader *reader, TomlPlace place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What stands at `at`, for a message: "the end of the file", "the end of the line", "\"x\"". The
 * caller frees it. */
char *toml_found(const TomlReader *reader, const char *at);

/* The byte `ahead` of `at`, or 0 past the end. */
static inline char toml_peek(const TomlReader *reader, size_t ahead)
{
    return (size_t)(reader->end - reader->at) > ahead ? reader->at[ahead] : '\0';
}
/* Length of the newline at `at`: 0 none, 1 LF, 2 CRLF. */
static inline unsigned toml_newline_size(const TomlReader *reader)
{
    if (toml_peek(reader, 0) == '\n')
        return 1;
    return toml_peek(reader, 0) == '\r' && toml_peek(reader, 1) == '\n' ? 2 : 0;
}
/* Steps over the newline at `at`. */
void toml_take_newline(TomlReader *reader);

/* A string of any of the four kinds, at its first quote. `multi_line` false: """ and ''' are
 * refused (keys). */
bool toml_read_string(TomlReader *reader, bool multi_line, TomlText *ret_text);
/* A boolean, number, date or time. */
TomlValue *toml_read_scalar(TomlReader *reader);

TomlValue *toml_value_new(TomlType type, TomlPlace place);
const TomlEntry *toml_find_text(const TomlValue *table, const TomlText *name);
/* Takes name and value. The key is not there yet. */
void toml_add(TomlValue *table, TomlText name, TomlPlace place, TomlValue *value);

#endif
