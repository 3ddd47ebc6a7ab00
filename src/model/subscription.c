/* subscription: see subscription.h: the rows, and what the change log says for each type.
 *
 * How it fits: the JMAP door makes, changes and destroys subscriptions; duty/push_notifications
 * reads them with the states of now and writes the outbox; whoever changes something of an account
 * with subscribers adds a task (change.c, deliver.c).
 *
 * Failures: the store's, handed up; values that are refused. Known weak points: a type's state is
 * worked out from the change log for each subscription by itself; a change of a message counts for
 * Mailbox too, since it may change a count.
 */
#include "model/subscription.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_push.h"
#include "base/limits_remote.h"
#include "base/must.h"
#include "base/rand.h"
#include "base/text.h"
#include "content/base64url.h"
#include "content/vapid.h"
#include "model/account.h"
#include "model/change.h"

static const char *const type_names[PUSH_TYPES] = {"Email", "EmailDelivery", "Mailbox", "Thread"};

/* clang-format off */
#define COLUMNS \
    "s.id, device, url, origin, p256dh, auth, code, stage, types, s.created_at, expires_at," \
    " states, seen_seq, pushed_seq, pushed_at, sending_seq, sending_at, failures, next_at," \
    " pushes, repeats, last_status, last_error, last_at"
static const DbSql SQL_LIST = {
    "SELECT " COLUMNS " FROM push_subscription s WHERE account = $1 AND expires_at > rota_now()"
    " ORDER BY s.id", NULL};
static const DbSql SQL_COUNT = {
    "SELECT count(*) FROM push_subscription WHERE account = $1", NULL};
static const DbSql SQL_RECOUNT = {
    "UPDATE account SET subscribers = (SELECT count(*) FROM push_subscription WHERE account = $1)"
    " WHERE id = $1", NULL};
static const DbSql SQL_REMOVE_ALIKE = {
    "DELETE FROM push_subscription WHERE account = $1 AND (device = $2 OR url = $3)", NULL};
static const DbSql SQL_ADD = {
    "INSERT INTO push_subscription (account, id, device, url, origin, p256dh, auth, code, stage,"
    " types, created_at, expires_at, states, seen_seq, pushed_seq, pushed_at, sending_seq,"
    " sending_at, failures, next_at, pushes, repeats, last_status, last_error, last_at)"
    " SELECT id, $2, $3, $4, $5, $6, $7, $8, 0, $9, rota_now(), $10, '', change_seq, change_seq,"
    " 0, 0, 0, 0, 0, 0, 0, 0, '', 0 FROM account WHERE id = $1", NULL};
static const DbSql SQL_CLOCK = {"SELECT rota_now()", NULL};
static const DbSql SQL_FIND_CODE = {
    "SELECT code FROM push_subscription WHERE account = $1 AND id = $2"
    " AND expires_at > rota_now()", NULL};
static const DbSql SQL_VERIFY = {
    "UPDATE push_subscription SET stage = 2, failures = 0, next_at = 0, sending_seq = 0"
    " WHERE account = $1 AND id = $2 AND stage < 2", NULL};
static const DbSql SQL_SET_TYPES = {
    "UPDATE push_subscription SET types = $3 WHERE account = $1 AND id = $2", NULL};
static const DbSql SQL_SET_EXPIRES = {
    "UPDATE push_subscription SET expires_at = $3 WHERE account = $1 AND id = $2", NULL};
static const DbSql SQL_REMOVE = {
    "DELETE FROM push_subscription WHERE account = $1 AND id = $2", NULL};
static const DbSql SQL_READ = {
    "SELECT " COLUMNS ", change_seq, change_floor, rota_now() FROM account a"
    " JOIN push_subscription s ON s.account = a.id WHERE a.id = $1 AND a.deleted_at = 0"
    " AND s.account = $1 AND expires_at > rota_now() ORDER BY s.id", NULL};
static const DbSql SQL_NEWEST = {
    "SELECT kind, action, max(seq) FROM change WHERE account = $1 AND seq > $2"
    " GROUP BY kind, action", NULL};
static const DbSql SQL_SENDING = {
    "UPDATE push_subscription SET repeats = repeats + CASE WHEN sending_seq = $3 THEN 1 ELSE 0 END,"
    " sending_seq = $3, sending_at = rota_now(), states = $5, seen_seq = $6"
    " WHERE account = $1 AND id = $2 AND sending_seq = $4", NULL};
static const DbSql SQL_SEEN = {
    "UPDATE push_subscription SET states = $3, seen_seq = $4 WHERE account = $1 AND id = $2"
    " AND seen_seq < $4", NULL};
