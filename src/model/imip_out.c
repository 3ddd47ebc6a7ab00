/* imip_out: the outbox of invitations and the ledger of what was sent.
 *
 * How it fits: CalDAV calls imip_change in the transaction of a change;
 * duty/imip_processing.c sends. What goes out is made there and then, since only that transaction
 * knows what was there before.
 *
 * Failures: the store's. An object that a client stored and that iTIP cannot read (two organizers,
 * one instance twice) sends nothing.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits_imip.h"
#include "base/text.h"
#include "model/account.h"
#include "model/calendar_object.h"
#include "model/invitation.h"
#include "roster/task.h"

#define MESSAGE_ID_DIGITS 40

void imip_out_free(ImipOut *out)
{
    if (!out)
        return;
    g_free(out->uid);
    g_free(out->recurrence);
    g_free(out->sender);
    g_free(out->recipient);
    g_free(out->message_id);
    g_free(out->error);
    g_free(out);
}

/* ---- adding */

/* A DTSTAMP for a new message of a UID: now, or a second later than the last; -1 on error. */
static int64_t next_stamp(Db *db, int64_t account, const char *uid, GError **error)
{
    static const DbSql sql = {
        "SELECT CASE WHEN last >= now THEN last + 1 ELSE now END FROM (SELECT rota_now() / 1000 AS"
        " now, (SELECT coalesce(max(stamp), 0) FROM imip_letter WHERE account = $1 AND uid = $2)"
        " AS last) AS x",
        NULL};
    int64_t stamp;
    return db_query_int(db, &sql, DB_ARGS(db_int(account), db_text(uid)), &stamp, error) > 0 ? stamp
                                                                                             : -1;
}

typedef struct {
    int64_t account, id, stamp;
    const char *uid;
} OutLetter;

static bool add_letter(Db *db, const OutLetter *of, const ItipMessage *message, GError **error)
{
    static const DbSql letter = {
        "INSERT INTO imip_letter (account, id, method, uid, recurrence, sequence, stamp, sender,"
        " recipients, calendar, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, rota_now())",
        NULL};
    static const DbSql out = {
        "INSERT INTO imip_out (account, letter, recipient, state, due_at, attempts, uncertain,"
        " error, at) VALUES ($1, $2, $3, 0, 0, 0, 0, '', rota_now()) ON CONFLICT DO NOTHING",
        NULL};
    gsize size;
    const void *bytes = g_bytes_get_data(message->calendar, &size);
    if (db_exec(db, &letter,
                DB_ARGS(db_int(of->account), db_int(of->id),
                        db_text(itip_method_name(message->method)), db_text(of->uid),
                        db_text(message->recurrence), db_int(message->sequence), db_int(of->stamp),
                        db_text(message->from), db_int(message->recipients->len),
                        db_bytes(bytes, size)),
                error) < 0)
        return false;
    g_autofree DbValue *args = g_new(DbValue, 3 * (size_t)message->recipients->len);
    for (guint i = 0; i < message->recipients->len; i++) {
        args[3 * i] = db_int(of->account);
        args[3 * i + 1] = db_int(of->id);
        args[3 * i + 2] = db_text(message->recipients->pdata[i]);
    }
    return db_exec_many(db, &out, args, 3, message->recipients->len, NULL, error);
}

static bool add_messages(Db *db, int64_t account, const char *uid, int64_t stamp,
                         const GPtrArray *messages, GError **error)
{
    static const DbSql last = {"SELECT coalesce(max(id), 0) FROM imip_letter WHERE account = $1",
                               NULL};
    char key[ACCOUNT_KEY_BYTES];
    int64_t id;
    if (!messages->len)
        return true;
    if (!account_lock_row(db, account, error) ||
        db_query_int(db, &last, DB_ARGS(db_int(account)), &id, error) <= 0)
        return false;
    OutLetter letter = {account, id, stamp, uid};
    for (guint i = 0; i < messages->len; i++) {
        letter.id++;
        if (!add_letter(db, &letter, messages->pdata[i], error))
            return false;
    }
    TaskNew task = {.role = IMIP_ROLE, .bucket = account_bucket(account, key), .key = key};
    return task_add(db, &task, error) && task_announce(db, IMIP_ROLE, error);
}

