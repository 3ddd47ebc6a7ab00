/* bayes_training_test: what people say becomes the same model, whoever works, whatever breaks, and
 * however often it is said. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"

#include "base/error.h"
#include "base/limits.h"
#include "db/fault.h"
#include "model/email.h"
#include "model/mailbox.h"
#include "model/spam.h"
#include "model/spam_model.h"
#include "roster/shard.h"
#include "roster/task.h"

#define ROLE "bayes-training"

static const DutySettings SETTINGS = {.spam_min_samples = 3};

static void exec(Db *db, const char *sql)
{
    /* A handle finds a prepared statement by its address: each is made once, and kept. */
    static GHashTable *statements;
    if (!statements)
        statements = g_hash_table_new(g_str_hash, g_str_equal);
    DbSql *statement = g_hash_table_lookup(statements, sql);
    if (!statement) {
        statement = g_new0(DbSql, 1);
        statement->sql = g_strdup(sql);
        g_hash_table_insert(statements, (char *)(uintptr_t)statement->sql, statement);
    }
    g_autoptr(GError) error = NULL;
    bool own = !db_in_transaction(db);
    if ((own && !db_begin(db, DB_WRITE, &error)) ||
        db_exec(db, statement, DB_NO_ARGS, &error) < 0 || (own && db_commit(db, &error) != DB_DONE))
        fail_msg("%s: %s", sql, error->message);
}

static int64_t deliver(Db *db, int64_t account, bool spam, unsigned number)
{
    g_autofree char *body = g_strdup_printf(
        spam ? "Win free money %u now\r\n" : "Lunch at noon on day %u?\r\n", number);
    g_autofree char *key = g_strdup_printf("%d %d %u", (int)account, spam, number);
    g_autoptr(Letter) letter = model_letter("", NULL, spam ? "FREE" : "lunch", body);
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    Delivered delivered;
    g_autoptr(GError) error = NULL;
    deliver_many(db, &delivery, 1, &delivered, &error);
    assert_no_error(error);
    return delivered.email;
}

