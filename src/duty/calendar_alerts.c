/* calendar_alerts: reminders of events, when they are due.
 *
 * How it fits: whoever stores an object with alarms adds its task, due when the next one rings, or
 * a day before that, since the rules of its zone may change until then (model/calendar_store.c). A
 * run takes some objects, finds what of each is due since it last rang, sends the mails, and asks
 * to run again when the next one rings. A DISPLAY is a change of the account, and a push to each
 * device that asks for CalendarAlert (model/calendar_alert.h).
 *
 * A mail is an effect outside the store: all of a run are noted and committed first, then sent one
 * after the other, then their ends are written. A node that dies in between leaves the notes; the
 * next run sends those mails with the same Message-IDs, counted, and a delivery by rota takes each
 * for the first one. What was missed while everything was down rings late, once, unless its event
 * is over; of one event and one way (mail, push) no two are nearer than
 * calendar.alarms.minimum-interval.
 *
 * Fair share: tasks are claimed bucket by bucket, so that an account with many alarms at one time
 * does not stand before those of other buckets. Failures: a relay that is not there or refuses for
 * now is tried again with the role's waits, for as long as it takes; what it refuses for good is
 * told in the ledger and the run's detail, and left.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "duty/alerts.h"
#include "duty/duty.h"
#include "model/account.h"
#include "model/purge.h"
#include "remote/smtp.h"

#define ENDS_TRIES   5 /* what came of mails is written, whatever comes between */
#define ENDS_WAIT_US 50000

typedef struct {
    Alerts *of;
    AlarmRing ring;
    char *name;
    CalendarAlert alert; /* state ALERT_SENT: it had its end before, or has it now */
    char *answer;
} Mail;

typedef struct {
    Run *run;
    GPtrArray *objects; /* of Alerts, by account */
    GPtrArray *mails;   /* of Mail */
    bool stopped;       /* nothing more may be sent */
    unsigned sent;
    char *trouble; /* what the relay said for now; NULL: nothing */
} Work;

static void mail_free(gpointer data)
{
    Mail *mail = data;
    g_free(mail->name);
    g_free(mail->answer);
    g_free(mail);
}

