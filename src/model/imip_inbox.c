/* imip_inbox: letters as a scheduling inbox has them.
 *
 * How it fits: front/dav_inbox.c shows them. The bytes are those of the mail's text/calendar part,
 * read anew each time: nothing is kept twice. Failures: the store's; ERROR_GONE for a letter that
 * went away. Known weak point: a letter costs the parsing of its mail.
 */
#include "model/imip_inbox.h"

#include <inttypes.h>

#include "base/error.h"
#include "content/message.h"
#include "model/blob.h"
#include "model/email.h"

#define THERE                                                                                      \
    " FROM imip_in i WHERE i.account = $1 AND i.inbox = 1 AND i.outcome IN ('added', 'updated',"   \
    " 'cancelled', 'answered', 'noted') AND EXISTS (SELECT 1 FROM email e WHERE e.account ="       \
    " i.account AND e.id = i.email)"

static void letter_free(gpointer data)
{
    InboxLetter *letter = data;
    g_free(letter->uid);
    g_free(letter);
}

GPtrArray *imip_inbox_list(Db *db, int64_t account, int64_t after, unsigned limit, GError **error)
{
    static const DbSql sql = {
        "SELECT i.email, i.at, i.uid" THERE " AND i.email > $2 ORDER BY i.email LIMIT $3", NULL};
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(letter_free);
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_int(after), db_int(limit)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        InboxLetter *letter = g_new(InboxLetter, 1);
        *letter = (InboxLetter){.email = db_rows_int(rows, 0),
                                .at = db_rows_int(rows, 1),
                                .uid = g_strdup(db_rows_text(rows, 2))};
        g_ptr_array_add(list, letter);
    }
    return step < 0 ? NULL : g_steal_pointer(&list);
}

GBytes *imip_inbox_read(Db *db, int64_t account, int64_t email, GError **error)
{
    static const DbSql sql = {"SELECT count(*)" THERE " AND i.email = $2", NULL};
    int64_t there = 0;
    if (db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(email)), &there, error) < 0)
        return NULL;
    g_autoptr(Email) mail = there ? email_get(db, account, email, error) : NULL;
    g_autoptr(GBytes) bytes = mail ? blob_get(db, &mail->blob, error) : NULL;
    gsize size = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;
    g_autoptr(Message) message = bytes ? message_parse(data, size, MESSAGE_FULL) : NULL;
    if (message && message->calendar)
        return g_bytes_ref(message->calendar);
    if (!there || message)
        fail(error, ERROR_GONE, "there is no such letter in the scheduling inbox");
    return NULL;
}

bool imip_inbox_remove(Db *db, int64_t account, int64_t email, bool *ret_removed, GError **error)
{
    static const DbSql sql = {"UPDATE imip_in SET inbox = 0 WHERE account = $1 AND email = $2 AND "
                              "inbox = 1 AND outcome <> ''",
                              NULL};
    int64_t removed = db_exec(db, &sql, DB_ARGS(db_int(account), db_int(email)), error);
    *ret_removed = removed > 0;
    return removed >= 0;
}

char *imip_inbox_state(Db *db, int64_t account, GError **error)
{
    static const DbSql sql = {
        "SELECT count(*), coalesce(max(i.email), 0), coalesce(max(i.at), 0)" //
        THERE,
        NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    if (!rows || db_rows_next(rows, error) <= 0)
        return NULL;
    return g_strdup_printf("%" PRId64 "-%" PRId64 "-%" PRId64, db_rows_int(rows, 0),
                           db_rows_int(rows, 1), db_rows_int(rows, 2));
}