static void move_to(Db *db, int64_t account, int64_t email, const char *role)
{
    g_autoptr(GError) error = NULL;
    int64_t mailbox = 0;
    assert_true(db_begin(db, DB_WRITE, &error));
    mailbox_by_role(db, account, role, &mailbox, &error);
    assert_no_error(error);
    email_move(db, account, email, mailbox, &error);
    assert_no_error(error);
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

static void mark(Db *db, int64_t account, int64_t email, const char *keyword, bool on)
{
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    email_set_keyword(db, account, email, keyword, on, &error);
    assert_no_error(error);
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

/* `count` of spam, filed into Junk, and of ham, marked $notjunk; from number `first` on. */
static void judge(Db *db, int64_t account, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        move_to(db, account, deliver(db, account, true, i), "junk");
        mark(db, account, deliver(db, account, false, i), "$notjunk", true);
    }
}

/* Runs all that is asked for, and the fold at once. */
static void work(DutyLane *lanes, unsigned count)
{
    Db *db = lanes[0].node_db;
    for (unsigned step = 0; step < 400; step++) {
        exec(db, "UPDATE task SET due_at = rota_now() WHERE role = '" ROLE
                 "' AND key = '0' AND owner = 0");
        if (!model_count(db, "SELECT count(*) FROM task WHERE role = '" ROLE "'"))
            return;
        duty_lane_step(&lanes[step % count]);
    }
    fail_msg("there are tasks left");
}

static void work_alone(const TestStore *store)
{
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    work(&lane, 1);
    duty_lane_clear(&lane);
    exec(store->db, "DELETE FROM member");
}

/* NULL: there is none. */
static GBytes *model_bytes(Db *db, int64_t account)
{
    g_autoptr(GError) error = NULL;
    int64_t version;
    assert_true(db_begin(db, DB_READ, &error));
    g_autoptr(ClassifierModel) model = spam_model_get(db, account, &version, &error);
    assert_no_error(error);
    db_rollback(db);
    assert_true(!model == !version);
    return model ? classifier_model_format(model) : NULL;
}

static void assert_model_is(Db *db, GBytes *want)
{
    g_autoptr(GBytes) got = model_bytes(db, SPAM_CLUSTER);
    if (!got || !g_bytes_equal(got, want))
        fail_msg("it is another model");
}

static void what_people_say_is_learnt_once(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    judge(db, ada, 0, 3);
    work_alone(store);
    g_autoptr(GBytes) model = model_bytes(db, SPAM_CLUSTER);
    assert_non_null(model);
    assert_int_equal(model_count(db, "SELECT spam * 100 + ham FROM spam_model WHERE account = 0"),
                     303);
    /* Again: nothing is asked for, nothing changes. */
    move_to(db, ada, 1, "junk");
    mark(db, ada, 2, "$notjunk", true);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task WHERE role = '" ROLE "'"), 0);
    /* Another copy of the same bytes, said again by another: still one message. */
    int64_t bob = model_account(db, "bob@example.org", 0);
    move_to(db, bob, deliver(db, bob, true, 0), "junk");
    work_alone(store);
    assert_model_is(db, model);
    /* There and back again. */
    int64_t more = deliver(db, ada, true, 77);
    move_to(db, ada, more, "junk");
    work_alone(store);
    g_autoptr(GBytes) other = model_bytes(db, SPAM_CLUSTER);
    assert_false(g_bytes_equal(model, other));
    move_to(db, ada, more, "inbox");
    work_alone(store);
    assert_model_is(db, model);
    assert_int_equal(model_count(db, "SELECT count(*) FROM spam_features"), 6);
}

static void too_few_are_no_model(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    judge(db, ada, 0, 2);
    move_to(db, ada, deliver(db, ada, true, 2), "junk");
    work_alone(store);
    assert_null(model_bytes(db, SPAM_CLUSTER));
    int64_t last = deliver(db, ada, false, 2);
    mark(db, ada, last, "$notjunk", true);
    work_alone(store);
    g_autoptr(GBytes) model = model_bytes(db, SPAM_CLUSTER);
    assert_non_null(model);
    mark(db, ada, last, "$notjunk", false);
    work_alone(store);
    assert_null(model_bytes(db, SPAM_CLUSTER));
}

static void a_tie_teaches_nothing(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0),
            bob = model_account(db, "bob@example.org", 0);
    judge(db, ada, 0, 4);
    mark(db, bob, deliver(db, bob, true, 3), "$notjunk", true);
    work_alone(store);
    assert_int_equal(model_count(db, "SELECT spam * 100 + ham FROM spam_model WHERE account = 0"),
                     304);
}

static void shards_side_by_side_add_up(void **state)
{
    static const char *const shards[] = {"1", "2", "3", NULL};
    TestStore *store = *state;
    Db *db = store->db;
    for (unsigned i = 0; i < 6; i++) {
        g_autofree char *address = g_strdup_printf("user%u@example.org", i);
        judge(db, model_account(db, address, 0), 10 * i, 2);
    }
    DutyLane lanes[3];
    for (unsigned i = 0; i < 3; i++)
        duty_lane_init_more(&lanes[i], store, ROLE, &SETTINGS,
                            &(DutyLaneMore){.node = i + 1, .shards = shards});
    work(lanes, 3);
    for (unsigned i = 0; i < 3; i++)
        duty_lane_clear(&lanes[i]);
    g_autoptr(GBytes) model = model_bytes(db, SPAM_CLUSTER);
    assert_non_null(model);
    assert_int_equal(model_count(db, "SELECT spam * 100 + ham FROM spam_model WHERE account = 0"),
                     1212);
    /* One alone, from nothing but the ledger and the mail. */
    exec(db, "DELETE FROM member");
    exec(db, "DELETE FROM spam_features");
    exec(db, "DELETE FROM spam_model");
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    for (int64_t account = 1; account <= 6; account++) {
        g_autofree char *key = g_strdup_printf("%d", (int)account);
        TaskNew task = {.role = ROLE, .bucket = bucket_of(key), .key = key};
        assert_true(task_add(db, &task, &error));
    }
    assert_int_equal(db_commit(db, &error), DB_DONE);
    work_alone(store);
    assert_model_is(db, model);
}

