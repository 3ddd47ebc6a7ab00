/* plan_test: what a plan says of tables and nodes, as a table; and what load_sample adds up to, on
 * both stores. That a plan is exact is proved with real claims in app/plan_claims_test.c. */
#include "roster_test.h"

#include <math.h>
#include <string.h>

#include "roster/plan.h"
#include "roster/shard.h"

static const Role roles[] = {
    {.name = "mail", .unit = ROLE_BY_ACCOUNT, .fragile = true},
    {.name = "store", .unit = ROLE_BY_STORE},
};
static const RoleSet set = {roles, G_N_ELEMENTS(roles)};

static GArray *numbers(const char *text)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    for (char **word = words; *word && **word; word++) {
        int64_t number = g_ascii_strtoll(*word, NULL, 10);
        g_array_append_val(list, number);
    }
    return list;
}

static RoleTable *table_of(const char *mail)
{
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&set);
    g_auto(GStrv) shards = g_strsplit(mail, " | ", -1);
    if (strcmp(mail, "none") == 0)
        table_builder_set_none(builder, &roles[0]);
    else if (strcmp(mail, "*") != 0)
        for (char **shard = shards; *shard; shard++) {
            g_autoptr(GError) error = NULL;
            table_builder_add_shard(builder, &roles[0], *shard, &error);
            assert_no_error(error);
        }
    return table_builder_seal(builder);
}

typedef struct {
    const char *before, *after; /* of "mail"; "store" is "*" */
    const char *runs_before, *runs_after;
    const char *want;
} Case;

/* Each bucket has two accounts, and bucket 0 has five more. */
static Plan *plan_of(const Case *test, const LoadReport *load)
{
    static int64_t accounts[BUCKETS];
    g_autoptr(RoleTable) before = table_of(test->before);
    g_autoptr(RoleTable) after = table_of(test->after);
    g_autoptr(GArray) runs_before = numbers(test->runs_before);
    g_autoptr(GArray) runs_after = numbers(test->runs_after);
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        accounts[bucket] = bucket ? 2 : 7;
    return plan_new(&(PlanAsk){&set, before, after, runs_before, runs_after, accounts, load});
}

static void add_role(GString *text, const PlanRole *role)
{
    if (role->buckets == 0)
        return;
    g_string_append_printf(text, "%s %u/%" G_GINT64_FORMAT ":", role->role->name, role->buckets,
                           role->accounts);
    for (unsigned i = 0; i < role->moves->len; i++) {
        const PlanMove *move = g_ptr_array_index(role->moves, i);
        g_string_append_printf(text, " %s>%s=%u/%" G_GINT64_FORMAT, move->before, move->after,
                               move->buckets, move->accounts);
    }
    g_string_append(text, "; ");
}

static char *text_of(const Plan *plan)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < plan->roles->len; i++)
        add_role(text, g_ptr_array_index(plan->roles, i));
    for (unsigned i = 0; i < plan->uncovered->len; i++) {
        const PlanShard *shard = g_ptr_array_index(plan->uncovered, i);
        g_string_append_printf(text, "uncovered %s %u; ", shard->role->name, shard->shard);
    }
    for (unsigned i = 0; i < plan->single->len; i++) {
        const PlanShard *shard = g_ptr_array_index(plan->single, i);
        g_string_append_printf(text, "single %s %u on %" G_GINT64_FORMAT "; ", shard->role->name,
                               shard->shard, shard->node);
    }
    g_string_append_printf(text, "all %" G_GINT64_FORMAT, plan->accounts);
    return g_string_free(text, FALSE);
}

