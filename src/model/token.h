/* token.h: what a program has instead of a person's password: Bearer (RFC 6750), or as the password
 * of Basic for clients that know nothing else.
 *
 * "rota_17_" and 256 random bits in base64url: the account's number, so that it is looked up where
 * the account's rows are. The store keeps its SHA-256 alone, which for such numbers is as good as a
 * slow hash. A token opens its account and no other; the admin API only where it was made for that,
 * and while the account is an administrator's. It goes with the account, when it is revoked, or at
 * its end. Transactions of its own; a handle, one thread.
 */
#ifndef ROTA_MODEL_TOKEN_H
#define ROTA_MODEL_TOKEN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    char *id;   /* the beginning of its digest: what people revoke it by */
    char *name; /* what it is for */
    bool admin;
    int64_t created_at, used_at, expires_at; /* used_at: to TOKEN_USED_MS; 0: never */
} Token;
void token_free(Token *token);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Token, token_free)

/* Whether a text has a token's form, and whose it would be. Pure. */
bool token_parse(const char *text, int64_t *ret_account);

/* Makes one, and returns its text, which nobody sees again; caller frees. ttl_ms 0: it has no end.
 * ERROR_GONE: no such account; ERROR_CONFLICT: it has TOKENS_MAX already. */
char *token_add(Db *db, const char *address, const char *name, bool admin, int64_t ttl_ms,
                GError **error);
/* As Token, the oldest first. ERROR_GONE: no such account. */
GPtrArray *token_list(Db *db, const char *address, GError **error);
/* ERROR_GONE: no such account or token. */
bool token_revoke(Db *db, const char *address, const char *id, GError **error);
/* *ret_account is 0 where it is none, or its account is not there any more. Notes its use. */
bool token_check(Db *db, const char *text, int64_t *ret_account, bool *ret_admin, GError **error);

#endif
