/* acme_finalise: the last steps of an order: the certificate's key, the request for it, and the
 * exchange.
 *
 * How it fits: steps of acme_renew.c. The key is made, sealed and written before the CA sees the
 * request, so that no certificate can come for a key that a crash has lost. The exchange is one
 * transaction with the end of the task: chain, key, times and epoch.
 *
 * Failures: a chain that does not fit (other key, other names, not in force) is refused, and the
 * old certificate stays.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_acme.h"
#include "content/chain.h"
#include "content/private_key.h"

#include "duty/acme_order.h"

/* ---------------------------------------------------------------- the key */

static char *open_sealed(const Renewal *renewal, GBytes *sealed, GError **error)
{
    gsize size = 0;
    const void *bytes = g_bytes_get_data(sealed, &size);
    g_autofree char *what = certificate_seal_name(renewal->row.name);
    return seal_open(renewal->seal, what, bytes, size, error);
}

/* The old one where it may be used again; NULL: a new one. */
static char *reused_key(const Renewal *renewal)
{
    if (!renewal->duty->reuse_key || renewal->row.version == 0 ||
        strcmp(renewal->row.wish, "revoke") == 0)
        return NULL;
    char *text = open_sealed(renewal, renewal->row.sealed_key, NULL);
    g_autoptr(EVP_PKEY) key = text ? private_key_parse(text, strlen(text), NULL) : NULL;
    if (key && private_key_is(key, (KeyKind)renewal->duty->key_type))
        return text;
    private_key_text_free(text);
    return NULL;
}

static bool make_key(Renewal *renewal, GError **error)
{
    char *text = reused_key(renewal);
    if (!text) {
        g_autoptr(EVP_PKEY) key = private_key_new((KeyKind)renewal->duty->key_type, error);
        text = key ? private_key_format(key, error) : NULL;
    }
    if (!text)
        return false;
    g_autofree char *what = certificate_seal_name(renewal->row.name);
    GBytes *sealed = seal_close(renewal->seal, what, text, strlen(text), error);
    private_key_text_free(text);
    if (!sealed)
        return false;
    g_bytes_unref(renewal->row.order_key);
    renewal->row.order_key = sealed;
    return renewal_commit(renewal, error);
}

static GBytes *make_request(const Renewal *renewal, GError **error)
{
    char *text = open_sealed(renewal, renewal->row.order_key, error);
    g_autoptr(EVP_PKEY) key = text ? private_key_parse(text, strlen(text), error) : NULL;
    private_key_text_free(text);
    return key ? private_key_request(key, (const char *const *)renewal->duty->domains, error)
               : NULL;
}

/* ---------------------------------------------------------------- the steps */

Next acme_step_finalise(Renewal *renewal, GError **error)
{
    g_auto(AcmeOrder) order = {.status = ACME_PENDING};
    if (g_bytes_get_size(renewal->row.order_key) == 0 && !make_key(renewal, error))
        return NEXT_FAILED;
    if (!renewal_open(renewal, error))
        return NEXT_FAILED;
    if (!acme_order_look(renewal->acme, renewal->row.order_url, &order, error))
        return renewal_refused(renewal);
    switch (order.status) {
    case ACME_INVALID:
        return renewal_ends_badly(renewal, order.problem, error);
    case ACME_PROCESSING:
        return renewal_poll(renewal);
    case ACME_PENDING:
    case ACME_READY: {
        g_autoptr(GBytes) request = make_request(renewal, error);
        if (!request)
            return NEXT_FAILED;
        if (!acme_finalise(renewal->acme, order.finalise, request, error))
            return renewal_refused(renewal);
        return renewal_poll(renewal);
    }
    case ACME_VALID:
        break;
    }
    renewal_set_step(renewal, "collect");
    return renewal_commit(renewal, error) ? NEXT_GO : NEXT_FAILED;
}

static bool chain_fits(const Renewal *renewal, const Chain *chain, GError **error)
{
    for (char **domain = renewal->duty->domains; *domain; domain++) {
        bool found = false;
        for (char **name = chain->names; *name && !found; name++)
            found = strcmp(*name, *domain) == 0;
        if (!found)
            return fail(error, ERROR_REJECT, "the CA's certificate is not for \"%s\"", *domain);
    }
    if (chain->not_before > renewal->row.now + ACME_SKEW_MS)
        return fail(error, ERROR_REJECT, "the CA's certificate is not in force yet");
    return chain->not_after > renewal->row.now ||
           fail(error, ERROR_REJECT, "the CA's certificate is over already");
}

/* When the next order is due, as far as is known now. */
static int64_t renew_at(const AcmeDuty *duty, const Chain *chain)
{
    int64_t life = chain->not_after - chain->not_before;
    return chain->not_after - MIN(duty->renew_before_ms, life / 3);
}

static bool exchange(Renewal *renewal, const Chain *chain, char *take_pem, GError **error)
{
    Certificate *row = &renewal->row;
    g_free(row->chain);
    row->chain = take_pem;
    g_bytes_unref(row->sealed_key);
    row->sealed_key = g_bytes_ref(row->order_key);
    g_bytes_unref(row->order_key);
    row->order_key = g_bytes_new(NULL, 0);
    g_free(row->step);
    row->step = g_strdup("");
    g_free(row->order_url);
    row->order_url = g_strdup("");
    g_autofree char *names = g_strjoinv(" ", renewal->duty->domains);
    json_t *detail = json_pack("{s:s}", DETAIL_FOR, names);
    char *text = json_dumps(detail, JSON_COMPACT);
    g_free(row->order_detail);
    row->order_detail = g_strdup(text ? text : "");
    free(text);
    json_decref(detail);
    g_free(row->problem);
    row->problem = g_strdup("");
    row->not_before = chain->not_before;
    row->not_after = chain->not_after;
    row->exchanged_at = row->now;
    row->renew_at = renew_at(renewal->duty, chain);
    row->failures = row->next_at = row->info_at = row->order_at = 0;
    return run_begin(renewal->run, false, error) &&
           certificate_exchange(renewal->run->db, row, error);
}

Next acme_step_collect(Renewal *renewal, GError **error)
{
    g_auto(AcmeOrder) order = {.status = ACME_PENDING};
    if (!renewal_open(renewal, error))
        return NEXT_FAILED;
    if (!acme_order_look(renewal->acme, renewal->row.order_url, &order, error))
        return renewal_refused(renewal);
    if (order.status == ACME_INVALID)
        return renewal_ends_badly(renewal, order.problem, error);
    if (order.status != ACME_VALID || !order.certificate)
        return renewal_poll(renewal);
    g_autofree char *pem =
        acme_download(renewal->acme, order.certificate, renewal->duty->issuer, error);
    if (!pem)
        return renewal_refused(renewal);
    char *key = open_sealed(renewal, renewal->row.order_key, error);
    if (!key)
        return NEXT_FAILED;
    g_autoptr(Chain) chain = chain_parse(pem, strlen(pem), key, error);
    private_key_text_free(key);
    if (!chain || !chain_fits(renewal, chain, error)) {
        renewal->by_ca = renewal->forget = true;
        return NEXT_FAILED;
    }
    return exchange(renewal, chain, g_steal_pointer(&pem), error) ? NEXT_EXCHANGED : NEXT_FAILED;
}
