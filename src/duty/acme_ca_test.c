/* acme_ca_test: a stand-in for a CA: see acme_ca_test.h. */
#include "acme_ca_test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "content/jose.h"
#include "content/private_key.h"
#include "support.h"

#define BASE "https://ca.example"
#define DAY  INT64_C(86400000)

/* ---------------------------------------------------------------- issuing */

static void sign(X509 *certificate, const Ca *ca, X509 *issuer)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_nconf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
    if (extension)
        X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, ca->key, EVP_sha256()) > 0);
}

static void set_times(X509 *certificate, int64_t begins_ms, int64_t life_ms)
{
    time_t now = (time_t)(clock_wall_ms(clock_real()) / 1000);
    ASN1_TIME_set(X509_getm_notBefore(certificate), now - 60 + (time_t)(begins_ms / 1000));
    ASN1_TIME_set(X509_getm_notAfter(certificate), now + (time_t)(life_ms / 1000));
}

static X509 *make_root(EVP_PKEY *key)
{
    X509 *root = X509_new();
    X509V3_CTX context;
    X509_set_version(root, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(root), 1);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(root), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"the stand-in", -1, -1, 0);
    X509_set_issuer_name(root, X509_get_subject_name(root));
    X509_set_pubkey(root, key);
    set_times(root, 0, 3650 * DAY);
    X509V3_set_ctx(&context, root, root, NULL, NULL, 0);
    X509_EXTENSION *id = X509V3_EXT_nconf_nid(NULL, &context, NID_subject_key_identifier, "hash");
    X509_add_ext(root, id, -1);
    X509_EXTENSION_free(id);
    assert_true(X509_sign(root, key, EVP_sha256()) > 0);
    return root;
}

static char *pem_of(X509 *leaf, X509 *root)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    PEM_write_bio_X509(bio, leaf);
    PEM_write_bio_X509(bio, root);
    long size = BIO_get_mem_data(bio, &bytes);
    char *text = g_strndup(bytes, (gsize)size);
    BIO_free(bio);
    return text;
}

static void issue(Ca *ca, CaOrder *order, const char *csr)
{
    g_autoptr(GBytes) der = jose_base64url_parse(csr);
    gsize size = 0;
    const unsigned char *bytes = g_bytes_get_data(der, &size);
    X509_REQ *request = d2i_X509_REQ(NULL, &bytes, (long)size);
    assert_non_null(request);
    X509 *leaf = X509_new();
    X509_set_version(leaf, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1000 + ca->issued);
    X509_set_issuer_name(leaf, X509_get_subject_name(ca->root));
    X509_set_pubkey(leaf, X509_REQ_get0_pubkey(request));
    set_times(leaf, ca->bad.begins_ms, ca->life_ms);
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    X509_EXTENSION *more =
        ca->bad.more_names
            ? X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, ca->bad.more_names)
            : NULL;
    if (more)
        X509_add_ext(leaf, more, -1);
    X509_EXTENSION_free(more);
    for (int i = 0; !ca->bad.more_names && i < sk_X509_EXTENSION_num(extensions); i++)
        X509_add_ext(leaf, sk_X509_EXTENSION_value(extensions, i), -1);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    sign(leaf, ca, ca->root);
    g_free(order->pem);
    order->pem = pem_of(leaf, ca->root);
    ca->issued++;
    X509_free(leaf);
    X509_REQ_free(request);
}

/* ---------------------------------------------------------------- answers */

static FetchAnswer *answer_new(int status, char *take_body)
{
    FetchAnswer *answer = g_new0(FetchAnswer, 1);
    answer->status = status;
    answer->body = take_body;
    answer->body_size = strlen(take_body);
    answer->headers = g_ptr_array_new_with_free_func(g_free);
    return answer;
}

static FetchAnswer *problem(int status, const char *type)
{
    return answer_new(status, g_strdup_printf("{\"type\":\"urn:ietf:params:acme:error:%s\","
                                              "\"detail\":\"as the test wishes\"}",
                                              type));
}

static void add_header(FetchAnswer *answer, const char *name, const char *value)
{
    g_ptr_array_add(answer->headers, g_strdup_printf("%s: %s", name, value));
}

/* An order's state moves on with each look, so that every state is seen. */
static FetchAnswer *show_order(const Ca *ca, unsigned number)
{
    const CaOrder *order = &ca->orders[number];
    g_autofree char *certificate =
        strcmp(order->status, "valid") == 0
            ? g_strdup_printf(",\"certificate\":\"" BASE "/certificate/%u\"", number)
            : g_strdup("");
    return answer_new(200,
                      g_strdup_printf("{\"status\":\"%s\",\"identifiers\":%s,"
                                      "\"authorizations\":[\"" BASE "/authorization/%u\"],"
                                      "\"finalize\":\"" BASE "/finalize/%u\"%s}",
                                      order->status, order->names, number, number, certificate));
}

