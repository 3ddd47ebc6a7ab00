/* mbox_test: where messages begin and end, byte for byte, however the file is fed. */
#include "support.h"

#include <string.h>

#include "content/mbox.h"

#define FROM "From ada@example.org Mon Jan  2 03:04:05 2023\n"

/* Each message in brackets; a cut one as its size. */
static char *split(const char *bytes, size_t size, size_t step, MboxQuoting quoting, size_t max)
{
    g_autoptr(Mbox) mbox = mbox_new(quoting, max);
    GString *all = g_string_new(NULL);
    for (size_t at = 0;; at += step) {
        bool end = at + step >= size;
        MboxMessage message;
        mbox_feed(mbox, bytes + at, MIN(step, size - at));
        while (mbox_next(mbox, end, &message)) {
            if (message.cut)
                g_string_append_printf(all, "[cut %d]", (int)message.size);
            else
                g_string_append_printf(all, "[%s]", message.bytes->str);
        }
        if (end)
            return g_string_free(all, false);
    }
}

static const struct {
    const char *name;
    MboxQuoting quoting;
    const char *input, *want;
} FILES[] = {
    {"two", MBOX_QUOTING_RD, FROM "a: b\n\nc\n\n" FROM "d: e\n\nf\n\n",
     "[a: b\n\nc\n][d: e\n\nf\n]"},
    {"no empty line at the end", MBOX_QUOTING_RD, FROM "a: b\n\nc\n", "[a: b\n\nc\n]"},
    {"no line's end at the end", MBOX_QUOTING_RD, FROM "a: b\n\nc", "[a: b\n\nc]"},
    {"two empty lines: one is the text's", MBOX_QUOTING_RD, FROM "a\n\n\n" FROM "b\n\n",
     "[a\n\n][b\n]"},
    {"CRLF", MBOX_QUOTING_RD,
     "From a Mon Jan 2 03:04 2023\r\na: b\r\n\r\nc\r\n\r\n" FROM "d\r\n\r\n",
     "[a: b\r\n\r\nc\r\n][d\r\n]"},
    {"no empty line before: text", MBOX_QUOTING_RD, FROM "a: b\n\nc\n" FROM "d\n\n",
     "[a: b\n\nc\n" FROM "d\n]"},
    {"text that begins with From", MBOX_QUOTING_RD, FROM "a: b\n\nFrom here we go on\n\n",
     "[a: b\n\nFrom here we go on\n]"},
    {"rd: each loses one", MBOX_QUOTING_RD, FROM "\n>From x\n>>From y\n> From z\n>from\n",
     "[\nFrom x\n>From y\n> From z\n>from\n]"},
    {"o: only the first", MBOX_QUOTING_O, FROM "\n>From x\n>>From y\n", "[\nFrom x\n>>From y\n]"},
    {"none", MBOX_QUOTING_NONE, FROM "\n>From x\n>>From y\n", "[\n>From x\n>>From y\n]"},
    {"first line without a date", MBOX_QUOTING_RD, "From nobody\na: b\n", "[a: b\n]"},
    {"no separator at all", MBOX_QUOTING_RD, "a: b\n\nc\n", "[a: b\n\nc\n]"},
    {"an empty message", MBOX_QUOTING_RD, FROM "\n" FROM "b\n", "[][b\n]"},
    {"only a separator", MBOX_QUOTING_RD, FROM, "[]"},
    {"nothing", MBOX_QUOTING_RD, "", ""},
};

static void splits(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(FILES); i++) {
        for (size_t step = 1; step < 200; step += 7) {
            g_autofree char *got =
                split(FILES[i].input, strlen(FILES[i].input), step, FILES[i].quoting, 10000);
            if (strcmp(got, FILES[i].want) != 0)
                fail_msg("%s, in steps of %zu: got \"%s\", want \"%s\"", FILES[i].name, step, got,
                         FILES[i].want);
        }
    }
}

static void bounds_memory(void **state)
{
    (void)state;
    g_autoptr(GString) file = g_string_new(FROM "a\n\n" FROM);
    for (int i = 0; i < 100000; i++)
        g_string_append(file, i % 1000 ? "0123456789" : "\n");
    g_string_append(file, "\n\n" FROM "b\n\n");
    g_autofree char *got = split(file->str, file->len, 4096, MBOX_QUOTING_RD, 1000);
    assert_string_equal(got, "[a\n][cut 999101][b\n]");
}

static void keeps_nul(void **state)
{
    (void)state;
    static const char file[] = FROM "a\0b\n\0\n";
    g_autoptr(Mbox) mbox = mbox_new(MBOX_QUOTING_RD, 1000);
    MboxMessage message;
    mbox_feed(mbox, file, sizeof file - 1);
    assert_true(mbox_next(mbox, true, &message));
    assert_int_equal(message.size, 6);
    assert_memory_equal(message.bytes->str, "a\0b\n\0\n", 6);
    assert_false(mbox_next(mbox, true, &message));
}

static const struct {
    const char *line;
    int64_t want; /* seconds; -1: no separator */
} DATES[] = {
    {"From a@b Mon Jan  2 03:04:05 2023", 1672628645},
    {"From a@b Mon Jan  2 03:04 2023", 1672628640},
    {"From - Mon Jan 02 03:04:05 2023", 1672628645},
    {"From a@b Mon Jan  2 03:04:05 +0100 2023", 1672625045},
    {"From a@b Mon Jan  2 03:04:05 2023 -0130", 1672634045},
    {"From a@b Mon Jan  2 03:04:05 CET 2023", 1672628645},
    {"From a@b Mon, 2 Jan 2023 03:04:05", 0},
    {"From a@b Mon Feb 31 03:04:05 2023", 0},
    {"From a@b Mon Jan  2 25:04:05 2023", -1},
    {"From a@b Mon Jan  2 03:04:05", -1},
    {"From our side: 10:30 is fine", -1},
};

static void reads_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(DATES); i++) {
        g_autoptr(Mbox) mbox = mbox_new(MBOX_QUOTING_RD, 1000);
        g_autofree char *file = g_strdup_printf("x\n\n%s\ny\n", DATES[i].line);
        MboxMessage message;
        mbox_feed(mbox, file, strlen(file));
        assert_true(mbox_next(mbox, true, &message));
        bool two = mbox_next(mbox, true, &message);
        int64_t got = two ? message.received_at / 1000 : -1;
        if (got != DATES[i].want || (two && message.offset != 3))
            fail_msg("%s: got %d, want %d", DATES[i].line, (int)got, (int)DATES[i].want);
    }
}

static const struct {
    const char *input, *want;
} STATUSES[] = {
    {"Status: RO\nX-Status: AF\n\n", " $answered $flagged $seen "},
    {"status: O\r\n\r\n", ""},
    {"X-Status: T\n", " $draft "},
    {"A: b\n\nStatus: R\n", ""},
    {"", ""},
};

static void reads_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(STATUSES); i++) {
        g_autofree char *got = mbox_keywords(STATUSES[i].input, strlen(STATUSES[i].input));
        assert_string_equal(got, STATUSES[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits),      cmocka_unit_test(bounds_memory), cmocka_unit_test(keeps_nul),
        cmocka_unit_test(reads_dates), cmocka_unit_test(reads_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
