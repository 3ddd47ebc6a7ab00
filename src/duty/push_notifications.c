/* push_notifications: tells people's devices that something has changed (RFC 8620 §7.2).
 *
 * How it fits: whoever changes something of an account with subscribers adds a task with the
 * account's id as its key (model/change.c, model/deliver.c). A run takes many accounts, so that
 * many pushes are in flight at once over few connections (push_wire.c).
 *
 * A push is an effect outside the store, so that it cannot be made exactly once. What is kept:
 * a state is sent once, but where its fate is not known. A run
 *   1. looks what each subscription has to be told (one snapshot);
 *   2. notes in each one's outbox what is about to be sent, under the fence, and commits that;
 *   3. sends. Each push asks again, when its connection is there and nothing is written yet,
 *      whether the node still trusts its lease: one that does not starts none;
 *   4. writes what came of each, soon after it came, also under the fence.
 * Who finds something in an outbox does not know whether it was sent: it waits until what may be in
 * flight has ended, sends the newest state, the same one again only if there is no newer, always
 * with the same Topic, so that the push service replaces what it still holds, and counts what was
 * the same.
 *
 * What fails is tried again after attempts.interval, attempts.max times, then after retry.interval
 * (the subscription's own breaker), with the newest state of that time; the task waits in the queue
 * for it. A push service that fails for everybody has a breaker of its own (model/push_origin.c).
 * Several changes in jmap.push.throttle are one push. Alarms that are to be shown go first
 * (push_alerts.c).
 *
 * Failures: the store's, handed up; the push services' are no failures of the task. Known weak
 * points: a lane is busy until the slowest push of its batch has ended, PUSH_WHOLE_MS at worst; a
 * process that is stopped between the last look at its lease and the write, and goes on later,
 * sends what another node may have sent again (that is counted there).
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_push.h"
#include "model/account.h"
#include "model/push_origin.h"
#include "duty/account_run.h"
#include "duty/duty.h"
#include "duty/push_alerts.h"
#include "duty/push_wire.h"

#define STEP_MS      50 /* between two looks at what came, and at the wish to stop */
#define SAVE_COUNT   64 /* results that are written at once */
#define SAVE_TRIES   5
#define SAVE_WAIT_US 50000
#define STOP_MS      1500 /* what is in flight may end, when the node stops */

/* A push service in this run. */
typedef struct {
    PushOrigin before;
    unsigned started, failures;
    bool good;
    char why[PUSH_ERROR_LETTERS_MAX + 1];
} Origin;

typedef struct Sending Sending;
typedef struct {
    Sending *sending;
    unsigned task;
    Subscription *to; /* borrowed */
    Origin *origin;
    int64_t seq;
    bool noted; /* in the outbox, by us */
    bool ended, saved;
    PushEnd end;
    char *why; /* owned; the end's error */
} Push;

struct Sending {
    Run *run;
    const DutySettings *settings;
    GPtrArray *lists;    /* of the subscriptions of each task */
    GArray *seen;        /* of Subscription *, borrowed: whose place in the log is to be kept */
    GPtrArray *pushes;   /* of Push, owned */
    GHashTable *origins; /* origin, borrowed → Origin, owned */
    int64_t *again_at;   /* of each task: the store's ms; 0: not */
    int64_t now;         /* the store's, as the run began */
    int64_t began_us;
    unsigned unsaved;
    PushLine *line;
    PushAlerts *alerts;
};

static void push_free(gpointer data)
{
    Push *push = data;
    g_free(push->why);
    g_free(push);
}

static void sending_clear(Sending *sending)
{
    push_line_close(sending->line);
    push_alerts_free(sending->alerts);
    g_ptr_array_unref(sending->pushes);
    g_array_unref(sending->seen);
    g_hash_table_unref(sending->origins);
    g_ptr_array_unref(sending->lists);
    g_free(sending->again_at);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sending, sending_clear)

static void list_free(gpointer data)
{
    g_ptr_array_unref(data);
}

static void sending_init(Sending *sending, Run *run)
{
    *sending = (Sending){
        .run = run,
        .settings = run->settings,
        .lists = g_ptr_array_new_with_free_func(list_free),
        .seen = g_array_new(FALSE, FALSE, sizeof(Subscription *)),
        .pushes = g_ptr_array_new_with_free_func(push_free),
        .origins = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free),
        .again_at = g_new0(int64_t, run->count),
        .began_us = clock_monotonic_us(run->clock),
        .alerts = push_alerts_new(run),
    };
}

/* ---------------------------------------------------------------- what is to be sent */

static void come_again(Sending *sending, unsigned task, int64_t at)
{
    int64_t *again_at = &sending->again_at[task];
    *again_at = *again_at ? MIN(*again_at, at) : at;
}

