/* acme_parse_test: the answers of RFC 8555 and RFC 9773, and what is none. */
#include <string.h>

#include "content/acme_problem.h"
#include "remote/acme_parse.h"
#include "support.h"

/* RFC 8555 7.1.3 */
static const char order_text[] =
    "{\"status\": \"valid\", \"expires\": \"2016-01-20T14:09:07.99Z\","
    "\"identifiers\": [{ \"type\": \"dns\", \"value\": \"www.example.org\" },"
    "{ \"type\": \"dns\", \"value\": \"Example.org\" }],"
    "\"authorizations\": [\"https://example.com/acme/authz/PAniVnsZcis\","
    "\"https://example.com/acme/authz/r4HqLzrSrpI\"],"
    "\"finalize\": \"https://example.com/acme/order/TOlocE8rfgo/finalize\","
    "\"certificate\": \"https://example.com/acme/cert/mAt3xBGaobw\"}";

static void order(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_auto(AcmeOrder) got = {.status = ACME_PENDING};
    assert_true(acme_order_parse(order_text, strlen(order_text), &got, &error));
    assert_int_equal(got.status, ACME_VALID);
    g_autofree char *names = g_strjoinv(" ", got.names);
    assert_string_equal(names, "example.org www.example.org");
    assert_int_equal(g_strv_length(got.authorisations), 2);
    assert_string_equal(got.certificate, "https://example.com/acme/cert/mAt3xBGaobw");
    assert_null(got.problem);
}

/* RFC 8555 7.1.4, and a challenge that failed (8.2) */
static void authorisation(void **state)
{
    (void)state;
    static const char text[] =
        "{\"status\": \"invalid\", \"identifier\": {\"type\": \"dns\", \"value\": "
        "\"www.example.org\"},"
        "\"challenges\": [{\"url\": \"https://example.com/acme/chall/prV_B7yEyA4\","
        "\"type\": \"http-01\", \"status\": \"invalid\", \"token\": \"DGyRejmCefe7v4NfDGDKfA\","
        "\"error\": {\"type\": \"urn:ietf:params:acme:error:unauthorized\", \"detail\": \"no\"}},"
        "{\"url\": \"https://example.com/x\", \"type\": \"dns-01\", \"status\": \"pending\","
        "\"token\": \"abc\"}], \"wildcard\": false}";
    g_auto(AcmeAuthorisation) got = {.status = ACME_PENDING};
    assert_true(acme_authorisation_parse(text, strlen(text), "http-01", &got, NULL));
    assert_int_equal(got.status, ACME_INVALID);
    assert_string_equal(got.token, "DGyRejmCefe7v4NfDGDKfA");
    g_autofree char *line = acme_problem_line(got.problem);
    assert_string_equal(line, "unauthorized: no");
    g_auto(AcmeAuthorisation) other = {.status = ACME_PENDING};
    assert_true(acme_authorisation_parse(text, strlen(text), "tls-alpn-01", &other, NULL));
    assert_null(other.url);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "<html>",
        "{}",
        "{\"status\":\"valid\",\"status\":\"valid\"}",
        "{\"status\":\"odd\",\"identifiers\":[],\"authorizations\":[],\"finalize\":\"https://a\"}",
        "{\"status\":\"valid\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a b\"}],"
        "\"authorizations\":[],\"finalize\":\"https://a\"}",
        "{\"status\":\"valid\",\"identifiers\":[],\"authorizations\":[\"ftp://a\"],"
        "\"finalize\":\"https://a\"}",
        "{\"status\":\"valid\",\"identifiers\":[],\"authorizations\":[],\"finalize\":\"file:///"
        "a\"}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        AcmeOrder order_got;
        AcmeDirectory directory;
        AcmeRenewal renewal;
        if (acme_order_parse(texts[i], strlen(texts[i]), &order_got, &error) ||
            acme_directory_parse(texts[i], strlen(texts[i]), &directory, NULL) ||
            acme_renewal_parse(texts[i], strlen(texts[i]), &renewal, NULL))
            fail_msg("taken: %s", texts[i]);
        assert_non_null(error);
    }
}

/* RFC 9773 4.2 */
static void renewal(void **state)
{
    (void)state;
    static const char text[] =
        "{\"suggestedWindow\": {\"start\": \"2025-01-02T04:00:00Z\","
        "\"end\": \"2025-01-03T04:00:00Z\"}, \"explanationURL\": \"https://ca.example/docs\"}";
    g_auto(AcmeRenewal) got = {.start = 0};
    assert_true(acme_renewal_parse(text, strlen(text), &got, NULL));
    assert_int_equal(got.start, INT64_C(1735790400000));
    assert_int_equal(got.end - got.start, 86400000);
    static const char back[] = "{\"suggestedWindow\": {\"start\": \"2025-01-03T04:00:00Z\","
                               "\"end\": \"2025-01-02T04:00:00Z\"}}";
    assert_false(acme_renewal_parse(back, strlen(back), &got, NULL));
}

static void problems(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type, *line;
    } cases[] = {
        {"{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many\"}",
         "rateLimited", "rateLimited: too many"},
        {"{\"type\":\"about:blank\",\"detail\":\"a\\nb\",\"subproblems\":[{\"detail\":\"c\","
         "\"identifier\":{\"type\":\"dns\",\"value\":\"x.org\"}}]}",
         "blank", "blank: a b; x.org: c"},
        {"<html>502</html>", "", "status 502: <html>502</html>"},
        {"\xff\xfe", "", "status 502: \xef\xbf\xbd\xef\xbf\xbd"},
        {"", "", "status 502: an empty answer"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *whole = acme_problem_format(502, cases[i].text, strlen(cases[i].text));
        g_autofree char *type = acme_problem_type(whole);
        g_autofree char *line = acme_problem_line(whole);
        assert_string_equal(type, cases[i].type);
        assert_string_equal(line, cases[i].line);
    }
}

static void links(void **state)
{
    (void)state;
    g_autofree char *one = acme_link_parse("<https://a/1>;rel=\"alternate\"", "alternate");
    assert_string_equal(one, "https://a/1");
    assert_null(acme_link_parse("<https://a/1>;rel=\"index\"", "alternate"));
    assert_null(acme_link_parse("https://a/1;rel=\"alternate\"", "alternate"));
    assert_null(acme_link_parse("<javascript:x>;rel=\"alternate\"", "alternate"));
    assert_null(acme_link_parse("<https://a", "alternate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),    cmocka_unit_test(authorisation),
        cmocka_unit_test(renewal),  cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(problems), cmocka_unit_test(links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
