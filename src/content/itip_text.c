/* itip_text: an iCalendar object as a tree of content lines (RFC 5545 section 3.1).
 *
 * How it fits: itip*.c change a calendar's object or make a message of it with these; the facts
 * (times, people, rules) come from icalendar.c. libical is not used for writing: it drops values
 * that it cannot read and writes the rest in its own way, and a person's object is theirs.
 *
 * Failures: none; what is no line is kept as one. Lines that we make are folded at 75 bytes, never
 * within a character.
 */
#include "content/itip_text.h"

#include <string.h>

#include "base/limits_calendar.h"
#include "content/icalendar.h"

#define FOLD_BYTES 75

static void line_free(gpointer data)
{
    ItipLine *line = data;
    g_free(line->name);
    g_free(line->content);
    g_free(line->folded);
    g_free(line);
}

ItipPart *itip_part_new(const char *name)
{
    ItipPart *part = g_new0(ItipPart, 1);
    part->name = g_ascii_strup(name, -1);
    part->lines = g_ptr_array_new_with_free_func(line_free);
    part->parts = g_ptr_array_new_with_free_func((GDestroyNotify)itip_part_free);
    return part;
}

void itip_part_free(ItipPart *part)
{
    if (!part)
        return;
    g_free(part->name);
    g_ptr_array_unref(part->lines);
    g_ptr_array_unref(part->parts);
    g_free(part);
}

static ItipLine *line_new(const char *content)
{
    ItipLine *line = g_new0(ItipLine, 1);
    line->content = g_strndup(content, strcspn(content, "\r\n"));
    g_autofree char *name = g_strndup(content, strcspn(content, ";:\r\n"));
    line->name = g_ascii_strup(name, -1);
    return line;
}

void itip_line_add_copy(ItipPart *part, const ItipLine *line)
{
    ItipLine *copy = g_new0(ItipLine, 1);
    copy->name = g_strdup(line->name);
    copy->content = g_strdup(line->content);
    copy->folded = g_strdup(line->folded);
    g_ptr_array_add(part->lines, copy);
}

ItipPart *itip_part_copy(const ItipPart *part)
{
    ItipPart *copy = itip_part_new(part->name);
    for (guint i = 0; i < part->lines->len; i++)
        itip_line_add_copy(copy, part->lines->pdata[i]);
    for (guint i = 0; i < part->parts->len; i++)
        g_ptr_array_add(copy->parts, itip_part_copy(part->parts->pdata[i]));
    return copy;
}

/* ---- reading */

/* One line with what is folded to it; returns where the next begins. */
static const char *read_line(const char *at, const char *end, GString *ret_content)
{
    g_string_truncate(ret_content, 0);
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = stop ? stop : end;
        const char *text_end = line_end > at && line_end[-1] == '\r' ? line_end - 1 : line_end;
        bool folded = ret_content->len && (*at == ' ' || *at == '\t');
        g_string_append_len(ret_content, at + folded, text_end - at - folded);
        at = stop ? stop + 1 : end;
        if (at == end || (*at != ' ' && *at != '\t') || !ret_content->len)
            break;
    }
    return at;
}

static bool is_bound(const char *content, const char *word)
{
    return g_ascii_strncasecmp(content, word, strlen(word)) == 0;
}

static char *bound_name(const char *content)
{
    return g_strstrip(g_strdup(strchr(content, ':') + 1));
}

/* A line into its component; false: it was no line. */
static void add_read(ItipPart *part, const GString *content, const char *at, const char *next)
{
    if (!content->len)
        return;
    ItipLine *line = line_new(content->str);
    line->folded = g_strndup(at, (gsize)(next - at));
    if (next[-1] != '\n') {
        char *ended = g_strconcat(line->folded, "\r\n", NULL);
        g_free(line->folded);
        line->folded = ended;
    }
    g_ptr_array_add(part->lines, line);
}

ItipPart *itip_part_parse(const char *bytes, size_t size)
{
    const char *at = bytes, *end = bytes + size;
    ItipPart *stack[ICALENDAR_DEPTH_MAX + 1];
    unsigned depth = 0;
    g_autoptr(GString) content = g_string_new(NULL);
    g_autoptr(ItipPart) root = NULL;
    while (at < end) {
        const char *next = read_line(at, end, content);
        if (is_bound(content->str, "BEGIN:") && depth <= ICALENDAR_DEPTH_MAX) {
            g_autofree char *name = bound_name(content->str);
            bool calendar = g_ascii_strcasecmp(name, "VCALENDAR") == 0;
            if (depth == 0 && (root || !calendar)) {
                at = next;
                continue;
            }
            ItipPart *part = itip_part_new(name);
            if (depth > 0)
                g_ptr_array_add(stack[depth - 1]->parts, part);
            else
                root = part;
            stack[depth++] = part;
        } else if (is_bound(content->str, "END:")) {
            depth -= depth > 0;
        } else if (depth > 0) {
            add_read(stack[depth - 1], content, at, next);
        }
        at = next;
    }
    return g_steal_pointer(&root);
}

