/* account: who has mail here.
 *
 * How it fits: the doors resolve an address at RCPT or login, `rota account` manages,
 * purge.accounts removes what was deleted (model/purge_accounts.c). All addresses that are
 * delivered to are rows of `alias`, the account's own too, so that one look-up answers RCPT and the
 * store's unique key keeps two accounts from having one address. Deleting removes those rows and
 * renames the account's own to "id#address".
 *
 * Failures: the store's; ERROR_CONFLICT for a taken address, ERROR_GONE for one that is not there,
 * ERROR_REJECT for what is no address.
 */
#include "model/account.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/nearest.h"
#include "content/address.h"
#include "model/change.h"
#include "model/mailbox.h"

#define NEAREST_ACCOUNTS_MAX 10000 /* read for a guess at a mistyped one */

void account_free(Account *account)
{
    if (!account)
        return;
    g_free(account->address);
    g_free(account->name);
    if (account->aliases)
        g_ptr_array_unref(account->aliases);
    g_free(account);
}

unsigned account_bucket(int64_t id, char key[ACCOUNT_KEY_BYTES])
{
    int size = snprintf(key, ACCOUNT_KEY_BYTES, "%" G_GINT64_FORMAT, id);
    return (unsigned)(hash64(key, (size_t)size) % BUCKETS);
}

/* An address as rows hold it. Plus details are for delivery, not for names. */
static char *address_fold(const char *text, bool detail, GError **error)
{
    g_autoptr(Address) address = address_parse(text, error);
    if (!address)
        return NULL;
    if (address->detail && !detail) {
        fail(error, ERROR_REJECT,
             "\"%s\" has a '+': what follows it names a folder and is no part of an address of an "
             "account",
             text);
        return NULL;
    }
    return g_strdup(address->plain);
}

/* Commits; an outcome that is not known is an error to the caller, who can look whether it
 * happened. */
static bool commit(Db *db, GError **error)
{
    return db_commit(db, error) == DB_DONE;
}

static const DbSql SQL_ADD_ALIAS = {
    "INSERT INTO alias (address, account) VALUES ($1, $2) ON CONFLICT (address) DO NOTHING", NULL};

static bool alias_insert(Db *db, const char *address, int64_t account, GError **error)
{
    int64_t changed =
        db_exec(db, &SQL_ADD_ALIAS, DB_ARGS(db_text(address), db_int(account)), error);
    if (changed < 0)
        return false;
    return changed > 0 || fail(error, ERROR_CONFLICT, "address \"%s\" is taken", address);
}

static bool make_mailboxes(Db *db, int64_t account, GError **error)
{
    static const struct {
        const char *name, *role;
    } mailboxes[] = {{"Inbox", "inbox"}, {"Drafts", "drafts"}, {"Sent", "sent"},
                     {"Junk", "junk"},   {"Trash", "trash"},   {"Archive", "archive"}};
    for (size_t i = 0; i < G_N_ELEMENTS(mailboxes); i++)
        if (mailbox_add(db, account, 0, mailboxes[i].name, mailboxes[i].role, error) < 0)
            return false;
    return true;
}

bool account_add(Db *db, const char *address, const char *name, int64_t quota_bytes,
                 int64_t *ret_id, GError **error)
{
    static const DbSql number = {
        "UPDATE sequence SET value = value + 1 WHERE name = 'account' RETURNING value", NULL};
    static const DbSql add = {"INSERT INTO account (id, bucket, address, name, quota_bytes, "
                              "used_bytes, used_messages, next_email, next_mailbox, change_seq, "
                              "change_floor, password, created_at, deleted_at) VALUES ($1, $2, $3, "
                              "$4, $5, 0, 0, 1, 1, 0, 0, '', rota_now(), 0)",
                              NULL};
    g_autofree char *plain = address_fold(address, false, error);
    if (!plain)
        return false;
    if (quota_bytes < 0)
        return fail(error, ERROR_REJECT, "a quota cannot be negative");
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    if (db_query_int(db, &number, DB_NO_ARGS, &id, error) <= 0)
        return error && *error ? false
                               : fail(error, ERROR_REJECT, "the store has no sequence \"account\"");
    char key[ACCOUNT_KEY_BYTES];
    unsigned bucket = account_bucket(id, key);
    if (!alias_insert(db, plain, id, error) ||
        db_exec(db, &add,
                DB_ARGS(db_int(id), db_int(bucket), db_text(plain), db_text(name ? name : ""),
                        db_int(quota_bytes)),
                error) < 0 ||
        !make_mailboxes(db, id, error) || !commit(db, error))
        return false;
    *ret_id = id;
    return true;
}

