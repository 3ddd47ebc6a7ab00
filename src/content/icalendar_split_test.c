/* icalendar_split_test: files of calendars as single objects. */
#include <string.h>

#include "support.h"

#include "content/icalendar.h"
#include "content/icalendar_split.h"

#define EVENT(uid, more)                                                                           \
    "BEGIN:VEVENT\r\nUID:" uid "\r\nDTSTART:20260301T090000Z\r\n" more "END:VEVENT\r\n"
#define ZONE(name) "BEGIN:VTIMEZONE\r\nTZID:" name "\r\nX-A:1\r\nEND:VTIMEZONE\r\n"
#define HEAD       "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:p\r\n"
#define END        "END:VCALENDAR\r\n"
#define NO_UID     "BEGIN:VTODO\r\nSUMMARY:s\r\nEND:VTODO\r\n"

static const struct {
    const char *name, *input;
    unsigned left_out;
    const char *want[4];
} ROWS[] = {
    {"one keeps its bytes",
     "begin:vcalendar\nX-A:\n b\nBEGIN:VEVENT\nUID:a\nEND:VEVENT\nend:vcalendar",
     0,
     {"begin:vcalendar\nX-A:\n b\nBEGIN:VEVENT\nUID:a\nEND:VEVENT\nend:vcalendar"}},
    {"a series and its override are one",
     HEAD EVENT("a", "") EVENT("a", "RECURRENCE-ID:x\r\n") END,
     0,
     {HEAD EVENT("a", "") EVENT("a", "RECURRENCE-ID:x\r\n") END}},
    {"two, with the zones that they name",
     HEAD "X-WR-CALNAME:n\r\n" ZONE("A") ZONE("B") EVENT("a", "DTEND;TZID=\"B\":x\r\n")
         EVENT("b", "X-ODD;Y=\"z\":1\r\n fold\r\n") EVENT("a", "X-A:b\r\n") END,
     0,
     {HEAD ZONE("B") EVENT("a", "DTEND;TZID=\"B\":x\r\n") EVENT("a", "X-A:b\r\n") END,
      HEAD EVENT("b", "X-ODD;Y=\"z\":1\r\n fold\r\n") END}},
    {"a METHOD goes", HEAD "METHOD:PUBLISH\r\n" EVENT("a", "") END, 0, {HEAD EVENT("a", "") END}},
    {"what no calendar holds",
     HEAD "BEGIN:VFREEBUSY\r\nUID:f\r\nEND:VFREEBUSY\r\n" EVENT("a", "") END,
     1,
     {HEAD EVENT("a", "") END}},
    {"nothing", HEAD END, 0, {NULL}},
};

static void splits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(ROWS); i++) {
        print_message("# %s\n", ROWS[i].name);
        g_auto(IcalendarSplit) split = icalendar_split(ROWS[i].input, strlen(ROWS[i].input));
        assert_int_equal(split.left_out, ROWS[i].left_out);
        for (unsigned k = 0; k < split.objects->len; k++) {
            gsize size;
            const char *data = g_bytes_get_data(split.objects->pdata[k], &size);
            g_autofree char *got = g_strndup(data, size);
            assert_non_null(ROWS[i].want[k]);
            assert_string_equal(got, ROWS[i].want[k]);
        }
        assert_null(ROWS[i].want[split.objects->len]);
    }
}

/* One without a UID gets the same each time, and can be stored. */
static void makes_a_uid(void **state)
{
    (void)state;
    static const char input[] = HEAD NO_UID NO_UID END;
    g_auto(IcalendarSplit) one = icalendar_split(input, strlen(input));
    g_auto(IcalendarSplit) again = icalendar_split(input, strlen(input));
    assert_int_equal(one.objects->len, 1); /* they are the same */
    gsize size;
    const void *data = g_bytes_get_data(one.objects->pdata[0], &size);
    assert_true(g_bytes_equal(one.objects->pdata[0], again.objects->pdata[0]));
    assert_non_null(g_strstr_len(data, (gssize)size, "\r\nUID:"));
}

static void finds_each(void **state)
{
    (void)state;
#define BARE HEAD "END:VCALENDAR"
    static const char input[] = "junk\r\n" HEAD END BARE "\r\n\r\n" BARE
                                "\n\n" HEAD EVENT("a", "X-A:END:VCALENDAR\r\n") END HEAD;
    const char *at = input, *end = input + strlen(input);
    const char *const want[] = {HEAD END, BARE, BARE, HEAD EVENT("a", "X-A:END:VCALENDAR\r\n") END,
                                HEAD};
    size_t size;
    for (unsigned i = 0; i < G_N_ELEMENTS(want); i++) {
        const char *begin = icalendar_split_next(&at, end, &size);
        assert_non_null(begin);
        assert_int_equal(size, strlen(want[i]));
        assert_memory_equal(begin, want[i], size);
    }
    assert_null(icalendar_split_next(&at, end, &size));
}

static void knows_the_plain(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } rows[] = {
        {HEAD EVENT("a", "") END, true},
        {HEAD EVENT("a", "") "END:VCALENDAR", true},
        {" " HEAD EVENT("a", "") END, false},
        {HEAD EVENT("a", "") END "\r\n", false},
        {HEAD EVENT("a", "") EVENT("b", "") END, false},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_int_equal(icalendar_split_is_plain(rows[i].text, strlen(rows[i].text)),
                         rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits),
        cmocka_unit_test(makes_a_uid),
        cmocka_unit_test(finds_each),
        cmocka_unit_test(knows_the_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