static void an_account_has_its_own_taste(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    judge(db, ada, 0, 3);
    work_alone(store);
    assert_null(model_bytes(db, ada)); /* there was no base yet */
    /* Bob's word holds it to what others have; where they differ, Ada's own counts for her. */
    int64_t bob = model_account(db, "bob@example.org", 0);
    judge(db, bob, 20, 2);
    work_alone(store);
    mark(db, ada, deliver(db, ada, true, 20), "$notjunk", true);
    judge(db, ada, 3, 1);
    work_alone(store);
    g_autoptr(GBytes) own = model_bytes(db, ada);
    assert_non_null(own);
    assert_int_equal(model_count(db, "SELECT spam * 100 + ham FROM spam_model WHERE account = 1"),
                     507);
    g_autoptr(GBytes) base = model_bytes(db, SPAM_CLUSTER);
    assert_true(g_bytes_get_size(own) < g_bytes_get_size(base) / 10);
}

static void bytes_that_are_gone_teach_nothing(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    judge(db, ada, 0, 4);
    exec(db, "DELETE FROM blob WHERE digest = (SELECT blob FROM email WHERE id = 1)");
    exec(db, "UPDATE blob SET data = digest, codec = 1 WHERE digest = (SELECT blob FROM email"
             " WHERE id = 2)");
    work_alone(store);
    assert_int_equal(model_count(db, "SELECT spam * 100 + ham FROM spam_model WHERE account = 0"),
                     303);
    assert_int_equal(model_count(db, "SELECT count(*) FROM dead_letter"), 0);
}

/* Fault number n, for n = 1, 2, … until none is met: the model is the same. */
static void fails_anywhere(void **state, Fault fault)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    judge(db, ada, 0, 3);
    work_alone(store);
    g_autoptr(GBytes) model = model_bytes(db, SPAM_CLUSTER);
    bool met = true;
    unsigned n = 1;
    Db *behind = test_store_open(store);
    FaultAt at;
    DutyLane lane;
    duty_lane_init_more(&lane, store, ROLE, &SETTINGS,
                        &(DutyLaneMore){.node = 1, .lease_ms = 100000000});
    for (; met && n < 1000; n++) {
        exec(db, "DELETE FROM spam_features");
        exec(db, "DELETE FROM spam_model");
        assert_true(db_begin(db, DB_WRITE, NULL));
        TaskNew task = {.role = ROLE, .bucket = bucket_of("1"), .key = "1"};
        assert_true(task_add(db, &task, NULL));
        assert_int_equal(db_commit(db, NULL), DB_DONE);
        at = (FaultAt){.number = n, .fault = fault};
        duty_lane_restart(&lane, db_open_fault(behind, fault_plan_at, &at));
        work(&lane, 1);
        met = at.met;
        assert_model_is(db, model);
        assert_int_equal(model_count(db, "SELECT count(*) FROM spam_features"), 6);
    }
    duty_lane_clear(&lane);
    db_close(behind);
    assert_true(n > 20); /* there were places to fail */
}

static void a_lost_connection_anywhere(void **state)
{
    fails_anywhere(state, FAULT_RETRY);
}

static void a_commit_that_was_done_unheard(void **state)
{
    fails_anywhere(state, FAULT_UNKNOWN_DONE);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_say_is_learnt_once),
        cmocka_unit_test(too_few_are_no_model),
        cmocka_unit_test(a_tie_teaches_nothing),
        cmocka_unit_test(shards_side_by_side_add_up),
        cmocka_unit_test(an_account_has_its_own_taste),
        cmocka_unit_test(bytes_that_are_gone_teach_nothing),
        cmocka_unit_test(a_lost_connection_anywhere),
        cmocka_unit_test(a_commit_that_was_done_unheard),
    };
    return test_on_both_stores("bayes_training", tests, G_N_ELEMENTS(tests));
}
