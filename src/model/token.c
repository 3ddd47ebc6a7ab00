/* token: what a program has instead of a person's password.
 *
 * How it fits: model/login asks for the doors; `rota account token` makes them. Rows of table
 * expiring, of the account: key is the digest, value "1 CREATED USED NAME", with 1 for the admin
 * API. Failures: the store's; a use that could not be noted is no reason to refuse it. Known weak
 * point: a token that leaks is good until somebody revokes it; a node may take it a minute longer.
 */
#include "model/token.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits_http.h"
#include "base/must.h"
#include "base/rand.h"
#include "content/base64url.h"

#include "model/account.h"
#include "model/expiring.h"

#define KIND         "token"
#define PREFIX       "rota_"
#define SECRET_BYTES 32
#define SECRET_CHARS 43 /* of base64url without its "=" */
#define ID_CHARS     12

/* clang-format off */
static const DbSql SQL_LIST = {
    "SELECT key, value, expires_at FROM expiring WHERE account = $1 AND kind = '" KIND "'"
    " AND (expires_at = 0 OR expires_at > rota_now())", NULL,
};
static const DbSql SQL_FIND = {
    "SELECT e.value, rota_now(), (SELECT count(*) FROM expiring x WHERE x.account = $1"
    " AND x.kind = '" ADMIN_KIND "' AND x.key = '') FROM expiring e WHERE e.account = $1"
    " AND e.kind = '" KIND "' AND e.key = $2"
    " AND (e.expires_at = 0 OR e.expires_at > rota_now())"
    " AND EXISTS (SELECT 1 FROM account a WHERE a.id = $1 AND a.deleted_at = 0)", NULL,
};
static const DbSql SQL_USE = {
    "UPDATE expiring SET value = $3 WHERE account = $1 AND kind = '" KIND "' AND key = $2", NULL,
};
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
/* clang-format on */

void token_free(Token *token)
{
    if (!token)
        return;
    g_free(token->id);
    g_free(token->name);
    g_free(token);
}

static void token_clear(void *token)
{
    token_free(token);
}

bool token_parse(const char *text, int64_t *ret_account)
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (!g_str_has_prefix(text, PREFIX))
        return false;
    const char *number = text + strlen(PREFIX);
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || digits > 18 || number[0] == '0' || number[digits] != '_')
        return false;
    const char *secret = number + digits + 1;
    if (strlen(secret) != SECRET_CHARS || strspn(secret, signs) != SECRET_CHARS)
        return false;
    *ret_account = g_ascii_strtoll(number, NULL, 10);
    return true;
}

/* What the store keeps of it; the caller frees it. */
static char *key_of(const char *text)
{
    Digest digest = digest_of(text, strlen(text));
    return digest_format(&digest);
}

static char *make_text(int64_t account)
{
    unsigned char secret[SECRET_BYTES];
    rand_secret(secret, sizeof secret);
    g_autofree char *coded = base64url_format(secret, sizeof secret);
    return g_strdup_printf(PREFIX "%" G_GINT64_FORMAT "_%s", account, coded);
}

/* "1 CREATED USED NAME" */
static char *format_value(const Token *token)
{
    return g_strdup_printf("%d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s", token->admin,
                           token->created_at, token->used_at, token->name);
}

static Token *parse_value(const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, " ", 4);
    MUST(g_strv_length(words) == 4);
    Token *token = g_new0(Token, 1);
    token->admin = words[0][0] == '1';
    token->created_at = g_ascii_strtoll(words[1], NULL, 10);
    token->used_at = g_ascii_strtoll(words[2], NULL, 10);
    token->name = g_strdup(words[3]);
    return token;
}

static int compare_tokens(gconstpointer a, gconstpointer b)
{
    const Token *x = *(const Token *const *)a, *y = *(const Token *const *)b;
    return (x->created_at > y->created_at) - (x->created_at < y->created_at);
}

