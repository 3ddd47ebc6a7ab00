/* toml: the tree that a TOML text becomes, and the reader's small parts.
 *
 * How it fits: toml_parse.c builds the tree, settings read it. Failures: problems are noted here,
 * at most SETTINGS_PROBLEMS_MAX; the last of them says that there are more. Known weak point: a
 * column counts characters, so a combining letter counts as one of its own.
 */
#include "base/toml.h"

#include <stdarg.h>
#include <string.h>

#include "base/limits.h"
#include "base/toml_private.h"

#define FOUND_CHARS_MAX 20 /* of a wrong word that a message shows */

static void problem_free(void *data)
{
    TomlProblem *problem = data;
    g_free(problem->text);
    g_free(problem);
}

GPtrArray *toml_problems_new(void)
{
    return g_ptr_array_new_with_free_func(problem_free);
}

TomlPlace toml_place(TomlReader *reader, const char *at)
{
    if (at < reader->counted) {
        reader->counted = reader->line_start;
        reader->column = 1;
    }
    for (; reader->counted < at; reader->counted++)
        reader->column += ((unsigned char)*reader->counted & 0xc0) != 0x80;
    return (TomlPlace){reader->line, reader->column};
}

bool toml_problem(TomlReader *reader, TomlPlace place, const char *format, ...)
{
    if (reader->problems->len >= SETTINGS_PROBLEMS_MAX)
        return false;
    TomlProblem *problem = g_new0(TomlProblem, 1);
    problem->place = place;
    va_list args;
    va_start(args, format);
    problem->text = reader->problems->len + 1 == SETTINGS_PROBLEMS_MAX
                        ? g_strdup("found more mistakes than are shown; mend the first ones")
                        : g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(reader->problems, problem);
    return false;
}

static bool is_word(unsigned char byte)
{
    return g_ascii_isalnum(byte) || byte >= 0x80 || strchr("_-+.:", byte) != NULL;
}

char *toml_found(const TomlReader *reader, const char *at)
{
    if (at >= reader->end)
        return g_strdup("the end of the file");
    if (*at == '\n' || (*at == '\r' && at + 1 < reader->end && at[1] == '\n'))
        return g_strdup("the end of the line");
    if ((unsigned char)*at < 0x20 || *at == 0x7f)
        return g_strdup_printf("the control byte 0x%02x", (unsigned char)*at);
    const char *to = at;
    unsigned chars = 0;
    while (to < reader->end && chars < FOUND_CHARS_MAX && *to && is_word((unsigned char)*to)) {
        to += g_utf8_skip[(unsigned char)*to];
        chars++;
    }
    if (to == at)
        to += g_utf8_skip[(unsigned char)*at];
    return g_strdup_printf("\"%.*s\"", (int)(to - at), at);
}

void toml_take_newline(TomlReader *reader)
{
    reader->at += toml_newline_size(reader);
    reader->line++;
    reader->line_start = reader->counted = reader->at;
    reader->column = 1;
}

static guint text_hash(gconstpointer data)
{
    const TomlText *text = data;
    guint hash = 5381;
    for (size_t i = 0; i < text->size; i++)
        hash = hash * 33 + (unsigned char)text->data[i];
    return hash;
}

static gboolean text_equal(gconstpointer a, gconstpointer b)
{
    const TomlText *one = a, *other = b;
    return one->size == other->size && memcmp(one->data, other->data, one->size) == 0;
}

static void entry_free(void *data)
{
    TomlEntry *entry = data;
    g_free(entry->name.data);
    toml_free(entry->value);
    g_free(entry);
}

static void value_free(void *data)
{
    toml_free(data);
}

TomlValue *toml_value_new(TomlType type, TomlPlace place)
{
    TomlValue *value = g_new0(TomlValue, 1);
    value->type = type;
    value->place = place;
    if (type == TOML_ARRAY)
        value->items = g_ptr_array_new_with_free_func(value_free);
    if (type == TOML_TABLE) {
        value->table.entries = g_ptr_array_new_with_free_func(entry_free);
        value->table.index = g_hash_table_new(text_hash, text_equal);
    }
    return value;
}

void toml_free(TomlValue *value)
{
    if (!value)
        return;
    if (value->type == TOML_STRING)
        g_free(value->string.data);
    if (value->type == TOML_ARRAY)
        g_ptr_array_unref(value->items);
    if (value->type == TOML_TABLE) {
        g_hash_table_unref(value->table.index);
        g_ptr_array_unref(value->table.entries);
    }
    g_free(value);
}

const TomlEntry *toml_find_text(const TomlValue *table, const TomlText *name)
{
    return g_hash_table_lookup(table->table.index, name);
}

const TomlEntry *toml_find(const TomlValue *table, const char *key)
{
    g_autofree char *copy = g_strdup(key);
    return toml_find_text(table, &(TomlText){copy, strlen(key)});
}

void toml_add(TomlValue *table, TomlText name, TomlPlace place, TomlValue *value)
{
    TomlEntry *entry = g_new0(TomlEntry, 1);
    *entry = (TomlEntry){.name = name, .place = place, .value = value};
    g_ptr_array_add(table->table.entries, entry);
    g_hash_table_insert(table->table.index, &entry->name, entry);
}

const char *toml_type_name(TomlType type)
{
    static const char *const names[] = {
        [TOML_STRING] = "a string",
        [TOML_INTEGER] = "an integer",
        [TOML_FLOAT] = "a number with a point",
        [TOML_BOOLEAN] = "a boolean",
        [TOML_OFFSET_DATE_TIME] = "a date with a time",
        [TOML_LOCAL_DATE_TIME] = "a date with a time",
        [TOML_LOCAL_DATE] = "a date",
        [TOML_LOCAL_TIME] = "a time of day",
        [TOML_ARRAY] = "an array",
        [TOML_TABLE] = "a table",
    };
    return names[type];
}