/* ---- writing */

static void format_folded(const char *content, GString *out)
{
    const char *at = content;
    unsigned room = FOLD_BYTES;
    while (strlen(at) > room) {
        const char *cut = at + room;
        while (cut > at + 1 && (*cut & 0xC0) == 0x80)
            cut--;
        g_string_append_len(out, at, cut - at);
        g_string_append(out, "\r\n ");
        at = cut;
        room = FOLD_BYTES - 1;
    }
    g_string_append(out, at);
    g_string_append(out, "\r\n");
}

static void format_part(const ItipPart *part, GString *out)
{
    g_string_append_printf(out, "BEGIN:%s\r\n", part->name);
    for (guint i = 0; i < part->lines->len; i++) {
        const ItipLine *line = part->lines->pdata[i];
        if (line->folded)
            g_string_append(out, line->folded);
        else
            format_folded(line->content, out);
    }
    for (guint i = 0; i < part->parts->len; i++)
        format_part(part->parts->pdata[i], out); /* at most ICALENDAR_DEPTH_MAX deep */
    g_string_append_printf(out, "END:%s\r\n", part->name);
}

GBytes *itip_part_format(const ItipPart *part)
{
    GString *out = g_string_new(NULL);
    format_part(part, out);
    return g_string_free_to_bytes(out);
}

/* ---- lines */

ItipLine *itip_line_find(const ItipPart *part, const char *name)
{
    for (guint i = 0; i < part->lines->len; i++) {
        ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, name) == 0)
            return line;
    }
    return NULL;
}

void itip_line_add(ItipPart *part, const char *content)
{
    g_ptr_array_add(part->lines, line_new(content));
}

void itip_lines_remove(ItipPart *part, const char *name)
{
    for (guint i = part->lines->len; i-- > 0;) {
        const ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, name) == 0)
            g_ptr_array_remove_index(part->lines, i);
    }
}

void itip_line_set(ItipPart *part, const char *name, const char *value)
{
    itip_lines_remove(part, name);
    if (!value)
        return;
    g_autofree char *content = g_strdup_printf("%s:%s", name, value);
    itip_line_add(part, content);
}

/* The first of `stops` outside quotes. */
static const char *find_outside(const char *at, const char *stops)
{
    bool quoted = false;
    for (; *at; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (!quoted && strchr(stops, *at))
            return at;
    }
    return at;
}

const char *itip_line_value(const ItipLine *line)
{
    const char *colon = find_outside(line->content, ":");
    return *colon ? colon + 1 : colon;
}

/* Where ";NAME=value" stands; NULL. */
static const char *find_parameter(const ItipLine *line, const char *name, const char **ret_end)
{
    size_t size = strlen(name);
    const char *at = find_outside(line->content, ";:");
    while (*at == ';') {
        const char *end = find_outside(at + 1, ";:");
        if (g_ascii_strncasecmp(at + 1, name, size) == 0 && at[1 + size] == '=') {
            *ret_end = end;
            return at;
        }
        at = end;
    }
    return NULL;
}

char *itip_line_parameter(const ItipLine *line, const char *name)
{
    const char *end, *at = find_parameter(line, name, &end);
    if (!at)
        return NULL;
    const char *value = at + 1 + strlen(name) + 1;
    size_t size = (size_t)(end - value);
    if (size >= 2 && value[0] == '"' && value[size - 1] == '"')
        return g_strndup(value + 1, size - 2);
    return g_strndup(value, size);
}

void itip_line_set_parameter(ItipLine *line, const char *name, const char *value)
{
    const char *end, *at = find_parameter(line, name, &end);
    GString *content = g_string_new(NULL);
    if (!at)
        at = end = find_outside(line->content, ":");
    g_string_append_len(content, line->content, at - line->content);
    if (value) {
        bool quote = strpbrk(value, ":;,") != NULL;
        g_autofree char *safe = g_strdelimit(g_strdup(value), "\"\r\n", '\'');
        g_string_append_printf(content, ";%s=%s%s%s", name, quote ? "\"" : "", safe,
                               quote ? "\"" : "");
    }
    g_string_append(content, end);
    g_free(line->content);
    line->content = g_string_free(content, FALSE);
    g_clear_pointer(&line->folded, g_free);
}

ItipLine *itip_person_find(const ItipPart *part, const char *name, const char *address)
{
    for (guint i = 0; i < part->lines->len; i++) {
        ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, name) != 0)
            continue;
        g_autofree char *own = icalendar_address(itip_line_value(line));
        if (strcmp(own, address) == 0)
            return line;
    }
    return NULL;
}
