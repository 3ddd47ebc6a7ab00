/* nearest: distances, and when a guess is better left out. */
#include "support.h"

#include "base/nearest.h"

static void distances(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned want;
    } cases[] = {
        {"", "", 0},
        {"abc", "abc", 0},
        {"abc", "ABC", 0},
        {"abc", "", 3},
        {"", "abc", 3},
        {"abc", "abd", 1},
        {"abc", "ab", 1},
        {"abc", "xabc", 1},
        {"abc", "acb", 1},
        {"kitten", "sitting", 3},
        {"listen", "lisen", 1},
        {"training", "trainign", 1},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        unsigned got = nearest_distance(cases[i].a, cases[i].b);
        if (got != cases[i].want || nearest_distance(cases[i].b, cases[i].a) != got)
            fail_msg("%s, %s: got %u, want %u", cases[i].a, cases[i].b, got, cases[i].want);
    }
    g_autofree char *large = g_strnfill(NEAREST_BYTES_MAX + 1, 'a');
    assert_int_equal(nearest_distance(large, large), NEAREST_BYTES_MAX);
}

static void guesses(void **state)
{
    (void)state;
    static const char *const words[] = {"check", "roles", "serve", "account add", "account list"};
    static const struct {
        const char *word, *want;
    } cases[] = {
        {"chek", "check"}, {"role", "roles"}, {"SERVE", "serve"}, {"acount add", "account add"},
        {"che", "check"},  {"x", NULL},       {"", NULL},         {"banana", NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *got = nearest_find(cases[i].word, words, G_N_ELEMENTS(words));
        if (g_strcmp0(got, cases[i].want) != 0)
            fail_msg("%s: got %s, want %s", cases[i].word, got, cases[i].want);
    }
    assert_null(nearest_find("check", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
