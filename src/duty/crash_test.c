/* crash_test: a process that does a role's work is killed at each step of it, one step after the
 * other, and another node ends what it began.
 *
 * A step is a call at the store's door: whatever a handler does between two of them is lost with
 * its process, so that death before each call, and after the last, is death anywhere. The one who
 * dies is this program, started anew with --die (a copy made by fork would share SQLite's locks),
 * and it dies of SIGKILL. That its lease has run out is written into its row, instead of waiting
 * for it; seeing that and taking over is the other node's own work.
 *
 * For each step: the work is done, once; nothing else has changed; the mail tables agree.
 */
#include "support.h"
#include "duty_support.h"
#include "imip_support.h"
#include "model_support.h"
#include "purge_support.h"
#include "metrics_support.h"
#include "push_support.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "crash_acme_test.h"
#include "db/fault.h"
#include "duty/push_wire.h"
#include "remote/smtp.h"
#include "model/calendar_alert.h"
#include "model/email.h"

#define LETTERS    3
#define GUESTS     20
#define POINTS_MAX 500
#define DAY        (24 * (int64_t)3600000)

static DutySettings settings = {.metrics_recount_ms = 1,
                                .undelete_retention_ms = 3600000,
                                .auto_expunge_ms = 30 * DAY,
                                .changes_max_history = 10000,
                                .account_retention_ms = 30 * DAY,
                                .history_retention_ms = 30 * DAY,
                                .calendar_max_expansions = 100,
                                .spam_min_samples = 2};

/* What is walked. `plant` makes work number n of the test, `verify` looks at what has become of it.
 */
typedef struct {
    const char *role; /* NULL: the delivery of letters */
    void (*plant)(Db *db, unsigned n);
    void (*verify)(Db *db, unsigned n);
    unsigned points; /* there are at least so many places to die at */
} CrashCase;

/* ---------------------------------------------------------------- letters */

static void deliver_letter(Db *db, int64_t account, unsigned n, unsigned i, Delivered *ret)
{
    g_autofree char *body = g_strdup_printf("apple number%u of %u\r\n", i, n);
    g_autofree char *key = g_strdup_printf("letter %u %u", n, i);
    g_autoptr(Letter) letter = model_letter("", NULL, "test", body);
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    g_autoptr(GError) error = NULL;
    if (!deliver_many(db, &delivery, 1, ret, &error))
        fail_msg("delivery: %s", error->message);
}

static int64_t account_number(Db *db, unsigned n)
{
    g_autofree char *sql =
        g_strdup_printf("SELECT id FROM account WHERE address = 'ada%u@example.org'", n);
    return model_count(db, sql);
}

static int64_t plant_account(Db *db, unsigned n, unsigned letters)
{
    g_autofree char *address = g_strdup_printf("ada%u@example.org", n);
    int64_t account = model_account(db, address, 0);
    for (unsigned i = 0; i < letters; i++) {
        Delivered delivered;
        deliver_letter(db, account, n, i, &delivered);
        assert_int_equal(delivered.result, DELIVER_STORED);
    }
    return account;
}

static int64_t count_of(Db *db, const char *format, ...) G_GNUC_PRINTF(2, 3);
static int64_t count_of(Db *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *sql = g_strdup_vprintf(format, args);
    va_end(args);
    return model_count(db, sql);
}

/* ---------------------------------------------------------------- the cases */

static void delivery_plant(Db *db, unsigned n)
{
    plant_account(db, n, 0);
}

static void delivery_act(Db *db, unsigned n)
{
    int64_t account = account_number(db, n);
    for (unsigned i = 0; i < LETTERS; i++) {
        Delivered delivered;
        deliver_letter(db, account, n, i, &delivered);
        assert_true(delivered.result == DELIVER_STORED || delivered.result == DELIVER_DUPLICATE);
    }
}

