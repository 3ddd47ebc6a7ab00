/* chain: a certificate with its chain and its key.
 *
 * How it fits: app/tls serves it, model/certificate stores its text, duty/acme_renew looks at its
 * times. The text comes from a file of the operator's or from a CA, so it is hostile.
 *
 * Failures: ERROR_REJECT for what is no chain. Known weak point: of names beside DNS names (IP
 * addresses) nothing is read.
 */
#include "content/chain.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits_tls.h"

#include "content/base64url.h"
#include "content/private_key.h"

#define DAY_MS     INT64_C(86400000)
#define NAME_BYTES 200
/* id-pe-acmeIdentifier, RFC 8737 6.1 */
#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

Chain *chain_ref(Chain *chain)
{
    chain->references++;
    return chain;
}

void chain_unref(Chain *chain)
{
    if (!chain || --chain->references > 0)
        return;
    X509_free(chain->leaf);
    sk_X509_pop_free(chain->rest, X509_free);
    EVP_PKEY_free(chain->key);
    g_strfreev(chain->names);
    g_free(chain->issuer);
    g_free(chain->serial);
    g_free(chain);
}

/* ---------------------------------------------------------------- reading */

static int64_t time_ms(const ASN1_TIME *time)
{
    struct tm parts;
    g_autoptr(GDateTime) date = NULL;
    if (ASN1_TIME_to_tm(time, &parts) == 1)
        date = g_date_time_new_utc(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                   parts.tm_hour, parts.tm_min, parts.tm_sec);
    return date ? g_date_time_to_unix(date) * 1000 : 0;
}

static char *common_name(const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at >= 0) {
        const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
        unsigned char *utf8 = NULL;
        int size = ASN1_STRING_to_UTF8(&utf8, text);
        if (size > 0) {
            g_autofree char *cut = g_strndup((const char *)utf8, (gsize)MIN(size, NAME_BYTES));
            OPENSSL_free(utf8);
            return g_utf8_make_valid(cut, -1);
        }
    }
    char line[NAME_BYTES] = "";
    X509_NAME_oneline(name, line, sizeof line);
    return g_utf8_make_valid(line, -1);
}

static char **read_names(X509 *leaf)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && names->len < CHAIN_NAMES_MAX; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
        if (one->type != GEN_DNS)
            continue;
        const unsigned char *bytes = ASN1_STRING_get0_data(one->d.dNSName);
        size_t size = (size_t)ASN1_STRING_length(one->d.dNSName);
        if (size == 0 || size > HOST_NAME_BYTES_MAX || memchr(bytes, '\0', size))
            continue;
        g_autofree char *name = g_strndup((const char *)bytes, size);
        if (g_str_is_ascii(name))
            g_ptr_array_add(names, g_ascii_strdown(name, -1));
    }
    GENERAL_NAMES_free(all);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static Chain *chain_of(X509 *take_leaf, EVP_PKEY *take_key)
{
    Chain *chain = g_new0(Chain, 1);
    chain->references = 1;
    chain->leaf = take_leaf;
    chain->key = take_key;
    chain->rest = sk_X509_new_null();
    chain->names = read_names(take_leaf);
    chain->not_before = time_ms(X509_get0_notBefore(take_leaf));
    chain->not_after = time_ms(X509_get0_notAfter(take_leaf));
    chain->issuer = common_name(X509_get_issuer_name(take_leaf));
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(take_leaf), NULL);
    char *digits = serial ? BN_bn2hex(serial) : NULL;
    chain->serial = g_strdup(digits ? digits : "");
    OPENSSL_free(digits);
    BN_free(serial);
    return chain;
}

/* One that is encrypted would ask the terminal for its password: it is "" here. */
static X509 *read_one(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, NULL, (void *)(uintptr_t) "");
}