static void move_on(const Ca *ca, CaOrder *order)
{
    if (ca->bad.never_ends)
        return;
    if (strcmp(order->status, "pending") == 0 && order->challenged && ++order->looks >= 2)
        order->status = ca->bad.refuses ? "invalid" : "ready";
    else if (strcmp(order->status, "processing") == 0 && !ca->bad.never_issues)
        order->status = "valid";
}

static FetchAnswer *new_order(Ca *ca, const json_t *payload)
{
    assert_true(ca->count < CA_ORDERS_MAX);
    CaOrder *order = &ca->orders[ca->count];
    if (ca->bad.refuses_replaces && json_object_get(payload, "replaces"))
        return problem(409, "alreadyReplaced");
    char *names = json_dumps(json_object_get(payload, "identifiers"), JSON_COMPACT);
    *order =
        (CaOrder){.names = g_strdup(names),
                  .status = "pending",
                  .replaces = g_strdup(json_string_value(json_object_get(payload, "replaces")))};
    free(names);
    FetchAnswer *answer = show_order(ca, ca->count);
    g_autofree char *url = g_strdup_printf(BASE "/order/%u", ca->count++);
    answer->status = 201;
    add_header(answer, "Location", url);
    return answer;
}

static FetchAnswer *list_orders(const Ca *ca)
{
    GString *text = g_string_new("{\"orders\":[");
    for (unsigned i = 0; i < ca->count; i++)
        g_string_append_printf(text, "%s\"" BASE "/order/%u\"", i ? "," : "", i);
    g_string_append(text, "]}");
    return answer_new(200, g_string_free(text, FALSE));
}

static FetchAnswer *show_authorisation(Ca *ca, unsigned number)
{
    const CaOrder *order = &ca->orders[number];
    bool invalid = strcmp(order->status, "invalid") == 0;
    bool valid = !invalid && strcmp(order->status, "pending") != 0;
    const char *status = invalid ? "invalid" : valid ? "valid" : "pending";
    return answer_new(
        200, g_strdup_printf("{\"status\":\"%s\",\"identifier\":{\"type\":\"dns\",\"value\":"
                             "\"mail.example.org\"},\"challenges\":[{\"type\":\"http-01\","
                             "\"status\":\"%s\",\"token\":\"token-%u\",\"url\":\"" BASE
                             "/challenge/%u\"%s}]}",
                             status, status, number, number,
                             invalid ? ",\"error\":{\"type\":\"urn:ietf:params:acme:error:"
                                       "unauthorized\",\"detail\":\"not what was expected\"}"
                                     : ""));
}

static FetchAnswer *renewal_info(const Ca *ca)
{
    if (ca->window_start == 0)
        return problem(404, "malformed");
    g_autoptr(GDateTime) start = g_date_time_new_from_unix_utc(ca->window_start / 1000);
    g_autoptr(GDateTime) end = g_date_time_new_from_unix_utc(ca->window_end / 1000);
    g_autofree char *from = g_date_time_format(start, "%Y-%m-%dT%H:%M:%SZ");
    g_autofree char *to = g_date_time_format(end, "%Y-%m-%dT%H:%M:%SZ");
    FetchAnswer *answer = answer_new(
        200, g_strdup_printf("{\"suggestedWindow\":{\"start\":\"%s\",\"end\":\"%s\"}}", from, to));
    add_header(answer, "Retry-After", "3600");
    return answer;
}

static FetchAnswer *order_path(Ca *ca, const char *path, const json_t *payload)
{
    const char *slash = strrchr(path, '/');
    unsigned number = (unsigned)g_ascii_strtoull(slash + 1, NULL, 10);
    if (number >= ca->count || ca->bad.forgets)
        return problem(404, "malformed");
    CaOrder *order = &ca->orders[number];
    if (g_str_has_prefix(path, "/order/")) {
        move_on(ca, order);
        return show_order(ca, number);
    }
    if (g_str_has_prefix(path, "/authorization/"))
        return show_authorisation(ca, number);
    if (g_str_has_prefix(path, "/challenge/")) {
        ca->challenges++;
        order->challenged = true;
        return answer_new(200, g_strdup("{}"));
    }
    if (g_str_has_prefix(path, "/finalize/")) {
        if (strcmp(order->status, "ready") != 0)
            return problem(403, "orderNotReady");
        issue(ca, order, json_string_value(json_object_get(payload, "csr")));
        order->status = "processing";
        return show_order(ca, number);
    }
    return order->pem ? answer_new(200, g_strdup(order->pem)) : problem(404, "malformed");
}

