/* imip_take: letters with an invitation are read, weighed, and what is decided is written.
 *
 * How it fits: duty/imip_processing.c calls it for each account of a run. A letter is read outside
 * any transaction; in one fenced write transaction, under the account row's lock, content/itip
 * weighs it against what the calendar holds at that moment, the object is put, and the log row says
 * what was done and why. So a letter counts once, and a client's own change in between is seen. The
 * transaction is lazy: if the machine's crash takes it back, the letter waits again.
 *
 * Failures: the store's. What is wrong with a letter is its outcome in the log and costs no other
 * letter anything. Known weak point: several
 * calendars with an event of one UID: the first one is changed.
 */
#include "duty/imip_take.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_imip.h"
#include "content/itip.h"
#include "content/message.h"
#include "model/account.h"
#include "model/blob.h"
#include "model/calendar_object.h"
#include "model/email.h"
#include "model/invitation.h"

#define OBJECT_NAME_DIGITS 32

/* A letter that was read; what is NULL could not be, and `why` says the reason. */
typedef struct {
    int64_t email;
    Message *message;
    ItipObject *object;
    char *sender, *why;
} Arrived;

static void arrived_free(gpointer data)
{
    Arrived *arrived = data;
    message_free(arrived->message);
    itip_object_free(arrived->object);
    g_free(arrived->sender);
    g_free(arrived->why);
    g_free(arrived);
}

/* ---- reading */