#define END_OF " WHERE account = $1 AND id = $2 AND sending_seq = $3"
static const DbSql SQL_SENT = {
    "UPDATE push_subscription SET sending_seq = 0, failures = 0, next_at = 0, pushes = pushes + 1,"
    " stage = CASE WHEN $3 < 0 AND stage = 0 THEN 1 ELSE stage END,"
    " pushed_seq = CASE WHEN $3 > pushed_seq THEN $3 ELSE pushed_seq END,"
    " pushed_at = rota_now(), last_at = rota_now(), last_status = $4, last_error = ''" END_OF,
    NULL};
static const DbSql SQL_FAILED = {
    "UPDATE push_subscription SET sending_seq = 0, failures = failures + 1,"
    " next_at = rota_now() + $6, last_at = rota_now(), last_status = $4, last_error = $5" END_OF,
    NULL};
static const DbSql SQL_UNKNOWN = {
    "UPDATE push_subscription SET failures = failures + CASE WHEN CAST($6 AS BIGINT) > 0 THEN 1"
    " ELSE 0 END, next_at = rota_now() + $6, last_at = rota_now(), last_status = $4,"
    " last_error = $5" END_OF, NULL};
static const DbSql SQL_NOT_SENT = {
    "UPDATE push_subscription SET sending_seq = 0, next_at = CASE WHEN $4 > 0 THEN rota_now() + $4"
    " ELSE next_at END" END_OF, NULL};
/* clang-format on */

const char *push_type_name(PushType type)
{
    MUST(type < PUSH_TYPES);
    return type_names[type];
}

void subscription_free(Subscription *subscription)
{
    if (!subscription)
        return;
    g_free(subscription->device);
    g_free(subscription->url);
    g_free(subscription->origin);
    g_free(subscription->code);
    g_strfreev(subscription->types);
    g_free(subscription->last_error);
    g_free(subscription);
}

static void subscription_free_item(gpointer data)
{
    subscription_free(data);
}

bool subscription_asks_for(const Subscription *subscription, PushType type)
{
    return !subscription->types ||
           g_strv_contains((const char *const *)subscription->types, type_names[type]);
}

char *subscription_format_id(int64_t id)
{
    return g_strdup_printf("P%" G_GINT64_FORMAT, id);
}

int64_t subscription_parse_id(const char *text)
{
    guint64 id = 0;
    /* "P007" is not another's name for "P7" */
    if (text[0] != 'P' || text[1] == '0' ||
        !g_ascii_string_to_unsigned(text + 1, 10, 1, G_MAXINT64, &id, NULL))
        return 0;
    return (int64_t)id;
}

/* ---------------------------------------------------------------- reading */

/* "12 0 15": those that are missing are 0. */
static void parse_states(const char *text, int64_t ret[PUSH_TYPES])
{
    char *end;
    for (unsigned i = 0; i < PUSH_TYPES; i++) {
        ret[i] = g_ascii_strtoll(text, &end, 10);
        text = end;
    }
}

static char *format_states(const int64_t states[PUSH_TYPES])
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < PUSH_TYPES; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? " " : "", states[i]);
    return g_string_free(text, FALSE);
}

static void read_keys(DbRows *rows, Subscription *ret)
{
    size_t size, auth_size;
    const void *point = db_rows_bytes(rows, 4, &size);
    ret->encrypted = size == sizeof ret->keys.p256dh;
    if (ret->encrypted)
        memcpy(ret->keys.p256dh, point, size);
    const void *auth = db_rows_bytes(rows, 5, &auth_size);
    ret->encrypted &= auth_size == sizeof ret->keys.auth;
    if (ret->encrypted)
        memcpy(ret->keys.auth, auth, auth_size);
}

static Subscription *read_row(DbRows *rows, int64_t account)
{
    Subscription *row = g_new0(Subscription, 1);
    row->account = account;
    row->id = db_rows_int(rows, 0);
    row->device = g_strdup(db_rows_text(rows, 1));
    row->url = g_strdup(db_rows_text(rows, 2));
    row->origin = g_strdup(db_rows_text(rows, 3));
    read_keys(rows, row);
    row->code = g_strdup(db_rows_text(rows, 6));
    row->stage = (SubscriptionStage)db_rows_int(rows, 7);
    g_autofree char *types = g_strdup(db_rows_text(rows, 8));
    row->types = *types ? g_strsplit(g_strstrip(types), " ", -1) : NULL; /* " ": none at all */
    row->created_at = db_rows_int(rows, 9);
    row->expires_at = db_rows_int(rows, 10);
    parse_states(db_rows_text(rows, 11), row->states);
    row->seen_seq = row->saved_seq = db_rows_int(rows, 12);
    row->pushed_seq = db_rows_int(rows, 13);
    row->pushed_at = db_rows_int(rows, 14);
    row->sending_seq = db_rows_int(rows, 15);
    row->sending_at = db_rows_int(rows, 16);
    row->failures = db_rows_int(rows, 17);
    row->next_at = db_rows_int(rows, 18);
    row->pushes = db_rows_int(rows, 19);
    row->repeats = db_rows_int(rows, 20);
    row->last_status = db_rows_int(rows, 21);
    row->last_error = g_strdup(db_rows_text(rows, 22));
    row->last_at = db_rows_int(rows, 23);
    return row;
}