static bool read_rest(Chain *chain, BIO *bio, GError **error)
{
    X509 *next;
    while ((next = read_one(bio))) {
        if (sk_X509_num(chain->rest) + 1 >= CHAIN_LENGTH_MAX) {
            X509_free(next);
            return fail(error, ERROR_REJECT, "the chain has more than %d certificates",
                        CHAIN_LENGTH_MAX);
        }
        sk_X509_push(chain->rest, next);
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ||
           fail(error, ERROR_REJECT, "certificate %d of the chain cannot be read",
                sk_X509_num(chain->rest) + 2);
}

Chain *chain_parse(const char *pem, size_t size, const char *key_pem, GError **error)
{
    if (size > PEM_BYTES_MAX) {
        fail(error, ERROR_REJECT, "the certificate has more than %d bytes", PEM_BYTES_MAX);
        return NULL;
    }
    g_autoptr(EVP_PKEY) key = NULL;
    if (key_pem && !(key = private_key_parse(key_pem, strlen(key_pem), error)))
        return NULL;
    g_autoptr(BIO) bio = BIO_new_mem_buf(pem, (int)size);
    ERR_clear_error();
    X509 *leaf = bio ? read_one(bio) : NULL;
    g_autoptr(Chain) chain = leaf ? chain_of(leaf, g_steal_pointer(&key)) : NULL;
    if (!chain)
        fail(error, ERROR_REJECT, "found no certificate in PEM form");
    bool good = chain && read_rest(chain, bio, error);
    if (good && chain->key && X509_check_private_key(chain->leaf, chain->key) != 1)
        good = fail(error, ERROR_REJECT, "the private key is not this certificate's");
    ERR_clear_error();
    return good ? g_steal_pointer(&chain) : NULL;
}

/* ---------------------------------------------------------------- looking */

static bool label_is_valid(const char *label)
{
    size_t size = strlen(label);
    return size >= 1 && size <= 63 && label[0] != '-' && label[size - 1] != '-' &&
           strspn(label, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-") == size;
}

bool chain_name_is_valid(const char *name, bool wildcard)
{
    if (strlen(name) > HOST_NAME_BYTES_MAX)
        return false;
    if (wildcard && g_str_has_prefix(name, "*."))
        name += 2;
    g_auto(GStrv) labels = g_strsplit(name, ".", -1);
    for (char **label = labels; *label; label++)
        if (!label_is_valid(*label))
            return false;
    return g_strv_length(labels) >= 2 || g_ascii_strcasecmp(name, "localhost") == 0;
}

char *chain_wildcard_of(const char *host)
{
    const char *dot = strchr(host, '.');
    return dot && strchr(dot + 1, '.') ? g_strconcat("*", dot, NULL) : NULL;
}

bool chain_covers(const Chain *chain, const char *host)
{
    g_autofree char *small = g_ascii_strdown(host, -1);
    g_autofree char *wildcard = chain_wildcard_of(small);
    for (char **name = chain->names; *name; name++)
        if (strcmp(*name, small) == 0 || (wildcard && strcmp(*name, wildcard) == 0))
            return true;
    return false;
}

bool chain_has_issuer(const Chain *chain, const char *name)
{
    for (int i = 0; i < sk_X509_num(chain->rest); i++) {
        const X509 *one = sk_X509_value(chain->rest, i);
        g_autofree char *issuer = common_name(X509_get_issuer_name(one));
        g_autofree char *subject = common_name(X509_get_subject_name(one));
        if (strcmp(issuer, name) == 0 || strcmp(subject, name) == 0)
            return true;
    }
    return strcmp(chain->issuer, name) == 0;
}

char *chain_renewal_id(const Chain *chain)
{
    AUTHORITY_KEYID *authority =
        X509_get_ext_d2i(chain->leaf, NID_authority_key_identifier, NULL, NULL);
    char *id = NULL;
    if (authority && authority->keyid) {
        g_autofree char *key = base64url_format(ASN1_STRING_get0_data(authority->keyid),
                                                (size_t)ASN1_STRING_length(authority->keyid));
        /* The serial's DER content: with the leading zero that keeps it positive. */
        unsigned char *der = NULL;
        int size = i2d_ASN1_INTEGER(X509_get0_serialNumber(chain->leaf), &der);
        if (size > 2 && der[1] < 0x80) {
            g_autofree char *serial = base64url_format(der + 2, (size_t)size - 2);
            id = g_strdup_printf("%s.%s", key, serial);
        }
        OPENSSL_free(der);
    }
    AUTHORITY_KEYID_free(authority);
    ERR_clear_error();
    return id;
}

char *chain_responder(const Chain *chain)
{
    STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(chain->leaf);
    char *first =
        all && sk_OPENSSL_STRING_num(all) > 0 ? g_strdup(sk_OPENSSL_STRING_value(all, 0)) : NULL;
    X509_email_free(all);
    return first;
}

/* ---------------------------------------------------------------- signed by ourselves */

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);
    bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* A critical extension of an OCTET STRING of 32 bytes. */
static bool add_identifier(X509 *certificate, const char *authorisation)
{
    Digest digest = digest_of(authorisation, strlen(authorisation));
    unsigned char der[2 + DIGEST_BYTES] = {V_ASN1_OCTET_STRING, DIGEST_BYTES};
    memcpy(der + 2, digest.bytes, DIGEST_BYTES);
    ASN1_OBJECT *object = OBJ_txt2obj(ACME_IDENTIFIER, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    if (object && value && ASN1_OCTET_STRING_set(value, der, sizeof der) == 1)
        extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
    bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    return good;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *const *names, int64_t now)
{
    unsigned char random[16];
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *const *name = names; *name; name++)
        g_string_append_printf(text, "%sDNS:%s", text->len > 0 ? "," : "", *name);
    X509_NAME *subject = X509_get_subject_name(certificate);
    BIGNUM *serial = NULL;
    bool good = RAND_bytes(random, sizeof random) == 1 &&
                (serial = BN_bin2bn(random, sizeof random, NULL)) && /* positive, below 2^159 */
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) &&
                X509_set_version(certificate, X509_VERSION_3) == 1 &&
                ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(now / 1000 - 3600)) &&
                ASN1_TIME_set(X509_getm_notAfter(certificate),
                              (time_t)((now + STAND_IN_DAYS * DAY_MS) / 1000)) &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)"rota, signed by itself", -1, -1,
                                           0) == 1 &&
                X509_set_issuer_name(certificate, subject) == 1 &&
                X509_set_pubkey(certificate, key) == 1 &&
                add_extension(certificate, NID_subject_alt_name, text->str);
    BN_free(serial);
    return good;
}

static Chain *sign_own(const char *const *names, const char *authorisation, int64_t now,
                       GError **error)
{
    g_autoptr(EVP_PKEY) key = private_key_new(KEY_P256, error);
    X509 *certificate = key ? X509_new() : NULL;
    if (!certificate)
        return NULL;
    bool good = fill(certificate, key, names, now) &&
                (!authorisation || add_identifier(certificate, authorisation)) &&
                X509_sign(certificate, key, EVP_sha256()) > 0;
    ERR_clear_error();
    if (good)
        return chain_of(certificate, g_steal_pointer(&key));
    X509_free(certificate);
    fail(error, ERROR_REJECT, "could not sign a certificate for \"%.200s\"", names[0]);
    return NULL;
}

Chain *chain_stand_in(const char *const *names, int64_t now, GError **error)
{
    return sign_own(names, NULL, now, error);
}

Chain *chain_answer(const char *domain, const char *authorisation, int64_t now, GError **error)
{
    const char *names[] = {domain, NULL};
    return sign_own(names, authorisation, now, error);
}
