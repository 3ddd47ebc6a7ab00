/* push_alert: see push_alert.h. How it fits: duty/push_alerts.c reads, notes and ends; rows of
 * subscriptions that are gone lie until purge.stores finds that they have expired. Failures: the
 * store's.
 */
#include "model/push_alert.h"

#include "base/limits_push.h"
#include "base/text.h"

#define KEY " WHERE account = $1 AND subscription = $2 AND object = $3 AND ring = $4"
#define KEY_ARGS                                                                                   \
    db_int(alert->account), db_int(alert->subscription), db_int(alert->object), db_text(alert->ring)

static void push_alert_free(gpointer data)
{
    PushAlert *alert = data;
    g_free(alert->ring);
    g_free(alert->text);
    g_free(alert);
}

GPtrArray *push_alert_read(Db *db, int64_t account, unsigned limit, GError **error)
{
    static const DbSql sql = {"SELECT subscription, object, ring, text, expires_at, sending_at, "
                              "next_at FROM push_alert WHERE account = $1 AND expires_at > "
                              "rota_now() ORDER BY made_at LIMIT $2",
                              NULL};
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(push_alert_free);
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(limit)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        PushAlert *alert = g_new0(PushAlert, 1);
        *alert = (PushAlert){.account = account,
                             .subscription = db_rows_int(rows, 0),
                             .object = db_rows_int(rows, 1),
                             .ring = g_strdup(db_rows_text(rows, 2)),
                             .text = g_strdup(db_rows_text(rows, 3)),
                             .expires_at = db_rows_int(rows, 4),
                             .sending_at = db_rows_int(rows, 5),
                             .next_at = db_rows_int(rows, 6)};
        g_ptr_array_add(list, alert);
    }
    return step < 0 ? NULL : g_steal_pointer(&list);
}

bool push_alert_note(Db *db, const PushAlert *alert, bool *ret_noted, GError **error)
{
    static const DbSql note = {
        "UPDATE push_alert SET sending_at = rota_now()" KEY " AND sending_at = $5", NULL};
    static const DbSql count = {
        "UPDATE push_subscription SET repeats = repeats + 1 WHERE account = $1 AND id = $2", NULL};
    int64_t noted = db_exec(db, &note, DB_ARGS(KEY_ARGS, db_int(alert->sending_at)), error);
    *ret_noted = noted > 0;
    return noted >= 0 &&
           (noted == 0 || alert->sending_at == 0 ||
            db_exec(db, &count, DB_ARGS(db_int(alert->account), db_int(alert->subscription)),
                    error) >= 0);
}

/* The subscription's own account of it, and when it may be asked again. */
static bool tell_subscription(Db *db, const PushAlert *alert, const PushEnd *end, GError **error)
{
    static const DbSql good = {
        "UPDATE push_subscription SET pushes = pushes + 1, failures = 0, next_at = 0, last_at = "
        "rota_now(), last_status = $3, last_error = '' WHERE account = $1 AND id = $2",
        NULL};
    static const DbSql bad = {
        "UPDATE push_subscription SET failures = failures + 1, next_at = rota_now() + $5, last_at "
        "= rota_now(), last_status = $3, last_error = $4 WHERE account = $1 AND id = $2",
        NULL};
    g_autofree char *why = text_cut(end->error, PUSH_ERROR_LETTERS_MAX);
    bool sent = end->kind == PUSH_SENT;
    const DbValue args[] = {db_int(alert->account), db_int(alert->subscription),
                            db_int(end->status), db_text(why), db_int(end->wait_ms)};
    return db_exec(db, sent ? &good : &bad, args, sent ? 3 : 5, error) >= 0;
}

bool push_alert_end(Db *db, const PushAlert *alert, const PushEnd *end, GError **error)
{
    static const DbSql sent = {"DELETE FROM push_alert" KEY, NULL};
    static const DbSql later = {
        "UPDATE push_alert SET sending_at = 0, next_at = rota_now() + $5" KEY, NULL};
    static const DbSql unknown = {"UPDATE push_alert SET next_at = rota_now() + $5" KEY, NULL};
    static const DbSql all = {"DELETE FROM push_alert WHERE account = $1 AND subscription = $2",
                              NULL};
    const DbValue args[] = {KEY_ARGS, db_int(end->wait_ms)};
    switch (end->kind) {
    case PUSH_SENT:
        return db_exec(db, &sent, args, 4, error) >= 0 && tell_subscription(db, alert, end, error);
    case PUSH_FAILED:
        return db_exec(db, &later, args, 5, error) >= 0 && tell_subscription(db, alert, end, error);
    case PUSH_UNKNOWN:
        return db_exec(db, &unknown, args, 5, error) >= 0 &&
               (end->wait_ms == 0 || tell_subscription(db, alert, end, error));
    case PUSH_NOT_SENT:
        return db_exec(db, &later, args, 5, error) >= 0;
    case PUSH_ENDED:
        break;
    }
    return db_exec(db, &all, args, 2, error) >= 0;
}
