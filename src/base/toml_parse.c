/* toml_parse: keys, tables, arrays and the file as a whole, by TOML 1.0.0.
 *
 * How it fits: the only caller of toml_scalar.c; toml_parse is what others call. What may be
 * written twice and what may not depends on how a table was made (enum Made): a header opens a
 * table once, dotted keys may go on in tables that dotted keys made, an inline table or array is
 * closed at its end. Failures: after a mistake the reader goes on at the next line that looks like
 * a header or a key, so one mistake is told once; a header that is wrong has its keys read into a
 * table of its own, which is thrown away. Known weak point: a mistake inside an array or string of
 * many lines may be followed by a needless second message when one of those lines looks like a key.
 */
#include <string.h>

#include "base/limits.h"
#include "base/toml_private.h"

typedef enum {
    MADE_VALUE,
    MADE_IMPLICIT,
    MADE_HEADER,
    MADE_DOTTED,
    MADE_INLINE,
    MADE_ARRAY_OF_TABLES
} Made;

typedef struct {
    TomlText name;
    TomlPlace place;
} KeyPart;

static TomlValue *read_value(TomlReader *reader);

static void part_clear(void *data)
{
    g_free(((KeyPart *)data)->name.data);
}

static GArray *parts_new(void)
{
    GArray *parts = g_array_new(FALSE, TRUE, sizeof(KeyPart));
    g_array_set_clear_func(parts, part_clear);
    return parts;
}

static TomlValue *table_new(TomlPlace place, Made made)
{
    TomlValue *table = toml_value_new(TOML_TABLE, place);
    table->made = made;
    return table;
}

static void skip_blank(TomlReader *reader)
{
    while (toml_peek(reader, 0) == ' ' || toml_peek(reader, 0) == '\t')
        reader->at++;
}

static bool skip_comment(TomlReader *reader)
{
    if (toml_peek(reader, 0) != '#')
        return true;
    for (; reader->at < reader->end && !toml_newline_size(reader); reader->at++) {
        unsigned char byte = (unsigned char)*reader->at;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return toml_problem(reader, toml_place(reader, reader->at),
                                "found the control byte 0x%02x in a comment; remove it", byte);
    }
    return true;
}

/* White space, newlines and comments, as between the items of an array. */
static bool skip_space(TomlReader *reader)
{
    for (;;) {
        skip_blank(reader);
        if (!skip_comment(reader))
            return false;
        if (!toml_newline_size(reader))
            return true;
        toml_take_newline(reader);
    }
}

static bool is_bare(char byte)
{
    return g_ascii_isalnum(byte) || byte == '_' || byte == '-';
}

static bool read_key_part(TomlReader *reader, KeyPart *part)
{
    part->place = toml_place(reader, reader->at);
    char first = toml_peek(reader, 0);
    if (first == '"' || first == '\'')
        return toml_read_string(reader, false, &part->name);
    const char *start = reader->at;
    while (is_bare(toml_peek(reader, 0)))
        reader->at++;
    if (reader->at == start) {
        g_autofree char *found = toml_found(reader, start);
        return toml_problem(reader, part->place,
                            "found %s where a name must stand; write letters, digits, - and _, or "
                            "put it between quotes",
                            found);
    }
    part->name =
        (TomlText){g_strndup(start, (size_t)(reader->at - start)), (size_t)(reader->at - start)};
    return true;
}

/* a.b."c d"; the white space after it is skipped. */
static bool read_key(TomlReader *reader, GArray *parts)
{
    for (;;) {
        KeyPart part = {0};
        skip_blank(reader);
        if (!read_key_part(reader, &part))
            return false;
        g_array_append_val(parts, part);
        if (reader->depth + parts->len > SETTINGS_DEPTH_MAX)
            return toml_problem(reader, part.place,
                                "found tables in tables deeper than %d; write them flatter",
                                SETTINGS_DEPTH_MAX);
        skip_blank(reader);
        if (toml_peek(reader, 0) != '.')
            return true;
        reader->at++;
    }
}

