/* cron: five fields of time, and the search for the next moment that fits them.
 *
 * How it fits: settings check schedules with cron_parse; roster/round asks cron_next with the
 * store's time. The search goes by local days; a day that has one offset from UTC throughout is a
 * walk over its minutes, a day beside a clock change has each of its minutes looked up. Failures: a
 * wrong schedule, refused with what to write. Known weak point: two clock changes within 48 hours
 * (no zone has had that since the 1940s) may shift slots between them by the difference.
 */
#include "base/cron.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "base/units.h"

#define DAY_SECONDS     86400
#define INTERVAL_MS_MAX (366ll * DAY_SECONDS * 1000)
#define AFTER_MS_MAX    253370764800000 /* 9999-01-01 UTC: GDateTime ends there */
#define TEXT_BYTES_MAX  1000            /* a list of every minute is 169 */

typedef struct {
    const char *name; /* "minute" */
    int first, last;
    const char *const *words; /* names of the values from `first` on, or NULL */
    const char *example;
} Field;

struct CronSchedule {
    int64_t interval_ms; /* "every"; else 0 and: */
    uint64_t minutes;
    uint32_t hours, days, months, weekdays; /* bit n: n; weekdays 0 to 6 */
    bool every_hour, every_day, every_weekday;
};

static const char *const month_words[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const Field fields[5] = {
    {"minute", 0, 59, NULL, "0"},
    {"hour", 0, 23, NULL, "3"},
    {"day of month", 1, 31, NULL, "*"},
    {"month", 1, 12, month_words, "*"},
    {"day of week", 0, 7, weekday_words, "*"},
};
static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

/* A number or name at *at. */
static bool take_value(const Field *field, const char **at, const char *item, int *ret_value,
                       GError **error)
{
    int value = 0;
    for (int i = 0; field->words && field->words[i]; i++) {
        if (g_ascii_strncasecmp(*at, field->words[i], 3) == 0 && !g_ascii_isalpha((*at)[3])) {
            *at += 3;
            *ret_value = field->first + i;
            return true;
        }
    }
    if (!g_ascii_isdigit(**at))
        return fail(error, ERROR_REJECT, "found \"%s\" as the %s; write numbers from %d to %d%s",
                    item, field->name, field->first, field->last,
                    field->words ? " or names of three letters" : "");
    for (; g_ascii_isdigit(**at) && value <= field->last; (*at)++)
        value = value * 10 + (**at - '0');
    if (value < field->first || value > field->last)
        return fail(error, ERROR_REJECT, "found \"%s\" as the %s; write numbers from %d to %d",
                    item, field->name, field->first, field->last);
    *ret_value = value;
    return true;
}

/* one item of a list: all, a number, a range, either with a step; into bits. */
static bool parse_item(const Field *field, const char *item, uint64_t *bits, GError **error)
{
    int first = field->first, last = field->last, step = 1;
    const char *at = item;
    bool range = true;
    if (*at == '*') {
        at++;
        last = field->words == weekday_words ? 6 : last;
    } else {
        if (!take_value(field, &at, item, &first, error))
            return false;
        last = first;
        range = *at == '-';
        if (range) {
            at++;
            if (!take_value(field, &at, item, &last, error))
                return false;
        }
        if (last == 0 && first > 0 && field->words == weekday_words) /* fri-sun */
            last = 7;
        if (last < first)
            return fail(error, ERROR_REJECT,
                        "found the reversed range \"%s\" as the %s; write it as two, with a comma "
                        "between them",
                        item, field->name);
    }
    if (*at == '/') {
        if (!range)
            return fail(error, ERROR_REJECT,
                        "found \"%s\" as the %s; write a step after a range: \"%d-%d%s\"", item,
                        field->name, first, field->last, at);
        at++;
        for (step = 0; g_ascii_isdigit(*at) && step < 1000; at++)
            step = step * 10 + (*at - '0');
        if (step == 0)
            return fail(error, ERROR_REJECT,
                        "found the step \"%s\" as the %s; write a step from 1 on", item,
                        field->name);
    }
    if (*at)
        return fail(error, ERROR_REJECT, "found \"%s\" as the %s; write for example \"%s\"", item,
                    field->name, field->example);
    MUST(first >= 0 && last < 64); /* as the table of fields has it */
    for (int value = first; value <= last; value += step)
        *bits |= 1ull << value;
    return true;
}

static bool parse_field(const Field *field, const char *text, uint64_t *ret_bits, GError **error)
{
    uint64_t bits = 0;
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    for (char **item = items; *item; item++)
        if (!parse_item(field, *item, &bits, error))
            return false;
    *ret_bits = bits;
    return true;
}

static bool parse_every(CronSchedule *schedule, const char *text, GError **error)
{
    while (*text == ' ')
        text++;
    if (!units_parse_duration(text, &schedule->interval_ms, error))
        return false;
    if (schedule->interval_ms >= 1000 && schedule->interval_ms <= INTERVAL_MS_MAX)
        return true;
    return fail(error, ERROR_REJECT, "found \"every %s\"; write a duration from 1s to 366d", text);
}

static bool comes_ever(const CronSchedule *schedule)
{
    if (!schedule->every_weekday && !schedule->every_day)
        return true;
    for (int month = 1; month <= 12; month++) {
        uint32_t there =
            (uint32_t)((2ull << month_days[month - 1]) - 2); /* bits 1 to the month's last day */
        if ((schedule->months & 1u << month) && (schedule->days & there))
            return true;
    }
    return false;
}

static bool parse_fields(CronSchedule *schedule, const char *text, GError **error)
{
    g_auto(GStrv) split = g_strsplit_set(text, " \t", -1);
    const char *words[6];
    unsigned count = 0;
    for (char **word = split; *word && count < 6; word++)
        if (**word)
            words[count++] = *word;
    if (count != 5)
        return fail(error, ERROR_REJECT,
                    "found \"%.60s\", which is no schedule; write five fields, \"minute hour "
                    "day-of-month month day-of-week\", as in \"0 3 * * "
                    "*\", or \"every 1h\"",
                    text);
    uint64_t bits[5];
    for (unsigned i = 0; i < 5; i++)
        if (!parse_field(&fields[i], words[i], &bits[i], error))
            return false;
    schedule->minutes = bits[0];
    schedule->hours = (uint32_t)bits[1];
    schedule->days = (uint32_t)bits[2];
    schedule->months = (uint32_t)bits[3];
    schedule->weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f);
    schedule->every_hour = schedule->hours == 0xffffff;
    schedule->every_day = strcmp(words[2], "*") == 0;
    schedule->every_weekday = strcmp(words[4], "*") == 0;
    if (!comes_ever(schedule))
        return fail(error, ERROR_REJECT,
                    "found \"%s\", a day that no month has; write one that comes", text);
    return true;
}