/* The number to be sent; 0: nothing. *ret_at: not before. */
static int64_t find_due(const Sending *sending, const Subscription *to, int64_t *ret_at)
{
    int64_t seq = 0;
    *ret_at = to->next_at;
    switch (to->stage) {
    case SUBSCRIPTION_NEW:
        seq = SUBSCRIPTION_VERIFIES;
        break;
    case SUBSCRIPTION_ASKED:
        break;
    case SUBSCRIPTION_VERIFIED:
        seq = subscription_wanted(to);
        if (seq <= to->pushed_seq)
            seq = 0;
        *ret_at = MAX(*ret_at, to->pushed_at + sending->settings->push_throttle_ms);
        break;
    }
    /* Perhaps it is in flight still, from a node that is gone or was stopped. */
    if (to->sending_seq != 0)
        *ret_at = MAX(*ret_at, to->sending_at + PUSH_WHOLE_MS);
    return seq;
}

static Origin *get_origin(Sending *sending, const char *name, GError **error)
{
    Origin *origin = g_hash_table_lookup(sending->origins, name);
    if (origin)
        return origin;
    PushOrigin before;
    if (!push_origin_find(sending->run->db, name, &before, error))
        return NULL;
    origin = g_new0(Origin, 1);
    origin->before = before;
    g_hash_table_insert(sending->origins, (char *)(uintptr_t)name, origin);
    return origin;
}

/* When a push service may be asked; one that failed is tried with one push. */
static int64_t origin_ready_at(const Sending *sending, const Origin *origin)
{
    if (origin->before.failures < PUSH_ORIGIN_FAILURES)
        return 0;
    if (origin->before.open_until > sending->now)
        return origin->before.open_until +
               (int64_t)rand_below(sending->run->rand, PUSH_ORIGIN_REST_MS / 4);
    return origin->started == 0 ? 0 : sending->now + 1000;
}

static bool plan(Sending *sending, unsigned task, Subscription *to, GError **error)
{
    int64_t at, seq = find_due(sending, to, &at);
    if (seq == 0) {
        if (to->seen_seq - to->saved_seq > PUSH_SEEN_MAX)
            g_array_append_val(sending->seen, to);
        return true;
    }
    Origin *origin = NULL;
    if (at <= sending->now) {
        origin = get_origin(sending, to->origin, error);
        if (!origin)
            return false;
        at = origin_ready_at(sending, origin);
    }
    if (at > sending->now || sending->pushes->len >= PUSH_BATCH_MAX) {
        come_again(sending, task, MAX(at, sending->now));
        return true;
    }
    Push *push = g_new0(Push, 1);
    *push = (Push){.sending = sending, .task = task, .to = to, .origin = origin, .seq = seq};
    origin->started++;
    g_ptr_array_add(sending->pushes, push);
    return true;
}