GPtrArray *subscription_list(Db *db, int64_t account, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(subscription_free_item);
    g_autoptr(DbRows) rows = db_query(db, &SQL_LIST, DB_ARGS(db_int(account)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(list, read_row(rows, account));
    return step < 0 ? NULL : g_steal_pointer(&list);
}

/* What a change of this kind is news for. */
static void note_change(int64_t states[PUSH_TYPES], ChangeKind kind, ChangeAction action,
                        int64_t seq)
{
    bool email = kind == CHANGE_EMAIL;
    bool news[PUSH_TYPES] = {
        [PUSH_EMAIL] = email,
        [PUSH_EMAIL_DELIVERY] = email && action == CHANGE_CREATED,
        [PUSH_MAILBOX] = email || kind == CHANGE_MAILBOX,
        [PUSH_THREAD] = email && action != CHANGE_UPDATED,
    };
    for (unsigned i = 0; i < PUSH_TYPES; i++)
        if (news[i])
            states[i] = MAX(states[i], seq);
}

static bool read_states(Db *db, Subscription *row, int64_t change_seq, int64_t floor,
                        GError **error)
{
    if (row->seen_seq < floor) /* trimmed before it was read: anything may have changed */
        for (unsigned i = 0; i < PUSH_TYPES; i++)
            row->states[i] = change_seq;
    int step = 0;
    if (row->seen_seq >= floor && row->seen_seq < change_seq) {
        g_autoptr(DbRows) rows =
            db_query(db, &SQL_NEWEST, DB_ARGS(db_int(row->account), db_int(row->seen_seq)), error);
        step = -1;
        while (rows && (step = db_rows_next(rows, error)) > 0)
            note_change(row->states, (ChangeKind)db_rows_int(rows, 0),
                        (ChangeAction)db_rows_int(rows, 1), db_rows_int(rows, 2));
    }
    row->seen_seq = change_seq;
    return step == 0;
}

GPtrArray *subscription_read(Db *db, int64_t account, int64_t *ret_now, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(subscription_free_item);
    int64_t change_seq = 0, floor = 0;
    int step = -1;
    {
        g_autoptr(DbRows) rows = db_query(db, &SQL_READ, DB_ARGS(db_int(account)), error);
        while (rows && (step = db_rows_next(rows, error)) > 0) {
            g_ptr_array_add(list, read_row(rows, account));
            change_seq = db_rows_int(rows, 24);
            floor = db_rows_int(rows, 25);
            *ret_now = db_rows_int(rows, 26);
        }
    }
    for (unsigned i = 0; step == 0 && i < list->len; i++)
        if (!read_states(db, g_ptr_array_index(list, i), change_seq, floor, error))
            return NULL;
    return step == 0 ? g_steal_pointer(&list) : NULL;
}

int64_t subscription_wanted(const Subscription *subscription)
{
    int64_t newest = 0;
    for (unsigned i = 0; i < PUSH_TYPES; i++)
        if (subscription_asks_for(subscription, (PushType)i))
            newest = MAX(newest, subscription->states[i]);
    return newest;
}

/* ---------------------------------------------------------------- what a person does */

static bool recount(Db *db, int64_t account, GError **error)
{
    return db_exec(db, &SQL_RECOUNT, DB_ARGS(db_int(account)), error) >= 0;
}

/* " Email Mailbox "; NULL: one of them is no name of a type. */
static char *format_types(const char *const *types, GError **error)
{
    g_autoptr(GString) text = g_string_new(types ? " " : "");
    for (; types && *types; types++) {
        if (!**types || (*types)[strspn(*types, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ":-_")]) {
            fail(error, ERROR_REJECT, "types: \"%s\" is no name of a type", *types);
            return NULL;
        }
        g_string_append_printf(text, "%s ", *types);
    }
    if (text->len > PUSH_TYPES_BYTES_MAX) {
        fail(error, ERROR_REJECT, "types: there are too many");
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *check_url(const SubscriptionNew *new, GError **error)
{
    g_autofree char *origin = vapid_origin(new->url);
    bool secure = origin && g_str_has_prefix(origin, "https://");
    if (!origin || (!secure && !new->allow_private) || strlen(new->url) > FETCH_URL_BYTES_MAX) {
        fail(error, ERROR_REJECT, "url: it is no https:// URL of at most %d bytes",
             FETCH_URL_BYTES_MAX);
        return NULL;
    }
    for (const char *c = new->url; *c; c++)
        if (!g_ascii_isgraph(*c)) {
            fail(error, ERROR_REJECT, "url: it has blanks or other such characters");
            return NULL;
        }
    return g_steal_pointer(&origin);
}

static bool check_new(Db *db, int64_t account, const SubscriptionNew *new, GError **error)
{
    int64_t count = 0;
    size_t size = strlen(new->device);
    if (size == 0 || size > PUSH_DEVICE_BYTES_MAX || !g_utf8_validate(new->device, -1, NULL))
        return fail(error, ERROR_REJECT, "deviceClientId: it has 1 to %d bytes of text",
                    PUSH_DEVICE_BYTES_MAX);
    if (db_exec(db, &SQL_REMOVE_ALIKE,
                DB_ARGS(db_int(account), db_text(new->device), db_text(new->url)), error) < 0 ||
        db_query_int(db, &SQL_COUNT, DB_ARGS(db_int(account)), &count, error) < 0)
        return false;
    return count < PUSH_SUBSCRIPTIONS_MAX ||
           fail(error, ERROR_REJECT, "overQuota: an account has at most %d push subscriptions",
                PUSH_SUBSCRIPTIONS_MAX);
}

/* When one that asks for `wished` ends; 0: the longest. */
static bool expiry_of(Db *db, int64_t wished, int64_t *ret, GError **error)
{
    int64_t now = 0;
    if (db_query_int(db, &SQL_CLOCK, DB_NO_ARGS, &now, error) <= 0)
        return false;
    if (wished > 0 && wished <= now)
        return fail(error, ERROR_REJECT, "expires: that is past");
    int64_t last = now + PUSH_EXPIRES_MAX_MS;
    *ret = wished > 0 ? MIN(wished, last) : last;
    return true;
}

bool subscription_add(Db *db, int64_t account, const SubscriptionNew *new, int64_t *ret_id,
                      GError **error)
{
    uint8_t secret[PUSH_CODE_BYTES];
    int64_t id = 0, expires_at;
    g_autofree char *origin = check_url(new, error);
    g_autofree char *types = origin ? format_types(new->types, error) : NULL;
    if (!types || !account_lock_row(db, account, error) || !check_new(db, account, new, error) ||
        !expiry_of(db, new->expires_at, &expires_at, error))
        return false;
    rand_secret(secret, sizeof secret);
    rand_secret(&id, sizeof id);
    id = (id & ((INT64_C(1) << 52) - 1)) + 1;
    g_autofree char *code = base64url_format(secret, sizeof secret);
    const WebPushKeys *keys = new->keys;
    if (db_exec(
            db, &SQL_ADD,
            DB_ARGS(
                db_int(account), db_int(id), db_text(new->device), db_text(new->url),
                db_text(origin),
                db_bytes(keys ? keys->p256dh : (const uint8_t *)"", keys ? sizeof keys->p256dh : 0),
                db_bytes(keys ? keys->auth : (const uint8_t *)"", keys ? sizeof keys->auth : 0),
                db_text(code), db_text(types), db_int(expires_at)),
            error) < 0 ||
        !recount(db, account, error) || !change_tell(db, account, error))
        return false;
    *ret_id = id;
    return true;
}

static bool gone(int64_t id, GError **error)
{
    return fail(error, ERROR_GONE, "there is no push subscription %" G_GINT64_FORMAT, id);
}

static bool check_code(Db *db, int64_t account, int64_t id, const char *code, GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_FIND_CODE, DB_ARGS(db_int(account), db_int(id)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step <= 0)
        return step == 0 && gone(id, error);
    return !code || strcmp(db_rows_text(rows, 0), code) == 0 ||
           fail(error, ERROR_REJECT, "verificationCode: it is not the one that was pushed");
}

bool subscription_change(Db *db, int64_t account, int64_t id, const SubscriptionChange *change,
                         GError **error)
{
    int64_t expires_at = 0;
    g_autofree char *types = change->set_types ? format_types(change->types, error) : NULL;
    if ((change->set_types && !types) || !account_lock_row(db, account, error) ||
        !check_code(db, account, id, change->code, error))
        return false;
    if (change->code && db_exec(db, &SQL_VERIFY, DB_ARGS(db_int(account), db_int(id)), error) < 0)
        return false;
    if (types && db_exec(db, &SQL_SET_TYPES, DB_ARGS(db_int(account), db_int(id), db_text(types)),
                         error) < 0)
        return false;
    if (change->expires_at &&
        (!expiry_of(db, change->expires_at, &expires_at, error) ||
         db_exec(db, &SQL_SET_EXPIRES, DB_ARGS(db_int(account), db_int(id), db_int(expires_at)),
                 error) < 0))
        return false;
    return change_tell(db, account, error);
}

bool subscription_remove(Db *db, int64_t account, int64_t id, GError **error)
{
    if (!account_lock_row(db, account, error))
        return false;
    int64_t removed = db_exec(db, &SQL_REMOVE, DB_ARGS(db_int(account), db_int(id)), error);
    if (removed == 0)
        return gone(id, error);
    return removed > 0 && recount(db, account, error);
}

/* ---------------------------------------------------------------- the outbox */

/* Texts live as long as the statement that borrows them. */
static const char *keep_text(GPtrArray *texts, char *text)
{
    g_ptr_array_add(texts, text);
    return text;
}

#define SENDING_WIDTH 6

bool subscription_note_sending(Db *db, const Subscription *const *devices, const int64_t *seqs,
                               unsigned count, bool *ret_noted, GError **error)
{
    g_autofree DbValue *args = g_new(DbValue, SENDING_WIDTH * (size_t)MAX(count, 1));
    g_autofree int64_t *changed = g_new0(int64_t, MAX(count, 1));
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < count; i++) {
        const Subscription *one = devices[i];
        const char *states = keep_text(texts, format_states(one->states));
        DbValue row[SENDING_WIDTH] = {db_int(one->account), db_int(one->id),
                                      db_int(seqs[i]),      db_int(one->sending_seq),
                                      db_text(states),      db_int(one->seen_seq)};
        memcpy(args + SENDING_WIDTH * (size_t)i, row, sizeof row);
    }
    if (count > 0 && !db_exec_many(db, &SQL_SENDING, args, SENDING_WIDTH, count, changed, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        ret_noted[i] = changed[i] > 0;
    return true;
}

bool subscription_note_seen(Db *db, const Subscription *subscription, GError **error)
{
    g_autofree char *states = format_states(subscription->states);
    return db_exec(db, &SQL_SEEN,
                   DB_ARGS(db_int(subscription->account), db_int(subscription->id), db_text(states),
                           db_int(subscription->seen_seq)),
                   error) >= 0;
}

/* How an end is written; `width` of the arguments account, id, seq, status, error, wait. */
static const struct {
    const DbSql *sql;
    unsigned width;
} end_statements[] = {
    [PUSH_SENT] = {&SQL_SENT, 4},
    [PUSH_FAILED] = {&SQL_FAILED, 6},
    [PUSH_UNKNOWN] = {&SQL_UNKNOWN, 6},
    [PUSH_NOT_SENT] = {&SQL_NOT_SENT, 4},
};

static bool write_ends(Db *db, PushEndKind kind, const PushResult *results, unsigned count,
                       GError **error)
{
    unsigned width = end_statements[kind].width, rows = 0;
    g_autofree DbValue *args = g_new(DbValue, width * (size_t)MAX(count, 1));
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < count; i++) {
        const PushResult *one = &results[i];
        if (one->end.kind != kind)
            continue;
        DbValue row[] = {
            db_int(one->to->account),
            db_int(one->to->id),
            db_int(one->seq),
            db_int(kind == PUSH_NOT_SENT ? one->end.wait_ms : one->end.status),
            db_text(keep_text(texts, text_cut(one->end.error, PUSH_ERROR_LETTERS_MAX))),
            db_int(one->end.wait_ms),
        };
        memcpy(args + width * (size_t)rows++, row, width * sizeof *row);
    }
    return rows == 0 || db_exec_many(db, end_statements[kind].sql, args, width, rows, NULL, error);
}

bool subscription_note_ends(Db *db, const PushResult *results, unsigned count, GError **error)
{
    for (unsigned kind = 0; kind < G_N_ELEMENTS(end_statements); kind++)
        if (!write_ends(db, (PushEndKind)kind, results, count, error))
            return false;
    for (unsigned i = 0; i < count; i++) {
        const Subscription *to = results[i].to;
        if (results[i].end.kind == PUSH_ENDED &&
            (db_exec(db, &SQL_REMOVE, DB_ARGS(db_int(to->account), db_int(to->id)), error) < 0 ||
             !recount(db, to->account, error)))
            return false;
    }
    return true;
}