static void work_clear(Work *work)
{
    g_ptr_array_unref(work->objects);
    g_ptr_array_unref(work->mails);
    g_free(work->trouble);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

/* By account, so that rows are locked in one order. */
static int compare_accounts(gconstpointer a, gconstpointer b)
{
    const Alerts *x = *(Alerts *const *)a, *y = *(Alerts *const *)b;
    return x->account != y->account ? (x->account < y->account ? -1 : 1)
                                    : (x->id > y->id) - (x->id < y->id);
}

static bool read_all(Work *work, GError **error)
{
    Run *run = work->run;
    int64_t now;
    if (!db_begin(run->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(run->db);
    if (!purge_now(run->db, &now, error))
        return false;
    for (unsigned i = 0; i < run->count; i++) {
        Alerts *one = alerts_read(run, i, now, error);
        if (!one)
            return false;
        g_ptr_array_add(work->objects, one);
    }
    g_ptr_array_sort(work->objects, compare_accounts);
    return true;
}

/* Two alarms that nothing tells apart ring once. */
static bool is_there(const Work *work, const Alerts *of, const char *name)
{
    for (unsigned i = work->mails->len; i-- > 0;) {
        const Mail *mail = work->mails->pdata[i];
        if (mail->of == of && strcmp(mail->name, name) == 0)
            return true;
    }
    return false;
}

static void add_mail(Work *work, Alerts *one, const AlarmRing *ring)
{
    g_autofree char *name = reminder_ring(ring);
    if (is_there(work, one, name))
        return;
    Mail *mail = g_new0(Mail, 1);
    mail->of = one;
    mail->ring = *ring;
    mail->name = g_steal_pointer(&name);
    mail->alert = (CalendarAlert){.account = one->account,
                                  .object = one->id,
                                  .ring = mail->name,
                                  .due_at = ring->at * 1000,
                                  .state = ALERT_WAITS,
                                  .error = ""};
    g_ptr_array_add(work->mails, mail);
}

static void gather_mails(Work *work)
{
    for (unsigned i = 0; i < work->objects->len; i++) {
        Alerts *one = work->objects->pdata[i];
        for (unsigned k = 0; one->answer.due && k < one->answer.due->len; k++) {
            const AlarmRing *ring = &g_array_index(one->answer.due, AlarmRing, k);
            if (alarm_way(ring->alarm) == ALARM_MAILED)
                add_mail(work, one, ring);
        }
    }
}

/* The accounts of the objects whose ends are written; one that is being removed gets nothing. */
static bool keep_accounts(Work *work, GError **error)
{
    unsigned count = work->objects->len;
    g_autofree int64_t *accounts = g_new(int64_t, MAX(count, 1));
    g_autofree bool *stay = g_new0(bool, MAX(count, 1));
    for (unsigned i = 0; i < count; i++)
        accounts[i] = ((const Alerts *)work->objects->pdata[i])->account;
    if (!account_keep_many(work->run->db, accounts, count, stay, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        ((Alerts *)work->objects->pdata[i])->stays = stay[i];
    return true;
}

static CalendarAlert *list_alerts(const Work *work)
{
    CalendarAlert *alerts = g_new(CalendarAlert, MAX(work->mails->len, 1));
    for (unsigned i = 0; i < work->mails->len; i++)
        alerts[i] = ((const Mail *)work->mails->pdata[i])->alert;
    return alerts;
}

static bool note_mails(Work *work, GError **error)
{
    Run *run = work->run;
    g_autofree bool *noted = g_new0(bool, work->mails->len);
    if (!run_begin(run, false, error) || !keep_accounts(work, error))
        return false;
    for (unsigned i = work->mails->len; i-- > 0;)
        if (!((const Mail *)work->mails->pdata[i])->of->stays)
            g_ptr_array_remove_index(work->mails, i);
    g_autofree CalendarAlert *alerts = list_alerts(work);
    if (work->mails->len && !calendar_alert_note(run->db, alerts, work->mails->len, noted, error))
        return false;
    for (unsigned i = 0; i < work->mails->len; i++)
        if (!noted[i])
            ((Mail *)work->mails->pdata[i])->alert.state = ALERT_SENT;
    /* Not known: nothing is sent; who comes next takes what was noted for sent, and counts it. */
    return run_checkpoint(run, error);
}

static bool may_send(void *data)
{
    const Run *run = data;
    return run_trusted_until_us(run) > clock_monotonic_us(run->clock);
}

static void judge(Work *work, Mail *mail, SmtpFate fate)
{
    switch (fate) {
    case SMTP_ACCEPTED:
        mail->alert.state = ALERT_SENT;
        work->sent++;
        return;
    case SMTP_REFUSED:
        mail->alert.state = ALERT_REFUSED;
        g_string_append_printf(work->run->detail, "the relay refused: %.200s; ", mail->answer);
        break;
    case SMTP_STOPPED:
        work->stopped = true;
        break;
    case SMTP_UNKNOWN:
        mail->alert.state = ALERT_UNDER_WAY;
        break;
    case SMTP_LATER:
        break;
    }
    mail->alert.error = mail->answer;
    if (fate == SMTP_LATER || fate == SMTP_UNKNOWN) {
        g_free(work->trouble);
        work->trouble = g_strdup(mail->answer);
        work->stopped |= !g_ascii_isdigit(*mail->answer); /* nobody is there */
    }
}

static void send_one(Work *work, Mail *mail, Smtp *smtp)
{
    Run *run = work->run;
    const Alerts *one = mail->of;
    g_autofree char *text = reminder_format(&(ReminderAsk){.address = one->address,
                                                           .key = run->tasks[one->task].key,
                                                           .ring = &mail->ring,
                                                           .zone = one->zone,
                                                           .now = one->now / 1000});
    SmtpMail out = {.from = one->address,
                    .to = one->address,
                    .bytes = text,
                    .size = strlen(text),
                    .may_send = may_send,
                    .data = run};
    SmtpFate fate = smtp_send(smtp, &out, &mail->answer);
    run->bytes += fate == SMTP_ACCEPTED ? (int64_t)out.size : 0;
    judge(work, mail, fate);
}

static void send_mails(Work *work)
{
    const DutySettings *settings = work->run->settings;
    g_autoptr(Smtp) smtp = smtp_new(settings->smtp);
    for (unsigned i = 0; i < work->mails->len; i++) {
        Mail *mail = work->mails->pdata[i];
        work->stopped |= run_should_stop(work->run) || !may_send(work->run);
        if (mail->alert.state == ALERT_WAITS && !work->stopped)
            send_one(work, mail, smtp);
    }
}

/* All that was to go out of this object has its end. */
static bool is_through(const Work *work, const Alerts *one)
{
    for (unsigned i = 0; i < work->mails->len; i++) {
        const Mail *mail = work->mails->pdata[i];
        if (mail->of == one && mail->alert.state < ALERT_SENT)
            return false;
    }
    return true;
}

static bool write_marks(Work *work, GError **error)
{
    g_autofree CalendarAlertMark *marks = g_new0(CalendarAlertMark, work->objects->len);
    g_autofree Alerts **of = g_new(Alerts *, work->objects->len);
    unsigned count = 0;
    for (unsigned i = 0; i < work->objects->len; i++) {
        Alerts *one = work->objects->pdata[i];
        if (!one->changes)
            continue;
        one->ended = !one->stays || is_through(work, one);
        if (!one->stays || !one->ended)
            continue;
        if (!alerts_show(work->run->db, one, error))
            return false;
        of[count] = one;
        marks[count++] = alerts_mark(one);
    }
    if (count && !calendar_alert_mark(work->run->db, marks, count, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        of[i]->same = marks[i].ret_same;
    return true;
}

static bool write_ends(Work *work, GError **error)
{
    Run *run = work->run;
    g_autofree CalendarAlert *alerts = list_alerts(work);
    return run_begin(run, false, error) && keep_accounts(work, error) &&
           (!work->mails->len || calendar_alert_end(run->db, alerts, work->mails->len, error)) &&
           write_marks(work, error);
}

/* With mails sent, by a transaction of its own: what is known is not to be lost with whatever else
 * comes between. A commit whose outcome is not known is made again: an end that is written already
 * changes nothing. Without, by that which ends the tasks. */
static bool save_ends(Work *work, GError **error)
{
    for (unsigned try = 1;; try++) {
        g_autoptr(GError) why = NULL;
        if (write_ends(work, &why) && (!work->mails->len || run_checkpoint(work->run, &why)))
            return true;
        db_rollback(work->run->db);
        bool again = error_kind(why) == ERROR_RETRY || error_kind(why) == ERROR_UNKNOWN;
        if (!again || !work->mails->len || try >= ENDS_TRIES) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        run_pause(work->run, try * ENDS_WAIT_US);
    }
}

/* Who is not through makes the whole batch fail, which then is tried task by task; those that are
 * through find nothing to do. */
static bool finish(Work *work, GError **error)
{
    Run *run = work->run;
    for (unsigned i = 0; i < work->objects->len; i++) {
        const Alerts *one = work->objects->pdata[i];
        if (!one->ended && !work->trouble)
            return fail(error, ERROR_STOPPED, "the node stops, or its lease is in doubt");
        if (!one->ended) {
            run_be_patient(run);
            return fail(error, ERROR_RETRY, "could not send a reminder: %s", work->trouble);
        }
        run_note_work(run, one->task, 1);
        if (!one->same)
            run_again(run, one->task, 0);
        else if (one->next)
            run_again(run, one->task, calendar_alert_due_at(one->next, one->now));
    }
    return true;
}

static bool run_alerts(Run *run, GError **error)
{
    const DutySettings *settings = run->settings;
    bool relay = settings->smtp && settings->smtp->relay && *settings->smtp->relay;
    bool changes = false;
    g_auto(Work) work = {.run = run,
                         .objects = g_ptr_array_new_with_free_func(alerts_free),
                         .mails = g_ptr_array_new_with_free_func(mail_free)};
    if (!read_all(&work, error))
        return false;
    for (unsigned i = 0; i < work.objects->len; i++) {
        alerts_find(work.objects->pdata[i], settings);
        changes |= ((const Alerts *)work.objects->pdata[i])->changes;
    }
    gather_mails(&work);
    if (work.mails->len && !relay) {
        g_string_append_printf(run->detail, "%u reminders, and no smtp.relay is set; ",
                               work.mails->len);
        g_ptr_array_set_size(work.mails, 0);
    }
    if (work.mails->len) {
        if (!note_mails(&work, error))
            return false;
        send_mails(&work);
    }
    if (changes && !save_ends(&work, error))
        return false;
    if (work.sent)
        g_string_append_printf(run->detail, "%u mails", work.sent);
    return finish(&work, error);
}

const Handler calendar_alerts_handler = {.run = run_alerts};
