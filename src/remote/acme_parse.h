/* acme_parse.h: what an ACME server answers (RFC 8555, 9773), from bytes to structs.
 *
 * Pure: all is hostile, bounded by base/limits_acme.h, and fuzzed. False: it is not of the form;
 * *error (ERROR_RETRY, since a CA that talks nonsense may be well again) says what is wrong, and
 * ret is as it was. URLs are https (or http where a test's CA speaks it) and short. Any thread.
 */
#ifndef ROTA_REMOTE_ACME_PARSE_H
#define ROTA_REMOTE_ACME_PARSE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *new_nonce, *new_account, *new_order; /* always there */
    char *revoke, *key_change, *renewal_info;  /* NULL: not offered */
    bool wants_binding;                        /* external account binding */
} AcmeDirectory;
void acme_directory_clear(AcmeDirectory *directory);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AcmeDirectory, acme_directory_clear)
bool acme_directory_parse(const char *text, size_t size, AcmeDirectory *ret, GError **error);

typedef enum {
    ACME_PENDING,
    ACME_READY,
    ACME_PROCESSING,
    ACME_VALID,
    ACME_INVALID, /* also "expired", "deactivated", "revoked" */
} AcmeStatus;

typedef struct {
    AcmeStatus status;
    char **names;          /* small letters, sorted, NULL-ended */
    char **authorisations; /* URLs */
    char *finalise;        /* URL */
    char *certificate;     /* URL; NULL: not yet */
    char *problem;         /* JSON, whole; NULL: none */
} AcmeOrder;
void acme_order_clear(AcmeOrder *order);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AcmeOrder, acme_order_clear)
bool acme_order_parse(const char *text, size_t size, AcmeOrder *ret, GError **error);

typedef struct {
    AcmeStatus status;
    char *domain; /* without "*." */
    bool wildcard;
    /* The challenge of the kind that was asked for; NULL: it is not offered. */
    char *url, *token;
    AcmeStatus challenge;
    char *problem; /* of any challenge; JSON, whole; NULL: none */
} AcmeAuthorisation;
void acme_authorisation_clear(AcmeAuthorisation *authorisation);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AcmeAuthorisation, acme_authorisation_clear)
/* `kind`: "http-01", "tls-alpn-01", "dns-01". */
bool acme_authorisation_parse(const char *text, size_t size, const char *kind,
                              AcmeAuthorisation *ret, GError **error);

/* The URLs of an account's orders. */
char **acme_orders_parse(const char *text, size_t size, GError **error);

typedef struct {
    int64_t start, end; /* wall ms */
    char *explanation;  /* URL; NULL: none */
} AcmeRenewal;
void acme_renewal_clear(AcmeRenewal *renewal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AcmeRenewal, acme_renewal_clear)
bool acme_renewal_parse(const char *text, size_t size, AcmeRenewal *ret, GError **error);

/* The target of a Link field's value with this relation; NULL: another. */
char *acme_link_parse(const char *value, const char *relation);

#endif
