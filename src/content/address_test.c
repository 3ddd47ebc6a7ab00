/* address_test: addresses and their folded form. */
#include "support.h"

#include "base/error.h"
#include "content/address.h"

static const struct {
    const char *input, *local, *detail, *domain, *plain; /* local NULL: rejected */
} ADDRESSES[] = {
    {"ada@example.org", "ada", NULL, "example.org", "ada@example.org"},
    {"Ada.Lovelace+Lists@Example.ORG", "ada.lovelace", "Lists", "example.org",
     "ada.lovelace@example.org"},
    {"a+b+c@example.org", "a", "b+c", "example.org", "a@example.org"},
    {"+a@example.org", "+a", NULL, "example.org", "+a@example.org"},
    {"JÖRG@MÜNCHEN.example", "jörg", NULL, "münchen.example", "jörg@münchen.example"},
    {"x@xn--mnchen-3ya.example", "x", NULL, "münchen.example", "x@münchen.example"},
    {"\"ada\"@example.org", "ada", NULL, "example.org", "ada@example.org"},
    {"\"Ada L\"@example.org", "ada l", NULL, "example.org", "\"ada l\"@example.org"},
    {"\"a\\\"b\"@example.org", "a\"b", NULL, "example.org", "\"a\\\"b\"@example.org"},
    {"a@[192.0.2.1]", "a", NULL, "[192.0.2.1]", "a@[192.0.2.1]"},
    {"a@[IPv6:2001:db8::1]", "a", NULL, "[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
    {"a@localhost", "a", NULL, "localhost", "a@localhost"},
    {"", NULL, NULL, NULL, NULL},
    {"ada", NULL, NULL, NULL, NULL},
    {"@example.org", NULL, NULL, NULL, NULL},
    {"ada@", NULL, NULL, NULL, NULL},
    {"a b@example.org", NULL, NULL, NULL, NULL},
    {"a..b@example.org", NULL, NULL, NULL, NULL},
    {".a@example.org", NULL, NULL, NULL, NULL},
    {"a.@example.org", NULL, NULL, NULL, NULL},
    {"a@b@example.org", NULL, NULL, NULL, NULL},
    {"a@example..org", NULL, NULL, NULL, NULL},
    {"a@-example.org", NULL, NULL, NULL, NULL},
    {"a@exa mple.org", NULL, NULL, NULL, NULL},
    {"\"@example.org", NULL, NULL, NULL, NULL},
    {"\"a\\\"@example.org", NULL, NULL, NULL, NULL},
    {"a@[", NULL, NULL, NULL, NULL},
    {"a@[]", NULL, NULL, NULL, NULL},
    {"<a@example.org>", NULL, NULL, NULL, NULL},
    {"\xff@example.org", NULL, NULL, NULL, NULL},
    {"12345678901234567890123456789012345678901234567890123456789012345@example.org", NULL, NULL,
     NULL, NULL},
};

static void assert_text(const char *input, const char *got, const char *want)
{
    if (g_strcmp0(got, want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", input, got, want);
}

static void parses(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(ADDRESSES); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Address) address = address_parse(ADDRESSES[i].input, &error);
        if (!ADDRESSES[i].local) {
            if (address)
                fail_msg("\"%s\" is taken as %s", ADDRESSES[i].input, address->plain);
            assert_int_equal(error_kind(error), ERROR_REJECT);
            continue;
        }
        assert_no_error(error);
        assert_text(ADDRESSES[i].input, address->local, ADDRESSES[i].local);
        assert_text(ADDRESSES[i].input, address->detail, ADDRESSES[i].detail);
        assert_text(ADDRESSES[i].input, address->domain, ADDRESSES[i].domain);
        assert_text(ADDRESSES[i].input, address->plain, ADDRESSES[i].plain);
        g_autoptr(Address) again = address_parse(address->plain, &error);
        assert_no_error(error);
        assert_text(address->plain, again->plain, address->plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parses)};
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
