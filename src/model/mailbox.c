/* mailbox: folders, and the ways to name one.
 *
 * How it fits: deliveries file into them, `rota import` makes them, people list them. Counts are
 * kept by model/deliver and model/email, in the transaction that changes what they count.
 *
 * Failures: the store's; ERROR_GONE, ERROR_REJECT for what is no path. Two that make one folder at
 * one time: the account row's lock lets one go first, and the other finds it.
 */
#include "model/mailbox.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/limits_jmap.h"
#include "model/change.h"

static void mailbox_free(Mailbox *mailbox)
{
    g_free(mailbox->name);
    g_free(mailbox->path);
    g_free(mailbox->role);
    g_free(mailbox);
}

char *mailbox_name_make(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *composed = g_utf8_normalize(valid, -1, G_NORMALIZE_NFC);
    GString *name = g_string_new(NULL);
    for (const char *at = composed; *at; at += g_utf8_skip[(guint8)*at]) {
        gunichar c = g_utf8_get_char(at);
        char bytes[6];
        int size = c == '/' || g_unichar_iscntrl(c) ? 0 : g_unichar_to_utf8(c, bytes);
        if (name->len + (size_t)MAX(size, 1) > MAILBOX_NAME_BYTES_MAX)
            break;
        if (size)
            g_string_append_len(name, bytes, size);
        else
            g_string_append_c(name, '_');
    }
    if (!name->len)
        g_string_append_c(name, '_');
    return g_string_free(name, false);
}

/* The path of number `index`, and before it its parents'. */
static void fill_path(GHashTable *by_id, Mailbox *mailbox, unsigned depth)
{
    if (mailbox->path)
        return;
    Mailbox *parent = mailbox->parent ? g_hash_table_lookup(by_id, &mailbox->parent) : NULL;
    if (!parent || depth == MAILBOX_DEPTH_MAX) {
        mailbox->path = g_strdup(mailbox->name);
        return;
    }
    fill_path(by_id, parent, depth + 1);
    mailbox->path = g_strconcat(parent->path, "/", mailbox->name, NULL);
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
    const Mailbox *const *x = a, *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

GPtrArray *mailbox_list(Db *db, int64_t account, GError **error)
{
    static const DbSql sql = {
        "SELECT id, parent, name, role, total, unread, sort_order, subscribed FROM mailbox "
        "WHERE account = $1 ORDER BY id",
        NULL};
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        Mailbox *mailbox = g_new0(Mailbox, 1);
        g_ptr_array_add(list, mailbox);
        mailbox->id = db_rows_int(rows, 0);
        mailbox->parent = db_rows_int(rows, 1);
        mailbox->name = g_strdup(db_rows_text(rows, 2));
        mailbox->role = g_strdup(db_rows_text(rows, 3));
        mailbox->total = db_rows_int(rows, 4);
        mailbox->unread = db_rows_int(rows, 5);
        mailbox->sort_order = db_rows_int(rows, 6);
        mailbox->subscribed = db_rows_int(rows, 7) != 0;
        g_hash_table_insert(by_id, &mailbox->id, mailbox);
    }
    if (step < 0)
        return NULL;
    for (guint i = 0; i < list->len; i++)
        fill_path(by_id, list->pdata[i], 0);
    g_ptr_array_sort(list, compare_paths);
    return g_steal_pointer(&list);
}

bool mailbox_by_role(Db *db, int64_t account, const char *role, int64_t *ret_id, GError **error)
{
    static const DbSql sql = {
        "SELECT id FROM mailbox WHERE account = $1 AND role = $2 ORDER BY id LIMIT 1", NULL};
    int got = db_query_int(db, &sql, DB_ARGS(db_int(account), db_text(role)), ret_id, error);
    return got > 0 ||
           (got == 0 && fail(error, ERROR_GONE, "there is no mailbox with the role \"%s\"", role));
}

/* One level: 1 found, 0 not, -1 an error. The name "inbox" at the top, in any case, is the inbox.
 */
