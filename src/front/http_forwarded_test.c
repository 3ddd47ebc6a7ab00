/* http_forwarded_test: chains of proxies, honest ones and others. */
#include "base/error.h"
#include "front/http_forwarded.h"
#include "support.h"

static const char *const proxies_list[] = {"127.0.0.0/8", "2001:db8:1::/48", "192.0.2.7", "unix",
                                           NULL};

static void finds_who_asks(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *x, *forwarded, *want;
    } rows[] = {
        {"127.0.0.1", NULL, NULL, "127.0.0.1"},
        {"127.0.0.1", "203.0.113.9", NULL, "203.0.113.9"},
        {"::ffff:127.0.0.1", "203.0.113.9", NULL, "203.0.113.9"},
        {"", "203.0.113.9", NULL, "203.0.113.9"},
        {"127.0.0.1", "203.0.113.9:4711", NULL, "203.0.113.9"},
        {"127.0.0.1", " 2001:DB8::1 ", NULL, "2001:db8::1"},
        {"127.0.0.1", "[2001:db8::1]:80", NULL, "2001:db8::1"},
        {"127.0.0.1", "1.1.1.1, 203.0.113.9", NULL, "203.0.113.9"}, /* the first is made up */
        {"127.0.0.1", "203.0.113.9, 192.0.2.7", NULL, "203.0.113.9"},
        {"127.0.0.1", "203.0.113.9, 2001:db8:1:2::3", NULL, "203.0.113.9"},
        {"127.0.0.1", "203.0.113.9, 192.0.2.8", NULL, "192.0.2.8"},
        {"127.0.0.1", "203.0.113.9, unknown", NULL, "127.0.0.1"},
        {"127.0.0.1", "unknown, 192.0.2.7", NULL, "192.0.2.7"},
        {"127.0.0.1", "", NULL, "127.0.0.1"},
        {"127.0.0.1", ",,", NULL, "127.0.0.1"},
        {"127.0.0.1", NULL, "for=203.0.113.9;proto=https", "203.0.113.9"},
        {"127.0.0.1", NULL, "proto=https; For=\"[2001:db8::1]:80\"", "2001:db8::1"},
        {"127.0.0.1", NULL, "for=1.1.1.1, for=203.0.113.9;by=127.0.0.1", "203.0.113.9"},
        {"127.0.0.1", NULL, "for=_hidden", "127.0.0.1"},
        {"127.0.0.1", NULL, "by=203.0.113.9", "127.0.0.1"},
        {"203.0.113.9", "1.1.1.1", "for=1.1.1.1", "203.0.113.9"}, /* no proxy of ours */
        {"192.0.2.8", "1.1.1.1", NULL, "192.0.2.8"},
        {"2001:db8:2::1", "1.1.1.1", NULL, "2001:db8:2::1"},
    };
    g_autoptr(HttpProxies) proxies = http_proxies_parse(proxies_list, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got =
            http_forwarded_peer(proxies, rows[i].peer, rows[i].x, rows[i].forwarded);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s, %s, %s: got %s, want %s", rows[i].peer, rows[i].x, rows[i].forwarded, got,
                     rows[i].want);
    }
    g_autofree char *nobody = http_forwarded_peer(NULL, "127.0.0.1", "1.1.1.1", NULL);
    assert_string_equal(nobody, "127.0.0.1");
}

static void knows_the_scheme(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *proto;
        bool secure, want;
    } rows[] = {
        {"127.0.0.1", NULL, false, false},      {"127.0.0.1", NULL, true, true},
        {"127.0.0.1", "https", false, true},    {"127.0.0.1", "HTTPS", false, true},
        {"127.0.0.1", "http", true, false},     {"127.0.0.1", "http, https ", false, true},
        {"203.0.113.9", "https", false, false}, /* no proxy of ours */
        {"203.0.113.9", "http", true, true},
    };
    g_autoptr(HttpProxies) proxies = http_proxies_parse(proxies_list, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (http_forwarded_secure(proxies, rows[i].peer, rows[i].secure, rows[i].proto) !=
            rows[i].want)
            fail_msg("row %zu", i);
}

static void knows_the_origin(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool secure;
        const char *want;
    } rows[] = {
        {"mail.example.org", true, "https://mail.example.org"},
        {"mail.example.org:8443", true, "https://mail.example.org:8443"},
        {"127.0.0.1:11080", false, "http://127.0.0.1:11080"},
        {"[2001:db8::1]:80", false, "http://[2001:db8::1]:80"},
        {NULL, true, ""},
        {"", true, ""},
        {"a/b", true, ""},
        {"a\"b", true, ""},
        {"ada@example.org", true, ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = http_origin(rows[i].host, rows[i].secure);
        assert_string_equal(got, rows[i].want);
    }
    g_autofree char *name = g_strnfill(300, 'a'), *got = http_origin(name, true);
    assert_string_equal(got, "");
}

static void reads_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "a",          "1.2.3", "1.2.3.4/33", "1.2.3.4/",
                                      "::/129", "1.2.3.4/-1", "/8",    "Unix",       "10/8"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *list[] = {bad[i], NULL};
        g_autoptr(GError) error = NULL;
        if (http_proxies_parse(list, &error))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(error_kind(error), ERROR_REJECT);
    }
    const char *all[] = {"0.0.0.0/0", NULL};
    g_autoptr(HttpProxies) proxies = http_proxies_parse(all, NULL);
    assert_true(http_proxies_believe(proxies, "203.0.113.9"));
    assert_false(http_proxies_believe(proxies, "2001:db8::1"));
    assert_false(http_proxies_believe(proxies, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_who_asks),
        cmocka_unit_test(knows_the_scheme),
        cmocka_unit_test(knows_the_origin),
        cmocka_unit_test(reads_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
