/* chain_fuzz: any bytes as a certificate with its chain, in PEM form or, where they begin with a
 * zero, as the DER of one certificate; and as a private key.
 *
 * Besides memory errors it looks for broken promises: names and lengths are bounded, texts are
 * valid UTF-8.
 */
#include <stdint.h>
#include <string.h>

#include "base/limits_tls.h"
#include "base/must.h"
#include "content/chain.h"
#include "content/private_key.h"

static void check(const Chain *chain)
{
    MUST(sk_X509_num(chain->rest) < CHAIN_LENGTH_MAX);
    MUST(g_strv_length(chain->names) <= CHAIN_NAMES_MAX);
    for (char **name = chain->names; *name; name++)
        MUST(**name && strlen(*name) <= HOST_NAME_BYTES_MAX && g_str_is_ascii(*name));
    MUST(g_utf8_validate(chain->issuer, -1, NULL));
    g_autofree char *id = chain_renewal_id(chain);
    g_autofree char *responder = chain_responder(chain);
    MUST(!id || strchr(id, '.'));
    MUST(!responder || *responder);
    chain_covers(chain, "mail.example.org");
    chain_has_issuer(chain, "any");
}

static char *pem_of(const uint8_t *bytes, size_t size)
{
    g_autofree char *body = g_base64_encode(bytes, size);
    GString *text = g_string_new("-----BEGIN CERTIFICATE-----\n");
    for (size_t at = 0; at < strlen(body); at += 64)
        g_string_append_printf(text, "%.64s\n", body + at);
    g_string_append(text, "-----END CERTIFICATE-----\n");
    return g_string_free(text, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    bool der = size > 0 && bytes[0] == 0;
    g_autofree char *text =
        der ? pem_of(bytes + 1, size - 1) : g_strndup((const char *)bytes, size);
    g_autoptr(Chain) chain = chain_parse(text, strlen(text), NULL, NULL);
    if (chain)
        check(chain);
    g_autoptr(EVP_PKEY) key = private_key_parse(text, strlen(text), NULL);
    MUST(!key || EVP_PKEY_get_bits(key) > 0);
    return 0;
}
