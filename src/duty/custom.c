/* custom: roles of the operator's own: a command, run once for each shard or each account.
 *
 * How it fits: the settings make a CustomDuty and a Role of each; all of them have this handler,
 * which finds its duty by the role's name. base/child starts the command and ends it.
 *
 * A command is an effect outside the store. So it begins only after a committed intent (a key of
 * model/expiring) under a valid lease, and its guard ends it when that lease is over, before
 * another node can claim the task. The intent goes when the command's end is known; one that is
 * still there tells the next run that this command was begun before and cut off (ROTA_AGAIN).
 *
 * With for-each a round runs nothing: it enqueues the first page of the shard's accounts and a task
 * that goes on with the next one, "accounts/SHARD/DUE". Each page is one transaction, ended with
 * its task, so that no account is enqueued twice by one round, wherever that is cut off.
 *
 * Failures: exit 75 is tried again for as long as it says so; everything else is a failed run, with
 * the end of the output as its error. Known weak points: a lane is held while its command runs, and
 * looks ten times a second whether it is to end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/child.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "base/units.h"
#include "model/account_tasks.h"
#include "model/expiring.h"
#include "duty/duty.h"

#define LOOK_MS       100  /* between two looks at the lease and the wish to stop */
#define STOP_GRACE_MS 5000 /* for a command to end by itself, where there is time */
#define DETAIL_BYTES  200  /* of a good run's output */
#define WHY_BYTES     200  /* before the output, in a failed run's error */
#define INTENT        "command"
#define INTENT_TTL_MS (30 * INT64_C(86400000)) /* of one that nobody came back for */
#define PAGE_PREFIX   "accounts/"

/* One command that is to run. */
typedef struct {
    Run *run;
    const CustomDuty *duty;
    int64_t account; /* 0: for a shard */
    char *address;   /* owned; NULL: for a shard */
    char *id;        /* owned: "custom.backup:round//2" */
    bool again;      /* begun before, and its end is not known */
    bool timed_out, stopped;
} Command;

