/* itip_item: instances of a series, and times, as iTIP compares and writes them.
 *
 * How it fits: itip_attend.c and itip_organize.c ask which item a message is about. An instance is
 * known by its RECURRENCE-ID in UTC (a date as a date, a floating time as it stands), however it
 * was written.
 *
 * Failures: none. Known weak point: RDATEs with a list of periods are not shortened by
 * RANGE=THISANDFUTURE of a CANCEL.
 */
#include <stdio.h>
#include <string.h>

#include "content/civil.h"
#include "content/recurrence.h"

#include "content/itip_private.h"

static char *format_wall(int64_t wall, bool is_date, bool is_utc)
{
    CivilDate date = civil_date(civil_floor(wall, CIVIL_DAY));
    int64_t second = wall - civil_floor(wall, CIVIL_DAY) * CIVIL_DAY;
    if (is_date)
        return g_strdup_printf("%04d%02d%02d", date.year, date.month, date.day);
    return g_strdup_printf("%04d%02d%02dT%02d%02d%02d%s", date.year, date.month, date.day,
                           (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60),
                           is_utc ? "Z" : "");
}

char *itip_utc_format(int64_t seconds)
{
    return format_wall(seconds, false, true);
}

char *itip_key(const IcalendarItem *item)
{
    const IcalendarTime *time = &item->recurrence;
    if (!time->set)
        return g_strdup("");
    if (time->is_date || !time->zone)
        return format_wall(time->wall, time->is_date, false);
    return itip_utc_format(icalendar_utc(time, time->zone));
}

bool itip_key_parse(const char *key, IcalendarTime *ret)
{
    int year, month, day, hour = 0, minute = 0, second = 0, used = 0;
    bool is_date = strlen(key) == 8;
    if (!is_date && strlen(key) != 15 && strlen(key) != 16)
        return false;
    if (is_date ? sscanf(key, "%4d%2d%2d%n", &year, &month, &day, &used) != 3
                : sscanf(key, "%4d%2d%2dT%2d%2d%2d%n", &year, &month, &day, &hour, &minute, &second,
                         &used) != 6)
        return false;
    bool is_utc = !is_date && key[used] == 'Z';
    if (key[used + is_utc] || !civil_is_valid(year, month, day, hour, minute, second))
        return false;
    *ret = (IcalendarTime){.set = true,
                           .is_date = is_date,
                           .wall = civil_day(year, month, day) * CIVIL_DAY + hour * 3600 +
                                   minute * 60 + second,
                           .zone = is_utc ? zone_utc() : NULL};
    return true;
}

bool itip_find(const ItipObject *object, const char *key, guint *ret_index)
{
    guint place = GPOINTER_TO_UINT(g_hash_table_lookup(object->places, key));
    if (!place)
        return false;
    *ret_index = place - 1;
    return true;
}

int itip_compare(const IcalendarItem *a, const IcalendarItem *b)
{
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return (a->stamp > b->stamp) - (a->stamp < b->stamp);
}

static char *lines_of(const ItipPart *part, const char *name)
{
    GString *all = g_string_new(NULL);
    for (guint i = 0; i < part->lines->len; i++) {
        const ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, name) == 0)
            g_string_append_printf(all, "%s\n", itip_line_value(line));
    }
    return g_string_free(all, FALSE);
}

bool itip_same_times(const ItipObject *a, guint index_a, const ItipObject *b, guint index_b)
{
    const IcalendarItem *one = itip_item(a, index_a), *other = itip_item(b, index_b);
    const Zone *utc = zone_utc();
    static const char *const rules[] = {"RRULE", "RDATE"};
    if (one->start.set != other->start.set || one->start.is_date != other->start.is_date ||
        icalendar_utc(&one->start, utc) != icalendar_utc(&other->start, utc) ||
        one->length.days != other->length.days || one->length.seconds != other->length.seconds)
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autofree char *mine = lines_of(itip_part(a, index_a), rules[i]);
        g_autofree char *theirs = lines_of(itip_part(b, index_b), rules[i]);
        if (strcmp(mine, theirs) != 0)
            return false;
    }
    return true;
}

bool itip_has_instance(const ItipObject *object, const IcalendarItem *item, unsigned max)
{
    int64_t at = icalendar_utc(&item->recurrence, zone_utc());
    RecurrenceAsk ask = {.floating = zone_utc(), .from = at, .max = max};
    g_autoptr(GArray) found = recurrence_between(object->facts, &ask, at + 1, NULL);
    for (guint i = 0; i < found->len; i++)
        if (g_array_index(found, Instance, i).recurrence == at)
            return true;
    return false;
}

