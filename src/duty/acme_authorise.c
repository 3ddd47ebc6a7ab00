/* acme_authorise: proving that the names are ours: answers to challenges, published where the CA
 * looks for them.
 *
 * How it fits: a step of acme_renew.c. Answers to http-01 and tls-alpn-01 are rows, so that any
 * node can give them (front/acme_answer.c, app/tls_keeper.c); those to dns-01 go to the name server
 * by DNS UPDATE. All are published before the CA is told of the first, and the CA is told once of
 * each: "posted" remembers, and where a crash lost that, a second time does no harm.
 *
 * Failures: a challenge of our kind that is not offered (a wildcard wants dns-01), a name server
 * that refuses, an answer that the CA does not find: the problem is kept whole. Known weak point: a
 * record is published when the primary name server has it; secondaries that are slow may fail the
 * challenge, and the next try finds them ready.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "content/base64url.h"
#include "remote/dns_update.h"

#include "duty/acme_order.h"

static const char *const kinds[] = {"http-01", "tls-alpn-01", "dns-01"}; /* by AcmeChallenge */

/* ---------------------------------------------------------------- publishing */

static bool update_dns(const Renewal *renewal, const char *name, const char *text, bool remove,
                       GError **error)
{
    const AcmeDuty *duty = renewal->duty;
    DnsUpdate update = {.host = duty->host,
                        .port = (uint16_t)duty->port,
                        .tcp = duty->protocol == 1,
                        .key = duty->tsig_key,
                        .secret = duty->tsig_secret,
                        .algorithm = (unsigned)duty->tsig_algorithm,
                        .name = name,
                        .text = text,
                        .remove = remove};
    return dns_update(&update, error);
}

/* Notes what is published, before it is: {"key": …, "text": …}. */
static void note_answer(Renewal *renewal, const char *key, const char *text)
{
    json_t *answers = json_object_get(renewal->detail, "answers");
    size_t index;
    json_t *one;
    if (!answers) {
        answers = json_array();
        json_object_set_new(renewal->detail, "answers", answers);
    }
    json_array_foreach(answers, index, one)
    {
        if (g_strcmp0(json_string_value(json_object_get(one, "key")), key) == 0 &&
            g_strcmp0(json_string_value(json_object_get(one, "text")), text) == 0)
            return;
    }
    json_array_append_new(answers, json_pack("{s:s, s:s}", "key", key, "text", text));
}

static bool publish_row(Renewal *renewal, AnswerKind kind, const char *key, const char *text,
                        GError **error)
{
    Run *run = renewal->run;
    note_answer(renewal, key, text);
    return run_begin(run, false, error) &&
           certificate_answer_add(run->db, kind, key, text, error) && run_checkpoint(run, error);
}

static bool publish_record(Renewal *renewal, const char *domain, const char *authorisation,
                           GError **error)
{
    Digest digest = digest_of(authorisation, strlen(authorisation));
    g_autofree char *text = base64url_format(digest.bytes, DIGEST_BYTES);
    g_autofree char *name = g_strdup_printf("_acme-challenge.%s", domain);
    note_answer(renewal, name, text);
    if (!renewal_commit(renewal, error))
        return false;
    renewal->by_ca = true;
    if (!update_dns(renewal, name, text, false, error))
        return false;
    renewal->by_ca = false;
    return true;
}

static bool publish(Renewal *renewal, const AcmeAuthorisation *one, GError **error)
{
    g_autofree char *authorisation = acme_authorise(renewal->acme, one->token, error);
    if (!authorisation)
        return false;
    switch ((AcmeChallenge)renewal->duty->challenge) {
    case ACME_HTTP_01:
        return publish_row(renewal, ANSWER_HTTP, one->token, authorisation, error);
    case ACME_TLS_ALPN_01:
        return publish_row(renewal, ANSWER_TLS_ALPN, one->domain, authorisation, error);
    case ACME_DNS_01:
        return publish_record(renewal, one->domain, authorisation, error);
    }
    return false;
}

