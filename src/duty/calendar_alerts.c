/* calendar_alerts: reminders of events, when they are due.
 *
 * How it fits: whoever stores an object with alarms adds its task, due when the next one rings
 * (model/calendar_store.c). A run reads one object, finds what is due since it last rang, sends the
 * mails, and asks to run again when the next one rings. A DISPLAY is a change of the account that
 * push and the doors can see.
 *
 * A mail is an effect outside the store: it is noted and committed first, then sent, then the end
 * is written. A node that dies in between leaves the note; the next run sends the same mail with
 * the same Message-ID, counted, and a delivery by rota takes it for the first one. What was missed
 * while everything was down rings late, once, unless its event is over.
 *
 * Failures: a relay that is not there or refuses for now is tried again with the role's waits, for
 * as long as it takes; what it refuses for good is told in the run's detail, and left.
 */
#include <string.h>

#include "base/error.h"
#include "content/reminder.h"
#include "duty/duty.h"
#include "model/account.h"
#include "model/calendar_alert.h"
#include "model/invitation.h"
#include "model/purge.h"
#include "remote/smtp.h"

#define OVER_GRACE_S 60 /* an alarm after its event's end is no late one, if it is on time */

typedef struct {
    Run *run;
    CalendarObject *object;
    Icalendar *parsed;
    const Zone *zone;
    GPtrArray *addresses;
    int64_t now; /* the store's, ms */
    AlarmAnswer answer;
    bool gone; /* nothing to do any more */
} Work;

static void work_clear(Work *work)
{
    calendar_object_free(work->object);
    icalendar_free(work->parsed);
    zone_unref(work->zone);
    if (work->addresses)
        g_ptr_array_unref(work->addresses);
    alarm_answer_clear(&work->answer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

/* All that is read, in one snapshot. */
static bool read_work(Work *work, int64_t account, int64_t id, GError **error)
{
    g_autoptr(GError) why = NULL;
    Db *db = work->run->db;
    const DutySettings *settings = work->run->settings;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    work->object = calendar_object_get(db, account, id, &why);
    g_autofree char *address = work->object ? account_address(db, account, &why) : NULL;
    g_autoptr(Calendar) calendar =
        address ? calendar_get(db, account, work->object->calendar, &why) : NULL;
    if (!calendar) {
        work->gone = error_kind(why) == ERROR_GONE;
        if (!work->gone)
            g_propagate_error(error, g_steal_pointer(&why));
        return work->gone;
    }
    work->zone = calendar_zone(calendar, settings->time_zone);
    work->addresses = imip_addresses(db, account, error);
    return work->addresses && purge_now(db, &work->now, error);
}

static bool find_due(Work *work)
{
    const DutySettings *settings = work->run->settings;
    work->parsed = calendar_object_parse(work->object);
    if (!work->parsed)
        return false;
    g_autoptr(GPtrArray) addresses = g_ptr_array_new();
    for (unsigned i = 0; i < work->addresses->len; i++)
        g_ptr_array_add(addresses, work->addresses->pdata[i]);
    g_ptr_array_add(addresses, NULL);
    AlarmAsk ask = {.floating = work->zone,
                    .addresses = (const char *const *)addresses->pdata,
                    .after = work->object->alerted_at / 1000,
                    .now = work->now / 1000,
                    .max = (unsigned)settings->calendar_max_expansions};
    work->answer = alarm_find(work->parsed, &ask);
    return true;
}

static bool still_rings(const Work *work, const AlarmRing *ring)
{
    return !ring->is_over || work->now / 1000 - ring->at < OVER_GRACE_S;
}

static bool may_send(void *data)
{
    const Work *work = data;
    return run_trusted_until_us(work->run) > clock_monotonic_us(work->run->clock);
}

/* Noted, sent. */
static bool send_one(Work *work, const AlarmRing *ring, Smtp *smtp, GError **error)
{
    Run *run = work->run;
    int64_t tries = 0;
    g_autofree char *name = reminder_ring(ring);
    g_autofree char *answer = NULL;
    if (!run_begin(run, false, error) ||
        !calendar_alert_note(run->db, work->object, name, &tries, error) ||
        !run_checkpoint(run, error))
        return false;
    if (tries > 1)
        g_string_append_printf(run->detail, "sent again (try %d); ", (int)tries);
    const char *address = work->addresses->pdata[0];
    g_autofree char *text = reminder_format(&(ReminderAsk){
        .address = address, .key = run->tasks[0].key, .ring = ring, .now = work->now / 1000});
    SmtpMail mail = {.from = address,
                     .to = address,
                     .bytes = text,
                     .size = strlen(text),
                     .may_send = may_send,
                     .data = work};
    switch (smtp_send(smtp, &mail, &answer)) {
    case SMTP_ACCEPTED:
        run->bytes += (int64_t)mail.size;
        return true;
    case SMTP_REFUSED:
        g_string_append_printf(run->detail, "the relay refused: %.200s; ", answer);
        return true;
    case SMTP_STOPPED:
        return fail(error, ERROR_STOPPED, "the lease is in doubt");
    case SMTP_LATER:
    case SMTP_UNKNOWN:
        break;
    }
    run_be_patient(run);
    return fail(error, ERROR_RETRY, "could not send a reminder: %s", answer);
}

static bool send_mails(Work *work, GError **error)
{
    const DutySettings *settings = work->run->settings;
    const SmtpConfig *config = settings->smtp;
    bool relay = config && config->relay && *config->relay;
    g_autoptr(Smtp) smtp = relay ? smtp_new(config) : NULL;
    for (unsigned i = 0; i < work->answer.due->len; i++) {
        const AlarmRing *ring = &g_array_index(work->answer.due, AlarmRing, i);
        if (ring->alarm->action != ALARM_EMAIL || !still_rings(work, ring))
            continue;
        if (!relay)
            g_string_append(work->run->detail, "no smtp.relay is set; ");
        else if (!send_one(work, ring, smtp, error))
            return false;
    }
    return true;
}

/* What has rung, what is to be shown, and when the next one is. */
static bool write_end(Work *work, GError **error)
{
    Run *run = work->run;
    bool stays, same = true, shows = false;
    int64_t next = work->answer.next == INT64_MAX ? 0 : work->answer.next * 1000;
    if (!next && work->answer.cut)
        next = work->now + INT64_C(86400000);
    for (unsigned i = 0; i < work->answer.due->len; i++) {
        const AlarmRing *ring = &g_array_index(work->answer.due, AlarmRing, i);
        shows |= ring->alarm->action != ALARM_EMAIL && still_rings(work, ring);
    }
    if (!run_begin(run, false, error) ||
        !account_keep(run->db, work->object->account, &stays, error))
        return false;
    if (!stays)
        return true;
    if ((shows && !calendar_alert_show(run->db, work->object, error)) ||
        !calendar_alert_end(run->db, work->object, work->now, next, &same, error))
        return false;
    if (!same)
        run_again(run, 0, 0);
    else if (next)
        run_again(run, 0, next);
    return true;
}

static bool run_alerts(Run *run, GError **error)
{
    g_auto(Work) work = {.run = run};
    int64_t account, object;
    if (!calendar_alert_parse_key(run->tasks[0].key, &account, &object))
        return fail(error, ERROR_REJECT, "\"%s\" is no object of a calendar", run->tasks[0].key);
    if (!read_work(&work, account, object, error))
        return false;
    if (work.gone || !find_due(&work))
        return true;
    return send_mails(&work, error) && write_end(&work, error);
}

const Handler calendar_alerts_handler = {.run = run_alerts};
