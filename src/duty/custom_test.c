/* custom: commands as tasks, on a node with a real clock: what they are given, how each of their
 * ends becomes a task's, what is left when they are cut off, and a round of many accounts. This
 * program is its own guard: see main. */
#include <inttypes.h>
#include <string.h>

#include "model_support.h"
#include "store_text.h"

#include "base/child.h"
#include "base/error.h"
#include "base/limits.h"
#include "db/fault.h"
#include "duty/duty.h"
#include "roster/node.h"
#include "roster/task.h"
#include "roster/worker.h"

#define ROLE "custom.test"

/* The machine's clock; at a time, whoever reads it makes the node stop. */
typedef struct {
    Clock clock;
    Node *node;
    int64_t stop_us; /* 0: never */
} TestClock;

typedef struct {
    TestStore *store;
    TestClock clock;
    CustomDuty duty;
    DutySettings settings;
    RoleSet set;
    Db *node_db, *lane_db;
    Node *node;
    Worker *worker;
    char *folder;
} Bench;

static char *sh_command[] = {"/bin/sh", "-c", "exit 0", NULL};
static char *environment[] = {"PATH=/usr/bin:/bin", NULL};

static int64_t test_monotonic(const Clock *clock)
{
    TestClock *test = (TestClock *)(uintptr_t)clock;
    int64_t now = clock_monotonic_us(clock_real());
    if (test->stop_us && now >= test->stop_us) {
        test->stop_us = 0;
        node_ask_stop(test->node);
    }
    return now;
}

static int64_t test_wall(const Clock *clock)
{
    (void)clock;
    return clock_wall_ms(clock_real());
}

static void bench_start_lane(Bench *bench, Db *take_db)
{
    const Role *role = role_find(&bench->set, ROLE);
    bench->lane_db = take_db;
    bench->worker = worker_new(&(WorkerConfig){.db = bench->lane_db,
                                               .clock = &bench->clock.clock,
                                               .node = bench->node,
                                               .role = role,
                                               .batch = role->batch,
                                               .attempts = role->attempts,
                                               .retry_min_ms = role->retry_min_ms,
                                               .retry_max_ms = role->retry_max_ms,
                                               .settings = &bench->settings,
                                               .seed = 1,
                                               .poll_ms = 1000});
}

static void bench_end_lane(Bench *bench)
{
    worker_crash(bench->worker);
    worker_free(bench->worker);
    db_close(bench->lane_db);
}

static void bench_start(Bench *bench, TestStore *store, const char *script, int64_t lease_ms)
{
    *bench = (Bench){.store = store, .clock = {{test_monotonic, test_wall}, NULL, 0}};
    sh_command[2] = (char *)(uintptr_t)script;
    bench->duty = (CustomDuty){.role = (char *)(uintptr_t)ROLE,
                               .summary = (char *)(uintptr_t) "a test",
                               .command = sh_command,
                               .schedule = (char *)(uintptr_t) "every 1h",
                               .timeout_ms = 60000,
                               .attempts = 3,
                               .concurrency = 1,
                               .retry_min_ms = 1,
                               .retry_max_ms = 1,
                               .directory = (char *)(uintptr_t) "/",
                               .environment = environment};
    bench->settings = (DutySettings){.customs = &bench->duty, .custom_count = 1};
    bench->set = (RoleSet){duty_roles_with(&bench->duty, 1), duty_roles.count + 1};
    bench->folder = g_dir_make_tmp("rota-custom-XXXXXX", NULL);
    bench->node_db = test_store_open(store);
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&bench->set);
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    bench->node = node_new(&(NodeConfig){.db = bench->node_db,
                                         .clock = &bench->clock.clock,
                                         .set = &bench->set,
                                         .node_id = 1,
                                         .lease_ms = lease_ms,
                                         .heartbeat_ms = 100,
                                         .host = "test",
                                         .version = "1",
                                         .pid = 1,
                                         .table = table});
    bench->clock.node = bench->node;
    node_step(bench->node);
    assert_int_equal(node_state(bench->node), NODE_UP);
    bench_start_lane(bench, test_store_open(store));
}

static void bench_end(Bench *bench)
{
    bench_end_lane(bench);
    node_free(bench->node);
    db_close(bench->node_db);
    g_free((gpointer)(uintptr_t)bench->set.roles);
    g_autofree char *command = g_strdup_printf("rm -rf %s", bench->folder);
    assert_int_equal(system(command), 0);
    g_free(bench->folder);
}

/* The script for the folder F of the bench. */
static void set_script(Bench *bench, char **script, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "@F", -1);
    g_free(*script);
    *script = g_strjoinv(bench->folder, parts);
    sh_command[2] = *script;
}