static bool read_bytes(Db *db, int64_t account, int64_t id, GBytes **ret, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_autoptr(Email) email = email_get(db, account, id, &why);
    *ret = email ? blob_get(db, &email->blob, &why) : NULL;
    db_rollback(db);
    if (*ret || error_kind(why) == ERROR_GONE || error_kind(why) == ERROR_REJECT)
        return true;
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static void read_part(ImipTake *take, Arrived *arrived)
{
    const Message *message = arrived->message;
    const DutySettings *settings = take->settings;
    IcalendarLimits limits = {.bytes_max = settings->scheduling_max_size,
                              .attendees_max = (unsigned)settings->calendar_max_attendees};
    g_autoptr(GError) why = NULL;
    gsize size = 0;
    if (message->from->len == 1)
        arrived->sender =
            icalendar_address(g_array_index(message->from, MessageAddress, 0).address);
    if (!arrived->sender || !*arrived->sender) {
        arrived->why = g_strdup("the mail has not one sender");
    } else if (!message->calendar) {
        arrived->why = g_strdup("the mail has no text/calendar part");
    } else {
        const char *bytes = g_bytes_get_data(message->calendar, &size);
        take->run->bytes += (int64_t)size;
        arrived->object = itip_object_parse(bytes, size, &limits, &why);
        if (!arrived->object)
            arrived->why = g_strdup(why->message);
    }
}

static Arrived *read_letter(ImipTake *take, int64_t account, int64_t email, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    if (!read_bytes(take->run->db, account, email, &bytes, error))
        return NULL;
    Arrived *arrived = g_new0(Arrived, 1);
    arrived->email = email;
    if (bytes) {
        gsize size;
        const char *data = g_bytes_get_data(bytes, &size);
        arrived->message = message_parse(data, size, MESSAGE_FULL);
        read_part(take, arrived);
    } else {
        arrived->why = g_strdup("the letter is gone, or damaged");
    }
    return arrived;
}

/* ---- storing */

/* The calendar of an object that is there, or else the first one that takes its kind. */
static Calendar *find_calendar(Db *db, int64_t account, const CalendarObject *had,
                               IcalendarKind kind, GError **error)
{
    if (had)
        return calendar_get(db, account, had->calendar, error);
    if (!calendar_ensure(db, account, NULL, error))
        return NULL;
    g_autoptr(GPtrArray) all = calendar_list(db, account, error);
    for (guint i = 0; all && i < all->len; i++) {
        const Calendar *each = all->pdata[i];
        if (each->kinds & kind)
            return calendar_get(db, account, each->id, error);
    }
    if (all)
        fail(error, ERROR_REJECT, "no calendar takes a %s", icalendar_kind_name(kind));
    return NULL;
}

static char *name_of_uid(const char *uid)
{
    Digest digest = digest_of(uid, strlen(uid));
    g_autofree char *hex = digest_format(&digest);
    return g_strdup_printf("%.*s.ics", OBJECT_NAME_DIGITS, hex);
}

static const char *reason_of(CalendarEnd end)
{
    switch (end) {
    case CALENDAR_CREATED:
    case CALENDAR_UPDATED:
        return NULL;
    case CALENDAR_UNMET:
    case CALENDAR_MISSING:
        return "the object is not there any more";
    case CALENDAR_UID_TAKEN:
        return "another object has its UID";
    case CALENDAR_OVER_QUOTA:
        return "the account is over its quota";
    case CALENDAR_FULL:
        return "the calendar is full";
    }
    return NULL;
}

bool imip_store(Run *run, const ImipStore *store, char **ret_why, GError **error)
{
    int64_t account = store->account;
    const DutySettings *settings = run->settings;
    CalendarDraftAsk ask = {.limits = {.bytes_max = settings->calendar_max_size,
                                       .attendees_max = (unsigned)settings->calendar_max_attendees},
                            .expansions = (unsigned)settings->calendar_max_expansions,
                            .zone = zone_utc(),
                            .now = clock_wall_ms(run->clock)};
    *ret_why = NULL;
    g_autoptr(CalendarDraft) draft = calendar_draft_new(store->bytes, &ask, error);
    g_autoptr(GPtrArray) had =
        draft ? calendar_object_by_uid(run->db, account, store->uid, error) : NULL;
    if (!had)
        return false;
    const CalendarObject *there = had->len ? had->pdata[0] : NULL;
    g_autoptr(Calendar) calendar =
        find_calendar(run->db, account, there, draft->object->kind, error);
    if (!calendar)
        return false;
    g_autofree char *name = there ? g_strdup(there->name) : name_of_uid(store->uid);
    CalendarPut put = {.name = name, .keep_schedule_tag = store->keep_tag};
    CalendarEnd end = CALENDAR_MISSING;
    if (!calendar_object_put(run->db, calendar, &put, draft, &end, error))
        return false;
    g_free(put.ret_taken);
    *ret_why = g_strdup(reason_of(end));
    return true;
}

/* ---- deciding */

static bool resend(Run *run, int64_t account, const char *uid, const CalendarObject *had,
                   const char *sender, GError **error)
{
    gsize size;
    const char *data = g_bytes_get_data(had->data, &size);
    g_autoptr(ItipObject) object = itip_object_parse(data, size, &icalendar_stored, error);
    int64_t stamp = object ? imip_out_stamp(run->db, account, uid, error) : -1;
    if (stamp < 0)
        return false;
    g_autoptr(GPtrArray) messages =
        g_ptr_array_new_with_free_func((GDestroyNotify)itip_message_free);
    ItipMessage *message = itip_resend(object, sender, stamp);
    if (message)
        g_ptr_array_add(messages, message);
    return imip_out_add(run->db, account, uid, stamp, messages, error);
}

typedef struct {
    ImipTake *take;
    int64_t account;
    const Arrived *arrived;
    const char *uid;
    ImipDecided decided; /* what the log will say */
    char *why;           /* the owner of its text */
} Deciding;

static bool set_why(Deciding *deciding, ItipOutcome outcome, char *take_why)
{
    g_free(deciding->why);
    deciding->why = take_why;
    deciding->decided.why = take_why;
    deciding->decided.outcome = outcome;
    return true;
}

static bool weigh(Deciding *deciding, const CalendarObject *had, const GPtrArray *own,
                  GError **error)
{
    Run *run = deciding->take->run;
    const DutySettings *settings = deciding->take->settings;
    const Arrived *arrived = deciding->arrived;
    g_autoptr(ItipObject) stored = NULL;
    ItipAsk ask = {.own = {(const char *const *)own->pdata, own->len},
                   .sender = arrived->sender,
                   .method = arrived->message->calendar_method,
                   .auto_add = settings->scheduling_auto_add,
                   .expansions_max = (unsigned)settings->calendar_max_expansions};
    if (had) {
        gsize size;
        const char *data = g_bytes_get_data(had->data, &size);
        stored = itip_object_parse(data, size, &icalendar_stored, error);
        if (!stored)
            return false;
    }
    if (!imip_in_seen(run->db, deciding->account, &deciding->decided, &ask.seen, error))
        return false;
    g_autoptr(ItipDecision) decision = itip_decide(arrived->object, stored, &ask);
    deciding->decided.sequence = decision->sequence;
    deciding->decided.stamp = decision->stamp;
    set_why(deciding, decision->outcome, g_strdup(decision->why));
    if (decision->outcome == ITIP_RESENT && had)
        return resend(run, deciding->account, deciding->uid, had, arrived->sender, error);
    if (!decision->object)
        return true;
    char *refused = NULL;
    ImipStore store = {.account = deciding->account,
                       .uid = deciding->uid,
                       .bytes = decision->object,
                       .keep_tag = decision->outcome == ITIP_ANSWERED};
    if (!imip_store(run, &store, &refused, error))
        return false;
    if (refused)
        return set_why(deciding, ITIP_REFUSED, refused);
    deciding->take->changed++;
    return true;
}

static bool decide_object(Deciding *deciding, const GPtrArray *own, GError **error)
{
    Run *run = deciding->take->run;
    g_autoptr(GPtrArray) had =
        calendar_object_by_uid(run->db, deciding->account, deciding->uid, error);
    return had && weigh(deciding, had->len ? had->pdata[0] : NULL, own, error);
}

/* What is wrong with what would be stored is the letter's outcome; all else is the store's trouble.
 * Where a statement was refused, the transaction is over, and what follows says so. */
static bool decide_guarded(Deciding *deciding, const GPtrArray *own, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (decide_object(deciding, own, &why))
        return true;
    if (error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return set_why(deciding, ITIP_REFUSED, g_strdup(why->message));
}

static bool decide(ImipTake *take, int64_t account, const Arrived *arrived, const GPtrArray *own,
                   GError **error)
{
    const Icalendar *facts = arrived->object ? itip_object_facts(arrived->object) : NULL;
    g_autofree char *recurrence =
        arrived->object ? itip_object_recurrence(arrived->object) : g_strdup("");
    ImipArrival arrival = {account, arrived->email};
    Deciding deciding = {.take = take,
                         .account = account,
                         .arrived = arrived,
                         .uid = facts ? facts->uid : "",
                         .decided = {.outcome = ITIP_REFUSED,
                                     .method = facts ? facts->method : "",
                                     .uid = facts ? facts->uid : "",
                                     .recurrence = recurrence,
                                     .sender = arrived->sender ? arrived->sender : "",
                                     .why = arrived->why ? arrived->why : ""}};
    bool ours = false, good = true;
    if (!take->settings->scheduling)
        set_why(&deciding, ITIP_NOTED, g_strdup("calendar.scheduling.enable is off"));
    else if (facts)
        good = decide_guarded(&deciding, own, error);
    good = good && imip_in_decide(take->run->db, &arrival, &deciding.decided, &ours, error) &&
           (ours || fail(error, ERROR_CONFLICT, "a letter was decided by somebody else"));
    g_free(deciding.why);
    take->taken += good;
    return good;
}

static bool decide_all(ImipTake *take, int64_t account, const GPtrArray *letters, GError **error)
{
    Run *run = take->run;
    bool stays = false;
    if (!run_begin(run, true, error) || !account_keep(run->db, account, &stays, error))
        return false;
    g_autoptr(GPtrArray) own = stays && account_lock_row(run->db, account, error)
                                   ? imip_addresses(run->db, account, error)
                                   : NULL;
    if (!own)
        return !stays && run_checkpoint(run, error);
    for (guint i = 0; i < letters->len; i++)
        if (!decide(take, account, letters->pdata[i], own, error))
            return false;
    if (!run_checkpoint(run, error))
        return false;
    calendar_wake();
    return true;
}

bool imip_take_account(ImipTake *take, int64_t account, bool *ret_more, GError **error)
{
    Run *run = take->run;
    for (*ret_more = true; !run_should_stop(run);) {
        g_autoptr(GPtrArray) letters = g_ptr_array_new_with_free_func(arrived_free);
        if (!db_begin(run->db, DB_READ, error))
            return false;
        g_autoptr(GArray) waiting = imip_in_waiting(run->db, account, IMIP_BATCH_LETTERS, error);
        db_rollback(run->db);
        for (guint i = 0; waiting && i < waiting->len; i++) {
            Arrived *letter = read_letter(take, account, g_array_index(waiting, int64_t, i), error);
            if (!letter)
                return false;
            g_ptr_array_add(letters, letter);
        }
        if (!waiting)
            return false;
        if (letters->len && !decide_all(take, account, letters, error))
            return false;
        if (letters->len < IMIP_BATCH_LETTERS) {
            *ret_more = false;
            return true;
        }
    }
    return true;
}
