/* toml.h: TOML 1.0.0, whole, with the place of every key and value.
 *
 * Reads a text into a tree. It does not stop at the first mistake: it notes it, goes on at the next
 * line that begins a table or a key, and gives back what it could read, so that a check can show
 * all mistakes at once. A caller that wants a correct file looks whether `problems` is empty.
 * Bounded by SETTINGS_BYTES_MAX, SETTINGS_DEPTH_MAX and SETTINGS_PROBLEMS_MAX (base/limits.h).
 *
 * Strings and keys may hold NUL (TOML lets "\u0000" through), so they have a size; they are
 * NUL-terminated too. Lines and columns count from 1, columns in characters. A tree is immutable
 * once parsed and may be read by any thread.
 */
#ifndef ROTA_BASE_TOML_H
#define ROTA_BASE_TOML_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_OFFSET_DATE_TIME,
    TOML_LOCAL_DATE_TIME,
    TOML_LOCAL_DATE,
    TOML_LOCAL_TIME,
    TOML_ARRAY,
    TOML_TABLE,
} TomlType;

typedef struct {
    unsigned line, column;
} TomlPlace;

typedef struct {
    int year, month, day, hour, minute, second, nanosecond;
    int offset_minutes; /* of TOML_OFFSET_DATE_TIME */
} TomlTime;

typedef struct {
    char *data; /* UTF-8, NUL-terminated */
    size_t size;
} TomlText;

typedef struct TomlValue TomlValue;
typedef struct {
    TomlText name;
    TomlPlace place; /* where the key was first written */
    TomlValue *value;
} TomlEntry;

struct TomlValue {
    TomlType type;
    TomlPlace place;
    union {
        TomlText string;
        int64_t integer;
        double real;
        bool boolean;
        TomlTime time;
        GPtrArray *items; /* TOML_ARRAY: of TomlValue */
        struct {
            GPtrArray *entries; /* TOML_TABLE: of TomlEntry, in the order of the file */
            GHashTable *index;
        } table;
    };
    unsigned made; /* how it was written: toml_parse.c's own */
};

typedef struct {
    TomlPlace place;
    char *text; /* "found …; write …" */
} TomlProblem;
/* An empty list of TomlProblem; freed with g_ptr_array_unref. */
GPtrArray *toml_problems_new(void);

/* Parses `size` bytes; always gives a table, owned by the caller. Mistakes are added to `problems`,
 * at most SETTINGS_PROBLEMS_MAX in all. */
TomlValue *toml_parse(const char *text, size_t size, GPtrArray *problems);
void toml_free(TomlValue *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TomlValue, toml_free)

/* The entry of a table by its key; NULL if there is none. */
const TomlEntry *toml_find(const TomlValue *table, const char *key);
/* What people call a type: "a string", "an integer", "a table". */
const char *toml_type_name(TomlType type);

#endif