static void command_clear(Command *command)
{
    g_free(command->address);
    g_free(command->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Command, command_clear)

static const CustomDuty *get_duty(const Run *run)
{
    const DutySettings *settings = run->settings;
    for (unsigned i = 0; i < settings->custom_count; i++)
        if (strcmp(settings->customs[i].role, run->role) == 0)
            return &settings->customs[i];
    must_fail("the settings have the role", __FILE__, __LINE__);
}

/* ---------------------------------------------------------------- accounts, page by page */

static bool enqueue_page(Run *run, GError **error)
{
    const RunTask *task = &run->tasks[0];
    AccountTasks page = {.role = run->role,
                         .shard = run->shard,
                         .shards = run->shards,
                         .limit = CUSTOM_PAGE_ACCOUNTS,
                         .bucket = -1};
    bool first = !g_str_has_prefix(task->key, PAGE_PREFIX);
    if (!first && sscanf(task->payload, "shard %u of %u after %" SCNd64 " %" SCNd64, &page.shard,
                         &page.shards, &page.bucket, &page.account) != 4)
        return fail(error, ERROR_REJECT, "the page \"%s\" is not of its form", task->payload);
    if (page.shard < 1 || page.shard > page.shards || page.shards > SHARDS_MAX)
        return fail(error, ERROR_REJECT, "the page \"%s\" is of no shard", task->payload);
    if (!run_begin(run, false, error) || !account_tasks_add(run->db, &page, error))
        return false;
    g_string_append_printf(run->detail, "%u accounts%s", page.added,
                           page.ended ? "" : ", and more to come");
    if (page.ended)
        return true;
    g_autofree char *key =
        first ? g_strdup_printf(PAGE_PREFIX "%u/%" PRId64, page.shard, task->due_at)
              : g_strdup(task->key);
    g_autofree char *payload = g_strdup_printf("shard %u of %u after %" PRId64 " %" PRId64,
                                               page.shard, page.shards, page.bucket, page.account);
    return account_tasks_next(run->db, &page, key, payload, error);
}

/* ---------------------------------------------------------------- what the command gets */

static void add_number(GPtrArray *env, const char *name, int64_t number)
{
    g_ptr_array_add(env, g_strdup_printf("%s=%" PRId64, name, number));
}

static GPtrArray *environment_of(const Command *command)
{
    const Run *run = command->run;
    GPtrArray *env = g_ptr_array_new_with_free_func(g_free);
    for (char **entry = command->duty->environment; *entry; entry++)
        g_ptr_array_add(env, g_strdup(*entry));
    g_ptr_array_add(env, g_strdup_printf("ROTA_ROLE=%s", run->role));
    g_ptr_array_add(env, g_strdup_printf("ROTA_TASK=%s", command->id));
    add_number(env, "ROTA_SHARD", run->shard);
    add_number(env, "ROTA_SHARDS", run->shards);
    add_number(env, "ROTA_ATTEMPT", (int64_t)run->tasks[0].attempts + 1);
    add_number(env, "ROTA_AGAIN", command->again);
    if (command->address) {
        add_number(env, "ROTA_ACCOUNT", command->account);
        g_ptr_array_add(env, g_strdup_printf("ROTA_ADDRESS=%s", command->address));
    }
    g_ptr_array_add(env, NULL);
    return env;
}

/* ---------------------------------------------------------------- the intent */

static bool note_begin(Command *command, GError **error)
{
    Run *run = command->run;
    ExpiringNew key = {
        .account = command->account, .kind = INTENT, .key = command->id, .ttl_ms = INTENT_TTL_MS};
    bool added = false;
    if (!run_begin(run, false, error) || !expiring_add_many(run->db, &key, 1, &added, error) ||
        !run_checkpoint(run, error))
        return false;
    command->again = !added;
    return true;
}

/* In a transaction that stays open. */
static bool note_end(const Command *command, GError **error)
{
    Run *run = command->run;
    return run_begin(run, false, error) &&
           expiring_remove(run->db, command->account, INTENT, command->id, error);
}

/* ---------------------------------------------------------------- running it */

/* The lease's end on the machine's clock. That one is read first: a pause between the two readings
 * makes it earlier. */
static int64_t allowed_until_us(const Run *run)
{
    int64_t real = clock_monotonic_us(clock_real());
    return real + run_trusted_until_us(run) - clock_monotonic_us(run->clock);
}

static void follow(Command *command, Child *child)
{
    const Run *run = command->run;
    int64_t end_us = clock_monotonic_us(run->clock) + command->duty->timeout_ms * 1000;
    while (!child_wait(child, LOOK_MS)) {
        command->timed_out |= !command->stopped && clock_monotonic_us(run->clock) >= end_us;
        command->stopped |= !command->timed_out && run_should_stop(run);
        if (command->timed_out || command->stopped)
            child_stop(child, STOP_GRACE_MS);
        if (run_trusted_until_us(run) != 0)
            child_allow(child, allowed_until_us(run));
    }
}

/* How it ended, in words; NULL: well. The caller frees it. */
static char *describe_end(const Command *command, ChildEnd end)
{
    const char *program = command->duty->command[0];
    g_autofree char *limit = units_format_duration(command->duty->timeout_ms);
    if (end.kind == CHILD_NOT_STARTED)
        return g_strdup_printf("could not start \"%.80s\": %s", program, g_strerror(end.value));
    if (end.kind == CHILD_NO_FOLDER)
        return g_strdup_printf("could not start \"%.40s\" in the directory \"%.40s\": %s", program,
                               command->duty->directory, g_strerror(end.value));
    if (command->timed_out)
        return g_strdup_printf("ran longer than %s (timeout) and was ended", limit);
    switch (end.kind) {
    case CHILD_EXITED:
        if (end.value == EX_TEMPFAIL)
            return g_strdup_printf("exit status %d: it is to be tried again", end.value);
        return end.value ? g_strdup_printf("exit status %d", end.value) : NULL;
    case CHILD_SIGNALLED:
        return g_strdup_printf("signal %d (%s)", end.value, g_strsignal(end.value));
    case CHILD_LOST:
        return g_strdup("its guard was killed, and it with that");
    case CHILD_NOT_STARTED:
    case CHILD_NO_FOLDER:
        break;
    }
    return NULL;
}

static bool end_badly(Command *command, const Child *child, const char *why, GError **error)
{
    ChildEnd end = child_end(child);
    g_autofree char *output = child_output(child, TASK_ERROR_BYTES_MAX - WHY_BYTES);
    if (end.kind == CHILD_EXITED && end.value == EX_TEMPFAIL && !command->timed_out)
        run_be_patient(command->run);
    if (!note_end(command, error) || !run_checkpoint(command->run, error))
        return false;
    return fail(error, ERROR_REJECT, "%s%s%s", why, *output ? "; its output ends: " : "", output);
}

static bool end_well(const Command *command, const Child *child, GError **error)
{
    g_autofree char *output = child_output(child, DETAIL_BYTES);
    g_strdelimit(output, "\n", ' ');
    g_string_append(command->run->detail, *output ? output : "done");
    if (command->again)
        g_string_append(command->run->detail, " (an earlier try was cut off)");
    if (child_end(child).left)
        g_string_append(command->run->detail, " (it left processes running, which were ended)");
    return note_end(command, error);
}

static bool run_command(Command *command, GError **error)
{
    const Run *run = command->run;
    if (!note_begin(command, error))
        return false;
    if (run_should_stop(run))
        return fail(error, ERROR_STOPPED, "the node stops");
    g_autoptr(GPtrArray) env = environment_of(command);
    ChildAsk ask = {.argv = (const char *const *)command->duty->command,
                    .env = (const char *const *)env->pdata,
                    .directory = command->duty->directory,
                    .until_us = allowed_until_us(run)};
    g_autoptr(Child) child = child_start(&ask, error);
    if (!child)
        return false;
    follow(command, child);
    ChildEnd end = child_end(child);
    g_autofree char *why = describe_end(command, end);
    /* A service manager may have ended the command before we have heard of the stop ourselves. */
    bool stopped = command->stopped || (why && !command->timed_out && run_should_stop(run));
    if (stopped || end.late)
        return fail(error, ERROR_STOPPED, "the command was ended: the node %s",
                    end.late ? "could not renew its lease" : "stops");
    return why ? end_badly(command, child, why, error) : end_well(command, child, error);
}

/* ---------------------------------------------------------------- which of these it is */

static bool is_account_key(const char *key)
{
    return *key && key[strspn(key, "0123456789")] == '\0';
}

/* The account's address; NULL where the task has nothing to do any more. */
static bool read_account(Command *command, GError **error)
{
    Run *run = command->run;
    command->account = g_ascii_strtoll(run->tasks[0].key, NULL, 10);
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = account_tasks_address(run->db, command->account, &command->address, error);
    db_rollback(run->db);
    return good;
}

static bool run_custom(Run *run, GError **error)
{
    MUST(run->count == 1);
    const char *key = run->tasks[0].key;
    g_auto(Command) command = {
        .run = run, .duty = get_duty(run), .id = g_strdup_printf("%s:%s", run->role, key)};
    bool each = command.duty->each == CUSTOM_EACH_ACCOUNT;
    bool account = is_account_key(key);
    if (!each && (account || g_str_has_prefix(key, PAGE_PREFIX))) {
        /* for-each was taken away since */
        g_string_append(run->detail, "it is no longer done for each account");
        return true;
    }
    if (each && !account)
        return enqueue_page(run, error);
    if (account && !read_account(&command, error))
        return false;
    if (account && !command.address) {
        g_string_append(run->detail, "the account is gone");
        return true;
    }
    return run_command(&command, error);
}

const Handler custom_handler = {.run = run_custom};
