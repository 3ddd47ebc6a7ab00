/* cron: spellings, refusals, clock changes by known dates, and an oracle that walks minute by
 * minute. */
#include "support.h"

#include "base/cron.h"
#include "base/error.h"
#include "base/rand.h"

static int64_t ms_of(const char *iso)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(iso, utc);
    assert_non_null(time);
    return g_date_time_to_unix(time) * 1000;
}

static void next_slots(void **state)
{
    (void)state;
    static const struct {
        const char *schedule, *zone, *after, *want; /* UTC */
    } cases[] = {
        {"0 3 * * *", NULL, "2026-11-24T02:59:59Z", "2026-11-24T03:00:00Z"},
        {"0 3 * * *", NULL, "2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z"},
        {"0 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T01:00:00Z"},
        {"*/15 * * * *", NULL, "2026-11-24T02:59:59Z", "2026-11-24T03:00:00Z"},
        {"*/15 * * * *", NULL, "2026-11-24T03:01:00Z", "2026-11-24T03:15:00Z"},
        {"10-50/20 8,20 * * *", NULL, "2026-11-24T08:31:00Z", "2026-11-24T08:50:00Z"},
        {"10-50/20 8,20 * * *", NULL, "2026-11-24T08:51:00Z", "2026-11-24T20:10:00Z"},
        {"0 0 1 jan *", NULL, "2026-11-24T00:00:00Z", "2027-01-01T00:00:00Z"},
        {"0 0 29 2 *", NULL, "2026-11-24T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 29 2 *", NULL, "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
        {"0 0 * * mon-fri", NULL, "2026-11-27T00:00:00Z", "2026-11-30T00:00:00Z"},
        {"0 0 * * 7", NULL, "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 * * 0", NULL, "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 * * FRI-SUN", NULL, "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 13 * fri", NULL, "2026-11-24T00:00:00Z", "2026-11-27T00:00:00Z"},
        {"0 0 25 * fri", NULL, "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"},
        /* 29 March 2026: Berlin goes from 02:00 to 03:00 at 01:00Z */
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
        {"30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"},
        {"0 3 * * *", "Europe/Berlin", "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"},
        /* 25 October 2026: from 03:00 back to 02:00 at 01:00Z */
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
        {"30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
        {"every 1m", NULL, "2026-11-24T03:00:00Z", "2026-11-24T03:01:00Z"},
        {"every 90s", NULL, "1970-01-01T00:01:00Z", "1970-01-01T00:01:30Z"},
        /* a whole day that Samoa left out */
        {"0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00:00Z"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CronSchedule) schedule = cron_parse(cases[i].schedule, &error);
        assert_no_error(error);
        g_autoptr(GTimeZone) zone =
            cases[i].zone ? g_time_zone_new_identifier(cases[i].zone) : NULL;
        assert_true(!cases[i].zone || zone);
        int64_t got = cron_next(schedule, ms_of(cases[i].after), zone);
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(got / 1000);
        g_autofree char *text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
        if (strcmp(text, cases[i].want) != 0)
            fail_msg("\"%s\" in %s after %s: got %s, want %s", cases[i].schedule, cases[i].zone,
                     cases[i].after, text, cases[i].want);
    }
}

static void wrong_schedules_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *input, *want;
    } cases[] = {
        {"", "which is no schedule; write five fields"},
        {"0 3 * *", "which is no schedule"},
        {"0 3 * * * *", "which is no schedule"},
        {"@daily", "which is no schedule"},
        {"60 3 * * *", "found \"60\" as the minute; write numbers from 0 to 59"},
        {"0 24 * * *", "found \"24\" as the hour"},
        {"0 0 0 * *", "found \"0\" as the day of month; write numbers from 1 to 31"},
        {"0 0 * 13 *", "found \"13\" as the month"},
        {"0 0 * * 8", "found \"8\" as the day of week"},
        {"0 0 * janu *",
         "found \"janu\" as the month; write numbers from 1 to 12 or names of three letters"},
        {"0 5-3 * * *", "found the reversed range \"5-3\" as the hour"},
        {"*/0 * * * *", "found the step \"*/0\" as the minute; write a step from 1 on"},
        {"5/15 * * * *", "write a step after a range: \"5-59/15\""},
        {"1,,2 * * * *", "found \"\" as the minute"},
        {"-1 * * * *", "found \"-1\" as the minute"},
        {"99999999999999999999 * * * *", "as the minute"},
        {"0 0 30 2 *", "a day that no month has"},
        {"0 0 31 4,6,9,11 *", "a day that no month has"},
        {"every", "which is no schedule"},
        {"every 0s", "write a duration from 1s to 366d"},
        {"every 367d", "write a duration from 1s to 366d"},
        {"every day", "which is no duration"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CronSchedule) schedule = cron_parse(cases[i].input, &error);
        if (schedule || !strstr(error->message, cases[i].want))
            fail_msg("\"%s\": got %s, want %s", cases[i].input,
                     error ? error->message : "a schedule", cases[i].want);
    }
    g_autofree char *large = g_strnfill(2000, '1');
    assert_null(cron_parse(large, NULL));
}

/* The oracle: one field as a list of numbers, and a walk over the minutes of real time. */
typedef struct {
    bool minutes[60], hours[24], days[32], months[13], weekdays[8];
    bool every_hour, both_days;
} Oracle;

