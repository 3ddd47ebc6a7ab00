/* imip_processing: invitations that come and go by mail (RFC 5546, 6047).
 *
 * How it fits: delivery adds a task for an account that got a letter with an invitation, a change
 * of a calendar one for what is to be sent (model/invitation.h). A run takes in what came
 * (imip_take.c), then sends what waits.
 *
 * A mail is an effect outside the store, so that it cannot be made exactly once. What is kept: each
 * recipient of each change gets one, but where a mail's fate is not known. One after the other is
 *   1. noted as under way, with what came of the one before, under the fence, and committed;
 *   2. sent; when the relay has taken the recipient, and before a byte of the mail is written, the
 *      node asks once more whether it trusts its lease.
 * So a crash leaves at most one mail of an account whose fate is not known. It is not touched
 * before it cannot be in flight any more, counted, and sent again with the same Message-ID, so that
 * whoever has it knows it.
 *
 * What the relay refuses for now is tried again with waits that double, and given up after
 * SMTP_GIVE_UP_MS; what it refuses for good is noted in the log and, as SCHEDULE-STATUS, at the
 * recipient's line of the event. A relay that is not to be had ends the run for that account: all
 * would wait for the same.
 *
 * Failures: the store's, handed up; the relay's are no failures of the task. Known weak points: a
 * mail that the relay took and cannot deliver comes back to the person as a letter, not to the log;
 * a lane is busy while the relay thinks.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_smtp.h"
#include "content/imip.h"
#include "duty/account_run.h"
#include "duty/duty.h"
#include "duty/imip_take.h"
#include "model/account.h"
#include "model/calendar_object.h"
#include "model/invitation.h"
#include "remote/smtp.h"

/* What came of the mail before the next; `out` NULL: nothing is to be written. */
typedef struct {
    ImipOut *out;
    ImipState state;
    int64_t wait_ms;
    char *why;
} Result;

typedef struct {
    Run *run;
    const DutySettings *settings;
    Smtp *smtp;
    Result result;
    unsigned sent, failed, later;
} Sender;

static void result_clear(Result *result)
{
    imip_out_free(result->out);
    g_free(result->why);
    *result = (Result){0};
}

static bool trusts(void *data)
{
    const Run *run = data;
    int64_t until = run_trusted_until_us(run);
    return until > clock_monotonic_us(run->clock) && !run_should_stop(run);
}

/* ---- writing */

/* At the recipient's line of the event: it could not be delivered. */
static bool note_failure(Sender *sender, const ImipOut *out, GError **error)
{
    Run *run = sender->run;
    g_autoptr(GPtrArray) had = calendar_object_by_uid(run->db, out->account, out->uid, error);
    if (!had || !had->len)
        return had != NULL;
    const CalendarObject *object = had->pdata[0];
    gsize size;
    const char *data = g_bytes_get_data(object->data, &size);
    g_autoptr(ItipObject) stored = itip_object_parse(data, size, &icalendar_stored, NULL);
    g_autoptr(GBytes) noted = stored ? itip_note_status(stored, out->recipient, "5.1") : NULL;
    g_autofree char *why = NULL; /* over quota: then it stands in the log alone */
    g_autoptr(GError) refused = NULL;
    g_autoptr(GPtrArray) calendars = NULL;
    ImipStore store = {.account = out->account,
                       .uid = out->uid,
                       .had = object,
                       .calendars = &calendars,
                       .bytes = noted,
                       .kind = object->kind,
                       .keep_tag = true};
    if (!noted || imip_store(run, &store, &why, &refused))
        return true;
    if (error_kind(refused) == ERROR_REJECT)
        return true;
    g_propagate_error(error, g_steal_pointer(&refused));
    return false;
}

/* In the open transaction. */
static bool write_result(Sender *sender, GError **error)
{
    const Result *result = &sender->result;
    if (!result->out)
        return true;
    if (!imip_out_end(sender->run->db, result->out, result->state, result->wait_ms, result->why,
                      error))
        return false;
    return result->state != IMIP_FAILED || note_failure(sender, result->out, error);
}

