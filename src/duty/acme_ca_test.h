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

/* How it misbehaves; zeros: it does not. */
typedef struct {
    unsigned nonce_reject;   /* each so many-th nonce; 0: none */
    int status;              /* of every answer but the directory's; 0: as it should be */
    bool everywhere;         /* of the directory's too */
    const char *retry_after; /* with that; NULL: none */
    bool nonsense, forgets, never_ends, refuses, no_list;
    bool forgets_account;  /* until there is a new one */
    bool never_issues;     /* it works at the certificate for ever */
    bool refuses_replaces; /* as one that was replaced before (RFC 9773 5) */
    const char *lie_path;  /* answers by this prefix are `lie`; NULL: none are */
    const char *lie;
    const char *more_names; /* "DNS:a,DNS:b": instead of those asked for; NULL: those */
    int64_t begins_ms;      /* what it issues is in force from then on, from now */
} CaFaults;

typedef struct {
    EVP_PKEY *key;
    X509 *root;
    CaOrder orders[CA_ORDERS_MAX];
    unsigned count, accounts, challenges, issued, revoked, requests, nonces, infos;
    int64_t life_ms; /* of what it issues */
    CaFaults bad;
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
