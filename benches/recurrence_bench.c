/* recurrence_bench: the next alarm of events with a rule, beside libical's own expansion; for
 * benches/recurrence.sh.
 *
 * recurrence-bench WAY FOLDER ROUNDS: WAY is "rota" or "libical". The corpus is the events of
 * FOLDER (iCalendar files) that have one rule and something that rings after the instant asked for,
 * each with an alarm of a quarter of an hour, and 400 made ones. Both ways begin with the event's
 * bytes. rota's finds the next alarm, with overrides, EXDATE and zones; the bare one iterates the
 * rule from DTSTART to the same instance. What libical cannot bound (rules of seconds and minutes)
 * is left out of both. Prints "WAY N/s of M events".
 */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "content/alarm.h"
#include "content/civil.h"

#define ALARM "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"
#define MADE  400

typedef struct {
    char *text;
    int64_t wall; /* of the instance that rings next */
} Event;

static int64_t asked(void)
{
    return civil_day(2026, 6, 1) * CIVIL_DAY;
}

static void event_clear(gpointer data)
{
    g_free(((Event *)data)->text);
}

/* The wall time of the instance whose alarm is next; INT64_MIN: there is none. */
static int64_t next_of(const char *text, int64_t *ret_at)
{
    g_autoptr(Icalendar) object = icalendar_parse(text, strlen(text), NULL, NULL);
    if (!object)
        return INT64_MIN;
    AlarmAsk ask = {.floating = zone_utc(), .after = asked(), .now = asked()};
    g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
    *ret_at = answer.next;
    if (answer.next == INT64_MAX)
        return INT64_MIN;
    ask.now = answer.next;
    g_auto(AlarmAnswer) ringing = alarm_find(object, &ask);
    return g_array_index(ringing.due, AlarmRing, 0).instance.wall;
}

static bool is_plain(const char *text)
{
    const char *rule = strstr(text, "\nRRULE");
    const char *event = strstr(text, "BEGIN:VEVENT");
    return rule && event && rule > event && !strstr(rule + 1, "\nRRULE") &&
           !strstr(event + 1, "BEGIN:VEVENT") && !strstr(text, "SECONDLY") &&
           !strstr(text, "MINUTELY") && !strstr(text, "BEGIN:VALARM") &&
           !strstr(text, "BEGIN:VTODO");
}

static void add(GArray *corpus, const char *text)
{
    const char *end = strstr(text, "END:VEVENT");
    int64_t at;
    if (!end || !is_plain(text))
        return;
    Event event = {.text = g_strdup_printf("%.*s%s%s", (int)(end - text), text, ALARM, end)};
    event.wall = next_of(event.text, &at);
    if (event.wall == INT64_MIN)
        g_free(event.text);
    else
        g_array_append_val(corpus, event);
}

static void add_files(GArray *corpus, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
        if (g_str_has_suffix(name, ".ics") && g_file_get_contents(path, &text, NULL, NULL))
            add(corpus, text);
    }
}

static void add_made(GArray *corpus)
{
    static const char *const rules[] = {"FREQ=DAILY",
                                        "FREQ=WEEKLY;BYDAY=MO,WE,FR",
                                        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
                                        "FREQ=MONTHLY;BYDAY=2TU",
                                        "FREQ=MONTHLY;BYMONTHDAY=-1",
                                        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
                                        "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
                                        "FREQ=YEARLY",
                                        "FREQ=DAILY;COUNT=2000",
                                        "FREQ=WEEKLY;UNTIL=20281231T000000Z"};
    static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Asia/Tokyo"};
    for (unsigned i = 0; i < MADE; i++) {
        g_autofree char *text = g_strdup_printf(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:%u\r\n"
            "DTSTART;TZID=%s:%u%02u%02uT%02u0000\r\nDURATION:PT1H\r\nRRULE:%s\r\nSUMMARY:Tea\r\n"
            "END:VEVENT\r\nEND:VCALENDAR\r\n",
            i, zones[i % 3], 2022 + i % 5, i % 5 == 4 ? 1 + i % 4 : 1 + i % 12, 1 + i % 28, i % 24,
            rules[i % G_N_ELEMENTS(rules)]);
        add(corpus, text);
    }
}

/* What the bare way does; true where it comes to the same instance. */
static bool expand(const Event *event)
{
    icalcomponent *root = icalparser_parse_string(event->text);
    icalcomponent *of = icalcomponent_get_first_component(root, ICAL_VEVENT_COMPONENT);
    icalproperty *rule = icalcomponent_get_first_property(of, ICAL_RRULE_PROPERTY);
    struct icaltimetype start = icalcomponent_get_dtstart(of);
    struct icalrecurrencetype how = icalproperty_get_rrule(rule);
    icalrecur_iterator *walk = icalrecur_iterator_new(how, start);
    bool same = false;
    for (struct icaltimetype at = start; walk && !same;) {
        int64_t wall = civil_day(at.year, at.month, at.day) * CIVIL_DAY +
                       (at.is_date ? 0 : at.hour * 3600 + at.minute * 60 + at.second);
        same = wall >= event->wall;
        at = icalrecur_iterator_next(walk);
        if (icaltime_is_null_time(at))
            break;
    }
    if (walk)
        icalrecur_iterator_free(walk);
    icalcomponent_free(root);
    icalmemory_free_ring();
    return same;
}

static bool find(const Event *event)
{
    g_autoptr(Icalendar) object = icalendar_parse(event->text, strlen(event->text), NULL, NULL);
    AlarmAsk ask = {.floating = zone_utc(), .after = asked(), .now = asked()};
    g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
    return answer.next != INT64_MAX;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    bool rota = strcmp(argv[1], "rota") == 0;
    unsigned rounds = (unsigned)strtoul(argv[3], NULL, 10), done = 0;
    g_autoptr(GArray) corpus = g_array_new(FALSE, FALSE, sizeof(Event));
    g_array_set_clear_func(corpus, event_clear);
    add_files(corpus, argv[2]);
    add_made(corpus);
    for (unsigned i = corpus->len; i-- > 0;) /* what libical's walk does not come to is no match */
        if (!expand(&g_array_index(corpus, Event, i)))
            g_array_remove_index(corpus, i);
    int64_t begin = clock_monotonic_us(clock_real());
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < corpus->len; i++) {
            const Event *event = &g_array_index(corpus, Event, i);
            done += rota ? find(event) : expand(event);
        }
    int64_t us = clock_monotonic_us(clock_real()) - begin;
    MUST(done == rounds * corpus->len && us > 0);
    printf("%s %.0f/s of %u events\n", argv[1], done * 1e6 / (double)us, corpus->len);
    return 0;
}