static ItipObject *parse_bytes(GBytes *bytes)
{
    gsize size = 0;
    const char *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;
    return data ? itip_object_parse(data, size, &icalendar_stored, NULL) : NULL;
}

bool imip_change(Db *db, const Calendar *calendar, const char *name, GBytes *after_bytes,
                 GError **error)
{
    g_autoptr(GError) why = NULL;
    int64_t account = calendar->account;
    if (!account_lock_row(db, account, error))
        return false;
    g_autoptr(CalendarObject) had = calendar_object_find(db, account, calendar->id, name, &why);
    if (!had && error_kind(why) != ERROR_GONE) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    g_autoptr(ItipObject) before = parse_bytes(had ? had->data : NULL);
    g_autoptr(ItipObject) after = parse_bytes(after_bytes);
    const ItipObject *object = after ? after : before;
    if (!object || (after_bytes && !after) || (had && !before))
        return true;
    const char *uid = itip_object_facts(object)->uid;
    g_autoptr(GPtrArray) own = imip_addresses(db, account, error);
    int64_t stamp = own ? next_stamp(db, account, uid, error) : -1;
    if (stamp < 0)
        return false;
    ItipChange change = {.before = before,
                         .after = after,
                         .own = {(const char *const *)own->pdata, own->len},
                         .now = stamp};
    g_autoptr(GPtrArray) messages = itip_changes(&change);
    return add_messages(db, account, uid, stamp, messages, error);
}

bool imip_out_wish(Db *db, int64_t account, const char *uid, const ItipWish *wish,
                   unsigned *ret_count, GError **error)
{
    if (!account_lock_row(db, account, error))
        return false;
    g_autoptr(GPtrArray) own = imip_addresses(db, account, error);
    g_autoptr(GPtrArray) had = own ? calendar_object_by_uid(db, account, uid, error) : NULL;
    if (had && !had->len)
        return fail(error, ERROR_GONE, "the calendar has no event \"%.100s\"", uid);
    int64_t stamp = had ? next_stamp(db, account, uid, error) : -1;
    if (stamp < 0)
        return false;
    g_autoptr(ItipObject) object = parse_bytes(((const CalendarObject *)had->pdata[0])->data);
    if (!object)
        return fail(error, ERROR_REJECT, "the event \"%.100s\" cannot be read", uid);
    ItipWish whole = *wish;
    whole.object = object;
    whole.own = (ItipOwn){(const char *const *)own->pdata, own->len};
    whole.now = stamp;
    ItipMessage *message = itip_wish(&whole, error);
    if (!message)
        return false;
    g_autoptr(GPtrArray) messages =
        g_ptr_array_new_with_free_func((GDestroyNotify)itip_message_free);
    g_ptr_array_add(messages, message);
    if (ret_count)
        *ret_count = message->recipients->len;
    return add_messages(db, account, uid, stamp, messages, error);
}

void imip_wake(void)
{
    task_wake(IMIP_ROLE);
}

/* ---- sending */

static char *message_id_of(const ImipOut *out)
{
    g_autofree char *text =
        g_strdup_printf("%" PRId64 " %" PRId64 " %" PRId64 " %s %s", out->account, out->letter,
                        out->stamp, out->recipient, out->uid);
    Digest digest = digest_of(text, strlen(text));
    g_autofree char *hex = digest_format(&digest);
    const char *at = strrchr(out->sender, '@');
    return g_strdup_printf("%.*s@%s", MESSAGE_ID_DIGITS, hex, at && at[1] ? at + 1 : "localhost");
}