#define ACCOUNT_COLUMNS                                                                            \
    "a.id, a.bucket, a.address, a.name, a.quota_bytes, a.used_bytes, a.used_messages, "            \
    "a.created_at, a.deleted_at, a.password, (SELECT count(*) FROM expiring e WHERE e.account = "  \
    "a.id AND e.kind = '" ADMIN_KIND "' AND e.key = '')"

static Account *account_read(DbRows *rows)
{
    Account *account = g_new0(Account, 1);
    account->id = db_rows_int(rows, 0);
    account->bucket = (unsigned)db_rows_int(rows, 1);
    const char *address = db_rows_text(rows, 2);
    account->deleted_at = db_rows_int(rows, 8);
    const char *mark = account->deleted_at ? strchr(address, '#') : NULL;
    account->address = g_strdup(mark ? mark + 1 : address);
    account->name = g_strdup(db_rows_text(rows, 3));
    account->quota_bytes = db_rows_int(rows, 4);
    account->used_bytes = db_rows_int(rows, 5);
    account->used_messages = db_rows_int(rows, 6);
    account->created_at = db_rows_int(rows, 7);
    account->has_password = *db_rows_text(rows, 9) != '\0';
    account->is_admin = db_rows_int(rows, 10) > 0;
    account->aliases = g_ptr_array_new_with_free_func(g_free);
    return account;
}

static bool read_aliases(Db *db, Account *account, GError **error)
{
    static const DbSql sql = {"SELECT address FROM alias WHERE account = $1 ORDER BY address",
                              NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account->id)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        if (strcmp(db_rows_text(rows, 0), account->address) != 0)
            g_ptr_array_add(account->aliases, g_strdup(db_rows_text(rows, 0)));
    return step == 0;
}

Account *account_find(Db *db, const char *address, GError **error)
{
    static const DbSql sql = {
        "SELECT " ACCOUNT_COLUMNS
        " FROM alias l JOIN account a ON a.id = l.account WHERE l.address = $1 "
        "AND a.deleted_at = 0",
        NULL};
    g_autofree char *plain = address_fold(address, true, error);
    if (!plain)
        return NULL;
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_text(plain)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step == 0)
        fail(error, ERROR_GONE, "there is no account \"%s\"", plain);
    if (step <= 0)
        return NULL;
    g_autoptr(Account) account = account_read(rows);
    g_clear_pointer(&rows, db_rows_free);
    return read_aliases(db, account, error) ? g_steal_pointer(&account) : NULL;
}

bool account_resolve(Db *db, const char *address, int64_t *ret_id, GError **error)
{
    static const DbSql sql = {"SELECT account FROM alias WHERE address = $1", NULL};
    g_autofree char *plain = address_fold(address, true, error);
    if (!plain)
        return false;
    int got = db_query_int(db, &sql, DB_ARGS(db_text(plain)), ret_id, error);
    return got > 0 || (got == 0 && fail(error, ERROR_GONE, "there is no account \"%s\"", plain));
}

char *account_nearest(Db *db, const char *address)
{
    static const DbSql sql = {"SELECT address FROM alias ORDER BY address LIMIT $1", NULL};
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(NEAREST_ACCOUNTS_MAX + 1)), NULL);
    while (rows && db_rows_next(rows, NULL) > 0)
        g_ptr_array_add(names, g_strdup(db_rows_text(rows, 0)));
    if (names->len > NEAREST_ACCOUNTS_MAX)
        return NULL;
    return g_strdup(nearest_find(address, (const char *const *)names->pdata, names->len));
}

