/* private_key: private keys, and requests for certificates.
 *
 * How it fits: model/certificate keeps what is made here, sealed; remote/acme sends the requests;
 * content/chain puts keys beside their certificates. OpenSSL does the work.
 *
 * Failures: what is no key is ERROR_REJECT; that OpenSSL cannot make one is ERROR_RETRY. Known weak
 * point: OpenSSL frees its own copies of a key without a promise that they were wiped.
 */
#include "content/private_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_tls.h"

const char *const key_kind_names[] = {"p256", "p384", "rsa2048", "rsa4096", NULL};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)

EVP_PKEY *private_key_new(KeyKind kind, GError **error)
{
    EVP_PKEY *key = NULL;
    switch (kind) {
    case KEY_P256:
        key = EVP_EC_gen("P-256");
        break;
    case KEY_P384:
        key = EVP_EC_gen("P-384");
        break;
    case KEY_RSA_2048:
        key = EVP_RSA_gen(2048);
        break;
    case KEY_RSA_4096:
        key = EVP_RSA_gen(4096);
        break;
    }
    ERR_clear_error();
    if (!key)
        fail(error, ERROR_RETRY, "could not make a private key");
    return key;
}

/* A key that is encrypted would ask the terminal for its password. */
static int no_password(char *buffer, int size, int writing, void *data)
{
    (void)buffer, (void)size, (void)writing, (void)data;
    return -1;
}

EVP_PKEY *private_key_parse(const char *pem, size_t size, GError **error)
{
    if (size > PEM_BYTES_MAX) {
        fail(error, ERROR_REJECT, "the private key has more than %d bytes", PEM_BYTES_MAX);
        return NULL;
    }
    g_autoptr(BIO) bio = BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    ERR_clear_error();
    if (!key)
        fail(error, ERROR_REJECT, "found no private key in PEM form, without a password");
    return key;
}

char *private_key_format(const EVP_PKEY *key, GError **error)
{
    g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
    char *bytes = NULL;
    long size = 0;
    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        size = BIO_get_mem_data(bio, &bytes);
    ERR_clear_error();
    if (size <= 0) {
        fail(error, ERROR_RETRY, "could not write a private key");
        return NULL;
    }
    return g_strndup(bytes, (gsize)size);
}

void private_key_text_free(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    g_free(text);
}

bool private_key_is(const EVP_PKEY *key, KeyKind kind)
{
    switch (kind) {
    case KEY_P256:
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == 256;
    case KEY_P384:
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == 384;
    case KEY_RSA_2048:
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) == 2048;
    case KEY_RSA_4096:
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) == 4096;
    }
    return false;
}

static bool add_names(X509_REQ *request, const char *const *names)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *const *name = names; *name; name++)
        g_string_append_printf(text, "%sDNS:%s", text->len > 0 ? "," : "", *name);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, text->str);
    STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
    bool good = extension && all && sk_X509_EXTENSION_push(all, extension) > 0;
    if (good)
        good = X509_REQ_add_extensions(request, all) == 1;
    else
        X509_EXTENSION_free(extension);
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    return good;
}

GBytes *private_key_request(EVP_PKEY *key, const char *const *names, GError **error)
{
    g_autoptr(X509_REQ) request = X509_REQ_new();
    unsigned char *der = NULL;
    int size = -1;
    /* No common name: the names are in the extension, and a CN bears 64 bytes only. */
    if (request && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
        X509_REQ_set_pubkey(request, key) == 1 && add_names(request, names) &&
        X509_REQ_sign(request, key, EVP_sha256()) > 0)
        size = i2d_X509_REQ(request, &der);
    ERR_clear_error();
    if (size <= 0) {
        fail(error, ERROR_REJECT, "could not make a request for a certificate of \"%.200s\"",
             names[0]);
        return NULL;
    }
    GBytes *bytes = g_bytes_new(der, (gsize)size);
    OPENSSL_free(der);
    return bytes;
}