CronSchedule *cron_parse(const char *text, GError **error)
{
    g_autoptr(CronSchedule) schedule = g_new0(CronSchedule, 1);
    if (strlen(text) > TEXT_BYTES_MAX) {
        fail(error, ERROR_REJECT, "found a schedule of more than %d bytes; write ranges and steps",
             TEXT_BYTES_MAX);
        return NULL;
    }
    bool every = strncmp(text, "every ", 6) == 0;
    if (!(every ? parse_every(schedule, text + 6, error) : parse_fields(schedule, text, error)))
        return NULL;
    return g_steal_pointer(&schedule);
}

void cron_free(CronSchedule *schedule)
{
    g_free(schedule);
}

int64_t cron_interval_ms(const CronSchedule *schedule)
{
    return schedule->interval_ms;
}

/* Day number since 1970-01-01 to a date of the Gregorian calendar (H. Hinnant's civil_from_days;
 * days >= 0 here). */
static void date_of_day(int64_t day, int *ret_month, int *ret_day)
{
    int64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100),
            month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
}

static bool day_fits(const CronSchedule *schedule, int64_t day)
{
    int month, of_month;
    date_of_day(day, &month, &of_month);
    if (!(schedule->months & 1u << month))
        return false;
    bool by_date = schedule->days & 1u << of_month;
    bool by_weekday = schedule->weekdays & 1u << (day + 4) % 7; /* 1970-01-01 was a Thursday */
    return !schedule->every_day && !schedule->every_weekday ? by_date || by_weekday
                                                            : by_date && by_weekday;
}