/* The next table on the way of a header or a dotted key; made where it is not there. NULL: it may
 * not be entered from here. */
static TomlValue *step_into(TomlReader *reader, TomlValue *table, KeyPart *part, Made made)
{
    const TomlEntry *entry = toml_find_text(table, &part->name);
    if (!entry) {
        TomlValue *made_now = table_new(part->place, made);
        toml_add(table, part->name, part->place, made_now);
        part->name = (TomlText){0};
        return made_now;
    }
    TomlValue *value = entry->value;
    if (made == MADE_IMPLICIT && value->type == TOML_ARRAY && value->made == MADE_ARRAY_OF_TABLES)
        return g_ptr_array_index(value->items, value->items->len - 1);
    bool open = value->type == TOML_TABLE &&
                (made == MADE_IMPLICIT ? value->made != MADE_INLINE : value->made == MADE_DOTTED);
    if (open)
        return value;
    if (value->type == TOML_TABLE)
        toml_problem(
            reader, part->place,
            "found more keys for \"%s\", a table that was written at line %u; write them there",
            part->name.data, entry->place.line);
    else
        toml_problem(reader, part->place,
                     "found \"%s\" used as a table, but line %u sets it to %s; remove one of them",
                     part->name.data, entry->place.line, toml_type_name(value->type));
    return NULL;
}

static bool set_value(TomlReader *reader, TomlValue *table, GArray *parts, TomlValue *take)
{
    g_autoptr(TomlValue) value = take;
    for (unsigned i = 0; i + 1 < parts->len; i++) {
        table = step_into(reader, table, &g_array_index(parts, KeyPart, i), MADE_DOTTED);
        if (!table)
            return false;
    }
    KeyPart *last = &g_array_index(parts, KeyPart, parts->len - 1);
    const TomlEntry *entry = toml_find_text(table, &last->name);
    if (entry)
        return toml_problem(reader, last->place,
                            "found \"%s\" again, which line %u has set already; remove one of them",
                            last->name.data, entry->place.line);
    toml_add(table, last->name, last->place, g_steal_pointer(&value));
    last->name = (TomlText){0};
    return true;
}

/* key = value, into `table`. */
static bool read_pair(TomlReader *reader, TomlValue *table)
{
    g_autoptr(GArray) parts = parts_new();
    if (!read_key(reader, parts))
        return false;
    if (toml_peek(reader, 0) != '=') {
        g_autofree char *found = toml_found(reader, reader->at);
        const KeyPart *first = &g_array_index(parts, KeyPart, 0);
        return toml_problem(reader, toml_place(reader, reader->at),
                            "found %s after the name \"%s\"; write: %s = VALUE", found,
                            first->name.data, first->name.data);
    }
    reader->at++;
    skip_blank(reader);
    reader->depth += parts->len;
    TomlValue *value = read_value(reader);
    reader->depth -= parts->len;
    return value && set_value(reader, table, parts, value);
}

static TomlValue *read_array(TomlReader *reader)
{
    g_autoptr(TomlValue) array = toml_value_new(TOML_ARRAY, toml_place(reader, reader->at));
    reader->at++;
    for (;;) {
        if (!skip_space(reader))
            return NULL;
        if (toml_peek(reader, 0) == ']')
            break;
        if (reader->at == reader->end) {
            toml_problem(reader, array->place,
                         "found an array without an end; write ] after its last item");
            return NULL;
        }
        TomlValue *item = read_value(reader);
        if (!item)
            return NULL;
        g_ptr_array_add(array->items, item);
        if (!skip_space(reader))
            return NULL;
        if (toml_peek(reader, 0) == ']')
            break;
        if (toml_peek(reader, 0) != ',') {
            g_autofree char *found = toml_found(reader, reader->at);
            toml_problem(reader, toml_place(reader, reader->at),
                         "found %s in an array; write a comma between items and ] after the last",
                         found);
            return NULL;
        }
        reader->at++;
    }
    reader->at++;
    return g_steal_pointer(&array);
}