bool imip_out_next(Db *db, int64_t account, ImipOut **ret, int64_t *ret_due_at, GError **error)
{
    static const DbSql sql = {
        "SELECT o.letter, l.sequence, l.stamp, l.recipients, l.method, l.uid, l.recurrence,"
        " l.sender, o.recipient, o.state, o.due_at, o.attempts, o.uncertain, o.at, o.error,"
        " rota_now()"
        " FROM imip_out o JOIN imip_letter l ON l.account = o.account AND l.id = o.letter"
        " WHERE o.account = $1 AND o.state < 2 ORDER BY o.due_at, o.letter, o.recipient LIMIT 1",
        NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    *ret = NULL;
    *ret_due_at = INT64_MAX;
    if (step <= 0)
        return step == 0;
    *ret_due_at = db_rows_int(rows, 10);
    if (*ret_due_at > db_rows_int(rows, 15))
        return true;
    ImipOut *out = g_new0(ImipOut, 1);
    *out = (ImipOut){.account = account,
                     .letter = db_rows_int(rows, 0),
                     .sequence = db_rows_int(rows, 1),
                     .stamp = db_rows_int(rows, 2),
                     .recipients = db_rows_int(rows, 3),
                     .method = itip_method_of_name(db_rows_text(rows, 4)),
                     .uid = g_strdup(db_rows_text(rows, 5)),
                     .recurrence = g_strdup(db_rows_text(rows, 6)),
                     .sender = g_strdup(db_rows_text(rows, 7)),
                     .recipient = g_strdup(db_rows_text(rows, 8)),
                     .state = (ImipState)db_rows_int(rows, 9),
                     .due_at = db_rows_int(rows, 10),
                     .attempts = db_rows_int(rows, 11),
                     .uncertain = db_rows_int(rows, 12),
                     .at = db_rows_int(rows, 13),
                     .now = db_rows_int(rows, 15),
                     .error = g_strdup(db_rows_text(rows, 14))};
    out->message_id = message_id_of(out);
    *ret = out;
    return true;
}

bool imip_out_begin(Db *db, const ImipOut *out, int64_t flight_ms, GError **error)
{
    static const DbSql sql = {
        "UPDATE imip_out SET uncertain = uncertain + CASE WHEN state = 1 THEN 1 ELSE 0 END,"
        " state = 1, due_at = rota_now() + $4, attempts = attempts + 1"
        " WHERE account = $1 AND letter = $2 AND recipient = $3 AND state < 2",
        NULL};
    int64_t changed = db_exec(db, &sql,
                              DB_ARGS(db_int(out->account), db_int(out->letter),
                                      db_text(out->recipient), db_int(flight_ms)),
                              error);
    return changed > 0 || (changed == 0 && fail(error, ERROR_CONFLICT,
                                                "the mail to %s is not there", out->recipient));
}

bool imip_out_end(Db *db, const ImipOut *out, ImipState state, int64_t wait_ms, const char *why,
                  GError **error)
{
    static const DbSql sql = {
        "UPDATE imip_out SET state = $4, due_at = rota_now() + $5, error = $6,"
        " at = CASE WHEN $4 < 2 THEN at ELSE rota_now() END"
        " WHERE account = $1 AND letter = $2 AND recipient = $3 AND state = 1",
        NULL};
    g_autofree char *text = text_cut(why, IMIP_WHY_LETTERS_MAX);
    return db_exec(db, &sql,
                   DB_ARGS(db_int(out->account), db_int(out->letter), db_text(out->recipient),
                           db_int(state), db_int(wait_ms), db_text(text)),
                   error) >= 0;
}

GBytes *imip_out_calendar(Db *db, const ImipOut *out, GError **error)
{
    static const DbSql sql = {"SELECT calendar FROM imip_letter WHERE account = $1 AND id = $2",
                              NULL};
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(out->account), db_int(out->letter)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    size_t size;
    if (step == 0)
        fail(error, ERROR_GONE, "there is no letter %" PRId64, out->letter);
    if (step <= 0)
        return NULL;
    const void *bytes = db_rows_bytes(rows, 0, &size);
    return g_bytes_new(bytes, size);
}