bool acme_withdraw(Renewal *renewal, GError **error)
{
    Run *run = renewal->run;
    const json_t *answers = json_object_get(renewal->detail, "answers");
    AcmeChallenge challenge = (AcmeChallenge)renewal->duty->challenge;
    size_t index;
    json_t *one;
    if (json_array_size(answers) == 0)
        return true;
    if (challenge != ACME_DNS_01 && !run_begin(run, false, error))
        return false;
    json_array_foreach(answers, index, one)
    {
        const char *key = json_string_value(json_object_get(one, "key"));
        const char *text = json_string_value(json_object_get(one, "text"));
        /* A record that stays is no harm: the next order has another. */
        if (challenge == ACME_DNS_01)
            update_dns(renewal, key, text, true, NULL);
        else if (!certificate_answer_remove(
                     run->db, challenge == ACME_HTTP_01 ? ANSWER_HTTP : ANSWER_TLS_ALPN, key,
                     error))
            return false;
    }
    json_object_del(renewal->detail, "answers");
    return challenge == ACME_DNS_01 || run_checkpoint(run, error);
}

/* ---------------------------------------------------------------- the step */

typedef struct {
    unsigned pending; /* that the CA is still to look at, or looks at */
    GPtrArray *ready; /* URLs of challenges that are to be told */
} Look;

static bool was_posted(const Renewal *renewal, const char *url)
{
    return json_object_get(json_object_get(renewal->detail, "posted"), url) != NULL;
}

/* NEXT_GO: fine so far. */
static Next look_at(Renewal *renewal, const char *url, Look *look, GError **error)
{
    const char *kind = kinds[renewal->duty->challenge];
    g_auto(AcmeAuthorisation) one = {.status = ACME_PENDING};
    if (!acme_authorisation_look(renewal->acme, url, kind, &one, error))
        return renewal_refused(renewal);
    if (one.status == ACME_VALID)
        return NEXT_GO;
    if (one.status == ACME_INVALID || (one.url && one.challenge == ACME_INVALID))
        return renewal_ends_badly(renewal, one.problem, error);
    if (!one.url) {
        fail(error, ERROR_REJECT, "the CA offers no %s for \"%s%s\"%s", kind,
             one.wildcard ? "*." : "", one.domain,
             one.wildcard ? ": a wildcard wants challenge = \"dns-01\"" : "");
        renewal->by_ca = renewal->forget = true;
        return NEXT_FAILED;
    }
    look->pending++;
    if (one.challenge != ACME_PENDING || was_posted(renewal, one.url))
        return NEXT_GO;
    if (!publish(renewal, &one, error))
        return NEXT_FAILED;
    g_ptr_array_add(look->ready, g_strdup(one.url));
    return NEXT_GO;
}

static bool tell(Renewal *renewal, const GPtrArray *urls, GError **error)
{
    for (unsigned i = 0; i < urls->len; i++) {
        g_autoptr(GError) why = NULL;
        const char *url = g_ptr_array_index(urls, i);
        if (!acme_challenge(renewal->acme, url, &why) && error_kind(why) != ERROR_REJECT) {
            g_propagate_error(error, g_steal_pointer(&why));
            renewal->by_ca = true;
            return false;
        }
        /* Refused: it was told before, and is not pending any more; the next look tells. */
        json_t *posted = json_object_get(renewal->detail, "posted");
        if (!posted) {
            posted = json_object();
            json_object_set_new(renewal->detail, "posted", posted);
        }
        json_object_set_new(posted, url, json_true());
    }
    return urls->len == 0 || renewal_commit(renewal, error);
}

static Next look_at_all(Renewal *renewal, const AcmeOrder *order, GError **error)
{
    g_autoptr(GPtrArray) ready = g_ptr_array_new_with_free_func(g_free);
    Look look = {.ready = ready};
    for (char **url = order->authorisations; *url; url++) {
        Next next = look_at(renewal, *url, &look, error);
        if (next != NEXT_GO)
            return next;
    }
    if (!tell(renewal, ready, error))
        return NEXT_FAILED;
    return renewal_poll(renewal);
}

Next acme_step_authorise(Renewal *renewal, GError **error)
{
    g_auto(AcmeOrder) order = {.status = ACME_PENDING};
    if (!renewal_open(renewal, error))
        return NEXT_FAILED;
    if (!acme_order_look(renewal->acme, renewal->row.order_url, &order, error))
        return renewal_refused(renewal);
    switch (order.status) {
    case ACME_PENDING:
        return look_at_all(renewal, &order, error);
    case ACME_INVALID: {
        /* Which of the authorisations it was, and why, is more than what the order says. */
        Next next = look_at_all(renewal, &order, error);
        return next == NEXT_FAILED ? next : renewal_ends_badly(renewal, order.problem, error);
    }
    case ACME_READY:
    case ACME_PROCESSING:
    case ACME_VALID:
        break;
    }
    renewal_set_step(renewal, "finalise");
    return acme_withdraw(renewal, error) && renewal_commit(renewal, error) ? NEXT_GO : NEXT_FAILED;
}
