/* connect_pause: who may try to reach the store, and when. */
#include "support.h"

#include "base/error.h"
#include "base/limits.h"
#include "db/connect_pause.h"

static void fails(const char *url, int64_t now)
{
    g_autoptr(GError) reason = NULL;
    fail(&reason, ERROR_RETRY, "nobody at %s", url);
    connect_pause_leave(url, now, reason);
}

static bool may(const char *url, int64_t now)
{
    return connect_pause_enter(url, now, NULL);
}

static void a_failure_makes_all_wait(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    assert_true(may("a", 0));
    fails("a", 0);
    assert_false(connect_pause_enter("a", 1, &error));
    assert_int_equal(error_kind(error), ERROR_RETRY);
    assert_string_equal(error->message, "nobody at a");
    assert_true(may("b", 1)); /* another server */
    connect_pause_leave("b", 1, NULL);
    int64_t later = CONNECT_PAUSE_MAX_MS * INT64_C(1000);
    assert_true(may("a", later));
    assert_false(may("a", later)); /* one at a time */
    connect_pause_leave("a", later, NULL);
    assert_true(may("a", later) && may("a", later)); /* all, once it was reached */
}

/* The first µs at which it may try again; it has then begun to. */
static int64_t next_try(const char *url, int64_t from)
{
    while (!may(url, from))
        from += 1000;
    return from;
}

static void pauses_grow_and_have_an_end(void **state)
{
    (void)state;
    int64_t now = 0, longest = 0, first = 0;
    assert_true(may("grows", now));
    for (unsigned i = 0; i < 40; i++) {
        fails("grows", now);
        int64_t next = next_try("grows", now);
        assert_true(next - now >= CONNECT_PAUSE_MIN_MS * 500);
        assert_true(next - now <= CONNECT_PAUSE_MAX_MS * 1000 + 1000);
        longest = MAX(longest, next - now);
        first = first ? first : next - now;
        now = next;
    }
    assert_true(first <= CONNECT_PAUSE_MIN_MS * 1000 + 1000);
    assert_true(longest >= CONNECT_PAUSE_MAX_MS * 500);
}

static void what_begins_together_fails_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++)
        assert_true(may("crowd", 0));
    for (unsigned i = 0; i < 12; i++)
        fails("crowd", 0);
    assert_true(next_try("crowd", 0) <= CONNECT_PAUSE_MIN_MS * 1000 + 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_makes_all_wait),
        cmocka_unit_test(pauses_grow_and_have_an_end),
        cmocka_unit_test(what_begins_together_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
