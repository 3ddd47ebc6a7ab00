/* acme_parse_fuzz: any bytes as each of an ACME server's answers: directory, order, authorization,
 * list of orders, renewal information, problem document, Link.
 *
 * Besides memory errors it looks for broken promises: URLs and texts are bounded and have no
 * control characters, a problem is valid UTF-8 and JSON again, a window is one.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/limits_acme.h"
#include "base/limits_tls.h"
#include "base/must.h"
#include "content/acme_problem.h"
#include "remote/acme_parse.h"

static void check_url(const char *url)
{
    if (!url)
        return;
    MUST(strlen(url) <= ACME_URL_BYTES_MAX);
    for (const char *at = url; *at; at++)
        MUST(*at > ' ' && *at <= '~');
}

static void check_problem(const char *problem)
{
    if (!problem)
        return;
    MUST(strlen(problem) <= ACME_PROBLEM_BYTES_MAX && g_utf8_validate(problem, -1, NULL));
    json_t *again = json_loads(problem, 0, NULL);
    MUST(json_is_object(again));
    json_decref(again);
    g_autofree char *line = acme_problem_line(problem);
    MUST(g_utf8_validate(line, -1, NULL) && !strpbrk(line, "\r\n\033"));
    g_autofree char *type = acme_problem_type(problem);
    MUST(type);
}

static void try_order(const char *text, size_t size)
{
    g_auto(AcmeOrder) order = {.status = ACME_PENDING};
    if (!acme_order_parse(text, size, &order, NULL))
        return;
    MUST(g_strv_length(order.names) <= CHAIN_NAMES_MAX);
    MUST(g_strv_length(order.authorisations) <= ACME_AUTHORISATIONS_MAX);
    for (char **url = order.authorisations; *url; url++)
        check_url(*url);
    check_url(order.finalise);
    check_url(order.certificate);
    check_problem(order.problem);
}

static void try_authorisation(const char *text, size_t size)
{
    g_auto(AcmeAuthorisation) one = {.status = ACME_PENDING};
    if (!acme_authorisation_parse(text, size, "http-01", &one, NULL))
        return;
    check_url(one.url);
    check_problem(one.problem);
    MUST(!one.url == !one.token);
    MUST(!one.token ||
         strspn(one.token, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") == strlen(one.token));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autofree char *text = g_strndup((const char *)bytes, size);
    g_auto(AcmeDirectory) directory = {.new_nonce = NULL};
    if (acme_directory_parse(text, size, &directory, NULL)) {
        check_url(directory.new_order);
        check_url(directory.renewal_info);
    }
    try_order(text, size);
    try_authorisation(text, size);
    g_auto(GStrv) urls = acme_orders_parse(text, size, NULL);
    MUST(!urls || g_strv_length(urls) <= ACME_ORDERS_MAX);
    g_auto(AcmeRenewal) renewal = {.start = 0};
    if (acme_renewal_parse(text, size, &renewal, NULL))
        MUST(renewal.start > 0 && renewal.end > renewal.start);
    g_autofree char *problem = acme_problem_format(400, text, size);
    check_problem(problem);
    g_autofree char *url = acme_link_parse(text, "alternate");
    check_url(url);
    return 0;
}