static bool look(Sending *sending, GError **error)
{
    Run *run = sending->run;
    if (!db_begin(run->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(run->db);
    for (unsigned i = 0; i < run->count; i++) {
        int64_t account;
        if (!account_run_parse(run, i, 1, &account, error))
            return false;
        GPtrArray *list = subscription_read(run->db, account, &sending->now, error);
        if (!list)
            return false;
        g_ptr_array_add(sending->lists, list);
        if (!push_alerts_look(sending->alerts, i, list, sending->now, &sending->again_at[i], error))
            return false;
        for (unsigned k = 0; k < list->len; k++)
            if (!plan(sending, i, g_ptr_array_index(list, k), error))
                return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the outbox */

static bool note_all(Sending *sending, GError **error)
{
    Run *run = sending->run;
    if (sending->pushes->len + sending->seen->len == 0)
        return true;
    if (!run_begin(run, false, error))
        return false;
    for (unsigned i = 0; i < sending->seen->len; i++)
        if (!subscription_note_seen(run->db, g_array_index(sending->seen, Subscription *, i),
                                    error))
            return false;
    unsigned count = sending->pushes->len;
    g_autofree const Subscription **devices = g_new(const Subscription *, MAX(count, 1));
    g_autofree int64_t *seqs = g_new(int64_t, MAX(count, 1));
    g_autofree bool *noted = g_new0(bool, MAX(count, 1));
    for (unsigned i = 0; i < count; i++) {
        const Push *push = g_ptr_array_index(sending->pushes, i);
        devices[i] = push->to;
        seqs[i] = push->seq;
    }
    if (!subscription_note_sending(run->db, devices, seqs, count, noted, error))
        return false;
    for (unsigned i = 0; i < count; i++) {
        Push *push = g_ptr_array_index(sending->pushes, i);
        push->noted = noted[i];
        push->ended = push->saved = !push->noted;
    }
    /* Not known: nothing is sent; who comes next finds what was noted and takes it for sent. */
    return run_checkpoint(run, error);
}

/* Accounts before subscriptions, as those do who come from JMAP. One that is gone has none. */
static bool lock_account(Db *db, int64_t account, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (account_lock_row(db, account, &why) || error_kind(why) == ERROR_GONE)
        return true;
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool write_ends(Sending *sending, GError **error)
{
    Run *run = sending->run;
    g_autoptr(GArray) results = g_array_new(FALSE, FALSE, sizeof(PushResult));
    if (!run_begin(run, false, error))
        return false;
    for (unsigned i = 0; i < sending->pushes->len; i++) {
        const Push *push = g_ptr_array_index(sending->pushes, i);
        if (!push->ended || push->saved)
            continue;
        PushResult result = {.to = push->to, .seq = push->seq, .end = push->end};
        g_array_append_val(results, result);
        if (push->end.kind == PUSH_ENDED && !lock_account(run->db, push->to->account, error))
            return false;
    }
    return subscription_note_ends(run->db, (const PushResult *)(const void *)results->data,
                                  results->len, error) &&
           run_checkpoint(run, error);
}

/* Writes what came of pushes since the last time, by transactions of its own: what is known is not
 * to wait for what is slow, nor to be lost with it. A commit whose outcome is not known is made
 * again: an end that is written already changes nothing. */
static bool save(Sending *sending, GError **error)
{
    if (sending->unsaved == 0)
        return true;
    for (unsigned try = 1;; try++) {
        g_autoptr(GError) why = NULL;
        if (write_ends(sending, &why))
            break;
        db_rollback(sending->run->db);
        bool again = error_kind(why) == ERROR_RETRY || error_kind(why) == ERROR_UNKNOWN;
        if (!again || try >= SAVE_TRIES) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        run_pause(sending->run, try * SAVE_WAIT_US);
    }
    for (unsigned i = 0; i < sending->pushes->len; i++) {
        Push *push = g_ptr_array_index(sending->pushes, i);
        push->saved = push->ended;
    }
    sending->unsaved = 0;
    return true;
}

/* ---------------------------------------------------------------- what came of a push */

/* The store's clock, about: a little later, so that what waits for it is due then. */
static int64_t now_of(const Sending *sending)
{
    int64_t since_us = clock_monotonic_us(sending->run->clock) - sending->began_us;
    return sending->now + since_us / 1000 + STEP_MS;
}

static void end_push(Push *push, PushEnd end, const char *why)
{
    g_free(push->why);
    push->why = g_strdup(why);
    end.error = push->why;
    push->end = end;
    push->ended = true;
    push->sending->unsaved++;
    if (end.kind == PUSH_FAILED || end.kind == PUSH_UNKNOWN)
        come_again(push->sending, push->task, now_of(push->sending) + end.wait_ms);
    if (end.kind == PUSH_NOT_SENT)
        come_again(push->sending, push->task, now_of(push->sending));
}

static void blame_origin(Push *push, const char *why)
{
    push->origin->failures++;
    g_strlcpy(push->origin->why, why, sizeof push->origin->why);
}

static void judge_one(Push *push, const FetchAnswer *answer, const GError *error)
{
    g_autofree char *why = NULL;
    PushBlame blame;
    const PushJudgeAsk ask = {answer, error, push->to, push->sending->settings, push->sending->now};
    PushEnd end = push_judge(&ask, &why, &blame);
    switch (blame) {
    case PUSH_BLAMES_NOBODY:
        break;
    case PUSH_SERVICE_IS_WELL:
        push->origin->good = true;
        break;
    case PUSH_SERVICE_FAILS:
        blame_origin(push, why);
        break;
    }
    end_push(push, end, why);
}

/* ---------------------------------------------------------------- sending */

static bool trusts(const Run *run)
{
    return clock_monotonic_us(run->clock) + PUSH_LEASE_MARGIN_MS * 1000 < run_trusted_until_us(run);
}

static bool may_send(void *data)
{
    const Push *push = data;
    return trusts(push->sending->run) && !run_should_stop(push->sending->run);
}

static void start_all(Sending *sending)
{
    for (unsigned i = 0; i < sending->pushes->len; i++) {
        Push *push = g_ptr_array_index(sending->pushes, i);
        if (push->ended)
            continue;
        g_autoptr(GError) why = NULL;
        if (!may_send(push))
            end_push(push, (PushEnd){.kind = PUSH_NOT_SENT}, NULL);
        else if (!push_line_send(sending->line,
                                 &(PushAsk){.to = push->to,
                                            .seq = push->seq,
                                            .now_ms = sending->now,
                                            .may_send = may_send,
                                            .data = push},
                                 &why))
            judge_one(push, NULL, why);
    }
}

/* What is in flight when the node stops, or when its lease is gone, has no end that we know. */
static void give_up(Sending *sending)
{
    push_line_close(g_steal_pointer(&sending->line));
    for (unsigned i = 0; i < sending->pushes->len; i++) {
        Push *push = g_ptr_array_index(sending->pushes, i);
        if (!push->ended)
            end_push(push, (PushEnd){.kind = PUSH_UNKNOWN}, "the node stopped");
    }
}

static bool follow_all(Sending *sending, GError **error)
{
    const Run *run = sending->run;
    int64_t saved_us = clock_monotonic_us(run->clock), stop_us = 0;
    while (push_line_in_flight(sending->line) > 0) {
        FetchAnswer *answer = push_line_next(sending->line, STEP_MS);
        int64_t now_us = clock_monotonic_us(run->clock);
        if (answer) {
            judge_one(answer->data, answer, answer->error);
            fetch_answer_free(answer);
        }
        bool late = now_us - saved_us >= STEP_MS * 1000;
        if (sending->unsaved >= SAVE_COUNT || (sending->unsaved > 0 && late)) {
            if (!save(sending, error))
                return false;
            saved_us = now_us;
        }
        if (run_should_stop(run) && stop_us == 0)
            stop_us = now_us + STOP_MS * 1000;
        if (stop_us != 0 && now_us >= stop_us) {
            give_up(sending);
            break;
        }
    }
    return save(sending, error);
}

/* ---------------------------------------------------------------- the end */

static bool note_origins(Sending *sending, GError **error)
{
    Run *run = sending->run;
    GHashTableIter iter;
    gpointer name, value;
    bool begun = false;
    g_hash_table_iter_init(&iter, sending->origins);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const Origin *origin = value;
        bool heals = origin->good && origin->failures == 0 && origin->before.failures > 0;
        if (!heals && (origin->failures == 0 || origin->good))
            continue;
        if (!begun && !run_begin(run, true, error))
            return false;
        begun = true;
        bool good =
            heals ? push_origin_note_good(run->db, name, error)
                  : push_origin_note_failures(run->db, name, origin->failures, origin->why, error);
        if (!good)
            return false;
    }
    return true;
}

static void tell(const Sending *sending)
{
    static const char *const words[] = {[PUSH_SENT] = "pushed",
                                        [PUSH_FAILED] = "failed",
                                        [PUSH_UNKNOWN] = "of unknown fate",
                                        [PUSH_NOT_SENT] = "not sent",
                                        [PUSH_ENDED] = "ended"};
    unsigned counts[G_N_ELEMENTS(words)] = {0}, told = 0;
    for (unsigned i = 0; i < sending->pushes->len; i++) {
        const Push *push = g_ptr_array_index(sending->pushes, i);
        if (push->noted)
            counts[push->end.kind]++;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
        if (counts[i])
            g_string_append_printf(sending->run->detail, "%s%u %s", told++ ? ", " : "", counts[i],
                                   words[i]);
    if (told == 0)
        g_string_append(sending->run->detail, "nothing to push");
}

static bool push_all(Run *run, GError **error)
{
    g_auto(Sending) sending;
    sending_init(&sending, run);
    if (!look(&sending, error))
        return false;
    bool rings = push_alerts_any(sending.alerts), sends = sending.pushes->len > 0;
    if (sends || rings) /* before anything is noted, so that nothing is noted for nothing */
        sending.line = push_line_open(sending.settings->push, run->db, error);
    if ((sends || rings) && !sending.line)
        return false;
    if ((rings && !push_alerts_send(sending.alerts, sending.line, sending.again_at, error)) ||
        !note_all(&sending, error))
        return false;
    if (sends) {
        start_all(&sending);
        if (!follow_all(&sending, error))
            return false;
    }
    if (!note_origins(&sending, error))
        return false;
    for (unsigned i = 0; i < run->count; i++) {
        run_note_work(run, i, ((GPtrArray *)g_ptr_array_index(sending.lists, i))->len);
        if (sending.again_at[i])
            run_again(run, i, sending.again_at[i]);
    }
    tell(&sending);
    return true;
}

/* The store's trouble is no fault of the task: an account whose task was buried for it would be
 * told nothing until its next change. */
static bool run_push(Run *run, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (push_all(run, &why))
        return true;
    if (error_kind(why) == ERROR_RETRY || error_kind(why) == ERROR_UNKNOWN)
        run_be_patient(run);
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

const Handler push_notifications_handler = {.run = run_push};
