/* icalendar_test: what is read from an object, and what is refused. */
#include "support.h"

#include <string.h>

#include "base/error.h"
#include "content/alarm.h"

static Icalendar *parse(const char *text, GError **error)
{
    return icalendar_parse(text, strlen(text), NULL, error);
}

static void facts(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Icalendar) object = parse(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:request\r\nBEGIN:VEVENT\r\nUID:u@example.org\r\n"
        "DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260330T090000\r\n"
        "DTEND;TZID=Europe/Berlin:20260330T100000\r\nSEQUENCE:3\r\nSUMMARY:Tea\\, and\r\n  cake\r\n"
        "ORGANIZER;CN=\"Ada, E\":MAILTO:Ada@Example.org\r\n"
        "ATTENDEE;PARTSTAT=accepted;ROLE=CHAIR;RSVP=TRUE;CN=Bob:mailto:bob@example.org\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n",
        &error);
    assert_no_error(error);
    const IcalendarItem *item = object->items->pdata[0];
    const IcalendarAttendee *bob = item->attendees->pdata[0];
    assert_string_equal(object->uid, "u@example.org");
    assert_string_equal(object->method, "REQUEST");
    assert_int_equal(object->kind, ICALENDAR_EVENT);
    assert_int_equal(icalendar_kind_of_name(icalendar_kind_name(object->kind)), ICALENDAR_EVENT);
    assert_int_equal(item->sequence, 3);
    assert_int_equal(item->stamp, 1767225600);
    assert_int_equal(icalendar_utc(&item->start, zone_utc()), 1774854000);
    assert_int_equal(item->length.seconds, 3600);
    assert_string_equal(item->summary, "Tea, and cake");
    assert_string_equal(item->organizer->address, "ada@example.org");
    assert_string_equal(item->organizer->name, "Ada, E");
    assert_string_equal(bob->address, "bob@example.org");
    assert_string_equal(bob->status, "ACCEPTED");
    assert_true(bob->reply_wanted);
    assert_null(object->unread);
    assert_false(icalendar_is_storable(object, &error));
}

#define WRAP(text) "BEGIN:VCALENDAR\n" text "END:VCALENDAR\n"
#define GOOD       "BEGIN:VEVENT\nUID:a\nDTSTART:20260101T000000Z\nEND:VEVENT\n"

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *why;
    } cases[] = {
        {"nothing", "", "VCALENDAR"},
        {"no calendar", "hello\n", "VCALENDAR"},
        {"an event without one", GOOD, "VCALENDAR"},
        {"empty", WRAP(""), "no event"},
        {"two calendars", WRAP(GOOD) WRAP(GOOD), "VCALENDAR"},
        {"no UID", WRAP("BEGIN:VEVENT\nDTSTART:20260101T000000Z\nEND:VEVENT\n"), "UID"},
        {"two UIDs", WRAP(GOOD "BEGIN:VEVENT\nUID:b\nDTSTART:20260101T000000Z\nEND:VEVENT\n"),
         "two UIDs"},
        {"two of one UID", WRAP(GOOD GOOD), "two components"},
        {"two kinds", WRAP(GOOD "BEGIN:VTODO\nUID:a\nEND:VTODO\n"), "beside"},
        {"no start", WRAP("BEGIN:VEVENT\nUID:a\nEND:VEVENT\n"), "DTSTART"},
        {"year 0", WRAP("BEGIN:VEVENT\nUID:a\nDTSTART:00000101T000000Z\nEND:VEVENT\n"), "DTSTART"},
        {"a day that is not", WRAP("BEGIN:VEVENT\nUID:a\nDTSTART:20260230T000000Z\nEND:VEVENT\n"),
         "DTSTART"},
        {"a control character", WRAP("BEGIN:VEVENT\nUID:a\x01\nEND:VEVENT\n"), "control"},
        {"no character of XML", WRAP("BEGIN:VEVENT\nUID:a\xef\xbf\xbf\nEND:VEVENT\n"), "U+FFFF"},
        {"not UTF-8", WRAP("BEGIN:VEVENT\nUID:\xff\nEND:VEVENT\n"), "UTF-8"},
        {"deep",
         WRAP("BEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\n"),
         "deeper"},
        {"deep, folded and spaced",
         WRAP("B\n EGIN:A\nBEGI\r\n\tN:A\nBEGIN :A\nBEGIN;X=1:A\nBEGIN\n :A\nB\n E\n GIN:A\n"
              "BEGIN\t;:A\nbe\n gin:A\n"),
         "deeper"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Icalendar) object = parse(cases[i].text, &error);
        if (object)
            fail_msg("%s: was taken", cases[i].name);
        if (!strstr(error->message, cases[i].why))
            fail_msg("%s: got \"%s\", want \"%s\"", cases[i].name, error->message, cases[i].why);
        assert_int_equal(error_kind(error), ERROR_REJECT);
    }
}

/* So many lines of one sort. */
static char *many(const char *line, unsigned count)
{
    GString *text =
        g_string_new("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260101T000000Z\n");
    for (unsigned i = 0; i < count; i++)
        g_string_append(text, line);
    g_string_append(text, "END:VEVENT\nEND:VCALENDAR\n");
    return g_string_free(text, FALSE);
}

