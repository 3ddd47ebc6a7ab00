/* jmap_changes: Email/changes, Thread/changes and Mailbox/changes of JMAP (RFC 8620 §5.2).
 *
 * How it fits: the account's change log (model/change.h) has them in order; its number is the
 * state. An object that came and went between the two states is not told.
 *
 * Failures: a state that the log does not reach any more, or that never was, is
 * cannotCalculateChanges: the client reads all anew. Known weak point: the log does not say whose
 * counts an email changed, so with any change of mail all mailboxes are told, with the counts as
 * updatedProperties.
 */
#include "front/jmap.h"

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/change.h"
#include "model/email.h"
#include "model/email_query.h"
#include "model/mailbox.h"

typedef struct {
    int64_t since, reached;
    bool more;
    GHashTable *emails, *mailboxes; /* id → bits of 1 << ChangeAction */
    GHashTable *lost;               /* threads that lost an email */
} Log;

static void log_clear(Log *log)
{
    g_clear_pointer(&log->emails, g_hash_table_unref);
    g_clear_pointer(&log->mailboxes, g_hash_table_unref);
    g_clear_pointer(&log->lost, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Log, log_clear)

static void note(GHashTable *objects, const Change *change)
{
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(objects, &change->object));
    g_hash_table_replace(objects, g_memdup2(&change->object, sizeof change->object),
                         GUINT_TO_POINTER(bits | 1u << change->action));
}

/* In the open transaction. False with *ret_error or *error. */
static bool read_log(const JmapCall *call, unsigned most, Log *log, json_t **ret_error,
                     GError **error)
{
    int64_t state;
    if (!jmap_state(call, &state, error))
        return false;
    if (log->since > state) {
        jmap_fail(ret_error, "cannotCalculateChanges", "there was no such state");
        return false;
    }
    g_autoptr(GError) why = NULL;
    g_autoptr(GArray) changes = change_read(call->db, call->account, log->since, most, &why);
    if (!changes && error_kind(why) == ERROR_GONE) {
        jmap_fail(ret_error, "cannotCalculateChanges", "the log does not go back so far");
        return false;
    }
    if (!changes) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    log->emails = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    log->mailboxes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    log->lost = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; i < changes->len; i++) {
        const Change *change = &g_array_index(changes, Change, i);
        log->reached = change->seq;
        if (change->thread)
            g_hash_table_add(log->lost, g_memdup2(&change->thread, sizeof change->thread));
        if (change->kind == CHANGE_EMAIL)
            note(log->emails, change);
        else if (change->kind == CHANGE_MAILBOX)
            note(log->mailboxes, change);
    }
    log->more = changes->len == most;
    if (!log->more)
        log->reached = state;
    return true;
}

static json_t *answer(const JmapCall *call, const Log *log, json_t *lists[3])
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "accountId",
                     jmap_id('a', call->account), "oldState", jmap_state_json(log->since),
                     "newState", jmap_state_json(log->reached), "hasMoreChanges", log->more,
                     "created", lists[0], "updated", lists[1], "destroyed", lists[2]);
}

/* Into the list that it belongs to; what came and went into none. */
static void sort_out(GHashTable *objects, char prefix, json_t *lists[3])
{
    GHashTableIter iter;
    void *key, *value;
    g_hash_table_iter_init(&iter, objects);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        unsigned bits = GPOINTER_TO_UINT(value);
        bool came = bits & 1u << CHANGE_CREATED, went = bits & 1u << CHANGE_DESTROYED;
        if (!came || !went)
            json_array_append_new(lists[went   ? 2
                                        : came ? 0
                                               : 1],
                                  jmap_id(prefix, *(const int64_t *)key));
    }
}

static bool read_arguments(const JmapCall *call, json_t *arguments, Log *log, unsigned *ret_most,
                           json_t **ret_error)
{
    static const char *const names[] = {"sinceState", "maxChanges", NULL};
    const char *since = json_string_value(json_object_get(arguments, "sinceState"));
    json_t *most = json_object_get(arguments, "maxChanges");
    guint64 number;
    if (!jmap_takes(call, arguments, names, ret_error))
        return false;
    if (!since ||
        (most && !json_is_null(most) && (!json_is_integer(most) || json_integer_value(most) < 1))) {
        jmap_fail(ret_error, "invalidArguments",
                  "sinceState is missing, or maxChanges is not positive");
        return false;
    }
    if (!g_ascii_string_to_unsigned(since, 10, 0, INT64_MAX, &number, NULL)) {
        jmap_fail(ret_error, "cannotCalculateChanges", "there was no such state");
        return false;
    }
    log->since = log->reached = (int64_t)number;
    *ret_most = JMAP_CHANGES_MAX;
    if (json_is_integer(most))
        *ret_most = (unsigned)MIN(json_integer_value(most), JMAP_CHANGES_MAX);
    return true;
}