char *itip_instance_line(const ItipObject *object, const IcalendarItem *item, const char *name)
{
    const IcalendarItem *series = itip_item(object, 0);
    const IcalendarTime *start = &series->start, *named = &item->recurrence;
    const Zone *zone = start->zone;
    int64_t utc = icalendar_utc(named, zone ? zone : zone_utc());
    bool is_utc = zone == zone_utc();
    if (start->is_date || named->is_date) {
        g_autofree char *date =
            format_wall(zone ? zone_to_wall(zone, utc) : named->wall, true, false);
        return g_strdup_printf("%s;VALUE=DATE:%s", name, date);
    }
    g_autofree char *value = format_wall(zone ? zone_to_wall(zone, utc) : utc, false, is_utc);
    const ItipLine *line = itip_line_find(itip_part(object, 0), "DTSTART");
    g_autofree char *id = line && !is_utc ? itip_line_parameter(line, "TZID") : NULL;
    if (!id)
        return g_strdup_printf("%s:%s", name, value);
    ItipPart *scratch = itip_part_new("X");
    g_autofree char *plain = g_strdup_printf("%s:%s", name, value);
    itip_line_add(scratch, plain);
    ItipLine *made = scratch->lines->pdata[0];
    itip_line_set_parameter(made, "TZID", id);
    char *content = g_strdup(made->content);
    itip_part_free(scratch);
    return content;
}

static char *format_span(const IcalendarSpan *span)
{
    if (!span->seconds)
        return g_strdup_printf("P%" G_GINT64_FORMAT "D", span->days);
    return g_strdup_printf("P%" G_GINT64_FORMAT "DT%" G_GINT64_FORMAT "S", span->days,
                           span->seconds);
}

ItipPart *itip_override_new(const ItipObject *object, const IcalendarItem *item)
{
    static const char *const left[] = {"RRULE", "RDATE",    "EXDATE",  "EXRULE",       "DTEND",
                                       "DUE",   "DURATION", "DTSTART", "RECURRENCE-ID"};
    const IcalendarItem *series = itip_item(object, 0);
    ItipPart *part = itip_part_copy(itip_part(object, 0));
    for (unsigned i = 0; i < G_N_ELEMENTS(left); i++)
        itip_lines_remove(part, left[i]);
    g_autofree char *instance = itip_instance_line(object, item, "RECURRENCE-ID");
    g_autofree char *start = itip_instance_line(object, item, "DTSTART");
    itip_line_add(part, instance);
    itip_line_add(part, start);
    if (series->length.days || series->length.seconds) {
        g_autofree char *length = format_span(&series->length);
        itip_line_set(part, "DURATION", length);
    }
    return part;
}

/* One value out of the lists of a property. */
static void take_value(ItipPart *part, const char *name, const char *content)
{
    const char *value = strrchr(content, ':') + 1;
    for (guint i = part->lines->len; i-- > 0;) {
        ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, name) != 0)
            continue;
        g_auto(GStrv) all = g_strsplit(itip_line_value(line), ",", -1);
        GString *kept = g_string_new(NULL);
        for (unsigned k = 0; all[k]; k++)
            if (strcmp(g_strstrip(all[k]), value) != 0)
                g_string_append_printf(kept, "%s%s", kept->len ? "," : "", all[k]);
        if (!kept->len) {
            g_ptr_array_remove_index(part->lines, i);
        } else if (strlen(kept->str) != strlen(itip_line_value(line))) {
            gsize head = (gsize)(itip_line_value(line) - line->content);
            g_string_prepend_len(kept, line->content, (gssize)head);
            g_free(line->content);
            line->content = g_strdup(kept->str);
            g_clear_pointer(&line->folded, g_free);
        }
        g_string_free(kept, TRUE);
    }
}

void itip_include(const ItipObject *object, const IcalendarItem *item)
{
    if (!object->facts->has_master)
        return;
    g_autofree char *own = itip_instance_line(object, item, "EXDATE");
    take_value(itip_part(object, 0), "EXDATE", own);
    if (item->recurrence.zone) { /* as others write it */
        g_autofree char *key = itip_key(item);
        g_autofree char *utc = g_strconcat("EXDATE:", key, NULL);
        take_value(itip_part(object, 0), "EXDATE", utc);
    }
}

void itip_end_before(ItipObject *object, const IcalendarItem *item)
{
    ItipPart *series = itip_part(object, 0);
    const IcalendarTime *start = &itip_item(object, 0)->start;
    int64_t at = icalendar_utc(&item->recurrence, start->zone ? start->zone : zone_utc());
    g_autofree char *until =
        format_wall(start->is_date ? item->recurrence.wall - CIVIL_DAY : at - 1, start->is_date,
                    start->zone != NULL);
    for (guint i = 0; i < series->lines->len; i++) {
        ItipLine *line = series->lines->pdata[i];
        if (strcmp(line->name, "RRULE") != 0)
            continue;
        g_auto(GStrv) all = g_strsplit(itip_line_value(line), ";", -1);
        GString *rule = g_string_new("RRULE:");
        for (unsigned k = 0; all[k]; k++)
            if (*all[k] && g_ascii_strncasecmp(all[k], "UNTIL=", 6) != 0 &&
                g_ascii_strncasecmp(all[k], "COUNT=", 6) != 0)
                g_string_append_printf(rule, "%s;", all[k]);
        g_string_append_printf(rule, "UNTIL=%s", until);
        g_free(line->content);
        line->content = g_string_free(rule, FALSE);
        g_clear_pointer(&line->folded, g_free);
    }
}