static void limits(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned good, bad;
    } cases[] = {
        {"ATTENDEE:mailto:b@example.org\n", 3, 4},
        {"RRULE:FREQ=DAILY\n", RECURRENCE_RULES_MAX, RECURRENCE_RULES_MAX + 1},
        {"EXDATE:20260102T000000Z\n", RECURRENCE_DATES_MAX, RECURRENCE_DATES_MAX + 1},
        {"BEGIN:VALARM\nACTION:AUDIO\nTRIGGER:PT0S\nEND:VALARM\n", ALARMS_MAX, ALARMS_MAX + 1},
        {"X-A:b\n", 1000, ICALENDAR_LINES_MAX},
        {"BEGIN:X-A\nEND:X-A\n", 1000, ICALENDAR_COMPONENTS_MAX},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        IcalendarLimits few = {.bytes_max = 1000000, .attendees_max = 3};
        g_autoptr(GError) error = NULL;
        g_autofree char *good = many(cases[i].line, cases[i].good);
        g_autofree char *bad = many(cases[i].line, cases[i].bad);
        Icalendar *object = icalendar_parse(good, strlen(good), &few, &error);
        assert_no_error(error);
        icalendar_free(object);
        g_autoptr(Icalendar) none = icalendar_parse(bad, strlen(bad), &few, &error);
        if (none)
            fail_msg("%u times %s was taken", cases[i].bad, cases[i].line);
    }
    assert_null(icalendar_parse(NULL, 0, NULL, NULL));
    g_autoptr(GError) error = NULL;
    IcalendarLimits small = {.bytes_max = 20};
    assert_null(icalendar_parse(WRAP(GOOD), strlen(WRAP(GOOD)), &small, &error));
}

/* Of one line, also where it is folded; a value may have as many semicolons as it likes. */
static void parameters(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        GString *line = g_string_new(i == 2 ? "X-A:" : "X-A");
        for (unsigned k = 0; k < ICALENDAR_PARAMETERS_MAX + (i > 0); k++)
            g_string_append_printf(line, "%s;B=c", k % 20 ? "" : "\n ");
        g_string_append(line, ":d\n");
        g_autofree char *own = g_string_free(line, FALSE), *text = many(own, 2);
        g_autoptr(GError) error = NULL;
        g_autoptr(Icalendar) object = icalendar_parse(text, strlen(text), NULL, &error);
        if ((object != NULL) != (i != 1))
            fail_msg("case %u: %s", i, error ? error->message : "was taken");
    }
}

/* The first years and the last, spans and counts at the ends of what fits. */
static void far_dates(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "DTSTART:00010101T000000\nRRULE:FREQ=YEARLY\n",
        "DTSTART;TZID=Europe/Berlin:00010101T000000\nDURATION:P36500D\nRRULE:FREQ=DAILY\n",
        "DTSTART:99991231T235959Z\nDTEND:99991231T235959Z\nRRULE:FREQ=SECONDLY\n",
        "DTSTART;VALUE=DATE:99991231\nRRULE:FREQ=DAILY\n",
        "DTSTART;VALUE=DATE:00010101\nDTEND;VALUE=DATE:99991231\nRRULE:FREQ=HOURLY\n",
        "DTSTART:20260101T000000Z\nDURATION:P99999999D\n",
        "DTSTART:20260101T000000Z\nRRULE:FREQ=YEARLY;INTERVAL=32767;COUNT=2147483647\n",
        "DTSTART:20260101T000000Z\nRDATE:00010101T000000Z,99991231T000000Z\n",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\n%sBEGIN:VALARM\nACTION:DISPLAY\n"
            "TRIGGER:-P36500D\nREPEAT:4000000\nDURATION:P36000D\nEND:VALARM\nEND:VEVENT\n"
            "END:VCALENDAR\n",
            lines[i]);
        g_autoptr(Icalendar) object = parse(text, &error);
        assert_no_error(error);
        RecurrenceBounds bounds = recurrence_bounds(object, 10);
        assert_true(bounds.first <= bounds.last);
        AlarmAsk ask = {.floating = zone_utc(), .after = INT64_MIN, .now = 1767225600, .max = 100};
        g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
        assert_true(answer.next > ask.now);
    }
}

/* Each file of other people's tests: read or refused, in bounded time. */
static void archive(void **state)
{
    (void)state;
    g_autofree char *folder = test_archive("ical");
    if (!folder)
        return;
    g_autofree char *inner = g_build_filename(folder, "dev", NULL);
    g_autoptr(GDir) dir = g_dir_open(inner, 0, NULL);
    unsigned taken = 0, all = 0;
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(inner, name, NULL);
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        gsize size;
        if (!g_str_has_suffix(name, ".ics") || !g_file_get_contents(path, &text, &size, NULL))
            continue;
        all++;
        g_autoptr(Icalendar) object = icalendar_parse(text, size, NULL, &error);
        assert_true(object || error_kind(error) == ERROR_REJECT);
        if (!object)
            continue;
        taken++;
        RecurrenceBounds bounds = recurrence_bounds(object, 0);
        assert_true(bounds.first <= bounds.last);
        AlarmAsk ask = {.floating = zone_utc(), .after = 1700000000, .now = 1767225600};
        g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
        assert_non_null(answer.due);
    }
    print_message("# %u of %u files are one object\n", taken, all);
    assert_true(taken > 280);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts),      cmocka_unit_test(refused),   cmocka_unit_test(limits),
        cmocka_unit_test(parameters), cmocka_unit_test(far_dates), cmocka_unit_test(archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
