/* acme_parse: what an ACME server answers, from bytes to structs.
 *
 * How it fits: remote/acme asks and hands the answers here. Jansson reads the JSON; members that
 * we do not use are not looked at, as RFC 8555 wants it.
 *
 * Failures: told to the caller, in words for an operator who looks for what is wrong with a CA.
 */
#include "remote/acme_parse.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_acme.h"
#include "base/limits_tls.h"
#include "content/acme_problem.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static json_t *load(const char *text, size_t size, const char *what, GError **error)
{
    json_error_t why;
    json_t *root =
        size <= ACME_ANSWER_BYTES_MAX ? json_loadb(text, size, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (json_is_object(root))
        return root;
    json_decref(root);
    fail(error, ERROR_RETRY, "the CA's %s is no JSON object", what);
    return NULL;
}

static bool is_url(const char *text)
{
    if (!text || strlen(text) > ACME_URL_BYTES_MAX)
        return false;
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
            return false;
    return g_str_has_prefix(text, "https://") || g_str_has_prefix(text, "http://");
}

/* NULL: it is not there, or no URL. */
static char *take_url(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return is_url(text) ? g_strdup(text) : NULL;
}

/* ---------------------------------------------------------------- the directory */

void acme_directory_clear(AcmeDirectory *directory)
{
    g_free(directory->new_nonce);
    g_free(directory->new_account);
    g_free(directory->new_order);
    g_free(directory->revoke);
    g_free(directory->key_change);
    g_free(directory->renewal_info);
}

bool acme_directory_parse(const char *text, size_t size, AcmeDirectory *ret, GError **error)
{
    g_autoptr(json_t) root = load(text, size, "directory", error);
    if (!root)
        return false;
    AcmeDirectory got = {
        .new_nonce = take_url(root, "newNonce"),
        .new_account = take_url(root, "newAccount"),
        .new_order = take_url(root, "newOrder"),
        .revoke = take_url(root, "revokeCert"),
        .key_change = take_url(root, "keyChange"),
        .renewal_info = take_url(root, "renewalInfo"),
        .wants_binding =
            json_is_true(json_object_get(json_object_get(root, "meta"), "externalAccountRequired")),
    };
    if (got.new_nonce && got.new_account && got.new_order) {
        *ret = got;
        return true;
    }
    acme_directory_clear(&got);
    return fail(error, ERROR_RETRY,
                "the CA's directory names no newNonce, newAccount and newOrder: is it an ACME "
                "directory?");
}

/* ---------------------------------------------------------------- orders */

static bool take_status(const json_t *object, AcmeStatus *ret)
{
    static const struct {
        const char *word;
        AcmeStatus status;
    } words[] = {
        {"pending", ACME_PENDING}, {"ready", ACME_READY},         {"processing", ACME_PROCESSING},
        {"valid", ACME_VALID},     {"invalid", ACME_INVALID},     {"expired", ACME_INVALID},
        {"revoked", ACME_INVALID}, {"deactivated", ACME_INVALID},
    };
    const char *text = json_string_value(json_object_get(object, "status"));
    for (size_t i = 0; text && i < G_N_ELEMENTS(words); i++) {
        if (strcmp(words[i].word, text) == 0) {
            *ret = words[i].status;
            return true;
        }
    }
    return false;
}

static bool is_host_name(const char *text)
{
    return text && *text && strlen(text) <= HOST_NAME_BYTES_MAX &&
           strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-.*_") == strlen(text);
}

static int compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each of an array's members, by `take`; NULL: one of them is wrong, or they are too many. */
static char **take_array(const json_t *array, unsigned most, bool sorted,
                         char *(*take)(const json_t *))
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    size_t index;
    json_t *one;
    if (!json_is_array(array) || json_array_size(array) > most)
        return NULL;
    json_array_foreach(array, index, one)
    {
        char *text = take(one);
        if (!text)
            return NULL;
        g_ptr_array_add(texts, text);
    }
    if (sorted)
        g_ptr_array_sort(texts, compare_texts);
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
}

static char *url_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return is_url(text) ? g_strdup(text) : NULL;
}

static char *identifier_of(const json_t *value)
{
    const char *type = json_string_value(json_object_get(value, "type"));
    const char *name = json_string_value(json_object_get(value, "value"));
    return g_strcmp0(type, "dns") == 0 && is_host_name(name) ? g_ascii_strdown(name, -1) : NULL;
}

static char *take_problem(const json_t *object)
{
    const json_t *problem = json_object_get(object, "error");
    if (!json_is_object(problem))
        return NULL;
    char *text = json_dumps(problem, JSON_COMPACT);
    char *kept = text ? acme_problem_format(0, text, strlen(text)) : NULL;
    free(text);
    return kept;
}

void acme_order_clear(AcmeOrder *order)
{
    g_strfreev(order->names);
    g_strfreev(order->authorisations);
    g_free(order->finalise);
    g_free(order->certificate);
    g_free(order->problem);
}