/* All mailboxes that were not told yet, as updated. */
static bool add_counts(const JmapCall *call, const Log *log, json_t *updated, GError **error)
{
    g_autoptr(GPtrArray) all = mailbox_list(call->db, call->account, error);
    for (guint i = 0; all && i < all->len; i++) {
        const Mailbox *box = all->pdata[i];
        if (!g_hash_table_contains(log->mailboxes, &box->id))
            json_array_append_new(updated, jmap_id('B', box->id));
    }
    return all != NULL;
}

/* A thread has the number of the email that it began with, and came with it. */
static bool thread_came(const Log *log, int64_t thread)
{
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(log->emails, &thread));
    return bits & 1u << CHANGE_CREATED;
}

/* Threads that lost an email, and have none that was told: they live, or are gone too. */
static bool add_lost(const JmapCall *call, const Log *log, GHashTable *seen, json_t *lists[3],
                     GError **error)
{
    GHashTableIter iter;
    void *key;
    g_hash_table_iter_init(&iter, log->lost);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        int64_t thread = *(const int64_t *)key;
        if (g_hash_table_contains(seen, key))
            continue;
        g_autoptr(GArray) left = email_thread(call->db, call->account, thread, error);
        if (!left)
            return false;
        bool came = thread_came(log, thread);
        if (left->len > 0 || !came)
            json_array_append_new(lists[left->len == 0 ? 2 : came ? 0 : 1], jmap_id('T', thread));
    }
    return true;
}

/* The threads of emails that live, and then those that lost one. */
static bool add_threads(const JmapCall *call, const Log *log, json_t *lists[3], GError **error)
{
    GHashTableIter iter;
    void *key;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_hash_table_iter_init(&iter, log->emails);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        g_autoptr(GError) why = NULL;
        g_autoptr(Email) email = email_get(call->db, call->account, *(int64_t *)key, &why);
        if (!email && error_kind(why) != ERROR_GONE) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        if (email && g_hash_table_add(seen, g_memdup2(&email->thread, sizeof email->thread)))
            json_array_append_new(lists[thread_came(log, email->thread) ? 0 : 1],
                                  jmap_id('T', email->thread));
    }
    return add_lost(call, log, seen, lists, error);
}

/* Has the client asked for less than there is in the lists? */
static bool is_too_much(json_t *arguments, json_t *lists[3])
{
    json_t *most = json_object_get(arguments, "maxChanges");
    size_t count =
        json_array_size(lists[0]) + json_array_size(lists[1]) + json_array_size(lists[2]);
    return json_is_integer(most) && (json_int_t)count > json_integer_value(most);
}

static json_t *run(JmapCall *call, json_t *arguments, json_t **ret_error, char prefix)
{
    g_autoptr(GError) error = NULL;
    g_auto(Log) log = {0};
    unsigned most;
    if (!read_arguments(call, arguments, &log, &most, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    if (!read_log(call, most, &log, ret_error, &error))
        return error ? jmap_fail_error(ret_error, error) : NULL;
    json_t *lists[3] = {json_array(), json_array(), json_array()};
    bool counts = prefix == 'B' && g_hash_table_size(log.emails) > 0, good = true;
    if (prefix == 'M')
        sort_out(log.emails, prefix, lists);
    if (prefix == 'B')
        sort_out(log.mailboxes, prefix, lists);
    bool only_counts = counts && g_hash_table_size(log.mailboxes) == 0;
    if (counts)
        good = add_counts(call, &log, lists[1], &error);
    if (prefix == 'T')
        good = add_threads(call, &log, lists, &error);
    bool too_much = is_too_much(arguments, lists);
    json_t *json = answer(call, &log, lists);
    if (prefix == 'B')
        json_object_set_new(json, "updatedProperties",
                            only_counts ? json_pack("[s, s, s, s]", "totalEmails", "unreadEmails",
                                                    "totalThreads", "unreadThreads")
                                        : json_null());
    if (good && !too_much)
        return json;
    json_decref(json);
    return good ? jmap_fail(ret_error, "cannotCalculateChanges",
                            "the counts of more mailboxes than maxChanges have changed")
                : jmap_fail_error(ret_error, error);
}

static json_t *run_email(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    return run(call, arguments, ret_error, 'M');
}

static json_t *run_thread(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    return run(call, arguments, ret_error, 'T');
}

static json_t *run_mailbox(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    return run(call, arguments, ret_error, 'B');
}

const JmapMethod jmap_changes_methods[] = {
    {"Email/changes", JMAP_MAIL, run_email},
    {"Thread/changes", JMAP_MAIL, run_thread},
    {"Mailbox/changes", JMAP_MAIL, run_mailbox},
    {NULL, NULL, NULL},
};
