/* tls_ocsp: what a certificate's responder says of it, for stapling.
 *
 * How it fits: tls_keeper.c looks with each of its rounds and puts the staples into the set; tls.c
 * sends them to clients that ask. remote/fetch asks the responder, by HTTP as responders are.
 *
 * Failures: none that anybody hears of but the log: a responder that is away, or talks nonsense, is
 * asked again after OCSP_RETRY_MS. An answer that is not signed by the issuer, or for another
 * certificate, or that says "revoked", is not stapled. Known weak point: a responder that hangs
 * holds the keeper's thread for OCSP_WHOLE_MS.
 */
#include "app/tls_ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/error.h"
#include "base/limits_tls.h"
#include "base/log.h"
#include "remote/fetch.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OCSP_REQUEST, OCSP_REQUEST_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OCSP_RESPONSE, OCSP_RESPONSE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OCSP_BASICRESP, OCSP_BASICRESP_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)

typedef struct {
    Chain *chain;
    GBytes *staple; /* NULL: none */
    int64_t until;  /* wall ms: it is not good after */
    int64_t due;    /* wall ms: asked again */
} Entry;

struct TlsOcsp {
    const Clock *clock;
    Fetch *fetch;       /* NULL: not made yet */
    GPtrArray *entries; /* of Entry */
};

static void entry_free(void *data)
{
    Entry *entry = data;
    chain_unref(entry->chain);
    if (entry->staple)
        g_bytes_unref(entry->staple);
    g_free(entry);
}

TlsOcsp *tls_ocsp_new(const Clock *clock)
{
    TlsOcsp *ocsp = g_new0(TlsOcsp, 1);
    ocsp->clock = clock;
    ocsp->entries = g_ptr_array_new_with_free_func(entry_free);
    return ocsp;
}

void tls_ocsp_free(TlsOcsp *ocsp)
{
    if (!ocsp)
        return;
    fetch_free(ocsp->fetch);
    g_ptr_array_unref(ocsp->entries);
    g_free(ocsp);
}

static Entry *find_entry(const TlsOcsp *ocsp, const Chain *chain)
{
    for (unsigned i = 0; i < ocsp->entries->len; i++) {
        Entry *entry = g_ptr_array_index(ocsp->entries, i);
        if (X509_cmp(entry->chain->leaf, chain->leaf) == 0)
            return entry;
    }
    return NULL;
}

/* ---------------------------------------------------------------- one answer */

/* What the responder is asked for; owned by nobody: the caller frees it or gives it to a request.
 */
static OCSP_CERTID *id_of(const Chain *chain)
{
    X509 *issuer = sk_X509_value(chain->rest, 0);
    return issuer ? OCSP_cert_to_id(EVP_sha1(), chain->leaf, issuer)
                  : NULL; /* as RFC 5019 has it */
}

static GBytes *ask_text(const Chain *chain)
{
    g_autoptr(OCSP_REQUEST) request = OCSP_REQUEST_new();
    OCSP_CERTID *id = id_of(chain);
    unsigned char *der = NULL;
    if (!request || !id || !OCSP_request_add0_id(request, id)) {
        OCSP_CERTID_free(id);
        return NULL;
    }
    int size = i2d_OCSP_REQUEST(request, &der);
    GBytes *bytes = size > 0 ? g_bytes_new(der, (gsize)size) : NULL;
    OPENSSL_free(der);
    return bytes;
}

static bool is_signed(const Chain *chain, OCSP_BASICRESP *basic)
{
    g_autoptr(X509_STORE) store = X509_STORE_new();
    /* The issuer is trusted for this, and need not be a root. */
    if (!store || X509_STORE_add_cert(store, sk_X509_value(chain->rest, 0)) != 1 ||
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        return false;
    return OCSP_basic_verify(basic, chain->rest, store, 0) == 1;
}

static int64_t time_ms(const ASN1_GENERALIZEDTIME *time)
{
    struct tm parts;
    if (!time || ASN1_TIME_to_tm(time, &parts) != 1)
        return 0;
    g_autoptr(GDateTime) date =
        g_date_time_new_utc(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                            parts.tm_min, parts.tm_sec);
    return date ? g_date_time_to_unix(date) * 1000 : 0;
}

/* The end of a good answer's life; 0: it is none, and *ret_why says why. */
static int64_t judge(const Chain *chain, const void *bytes, size_t size, int64_t now,
                     const char **ret_why)
{
    const unsigned char *at = bytes;
    g_autoptr(OCSP_RESPONSE) response = d2i_OCSP_RESPONSE(NULL, &at, (long)size);
    g_autoptr(OCSP_BASICRESP) basic =
        response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
            ? OCSP_response_get1_basic(response)
            : NULL;
    *ret_why = "it is no answer";
    if (!basic)
        return 0;
    *ret_why = "it is not signed by the issuer";
    if (!is_signed(chain, basic))
        return 0;
    OCSP_CERTID *id = id_of(chain);
    int status = -1, reason = 0;
    ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *until = NULL;
    bool found = id && OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &from, &until);
    OCSP_CERTID_free(id);
    *ret_why = !found                                ? "it is for another certificate"
               : status == V_OCSP_CERTSTATUS_REVOKED ? "it says that the certificate is revoked"
                                                     : "it does not know the certificate";
    if (!found || status != V_OCSP_CERTSTATUS_GOOD)
        return 0;
    int64_t end = until ? time_ms(until) : now + OCSP_LIFE_MS;
    *ret_why = "it is over";
    return end > now ? end : 0;
}