/* In the open transaction; `id` is the whole digest here. */
static GPtrArray *list(Db *db, int64_t account, GError **error)
{
    g_autoptr(GPtrArray) tokens = g_ptr_array_new_with_free_func(token_clear);
    g_autoptr(DbRows) rows = db_query(db, &SQL_LIST, DB_ARGS(db_int(account)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        Token *token = parse_value(db_rows_text(rows, 1));
        token->id = g_strdup(db_rows_text(rows, 0));
        token->expires_at = db_rows_int(rows, 2);
        g_ptr_array_add(tokens, token);
    }
    g_ptr_array_sort(tokens, compare_tokens);
    return step == 0 ? g_steal_pointer(&tokens) : NULL;
}

char *token_add(Db *db, const char *address, const char *name, bool admin, int64_t ttl_ms,
                GError **error)
{
    int64_t account = 0;
    bool added = false;
    Token token = {.admin = admin, .name = (char *)(uintptr_t)(name ? name : "")};
    if (!db_begin(db, DB_WRITE, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    if (!account_resolve(db, address, &account, error) ||
        db_query_int(db, &SQL_NOW, DB_NO_ARGS, &token.created_at, error) <= 0)
        return NULL;
    g_autoptr(GPtrArray) there = list(db, account, error);
    if (!there)
        return NULL;
    if (there->len >= TOKENS_MAX) {
        fail(error, ERROR_CONFLICT, "\"%s\" has %u tokens already; revoke one", address,
             there->len);
        return NULL;
    }
    g_autofree char *text = make_text(account);
    g_autofree char *value = format_value(&token), *digest = key_of(text);
    ExpiringNew row = {
        .account = account, .kind = KIND, .key = digest, .value = value, .ttl_ms = ttl_ms};
    /* Unknown: one that nobody knows may be there; the list shows it, and it can be revoked. */
    if (!expiring_add_many(db, &row, 1, &added, error) || db_commit(db, error) != DB_DONE)
        return NULL;
    return g_steal_pointer(&text);
}

GPtrArray *token_list(Db *db, const char *address, GError **error)
{
    int64_t account = 0;
    if (!db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    GPtrArray *tokens =
        account_resolve(db, address, &account, error) ? list(db, account, error) : NULL;
    for (unsigned i = 0; tokens && i < tokens->len; i++)
        ((Token *)g_ptr_array_index(tokens, i))->id[ID_CHARS] = '\0';
    return tokens;
}

bool token_revoke(Db *db, const char *address, const char *id, GError **error)
{
    int64_t account = 0;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!account_resolve(db, address, &account, error))
        return false;
    g_autoptr(GPtrArray) tokens = list(db, account, error);
    if (!tokens)
        return false;
    for (unsigned i = 0; i < tokens->len; i++) {
        const Token *token = g_ptr_array_index(tokens, i);
        if (strlen(id) == ID_CHARS && g_str_has_prefix(token->id, id))
            return expiring_remove(db, account, KIND, token->id, error) &&
                   db_commit(db, error) == DB_DONE; /* unknown: the same again is the same */
    }
    return fail(error, ERROR_GONE, "\"%s\" has no token \"%s\"", address, id);
}

/* Now and then is enough: a device asks all day. Whether it can be written decides nothing. */
static void note_use(Db *db, int64_t account, const char *digest, Token *token, int64_t now)
{
    if (now - token->used_at < TOKEN_USED_MS)
        return;
    token->used_at = now;
    g_autofree char *value = format_value(token);
    if (!db_begin(db, DB_WRITE_LAZY, NULL))
        return;
    g_auto(DbScope) scope = db_scope(db);
    if (db_exec(db, &SQL_USE, DB_ARGS(db_int(account), db_text(digest), db_text(value)), NULL) > 0)
        db_commit(db, NULL);
}

bool token_check(Db *db, const char *text, int64_t *ret_account, bool *ret_admin, GError **error)
{
    int64_t account = 0, now = 0;
    g_autoptr(Token) token = NULL;
    *ret_account = 0;
    if (!token_parse(text, &account))
        return true;
    g_autofree char *digest = key_of(text);
    if (!db_begin(db, DB_READ, error))
        return false;
    {
        g_auto(DbScope) scope = db_scope(db);
        g_autoptr(DbRows) rows =
            db_query(db, &SQL_FIND, DB_ARGS(db_int(account), db_text(digest)), error);
        int step = rows ? db_rows_next(rows, error) : -1;
        if (step <= 0)
            return step == 0;
        token = parse_value(db_rows_text(rows, 0));
        now = db_rows_int(rows, 1);
        *ret_admin = token->admin && db_rows_int(rows, 2) > 0;
    }
    note_use(db, account, digest, token, now);
    *ret_account = account;
    return true;
}
