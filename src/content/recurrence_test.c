/* recurrence_test: rules, zones and series against what others say they are. */
#include "support.h"

#include <string.h>

#include "content/civil.h"
#include "content/recurrence.h"

/* "20260101T090000", or a date; *ret_date (may be NULL). */
static int64_t wall(const char *text, bool *ret_date)
{
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    int got = sscanf(text, "%4d%2d%2dT%2d%2d%2d", &year, &month, &day, &hour, &minute, &second);
    assert_true(got >= 3);
    if (ret_date)
        *ret_date = got == 3;
    return civil_day(year, month, day) * CIVIL_DAY + hour * 3600 + minute * 60 + second;
}

static void put(GString *out, int64_t time, bool date)
{
    int64_t day = civil_floor(time, CIVIL_DAY), of_day = time - day * CIVIL_DAY;
    CivilDate d = civil_date(day);
    g_string_append_printf(out, "%s%04d%02d%02d", out->len ? "," : "", d.year, d.month, d.day);
    if (!date)
        g_string_append_printf(out, "T%02d%02d%02d", (int)(of_day / 3600), (int)(of_day / 60 % 60),
                               (int)(of_day % 60));
}

/* At most 5,000 instances of a rule from `from` on. */
static char *walk_rule(const char *text, const char *start, const char *from)
{
    Rule rule;
    RuleWalk walk;
    RuleStart begin = {.until = INT64_MAX};
    int64_t time;
    g_autoptr(GError) error = NULL;
    assert_true(rule_parse(text, &rule, &error));
    begin.start = wall(start, &begin.is_date);
    begin.until = rule.has_until ? rule.until : INT64_MAX;
    rule_walk_begin(&walk, &rule, &begin);
    if (from)
        rule_walk_seek(&walk, wall(from, NULL));
    GString *out = g_string_new(NULL);
    for (int i = 0; i < 5000 && rule_walk_next(&walk, &time); i++)
        put(out, time, begin.is_date);
    return g_string_free(out, FALSE);
}

/* From each instance on a walk that was moved there must give the rest. */
static void check_seek(const char *rule, const char *start, const char *want)
{
    g_auto(GStrv) each = g_strsplit(want, ",", -1);
    const char *rest = want;
    for (unsigned i = 0; i < 40 && each[i]; i++) {
        g_autofree char *got = walk_rule(rule, start, each[i]);
        if (strcmp(got, rest) != 0)
            fail_msg("%s from %s: got %.80s, want %.80s", rule, each[i], got, rest);
        rest += strlen(each[i]) + 1;
    }
}

static void rules_of_the_archive(void **state)
{
    (void)state;
    g_autofree char *folder = test_archive("ical");
    if (!folder)
        return;
    g_autofree char *path = g_build_filename(folder, "dev", "rrule-expected.txt", NULL);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *rule = NULL, *start = NULL;
    unsigned count = 0;
    for (unsigned i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], "RRULE:")) {
            rule = lines[i] + 6;
        } else if (g_str_has_prefix(lines[i], "DTSTART:")) {
            start = lines[i] + 8;
        } else if (g_str_has_prefix(lines[i], "INSTANCES:")) {
            g_auto(GStrv) parts = g_strsplit(lines[i] + 10, "Z", -1); /* all or none are UTC */
            g_autofree char *want = g_strjoinv("", parts);
            g_autofree char *got = walk_rule(rule, start, NULL);
            if (strcmp(got, want) != 0)
                fail_msg("%s from %s: got %.200s, want %.200s", rule, start, got, want);
            check_seek(rule, start, want);
            count++;
        }
    }
    assert_int_equal(count, 76);
}

/* What would take for ever ends, and says that it was cut or that there is nothing. */
static void impossible_rules(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
        "FREQ=MINUTELY;BYYEARDAY=366;BYMONTH=1", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31",    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",   "FREQ=SECONDLY;COUNT=2147483647",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
        Rule rule;
        RuleWalk walk;
        int64_t time, last = INT64_MIN;
        assert_true(rule_parse(rules[i], &rule, NULL));
        rule_walk_begin(&walk, &rule,
                        &(RuleStart){.start = wall("20260101T000000", NULL), .until = INT64_MAX});
        rule_walk_seek(&walk, wall("99981231T000000", NULL));
        for (unsigned k = 0; k < 3 && rule_walk_next(&walk, &time); k++) {
            assert_true(time > last);
            last = time;
        }
    }
}

static void not_rules(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "",
        "FREQ=OFTEN",
        "INTERVAL=2",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYMONTHDAY=0",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;BYDAY=54MO",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=DAILY;WKST=8",
        "FREQ=DAILY;RSCALE=CHINESE",
        "FREQ=DAILY;BYEASTER=1",
        "FREQ=DAILY;COUNT",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
        Rule rule;
        g_autoptr(GError) error = NULL;
        if (rule_parse(rules[i], &rule, &error))
            fail_msg("\"%s\" was taken for a rule", rules[i]);
        assert_non_null(error);
    }
}