static const Case cases[] = {
    {"1,2", "1,2", "1,2", "1,2", "all 0"},
    {"*", "1,2", "1,2", "1,2", "all 0"},         /* the same nodes, written otherwise */
    {"1,2", "1,2 | 1,2", "1,2", "1,2", "all 0"}, /* cut in two, but in the same hands */
    {"1,2", "1,3", "1,2,3", "1,2,3", "mail 1024/2053: 1,2>1,3=1024/2053; all 2053"},
    {"1,2 | 3,4", "1,2 | 3", "1,2,3,4", "1,2,3,4",
     "mail 512/1024: 3,4>3=512/1024; single mail 2 on 3; all 1024"},
    {"1,2 | 3,4", "3,4 | 1,2", "1,2,3,4", "1,2,3,4",
     "mail 1024/2053: 1,2>3,4=512/1029 3,4>1,2=512/1024; all 2053"},
    /* two shards to four: only what comes to others counts */
    {"1,2 | 3,4", "1,2 | 3,4 | 3,4 | 3,4", "1,2,3,4", "1,2,3,4",
     "mail 256/512: 1,2>3,4=256/512; all 512"},
    /* a node that is away: it serves nothing before and nothing after */
    {"1,2 | 3", "1 | 3", "1,3", "1,3", "single mail 1 on 1; single mail 2 on 3; all 0"},
    {"1,2 | 3", "1,2 | 3", "1,2,3", "1,2",
     "mail 512/1024: 3>nobody=512/1024; store 1024/0: 1-3>1,2=1024/0; uncovered mail 2; all 1024"},
    {"1 | 2", "1 | 2", "1", "1,2",
     "mail 512/1024: nobody>2=512/1024; store 1024/0: 1>1,2=1024/0; single mail 1 on 1; single "
     "mail 2 on 2; all 1024"},
    {"1,2", "none", "1,2", "1,2", "mail 1024/2053: 1,2>nobody=1024/2053; all 2053"},
    {"1,2", "1,2", "1,2", "",
     "mail 1024/2053: 1,2>nobody=1024/2053; store 1024/0: 1,2>nobody=1024/0; uncovered mail 1; "
     "uncovered store 1; all 2053"},
};

static LoadReport *no_load(void)
{
    LoadReport *load = g_new0(LoadReport, 1);
    load->rows = g_ptr_array_new();
    load->tops = g_ptr_array_new();
    return load;
}

static void test_cases(void **state)
{
    (void)state;
    g_autoptr(LoadReport) load = no_load();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Plan) plan = plan_of(&cases[i], load);
        g_autofree char *got = text_of(plan);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s -> %s:\n got  %s\n want %s", cases[i].before, cases[i].after, got,
                     cases[i].want);
        assert_int_equal(plan->all_accounts, 2053);
        assert_int_equal(plan->measured_ms, 0);
    }
}

/* An own role that is in force, and that the new file has forgotten. */
static void test_dropped(void **state)
{
    (void)state;
    static int64_t accounts[BUCKETS];
    g_autoptr(GError) error = NULL;
    g_autoptr(LoadReport) load = no_load();
    g_autoptr(GArray) runs = numbers("1");
    g_autoptr(RoleTable) before =
        table_parse(&set, "custom.dump = 1\nmail = *\nstore = *\n", &error);
    assert_no_error(error);
    g_autoptr(RoleTable) after = table_of("*");
    g_autoptr(Plan) plan = plan_new(&(PlanAsk){&set, before, after, runs, runs, accounts, load});
    assert_int_equal(plan->dropped->len, 1);
    assert_string_equal(g_ptr_array_index(plan->dropped, 0), "custom.dump");
    assert_int_equal(plan->buckets, 0);
}

/* ---------------------------------------------------------------- load */

static void put_load(Db *db, int64_t minutes_ago, int64_t node, unsigned shard, int64_t busy_us)
{
    static const DbSql sql = {
        "INSERT INTO load_sample (minute, node, role, shard, done, failed, retried, dead, busy_us,"
        " bytes) VALUES (rota_now() / 60000 - $1, $2, 'mail', $3, 2, 1, 1, 0, $4, 10)",
        NULL};
    test_exec(db, &sql, DB_ARGS(db_int(minutes_ago), db_int(node), db_int(shard), db_int(busy_us)));
}

static LoadReport *load_of(Db *db, int64_t minutes_ago)
{
    static const DbSql now = {"SELECT rota_now()", NULL};
    g_autoptr(GError) error = NULL;
    int64_t since = minutes_ago ? test_int(db, &now, DB_NO_ARGS) - minutes_ago * 60000 : 0;
    test_begin(db);
    LoadReport *load = load_report_read(db, since, &error);
    assert_no_error(error);
    db_rollback(db);
    return load;
}

