/* acme: what we say to an ACME server.
 *
 * How it fits: duty/acme_renew is the state machine, and calls one of these for each of its steps;
 * acme_parse reads the answers, content/jose signs. A nonce that an answer brings is kept for the
 * next request, so that a conversation costs one request a step.
 *
 * Failures: in one place (judge) a status and a problem become an error of ours and the text that
 * the operator reads; the document is kept whole beside it. Known weak point: orders are found
 * again only where the CA has a list of them (acme_order_find); the large public ones have none,
 * and give back the order that is there when the same names are asked for.
 */
#include "remote/acme.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_acme.h"
#include "content/acme_problem.h"
#include "content/base64url.h"
#include "content/chain.h"
#include "content/jose.h"

#include "remote/retry_after.h"

struct Acme {
    AcmeConfig config;
    AcmeDirectory directory;
    EVP_PKEY *key;
    char *account; /* "": not known */
    char *nonce;   /* NULL: none */
    char *problem;
    int64_t retry_ms;
    unsigned requests;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* ---------------------------------------------------------------- a request */

/* The text of a value, which is taken; the caller frees it. */
static char *dump(json_t *take_value)
{
    char *text = take_value ? json_dumps(take_value, JSON_COMPACT) : NULL;
    char *kept = g_strdup(text ? text : "{}");
    free(text);
    json_decref(take_value);
    return kept;
}

static void take_nonce(Acme *acme, const FetchAnswer *answer)
{
    const char *nonce = fetch_answer_header(answer, "Replay-Nonce", 0);
    if (!nonce || !*nonce || strlen(nonce) > ACME_NONCE_BYTES_MAX ||
        strspn(nonce, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") != strlen(nonce))
        return;
    g_free(acme->nonce);
    acme->nonce = g_strdup(nonce);
}

/* Any answer; what a failed one said is kept. */
static FetchAnswer *send_ask(Acme *acme, const FetchAsk *ask, GError **error)
{
    acme->requests++;
    acme->retry_ms = 0;
    g_clear_pointer(&acme->problem, g_free);
    FetchAnswer *answer = acme->config.fetch(ask, acme->config.data, error);
    if (!answer) {
        g_prefix_error(error, "the CA at \"%s\": ", acme->config.directory);
        return NULL;
    }
    take_nonce(acme, answer);
    acme->retry_ms = retry_after_ms(fetch_answer_header(answer, "Retry-After", 0),
                                    clock_wall_ms(acme->config.clock));
    if (answer->status < 200 || answer->status > 299)
        acme->problem = acme_problem_format(answer->status, answer->body, answer->body_size);
    return answer;
}

/* What a refusal means for us. */
static ErrorKind kind_of(int status, const char *type)
{
    if (strcmp(type, "accountDoesNotExist") == 0)
        return ERROR_CONFLICT;
    if (status == 429 || status >= 500 || strcmp(type, "rateLimited") == 0 ||
        strcmp(type, "serverInternal") == 0 || strcmp(type, "badNonce") == 0)
        return ERROR_RETRY;
    return status == 404 || status == 410 ? ERROR_GONE : ERROR_REJECT;
}

/* True where the answer is a good one. */
static bool judge(const Acme *acme, const FetchAnswer *answer, const char *what, GError **error)
{
    if (answer->status >= 200 && answer->status <= 299)
        return true;
    g_autofree char *type = acme_problem_type(acme->problem);
    g_autofree char *line = acme_problem_line(acme->problem);
    return fail(error, kind_of(answer->status, type), "the CA refuses %s (status %d): %s", what,
                answer->status, line);
}

static bool get_nonce(Acme *acme, GError **error)
{
    if (acme->nonce)
        return true;
    FetchAsk ask = {.method = "HEAD", .url = acme->directory.new_nonce, .whole_ms = ACME_WHOLE_MS};
    g_autoptr(FetchAnswer) answer = send_ask(acme, &ask, error);
    if (!answer || !judge(acme, answer, "a nonce", error))
        return false;
    return acme->nonce ||
           fail(error, ERROR_RETRY, "the CA at \"%s\" gives no nonce", acme->config.directory);
}

/* The protected header of a request; with the whole key where the CA cannot know the account. */
static char *header_of(const Acme *acme, const char *url, bool whole_key, GError **error)
{
    g_autofree char *jwk = jose_jwk(acme->key, error);
    if (!jwk)
        return NULL;
    json_t *header = json_pack("{s:s, s:s, s:s}", "alg", jose_algorithm(acme->key), "nonce",
                               acme->nonce, "url", url);
    if (whole_key)
        json_object_set_new(header, "jwk", json_loads(jwk, 0, NULL));
    else
        json_object_set_new(header, "kid", json_string(acme->account));
    return dump(header);
}

/* What is said; the payload "" asks to read (POST-as-GET, RFC 8555 6.3). */
typedef struct {
    const char *url, *payload;
    const char *what;   /* for people: "the order" */
    const char *accept; /* NULL: any */
    bool whole_key;
} Say;

static FetchAnswer *post_once(Acme *acme, const Say *say, GError **error)
{
    if (!get_nonce(acme, error))
        return NULL;
    g_autofree char *header = header_of(acme, say->url, say->whole_key, error);
    g_clear_pointer(&acme->nonce, g_free); /* good once */
    g_autofree char *body = header ? jose_sign(acme->key, header, say->payload, error) : NULL;
    if (!body)
        return NULL;
    g_autofree char *accept = say->accept ? g_strdup_printf("Accept: %s", say->accept) : NULL;
    const char *headers[] = {"Content-Type: application/jose+json", accept, NULL};
    FetchAsk ask = {.method = "POST",
                    .url = say->url,
                    .headers = headers,
                    .body = body,
                    .body_size = strlen(body),
                    .whole_ms = ACME_WHOLE_MS};
    return send_ask(acme, &ask, error);
}

/* A good answer, or NULL. */
static FetchAnswer *post(Acme *acme, const Say *say, GError **error)
{
    for (unsigned i = 0;; i++) {
        g_autoptr(FetchAnswer) answer = post_once(acme, say, error);
        if (!answer)
            return NULL;
        g_autofree char *type = acme->problem ? acme_problem_type(acme->problem) : NULL;
        if (g_strcmp0(type, "badNonce") == 0 && i < ACME_NONCES_MAX)
            continue;
        return judge(acme, answer, say->what, error) ? g_steal_pointer(&answer) : NULL;
    }
}

static FetchAnswer *post_read(Acme *acme, const char *url, const char *what, GError **error)
{
    return post(acme, &(Say){.url = url, .payload = "", .what = what}, error);
}

/* ---------------------------------------------------------------- life */

Acme *acme_new(const AcmeConfig *config, GError **error)
{
    g_autoptr(Acme) acme = g_new0(Acme, 1);
    acme->config = *config;
    acme->config.directory = g_strdup(config->directory);
    acme->account = g_strdup(config->account);
    EVP_PKEY_up_ref(config->key);
    acme->key = config->key;
    acme->retry_ms = 0;
    FetchAsk ask = {.url = config->directory, .whole_ms = ACME_WHOLE_MS};
    g_autoptr(FetchAnswer) answer = send_ask(acme, &ask, error);
    if (!answer || !judge(acme, answer, "its directory", error) ||
        !acme_directory_parse(answer->body, answer->body_size, &acme->directory, error))
        return NULL;
    return g_steal_pointer(&acme);
}

void acme_free(Acme *acme)
{
    if (!acme)
        return;
    acme_directory_clear(&acme->directory);
    EVP_PKEY_free(acme->key);
    g_free((char *)(uintptr_t)acme->config.directory);
    g_free(acme->account);
    g_free(acme->nonce);
    g_free(acme->problem);
    g_free(acme);
}

const char *acme_problem(const Acme *acme)
{
    return acme->problem;
}

int64_t acme_retry_ms(const Acme *acme)
{
    return acme->retry_ms;
}

unsigned acme_requests(const Acme *acme)
{
    return acme->requests;
}

/* ---------------------------------------------------------------- the account */

static json_t *binding_of(const Acme *acme, const AcmeRegister *ask, GError **error)
{
    g_autofree char *jwk = jose_jwk(acme->key, error);
    if (!jwk)
        return NULL;
    g_autofree char *header = dump(json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", ask->eab_kid,
                                             "url", acme->directory.new_account));
    g_autofree char *body = jose_sign_with_secret(ask->eab_key, header, jwk, error);
    return body ? json_loads(body, 0, NULL) : NULL;
}

bool acme_register(Acme *acme, const AcmeRegister *ask, GError **error)
{
    g_autoptr(json_t) payload = json_pack("{s:b}", "termsOfServiceAgreed", 1);
    if (ask->contacts[0]) {
        json_t *contacts = json_array();
        for (const char *const *one = ask->contacts; *one; one++)
            json_array_append_new(contacts, json_string(*one));
        json_object_set_new(payload, "contact", contacts);
    }
    if (*ask->eab_kid) {
        json_t *binding = binding_of(acme, ask, error);
        if (!binding)
            return false;
        json_object_set_new(payload, "externalAccountBinding", binding);
    } else if (acme->directory.wants_binding) {
        return fail(error, ERROR_REJECT,
                    "the CA at \"%s\" wants external account binding: write eab.kid and "
                    "eab.hmac-key, which it gives its customers",
                    acme->config.directory);
    }
    g_autofree char *text = dump(g_steal_pointer(&payload));
    Say say = {.url = acme->directory.new_account,
               .payload = text,
               .what = "an account",
               .whole_key = true};
    g_autoptr(FetchAnswer) answer = post(acme, &say, error);
    if (!answer)
        return false;
    const char *url = fetch_answer_header(answer, "Location", 0);
    if (!url || !*url || strlen(url) > ACME_URL_BYTES_MAX || !g_utf8_validate(url, -1, NULL))
        return fail(error, ERROR_RETRY, "the CA does not say what its account is called");
    g_free(acme->account);
    acme->account = g_strdup(url);
    return true;
}

const char *acme_account(const Acme *acme)
{
    return acme->account;
}

bool acme_roll_over(Acme *acme, EVP_PKEY *key, GError **error)
{
    if (!acme->directory.key_change)
        return fail(error, ERROR_GONE, "the CA exchanges no account keys");
    g_autofree char *jwk = jose_jwk(acme->key, error);
    g_autofree char *new_jwk = jose_jwk(key, error);
    if (!jwk || !new_jwk)
        return false;
    json_t *head =
        json_pack("{s:s, s:s}", "alg", jose_algorithm(key), "url", acme->directory.key_change);
    json_object_set_new(head, "jwk", json_loads(new_jwk, 0, NULL));
    json_t *change = json_pack("{s:s}", "account", acme->account);
    json_object_set_new(change, "oldKey", json_loads(jwk, 0, NULL));
    g_autofree char *header = dump(head), *payload = dump(change);
    g_autofree char *inner = jose_sign(key, header, payload, error);
    if (!inner)
        return false;
    Say say = {.url = acme->directory.key_change, .payload = inner, .what = "another key"};
    g_autoptr(FetchAnswer) answer = post(acme, &say, error);
    if (!answer)
        return false;
    EVP_PKEY_up_ref(key);
    EVP_PKEY_free(acme->key);
    acme->key = key;
    return true;
}

/* ---------------------------------------------------------------- orders */

static FetchAnswer *post_order(Acme *acme, const char *const *names, const char *replaces,
                               GError **error)
{
    json_t *identifiers = json_array();
    for (const char *const *name = names; *name; name++)
        json_array_append_new(identifiers, json_pack("{s:s, s:s}", "type", "dns", "value", *name));
    json_t *payload = json_pack("{s:o}", "identifiers", identifiers);
    if (*replaces)
        json_object_set_new(payload, "replaces", json_string(replaces));
    g_autofree char *text = dump(payload);
    Say say = {.url = acme->directory.new_order, .payload = text, .what = "the order"};
    return post(acme, &say, error);
}

bool acme_order(Acme *acme, const char *const *names, const char *replaces, char **ret_url,
                AcmeOrder *ret, GError **error)
{
    g_autoptr(GError) why = NULL;
    const char *said = acme->directory.renewal_info ? replaces : "";
    g_autoptr(FetchAnswer) answer = post_order(acme, names, said, &why);
    /* RFC 9773 5: another order has replaced it, or the CA does not know it any more. */
    if (!answer && *said && (error_kind(why) == ERROR_REJECT || error_kind(why) == ERROR_GONE)) {
        g_clear_error(&why);
        answer = post_order(acme, names, "", &why);
    }
    if (!answer) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    const char *url = fetch_answer_header(answer, "Location", 0);
    if (!url || strlen(url) > ACME_URL_BYTES_MAX || !g_utf8_validate(url, -1, NULL))
        return fail(error, ERROR_RETRY, "the CA does not say what its order is called");
    if (!acme_order_parse(answer->body, answer->body_size, ret, error))
        return false;
    *ret_url = g_strdup(url);
    return true;
}

bool acme_order_look(Acme *acme, const char *url, AcmeOrder *ret, GError **error)
{
    g_autoptr(FetchAnswer) answer = post_read(acme, url, "to show the order", error);
    return answer && acme_order_parse(answer->body, answer->body_size, ret, error);
}

/* Where the account's orders are listed; NULL: nowhere, or an error. */
static char *find_list(Acme *acme, GError **error)
{
    /* Read it, as all else is read: an update of nothing is refused by some (RFC 8555 7.3.2). */
    g_autoptr(FetchAnswer) answer = post_read(acme, acme->account, "to show the account", error);
    if (!answer)
        return NULL;
    g_autoptr(json_t) root = answer->body_size <= ACME_ANSWER_BYTES_MAX
                                 ? json_loadb(answer->body, answer->body_size, 0, NULL)
                                 : NULL;
    const char *url = json_string_value(json_object_get(root, "orders"));
    return url && strlen(url) <= ACME_URL_BYTES_MAX ? g_strdup(url) : NULL;
}

/* Takes the URLs of one page; *ret_next: where the next one is, NULL: there is none. */
static bool list_page(Acme *acme, const char *page, GPtrArray *urls, char **ret_next,
                      GError **error)
{
    *ret_next = NULL;
    g_autoptr(FetchAnswer) answer = post_read(acme, page, "to list the orders", error);
    g_auto(GStrv) some = answer ? acme_orders_parse(answer->body, answer->body_size, error) : NULL;
    if (!some)
        return false;
    for (char **url = some; *url && urls->len < ACME_ORDERS_MAX; url++)
        g_ptr_array_add(urls, g_strdup(*url));
    const char *link;
    for (unsigned i = 0; !*ret_next && (link = fetch_answer_header(answer, "Link", i)); i++)
        *ret_next = acme_link_parse(link, "next");
    return true;
}

/* Of the account; a CA that has no such list has an empty one. NULL: it failed. */
static GPtrArray *list_orders(Acme *acme, GError **error)
{
    g_autoptr(GPtrArray) urls = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) why = NULL;
    g_autofree char *page = find_list(acme, &why);
    for (unsigned i = 0; page && !why && i < ACME_ORDER_PAGES_MAX; i++) {
        g_autofree char *next = NULL;
        if (list_page(acme, page, urls, &next, &why)) {
            g_free(page);
            page = g_steal_pointer(&next);
        }
    }
    if (!why || error_kind(why) == ERROR_GONE || error_kind(why) == ERROR_REJECT)
        return g_steal_pointer(&urls);
    g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}

bool acme_order_find(Acme *acme, const char *const *names, char **ret_url, GError **error)
{
    *ret_url = NULL;
    g_autoptr(GPtrArray) urls = list_orders(acme, error);
    if (!urls)
        return false;
    for (guint i = 0; i < MIN(urls->len, ACME_ORDERS_LOOKED); i++) {
        const char *url = g_ptr_array_index(urls, urls->len - 1 - i);
        g_auto(AcmeOrder) order = {.status = ACME_INVALID};
        if (!acme_order_look(acme, url, &order, error))
            return false;
        if (order.status == ACME_INVALID || order.status == ACME_VALID ||
            !g_strv_equal((const gchar *const *)order.names, names))
            continue;
        *ret_url = g_strdup(url);
        return true;
    }
    return true;
}

bool acme_authorisation_look(Acme *acme, const char *url, const char *kind, AcmeAuthorisation *ret,
                             GError **error)
{
    g_autoptr(FetchAnswer) answer = post_read(acme, url, "to show an authorization", error);
    return answer && acme_authorisation_parse(answer->body, answer->body_size, kind, ret, error);
}

bool acme_challenge(Acme *acme, const char *url, GError **error)
{
    Say say = {.url = url, .payload = "{}", .what = "to look at the challenge"};
    g_autoptr(FetchAnswer) answer = post(acme, &say, error);
    return answer != NULL;
}

bool acme_finalise(Acme *acme, const char *url, GBytes *request, GError **error)
{
    gsize size = 0;
    const void *bytes = g_bytes_get_data(request, &size);
    g_autofree char *csr = base64url_format(bytes, size);
    g_autofree char *payload = dump(json_pack("{s:s}", "csr", csr));
    Say say = {.url = url, .payload = payload, .what = "to issue the certificate"};
    g_autoptr(FetchAnswer) answer = post(acme, &say, error);
    return answer != NULL;
}

/* ---------------------------------------------------------------- certificates */

static FetchAnswer *download_one(Acme *acme, const char *url, GError **error)
{
    Say say = {.url = url,
               .payload = "",
               .what = "to hand over the certificate",
               .accept = "application/pem-certificate-chain"};
    return post(acme, &say, error);
}

static bool is_by(const FetchAnswer *answer, const char *issuer)
{
    g_autoptr(Chain) chain = chain_parse(answer->body, answer->body_size, NULL, NULL);
    return chain && chain_has_issuer(chain, issuer);
}

char *acme_download(Acme *acme, const char *url, const char *issuer, GError **error)
{
    g_autoptr(FetchAnswer) first = download_one(acme, url, error);
    if (!first)
        return NULL;
    g_autoptr(GError) why = NULL;
    g_autoptr(Chain) chain = chain_parse(first->body, first->body_size, NULL, &why);
    if (!chain) { /* the order is a good one: it may be handed over later */
        fail(error, ERROR_RETRY, "what the CA gives as a certificate is none: %s", why->message);
        return NULL;
    }
    unsigned tried = 0;
    for (unsigned i = 0; *issuer && !is_by(first, issuer) && tried < ACME_ALTERNATES_MAX; i++) {
        const char *link = fetch_answer_header(first, "Link", i);
        if (!link)
            break;
        g_autofree char *alternate = acme_link_parse(link, "alternate");
        if (!alternate)
            continue;
        tried++;
        g_autoptr(FetchAnswer) other = download_one(acme, alternate, NULL);
        if (other && is_by(other, issuer))
            return g_strndup(other->body, other->body_size);
    }
    return g_strndup(first->body, first->body_size);
}

bool acme_renewal(Acme *acme, const char *id, AcmeRenewal *ret, GError **error)
{
    if (!acme->directory.renewal_info)
        return fail(error, ERROR_GONE, "the CA has no renewal information");
    g_autofree char *url = g_strdup_printf("%s/%s", acme->directory.renewal_info, id);
    FetchAsk ask = {.url = url, .whole_ms = ACME_WHOLE_MS};
    g_autoptr(FetchAnswer) answer = send_ask(acme, &ask, error);
    return answer && judge(acme, answer, "renewal information", error) &&
           acme_renewal_parse(answer->body, answer->body_size, ret, error);
}

bool acme_revoke(Acme *acme, GBytes *certificate, GError **error)
{
    if (!acme->directory.revoke)
        return fail(error, ERROR_REJECT, "the CA revokes no certificates");
    gsize size = 0;
    const void *bytes = g_bytes_get_data(certificate, &size);
    g_autofree char *der = base64url_format(bytes, size);
    g_autofree char *payload = dump(json_pack("{s:s}", "certificate", der));
    Say say = {.url = acme->directory.revoke, .payload = payload, .what = "to revoke"};
    g_autoptr(GError) why = NULL;
    g_autoptr(FetchAnswer) answer = post(acme, &say, &why);
    if (answer)
        return true;
    g_autofree char *type = acme->problem ? acme_problem_type(acme->problem) : NULL;
    if (g_strcmp0(type, "alreadyRevoked") == 0)
        return true;
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

char *acme_authorise(const Acme *acme, const char *token, GError **error)
{
    g_autofree char *thumbprint = jose_thumbprint(acme->key, error);
    return thumbprint ? g_strdup_printf("%s.%s", token, thumbprint) : NULL;
}