static void zones(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *wall, *utc;
    } cases[] = {
        {"Europe/Berlin", "20260115T120000", "20260115T110000"},
        {"Europe/Berlin", "20260715T120000", "20260715T100000"},
        {"Europe/Berlin", "20260329T023000", "20260329T013000"}, /* left out: as before it */
        {"Europe/Berlin", "20261025T023000", "20261025T003000"}, /* twice: the first */
        {"America/New_York", "20260308T023000", "20260308T073000"},
        {"America/New_York", "20261101T013000", "20261101T053000"},
        {"Australia/Lord_Howe", "20260405T014500", "20260404T144500"},
        {"W. Europe Standard Time", "20260715T120000", "20260715T100000"},
        {"/example.org/20260101_1/Europe/Berlin", "20260715T120000", "20260715T100000"},
        {"/example.org/America/Argentina/Ushuaia", "20260715T120000", "20260715T150000"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Zone *zone = zone_find(cases[i].zone);
        assert_non_null(zone);
        g_autoptr(GString) got = g_string_new(NULL);
        put(got, zone_to_utc(zone, wall(cases[i].wall, NULL)), false);
        if (strcmp(got->str, cases[i].utc) != 0)
            fail_msg("%s %s: got %s, want %s", cases[i].zone, cases[i].wall, got->str,
                     cases[i].utc);
        zone_unref(zone);
    }
    static const char *const none[] = {
        "", "Nowhere/City", "../../etc/passwd", "/etc/localtime", "Europe", "Europe//Berlin", "/"};
    for (unsigned i = 0; i < G_N_ELEMENTS(none); i++)
        assert_null(zone_find(none[i]));
}

#define BERLIN_OF_A_FILE                                                                           \
    "BEGIN:VTIMEZONE\nTZID:Ours\nBEGIN:DAYLIGHT\nDTSTART:19810329T020000\n"                        \
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT\n" \
    "BEGIN:STANDARD\nDTSTART:19961027T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\n"           \
    "TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"
#define EVENT(lines) "BEGIN:VEVENT\nUID:a\n" lines "\nEND:VEVENT\n"

static const struct {
    const char *name, *text, *from, *to, *want; /* starts and ends in UTC */
} SERIES[] = {
    {"one event", EVENT("DTSTART:20260101T090000Z\nDTEND:20260101T100000Z"), "20260101", "20260102",
     "20260101T090000,20260101T100000"},
    {"ends where the range begins", EVENT("DTSTART:20251231T230000Z\nDTEND:20260101T000000Z"),
     "20260101", "20260102", ""},
    {"through the whole range", EVENT("DTSTART:20250101T000000Z\nDTEND:20270101T000000Z"),
     "20260101", "20260102", "20250101T000000,20270101T000000"},
    {"a day", EVENT("DTSTART;VALUE=DATE:20260101"), "20260101", "20260102",
     "20260101T050000,20260102T050000"},
    {"floating", EVENT("DTSTART:20260701T090000\nDURATION:PT1H"), "20260701", "20260702",
     "20260701T130000,20260701T140000"},
    {"nine o'clock over the change",
     EVENT("DTSTART;TZID=Europe/Berlin:20260328T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3"),
     "20260101", "20270101",
     "20260328T080000,20260328T090000,20260329T070000,20260329T080000,"
     "20260330T070000,20260330T080000"},
    {"the file's own zone",
     BERLIN_OF_A_FILE EVENT("DTSTART;TZID=Ours:20260328T090000\nRRULE:FREQ=DAILY;COUNT=2"),
     "20260101", "20270101", "20260328T080000,20260328T080000,20260329T070000,20260329T070000"},
    {"a gap and an overlap",
     EVENT("DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=YEARLY;COUNT=1\n"
           "RDATE;TZID=Europe/Berlin:20260329T023000,20261025T023000"),
     "20260101", "20270101",
     "20260328T013000,20260328T013000,20260329T013000,20260329T013000,"
     "20261025T003000,20261025T003000"},
    {"an excepted one, named in another zone",
     EVENT("DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY;COUNT=3\n"
           "EXDATE:20260106T080000Z"),
     "20260101", "20270101", "20260105T080000,20260105T080000,20260107T080000,20260107T080000"},
    {"a day excepted from a series with a time",
     EVENT("DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260106"),
     "20260101", "20270101", "20260105T090000,20260105T090000,20260107T090000,20260107T090000"},
    {"an override moved out of the range, and one into it",
     EVENT("DTSTART:20260105T090000Z\nRRULE:FREQ=WEEKLY;COUNT=3")
         EVENT("RECURRENCE-ID:20260105T090000Z\nDTSTART:20270105T090000Z")
             EVENT("RECURRENCE-ID:20260119T090000Z\nDTSTART:20260106T110000Z"),
     "20260101", "20260113", "20260106T110000,20260106T110000,20260112T090000,20260112T090000"},
    {"this and future",
     EVENT("DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4")
         EVENT("RECURRENCE-ID;RANGE=THISANDFUTURE:20260107T090000Z\nDTSTART:20260107T110000Z\n"
               "DURATION:PT2H"),
     "20260101", "20270101",
     "20260105T090000,20260105T100000,20260106T090000,20260106T100000,"
     "20260107T110000,20260107T130000,20260108T110000,20260108T130000"},
    {"UNTIL in UTC",
     EVENT("DTSTART;TZID=America/New_York:20260105T200000\n"
           "RRULE:FREQ=DAILY;UNTIL=20260107T010000Z"),
     "20260101", "20270101", "20260106T010000,20260106T010000,20260107T010000,20260107T010000"},
    {"a period, and what comes twice comes once",
     EVENT("DTSTART:20260105T090000Z\nDURATION:PT1H\n"
           "RDATE;VALUE=PERIOD:20260105T090000Z/PT1H,20260106T090000Z/PT3H"),
     "20260101", "20270101", "20260105T090000,20260105T100000,20260106T090000,20260106T120000"},
    {"overrides alone", EVENT("RECURRENCE-ID:20260107T090000Z\nDTSTART:20260107T110000Z"),
     "20260101", "20270101", "20260107T110000,20260107T110000"},
    {"from long ago", EVENT("DTSTART:19700101T000000Z\nRRULE:FREQ=DAILY"), "20260101",
     "20260101T120000", "20260101T000000,20260101T000000"},
};

