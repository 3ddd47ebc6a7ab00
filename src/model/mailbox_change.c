/* mailbox_change: folders that a person makes, renames, moves and removes.
 *
 * How it fits: JMAP's Mailbox/set. An account has dozens of mailboxes, so the rules are asked of
 * the whole list, under the account row's lock: who comes at the same time waits and sees the
 * other's.
 *
 * Failures: the store's. Known weak point: a mailbox of many emails is emptied by several
 * transactions, so a node that dies in the middle leaves it with fewer.
 */
#include "model/mailbox_change.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/account.h"
#include "model/change.h"
#include "model/email.h"

/* RFC 8621 §2: those that IANA has for IMAP, in lower case. */
static const char *const roles[] = {"all",   "archive", "drafts", "flagged",   "important",
                                    "inbox", "junk",    "memos",  "scheduled", "snoozed",
                                    "sent",  "trash",   NULL};

static const Mailbox *find(const GPtrArray *all, int64_t id)
{
    for (guint i = 0; i < all->len; i++)
        if (((const Mailbox *)all->pdata[i])->id == id)
            return all->pdata[i];
    return NULL;
}

static bool is_fixed(const Mailbox *box)
{
    return strcmp(box->role, "inbox") == 0 || strcmp(box->role, "junk") == 0;
}

/* Levels below this one, itself too. */
static unsigned height(const GPtrArray *all, int64_t id, unsigned depth)
{
    unsigned most = 0;
    for (guint i = 0; i < all->len && depth < MAILBOX_DEPTH_MAX; i++) {
        const Mailbox *box = all->pdata[i];
        if (box->parent == id) {
            unsigned below = height(all, box->id, depth + 1); /* once: MAX would ask twice */
            most = MAX(most, below);
        }
    }
    return most + 1;
}

static bool is_parent(const GPtrArray *all, const MailboxWish *wish)
{
    unsigned depth = 0;
    for (int64_t at = wish->parent; at; depth++) {
        const Mailbox *box = find(all, at);
        if (!box || box->id == wish->id || depth == MAILBOX_DEPTH_MAX)
            return false;
        at = box->parent;
    }
    return depth + (wish->id ? height(all, wish->id, 0) : 1) <= MAILBOX_DEPTH_MAX;
}

static MailboxResult judge(const GPtrArray *all, const MailboxWish *wish)
{
    const Mailbox *own = wish->id ? find(all, wish->id) : NULL;
    g_autofree char *name = mailbox_name_make(wish->name);
    bool inbox = own && strcmp(own->role, "inbox") == 0;
    if (wish->id && !own)
        return MAILBOX_NOT_THERE;
    if (own && is_fixed(own) && strcmp(own->role, wish->role) != 0)
        return MAILBOX_FIXED;
    if (strcmp(name, wish->name) != 0)
        return MAILBOX_NAME_BAD;
    if (!wish->parent && !inbox && g_ascii_strcasecmp(wish->name, "inbox") == 0)
        return MAILBOX_NAME_TAKEN; /* a path that begins so leads to the inbox */
    if (*wish->role && !g_strv_contains(roles, wish->role))
        return MAILBOX_ROLE_BAD;
    if (!is_parent(all, wish))
        return MAILBOX_PARENT_BAD;
    for (guint i = 0; i < all->len; i++) {
        const Mailbox *box = all->pdata[i];
        if (box->id == wish->id)
            continue;
        if (box->parent == wish->parent && strcmp(box->name, wish->name) == 0)
            return MAILBOX_NAME_TAKEN;
        if (*wish->role && strcmp(box->role, wish->role) == 0)
            return MAILBOX_ROLE_TAKEN;
    }
    return !own && all->len >= MAILBOXES_MAX ? MAILBOX_TOO_MANY : MAILBOX_DONE;
}

