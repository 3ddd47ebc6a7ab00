/* tls: which certificate for which name, and how TLS is spoken here.
 *
 * How it fits: app/tls_relay does the connections of all doors with what tls_accept gives it;
 * app/tls_keeper reads files and the store, and hands in the set. One SSL_CTX for all names: the
 * certificate is put into the connection by the library's certificate callback, so an exchange
 * touches no context and tickets stay good across it.
 *
 * Failures: a client's are the relay's to see; a handshake that finds no certificate fails. Known
 * weak points: of several certificates for one name the last of the set is served, whatever kinds
 * of key the client bears; session tickets are each process' own, so a client that comes to another
 * node does a whole handshake.
 */
#include "app/tls.h"

#include <openssl/err.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_tls.h"
#include "base/must.h"

#define ALPN_HTTP "\x08http/1.1"
#define ALPN_CHALLENGE                                                                             \
    "\x0a"                                                                                         \
    "acme-tls/1"
#define CIPHERS_1_2           "ECDHE+AESGCM:ECDHE+CHACHA20"
#define SERVER_NAME_BYTES_MAX 255

typedef struct {
    _Atomic unsigned references;
    GPtrArray *entries;  /* of TlsEntry */
    GHashTable *by_name; /* char * to TlsEntry, borrowed */
    GHashTable *by_leaf; /* X509 * to TlsEntry, borrowed */
    GHashTable *answers; /* char * to Chain; NULL: none */
} Set;

struct Tls {
    SSL_CTX *context;
    TlsWanted wanted;
    void *data;
    GMutex lock;
    Set *set; /* under lock; never NULL once tls_set was called */
};

/* What a connection's handshake knows; in the SSL's application data. */
typedef struct {
    Tls *tls;
    bool challenge; /* it asks for acme-tls/1 */
    bool asked;     /* for the answer, which the set did not have */
    bool given_up;
} Handshake;

/* ---------------------------------------------------------------- the set */

static void entry_free(void *data)
{
    TlsEntry *entry = data;
    chain_unref(entry->chain);
    if (entry->staple)
        g_bytes_unref(entry->staple);
    g_free(entry);
}

GPtrArray *tls_entries_new(void)
{
    return g_ptr_array_new_with_free_func(entry_free);
}

void tls_entries_add(GPtrArray *entries, Chain *take_chain, GBytes *take_staple)
{
    TlsEntry *entry = g_new(TlsEntry, 1);
    *entry = (TlsEntry){take_chain, take_staple};
    g_ptr_array_add(entries, entry);
}

static Set *set_new(GPtrArray *entries, GHashTable *answers)
{
    Set *set = g_new0(Set, 1);
    set->references = 1;
    set->entries = g_ptr_array_ref(entries);
    set->answers = answers ? g_hash_table_ref(answers) : NULL;
    set->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    set->by_leaf = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; i < entries->len; i++) {
        TlsEntry *entry = g_ptr_array_index(entries, i);
        g_hash_table_insert(set->by_leaf, entry->chain->leaf, entry);
        for (char **name = entry->chain->names; *name; name++)
            g_hash_table_insert(set->by_name, *name, entry);
    }
    return set;
}

static void set_unref(Set *set)
{
    if (!set || --set->references > 0)
        return;
    g_hash_table_unref(set->by_name);
    g_hash_table_unref(set->by_leaf);
    if (set->answers)
        g_hash_table_unref(set->answers);
    g_ptr_array_unref(set->entries);
    g_free(set);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Set, set_unref)

static Set *take_set(Tls *tls)
{
    g_mutex_lock(&tls->lock);
    Set *set = tls->set;
    if (set)
        set->references++;
    g_mutex_unlock(&tls->lock);
    return set;
}

static void exchange(Tls *tls, Set *take_set)
{
    g_mutex_lock(&tls->lock);
    Set *before = tls->set;
    tls->set = take_set;
    g_mutex_unlock(&tls->lock);
    set_unref(before);
}

void tls_set(Tls *tls, GPtrArray *take_entries)
{
    MUST(take_entries->len > 0);
    g_autoptr(Set) before = take_set(tls);
    exchange(tls, set_new(take_entries, before ? before->answers : NULL));
    g_ptr_array_unref(take_entries);
}

void tls_set_answers(Tls *tls, GHashTable *take_answers)
{
    g_autoptr(Set) before = take_set(tls);
    MUST(before);
    exchange(tls, set_new(before->entries, take_answers));
    if (take_answers)
        g_hash_table_unref(take_answers);
}

static const TlsEntry *pick(const Set *set, const char *host)
{
    const TlsEntry *entry = host ? g_hash_table_lookup(set->by_name, host) : NULL;
    if (entry || !host)
        return entry ? entry : g_ptr_array_index(set->entries, 0);
    g_autofree char *wildcard = chain_wildcard_of(host);
    entry = wildcard ? g_hash_table_lookup(set->by_name, wildcard) : NULL;
    return entry ? entry : g_ptr_array_index(set->entries, 0);
}

/* ---------------------------------------------------------------- a handshake */

/* The name that the client asks for, in small letters; NULL: none that could be one. The caller
 * frees it. */