/* Of all at once: one query each would be a round trip each. */
static bool read_aliases_of(Db *db, const GPtrArray *accounts, GError **error)
{
    static const DbSql sql = {"SELECT account, address FROM alias WHERE account IN (SELECT value "
                              "FROM json_each($1)) ORDER BY address",
                              "SELECT account, address FROM alias WHERE account = ANY(CAST($1 AS "
                              "BIGINT[])) ORDER BY address"};
    bool braces = db_kind(db) == DB_POSTGRESQL;
    g_autoptr(GString) ids = g_string_new(braces ? "{" : "[");
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    for (guint i = 0; i < accounts->len; i++) {
        Account *account = accounts->pdata[i];
        g_hash_table_insert(by_id, &account->id, account);
        g_string_append_printf(ids, "%s%" G_GINT64_FORMAT, i ? "," : "", account->id);
    }
    g_string_append_c(ids, braces ? '}' : ']');
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_text(ids->str)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t id = db_rows_int(rows, 0);
        Account *account = g_hash_table_lookup(by_id, &id);
        if (account && strcmp(db_rows_text(rows, 1), account->address) != 0)
            g_ptr_array_add(account->aliases, g_strdup(db_rows_text(rows, 1)));
    }
    return step == 0;
}

static gint compare_accounts(gconstpointer a, gconstpointer b)
{
    const Account *x = *(const Account *const *)a, *y = *(const Account *const *)b;
    int order = strcmp(x->address, y->address);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

GPtrArray *account_list(Db *db, bool deleted, GError **error)
{
    static const DbSql sql = {
        "SELECT " ACCOUNT_COLUMNS
        " FROM account a WHERE a.deleted_at = 0 OR $1 = 1 ORDER BY a.address, a.id",
        NULL};
    g_autoptr(GPtrArray) accounts = g_ptr_array_new_with_free_func((GDestroyNotify)account_free);
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(deleted)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(accounts, account_read(rows));
    if (step < 0)
        return NULL;
    g_clear_pointer(&rows, db_rows_free);
    g_ptr_array_sort(accounts, compare_accounts); /* a deleted one's row has "id#" in front */
    return read_aliases_of(db, accounts, error) ? g_steal_pointer(&accounts) : NULL;
}

GPtrArray *account_page(Db *db, const AccountPage *page, char **ret_next, GError **error)
{
    static const DbSql living = {
        "SELECT " ACCOUNT_COLUMNS " FROM alias l JOIN account a ON a.id = l.account AND a.address ="
        " l.address WHERE l.address > $1 AND ($3 = '' OR replace(l.address,"
        " $3, '') <> l.address) AND ($4 = 0 OR (a.quota_bytes > 0 AND"
        " a.used_bytes * 100.0 >= a.quota_bytes * CAST($4 AS DOUBLE"
        " PRECISION))) ORDER BY l.address LIMIT $2",
        NULL};
    static const DbSql deleted = {"SELECT " ACCOUNT_COLUMNS
                                  " FROM account a WHERE a.deleted_at <> 0 AND a.id > $1 ORDER BY"
                                  " a.id LIMIT $2",
                                  NULL};
    const char *after = page->after ? page->after : "";
    DbValue from = page->deleted ? db_int(g_ascii_strtoll(after, NULL, 10)) : db_text(after);
    g_autoptr(GPtrArray) accounts = g_ptr_array_new_with_free_func((GDestroyNotify)account_free);
    const DbValue args[] = {from, db_int((int64_t)page->limit + 1),
                            db_text(page->match ? page->match : ""), db_int(page->over)};
    g_autoptr(DbRows) rows =
        db_query(db, page->deleted ? &deleted : &living, args, page->deleted ? 2 : 4, error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(accounts, account_read(rows));
    if (step < 0)
        return NULL;
    g_clear_pointer(&rows, db_rows_free);
    bool more = accounts->len > page->limit;
    if (more)
        g_ptr_array_set_size(accounts, (int)page->limit);
    if (!read_aliases_of(db, accounts, error))
        return NULL;
    const Account *last = more ? g_ptr_array_index(accounts, accounts->len - 1) : NULL;
    *ret_next = !last           ? NULL
                : page->deleted ? g_strdup_printf("%" G_GINT64_FORMAT, last->id)
                                : g_strdup(last->address);
    return g_steal_pointer(&accounts);
}

char *account_address(Db *db, int64_t id, GError **error)
{
    static const DbSql sql = {"SELECT address FROM account WHERE id = $1 AND deleted_at = 0", NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(id)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step > 0)
        return g_strdup(db_rows_text(rows, 0));
    if (step == 0)
        fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, id);
    return NULL;
}

/* Divided first: a quota may be near the largest number. */
#define NEAR_QUOTA                                                                                 \
    " a.deleted_at = 0 AND a.quota_bytes > 0 AND a.used_bytes >= a.quota_bytes / 100 * $1"

GPtrArray *account_near_quota(Db *db, int64_t percent, unsigned limit, int64_t *ret_count,
                              GError **error)
{
    static const DbSql count = {"SELECT count(*) FROM account a WHERE" NEAR_QUOTA, NULL};
    static const DbSql sql = {"SELECT " ACCOUNT_COLUMNS " FROM account a WHERE" NEAR_QUOTA
                              " ORDER BY CAST(a.used_bytes AS DOUBLE PRECISION) / a.quota_bytes"
                              " DESC, a.id LIMIT $2",
                              NULL};
    g_autoptr(GPtrArray) accounts = g_ptr_array_new_with_free_func((GDestroyNotify)account_free);
    if (db_query_int(db, &count, DB_ARGS(db_int(percent)), ret_count, error) < 0)
        return NULL;
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(percent), db_int(limit)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(accounts, account_read(rows));
    return step == 0 ? g_steal_pointer(&accounts) : NULL;
}

bool account_count_by_bucket(Db *db, int64_t *ret_counts, GError **error)
{
    static const DbSql sql = {
        "SELECT bucket, count(*) FROM account WHERE deleted_at = 0 GROUP BY bucket", NULL};
    memset(ret_counts, 0, BUCKETS * sizeof(*ret_counts));
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_NO_ARGS, error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t bucket = db_rows_int(rows, 0);
        if (bucket >= 0 && bucket < BUCKETS)
            ret_counts[bucket] = db_rows_int(rows, 1);
    }
    return step == 0;
}