/* What came of the last, and that the next is under way (NULL: there is none). */
static bool turn_over(Sender *sender, const ImipOut *next, GError **error)
{
    Run *run = sender->run;
    bool stays = false;
    const ImipOut *out = next ? next : sender->result.out;
    if (!out)
        return true;
    if (!run_begin(run, false, error) || !account_keep(run->db, out->account, &stays, error))
        return false;
    if (stays && (!account_lock_row(run->db, out->account, error) || !write_result(sender, error) ||
                  (next && !imip_out_begin(run->db, next, 2 * SMTP_WHOLE_MS, error))))
        return false;
    if (!run_checkpoint(run, error))
        return false;
    result_clear(&sender->result);
    return true;
}

/* ---- sending */

static int64_t wait_after(int64_t attempts)
{
    int64_t wait = SMTP_RETRY_MIN_MS;
    for (int64_t i = 0; i < attempts && wait < SMTP_RETRY_MAX_MS; i++)
        wait *= 2;
    return MIN(wait, SMTP_RETRY_MAX_MS);
}

static const char *name_of(const ItipObject *object, const char *address)
{
    const IcalendarItem *first = itip_object_facts(object)->items->pdata[0];
    if (first->organizer && strcmp(first->organizer->address, address) == 0)
        return first->organizer->name;
    for (guint i = 0; i < first->attendees->len; i++) {
        const IcalendarAttendee *attendee = first->attendees->pdata[i];
        if (strcmp(attendee->address, address) == 0)
            return attendee->name;
    }
    return "";
}

/* Why it will never be sent, the caller's; NULL: it can be. */
static char *never(const Sender *sender, const ImipOut *out)
{
    const DutySettings *settings = sender->settings;
    if (!settings->scheduling)
        return g_strdup("calendar.scheduling.enable is off");
    if (!sender->smtp)
        return g_strdup("smtp.relay is not set");
    if (out->recipients > settings->scheduling_max_recipients)
        return g_strdup("there are more recipients than calendar.scheduling.outbound."
                        "max-recipients allows");
    return NULL;
}

static void judge(Sender *sender, ImipOut *take_out, SmtpFate fate, char *take_answer)
{
    Result result = {.out = take_out, .state = IMIP_WAITS, .why = take_answer};
    switch (fate) {
    case SMTP_ACCEPTED:
        result.state = IMIP_SENT;
        sender->sent++;
        break;
    case SMTP_REFUSED:
        result.state = IMIP_FAILED;
        sender->failed++;
        break;
    case SMTP_LATER:
        result.wait_ms = wait_after(take_out->attempts);
        if (take_out->now + result.wait_ms - take_out->at > SMTP_GIVE_UP_MS)
            result.state = IMIP_FAILED;
        sender->failed += result.state == IMIP_FAILED;
        sender->later += result.state != IMIP_FAILED;
        break;
    case SMTP_UNKNOWN: /* as after a crash */
        result.state = IMIP_UNDER_WAY;
        result.wait_ms = SMTP_RETRY_MIN_MS;
        sender->later++;
        break;
    case SMTP_STOPPED:
        break;
    }
    sender->result = result;
}

/* False: the letter cannot be read; it is failed with that. */
static bool send_one(Sender *sender, ImipOut *take_out, GBytes *calendar)
{
    gsize size;
    const char *data = g_bytes_get_data(calendar, &size);
    g_autoptr(GError) why = NULL;
    g_autoptr(ItipObject) object = itip_object_parse(data, size, &icalendar_stored, &why);
    if (!object) {
        judge(sender, take_out, SMTP_REFUSED, g_strdup(why->message));
        return true;
    }
    ImipMail mail = {.method = take_out->method,
                     .from = take_out->sender,
                     .from_name = name_of(object, take_out->sender),
                     .to = take_out->recipient,
                     .message_id = take_out->message_id,
                     .date = take_out->stamp,
                     .object = object,
                     .calendar = calendar};
    g_autoptr(GBytes) bytes = imip_format(&mail);
    const char *text = g_bytes_get_data(bytes, &size);
    SmtpMail out = {take_out->sender, take_out->recipient, text, size, trusts, sender->run};
    char *answer = NULL;
    SmtpFate fate = smtp_send(sender->smtp, &out, &answer);
    sender->run->bytes += (int64_t)size;
    bool nobody = fate == SMTP_LATER && !g_ascii_isdigit(*answer);
    judge(sender, take_out, fate, answer);
    return !nobody;
}

