/* base: what the small headers promise, by known values. */
#include "support.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/text.h"

static void hash_has_known_values(void **state)
{
    (void)state;
    /* printf '' | sha256sum, printf 17 | sha256sum */
    assert_true(hash64("", 0) == 0xe3b0c44298fc1c14u);
    assert_true(hash64("17", 2) == 0x4523540f1504cd17u);
    Digest digest = digest_of("abc", 3);
    g_autofree char *text = digest_format(&digest);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void rand_repeats_by_seed(void **state)
{
    (void)state;
    Rand a, b;
    rand_init(&a, 7);
    rand_init(&b, 7);
    for (int i = 0; i < 1000; i++)
        assert_true(rand_u64(&a) == rand_u64(&b));
    bool seen[10] = {false};
    for (int i = 0; i < 1000; i++) {
        uint64_t value = rand_below(&a, 10);
        assert_true(value < 10);
        seen[value] = true;
        double unit = rand_unit(&a);
        assert_true(unit >= 0 && unit < 1);
    }
    for (int i = 0; i < 10; i++)
        assert_true(seen[i]);
}

static void manual_clock_moves_when_told(void **state)
{
    (void)state;
    ClockManual manual;
    clock_manual_init(&manual, 5000);
    int64_t before = clock_monotonic_us(&manual.clock);
    clock_manual_advance(&manual, 1500000);
    assert_true(clock_monotonic_us(&manual.clock) == before + 1500000);
    assert_true(clock_wall_ms(&manual.clock) == 6500);
    clock_manual_step_wall(&manual, -3600000);
    assert_true(clock_monotonic_us(&manual.clock) == before + 1500000);
    assert_true(clock_wall_ms(&manual.clock) == 6500 - 3600000);
}

static void error_keeps_kind_and_text(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    assert_false(fail(&error, ERROR_GONE, "there is no account \"%s\"", "a@b"));
    assert_int_equal(error_kind(error), ERROR_GONE);
    assert_string_equal(error->message, "there is no account \"a@b\"");
    assert_false(fail(NULL, ERROR_GONE, "nobody listens"));
}

static void keep_line(LogLevel level, const char *line, void *data)
{
    (void)level;
    g_string_append(data, line);
}

static void log_line_stays_one_line(void **state)
{
    (void)state;
    g_autoptr(GString) got = g_string_new(NULL);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_sink_set(keep_line, got);
    log_field_push("node", "4");
    log_event(LOG_LEVEL_INFO, "test.event", "two\nlines and a \"quote\"");
    log_event(LOG_LEVEL_DEBUG, "test.event", "not let out");
    log_field_pop();
    log_sink_set(NULL, NULL);
    assert_null(strchr(got->str, '\n'));
    assert_non_null(strstr(got->str, "two\\u000alines and a \\\"quote\\\"\",\"node\":\"4\"}"));
    assert_null(strstr(got->str, "not let out"));
}

static void text_is_cut_between_letters(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {{NULL, ""},
                {"", ""},
                {"abc", "abc"},
                {"abcd", "abc"},
                {"\303\244\303\266\303\274x", "\303\244\303\266\303\274"},
                {"a\377bc", "a\357\277\275b"}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = text_cut(rows[i].text, 3);
        assert_string_equal(got, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_has_known_values),
        cmocka_unit_test(rand_repeats_by_seed),
        cmocka_unit_test(manual_clock_moves_when_told),
        cmocka_unit_test(error_keeps_kind_and_text),
        cmocka_unit_test(log_line_stays_one_line),
        cmocka_unit_test(text_is_cut_between_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