bool account_add_alias(Db *db, const char *address, const char *alias, GError **error)
{
    g_autofree char *plain = address_fold(alias, false, error);
    if (!plain || !db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    return account_resolve(db, address, &id, error) && alias_insert(db, plain, id, error) &&
           commit(db, error);
}

bool account_remove_alias(Db *db, const char *alias, GError **error)
{
    static const DbSql sql = {"DELETE FROM alias WHERE address = $1 AND NOT EXISTS (SELECT 1 FROM "
                              "account a WHERE a.id = alias.account "
                              "AND a.address = alias.address)",
                              NULL};
    g_autofree char *plain = address_fold(alias, false, error);
    if (!plain || !db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    if (!account_resolve(db, plain, &id, error))
        return false;
    int64_t removed = db_exec(db, &sql, DB_ARGS(db_text(plain)), error);
    if (removed == 0)
        return fail(error, ERROR_REJECT, "\"%s\" is the account's own address, not an alias",
                    plain);
    return removed > 0 && commit(db, error);
}

bool account_usage(Db *db, int64_t account, int64_t *ret_quota, int64_t *ret_used, GError **error)
{
    static const DbSql sql = {
        "SELECT quota_bytes, used_bytes FROM account WHERE id = $1 AND deleted_at = 0", NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step == 0)
        return fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, account);
    if (step < 0)
        return false;
    *ret_quota = db_rows_int(rows, 0);
    *ret_used = db_rows_int(rows, 1);
    return true;
}

bool account_set_quota(Db *db, const char *address, int64_t quota_bytes, GError **error)
{
    static const DbSql sql = {"UPDATE account SET quota_bytes = $2 WHERE id = $1", NULL};
    int64_t id = 0, before = 0, used;
    if (quota_bytes < 0)
        return fail(error, ERROR_REJECT, "a quota cannot be negative");
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!account_resolve(db, address, &id, error) || !account_lock_row(db, id, error) ||
        !account_usage(db, id, &before, &used, error))
        return false;
    if (before == quota_bytes)
        return true;
    ChangeAction action = before == 0        ? CHANGE_CREATED
                          : quota_bytes == 0 ? CHANGE_DESTROYED
                                             : CHANGE_UPDATED;
    if (db_exec(db, &sql, DB_ARGS(db_int(id), db_int(quota_bytes)), error) < 0 ||
        change_append(db, id, CHANGE_QUOTA, 1, action, error) < 0 || !commit(db, error))
        return false;
    change_wake();
    return true;
}