static TomlValue *read_inline_table(TomlReader *reader)
{
    g_autoptr(TomlValue) table = table_new(toml_place(reader, reader->at), MADE_INLINE);
    reader->at++;
    skip_blank(reader);
    if (toml_peek(reader, 0) == '}') {
        reader->at++;
        return g_steal_pointer(&table);
    }
    for (;;) {
        skip_blank(reader);
        if (!read_pair(reader, table))
            return NULL;
        skip_blank(reader);
        if (toml_peek(reader, 0) == '}')
            break;
        if (toml_peek(reader, 0) != ',') {
            g_autofree char *found = toml_found(reader, reader->at);
            toml_problem(reader, toml_place(reader, reader->at),
                         "found %s in a table between braces; write it on one line, a comma "
                         "between its settings, } after the last",
                         found);
            return NULL;
        }
        reader->at++;
    }
    reader->at++;
    return g_steal_pointer(&table);
}

static TomlValue *read_value(TomlReader *reader)
{
    TomlPlace place = toml_place(reader, reader->at);
    char first = toml_peek(reader, 0);
    if (first == '"' || first == '\'') {
        TomlText text;
        if (!toml_read_string(reader, true, &text))
            return NULL;
        TomlValue *value = toml_value_new(TOML_STRING, place);
        value->string = text;
        return value;
    }
    if (first != '[' && first != '{')
        return toml_read_scalar(reader);
    if (reader->depth >= SETTINGS_DEPTH_MAX) {
        toml_problem(reader, place,
                     "found arrays or tables in each other deeper than %d; write them flatter",
                     SETTINGS_DEPTH_MAX);
        return NULL;
    }
    reader->depth++;
    TomlValue *value = first == '[' ? read_array(reader) : read_inline_table(reader);
    reader->depth--;
    return value;
}

/* Opens the table that [a.b] or [[a.b]] names. */
static TomlValue *open_table(TomlReader *reader, TomlValue *root, GArray *parts, bool array)
{
    TomlValue *table = root;
    for (unsigned i = 0; table && i + 1 < parts->len; i++)
        table = step_into(reader, table, &g_array_index(parts, KeyPart, i), MADE_IMPLICIT);
    if (!table)
        return NULL;
    KeyPart *last = &g_array_index(parts, KeyPart, parts->len - 1);
    const TomlEntry *entry = toml_find_text(table, &last->name);
    TomlValue *opened = table_new(last->place, MADE_HEADER);
    if (!entry) {
        TomlValue *value = opened;
        if (array) {
            value = toml_value_new(TOML_ARRAY, last->place);
            value->made = MADE_ARRAY_OF_TABLES;
            g_ptr_array_add(value->items, opened);
        }
        toml_add(table, last->name, last->place, value);
        last->name = (TomlText){0};
        return opened;
    }
    TomlValue *value = entry->value;
    if (array && value->type == TOML_ARRAY && value->made == MADE_ARRAY_OF_TABLES) {
        g_ptr_array_add(value->items, opened);
        return opened;
    }
    toml_free(opened);
    if (!array && value->type == TOML_TABLE && value->made == MADE_IMPLICIT) {
        value->made = MADE_HEADER;
        return value;
    }
    if (!array && value->type == TOML_TABLE)
        toml_problem(
            reader, last->place,
            "found the table \"%s\" again, which line %u has begun; write its settings there",
            last->name.data, entry->place.line);
    else
        toml_problem(reader, last->place,
                     "found \"%s\" opened as %s, but line %u makes it %s; remove one of them",
                     last->name.data, array ? "a list of tables" : "a table", entry->place.line,
                     toml_type_name(value->type));
    return NULL;
}

static TomlValue *read_header(TomlReader *reader, TomlValue *root)
{
    bool array = toml_peek(reader, 1) == '[';
    reader->at += array ? 2 : 1;
    reader->depth = 0;
    g_autoptr(GArray) parts = parts_new();
    if (!read_key(reader, parts))
        return NULL;
    if (toml_peek(reader, 0) != ']' || (array && toml_peek(reader, 1) != ']')) {
        g_autofree char *found = toml_found(reader, reader->at);
        toml_problem(reader, toml_place(reader, reader->at),
                     "found %s in a table's header; write %s after its name", found,
                     array ? "]]" : "]");
        return NULL;
    }
    reader->at += array ? 2 : 1;
    reader->depth = parts->len;
    return open_table(reader, root, parts, array);
}