static bool write_row(Db *db, int64_t account, int64_t id, const MailboxWish *wish, GError **error)
{
    static const DbSql sql = {
        "UPDATE mailbox SET name = $3, parent = $4, role = $5, sort_order = $6, subscribed = $7 "
        "WHERE account = $1 AND id = $2",
        NULL};
    return db_exec(db, &sql,
                   DB_ARGS(db_int(account), db_int(id), db_text(wish->name), db_int(wish->parent),
                           db_text(wish->role), db_int(wish->sort_order), db_int(wish->subscribed)),
                   error) >= 0;
}

bool mailbox_put(Db *db, int64_t account, const MailboxWish *wish, MailboxResult *ret,
                 int64_t *ret_id, GError **error)
{
    if (!account_lock_row(db, account, error))
        return false;
    g_autoptr(GPtrArray) all = mailbox_list(db, account, error);
    if (!all)
        return false;
    *ret = judge(all, wish);
    if (*ret != MAILBOX_DONE)
        return true;
    int64_t id = wish->id;
    if (!id)
        id = mailbox_add(db, account, wish->parent, wish->name, wish->role, error);
    else if (change_append(db, account, CHANGE_MAILBOX, id, CHANGE_UPDATED, error) < 0)
        return false;
    if (id < 0 || !write_row(db, account, id, wish, error))
        return false;
    if (ret_id)
        *ret_id = id;
    return true;
}

/* 1 somebody is in it, 0 nobody, -1 an error. */
static int has_email(Db *db, int64_t account, int64_t id, GError **error)
{
    static const DbSql sql = {
        "SELECT email FROM email_mailbox WHERE account = $1 AND mailbox = $2 LIMIT 1", NULL};
    int64_t email;
    return db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(id)), &email, error);
}

bool mailbox_remove(Db *db, int64_t account, int64_t id, MailboxResult *ret, GError **error)
{
    static const DbSql remove = {"DELETE FROM mailbox WHERE account = $1 AND id = $2", NULL};
    if (!account_lock_row(db, account, error))
        return false;
    g_autoptr(GPtrArray) all = mailbox_list(db, account, error);
    int full = all ? has_email(db, account, id, error) : -1;
    if (full < 0)
        return false;
    const Mailbox *own = find(all, id);
    *ret = !own                     ? MAILBOX_NOT_THERE
           : is_fixed(own)          ? MAILBOX_FIXED
           : height(all, id, 0) > 1 ? MAILBOX_HAS_CHILD
           : full                   ? MAILBOX_HAS_EMAIL
                                    : MAILBOX_DONE;
    return *ret != MAILBOX_DONE ||
           (db_exec(db, &remove, DB_ARGS(db_int(account), db_int(id)), error) >= 0 &&
            change_append(db, account, CHANGE_MAILBOX, id, CHANGE_DESTROYED, error) > 0);
}

bool mailbox_empty(Db *db, int64_t account, int64_t id, unsigned limit, unsigned *ret_count,
                   GError **error)
{
    static const DbSql sql = {"SELECT email FROM email_mailbox WHERE account = $1 AND mailbox = $2 "
                              "ORDER BY email LIMIT $3",
                              NULL};
    g_autoptr(GArray) emails = g_array_new(false, false, sizeof(int64_t));
    if (!account_lock_row(db, account, error))
        return false;
    {
        g_autoptr(DbRows) rows =
            db_query(db, &sql, DB_ARGS(db_int(account), db_int(id), db_int(limit)), error);
        int step = -1;
        while (rows && (step = db_rows_next(rows, error)) > 0) {
            int64_t email = db_rows_int(rows, 0);
            g_array_append_val(emails, email);
        }
        if (step < 0)
            return false;
    }
    EmailDestroyed destroyed = {0};
    EmailDestroy all = {.account = account,
                        .ids = (const int64_t *)(const void *)emails->data,
                        .count = emails->len};
    *ret_count = emails->len;
    return emails->len == 0 || email_destroy_many(db, &all, &destroyed, error);
}