bool account_delete(Db *db, const char *address, GError **error)
{
    static const DbSql mark = {"UPDATE account SET deleted_at = rota_now(), address = CAST(id AS "
                               "TEXT) || '#' || address WHERE id = $1 "
                               "AND deleted_at = 0",
                               NULL};
    static const DbSql free_addresses = {"DELETE FROM alias WHERE account = $1", NULL};
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    return account_resolve(db, address, &id, error) &&
           db_exec(db, &mark, DB_ARGS(db_int(id)), error) >= 0 &&
           db_exec(db, &free_addresses, DB_ARGS(db_int(id)), error) >= 0 && commit(db, error);
}

bool account_undelete(Db *db, const char *address, GError **error)
{
    /* A purge that has begun says so by a negative time: what is half gone does not come back. */
    static const DbSql latest = {
        "SELECT id FROM account WHERE address = CAST(id AS TEXT) || '#' || $1 AND deleted_at > 0 "
        "ORDER BY deleted_at DESC, id DESC LIMIT 1",
        NULL};
    static const DbSql restore = {
        "UPDATE account SET deleted_at = 0, address = $2 WHERE id = $1 AND deleted_at > 0", NULL};
    g_autofree char *plain = address_fold(address, false, error);
    if (!plain || !db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    int got = db_query_int(db, &latest, DB_ARGS(db_text(plain)), &id, error);
    if (got == 0)
        return fail(error, ERROR_GONE, "there is no deleted account \"%s\"", plain);
    if (got < 0 || !alias_insert(db, plain, id, error))
        return false;
    int64_t changed = db_exec(db, &restore, DB_ARGS(db_int(id), db_text(plain)), error);
    if (changed == 0)
        return fail(error, ERROR_GONE, "the deleted account \"%s\" is being purged", plain);
    return changed > 0 && commit(db, error);
}

bool account_lock_row(Db *db, int64_t account, GError **error)
{
    static const DbSql sql = {"SELECT id FROM account WHERE id = $1",
                              "SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE"};
    int64_t id;
    int got = db_query_int(db, &sql, DB_ARGS(db_int(account)), &id, error);
    return got > 0 ||
           (got == 0 && fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, account));
}

bool account_keep(Db *db, int64_t account, bool *ret_stays, GError **error)
{
    /* The removal begins under the whole row's lock, which waits for this one. */
    static const DbSql sql = {"SELECT deleted_at FROM account WHERE id = $1",
                              "SELECT deleted_at FROM account WHERE id = $1 FOR KEY SHARE"};
    int64_t deleted_at = 0;
    int got = db_query_int(db, &sql, DB_ARGS(db_int(account)), &deleted_at, error);
    *ret_stays = got > 0 && deleted_at >= 0;
    return got >= 0;
}

bool account_keep_many(Db *db, const int64_t *accounts, unsigned count, bool *ret_stay,
                       GError **error)
{
    static const DbSql sql = {"SELECT id FROM account WHERE id IN (SELECT value FROM "
                              "json_each($1)) AND deleted_at >= 0 ORDER BY id",
                              "SELECT id FROM account WHERE id = ANY(CAST($1 AS BIGINT[])) AND "
                              "deleted_at >= 0 ORDER BY id FOR KEY SHARE"};
    bool braces = db_kind(db) == DB_POSTGRESQL;
    g_autoptr(GString) list = g_string_new(braces ? "{" : "[");
    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(list, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", accounts[i]);
        ret_stay[i] = false;
    }
    g_string_append_c(list, braces ? '}' : ']');
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_text(list->str)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        for (unsigned i = 0; i < count; i++)
            ret_stay[i] |= accounts[i] == db_rows_int(rows, 0);
    return step == 0;
}
