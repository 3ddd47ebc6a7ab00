/* alarm_test: when alarms ring. */
#include "support.h"

#include <string.h>

#include "content/alarm.h"
#include "content/civil.h"
#include "content/icalendar_filter.h"

#define ALARM(lines) "BEGIN:VALARM\nACTION:DISPLAY\n" lines "\nEND:VALARM\n"
#define EVENT(lines) "BEGIN:VEVENT\nUID:a\n" lines "END:VEVENT\n"
#define NINE         "DTSTART;TZID=Europe/Berlin:20260330T090000\nDURATION:PT1H\n"
#define DAILY        NINE "RRULE:FREQ=DAILY;COUNT=4\n"

static const struct {
    const char *name, *text, *want; /* UTC, all from 2026-01-01 on; in Berlin it is +2 then */
} CASES[] = {
    {"none", EVENT(NINE), ""},
    {"before", EVENT(NINE ALARM("TRIGGER:-PT15M")), "30T064500"},
    {"after the end", EVENT(NINE ALARM("TRIGGER;RELATED=END:PT15M")), "30T081500"},
    {"absolute", EVENT(NINE ALARM("TRIGGER;VALUE=DATE-TIME:20260329T000000Z")), "29T000000"},
    {"absolute, of a series: once", EVENT(DAILY ALARM("TRIGGER;VALUE=DATE-TIME:20260329T000000Z")),
     "29T000000"},
    {"a day before is the same time, over the change",
     EVENT("DTSTART;TZID=Europe/Berlin:20260329T090000\n" ALARM("TRIGGER:-P1D")), "28T080000"},
    {"24 hours before are 24 hours",
     EVENT("DTSTART;TZID=Europe/Berlin:20260329T090000\n" ALARM("TRIGGER:-PT24H")), "28T070000"},
    {"repeats", EVENT(NINE ALARM("TRIGGER:-PT15M\nREPEAT:2\nDURATION:PT5M")),
     "30T064500 30T065000 30T065500"},
    {"REPEAT without DURATION", EVENT(NINE ALARM("TRIGGER:-PT15M\nREPEAT:2")), "30T064500"},
    {"two", EVENT(NINE ALARM("TRIGGER:-PT15M") ALARM("TRIGGER:-PT5M")), "30T064500 30T065500"},
    {"a series", EVENT(DAILY ALARM("TRIGGER:PT0S")), "30T070000 31T070000 01T070000 02T070000"},
    {"a series with an override that has none, and an excepted one",
     EVENT(DAILY "EXDATE;TZID=Europe/Berlin:20260402T090000\n" ALARM("TRIGGER:PT0S"))
         EVENT("RECURRENCE-ID;TZID=Europe/Berlin:20260331T090000\n"
               "DTSTART;TZID=Europe/Berlin:20260331T100000\n"),
     "30T070000 01T070000"},
    {"a cancelled instance",
     EVENT(DAILY ALARM("TRIGGER:PT0S"))
         EVENT("RECURRENCE-ID;TZID=Europe/Berlin:20260331T090000\nSTATUS:CANCELLED\n"
               "DTSTART;TZID=Europe/Berlin:20260331T090000\n" ALARM("TRIGGER:PT0S")),
     "30T070000 01T070000 02T070000"},
    {"cancelled", EVENT(NINE "STATUS:CANCELLED\n" ALARM("TRIGGER:PT0S")), ""},
    {"declined",
     EVENT(NINE "ATTENDEE;PARTSTAT=DECLINED:mailto:Ada@example.org\n" ALARM("TRIGGER:PT0S")), ""},
    {"another declined",
     EVENT(NINE "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.org\n" ALARM("TRIGGER:PT0S")),
     "30T070000"},
    {"acknowledged up to the second",
     EVENT(DAILY ALARM("TRIGGER:PT0S\nACKNOWLEDGED:20260331T070100Z")), "01T070000 02T070000"},
    {"snoozed",
     EVENT(NINE ALARM("UID:x\nTRIGGER:PT0S\nACKNOWLEDGED:20260330T070100Z")
               ALARM("UID:y\nTRIGGER;VALUE=DATE-TIME:20260330T070600Z\n"
                     "RELATED-TO;RELTYPE=SNOOZE:x")),
     "30T070600"},
    {"Thunderbird's way to acknowledge",
     EVENT(DAILY "X-MOZ-LASTACK:20260331T070100Z\n" ALARM("TRIGGER:PT0S")), "01T070000 02T070000"},
    {"not by the clock", EVENT(NINE ALARM("TRIGGER:PT0S\nPROXIMITY:DEPART")), ""},
    {"a day's event, from its midnight",
     EVENT("DTSTART;VALUE=DATE:20260330\n" ALARM("TRIGGER:PT9H")), "30T130000"}, /* in New York */
    {"a day's event, from its end",
     EVENT("DTSTART;VALUE=DATE:20260330\n" ALARM("TRIGGER;RELATED=END:-PT1H")), "31T030000"},
    {"an hour that a gap leaves out is the next one's, once",
     EVENT("DTSTART;TZID=Europe/Berlin:20260329T013000\nRRULE:FREQ=HOURLY;COUNT=3\n" ALARM(
         "TRIGGER:PT0S")),
     "29T003000 29T013000"},
    {"a day before a time in a gap, which means an hour later",
     EVENT("DTSTART;TZID=Europe/Berlin:20260329T023000\n" ALARM("TRIGGER:-P1D")), "28T023000"},
    {"UNTIL in a gap",
     EVENT("DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY;UNTIL="
           "20260329T010500Z\n" ALARM("TRIGGER:PT0S")),
     "28T013000"},
    {"UNTIL in the second of two hours",
     EVENT("DTSTART;TZID=Europe/Berlin:20261024T023000\nRRULE:FREQ=DAILY;UNTIL="
           "20261025T010500Z\n" ALARM("TRIGGER:PT0S")),
     "24T003000 25T003000"},
    {"endless, and silent from the third on",
     EVENT(NINE "RRULE:FREQ=DAILY\n" ALARM("TRIGGER:PT0S"))
         EVENT("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260401T090000\n"
               "DTSTART;TZID=Europe/Berlin:20260401T090000\n"),
     "30T070000 31T070000"},
    {"a to-do that is due",
     "BEGIN:VTODO\nUID:a\nDUE:20260330T090000Z\n" ALARM("TRIGGER;RELATED=END:-PT1H") "END:VTODO\n",
     "30T080000"},
    {"a to-do that is done",
     "BEGIN:VTODO\nUID:a\nSTATUS:COMPLETED\nDUE:20260330T090000Z\n" ALARM(
         "TRIGGER:PT0S") "END:VTODO\n",
     ""},
    {"a to-do without a time",
     "BEGIN:VTODO\nUID:a\n" ALARM("TRIGGER;VALUE=DATE-TIME:20260330T080000Z") "END:VTODO\n",
     "30T080000"},
};