/* ---------------------------------------------------------------- asking */

static FetchAnswer *ask(TlsOcsp *ocsp, const char *url, GBytes *request, GError **error)
{
    static const char *const headers[] = {"Content-Type: application/ocsp-request",
                                          "Accept: application/ocsp-response", NULL};
    FetchConfig config = {
        .allow_http = true, .whole_ms = OCSP_WHOLE_MS, .answer_bytes = OCSP_ANSWER_BYTES_MAX};
    if (!ocsp->fetch && !(ocsp->fetch = fetch_new(&config, error)))
        return NULL;
    gsize size = 0;
    const void *bytes = g_bytes_get_data(request, &size);
    FetchAsk what = {
        .method = "POST", .url = url, .headers = headers, .body = bytes, .body_size = size};
    return fetch_run(ocsp->fetch, &what, error);
}

/* True: there is a new staple. */
static bool renew(TlsOcsp *ocsp, Entry *entry, const char *url)
{
    int64_t now = clock_wall_ms(ocsp->clock);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) request = ask_text(entry->chain);
    g_autoptr(FetchAnswer) answer = request ? ask(ocsp, url, request, &error) : NULL;
    const char *why = error ? error->message : "its chain has no issuer";
    int64_t until = 0;
    if (answer && answer->status == 200)
        until = judge(entry->chain, answer->body, answer->body_size, now, &why);
    else if (answer)
        why = "the responder refuses";
    ERR_clear_error();
    if (until == 0) {
        entry->due = now + OCSP_RETRY_MS;
        log_event(LOG_LEVEL_WARNING, "tls.no-staple",
                  "\"%s\" gives nothing to staple for \"%s\": %s", url,
                  entry->chain->names[0] ? entry->chain->names[0] : "", why);
        return false;
    }
    if (entry->staple)
        g_bytes_unref(entry->staple);
    entry->staple = g_bytes_new(answer->body, answer->body_size);
    entry->until = until;
    entry->due = now + (until - now) / 2;
    return true;
}

bool tls_ocsp_look(TlsOcsp *ocsp, const GPtrArray *chains)
{
    bool changed = false;
    int64_t end_us = clock_monotonic_us(ocsp->clock) + OCSP_TURN_MS * 1000;
    for (unsigned i = ocsp->entries->len; i-- > 0;) {
        const Entry *entry = g_ptr_array_index(ocsp->entries, i);
        bool there = false;
        for (unsigned j = 0; j < chains->len && !there; j++)
            there = X509_cmp(((const Chain *)g_ptr_array_index(chains, j))->leaf,
                             entry->chain->leaf) == 0;
        if (!there)
            g_ptr_array_remove_index_fast(ocsp->entries, i);
    }
    for (unsigned i = 0; i < chains->len; i++) {
        Chain *chain = g_ptr_array_index(chains, i);
        g_autofree char *url = chain_responder(chain);
        Entry *entry = url ? find_entry(ocsp, chain) : NULL;
        if (url && !entry) {
            entry = g_new0(Entry, 1);
            entry->chain = chain_ref(chain);
            g_ptr_array_add(ocsp->entries, entry);
        }
        if (!entry)
            continue;
        int64_t now = clock_wall_ms(ocsp->clock);
        if (entry->staple && entry->until <= now) {
            /* A client that gets one that is over may refuse the certificate. */
            g_clear_pointer(&entry->staple, g_bytes_unref);
            changed = true;
        }
        if (entry->due <= now && clock_monotonic_us(ocsp->clock) < end_us)
            changed |= renew(ocsp, entry, url);
    }
    return changed;
}

GBytes *tls_ocsp_staple(TlsOcsp *ocsp, const Chain *chain)
{
    const Entry *entry = find_entry(ocsp, chain);
    if (!entry || !entry->staple || entry->until <= clock_wall_ms(ocsp->clock))
        return NULL;
    return g_bytes_ref(entry->staple);
}