static void delivery_verify(Db *db, unsigned n)
{
    assert_int_equal(
        count_of(db, "SELECT used_messages FROM account WHERE id = %d", (int)account_number(db, n)),
        LETTERS);
    assert_int_equal(count_of(db,
                              "SELECT count(*) FROM task WHERE role = 'fts-indexing' AND "
                              "key = '%d'",
                              (int)account_number(db, n)),
                     1);
}

static void index_plant(Db *db, unsigned n)
{
    plant_account(db, n, LETTERS);
}

static void index_verify(Db *db, unsigned n)
{
    bool sqlite = db_kind(db) == DB_SQLITE;
    int account = (int)account_number(db, n);
    assert_int_equal(count_of(db,
                              sqlite ? "SELECT count(*) FROM search_index WHERE rowid >> 32 = %d"
                                     : "SELECT count(*) FROM search_index WHERE account = %d",
                              account),
                     LETTERS);
}

/* Two of spam and two of ham in account 1, so that there is a model; then two more in each. */
static void bayes_plant(Db *db, unsigned n)
{
    int64_t account = plant_account(db, n, 4);
    for (unsigned i = 1; i <= 4; i++) {
        g_autoptr(GError) error = NULL;
        assert_true(db_begin(db, DB_WRITE, &error));
        email_set_keyword(db, account, i, i % 2 ? "$junk" : "$notjunk", true, &error);
        assert_no_error(error);
        assert_int_equal(db_commit(db, &error), DB_DONE);
    }
    purge_exec(db, "DELETE FROM task WHERE role = 'fts-indexing'");
    purge_exec(db, "UPDATE task SET due_at = rota_now() WHERE role = 'bayes-training'");
}

static void bayes_verify(Db *db, unsigned n)
{
    assert_int_equal(model_count(db, "SELECT spam * 1000 + ham FROM spam_model WHERE account = 0"),
                     2 * n * 1001);
}

static void stores_plant(Db *db, unsigned n)
{
    for (unsigned i = 0; i < LETTERS; i++)
        purge_exec(db,
                   "INSERT INTO expiring (account, kind, key, value, expires_at) VALUES (%u, "
                   "'delivery', 'k%u', '1/2', rota_now() - 1000)",
                   n, i);
    int64_t account = plant_account(db, n, LETTERS);
    for (unsigned i = 1; i <= LETTERS; i++) {
        g_autoptr(GError) error = NULL;
        assert_true(db_begin(db, DB_WRITE, &error));
        email_destroy(db, account, i, &error);
        assert_no_error(error);
        assert_int_equal(db_commit(db, &error), DB_DONE);
    }
    purge_exec(db, "DELETE FROM task");
    purge_exec(db, "UPDATE blob_loose SET since = since - %d", (int)DAY);
    purge_exec(db, "UPDATE blob SET touched_at = touched_at - %d", (int)DAY);
    purge_ask_round(db, "purge.stores", NULL);
}