bool acme_order_parse(const char *text, size_t size, AcmeOrder *ret, GError **error)
{
    g_autoptr(json_t) root = load(text, size, "order", error);
    AcmeStatus status = ACME_PENDING;
    if (!root)
        return false;
    bool known = take_status(root, &status);
    AcmeOrder got = {
        .status = status,
        .names =
            take_array(json_object_get(root, "identifiers"), CHAIN_NAMES_MAX, true, identifier_of),
        .authorisations = take_array(json_object_get(root, "authorizations"),
                                     ACME_AUTHORISATIONS_MAX, false, url_of),
        .finalise = take_url(root, "finalize"),
        .certificate = take_url(root, "certificate"),
        .problem = take_problem(root),
    };
    if (known && got.names && got.authorisations && got.finalise) {
        *ret = got;
        return true;
    }
    acme_order_clear(&got);
    return fail(error, ERROR_RETRY,
                "the CA's order lacks its status, identifiers, authorizations or finalize");
}

char **acme_orders_parse(const char *text, size_t size, GError **error)
{
    g_autoptr(json_t) root = load(text, size, "list of orders", error);
    if (!root)
        return NULL;
    char **urls = take_array(json_object_get(root, "orders"), ACME_ORDERS_MAX, false, url_of);
    if (!urls)
        fail(error, ERROR_RETRY, "the CA's list of orders is none");
    return urls;
}

/* ---------------------------------------------------------------- authorisations */

void acme_authorisation_clear(AcmeAuthorisation *authorisation)
{
    g_free(authorisation->domain);
    g_free(authorisation->url);
    g_free(authorisation->token);
    g_free(authorisation->problem);
}

static bool is_token(const char *text)
{
    return text && *text && strlen(text) <= ACME_TOKEN_BYTES_MAX &&
           strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") == strlen(text);
}

static void take_challenge(const json_t *challenge, const char *kind, AcmeAuthorisation *ret)
{
    const char *type = json_string_value(json_object_get(challenge, "type"));
    const char *token = json_string_value(json_object_get(challenge, "token"));
    if (!ret->problem)
        ret->problem = take_problem(challenge);
    AcmeStatus status = ACME_PENDING;
    if (ret->url || g_strcmp0(type, kind) != 0 || !is_token(token) ||
        !take_status(challenge, &status))
        return;
    ret->url = take_url(challenge, "url");
    if (!ret->url)
        return;
    ret->token = g_strdup(token);
    ret->challenge = status;
}

bool acme_authorisation_parse(const char *text, size_t size, const char *kind,
                              AcmeAuthorisation *ret, GError **error)
{
    g_autoptr(json_t) root = load(text, size, "authorization", error);
    if (!root)
        return false;
    AcmeAuthorisation got = {
        .domain = identifier_of(json_object_get(root, "identifier")),
        .wildcard = json_is_true(json_object_get(root, "wildcard")),
    };
    const json_t *challenges = json_object_get(root, "challenges");
    if (!take_status(root, &got.status) || !got.domain || !json_is_array(challenges) ||
        json_array_size(challenges) > ACME_CHALLENGES_MAX) {
        acme_authorisation_clear(&got);
        return fail(error, ERROR_RETRY,
                    "the CA's authorization lacks its status, identifier or challenges");
    }
    size_t index;
    json_t *one;
    json_array_foreach(challenges, index, one) take_challenge(one, kind, &got);
    *ret = got;
    return true;
}

/* ---------------------------------------------------------------- renewal information */

void acme_renewal_clear(AcmeRenewal *renewal)
{
    g_free(renewal->explanation);
}

static int64_t take_time(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) date =
        text && strlen(text) < 64 ? g_date_time_new_from_iso8601(text, utc) : NULL;
    return date ? g_date_time_to_unix(date) * 1000 : 0;
}

bool acme_renewal_parse(const char *text, size_t size, AcmeRenewal *ret, GError **error)
{
    g_autoptr(json_t) root = load(text, size, "renewal information", error);
    if (!root)
        return false;
    const json_t *window = json_object_get(root, "suggestedWindow");
    AcmeRenewal got = {.start = take_time(window, "start"), .end = take_time(window, "end")};
    /* RFC 9773 4.2: a window that ends before it begins is as none. */
    if (got.start <= 0 || got.end <= got.start)
        return fail(error, ERROR_RETRY, "the CA's renewal information has no window");
    got.explanation = take_url(root, "explanationURL");
    *ret = got;
    return true;
}

/* ---------------------------------------------------------------- header fields */

char *acme_link_parse(const char *value, const char *relation)
{
    const char *end = *value == '<' ? strchr(value, '>') : NULL;
    if (!end)
        return NULL;
    g_autofree char *quoted = g_strdup_printf("rel=\"%s\"", relation);
    g_autofree char *bare = g_strdup_printf("rel=%s", relation);
    if (!strstr(end, quoted) && !strstr(end, bare))
        return NULL;
    g_autofree char *url = g_strndup(value + 1, (gsize)(end - value - 1));
    return is_url(url) ? g_steal_pointer(&url) : NULL;
}