static char *between(const char *text, const char *from, const char *to, const char *zone_name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *whole =
        g_strdup_printf("BEGIN:VCALENDAR\nVERSION:2.0\n%sEND:VCALENDAR\n", text);
    g_autoptr(Icalendar) object = icalendar_parse(whole, strlen(whole), NULL, &error);
    assert_no_error(error);
    const Zone *zone = zone_find(zone_name);
    RecurrenceAsk ask = {.floating = zone, .from = wall(from, NULL)};
    g_autoptr(GArray) found = recurrence_between(object, &ask, wall(to, NULL), NULL);
    RecurrenceBounds bounds = recurrence_bounds(object, 0);
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < found->len; i++) {
        const Instance *instance = &g_array_index(found, Instance, i);
        put(out, instance->start, false);
        put(out, instance->end, false);
        assert_true(instance->start >= bounds.first && instance->end <= bounds.last);
    }
    zone_unref(zone);
    return g_string_free(out, FALSE);
}

static void series(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(SERIES); i++) {
        g_autofree char *got =
            between(SERIES[i].text, SERIES[i].from, SERIES[i].to, "America/New_York");
        if (strcmp(got, SERIES[i].want) != 0)
            fail_msg("%s: got %s, want %s", SERIES[i].name, got, SERIES[i].want);
    }
}

/* Dense for ever: cut, and said so. */
static void dense_series(void **state)
{
    (void)state;
    static const char text[] = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260101T000000Z\n"
                               "RRULE:FREQ=SECONDLY\nEND:VEVENT\nEND:VCALENDAR\n";
    g_autoptr(Icalendar) object = icalendar_parse(text, strlen(text), NULL, NULL);
    RecurrenceAsk ask = {.floating = zone_utc(), .from = wall("20270101", NULL), .max = 100};
    bool cut = false;
    g_autoptr(GArray) found = recurrence_between(object, &ask, wall("20280101", NULL), &cut);
    assert_int_equal(found->len, 0); /* the room went for what came before the range */
    assert_true(cut);
    assert_int_equal(recurrence_bounds(object, 100).last, INT64_MAX);
}

/* A year whose days are all left out, each with 86,400 instances: cut, not walked to its end. */
static void dense_exceptions(void **state)
{
    (void)state;
    g_autoptr(GString) text =
        g_string_new("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260101T000000Z\n"
                     "RRULE:FREQ=DAILY;BYHOUR=0");
    for (unsigned hour = 1; hour < 24; hour++)
        g_string_append_printf(text, ",%u", hour);
    for (unsigned second = 0; second < 120; second++) /* of BYMINUTE, then of BYSECOND */
        g_string_append_printf(text, "%s%u",
                               second == 0    ? ";BYMINUTE="
                               : second == 60 ? ";BYSECOND="
                                              : ",",
                               second % 60);
    g_string_append(text, "\nEXDATE;VALUE=DATE:20260101");
    for (int64_t day = civil_day(2026, 1, 2); day < civil_day(2027, 1, 1); day++) {
        CivilDate date = civil_date(day);
        g_string_append_printf(text, ",%04d%02d%02d", date.year, date.month, date.day);
    }
    g_string_append(text, "\nEND:VEVENT\nEND:VCALENDAR\n");
    g_autoptr(Icalendar) object = icalendar_parse(text->str, text->len, NULL, NULL);
    RecurrenceAsk ask = {.floating = zone_utc(), .from = INT64_MIN, .max = 100};
    bool cut = false;
    g_autoptr(GArray) found = recurrence_between(object, &ask, INT64_MAX, &cut);
    assert_int_equal(found->len, 0);
    assert_true(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_the_archive),
        cmocka_unit_test(impossible_rules),
        cmocka_unit_test(not_rules),
        cmocka_unit_test(zones),
        cmocka_unit_test(series),
        cmocka_unit_test(dense_series),
        cmocka_unit_test(dense_exceptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