static bool read_next(Run *run, int64_t account, ImipOut **ret, GBytes **ret_calendar,
                      int64_t *ret_due_at, GError **error)
{
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = imip_out_next(run->db, account, ret, ret_due_at, error);
    if (good && *ret)
        good = (*ret_calendar = imip_out_calendar(run->db, *ret, error)) != NULL;
    db_rollback(run->db);
    return good;
}

/* *ret_due_at: when the account is to be looked at again; INT64_MAX: nothing waits. */
static bool send_account(Sender *sender, int64_t account, int64_t *ret_due_at, GError **error)
{
    bool going = true;
    int64_t not_before = INT64_MIN; /* where the relay was not to be had */
    while (going) {
        ImipOut *out = NULL;
        g_autoptr(GBytes) calendar = NULL;
        if (!read_next(sender->run, account, &out, &calendar, ret_due_at, error)) {
            imip_out_free(out);
            return false;
        }
        if (!out)
            break;
        if (!trusts(sender->run)) {
            imip_out_free(out);
            *ret_due_at = 0;
            break;
        }
        char *reason = never(sender, out);
        if (!turn_over(sender, out, error)) {
            imip_out_free(out);
            g_free(reason);
            return false;
        }
        int64_t now = out->now;
        if (reason)
            judge(sender, out, SMTP_REFUSED, reason);
        else
            going = send_one(sender, out, calendar);
        not_before = going ? INT64_MIN : now + SMTP_RETRY_MIN_MS;
    }
    if (!turn_over(sender, NULL, error))
        return false;
    ImipOut *more = NULL;
    g_autoptr(GBytes) unread = NULL;
    bool stopped = *ret_due_at == 0;
    bool good = read_next(sender->run, account, &more, &unread, ret_due_at, error);
    if (stopped)
        *ret_due_at = 0;
    *ret_due_at = MAX(*ret_due_at, not_before);
    imip_out_free(more);
    return good;
}

/* ---- the run */

/* What was decided stays open for the run's end, one commit for both; but mails are sent outside
 * any transaction, and another account is to have one of its own. */
static bool end_taking(Sender *sender, ImipTake *take, int64_t account, unsigned index,
                       int64_t *ret_due_at, GError **error)
{
    Run *run = sender->run;
    g_autoptr(ImipOut) out = NULL;
    if (!imip_out_next(run->db, account, &out, ret_due_at, error))
        return false;
    if (!out && index + 1 == run->count)
        return true;
    take->open = false;
    return run_checkpoint(run, error);
}

static bool run_task(Sender *sender, ImipTake *take, unsigned index, GError **error)
{
    int64_t account, due_at = INT64_MAX;
    bool more = false;
    unsigned before = take->taken + sender->sent;
    take->gathers = index + 1 == sender->run->count;
    bool good = account_run_parse(sender->run, index, 1, &account, error) &&
                imip_take_account(take, account, &more, error);
    if (!good)
        return false;
    if (more)
        due_at = 0;
    else if (take->open && !end_taking(sender, take, account, index, &due_at, error))
        return false;
    else if (!take->open && !send_account(sender, account, &due_at, error))
        return false;
    if (due_at != INT64_MAX)
        run_again(sender->run, index, due_at);
    run_note_work(sender->run, index, 1 + take->taken + sender->sent - before);
    return true;
}

static bool run_imip(Run *run, GError **error)
{
    const DutySettings *settings = run->settings;
    const SmtpConfig *config = settings->smtp && *settings->smtp->relay ? settings->smtp : NULL;
    Sender sender = {.run = run, .settings = settings, .smtp = config ? smtp_new(config) : NULL};
    ImipTake take = {.run = run, .settings = settings};
    bool good = true;
    for (unsigned i = 0; i < run->count && good; i++)
        good = run_task(&sender, &take, i, error);
    smtp_free(sender.smtp);
    result_clear(&sender.result);
    g_string_append_printf(run->detail,
                           "%u letters, %u changed a calendar; %u sent, %u failed, %u later",
                           take.taken, take.changed, sender.sent, sender.failed, sender.later);
    return good;
}

const Handler imip_processing_handler = {.run = run_imip};
