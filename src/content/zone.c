/* zone: UTC, the system's zones, and those of files.
 *
 * How it fits: icalendar.c finds a zone for each TZID, recurrence.c and alarm.c reckon with it.
 * GLib reads tzdata and shares what is read between threads; libical's own built-in zones are not
 * used, since two threads that first touch them race (libical issue 1029), and they know no name
 * that a file did not define.
 *
 * Failures: none but a name that nobody knows. Known weak points: after 2037, where tzdata's tables
 * end, a system zone keeps its last offset; a zone with two changes within two days is read wrongly
 * in between.
 */
#include "content/zone.h"

#include <string.h>

#include "base/limits_calendar.h"
#include "base/must.h"

#include "content/civil.h"

struct Zone {
    gint references;
    char *name;
    GTimeZone *system; /* NULL: by the changes */
    int64_t offset;
    ZoneChange *changes;
    unsigned count;
};

const Zone *zone_utc(void)
{
    static char name[] = "UTC";
    static const Zone utc = {.references = -1, .name = name};
    return &utc;
}

/* What tzdata may be asked for: no path that leads elsewhere. */
static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= ZONE_NAME_BYTES_MAX && g_ascii_isalpha(*name) &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
               size &&
           !strstr(name, "//") && strcmp(name, "localtime") != 0; /* that is this machine's */
}

static const Zone *find_system(const char *name)
{
    if (!is_name(name))
        return NULL;
    if (g_ascii_strcasecmp(name, "UTC") == 0 || strcmp(name, "GMT") == 0 ||
        strcmp(name, "Etc/UTC") == 0)
        return zone_utc();
    GTimeZone *system = g_time_zone_new_identifier(name);
    if (!system)
        return NULL;
    Zone *zone = g_new0(Zone, 1);
    zone->references = 1;
    zone->name = g_strdup(name);
    zone->system = system;
    return zone;
}

const Zone *zone_find(const char *name)
{
    const Zone *zone = find_system(name);
    const char *windows = zone ? NULL : zone_name_of_windows(name);
    if (windows)
        return find_system(windows);
    /* "/citadel.org/20210210_1/America/Argentina/Ushuaia": its last three, two or one parts */
    if (!zone && *name == '/' && strlen(name) <= 2 * ZONE_NAME_BYTES_MAX) {
        g_auto(GStrv) parts = g_strsplit(name + 1, "/", 16);
        unsigned count = g_strv_length(parts);
        for (unsigned keep = 3; keep > 0 && !zone; keep--) {
            g_autofree char *tail =
                keep <= count ? g_strjoinv("/", parts + count - keep) : g_strdup("");
            zone = find_system(tail);
        }
    }
    return zone;
}

static int compare_changes(const void *a, const void *b)
{
    const ZoneChange *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

const Zone *zone_new(const char *name, int64_t offset, ZoneChange *changes, unsigned count)
{
    Zone *zone = g_new0(Zone, 1);
    zone->references = 1;
    zone->name = g_strdup(name);
    zone->offset = offset;
    zone->count = count;
    zone->changes = g_memdup2(changes, count * sizeof *changes);
    if (count)
        qsort(zone->changes, count, sizeof *changes, compare_changes);
    return zone;
}

void zone_unref(const Zone *zone)
{
    Zone *held = (Zone *)(uintptr_t)zone;
    if (!zone || zone->references < 0 || !g_atomic_int_dec_and_test(&held->references))
        return;
    g_free(held->name);
    if (held->system)
        g_time_zone_unref(held->system);
    g_free(held->changes);
    g_free(held);
}

const char *zone_name(const Zone *zone)
{
    return zone->name;
}

static int64_t offset_of(const Zone *zone, int64_t utc)
{
    if (zone->system) {
        int interval = g_time_zone_find_interval(zone->system, G_TIME_TYPE_UNIVERSAL, utc);
        return g_time_zone_get_offset(zone->system, MAX(interval, 0));
    }
    unsigned low = 0, high = zone->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (zone->changes[middle].at <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? zone->changes[low - 1].offset : zone->offset;
}

int64_t zone_to_utc(const Zone *zone, int64_t wall)
{
    int64_t before = offset_of(zone, wall - CIVIL_DAY);
    int64_t after = offset_of(zone, wall + CIVIL_DAY);
    if (before == after || offset_of(zone, wall - before) == before)
        return wall - before;
    if (offset_of(zone, wall - after) == after)
        return wall - after;
    return wall - before; /* in the gap */
}

int64_t zone_to_wall(const Zone *zone, int64_t utc)
{
    return utc + offset_of(zone, utc);
}