static char *random_field(Rand *rand, bool *in, int first, int last, bool *ret_every)
{
    if (ret_every)
        *ret_every = true;
    if (rand_below(rand, 2) == 0) {
        for (int i = first; i <= last; i++)
            in[i] = true;
        return g_strdup("*");
    }
    if (ret_every)
        *ret_every = false;
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i <= rand_below(rand, 3); i++) {
        int from = first + (int)rand_below(rand, (unsigned)(last - first)),
            to = from + (int)rand_below(rand, (unsigned)(last - from) + 1);
        to = MIN(to, from + 8);
        int step = 1 + (int)rand_below(rand, 4);
        g_string_append_printf(text, "%s%d-%d/%d", i ? "," : "", from, to, step);
        for (int value = from; value <= to; value += step)
            in[value] = true;
    }
    return g_string_free(text, FALSE);
}

static bool oracle_fits(const Oracle *oracle, int64_t local)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(local);
    bool by_date = oracle->days[g_date_time_get_day_of_month(time)];
    bool by_weekday = oracle->weekdays[g_date_time_get_day_of_week(time) % 7];
    return oracle->minutes[g_date_time_get_minute(time)] &&
           oracle->hours[g_date_time_get_hour(time)] &&
           oracle->months[g_date_time_get_month(time)] &&
           (oracle->both_days ? by_date || by_weekday : by_date && by_weekday);
}

static int64_t local_of(GTimeZone *zone, int64_t second)
{
    return second + g_time_zone_get_offset(
                        zone, g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, second));
}

/* The first slot after `after` (a whole minute) within `minutes`; 0 if there is none. */
static int64_t oracle_next(const Oracle *oracle, GTimeZone *zone, int64_t after, unsigned minutes)
{
    int64_t latest = INT64_MIN; /* local time that has been reached so far */
    for (int64_t at = after - 180 * 60; at <= after; at += 60)
        latest = MAX(latest, local_of(zone, at));
    for (int64_t at = after + 60; at <= after + (int64_t)minutes * 60; at += 60) {
        int64_t local = local_of(zone, at);
        bool again = local <= latest;
        if (oracle_fits(oracle, local) && (!again || oracle->every_hour))
            return at;
        for (int64_t skipped = latest + 60; skipped < local && !oracle->every_hour; skipped += 60)
            if (oracle_fits(oracle, skipped))
                return at;
        latest = MAX(latest, local);
    }
    return 0;
}

static void agrees_with_a_walk_over_minutes(void **state)
{
    (void)state;
    static const char *const zones[] = {"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe",
                                        "Asia/Kathmandu", "America/Sao_Paulo"};
    static const char *const starts[] = {"2006-10-28T12:00:00Z", "2026-03-28T20:00:00Z",
                                         "2026-10-24T12:00:00Z", "2026-04-04T06:00:00Z",
                                         "2017-10-14T20:00:00Z", "2017-02-18T18:00:00Z",
                                         "2026-03-07T20:00:00Z", "2026-10-31T20:00:00Z"};
    Rand rand;
    rand_init(&rand, 11);
    unsigned hits = 0;
    for (unsigned round = 0; round < 1500; round++) {
        Oracle oracle = {0};
        bool every_day, every_weekday;
        g_autofree char *minutes = random_field(&rand, oracle.minutes, 0, 59, NULL);
        g_autofree char *hours = random_field(&rand, oracle.hours, 0, 23, &oracle.every_hour);
        g_autofree char *days = random_field(&rand, oracle.days, 1, 31, &every_day);
        g_autofree char *weekdays = random_field(&rand, oracle.weekdays, 0, 6, &every_weekday);
        memset(oracle.months, 1, sizeof(oracle.months));
        oracle.both_days = !every_day && !every_weekday;
        g_autofree char *text = g_strdup_printf("%s %s %s * %s", minutes, hours, days, weekdays);
        g_autoptr(GError) error = NULL;
        g_autoptr(CronSchedule) schedule = cron_parse(text, &error);
        assert_no_error(error);
        g_autoptr(GTimeZone) zone =
            g_time_zone_new_identifier(zones[rand_below(&rand, G_N_ELEMENTS(zones))]);
        int64_t after = ms_of(starts[rand_below(&rand, G_N_ELEMENTS(starts))]) / 1000 +
                        (int64_t)rand_below(&rand, 600) * 60;
        for (unsigned slot = 0; slot < 5; slot++) {
            int64_t want = oracle_next(&oracle, zone, after, 800);
            int64_t got = cron_next(schedule, after * 1000, zone) / 1000;
            if (want != 0 ? got != want : got <= after + 800 * 60)
                fail_msg("\"%s\" in %s after %lld: got %lld, want %lld", text,
                         g_time_zone_get_identifier(zone), (long long)after, (long long)got,
                         (long long)want);
            hits += want != 0;
            after = want ? want : after + 800 * 60;
        }
    }
    assert_true(hits > 2000);
}

static void ends_of_time_are_borne(void **state)
{
    (void)state;
    g_autoptr(CronSchedule) schedule = cron_parse("0 3 * * *", NULL);
    g_autoptr(CronSchedule) every = cron_parse("every 1h", NULL);
    assert_true(cron_next(schedule, INT64_MAX, NULL) == INT64_MAX);
    assert_true(cron_next(every, INT64_MAX, NULL) == INT64_MAX);
    assert_true(cron_next(schedule, INT64_MIN, NULL) == 3 * 3600000);
    assert_true(cron_next(every, INT64_MIN, NULL) == 0);
    assert_true(cron_next(every, 0, NULL) == 3600000);
    assert_int_equal(cron_interval_ms(every), 3600000);
    assert_int_equal(cron_interval_ms(schedule), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_slots),
        cmocka_unit_test(wrong_schedules_are_refused),
        cmocka_unit_test(agrees_with_a_walk_over_minutes),
        cmocka_unit_test(ends_of_time_are_borne),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
