/* certificate.h: TLS certificates as rows: what is served, and the one order under way for each.
 *
 * A row for each acme.NAME of the settings, made when it is first looked for. Private keys go in
 * and out sealed (content/seal.h); what they are bound to is certificate_seal_name. All (tx) but
 * where it is said. Written by acme.renew alone, under its fence; a person's wish (renew, revoke)
 * is the one exception.
 */
#ifndef ROTA_MODEL_CERTIFICATE_H
#define ROTA_MODEL_CERTIFICATE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/seal.h"
#include "db/db.h"

typedef struct {
    char *name;
    int64_t version; /* 0: none was got yet */
    char *chain;     /* PEM */
    GBytes *sealed_key;
    int64_t not_before, not_after, exchanged_at, renew_at, info_at;
    char *step, *order_url;
    GBytes *order_key; /* sealed */
    char *order_detail;
    int64_t order_at, next_at;
    int64_t failures, failed_at;
    char *problem;
    char *wish;
    int64_t now; /* the store's clock when it was read */
} Certificate;
void certificate_clear(Certificate *certificate);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Certificate, certificate_clear)

/* A name that has no row is one without anything: version 0. */
bool certificate_read(Db *db, const char *name, Certificate *ret, GError **error);
/* Writes all but name, wish and now; a wish that it was read with is taken back where `fulfilled`.
 */
bool certificate_write(Db *db, const Certificate *certificate, bool fulfilled, GError **error);
/* As write, for one that is exchanged: version grows, and nodes hear of it. */
bool certificate_exchange(Db *db, Certificate *certificate, GError **error);
/* All rows by name, of Certificate *; freed with g_ptr_array_unref. */
GPtrArray *certificate_list(Db *db, GError **error);
/* Which there are, and which of their lives: of CertificateMark, by name; freed with g_array_unref.
 * Two marks that are the same are of the same certificate. */
typedef struct {
    char *name;
    int64_t version, exchanged_at;
} CertificateMark;
GArray *certificate_marks(Db *db, GError **error);
/* Grows with each exchange. */
bool certificate_epoch(Db *db, int64_t *ret_epoch, GError **error);

/* "renew", "revoke", "roll-over", "". Its task is due at once. */
bool certificate_set_wish(Db *db, const char *name, const char *wish, GError **error);
/* Enqueues acme.renew for it, at once; merges with one that is there. */
bool certificate_enqueue(Db *db, const char *name, GError **error);
/* Forgets a certificate that the settings have no more. */
bool certificate_remove(Db *db, const char *name, bool *ret_removed, GError **error);
/* Pure: its place in the key space. */
unsigned certificate_bucket(const char *name);

/* What a certificate's private keys are sealed for; the caller frees it. */
char *certificate_seal_name(const char *name);
/* The private key of a row, opened; wiped and freed by private_key_text_free. Pure. */
char *certificate_open_key(const Certificate *certificate, const Seal *seal, GError **error);

/* ---------------------------------------------------------------- the CA's account */

typedef struct {
    char *url; /* "": not known yet */
    GBytes *sealed_key, *next_key;
} AcmeAccount;
void acme_account_clear(AcmeAccount *account);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AcmeAccount, acme_account_clear)
/* One that is not there has no key (NULL). */
bool acme_account_read(Db *db, const char *directory, const char *eab_kid, AcmeAccount *ret,
                       GError **error);
/* Adds it with a key, unless one is there: ERROR_CONFLICT then, and nothing was written. */
bool acme_account_add(Db *db, const char *directory, const char *eab_kid, GBytes *sealed_key,
                      GError **error);
bool acme_account_write(Db *db, const char *directory, const char *eab_kid,
                        const AcmeAccount *account, GError **error);

/* ---------------------------------------------------------------- answers to challenges */

typedef enum { ANSWER_HTTP, ANSWER_TLS_ALPN } AnswerKind;
/* What a node tells the CA: by token for http-01, by domain for tls-alpn-01. Replaces. */
bool certificate_answer_add(Db *db, AnswerKind kind, const char *key, const char *authorisation,
                            GError **error);
/* *ret NULL: there is none; the caller frees it. */
bool certificate_answer_find(Db *db, AnswerKind kind, const char *key, char **ret, GError **error);
bool certificate_answer_remove(Db *db, AnswerKind kind, const char *key, GError **error);

#endif