static int find_child(Db *db, int64_t account, int64_t parent, const char *name, int64_t *ret_id,
                      GError **error)
{
    static const DbSql sql = {
        "SELECT id FROM mailbox WHERE account = $1 AND parent = $2 AND name = $3", NULL};
    static const DbSql inbox = {
        "SELECT id FROM mailbox WHERE account = $1 AND role = 'inbox' ORDER BY id LIMIT 1", NULL};
    if (parent == 0 && g_ascii_strcasecmp(name, "inbox") == 0) {
        int got = db_query_int(db, &inbox, DB_ARGS(db_int(account)), ret_id, error);
        if (got != 0)
            return got;
    }
    return db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(parent), db_text(name)), ret_id,
                        error);
}

/* The names of a path; NULL with ERROR_REJECT where it is none. */
static char **path_split(const char *path, GError **error)
{
    g_autofree char *composed = g_utf8_normalize(path, -1, G_NORMALIZE_NFC); /* NULL: not UTF-8 */
    g_auto(GStrv) names = g_strsplit(composed ? composed : path, "/", MAILBOX_DEPTH_MAX + 1);
    unsigned count = g_strv_length(names);
    bool right = count > 0 && count <= MAILBOX_DEPTH_MAX;
    for (unsigned i = 0; right && i < count; i++) {
        g_autofree char *made = mailbox_name_make(names[i]);
        right = strcmp(made, names[i]) == 0;
    }
    if (!right) {
        g_autofree char *shown = g_utf8_make_valid(path, -1);
        fail(error, ERROR_REJECT, "\"%s\" is not the path of a mailbox", shown);
        return NULL;
    }
    return g_steal_pointer(&names);
}

bool mailbox_by_path(Db *db, int64_t account, const char *path, int64_t *ret_id, GError **error)
{
    g_auto(GStrv) names = path_split(path, error);
    int64_t id = 0;
    for (unsigned i = 0; names && names[i]; i++) {
        int got = find_child(db, account, id, names[i], &id, error);
        if (got < 0)
            return false;
        if (got == 0)
            return fail(error, ERROR_GONE, "there is no mailbox \"%s\"", path);
    }
    if (!names)
        return false;
    *ret_id = id;
    return true;
}

int64_t mailbox_add(Db *db, int64_t account, int64_t parent, const char *name, const char *role,
                    GError **error)
{
    static const DbSql number = {"UPDATE account SET next_mailbox = next_mailbox + 1 WHERE id = $1 "
                                 "RETURNING next_mailbox - 1",
                                 NULL};
    static const DbSql add = {"INSERT INTO mailbox (account, id, name, parent, role, total, "
                              "unread) VALUES ($1, $2, $3, $4, $5, 0, 0) "
                              "ON CONFLICT (account, parent, name) DO NOTHING",
                              NULL};
    int64_t id = 0;
    int got = db_query_int(db, &number, DB_ARGS(db_int(account)), &id, error);
    if (got == 0)
        fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, account);
    if (got <= 0)
        return -1;
    int64_t added = db_exec(
        db, &add,
        DB_ARGS(db_int(account), db_int(id), db_text(name), db_int(parent), db_text(role)), error);
    if (added == 0)
        fail(error, ERROR_CONFLICT, "there is a mailbox \"%s\" already", name);
    if (added <= 0 || change_append(db, account, CHANGE_MAILBOX, id, CHANGE_CREATED, error) < 0)
        return -1;
    return id;
}

bool mailbox_ensure(Db *db, int64_t account, const char *path, int64_t *ret_id, bool *ret_made,
                    GError **error)
{
    /* Taken first, so that of two who make one folder the second finds it. On SQLite the write
     * transaction is that lock. */
    static const DbSql lock = {"SELECT id FROM account WHERE id = $1",
                               "SELECT id FROM account WHERE id = $1 FOR UPDATE"};
    g_auto(GStrv) names = path_split(path, error);
    if (!names)
        return false;
    int64_t id = 0, locked = 0;
    bool made = false;
    for (unsigned i = 0; names[i]; i++) {
        int64_t parent = id;
        int got = find_child(db, account, parent, names[i], &id, error);
        if (got == 0 && !locked) {
            if (db_query_int(db, &lock, DB_ARGS(db_int(account)), &locked, error) < 0)
                return false;
            got = find_child(db, account, parent, names[i], &id, error);
        }
        if (got == 0)
            id = mailbox_add(db, account, parent, names[i], "", error);
        if (got < 0 || id < 0)
            return false;
        made = made || got == 0;
    }
    *ret_id = id;
    if (ret_made)
        *ret_made = made;
    return true;
}