static void renew(Bench *bench)
{
    while (node_step(bench->node) <= clock_monotonic_us(clock_real()))
        continue;
}

/* One run of a task, if one is due. */
static void step(Bench *bench)
{
    renew(bench);
    int64_t next_us;
    if (worker_claim(bench->worker, &next_us))
        worker_finish(bench->worker);
}

static char *ask_text(Bench *bench, const char *sql)
{
    return store_text(bench->node_db, g_strdup(sql));
}

static int64_t ask_number(Bench *bench, const char *sql)
{
    return model_count(bench->node_db, sql);
}

static int64_t tasks_left(Bench *bench)
{
    return ask_number(bench, "SELECT count(*) FROM task");
}

static void ask_round(Bench *bench)
{
    g_autoptr(RoleTable) table = node_table(bench->node, NULL);
    Round round = {.role = role_find(&bench->set, ROLE), .unit = "", .schedule = "every 1h"};
    assert_true(db_begin(bench->node_db, DB_WRITE, NULL));
    assert_true(round_now(bench->node_db, table, &round, 0, NULL));
    assert_int_equal(db_commit(bench->node_db, NULL), DB_DONE);
}

/* ---------------------------------------------------------------- the ends */

/* The next bench has this store too. */
static void forget(Bench *bench)
{
    static const DbSql all[] = {{"DELETE FROM task", NULL},
                                {"DELETE FROM task_history", NULL},
                                {"DELETE FROM member", NULL}};
    assert_true(db_begin(bench->node_db, DB_WRITE, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
        assert_true(db_exec(bench->node_db, &all[i], DB_NO_ARGS, NULL) >= 0);
    assert_int_equal(db_commit(bench->node_db, NULL), DB_DONE);
}

static void each_end_becomes_the_tasks(void **state)
{
    static const struct {
        const char *script, *want; /* of the history: outcome and detail */
        int64_t timeout_ms;
        int64_t left; /* tasks */
    } rows[] = {
        {"exit 0", "done done", 60000, 0},
        {"echo saved; echo all", "done saved all", 60000, 0},
        {"echo disk is full >&2; exit 3", "failed exit status 3; its output ends: disk is full",
         60000, 1},
        {"kill -9 $$", "failed signal 9 (Killed)", 60000, 1},
        {"exit 75", "failed exit status 75: it is to be tried again", 60000, 1},
        {"echo begun; exec sleep 100",
         "failed ran longer than 300ms (timeout) and was ended; its output ends: begun", 300, 1},
        {"sleep 100 & exit 0", "done done (it left processes running, which were ended)", 60000, 0},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Bench bench;
        bench_start(&bench, *state, rows[i].script, 60000);
        bench.duty.timeout_ms = rows[i].timeout_ms;
        ask_round(&bench);
        step(&bench);
        g_autofree char *got = ask_text(
            &bench, "SELECT outcome || ' ' || detail FROM task_history ORDER BY id DESC LIMIT 1");
        assert_string_equal(got, rows[i].want);
        assert_int_equal(tasks_left(&bench), rows[i].left);
        /* its end is known, so that nothing is left of its beginning */
        assert_int_equal(ask_number(&bench, "SELECT count(*) FROM expiring"), 0);
        forget(&bench);
        bench_end(&bench);
    }
}

static void what_is_not_there_is_a_clear_failure(void **state)
{
    Bench bench;
    char *command[] = {"/nowhere/backup", NULL};
    bench_start(&bench, *state, "", 60000);
    bench.duty.command = command;
    ask_round(&bench);
    step(&bench);
    g_autofree char *got = ask_text(&bench, "SELECT last_error FROM task");
    assert_string_equal(got, "could not start \"/nowhere/backup\": No such file or directory");
    bench_end(&bench);
}

static void a_failing_one_is_buried_but_a_patient_one_is_not(void **state)
{
    Bench bench;
    g_autofree char *script = NULL;
    bench_start(&bench, *state, "exit 75", 60000);
    ask_round(&bench);
    for (int i = 0; i < 10; i++) {
        g_usleep(2000); /* its wait is a millisecond at most */
        step(&bench);
    }
    int64_t attempts = ask_number(&bench, "SELECT attempts FROM task");
    assert_true(attempts > bench.duty.attempts);
    assert_int_equal(ask_number(&bench, "SELECT count(*) FROM dead_letter"), 0);
    set_script(&bench, &script,
               "head -c 9000 /dev/zero | tr '\\0' x; echo; echo the reason; exit 1");
    g_usleep(2000);
    step(&bench);
    assert_int_equal(tasks_left(&bench), 0);
    g_autofree char *why = ask_text(&bench, "SELECT last_error FROM dead_letter");
    assert_true(g_str_has_prefix(why, "exit status 1; its output ends: xxx"));
    assert_true(g_str_has_suffix(why, "xxx\nthe reason"));
    assert_true(strlen(why) <= TASK_ERROR_BYTES_MAX);
    bench_end(&bench);
}

/* ---------------------------------------------------------------- what it is given */

static void it_is_told_what_to_do(void **state)
{
    Bench bench;
    g_autofree char *script = NULL, *path = NULL, *got = NULL;
    bench_start(&bench, *state, "", 60000);
    set_script(&bench, &script, "env | grep ^ROTA_ | sort > @F/env");
    ask_round(&bench);
    step(&bench);
    path = g_build_filename(bench.folder, "env", NULL);
    assert_true(g_file_get_contents(path, &got, NULL, NULL));
    assert_string_equal(got, "ROTA_AGAIN=0\nROTA_ATTEMPT=1\nROTA_ROLE=" ROLE "\nROTA_SHARD=1\n"
                             "ROTA_SHARDS=1\nROTA_TASK=" ROLE ":round//1\n");
    bench_end(&bench);
}

/* ---------------------------------------------------------------- cut off */

static void a_stop_ends_it_and_gives_it_back(void **state)
{
    Bench bench;
    bench_start(&bench, *state, "exec sleep 100", 60000);
    ask_round(&bench);
    bench.clock.stop_us = clock_monotonic_us(clock_real()) + 200000;
    step(&bench);
    assert_int_equal(tasks_left(&bench), 1);
    assert_int_equal(ask_number(&bench, "SELECT attempts + owner FROM task"), 0);
    assert_int_equal(ask_number(&bench, "SELECT count(*) FROM expiring WHERE kind = 'command'"), 1);
    bench_end(&bench);
}

static void a_lease_that_is_over_ends_it(void **state)
{
    Bench bench;
    g_autofree char *script = NULL, *path = NULL, *got = NULL;
    bench_start(&bench, *state, "", 1500);
    set_script(&bench, &script,
               "trap '' TERM; while :; do date +%s%N > @F/alive; sleep 0.05; done");
    ask_round(&bench);
    int64_t begin = clock_wall_ms(clock_real());
    step(&bench); /* the node's own steps stand still meanwhile: nothing renews the lease */
    path = g_build_filename(bench.folder, "alive", NULL);
    assert_true(g_file_get_contents(path, &got, NULL, NULL));
    int64_t alive = g_ascii_strtoll(got, NULL, 10) / 1000000;
    /* A busy machine may be late; without the guard it would be STOP_GRACE_MS. */
    if (alive < begin || alive > begin + 1500 + 2500)
        fail_msg("it lived for %" PRId64 " ms, the lease for 1500", alive - begin);
    /* Who has it next hears that it was begun. */
    set_script(&bench, &script, "echo $ROTA_AGAIN > @F/again");
    for (int i = 0; i < 100 && tasks_left(&bench) > 0; i++)
        step(&bench);
    assert_int_equal(tasks_left(&bench), 0);
    g_free(path);
    g_free(got);
    path = g_build_filename(bench.folder, "again", NULL);
    assert_true(g_file_get_contents(path, &got, NULL, NULL));
    assert_string_equal(got, "1\n");
    bench_end(&bench);
}

static void exec(Bench *bench, const DbSql *sql)
{
    assert_true(db_begin(bench->node_db, DB_WRITE, NULL));
    assert_true(db_exec(bench->node_db, sql, DB_NO_ARGS, NULL) >= 0);
    assert_int_equal(db_commit(bench->node_db, NULL), DB_DONE);
}

static const DbSql SQL_NO_MEMBER = {"DELETE FROM member", NULL};

static void what_is_no_longer_ours_is_not_begun(void **state)
{
    Bench bench;
    g_autofree char *script = NULL, *path = NULL;
    int64_t next_us;
    bench_start(&bench, *state, "", 60000);
    set_script(&bench, &script, "touch @F/begun");
    ask_round(&bench);
    renew(&bench);
    assert_true(worker_claim(bench.worker, &next_us));
    exec(&bench, &SQL_NO_MEMBER); /* the node trusts itself still; the store says no */
    worker_finish(bench.worker);
    path = g_build_filename(bench.folder, "begun", NULL);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    assert_int_equal(ask_number(&bench, "SELECT count(*) FROM expiring"), 0);
    bench_end(&bench);
}

/* A door that nothing comes through from one call on, as if its process had died there. */
typedef struct {
    uint64_t calls, last;
} Death;

static Fault die_at(FaultPoint point, uint64_t call, void *data)
{
    Death *death = data;
    (void)point;
    (void)call;
    return ++death->calls > death->last ? FAULT_RETRY : FAULT_NONE;
}

/* The node's life ends, and the next one begins. */
static void live_anew(Bench *bench)
{
    bench_end_lane(bench);
    exec(bench, &SQL_NO_MEMBER);
    for (int i = 0; i < 100 && ask_number(bench, "SELECT count(*) FROM member") == 0; i++) {
        g_usleep(20000); /* its heartbeat comes ten times a second */
        renew(bench);
    }
    bench_start_lane(bench, test_store_open(bench->store));
}

/* Kills the lane after each call of the store in turn, and lets the next life end the work; `check`
 * looks at it then. Gives the number of places. */
static unsigned die_everywhere(Bench *bench, void (*check)(Bench *bench, bool died))
{
    for (Death death = {.last = 1}; death.last < 100; death.last++) {
        g_autoptr(Db) behind = test_store_open(bench->store);
        Db *door = db_open_fault(behind, die_at, &death);
        bench_end_lane(bench);
        bench_start_lane(bench, door);
        death.calls = 0;
        ask_round(bench);
        step(bench);
        bool died = death.calls > death.last;
        live_anew(bench);
        for (int i = 0; i < 50 && tasks_left(bench) > 0; i++)
            step(bench);
        assert_int_equal(tasks_left(bench), 0);
        assert_int_equal(ask_number(bench, "SELECT count(*) FROM expiring"), 0);
        assert_int_equal(ask_number(bench, "SELECT count(*) FROM dead_letter"), 0);
        check(bench, died);
        if (!died)
            return (unsigned)death.last - 1;
    }
    fail_msg("it has no end");
    return 0;
}

/* Once; or twice, and then the second was told of the first. */
static void check_told(Bench *bench, bool died)
{
    g_autofree char *path = g_build_filename(bench->folder, "ran", NULL), *got = NULL;
    assert_true(g_file_get_contents(path, &got, NULL, NULL));
    if (strcmp(got, "0\n") != 0 &&
        (!died || (strcmp(got, "0\n1\n") != 0 && strcmp(got, "1\n") != 0)))
        fail_msg("it ran with ROTA_AGAIN = %s", got);
    unlink(path);
}

static void each_step_of_a_command_may_be_the_last(void **state)
{
    Bench bench;
    g_autofree char *script = NULL;
    bench_start(&bench, *state, "", 60000);
    set_script(&bench, &script, "echo $ROTA_AGAIN >> @F/ran");
    unsigned points = die_everywhere(&bench, check_told);
    print_message("# a command: killed at %u points\n", points);
    assert_true(points >= 10);
    bench_end(&bench);
}

/* ---------------------------------------------------------------- accounts */

static void each_account_has_its_run(void **state)
{
    Bench bench;
    g_autofree char *script = NULL, *path = NULL, *got = NULL;
    bench_start(&bench, *state, "", 60000);
    bench.duty.each = CUSTOM_EACH_ACCOUNT;
    set_script(&bench, &script, "echo $ROTA_ACCOUNT $ROTA_ADDRESS $ROTA_TASK >> @F/all");
    int64_t id;
    assert_true(account_add(bench.node_db, "ada@example.org", "", 0, &id, NULL));
    assert_true(account_add(bench.node_db, "bob@example.org", "", 0, &id, NULL));
    assert_true(account_add(bench.node_db, "cem@example.org", "", 0, &id, NULL));
    ask_round(&bench);
    step(&bench);
    assert_int_equal(tasks_left(&bench), 3);
    /* the round's end may claim the next: deleted accounts vanish at their run */
    assert_true(account_delete(bench.node_db, "cem@example.org", NULL));
    for (int i = 0; i < 10 && tasks_left(&bench) > 0; i++)
        step(&bench);
    assert_int_equal(tasks_left(&bench), 0);
    path = g_build_filename(bench.folder, "all", NULL);
    assert_true(g_file_get_contents(path, &got, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(got, "\n", -1);
    assert_int_equal(g_strv_length(lines), 3);
    assert_true(g_strv_contains((const char *const *)lines, "1 ada@example.org " ROLE ":1"));
    assert_true(g_strv_contains((const char *const *)lines, "2 bob@example.org " ROLE ":2"));
    bench_end(&bench);
}

/* Accounts as they lie in the store: through the front door they would take a minute. */
static void add_accounts(Bench *bench, unsigned count)
{
    static const DbSql add = {
        "INSERT INTO account (id, bucket, address, name, quota_bytes, used_bytes, used_messages,"
        " next_email, next_mailbox, change_seq, change_floor, password, created_at, deleted_at)"
        " VALUES ($1, $2, $3, '', 0, 0, 0, 1, 1, 0, 0, '', 0, 0)",
        NULL};
    assert_true(db_begin(bench->node_db, DB_WRITE, NULL));
    for (unsigned i = 1; i <= count; i++) {
        char key[ACCOUNT_KEY_BYTES];
        unsigned bucket = account_bucket(i, key);
        g_autofree char *address = g_strdup_printf("u%u@example.org", i);
        assert_true(db_exec(bench->node_db, &add,
                            DB_ARGS(db_int(i), db_int(bucket), db_text(address)), NULL) >= 0);
    }
    assert_int_equal(db_commit(bench->node_db, NULL), DB_DONE);
}

/* Takes the accounts' tasks away that nobody holds; how many. */
static int64_t take_tasks(Bench *bench)
{
    static const DbSql take = {"DELETE FROM task WHERE owner = 0 AND key NOT LIKE 'accounts/%'",
                               NULL};
    assert_true(db_begin(bench->node_db, DB_WRITE, NULL));
    int64_t taken = db_exec(bench->node_db, &take, DB_NO_ARGS, NULL);
    assert_int_equal(db_commit(bench->node_db, NULL), DB_DONE);
    return taken;
}

static void many_accounts_come_page_by_page(void **state)
{
    Bench bench;
    g_autofree char *script = NULL, *path = NULL, *ran = NULL;
    bench_start(&bench, *state, "", 60000);
    set_script(&bench, &script, "echo >> @F/ran");
    bench.duty.each = CUSTOM_EACH_ACCOUNT;
    unsigned count = 3 * CUSTOM_PAGE_ACCOUNTS + 7, pages = 0;
    int64_t taken = 0;
    add_accounts(&bench, count);
    ask_round(&bench);
    for (int i = 0; i < 100 && tasks_left(&bench) > 0; i++) {
        step(&bench);
        int64_t now = take_tasks(&bench);
        if (now > CUSTOM_PAGE_ACCOUNTS)
            fail_msg("one step has enqueued %" PRId64 " accounts", now);
        pages += now > 0;
        taken += now;
    }
    assert_int_equal(pages, 4);
    /* each account once: those that a lane held beside the others have run */
    path = g_build_filename(bench.folder, "ran", NULL);
    if (g_file_get_contents(path, &ran, NULL, NULL))
        taken += (int64_t)strlen(ran);
    assert_int_equal(taken, count);
    bench_end(&bench);
}

static void what_is_left_of_a_taken_for_each_ends(void **state)
{
    Bench bench;
    bench_start(&bench, *state, "exit 1", 60000);
    static const char *const keys[] = {"7", "accounts/1/99"};
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        TaskNew task = {.role = ROLE, .key = keys[i], .payload = "shard 1 of 1 after 0 0"};
        assert_true(db_begin(bench.node_db, DB_WRITE, NULL));
        assert_true(task_add(bench.node_db, &task, NULL));
        assert_int_equal(db_commit(bench.node_db, NULL), DB_DONE);
        for (int s = 0; s < 3; s++)
            step(&bench);
    }
    assert_int_equal(tasks_left(&bench), 0);
    assert_int_equal(ask_number(&bench, "SELECT count(*) FROM task_history"), 0);
    bench_end(&bench);
}

int main(int argc, char **argv)
{
    int guarded = child_guard(argc, argv);
    if (guarded >= 0)
        return guarded;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_becomes_the_tasks),
        cmocka_unit_test(what_is_not_there_is_a_clear_failure),
        cmocka_unit_test(a_failing_one_is_buried_but_a_patient_one_is_not),
        cmocka_unit_test(it_is_told_what_to_do),
        cmocka_unit_test(a_stop_ends_it_and_gives_it_back),
        cmocka_unit_test(a_lease_that_is_over_ends_it),
        cmocka_unit_test(what_is_no_longer_ours_is_not_begun),
        cmocka_unit_test(each_step_of_a_command_may_be_the_last),
        cmocka_unit_test(each_account_has_its_run),
        cmocka_unit_test(many_accounts_come_page_by_page),
        cmocka_unit_test(what_is_left_of_a_taken_for_each_ends),
    };
    return test_on_both_stores("custom_test", tests, G_N_ELEMENTS(tests));
}