static FetchAnswer *find_path(Ca *ca, const char *path, const json_t *payload)
{
    FetchAnswer *answer = NULL;
    if (strcmp(path, "/account") == 0) {
        ca->accounts++;
        ca->bad.forgets_account = false;
        answer = answer_new(201, g_strdup("{\"status\":\"valid\"}"));
        add_header(answer, "Location", BASE "/account/1");
        return answer;
    }
    if (strcmp(path, "/account/1") == 0 && payload) /* an update, of nothing */
        return problem(400, "malformed");
    if (strcmp(path, "/account/1") == 0)
        return answer_new(200,
                          g_strdup(ca->bad.no_list ? "{}" : "{\"orders\":\"" BASE "/orders\"}"));
    if (strcmp(path, "/orders") == 0)
        return list_orders(ca);
    if (strcmp(path, "/order") == 0)
        return new_order(ca, payload);
    if (strcmp(path, "/revoke") == 0) {
        ca->revoked++;
        return answer_new(200, g_strdup(""));
    }
    if (g_str_has_prefix(path, "/info/")) {
        ca->infos++;
        return renewal_info(ca);
    }
    return strchr(path + 1, '/') ? order_path(ca, path, payload) : problem(404, "malformed");
}

/* ---------------------------------------------------------------- requests */

static json_t *payload_of(const FetchAsk *ask)
{
    json_t *body = ask->body ? json_loadb(ask->body, ask->body_size, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(body, "payload"));
    g_autoptr(GBytes) bytes = text ? jose_base64url_parse(text) : NULL;
    gsize size = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;
    json_t *payload = size > 0 ? json_loadb(data, size, 0, NULL) : NULL;
    json_decref(body);
    return payload;
}

static FetchAnswer *directory(void)
{
    return answer_new(200,
                      g_strdup("{\"newNonce\":\"" BASE "/nonce\",\"newAccount\":\"" BASE
                               "/account\",\"newOrder\":\"" BASE "/order\",\"revokeCert\":\"" BASE
                               "/revoke\",\"renewalInfo\":\"" BASE "/info\"}"));
}

static FetchAnswer *answer(Ca *ca, const FetchAsk *ask)
{
    const char *path = ask->url + strlen(BASE);
    if (ca->bad.lie_path && g_str_has_prefix(path, ca->bad.lie_path)) {
        ca->infos += g_str_has_prefix(path, "/info/");
        return answer_new(200, g_strdup(ca->bad.lie));
    }
    if (strcmp(path, "/directory") == 0 && !(ca->bad.status && ca->bad.everywhere))
        return directory();
    if (ca->bad.status) {
        FetchAnswer *refused =
            problem(ca->bad.status, ca->bad.status == 429 ? "rateLimited" : "serverInternal");
        if (ca->bad.retry_after)
            add_header(refused, "Retry-After", ca->bad.retry_after);
        return refused;
    }
    if (ca->bad.forgets_account && strcmp(path, "/account") != 0 && strcmp(path, "/nonce") != 0)
        return problem(400, "accountDoesNotExist");
    if (ca->bad.nonsense)
        return answer_new(200, g_strdup("<html>down for maintenance</html>"));
    if (ask->body && ca->bad.nonce_reject && ca->nonces % ca->bad.nonce_reject == 0)
        return problem(400, "badNonce");
    json_t *payload = payload_of(ask);
    FetchAnswer *found =
        strcmp(path, "/nonce") == 0 ? answer_new(200, g_strdup("")) : find_path(ca, path, payload);
    json_decref(payload);
    return found;
}

FetchAnswer *ca_fetch(const FetchAsk *ask, void *data, GError **error)
{
    Ca *ca = data;
    assert_true(g_str_has_prefix(ask->url, BASE));
    if (!ca->dead)
        ca->requests++;
    if (ca->dead || ca->requests == ca->die_before) {
        ca->dead = true;
        fail(error, ERROR_RETRY, "dead");
        return NULL;
    }
    FetchAnswer *given = answer(ca, ask);
    g_autofree char *nonce = g_strdup_printf("nonce-%u", ++ca->nonces);
    add_header(given, "Replay-Nonce", nonce);
    if (ca->requests != ca->die_after)
        return given;
    ca->dead = true;
    fetch_answer_free(given);
    fail(error, ERROR_UNKNOWN, "dead");
    return NULL;
}

/* ---------------------------------------------------------------- life */

Ca *ca_new(void)
{
    Ca *ca = g_new0(Ca, 1);
    ca->key = private_key_new(KEY_P256, NULL);
    ca->root = make_root(ca->key);
    ca->life_ms = 90 * DAY;
    return ca;
}

void ca_free(Ca *ca)
{
    for (unsigned i = 0; i < ca->count; i++) {
        g_free(ca->orders[i].names);
        g_free(ca->orders[i].pem);
        g_free(ca->orders[i].replaces);
    }
    X509_free(ca->root);
    EVP_PKEY_free(ca->key);
    g_free(ca);
}

unsigned ca_orders(const Ca *ca)
{
    unsigned alive = 0;
    for (unsigned i = 0; i < ca->count; i++)
        alive += strcmp(ca->orders[i].status, "invalid") != 0;
    return alive;
}