/* Nothing but a comment may follow on the line. */
static bool read_line_end(TomlReader *reader)
{
    skip_blank(reader);
    if (!skip_comment(reader))
        return false;
    if (reader->at == reader->end)
        return true;
    if (toml_newline_size(reader)) {
        toml_take_newline(reader);
        return true;
    }
    g_autofree char *found = toml_found(reader, reader->at);
    return toml_problem(reader, toml_place(reader, reader->at),
                        "found %s after the value; write each setting on a line of its own", found);
}

/* Whether the line at `at` begins like a header or a key. */
static bool looks_like_start(const TomlReader *reader)
{
    const char *at = reader->at, *end = memchr(at, '\n', (size_t)(reader->end - at));
    end = end ? end : reader->end;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at == end)
        return false;
    if (*at == '[') {
        at += at + 1 < end && at[1] == '[' ? 2 : 1;
        return at < end && (g_ascii_isalpha(*at) || *at == '"') &&
               !memchr(at, ',', (size_t)(end - at));
    }
    if (!is_bare(*at))
        return false;
    while (at < end && (is_bare(*at) || strchr(" \t.\"'", *at)))
        at++;
    return at < end && *at == '=';
}

static void recover(TomlReader *reader)
{
    for (;;) {
        const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
        if (!newline) {
            reader->at = reader->end;
            return;
        }
        reader->at = newline;
        toml_take_newline(reader);
        if (looks_like_start(reader))
            return;
    }
}

static void read_lines(TomlReader *reader, TomlValue *root)
{
    g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func((GDestroyNotify)toml_free);
    TomlValue *table = root;
    while (reader->at < reader->end && reader->problems->len < SETTINGS_PROBLEMS_MAX) {
        skip_blank(reader);
        bool good = true;
        char first = toml_peek(reader, 0);
        if (first == '[') {
            table = read_header(reader, root);
            good = table != NULL;
            if (!good) {
                table = table_new((TomlPlace){0}, MADE_HEADER);
                g_ptr_array_add(lost, table);
            }
        } else if (first != '#' && !toml_newline_size(reader) && reader->at < reader->end) {
            good = read_pair(reader, table);
        }
        if (!good || !read_line_end(reader))
            recover(reader);
    }
}

/* The place of the first byte that is not UTF-8 (or a NUL). */
static void refuse_bytes(TomlReader *reader, const char *bad)
{
    for (const char *newline; (newline = memchr(reader->at, '\n', (size_t)(bad - reader->at)));) {
        reader->at = newline;
        toml_take_newline(reader);
    }
    toml_problem(reader, toml_place(reader, bad),
                 "found the byte 0x%02x, which is not UTF-8 text; save the file as UTF-8",
                 (unsigned char)*bad);
}

TomlValue *toml_parse(const char *text, size_t size, GPtrArray *problems)
{
    TomlReader reader = {
        .at = text,
        .end = text + size,
        .line_start = text,
        .line = 1,
        .counted = text,
        .column = 1,
        .problems = problems,
    };
    TomlValue *root = table_new((TomlPlace){1, 1}, MADE_HEADER);
    const char *bad;
    if (size > SETTINGS_BYTES_MAX) {
        toml_problem(&reader, root->place, "found a file of %zu bytes; write at most %d", size,
                     SETTINGS_BYTES_MAX);
    } else if (size > 0 && !g_utf8_validate_len(text, size, &bad)) {
        refuse_bytes(&reader, bad);
    } else {
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) ==
                             0) /* a byte order mark is no character of the first line */
            reader.at = reader.line_start = reader.counted = text + 3;
        read_lines(&reader, root);
    }
    return root;
}
