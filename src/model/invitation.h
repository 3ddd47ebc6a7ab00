/* invitation.h: invitations by mail: the letters that wait to be looked at, with what was decided
 * (the log), and what is to be sent (the outbox, and the ledger of it). All (tx).
 *
 * In. Delivery adds a row for each letter with a text/calendar part, and the task, in its own
 * transaction; imip-processing decides and writes outcome and reason into the row together with
 * what it changed. A letter is decided once.
 *
 * Out. A change of a calendar object adds its messages in its own transaction: for each a letter
 * (uid, recurrence, sequence, method, and a DTSTAMP that no other of the UID has), for each
 * recipient a row. A row goes from waiting to under way (committed before anything is sent), and
 * from there to sent, failed, or waiting again. One that is found under way was perhaps sent: it is
 * counted, and sent again with the same Message-ID, but not before it cannot be in flight any more.
 *
 * Removed by purge.stores after storage.history-retention (not what still waits), with the account
 * by purge.accounts.
 */
#ifndef ROTA_MODEL_INVITATION_H
#define ROTA_MODEL_INVITATION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/itip.h"
#include "db/db.h"
#include "model/calendar.h"

#define IMIP_ROLE "imip-processing"

/* The addresses of an account, its own first, as icalendar_address has them: GPtrArray of char *.
 */
GPtrArray *imip_addresses(Db *db, int64_t account, GError **error);

/* ---- in */

/* What is known of a letter when it has been decided on. Texts are cut to what the table bears. */
typedef struct {
    ItipOutcome outcome;
    const char *method, *uid, *recurrence, *sender, *why;
    int64_t sequence, stamp;
} ImipDecided;

typedef struct {
    int64_t account, email;
} ImipArrival;
bool imip_in_add_many(Db *db, const ImipArrival *arrivals, unsigned count, GError **error);
/* Waiting letters of an account, the oldest first, at most `limit`: GArray of int64. */
GArray *imip_in_waiting(Db *db, int64_t account, unsigned limit, GError **error);
/* *ret_ours is false where it does not wait any more: roll back, or leave it. */
bool imip_in_decide(Db *db, const ImipArrival *arrival, const ImipDecided *decided, bool *ret_ours,
                    GError **error);
/* The newest that was taken in (not ignored or refused) from a sender about a UID and instance. */
bool imip_in_seen(Db *db, int64_t account, const ImipDecided *of, ItipSeen *ret, GError **error);

/* ---- out */

/* What goes out for a change of a calendar's object: adds messages, and the task. To be called in
 * the transaction of calendar_object_put or calendar_object_remove, before it, with the bytes that
 * come (NULL: it is removed); where that ends otherwise than created or updated, roll back. By
 * CalDAV alone: import, and imip-processing itself, send nothing. Bytes that iTIP cannot read send
 * nothing. After the commit: imip_wake. */
bool imip_change(Db *db, const Calendar *calendar, const char *name, GBytes *after, GError **error);
void imip_wake(void);
/* Adds what is wished about the object that the account's calendar has for a UID; `object`, `own`
 * and `now` of the wish are found here. *ret_count (may be NULL): to how many it goes. ERROR_GONE:
 * there is no such object; ERROR_REJECT: as itip_wish. After the commit: imip_wake. */
bool imip_out_wish(Db *db, int64_t account, const char *uid, const ItipWish *wish,
                   unsigned *ret_count, GError **error);

typedef enum { IMIP_WAITS, IMIP_UNDER_WAY, IMIP_SENT, IMIP_FAILED } ImipState;
typedef struct {
    int64_t account, letter, sequence, stamp, recipients;
    ItipMethod method;
    char *uid, *recurrence, *sender, *recipient;
    char *message_id; /* always the same for this row */
    ImipState state;
    int64_t due_at, attempts, uncertain, at;
    int64_t now; /* the store's, when it was read */
    char *error;
} ImipOut;
void imip_out_free(ImipOut *out);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImipOut, imip_out_free)

/* The next row that is due; *ret NULL and *ret_due_at when none is now (INT64_MAX: none waits). */
bool imip_out_next(Db *db, int64_t account, ImipOut **ret, int64_t *ret_due_at, GError **error);
/* Under way; it cannot be in flight any more after flight_ms. One that was so before is counted as
 * uncertain. ERROR_CONFLICT: it waits no more. */
bool imip_out_begin(Db *db, const ImipOut *out, int64_t flight_ms, GError **error);
/* What came of it: waiting again until now + wait_ms, sent, failed. */
bool imip_out_end(Db *db, const ImipOut *out, ImipState state, int64_t wait_ms, const char *why,
                  GError **error);
/* The bytes of a letter. ERROR_GONE. */
GBytes *imip_out_calendar(Db *db, const ImipOut *out, GError **error);

/* ---- for people */

typedef struct {
    int64_t at, sequence;
    bool in;
    int64_t email, letter; /* in: the letter that came; out: the number of what went */
    char *outcome; /* in: a word of content/itip.h or "waiting"; out: waiting, sending, sent, failed
                    */
    char *method, *uid, *recurrence, *who, *why;
    int64_t attempts, uncertain;
} ImipEntry;
typedef struct {
    unsigned limit;
    int64_t email;     /* of this letter alone; 0: all */
    const char *after; /* *ret_next of the page before; NULL or "": from the newest */
} ImipLogAsk;
/* The newest of both ways first, by time: GPtrArray of ImipEntry. *ret_next (may be NULL; the
 * caller's): where the page that follows begins, NULL: there is none. ERROR_REJECT: `after` is no
 * such place. */
GPtrArray *imip_log(Db *db, int64_t account, const ImipLogAsk *ask, char **ret_next,
                    GError **error);

#endif