static void test_load_is_read(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(LoadReport) none = load_of(db, 0);
    assert_int_equal(none->ms, 0);
    put_load(db, 10, 1, 1, 500);
    put_load(db, 20, 1, 1, 700);
    put_load(db, 20, 2, 1, 100);
    put_load(db, 100, 2, 2, 100);
    put_load(db, (LOAD_REPORT_DAYS * 24 + 1) * 60, 2, 2, 100); /* long ago */
    g_autoptr(LoadReport) all = load_of(db, 0);
    assert_int_equal(all->rows->len, 3);
    const LoadRow *row = g_ptr_array_index(all->rows, 0);
    assert_int_equal(row->node, 1);
    assert_int_equal(row->counts.busy_us, 1200);
    assert_int_equal(row->counts.done, 4);
    assert_in_range(all->ms, 100 * 60000, 102 * 60000);
    /* what was counted under the table before does not count, nor the minute of the change */
    g_autoptr(LoadReport) young = load_of(db, 20);
    assert_int_equal(young->rows->len, 1);
    assert_in_range(young->ms, 10 * 60000, 12 * 60000);
}

/* Of hundreds of keys between two heartbeats the one that has a third is told, and with what it
 * surely had; a flush that failed is told with the next one. */
static void test_top_key(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    static const DbSql age = {"UPDATE load_sample SET minute = minute - 10", NULL};
    g_autoptr(Load) load = load_new();
    g_autoptr(GError) error = NULL;
    for (unsigned beat = 0; beat < 4; beat++) {
        for (unsigned i = 0; i < 500; i++) {
            g_autofree char *other = g_strdup_printf("%u", 100 + i);
            LoadKey keys[] = {{other, 20}, {"7", 10}, {"a-key-that-is-longer-than-any-number", 99}};
            load_add(load, "mail", 1, &(LoadCounts){.done = 2, .busy_us = 30});
            load_add_keys(load, "mail", 1, keys, G_N_ELEMENTS(keys));
        }
        test_begin(db);
        load_flush(load, db, 1, &error);
        assert_no_error(error);
        if (beat == 1)
            db_rollback(db);
        else
            test_commit(db);
        load_flushed(load, beat != 1);
    }
    test_exec(db, &age, DB_NO_ARGS);
    g_autoptr(LoadReport) report = load_of(db, 0);
    assert_int_equal(report->tops->len, 1);
    const LoadTop *top = g_ptr_array_index(report->tops, 0);
    assert_string_equal(top->key, "7");
    assert_int_equal(top->shard, 1);
    /* it had 20,000 of 60,000 */
    assert_in_range(top->busy_us, 5000, 20000);
    const LoadRow *row = g_ptr_array_index(report->rows, 0);
    assert_int_equal(row->counts.busy_us, 60000);
}

static void assert_load(const Plan *plan, int64_t number, double busy_us)
{
    for (unsigned i = 0; i < plan->nodes->len; i++) {
        const PlanNode *node = &g_array_index(plan->nodes, PlanNode, i);
        if (node->node == number && fabs(node->busy_us_after - busy_us) > 0.5)
            fail_msg("node %d: got %f, want %f", (int)number, node->busy_us_after, busy_us);
    }
}

static void test_load_is_spread(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    put_load(db, 10, 1, 1, 600); /* node 1 does more of shard 1 than node 2 */
    put_load(db, 10, 2, 1, 200);
    put_load(db, 10, 3, 2, 1024);
    g_autoptr(LoadReport) load = load_of(db, 0);
    g_autoptr(Plan) same = plan_of(&(Case){"1,2 | 3", "1,2 | 3", "1,2,3", "1,2,3", NULL}, load);
    assert_load(same, 1, 600);
    assert_load(same, 2, 200);
    assert_load(same, 3, 1024);
    g_autoptr(Plan) less = plan_of(&(Case){"1,2 | 3", "1,2 | 3", "1,2,3", "2,3", NULL}, load);
    assert_load(less, 1, 0);
    assert_load(less, 2, 800);
    g_autoptr(Plan) lost = plan_of(&(Case){"1,2 | 3", "1,2 | 3", "1,2,3", "1,2", NULL}, load);
    assert_true(fabs(lost->busy_us_uncovered - 1024) < 0.5);
    /* half the buckets of shard 2 come to node 4 alone: half its accounts */
    g_autoptr(Plan) split =
        plan_of(&(Case){"1,2 | 3", "1,2 | 3 | 1,2 | 4", "1,2,3", "1,2,3,4", NULL}, load);
    assert_load(split, 1, 600);
    assert_load(split, 3, 512);
    assert_load(split, 4, 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_load_is_read), cmocka_unit_test(test_load_is_spread),
        cmocka_unit_test(test_top_key),
    };
    return test_on_both_stores("plan_test", tests, G_N_ELEMENTS(tests));
}
