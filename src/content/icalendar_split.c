/* icalendar_split: a file of calendars as single objects.
 *
 * How it fits: `rota import` reads files of other programs with it, where all events of a calendar
 * are in one VCALENDAR, and its own exports, where each object is one. Lines are itip_text.c's:
 * what libical would drop or write in its way stays as it was. Failures: none. Known weak point:
 * what a file says of its calendar as a whole (its name, its colour) is not read.
 */
#include "content/icalendar_split.h"

#include <string.h>

#include "base/hash.h"
#include "content/icalendar.h"
#include "content/itip_text.h"

#define UID_DIGITS 32

static bool is_line(const char *at, const char *end, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(end - at) >= size && g_ascii_strncasecmp(at, word, size) == 0;
}

static const char *next_line(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return stop ? stop + 1 : end;
}

/* Where the object ends whose last line begins at `last`. */
static const char *find_end(const char *last, const char *next, const char *end)
{
    bool empty =
        next < end && (*next == '\n' || (*next == '\r' && end - next > 1 && next[1] == '\n'));
    if (!empty)
        return next;
    const char *text_end = next - 1;
    return text_end > last && text_end[-1] == '\r' ? text_end - 1 : text_end;
}

const char *icalendar_split_next(const char **at, const char *end, size_t *ret_size)
{
    const char *begin = NULL, *next;
    for (const char *line = *at; line < end; line = next) {
        next = next_line(line, end);
        if (!begin && is_line(line, end, "BEGIN:VCALENDAR"))
            begin = line;
        if (begin && is_line(line, end, "END:VCALENDAR")) {
            *at = next;
            *ret_size = (size_t)(find_end(line, next, end) - begin);
            return begin;
        }
    }
    *at = end;
    *ret_size = begin ? (size_t)(end - begin) : 0;
    return begin;
}

bool icalendar_split_is_plain(const char *bytes, size_t size)
{
    const char *at = bytes;
    size_t found;
    if (icalendar_split_next(&at, bytes + size, &found) != bytes || found != size)
        return false;
    g_auto(IcalendarSplit) split = icalendar_split(bytes, size);
    g_autoptr(GBytes) whole = g_bytes_new_static(bytes, size);
    return split.objects->len == 1 && g_bytes_equal(split.objects->pdata[0], whole);
}

void icalendar_split_clear(IcalendarSplit *split)
{
    g_clear_pointer(&split->objects, g_ptr_array_unref);
}

/* The components of one UID. */
typedef struct {
    char *uid;
    GPtrArray *parts; /* of ItipPart, borrowed */
} Group;

static void group_free(gpointer data)
{
    Group *group = data;
    g_free(group->uid);
    g_ptr_array_unref(group->parts);
    g_free(group);
}

static bool is_held(const ItipPart *part)
{
    IcalendarKind kind = icalendar_kind_of_name(part->name);
    return kind && kind != ICALENDAR_FREEBUSY;
}

/* A UID for one that has none: of its bytes, so that it is found again. */
static char *make_uid(ItipPart *part)
{
    g_autoptr(GBytes) bytes = itip_part_format(part);
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    Digest digest = digest_of(data, size);
    g_autofree char *hex = digest_format(&digest);
    g_autofree char *uid = g_strndup(hex, UID_DIGITS);
    itip_line_set(part, "UID", uid);
    return g_steal_pointer(&uid);
}

/* In the order of the file: GPtrArray of Group. */
static GPtrArray *group_parts(const ItipPart *root, unsigned *ret_left_out)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func(group_free);
    g_autoptr(GHashTable) by_uid = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < root->parts->len; i++) {
        ItipPart *part = root->parts->pdata[i];
        if (!is_held(part)) {
            *ret_left_out += strcmp(part->name, "VTIMEZONE") != 0;
            continue;
        }
        const ItipLine *line = itip_line_find(part, "UID");
        g_autofree char *uid =
            line && *itip_line_value(line) ? g_strdup(itip_line_value(line)) : make_uid(part);
        Group *group = g_hash_table_lookup(by_uid, uid);
        if (!group) {
            group = g_new0(Group, 1);
            group->uid = g_steal_pointer(&uid);
            group->parts = g_ptr_array_new();
            g_ptr_array_add(groups, group);
            g_hash_table_insert(by_uid, group->uid, group);
        }
        g_ptr_array_add(group->parts, part);
    }
    return groups;
}

/* Names of time zones in a component and those in it; at most ICALENDAR_DEPTH_MAX deep. */
static void collect_zones(const ItipPart *part, GHashTable *names)
{
    for (guint i = 0; i < part->lines->len; i++) {
        char *name = itip_line_parameter(part->lines->pdata[i], "TZID");
        if (name)
            g_hash_table_add(names, name);
    }
    for (guint i = 0; i < part->parts->len; i++)
        collect_zones(part->parts->pdata[i], names);
}

static GBytes *format_group(const ItipPart *root, const Group *group)
{
    static const char *const kept[] = {"VERSION", "PRODID", "CALSCALE"};
    g_autoptr(ItipPart) object = itip_part_new("VCALENDAR");
    g_autoptr(GHashTable) zones = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++) {
        const ItipLine *line = itip_line_find(root, kept[i]);
        if (line)
            itip_line_add_copy(object, line);
    }
    for (guint i = 0; i < group->parts->len; i++)
        collect_zones(group->parts->pdata[i], zones);
    for (guint i = 0; i < root->parts->len; i++) {
        const ItipPart *part = root->parts->pdata[i];
        const ItipLine *name =
            strcmp(part->name, "VTIMEZONE") == 0 ? itip_line_find(part, "TZID") : NULL;
        if (name && g_hash_table_contains(zones, itip_line_value(name)))
            g_ptr_array_add(object->parts, itip_part_copy(part));
    }
    for (guint i = 0; i < group->parts->len; i++)
        g_ptr_array_add(object->parts, itip_part_copy(group->parts->pdata[i]));
    return itip_part_format(object);
}

IcalendarSplit icalendar_split(const char *bytes, size_t size)
{
    IcalendarSplit split = {.objects =
                                g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref)};
    if (size && memchr(bytes, 0, size)) { /* lines are text: whole, it is refused with the reason */
        g_ptr_array_add(split.objects, g_bytes_new(bytes, size));
        return split;
    }
    g_autoptr(ItipPart) root = itip_part_parse(bytes, size);
    if (!root)
        return split;
    bool has_uids = true;
    for (guint i = 0; i < root->parts->len; i++)
        has_uids = has_uids && (!is_held(root->parts->pdata[i]) ||
                                itip_line_find(root->parts->pdata[i], "UID"));
    g_autoptr(GPtrArray) groups = group_parts(root, &split.left_out);
    if (groups->len == 1 && split.left_out == 0 && has_uids && !itip_line_find(root, "METHOD")) {
        g_ptr_array_add(split.objects, g_bytes_new(bytes, size));
        return split;
    }
    for (guint i = 0; i < groups->len; i++)
        g_ptr_array_add(split.objects, format_group(root, groups->pdata[i]));
    return split;
}
