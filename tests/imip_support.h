/* imip_support.h: what the tests of invitations share: letters that carry one, events that a client
 * stores, what the log says.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_IMIP_SUPPORT_H
#define ROTA_TESTS_IMIP_SUPPORT_H

#include "model_support.h"
#include "relay_support.h"

#include <string.h>

#include "model/calendar_object.h"
#include "model/invitation.h"

/* A letter from `sender` with that text/calendar part, into the inbox. The email's id. */
static inline int64_t imip_deliver(Db *db, int64_t account, const char *sender, const char *method,
                                   const char *calendar)
{
    static unsigned number;
    g_autofree char *text =
        g_strdup_printf("From: %s\r\nSubject: x\r\nMessage-ID: <in%u@test>\r\n"
                        "Content-Type: text/calendar; charset=utf-8; method=%s\r\n\r\n%s",
                        sender, ++number, method, calendar);
    g_autofree char *key = g_strdup_printf("imip %u", number);
    g_autoptr(Letter) letter = letter_new(text, strlen(text));
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    Delivered delivered;
    g_autoptr(GError) error = NULL;
    if (!deliver_many(db, &delivery, 1, &delivered, &error))
        fail_msg("delivery: %s", error->message);
    assert_int_equal(delivered.result, DELIVER_STORED);
    return delivered.email;
}

/* As CalDAV does: what goes out is made in the transaction of the put. `text` NULL: it is removed.
 */
static inline void imip_client_puts(Db *db, int64_t account, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = text ? g_bytes_new(text, strlen(text)) : NULL;
    CalendarDraftAsk ask = {.zone = zone_utc(), .now = 1};
    g_autoptr(CalendarDraft) draft = bytes ? calendar_draft_new(bytes, &ask, &error) : NULL;
    CalendarPut put = {.name = name};
    CalendarEnd end = CALENDAR_MISSING;
    assert_no_error(error);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(calendar_ensure(db, account, NULL, &error));
    g_autoptr(Calendar) calendar = calendar_find(db, account, CALENDAR_DEFAULT, &error);
    assert_no_error(error);
    if (!imip_change(db, calendar, name, bytes, &error) ||
        !(text ? calendar_object_put(db, calendar, &put, draft, &end, &error)
               : calendar_object_remove(db, calendar, name, NULL, &end, &error)))
        fail_msg("put: %s", error->message);
    assert_true(end == CALENDAR_CREATED || end == CALENDAR_UPDATED);
    assert_int_equal(db_commit(db, &error), DB_DONE);
    imip_wake();
}

/* The text that an account's calendar has for a UID, the caller's; NULL: none. */
static inline char *imip_stored(Db *db, int64_t account, const char *uid)
{
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(GPtrArray) all = calendar_object_by_uid(db, account, uid, &error);
    db_rollback(db);
    assert_no_error(error);
    assert_true(all->len <= 1);
    if (!all->len)
        return NULL;
    gsize size;
    const char *data = g_bytes_get_data(((CalendarObject *)all->pdata[0])->data, &size);
    return g_strndup(data, size);
}

/* The log, the oldest first, as "in METHOD outcome: why" and "out METHOD outcome WHO", a line each.
 */
static inline char *imip_log_text(Db *db, int64_t account)
{
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(GPtrArray) all = imip_log(db, account, &(ImipLogAsk){.limit = 1000}, NULL, &error);
    db_rollback(db);
    assert_no_error(error);
    GString *text = g_string_new(NULL);
    for (guint i = all->len; i-- > 0;) {
        const ImipEntry *entry = all->pdata[i];
        g_string_append_printf(text, "%s %s %s%s%s\n", entry->in ? "in" : "out", entry->method,
                               entry->outcome, entry->in ? ": " : " ",
                               entry->in ? entry->why : entry->who);
    }
    return g_string_free(text, FALSE);
}

/* How many mails it was given for somebody, and (may be NULL) their different Message-IDs. */
static inline unsigned relay_count(Relay *relay, const char *to, unsigned *ret_ids)
{
    unsigned count = 0;
    g_mutex_lock(&relay->lock);
    GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < relay->mails->len; i++) {
        const RelayMail *mail = relay->mails->pdata[i];
        const char *id = strstr(mail->text, "Message-ID: ");
        if (strcmp(mail->to, to) != 0)
            continue;
        count++;
        g_hash_table_add(ids, id ? g_strndup(id, strcspn(id, "\r")) : g_strdup(""));
    }
    if (ret_ids)
        *ret_ids = g_hash_table_size(ids);
    g_hash_table_unref(ids);
    g_mutex_unlock(&relay->lock);
    return count;
}

#endif
