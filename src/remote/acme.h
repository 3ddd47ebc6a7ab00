/* acme.h: what we say to an ACME server (RFC 8555, 8737, 9773): one conversation, in single
 * requests. It keeps nonces and signs; it stores nothing and waits for nothing.
 *
 * Requests go out through a function that is handed in: remote/fetch.h in a node, a stand-in in
 * tests. Each call is one request, but for a nonce where there is none, one more for each nonce
 * that the CA refuses (ACME_NONCES_MAX), and the download of alternate chains.
 *
 * Errors, of every call: ERROR_RETRY: the CA cannot be reached, is overloaded (429, 503), failed,
 * or talks nonsense. ERROR_REJECT: it refuses, and will again. ERROR_GONE: what was asked for is
 * not there (an order that it has forgotten). ERROR_CONFLICT: it does not know our account.
 * ERROR_UNKNOWN: no answer came; it may have been acted upon, so look before doing it again. Where
 * the CA has said why, acme_problem has all of it; acme_retry_ms is how long it wants to be left
 * alone.
 *
 * Calling sequence: acme_new → { request }* → acme_free. One thread.
 */
#ifndef ROTA_REMOTE_ACME_H
#define ROTA_REMOTE_ACME_H

#include <glib.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#include "remote/acme_parse.h"
#include "remote/fetch.h"

typedef struct {
    FetchAnswer *(*fetch)(const FetchAsk *ask, void *data, GError **error);
    void *data;
    const Clock *clock;
    const char *directory; /* its URL */
    EVP_PKEY *key;         /* the account's */
    const char *account;   /* its URL; "": acme_register finds it */
} AcmeConfig;

typedef struct Acme Acme;
/* Asks for the directory. All of the config is borrowed but the texts. */
Acme *acme_new(const AcmeConfig *config, GError **error);
void acme_free(Acme *acme);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Acme, acme_free)

/* Of the last request that failed: the problem document, whole; NULL: the CA has said nothing. */
const char *acme_problem(const Acme *acme);
/* Of the last request: what Retry-After said, at most FETCH_RETRY_AFTER_MAX_S; 0: nothing. */
int64_t acme_retry_ms(const Acme *acme);
unsigned acme_requests(const Acme *acme);

typedef struct {
    const char *const *contacts; /* "mailto:ada@example.org", NULL-ended */
    const char *eab_kid;         /* "": no external account binding */
    GBytes *eab_key;
} AcmeRegister;
/* Makes the account, or finds the one that the key has; its URL is acme_account's then. */
bool acme_register(Acme *acme, const AcmeRegister *ask, GError **error);
const char *acme_account(const Acme *acme);

/* `replaces`: the renewal id of the certificate before, "" none; left out where the CA does not
 * know it. *ret_url: the order's. */
bool acme_order(Acme *acme, const char *const *names, const char *replaces, char **ret_url,
                AcmeOrder *ret, GError **error);
bool acme_order_look(Acme *acme, const char *url, AcmeOrder *ret, GError **error);
/* An order of these names (small letters, sorted) that is still to be ended, among the account's
 * newest; *ret_url NULL: there is none, or the CA has no such list. */
bool acme_order_find(Acme *acme, const char *const *names, char **ret_url, GError **error);
bool acme_authorisation_look(Acme *acme, const char *url, const char *kind, AcmeAuthorisation *ret,
                             GError **error);
/* The challenge may be looked at now. */
bool acme_challenge(Acme *acme, const char *url, GError **error);
bool acme_finalise(Acme *acme, const char *url, GBytes *request, GError **error);
/* The chain in PEM form: the CA's own choice, or the first alternate whose issuer is `issuer` ("":
 * any). The caller frees it. */
char *acme_download(Acme *acme, const char *url, const char *issuer, GError **error);

/* ERROR_GONE: the CA has no renewal information. */
bool acme_renewal(Acme *acme, const char *id, AcmeRenewal *ret, GError **error);
/* `certificate` in DER form. One that is revoked already is fine. */
bool acme_revoke(Acme *acme, GBytes *certificate, GError **error);
/* From now on the account has that key, and this conversation signs with it. */
bool acme_roll_over(Acme *acme, EVP_PKEY *key, GError **error);

/* What answers a challenge: token, point, thumbprint (RFC 8555 8.1). The caller frees it. */
char *acme_authorise(const Acme *acme, const char *token, GError **error);

#endif
