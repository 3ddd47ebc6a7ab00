/* acme_ca_test.h: a stand-in for a CA, from RFC 8555 and RFC 9773, that lives in the test: it
 * counts, and misbehaves when it is told to. It does not verify signatures: pebble does that in the
 * system tests.
 */
#ifndef ROTA_DUTY_ACME_CA_TEST_H
#define ROTA_DUTY_ACME_CA_TEST_H

#include <jansson.h>
#include <openssl/x509.h>

#include "remote/fetch.h"

#define CA_ORDERS_MAX 4000

typedef struct {
    char *names; /* as the order's identifiers, in JSON */
    const char *status;
    bool challenged; /* its challenges were told */
    unsigned looks;  /* since then */
    char *pem;       /* NULL: not issued */
    char *replaces;  /* NULL: none */
} CaOrder;

typedef struct {
    EVP_PKEY *key;
    X509 *root;
    CaOrder orders[CA_ORDERS_MAX];
    unsigned count, accounts, challenges, issued, revoked, requests, nonces;
    int64_t life_ms; /* of what it issues */
    /* how it misbehaves */
    unsigned nonce_reject;   /* each so many-th nonce; 0: none */
    int status;              /* of every answer but the directory's; 0: as it should be */
    const char *retry_after; /* with that; NULL: none */
    bool nonsense, forgets, never_ends, refuses, no_list;
    int64_t window_start, window_end; /* of renewal information; 0: it has none */
    /* death: from then on nobody asks */
    uint64_t die_before, die_after; /* number of the request; 0: never */
    bool dead;
} Ca;

Ca *ca_new(void);
void ca_free(Ca *ca);
/* For AcmeDoor. */
FetchAnswer *ca_fetch(const FetchAsk *ask, void *data, GError **error);
/* Orders that were not made invalid. */
unsigned ca_orders(const Ca *ca);

#endif
