/* chain_test: keys, requests and chains: made, written, read again; what is none is refused. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits_tls.h"
#include "content/chain.h"
#include "content/private_key.h"
#include "support.h"

#define NOW INT64_C(1790000000000)

/* Of a stand-in, since that is what we can make; the caller frees it. */
static char *pem_of(const Chain *chain)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    assert_true(PEM_write_bio_X509(bio, chain->leaf) == 1);
    long size = BIO_get_mem_data(bio, &bytes);
    char *text = g_strndup(bytes, (gsize)size);
    BIO_free(bio);
    return text;
}

static void keys_come_back(void **state)
{
    (void)state;
    for (int kind = KEY_P256; kind <= KEY_RSA_2048; kind++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EVP_PKEY) key = private_key_new((KeyKind)kind, &error);
        assert_no_error(error);
        char *text = private_key_format(key, &error);
        assert_no_error(error);
        g_autoptr(EVP_PKEY) again = private_key_parse(text, strlen(text), &error);
        assert_no_error(error);
        assert_true(EVP_PKEY_eq(key, again) == 1);
        for (int other = KEY_P256; other <= KEY_RSA_4096; other++)
            assert_true(private_key_is(again, (KeyKind)other) == (other == kind));
        private_key_text_free(text);
    }
}

static void requests_have_all_names(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    const char *names[] = {"example.org", "*.example.org", NULL};
    g_autoptr(EVP_PKEY) key = private_key_new(KEY_P256, &error);
    g_autoptr(GBytes) der = private_key_request(key, names, &error);
    assert_no_error(error);
    gsize size = 0;
    const unsigned char *bytes = g_bytes_get_data(der, &size);
    X509_REQ *request = d2i_X509_REQ(NULL, &bytes, (long)size);
    assert_true(X509_REQ_verify(request, key) == 1);
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *all = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(all), 2);
    GENERAL_NAMES_free(all);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
}

static void a_stand_in_is_a_chain(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    const char *names[] = {"mail.example.org", "*.example.org", NULL};
    g_autoptr(Chain) made = chain_stand_in(names, NOW, &error);
    assert_no_error(error);
    g_autofree char *pem = pem_of(made);
    char *key = private_key_format(made->key, &error);
    g_autoptr(Chain) chain = chain_parse(pem, strlen(pem), key, &error);
    assert_no_error(error);
    assert_string_equal(chain->names[0], "mail.example.org");
    assert_string_equal(chain->names[1], "*.example.org");
    assert_null(chain->names[2]);
    assert_true(chain->not_before <= NOW && chain->not_after > NOW);
    assert_string_equal(chain->issuer, "rota, signed by itself");
    assert_true(chain_has_issuer(chain, "rota, signed by itself"));
    assert_false(chain_has_issuer(chain, "another"));
    assert_null(chain_responder(chain));
    assert_null(chain_renewal_id(chain));
    g_autoptr(EVP_PKEY) other = private_key_new(KEY_P256, &error);
    char *other_text = private_key_format(other, &error);
    assert_null(chain_parse(pem, strlen(pem), other_text, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    private_key_text_free(other_text);
    private_key_text_free(key);
}

static void names_are_covered(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool covered;
    } cases[] = {
        {"mail.example.org", true},
        {"MAIL.example.org", true},
        {"www.example.org", true},
        {"a.b.example.org", false},
        {"example.org", false},
        {"example.com", false},
        {"*.example.org", true},
        {"", false},
        {"org", false},
    };
    const char *names[] = {"mail.example.org", "*.example.org", NULL};
    g_autoptr(Chain) chain = chain_stand_in(names, NOW, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (chain_covers(chain, cases[i].host) != cases[i].covered)
            fail_msg("\"%s\": want %d", cases[i].host, cases[i].covered);
}

static void names_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool plain, wildcard;
    } cases[] = {
        {"example.org", true, true},
        {"*.example.org", false, true},
        {"localhost", true, true},
        {"org", false, false},
        {"", false, false},
        {"a..b", false, false},
        {"-a.example.org", false, false},
        {"a,DNS:b.org", false, false},
        {"*.*.org", false, false},
        {"a.example.org.", false, false},
        {"xn--bcher-kva.example", true, true},
        {"a b.org", false, false},
        {"\xc3\xa4.org", false, false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (chain_name_is_valid(cases[i].name, false) != cases[i].plain ||
            chain_name_is_valid(cases[i].name, true) != cases[i].wildcard)
            fail_msg("\"%s\": want %d, %d", cases[i].name, cases[i].plain, cases[i].wildcard);
}

static void an_answer_has_the_digest(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Chain) chain = chain_answer("example.org", "token.thumbprint", NOW, &error);
    assert_no_error(error);
    ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    int at = X509_get_ext_by_OBJ(chain->leaf, object, -1);
    assert_true(at >= 0);
    X509_EXTENSION *extension = X509_get_ext(chain->leaf, at);
    assert_true(X509_EXTENSION_get_critical(extension));
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    Digest digest = digest_of("token.thumbprint", strlen("token.thumbprint"));
    assert_int_equal(ASN1_STRING_length(value), 2 + DIGEST_BYTES);
    assert_memory_equal(ASN1_STRING_get0_data(value), "\x04\x20", 2);
    assert_memory_equal(ASN1_STRING_get0_data(value) + 2, digest.bytes, DIGEST_BYTES);
    ASN1_OBJECT_free(object);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    g_autofree char *large = g_strnfill(PEM_BYTES_MAX + 1, 'a');
    const char *names[] = {"localhost", NULL};
    g_autoptr(Chain) one = chain_stand_in(names, NOW, NULL);
    g_autofree char *pem = pem_of(one);
    g_autoptr(GString) long_chain = g_string_new(NULL), broken = g_string_new(pem);
    for (int i = 0; i <= CHAIN_LENGTH_MAX; i++)
        g_string_append(long_chain, pem);
    g_string_append(broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const struct {
        const char *text, *want;
    } cases[] = {
        {"", "found no certificate"},
        {"hello", "found no certificate"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "found no certificate"},
        {large, "has more than"},
        {long_chain->str, "has more than"},
        {broken->str, "cannot be read"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        Chain *chain = chain_parse(cases[i].text, strlen(cases[i].text), NULL, &error);
        assert_null(chain);
        assert_non_null(strstr(error->message, cases[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_back),          cmocka_unit_test(requests_have_all_names),
        cmocka_unit_test(a_stand_in_is_a_chain),   cmocka_unit_test(names_are_covered),
        cmocka_unit_test(names_are_judged),        cmocka_unit_test(an_answer_has_the_digest),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
