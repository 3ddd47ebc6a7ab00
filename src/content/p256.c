/* p256: see p256.h. How it fits: the cluster's key for push services (vapid.c), and the known
 * values of webpush.c. Failures: bytes that are no key pair. */
#include "content/p256.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "base/must.h"

void p256_generate(uint8_t ret_private[P256_PRIVATE_BYTES], uint8_t ret_public[P256_PUBLIC_BYTES])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIGNUM *number = NULL;
    size_t size = 0;
    MUST(key && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) > 0);
    MUST(BN_bn2binpad(number, ret_private, P256_PRIVATE_BYTES) == P256_PRIVATE_BYTES);
    MUST(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ret_public,
                                         P256_PUBLIC_BYTES, &size) > 0 &&
         size == P256_PUBLIC_BYTES);
    BN_clear_free(number);
    EVP_PKEY_free(key);
}

EVP_PKEY *p256_import(const uint8_t private_key[P256_PRIVATE_BYTES],
                      const uint8_t public_key[P256_PUBLIC_BYTES])
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *number = BN_bin2bn(private_key, P256_PRIVATE_BYTES, NULL);
    MUST(context && build && number);
    MUST(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
         OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number) &&
         OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, public_key,
                                          P256_PUBLIC_BYTES));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    bool good = EVP_PKEY_fromdata_init(context) > 0 &&
                EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) > 0;
    EVP_PKEY_CTX_free(context);
    context = good ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    good = context && EVP_PKEY_pairwise_check(context) > 0;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_clear_free(number);
    if (good)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}