static char *server_name(SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name || !*name || strlen(name) > SERVER_NAME_BYTES_MAX)
        return NULL;
    char *small = g_ascii_strdown(name, -1);
    size_t size = strlen(small);
    if (small[size - 1] == '.')
        small[size - 1] = '\0';
    return small;
}

static bool offers(const unsigned char *list, size_t size, const char *protocol)
{
    size_t want = strlen(protocol);
    for (size_t at = 0; at < size && size - at > list[at]; at += 1u + list[at])
        if (1u + list[at] == want && memcmp(list + at, protocol, want) == 0)
            return true;
    return false;
}

/* The first look at what the client says: is it a challenge's? */
static int on_hello(SSL *ssl, int *alert, void *data)
{
    const unsigned char *list = NULL;
    size_t size = 0;
    Handshake *handshake = SSL_get_app_data(ssl);
    (void)alert, (void)data;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list,
                                  &size) == 1 &&
        size > 2)
        handshake->challenge = offers(list + 2, size - 2, ALPN_CHALLENGE);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static int put_certificate(SSL *ssl, const Chain *chain)
{
    return SSL_use_cert_and_key(ssl, chain->leaf, chain->key, chain->rest, 1);
}

/* 1: go on, 0: fail, -1: ask again later. */
static int answer_challenge(SSL *ssl, Handshake *handshake, const Set *set, const char *host)
{
    const Chain *answer = host && set->answers ? g_hash_table_lookup(set->answers, host) : NULL;
    if (answer)
        return put_certificate(ssl, answer);
    if (!host || handshake->given_up || !handshake->tls->wanted)
        return 0;
    if (handshake->asked)
        return -1;
    handshake->asked = handshake->tls->wanted(host, handshake->tls->data);
    return handshake->asked ? -1 : 0;
}

static int on_certificate(SSL *ssl, void *data)
{
    Handshake *handshake = SSL_get_app_data(ssl);
    g_autoptr(Set) set = take_set(data);
    if (!set)
        return 0;
    g_autofree char *host = server_name(ssl);
    if (handshake->challenge)
        return answer_challenge(ssl, handshake, set, host);
    return put_certificate(ssl, pick(set, host)->chain);
}

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_size,
                   const unsigned char *list, unsigned int size, void *data)
{
    const Handshake *handshake = SSL_get_app_data(ssl);
    const char *chosen = handshake->challenge ? ALPN_CHALLENGE : ALPN_HTTP;
    (void)data;
    if (!offers(list, size, chosen))
        return SSL_TLSEXT_ERR_NOACK;
    *ret = (const unsigned char *)chosen + 1;
    *ret_size = (unsigned char)chosen[0];
    return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *data)
{
    g_autoptr(Set) set = take_set(data);
    const TlsEntry *entry =
        set ? g_hash_table_lookup(set->by_leaf, SSL_get_certificate(ssl)) : NULL;
    if (!entry || !entry->staple)
        return SSL_TLSEXT_ERR_NOACK;
    gsize size = 0;
    const void *bytes = g_bytes_get_data(entry->staple, &size);
    unsigned char *copy = OPENSSL_memdup(bytes, size); /* the library frees it */
    return copy && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)size) == 1
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

SSL *tls_accept(Tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    Handshake *handshake = g_new0(Handshake, 1);
    handshake->tls = tls;
    SSL_set_app_data(ssl, handshake);
    SSL_set_accept_state(ssl);
    return ssl;
}

void tls_end(SSL *ssl)
{
    if (ssl)
        g_free(SSL_get_app_data(ssl));
    SSL_free(ssl);
    ERR_clear_error();
}

void tls_give_up(SSL *ssl)
{
    Handshake *handshake = SSL_get_app_data(ssl);
    handshake->given_up = true;
}

bool tls_is_challenge(SSL *ssl)
{
    const Handshake *handshake = SSL_get_app_data(ssl);
    return handshake->challenge;
}

/* ---------------------------------------------------------------- life */

static bool set_up(Tls *tls)
{
    static const unsigned char context_id[] = "rota";
    SSL_CTX *context = tls->context;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_sess_set_cache_size(context, TLS_SESSIONS_MAX);
    SSL_CTX_set_client_hello_cb(context, on_hello, tls);
    SSL_CTX_set_cert_cb(context, on_certificate, tls);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, tls);
    SSL_CTX_set_tlsext_status_cb(context, on_status);
    SSL_CTX_set_tlsext_status_arg(context, tls);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1 &&
           SSL_CTX_set_session_id_context(context, context_id, sizeof context_id - 1) == 1;
}

Tls *tls_new(TlsWanted wanted, void *data, GError **error)
{
    g_autoptr(Tls) tls = g_new0(Tls, 1);
    g_mutex_init(&tls->lock);
    tls->wanted = wanted;
    tls->data = data;
    tls->context = SSL_CTX_new(TLS_server_method());
    bool good = tls->context && set_up(tls);
    ERR_clear_error();
    if (good)
        return g_steal_pointer(&tls);
    fail(error, ERROR_RETRY, "could not set up TLS");
    return NULL;
}

void tls_free(Tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    set_unref(tls->set);
    g_mutex_clear(&tls->lock);
    g_free(tls);
}