static void stores_verify(Db *db, unsigned n)
{
    assert_int_equal(count_of(db, "SELECT count(*) FROM expiring WHERE value = '1/2'"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob"), 1); /* Bob's */
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task_history WHERE outcome = 'done'"),
                     n);
}

static void accounts_plant(Db *db, unsigned n)
{
    int64_t account = plant_account(db, n, LETTERS);
    g_autofree char *address = g_strdup_printf("ada%u@example.org", n);
    g_autoptr(GError) error = NULL;
    account_delete(db, address, &error);
    assert_no_error(error);
    purge_exec(db, "UPDATE account SET deleted_at = 1 WHERE id = %d", (int)account);
    purge_exec(db, "DELETE FROM task");
    purge_ask_round(db, "purge.accounts", NULL);
}

static void accounts_verify(Db *db, unsigned n)
{
    assert_int_equal(model_count(db, "SELECT count(*) FROM account"), 1); /* Bob */
    assert_int_equal(model_count(db, "SELECT count(*) FROM email"), 1);
    assert_int_equal(model_count(db, "SELECT count(*) FROM mailbox WHERE account <> 1"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task_history WHERE outcome = 'done'"),
                     n);
}

/* The push service lives here, while those who push to it die. */
static PushService service;

static void push_plant(Db *db, unsigned n)
{
    int64_t account = plant_account(db, n, 0);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/%u", service.port, n);
    push_subscribe(db, account, url, NULL);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(
        calendar_alert_show(db, &(CalendarAlert){.account = account, .object = 1, .ring = "bell"},
                            "{}", INT64_MAX / 2, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    Delivered delivered;
    deliver_letter(db, account, n, 0, &delivered);
    assert_int_equal(delivered.result, DELIVER_STORED);
    purge_exec(db, "DELETE FROM task WHERE role <> 'push-notifications'");
}

/* A state and an alarm; each once, and once more where that is counted. */
static void push_verify(Db *db, unsigned n)
{
    int account = (int)account_number(db, n);
    g_autofree char *line = g_strdup_printf("POST /%u HTTP/1.1", n);
    unsigned pushes = push_service_count_of(&service, line);
    int64_t repeats =
        count_of(db, "SELECT repeats FROM push_subscription WHERE account = %d", account);
    if (pushes < 2 || pushes > 2 + repeats || repeats > 1)
        fail_msg("%u pushes, %d repeats counted", pushes, (int)repeats);
    assert_int_equal(count_of(db,
                              "SELECT pushed_seq - change_seq + sending_seq FROM "
                              "push_subscription s JOIN account a ON a.id = s.account "
                              "WHERE account = %d",
                              account),
                     0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM push_alert"), 0);
}

/* The mail server lives here too; those who die find it by the environment. */
#define RELAY_VARIABLE "ROTA_TEST_RELAY"
static Relay relay;
static SmtpConfig smtp = {
    .user = "", .secret = "", .ca_file = "", .hello = "test", .tls = SMTP_TLS_TRY};

static void imip_plant(Db *db, unsigned n)
{
    int64_t account = plant_account(db, n, 0);
    g_autoptr(GString) text = g_string_new("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n");
    g_string_append_printf(text,
                           "UID:%u\r\nDTSTART:20360101T000000Z\r\n"
                           "ORGANIZER:mailto:ada%u@example.org\r\n",
                           n, n);
    for (unsigned i = 0; i < GUESTS; i++)
        g_string_append_printf(text, "ATTENDEE:mailto:guest%u-%u@example.com\r\n", i, n);
    g_string_append(text, "END:VEVENT\r\nEND:VCALENDAR\r\n");
    imip_client_puts(db, account, "event.ics", text->str);
}

/* Each guest has the one mail; a second copy is counted, and has the same Message-ID. */
static void imip_verify(Db *db, unsigned n)
{
    int account = (int)account_number(db, n);
    unsigned copies = 0;
    for (unsigned i = 0; i < GUESTS; i++) {
        g_autofree char *guest = g_strdup_printf("guest%u-%u@example.com", i, n);
        unsigned ids, got = relay_count(&relay, guest, &ids);
        if (got < 1 || ids != 1)
            fail_msg("%s has %u mails with %u Message-IDs", guest, got, ids);
        copies += got - 1;
    }
    int64_t counted =
        count_of(db, "SELECT sum(uncertain) FROM imip_out WHERE account = %d", account);
    if (copies > counted || counted > 1)
        fail_msg("%u mails came twice, %d are counted", copies, (int)counted);
    assert_int_equal(
        count_of(db, "SELECT count(*) FROM imip_out WHERE state = 2 AND account = %d", account),
        GUESTS);
}

/* An alarm of years ago, of an event that is yet to come. */
static void alerts_plant(Db *db, unsigned n)
{
    int64_t account = plant_account(db, n, 0);
    g_autofree char *text =
        g_strdup_printf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:%u\r\n"
                        "DTSTART:20360101T000000Z\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\nSUMMARY:x\r\n"
                        "DESCRIPTION:x\r\nATTENDEE:mailto:ada%u@example.org\r\n"
                        "TRIGGER;VALUE=DATE-TIME:20200101T000000Z\r\nEND:VALARM\r\nEND:VEVENT\r\n"
                        "END:VCALENDAR\r\n",
                        n, n);
    imip_client_puts(db, account, "event.ics", text);
}

/* It rings once, and once more with the same Message-ID where it was not known that it had: only
 * who dies after the mail and before the end's commit leaves that. */
static void alerts_verify(Db *db, unsigned n)
{
    static unsigned copies;
    g_autofree char *person = g_strdup_printf("ada%u@example.org", n);
    unsigned ids, got = relay_count(&relay, person, &ids);
    (void)db;
    if (got < 1 || got > 2 || ids != 1)
        fail_msg("%s has %u mails with %u Message-IDs", person, got, ids);
    copies = (n == 1 ? 0 : copies) + got - 1;
    if (copies > n / 2)
        fail_msg("%u of %u reminders came twice", copies, n);
}

/* A wrong row is mended, and each series has one value for the minute. */
static void metrics_plant(Db *db, unsigned n)
{
    int64_t account = plant_account(db, n, LETTERS);
    purge_exec(db, "UPDATE account SET used_messages = 99 WHERE id = %d", (int)account);
    purge_exec(db, "UPDATE metric_mark SET recount_after = 0, recount_at = 0");
    purge_exec(db, "DELETE FROM metric_sample");
    purge_exec(db, "DELETE FROM task");
    purge_ask_round(db, "metrics.calculate", NULL);
}

static void metrics_verify(Db *db, unsigned n)
{
    assert_int_equal(
        count_of(db, "SELECT used_messages FROM account WHERE id = %d", (int)account_number(db, n)),
        LETTERS);
    assert_int_equal(model_count(db, "SELECT corrected FROM metric_mark"), n);
    assert_int_equal(model_count(db, "SELECT count(*) FROM metric_sample WHERE count <> 1"), 0);
    assert_true(model_count(db, "SELECT count(*) FROM metric_sample WHERE series = 'accounts' AND"
                                " CAST(total AS BIGINT) = (SELECT count(*) FROM account)") >= 1);
}

static const CrashCase cases[] = {
    {NULL, delivery_plant, delivery_verify, 20},
    {"fts-indexing", index_plant, index_verify, 15},
    {"bayes-training", bayes_plant, bayes_verify, 20},
    {"purge.stores", stores_plant, stores_verify, 20},
    {"purge.accounts", accounts_plant, accounts_verify, 20},
    {"push-notifications", push_plant, push_verify, 15},
    {"imip-processing", imip_plant, imip_verify, 8 * GUESTS},
    {"metrics.calculate", metrics_plant, metrics_verify, 15},
    {"calendar-alerts", alerts_plant, alerts_verify, 12},
    {"acme.renew", crash_acme_plant, crash_acme_verify, 40},
    {"metrics.push", metrics_crash_plant, metrics_crash_verify, 40},
};

static const char *name_of(const CrashCase *what)
{
    return what->role ? what->role : "delivery";
}

/* ---------------------------------------------------------------- the walk */

/* Until no task of the role is left. What is due later (a fold of the model) is due now. */
static void work(DutyLane *lane, const char *role)
{
    static const DbSql tasks = {"SELECT count(*) FROM task WHERE role = $1", NULL};
    for (unsigned step = 0; step < 1000; step++) {
        int64_t left = -1;
        purge_exec(lane->node_db, "UPDATE task SET due_at = rota_now() WHERE owner = 0");
        purge_exec(lane->node_db, "UPDATE push_subscription SET next_at = 0, sending_at = 0");
        purge_exec(lane->node_db, "UPDATE push_alert SET next_at = 0, sending_at = CASE WHEN "
                                  "sending_at = 0 THEN 0 ELSE 1 END");
        purge_exec(lane->node_db, "UPDATE certificate SET next_at = 0");
        purge_exec(lane->node_db, "UPDATE imip_out SET due_at = 0 WHERE due_at <> 0");
        assert_true(db_begin(lane->node_db, DB_READ, NULL));
        assert_true(db_query_int(lane->node_db, &tasks, DB_ARGS(db_text(role)), &left, NULL) > 0);
        db_rollback(lane->node_db);
        if (!left)
            return;
        duty_lane_step(lane);
    }
    fail_msg("%s: there are tasks left", role);
}

static Fault die_at(FaultPoint point, uint64_t call, void *number)
{
    (void)point;
    if (call == *(const uint64_t *)number)
        raise(SIGKILL);
    return FAULT_NONE;
}

/* The one who dies: node 1, at call `point` of its door, with work number n. */
static void live_until(const TestStore *store, const CrashCase *what, unsigned n, uint64_t point)
{
    g_autoptr(Db) behind = test_store_open(store);
    Db *door = db_open_fault(behind, die_at, &point);
    if (!what->role) {
        delivery_act(door, n);
        db_close(door);
        return;
    }
    DutyLane lane;
    duty_lane_init_more(&lane, store, what->role, &settings,
                        &(DutyLaneMore){.node = 1, .take_lane_db = door});
    work(&lane, what->role);
    duty_lane_clear(&lane);
}

enum { ARG_DIE = 1, ARG_CASE, ARG_NUMBER, ARG_POINT, ARG_KIND, ARG_PLACE, ARG_SCHEMA, ARGS };

static unsigned number_arg(const char *text)
{
    return (unsigned)g_ascii_strtoull(text, NULL, 10);
}

/* Starts it as a process of its own. True: it was killed; false: it came to its end. */
static bool dies(const TestStore *store, unsigned number_of_case, unsigned n, unsigned point)
{
    bool sqlite = store->config.kind == DB_SQLITE;
    g_autofree char *which = g_strdup_printf("%u", number_of_case);
    g_autofree char *number = g_strdup_printf("%u", n);
    g_autofree char *at = g_strdup_printf("%u", point);
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    const char *const args[] = {
        [0] = program,
        [ARG_DIE] = "--die",
        [ARG_CASE] = which,
        [ARG_NUMBER] = number,
        [ARG_POINT] = at,
        [ARG_KIND] = sqlite ? "sqlite" : "postgresql",
        [ARG_PLACE] = sqlite ? store->config.path : store->config.url,
        [ARG_SCHEMA] = sqlite ? "" : store->config.schema,
        [ARGS] = NULL,
    };
    g_autofree char *said = NULL;
    int status = -1;
    g_autoptr(GError) error = NULL;
    g_spawn_sync(NULL, (char **)(uintptr_t)args, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                 &said, &status, &error);
    assert_no_error(error);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    if (status != 0)
        fail_msg("%s, point %u: status %x: %s", name_of(&cases[number_of_case]), point, status,
                 said);
    return false;
}

static int die(char **args)
{
    bool sqlite = strcmp(args[ARG_KIND], "sqlite") == 0;
    TestStore store = {.config = {.kind = sqlite ? DB_SQLITE : DB_POSTGRESQL,
                                  .path = args[ARG_PLACE],
                                  .url = args[ARG_PLACE],
                                  .schema = sqlite ? NULL : args[ARG_SCHEMA]}};
    live_until(&store, &cases[number_arg(args[ARG_CASE])], number_arg(args[ARG_NUMBER]),
               number_arg(args[ARG_POINT]));
    return 0;
}

/* Node 2 hears of the death at its next heartbeat. */
static void take_over(DutyLane *lane, const char *role)
{
    purge_exec(lane->node_db, "UPDATE member SET lease_until = 0 WHERE node = 1");
    clock_manual_advance(&lane->clock, 2000000);
    node_step(lane->node);
    assert_int_equal(model_count(lane->node_db, "SELECT count(*) FROM member"), 1);
    work(lane, role);
}

static void walk(TestStore *store, unsigned number_of_case)
{
    const CrashCase *what = &cases[number_of_case];
    Db *db = store->db;
    plant_account(db, 0, 1); /* a bystander */
    purge_exec(db, "DELETE FROM task");
    DutyLane other;
    duty_lane_init_more(&other, store, what->role ? what->role : "fts-indexing", &settings,
                        &(DutyLaneMore){.node = 2, .lease_ms = 100000000});
    bool died = true;
    unsigned n = 0;
    while (died && n < POINTS_MAX) {
        n++;
        what->plant(db, n);
        died = dies(store, number_of_case, n, n);
        if (what->role)
            take_over(&other, what->role);
        else
            delivery_act(db, n);
        what->verify(db, n);
        model_check(db);
        assert_int_equal(model_count(db, "SELECT count(*) FROM dead_letter"), 0);
    }
    duty_lane_clear(&other);
    print_message("# %s: killed at %u points\n", name_of(what), n - 1);
    if (died || n <= what->points)
        fail_msg("%s: %u points, there should be more than %u and an end", name_of(what), n - 1,
                 what->points);
}

static void delivery(void **state)
{
    walk(*state, 0);
}

static void fts_indexing(void **state)
{
    walk(*state, 1);
}

static void bayes_training(void **state)
{
    walk(*state, 2);
}

static void purge_stores(void **state)
{
    walk(*state, 3);
}

static void purge_accounts(void **state)
{
    walk(*state, 4);
}

static void push_notifications(void **state)
{
    push_service_start(&service);
    walk(*state, 5);
    push_service_stop(&service);
}

static void metrics_push(void **state)
{
    metrics_crash_start(&settings);
    walk(*state, 10);
    metrics_crash_stop();
}

static void walk_beside_relay(TestStore *store, unsigned number_of_case)
{
    static const RelayScript plain;
    g_autofree char *url = relay_start(&relay, &plain);
    g_setenv(RELAY_VARIABLE, url, TRUE);
    smtp.relay = url;
    walk(store, number_of_case);
    g_unsetenv(RELAY_VARIABLE);
    relay_stop(&relay);
    relay_clear(&relay);
}

static void imip_processing(void **state)
{
    walk_beside_relay(*state, 6);
}

static void calendar_alerts(void **state)
{
    walk_beside_relay(*state, 8);
}

static void metrics_calculate(void **state)
{
    walk(*state, 7);
}

static void acme_renew(void **state)
{
    crash_acme_start();
    walk(*state, 9);
    crash_acme_stop();
}

int main(int argc, char **argv)
{
    message_library_init();
    smtp.relay = g_getenv(RELAY_VARIABLE) ? g_getenv(RELAY_VARIABLE) : "";
    settings.smtp = &smtp;
    settings.scheduling = true;
    settings.scheduling_max_recipients = GUESTS;
    crash_acme_settings(&settings);
    settings.push = push_wire_new(&(PushWireConfig){.allow_private = true});
    metrics_crash_init(&settings);
    if (argc == ARGS && strcmp(argv[ARG_DIE], "--die") == 0)
        return die(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivery),        cmocka_unit_test(fts_indexing),
        cmocka_unit_test(bayes_training),  cmocka_unit_test(purge_stores),
        cmocka_unit_test(purge_accounts),  cmocka_unit_test(push_notifications),
        cmocka_unit_test(imip_processing), cmocka_unit_test(metrics_calculate),
        cmocka_unit_test(calendar_alerts), cmocka_unit_test(metrics_push),
        cmocka_unit_test(acme_renew),
    };
    int failed = test_on_both_stores("crash", tests, G_N_ELEMENTS(tests));
    push_wire_free(settings.push);
    metrics_push_clear(&metrics_crash_push);
    return failed;
}