static int64_t offset_at(GTimeZone *zone, int64_t second)
{
    gint interval = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, second);
    return g_time_zone_get_offset(zone, interval);
}

/* The moment at which the offset changes, after `from` (not included), until `to`. */
static int64_t find_change(GTimeZone *zone, int64_t from, int64_t to)
{
    int64_t before = offset_at(zone, from);
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (offset_at(zone, middle) == before)
            from = middle;
        else
            to = middle;
    }
    return to;
}

/* The first moment after `after` at which the local time `local` (seconds, as if UTC) comes;
 * INT64_MAX if it does not. */
static int64_t moment_of(const CronSchedule *schedule, GTimeZone *zone, int64_t local,
                         int64_t after)
{
    int64_t early = offset_at(zone, local - DAY_SECONDS),
            late = offset_at(zone, local + DAY_SECONDS);
    int64_t one = local - early, other = local - late;
    bool one_there = offset_at(zone, one) == early, other_there = offset_at(zone, other) == late;
    if (!one_there && !other_there) { /* skipped: other < change <= one */
        int64_t change =
            schedule->every_hour ? INT64_MAX : find_change(zone, MIN(one, other), MAX(one, other));
        return change > after ? change : INT64_MAX;
    }
    int64_t first = one_there && other_there ? MIN(one, other) : one_there ? one : other;
    if (first > after)
        return first;
    int64_t second = MAX(one, other);
    return one_there && other_there && schedule->every_hour && second > after ? second : INT64_MAX;
}

/* The first slot of a local day after `after`, in seconds; INT64_MAX if there is none. */
static int64_t slot_of_day(const CronSchedule *schedule, GTimeZone *zone, int64_t day,
                           int64_t after)
{
    int64_t start = day * DAY_SECONDS, best = INT64_MAX;
    int64_t offset = zone ? offset_at(zone, start - DAY_SECONDS) : 0;
    bool even = !zone || (offset_at(zone, start) == offset &&
                          offset_at(zone, start + DAY_SECONDS) == offset &&
                          offset_at(zone, start + 2 * DAY_SECONDS) == offset);
    for (int hour = 0; hour < 24; hour++) {
        if (!(schedule->hours & 1u << hour))
            continue;
        for (int minute = 0; minute < 60; minute++) {
            if (!(schedule->minutes & 1ull << minute))
                continue;
            int64_t local = start + hour * 3600 + minute * 60;
            int64_t moment = even ? local - offset : moment_of(schedule, zone, local, after);
            if (moment > after && even)
                return moment;
            if (moment > after)
                best = MIN(best, moment);
        }
    }
    return best;
}

int64_t cron_next(const CronSchedule *schedule, int64_t after_ms, GTimeZone *zone)
{
    after_ms = MAX(after_ms, -1);
    if (after_ms >= AFTER_MS_MAX)
        return INT64_MAX;
    if (schedule->interval_ms > 0)
        return after_ms < 0 ? 0 : (after_ms / schedule->interval_ms + 1) * schedule->interval_ms;
    int64_t after = after_ms < 0 ? -1 : after_ms / 1000, best = INT64_MAX;
    int64_t local = after + (zone ? offset_at(zone, after) : 0);
    /* the day before too: a clock that goes back over midnight comes to it again */
    int64_t first = MAX(0, local / DAY_SECONDS - 1);
    for (int64_t day = first; day < first + CRON_DAYS_MAX; day++) {
        bool found_before = best != INT64_MAX;
        if (day_fits(schedule, day))
            best = MIN(best, slot_of_day(schedule, zone, day, after));
        if (found_before)
            break; /* and the day after the first hit was looked at for the same reason */
    }
    return best == INT64_MAX ? INT64_MAX : best * 1000;
}