static int64_t january(void)
{
    return civil_day(2026, 1, 1) * CIVIL_DAY;
}

static Icalendar *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *whole = g_strdup_printf("BEGIN:VCALENDAR\n%sEND:VCALENDAR\n", text);
    Icalendar *object = icalendar_parse(whole, strlen(whole), NULL, &error);
    assert_no_error(error);
    return object;
}

/* All rings, one step at a time: from each to the next as the role does it. */
static char *all(const char *text)
{
    static const char *const ada[] = {"ada@example.org", NULL};
    g_autoptr(Icalendar) object = parse(text);
    assert_int_equal(alarm_has_any(object),
                     strstr(text, "BEGIN:VALARM") && !strstr(text, "PROXIMITY"));
    const Zone *zone = zone_find("America/New_York");
    AlarmAsk ask = {.floating = zone, .addresses = ada, .after = january(), .now = january()};
    GString *out = g_string_new(NULL);
    for (unsigned step = 0; step < 20; step++) {
        g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
        for (unsigned i = 0; i < answer.due->len; i++) {
            int64_t at = g_array_index(answer.due, AlarmRing, i).at,
                    day = civil_floor(at, CIVIL_DAY);
            int of_day = (int)(at - day * CIVIL_DAY);
            g_string_append_printf(out, "%s%02dT%02d%02d%02d", out->len ? " " : "",
                                   civil_date(day).day, of_day / 3600, of_day / 60 % 60,
                                   of_day % 60);
            assert_int_equal(at, ask.now);
        }
        assert_false(answer.cut);
        if (answer.next == INT64_MAX)
            break;
        ask.after = ask.now;
        ask.now = answer.next;
    }
    zone_unref(zone);
    return g_string_free(out, FALSE);
}

static void rings(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(CASES); i++) {
        g_autofree char *got = all(CASES[i].text);
        if (strcmp(got, CASES[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", CASES[i].name, got, CASES[i].want);
    }
}

/* What was missed is due all at once, and says whether its event is over. */
static void missed(void **state)
{
    (void)state;
    g_autoptr(Icalendar) object = parse(EVENT(DAILY ALARM("TRIGGER:-PT15M")));
    AlarmAsk ask = {.floating = zone_utc(), .after = january()};
    ask.now = (civil_day(2026, 4, 1) * 24 + 7) * 3600 + 1800; /* half an hour into the third */
    g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
    assert_int_equal(answer.due->len, 3);
    assert_true(g_array_index(answer.due, AlarmRing, 0).is_over);
    assert_true(g_array_index(answer.due, AlarmRing, 1).is_over);
    assert_false(g_array_index(answer.due, AlarmRing, 2).is_over);
    assert_int_equal(answer.next, (civil_day(2026, 4, 2) * 24 + 7) * 3600 - 900);
}

/* RFC 4791 section 9.9: a range has its start, and has not its end. */
static void filtered(void **state)
{
    (void)state;
    g_autoptr(Icalendar) object =
        parse(EVENT("DTSTART:20260301T090000Z\n" ALARM("TRIGGER:-PT15M")));
    int64_t at = (civil_day(2026, 3, 1) * 24 + 9) * 3600 - 900;
    for (int64_t from = at - 120; from <= at + 60; from += 60) {
        g_autoptr(IcalendarFilter) filter = icalendar_filter_new("VCALENDAR");
        IcalendarFilter *event = icalendar_filter_new("VEVENT");
        IcalendarFilter *alarm = icalendar_filter_new("VALARM");
        g_ptr_array_add(filter->components, event);
        g_ptr_array_add(event->components, alarm);
        alarm->has_range = true;
        alarm->from = from;
        alarm->to = from + 60;
        assert_int_equal(icalendar_filter_fits(filter, object, zone_utc(), 10), from == at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rings), cmocka_unit_test(missed),
                                       cmocka_unit_test(filtered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
