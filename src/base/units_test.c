/* units: spellings, refusals, overflow, and reading back what was formatted. */
#include "support.h"

#include "base/error.h"
#include "base/rand.h"
#include "base/units.h"

typedef bool (*Parse)(const char *text, int64_t *ret_value, GError **error);
typedef struct {
    const char *input;
    int64_t want; /* -1: refused */
} Case;

static void check(Parse parse, const Case *cases, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_autoptr(GError) error = NULL;
        int64_t got = -1;
        bool good = parse(cases[i].input, &got, &error);
        if (got != cases[i].want || good != (cases[i].want >= 0))
            fail_msg("\"%s\": got %lld, want %lld", cases[i].input, (long long)got,
                     (long long)cases[i].want);
        assert_int_equal(good, error == NULL);
    }
}

static void durations(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"0", 0},
        {"0s", 0},
        {"500ms", 500},
        {"30s", 30000},
        {"5m", 300000},
        {"1h", 3600000},
        {"30d", 2592000000},
        {"1 h", 3600000},
        {"1H", 3600000},
        {"", -1},
        {"1", -1},
        {"h", -1},
        {"-1s", -1},
        {"1.5h", -1},
        {"1h30m", -1},
        {"1w", -1},
        {"1s ", -1},
        {" 1s", -1},
        {"+1s", -1},
        {"106751991167d", 9223372036828800000},
        {"106751991168d", -1},
        {"99999999999999999999s", -1},
    };
    check(units_parse_duration, cases, G_N_ELEMENTS(cases));
}

static void sizes(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"0", 0},
        {"17", 17},
        {"17b", 17},
        {"10kb", 10000},
        {"10kib", 10240},
        {"10mb", 10000000},
        {"1MiB", 1048576},
        {"2gb", 2000000000},
        {"2 gib", 2147483648},
        {"1tb", 1000000000000},
        {"", -1},
        {"mb", -1},
        {"1.5mb", -1},
        {"-1", -1},
        {"10k", -1},
        {"10 m b", -1},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"8388608tib", -1},
    };
    check(units_parse_size, cases, G_N_ELEMENTS(cases));
}

static void what_is_formatted_reads_back(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } known[] = {{0, "0s"},       {500, "500ms"},   {90000, "90s"},
                 {3600000, "1h"}, {86400000, "1d"}, {2592000000, "30d"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        g_autofree char *text = units_format_duration(known[i].ms);
        assert_string_equal(text, known[i].want);
    }
    Rand rand;
    rand_init(&rand, 3);
    for (unsigned i = 0; i < 10000; i++) {
        int64_t value = (int64_t)(rand_u64(&rand) >> (1 + rand_below(&rand, 63))), got = -1;
        g_autofree char *duration = units_format_duration(value);
        assert_true(units_parse_duration(duration, &got, NULL) && got == value);
        g_autofree char *size = units_format_size(value);
        assert_true(units_parse_size(size, &got, NULL) && got == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(what_is_formatted_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
