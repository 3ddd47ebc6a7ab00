/* subject_test: base subjects, by RFC 5256 §2.1. */
#include "support.h"

#include "content/subject.h"

static void test_base(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *want;
    } rows[] = {
        {"", ""},
        {"The harbour", "The harbour"},
        {"Re: The harbour", "The harbour"},
        {"  RE : re:  Fwd: The harbour  ", "The harbour"},
        {"Re[2]: The harbour", "The harbour"},
        {"[boats] Re: [boats] The harbour", "The harbour"},
        {"The harbour (fwd)", "The harbour"},
        {"[Fwd: The harbour]", "The harbour"},
        {"Re: [Fwd: Re: The harbour (fwd)]", "The harbour"},
        {"[boats]", "[boats]"}, /* nothing comes after it */
        {"Re:", ""},
        {"[fwd:]", ""},
        {"Reply: no", "Reply: no"},
        {"Re[: open", "Re[: open"},
        {"(fwd)", ""},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = subject_base(rows[i].subject);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("\"%s\": got \"%s\", want \"%s\"", rows[i].subject, got, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_base)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
