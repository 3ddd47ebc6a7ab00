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
#include "content/default_alarm.h"
#include "content/itip.h"
#include "content/message.h"
#include "model/account.h"
#include "model/blob.h"
#include "model/change.h"
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

static void bytes_free(gpointer data)
{
    if (data)
        g_bytes_unref(data);
}

/* ---- reading */

/* *ret NULL: the letter is gone, or damaged. */
static bool read_bytes(Db *db, int64_t account, int64_t id, GBytes **ret, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(Email) email = email_get(db, account, id, &why);
    *ret = email ? blob_get(db, &email->blob, &why) : NULL;
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

/* The bytes of what waits, the oldest first, from one snapshot: GPtrArray of GBytes or NULL.
 * *ret_more: there may be others. */
static GPtrArray *read_waiting(Db *db, int64_t account, GArray **ret_emails, bool *ret_more,
                               GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(GArray) emails = imip_in_waiting(db, account, IMIP_BATCH_LETTERS, error);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(bytes_free);
    size_t size = 0;
    for (guint i = 0; emails && i < emails->len && size < IMIP_BATCH_BYTES; i++) {
        GBytes *bytes = NULL;
        if (!read_bytes(db, account, g_array_index(emails, int64_t, i), &bytes, error))
            return NULL;
        g_ptr_array_add(all, bytes);
        size += bytes ? g_bytes_get_size(bytes) : 0;
    }
    if (!emails)
        return NULL;
    *ret_more = emails->len == IMIP_BATCH_LETTERS || all->len < emails->len;
    *ret_emails = g_steal_pointer(&emails);
    return g_steal_pointer(&all);
}

static Arrived *read_letter(ImipTake *take, int64_t email, GBytes *bytes)
{
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

/* The calendar of an object that is there, or else the first one that takes its kind. Borrowed. */
static const Calendar *find_calendar(Db *db, const ImipStore *store, GError **error)
{
    GPtrArray **all = store->calendars;
    if (!*all && (!calendar_ensure(db, store->account, NULL, error) ||
                  !(*all = calendar_list(db, store->account, error))))
        return NULL;
    for (guint i = 0; i < (*all)->len; i++) {
        const Calendar *each = (*all)->pdata[i];
        if (store->had ? each->id == store->had->calendar : (each->kinds & store->kind) != 0)
            return each;
    }
    fail(error, ERROR_REJECT, "no calendar takes a %s", icalendar_kind_name(store->kind));
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

bool imip_store(Run *run, ImipStore *store, char **ret_why, GError **error)
{
    const DutySettings *settings = run->settings;
    g_autoptr(Icalendar) facts = g_steal_pointer(&store->facts);
    const Calendar *calendar = find_calendar(run->db, store, error);
    *ret_why = NULL;
    if (!calendar)
        return false;
    /* What is new in the calendar rings as the person likes it. */
    g_autoptr(GBytes) alarmed =
        store->had || (!*calendar->alarms && !*calendar->day_alarms)
            ? NULL
            : default_alarm_add(store->bytes, calendar->alarms, calendar->day_alarms);
    if (alarmed)
        g_clear_pointer(&facts, icalendar_free);
    const Zone *zone = calendar_zone(calendar, settings->time_zone);
    CalendarDraftAsk ask = {.limits = {.bytes_max = settings->calendar_max_size,
                                       .attendees_max = (unsigned)settings->calendar_max_attendees},
                            .expansions = (unsigned)settings->calendar_max_expansions,
                            .zone = zone,
                            .now = clock_wall_ms(run->clock),
                            .facts = &facts};
    g_autoptr(CalendarDraft) draft =
        calendar_draft_new(alarmed ? alarmed : store->bytes, &ask, error);
    zone_unref(zone);
    if (!draft)
        return false;
    g_autofree char *name = store->had ? g_strdup(store->had->name) : name_of_uid(store->uid);
    CalendarPut put = {.name = name, .keep_schedule_tag = store->keep_tag};
    CalendarEnd end = CALENDAR_MISSING;
    if (!calendar_object_put(run->db, calendar, &put, draft, &end, error))
        return false;
    g_free(put.ret_taken);
    store->ret_rings = draft->alert_at != 0;
    *ret_why = g_strdup(reason_of(end));
    return true;
}

/* ---- deciding */

/* What the letters of one transaction share. */
typedef struct {
    ImipTake *take;
    int64_t account;
    GPtrArray *own;       /* the account's addresses */
    GPtrArray *calendars; /* NULL: nothing was stored yet */
    bool rings;           /* an alarm is due some time */
} Batch;

static void batch_clear(Batch *batch)
{
    if (batch->own)
        g_ptr_array_unref(batch->own);
    if (batch->calendars)
        g_ptr_array_unref(batch->calendars);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Batch, batch_clear)

typedef struct {
    Batch *batch;
    Arrived *arrived;
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

/* What was decided into the calendar. */
static bool keep_object(Deciding *deciding, const ItipDecision *decision, const CalendarObject *had,
                        GError **error)
{
    Batch *batch = deciding->batch;
    ItipObject *message = deciding->arrived->object;
    char *refused = NULL;
    ImipStore store = {.account = batch->account,
                       .uid = deciding->uid,
                       .had = had,
                       .calendars = &batch->calendars,
                       .bytes = decision->object,
                       .kind = itip_object_facts(message)->kind,
                       .keep_tag = decision->outcome == ITIP_ANSWERED};
    if (decision->outcome == ITIP_ADDED)
        store.facts = itip_object_take_added(
            message, &(ItipOwn){(const char *const *)batch->own->pdata, batch->own->len});
    if (!imip_store(batch->take->run, &store, &refused, error))
        return false;
    batch->rings |= store.ret_rings;
    if (refused)
        return set_why(deciding, ITIP_REFUSED, refused);
    batch->take->changed++;
    return true;
}

/* What a decision has to say to somebody; what cannot be said is the letter's outcome. */
static bool say(const Deciding *deciding, const ItipDecision *decision, GError **error)
{
    const Batch *batch = deciding->batch;
    const char *const to[] = {decision->person, NULL};
    ItipWish wish = {.method = ITIP_REQUEST, .recurrence = "", .recipients = to};
    if (decision->outcome == ITIP_ASKED) {
        wish.method = ITIP_REFRESH;
        wish.recipients = NULL;
    } else if (decision->outcome == ITIP_DECLINED) {
        wish.method = ITIP_DECLINECOUNTER;
        wish.recurrence = deciding->decided.recurrence;
    }
    return imip_out_wish(batch->take->run->db, batch->account, deciding->uid, &wish, NULL, error);
}

static bool weigh(Deciding *deciding, const CalendarObject *had, GError **error)
{
    const Batch *batch = deciding->batch;
    Run *run = batch->take->run;
    const DutySettings *settings = batch->take->settings;
    const Arrived *arrived = deciding->arrived;
    g_autoptr(ItipObject) stored = NULL;
    ItipAsk ask = {.own = {(const char *const *)batch->own->pdata, batch->own->len},
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
    if (!imip_in_seen(run->db, batch->account, &deciding->decided, &ask.seen, error))
        return false;
    g_autoptr(ItipDecision) decision = itip_decide(arrived->object, stored, &ask);
    deciding->decided.sequence = decision->sequence;
    deciding->decided.stamp = decision->stamp;
    set_why(deciding, decision->outcome, g_strdup(decision->why));
    if (decision->outcome == ITIP_RESENT || decision->outcome == ITIP_ASKED ||
        decision->outcome == ITIP_DECLINED)
        return say(deciding, decision, error);
    return !decision->object || keep_object(deciding, decision, had, error);
}

static bool decide_object(Deciding *deciding, GError **error)
{
    const Batch *batch = deciding->batch;
    g_autoptr(GPtrArray) had =
        calendar_object_by_uid(batch->take->run->db, batch->account, deciding->uid, error);
    return had && weigh(deciding, had->len ? had->pdata[0] : NULL, error);
}

/* What is wrong with what would be stored is the letter's outcome; all else is the store's trouble.
 * Where a statement was refused, the transaction is over, and what follows says so. */
static bool decide_guarded(Deciding *deciding, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (decide_object(deciding, &why))
        return true;
    if (error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return set_why(deciding, ITIP_REFUSED, g_strdup(why->message));
}

static bool decide(Batch *batch, Arrived *arrived, GError **error)
{
    ImipTake *take = batch->take;
    const Icalendar *facts = arrived->object ? itip_object_facts(arrived->object) : NULL;
    g_autofree char *recurrence =
        arrived->object ? itip_object_recurrence(arrived->object) : g_strdup("");
    g_autofree char *uid = g_strdup(facts ? facts->uid : "");
    g_autofree char *method = g_strdup(facts ? facts->method : "");
    ImipArrival arrival = {batch->account, arrived->email};
    Deciding deciding = {.batch = batch,
                         .arrived = arrived,
                         .uid = uid,
                         .decided = {.outcome = ITIP_REFUSED,
                                     .method = method,
                                     .uid = uid,
                                     .recurrence = recurrence,
                                     .sender = arrived->sender ? arrived->sender : "",
                                     .why = arrived->why ? arrived->why : ""}};
    bool ours = false, good = true;
    if (!take->settings->scheduling)
        set_why(&deciding, ITIP_NOTED, g_strdup("calendar.scheduling.enable is off"));
    else if (facts)
        good = decide_guarded(&deciding, error);
    good = good && imip_in_decide(take->run->db, &arrival, &deciding.decided, &ours, error) &&
           (ours || fail(error, ERROR_CONFLICT, "a letter was decided by somebody else"));
    g_free(deciding.why);
    take->taken += good;
    return good;
}

/* In one transaction; `last`: it may be left open, if nobody is to be woken after it. *ret_done:
 * how many of them were decided; the others wait. 0: the account is being removed. */
static bool decide_all(ImipTake *take, int64_t account, const GPtrArray *letters, bool last,
                       guint *ret_done, GError **error)
{
    Run *run = take->run;
    g_auto(Batch) batch = {.take = take, .account = account};
    unsigned changed = take->changed;
    bool stays = false, told = false;
    *ret_done = 0;
    if (!run_begin(run, true, error) || !account_keep(run->db, account, &stays, error))
        return false;
    if (!stays)
        return run_checkpoint(run, error);
    batch.own =
        account_lock_row(run->db, account, error) ? imip_addresses(run->db, account, error) : NULL;
    if (!batch.own)
        return false;
    int64_t until = clock_monotonic_us(run->clock) + IMIP_SLICE_US;
    guint done = 0;
    while (done < letters->len && (done == 0 || clock_monotonic_us(run->clock) < until))
        if (!decide(&batch, letters->pdata[done++], error))
            return false;
    if (take->changed > changed && !change_is_told(run->db, account, &told, error))
        return false;
    *ret_done = done;
    take->open = last && done == letters->len && !batch.rings && !told;
    if (take->open)
        return true;
    if (!run_checkpoint(run, error))
        return false;
    if (batch.rings)
        calendar_wake();
    else if (told)
        change_wake();
    return true;
}

bool imip_take_account(ImipTake *take, int64_t account, bool *ret_more, GError **error)
{
    Run *run = take->run;
    unsigned gathers = 0;
    take->open = false;
    for (*ret_more = true; *ret_more && !run_should_stop(run);) {
        g_autoptr(GArray) emails = NULL;
        g_autoptr(GPtrArray) waiting = read_waiting(run->db, account, &emails, ret_more, error);
        g_autoptr(GPtrArray) letters = g_ptr_array_new_with_free_func(arrived_free);
        if (!waiting)
            return false;
        for (guint i = 0; i < waiting->len; i++)
            g_ptr_array_add(
                letters, read_letter(take, g_array_index(emails, int64_t, i), waiting->pdata[i]));
        bool busy =
            take->gathers && letters->len >= IMIP_GATHER_LETTERS && gathers < IMIP_GATHERS_MAX;
        guint done = 0;
        if (letters->len && !decide_all(take, account, letters, !*ret_more && !busy, &done, error))
            return false;
        if (letters->len && done == 0) { /* purge.accounts takes them away */
            *ret_more = false;
            return true;
        }
        if (!*ret_more && busy) {
            run_pause(run, IMIP_GATHER_US);
            gathers++;
        }
        *ret_more |= busy || done < letters->len;
    }
    return true;
}
