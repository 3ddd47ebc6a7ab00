/* default_alarm_test: alarms of events that come without one. */
#include <string.h>

#include "support.h"

#include "content/default_alarm.h"

#define ALARM(time)        "BEGIN:VALARM\r\nACTION:NONE\r\nTRIGGER:-PT" time "M\r\nEND:VALARM\r\n"
#define EVENT(start, more) "BEGIN:VEVENT\r\nUID:a\r\nDTSTART" start "\r\n" more "END:VEVENT\r\n"
#define WRAP(text)         "BEGIN:VCALENDAR\r\n" text "END:VCALENDAR\r\n"

static void is_valid(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } rows[] = {{"", true},
                {ALARM("5"), true},
                {ALARM("5") ALARM("10"), true},
                {"BEGIN:VALARM\nACTION:NONE\nTRIGGER:-PT1M\nEND:VALARM", true},
                {"SUMMARY:x", false},
                {"BEGIN:VEVENT\r\nEND:VEVENT\r\n", false},
                {"BEGIN:VALARM\r\nX-A:\x01\r\nEND:VALARM\r\n", false}};
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        print_message("# %s\n", rows[i].text);
        assert_int_equal(default_alarm_is_valid(rows[i].text), rows[i].want);
    }
}

static void adds(void **state)
{
    (void)state;
    static const struct {
        const char *input, *want;
    } rows[] = {
        {WRAP(EVENT(":20260301T090000Z", "X-ODD:1\r\n")),
         WRAP(EVENT(":20260301T090000Z", "X-ODD:1\r\n" ALARM("5")))},
        {WRAP(EVENT(";VALUE=DATE:20260301", "")), WRAP(EVENT(";VALUE=DATE:20260301", ALARM("9")))},
        {WRAP(EVENT(":20260301T090000Z", ALARM("1"))), NULL},
        {WRAP("BEGIN:VTODO\r\nUID:a\r\nEND:VTODO\r\n"), NULL},
        {"", NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GBytes) object = g_bytes_new(rows[i].input, strlen(rows[i].input));
        g_autoptr(GBytes) got = default_alarm_add(object, ALARM("5"), ALARM("9"));
        g_autoptr(GBytes) none = default_alarm_add(object, "", "");
        assert_null(none);
        assert_int_equal(got != NULL, rows[i].want != NULL);
        if (got) {
            gsize size;
            const char *data = g_bytes_get_data(got, &size);
            g_autofree char *text = g_strndup(data, size);
            assert_string_equal(text, rows[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_valid), cmocka_unit_test(adds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
