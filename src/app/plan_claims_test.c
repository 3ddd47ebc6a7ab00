/* plan_claims_test: a plan is exact. On both stores, with real accounts: a table comes into force,
 * every node asks for every account's work as a lane does, and so does it under the next table; the
 * accounts whose set of nodes has changed are those that the plan foretold, table after table. */
#include "support.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/rand.h"
#include "duty/duty.h"
#include "model/account.h"
#include "roster/adoption.h"
#include "roster/member.h"
#include "roster/plan.h"
#include "roster/task.h"

#define ACCOUNTS 200
#define NODES    6
#define TABLES   12

static const char *const ROLES[] = {"fts-indexing", "calendar-alerts"};

/* For each role and account: bit n is set if node n gets its task. */
typedef struct {
    unsigned hands[G_N_ELEMENTS(ROLES)][ACCOUNTS + 1];
} Claims;

static void begin(Db *db, DbMode mode)
{
    g_autoptr(GError) error = NULL;
    db_begin(db, mode, &error);
    assert_no_error(error);
}

static void commit(Db *db)
{
    g_autoptr(GError) error = NULL;
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

static void fill(Db *db)
{
    g_autoptr(GError) error = NULL;
    for (unsigned i = 1; i <= ACCOUNTS; i++) {
        int64_t id;
        char key[ACCOUNT_KEY_BYTES];
        g_autofree char *address = g_strdup_printf("user%u@example.org", i);
        account_add(db, address, "", 0, &id, &error);
        assert_no_error(error);
        assert_int_equal(id, i);
        unsigned bucket = account_bucket(id, key);
        begin(db, DB_WRITE);
        for (unsigned role = 0; role < G_N_ELEMENTS(ROLES); role++)
            task_add(db, &(TaskNew){.role = ROLES[role], .bucket = bucket, .key = key}, &error);
        assert_no_error(error);
        commit(db);
    }
}

/* A table with some shards of some nodes for both roles. */
static RoleTable *random_table(Rand *rand)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&duty_roles);
    for (unsigned role = 0; role < G_N_ELEMENTS(ROLES); role++) {
        unsigned shards = 1 + (unsigned)rand_below(rand, 7);
        for (unsigned shard = 0; shard < shards; shard++) {
            g_string_truncate(text, 0);
            for (unsigned node = 1; node <= NODES; node++)
                if (rand_below(rand, 3) == 0 || (node == NODES && text->len == 0))
                    g_string_append_printf(text, "%s%u", text->len ? "," : "", node);
            table_builder_add_shard(builder, role_find(&duty_roles, ROLES[role]), text->str,
                                    &error);
            assert_no_error(error);
        }
    }
    return table_builder_seal(builder);
}

static void join_all(Db *db, Member **members, const RoleTable *table)
{
    g_autoptr(GError) error = NULL;
    begin(db, DB_WRITE);
    for (unsigned node = 0; node < NODES; node++) {
        members[node] = member_new(node + 1, 600000, "box", 1, "1");
        member_join(members[node], db, table, &error);
        assert_no_error(error);
    }
    commit(db);
    for (unsigned node = 0; node < NODES; node++)
        member_confirm(members[node], 1);
}

/* Every node proposes the table; it comes into force. */
static void bring_into_force(Db *db, Member **members, const RoleTable *table)
{
    g_autoptr(GError) error = NULL;
    bool adopted = false;
    begin(db, DB_WRITE);
    for (unsigned node = 0; node < NODES; node++)
        member_propose(members[node], db, table, &error);
    assert_no_error(error);
    adoption_step(db, &adopted, &error);
    assert_no_error(error);
    commit(db);
    assert_true(adopted);
}

static void note_claim(Claims *claims, unsigned role, unsigned node, const TaskClaim *claimed)
{
    for (unsigned i = 0; i < claimed->tasks->len; i++) {
        gint64 id = g_ascii_strtoll(g_array_index(claimed->tasks, Task, i).key, NULL, 10);
        assert_in_range(id, 1, ACCOUNTS);
        claims->hands[role][id] |= 1U << node;
    }
}

/* What a lane of the node would get of the role's shard; what it claims is taken back. */
static void claim(Db *db, const TableInForce *in_force, unsigned role, unsigned shard,
                  unsigned node, Claims *claims)
{
    g_autoptr(GError) error = NULL;
    unsigned cursor = 0;
    TaskClaimed claimed = {0};
    TaskClaimAsk ask = {.role = ROLES[role],
                        .shard = shard,
                        .shards = table_shards(in_force->table, ROLES[role]),
                        .owner = 1000000 + node,
                        .batch = TASK_BATCH_MAX,
                        .epoch = in_force->epoch,
                        .node = node,
                        .cursor = &cursor};
    begin(db, DB_WRITE);
    task_claim(db, &ask, &claimed, &error);
    assert_no_error(error);
    assert_false(claimed.stale);
    db_rollback(db);
    if (claimed.claim)
        note_claim(claims, role, node, claimed.claim);
    task_claim_free(claimed.claim);
}

static void claim_all(Db *db, Claims *claims)
{
    g_autoptr(GError) error = NULL;
    g_auto(TableInForce) in_force = {0};
    memset(claims, 0, sizeof(*claims));
    begin(db, DB_READ);
    adoption_read(db, &duty_roles, 0, &in_force, &error);
    assert_no_error(error);
    db_rollback(db);
    for (unsigned node = 1; node <= NODES; node++) {
        for (unsigned role = 0; role < G_N_ELEMENTS(ROLES); role++) {
            g_autoptr(GArray) shards = table_shards_of_node(in_force.table, ROLES[role], node);
            for (unsigned i = 0; i < shards->len; i++)
                claim(db, &in_force, role, g_array_index(shards, unsigned, i), node, claims);
        }
    }
}

static Plan *plan_between(Db *db, const RoleTable *before, const RoleTable *after)
{
    int64_t accounts[BUCKETS];
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) running = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (int64_t node = 1; node <= NODES; node++)
        g_array_append_val(running, node);
    begin(db, DB_READ);
    account_count_by_bucket(db, accounts, &error);
    assert_no_error(error);
    g_autoptr(LoadReport) load = load_report_read(db, 0, &error);
    assert_no_error(error);
    db_rollback(db);
    return plan_new(&(PlanAsk){&duty_roles, before, after, running, running, accounts, load});
}

static int64_t planned(const Plan *plan, const char *role)
{
    for (unsigned i = 0; i < plan->roles->len; i++) {
        const PlanRole *found = g_ptr_array_index(plan->roles, i);
        if (strcmp(found->role->name, role) == 0)
            return found->accounts;
    }
    fail_msg("no role %s", role);
    return -1;
}

/* Compares a plan with what the claims show; returns how many accounts moved. */
static int64_t compare(const Plan *plan, const Claims *before, const Claims *after)
{
    int64_t any = 0;
    for (unsigned role = 0; role < G_N_ELEMENTS(ROLES); role++) {
        int64_t moved = 0;
        for (unsigned id = 1; id <= ACCOUNTS; id++) {
            assert_true(before->hands[role][id] && after->hands[role][id]);
            moved += before->hands[role][id] != after->hands[role][id];
        }
        assert_int_equal(planned(plan, ROLES[role]), moved);
    }
    for (unsigned id = 1; id <= ACCOUNTS; id++)
        any += before->hands[0][id] != after->hands[0][id] ||
               before->hands[1][id] != after->hands[1][id];
    assert_int_equal(plan->accounts, any);
    assert_int_equal(plan->all_accounts, ACCOUNTS);
    return any;
}

static void test_exact(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Claims before, after;
    int64_t moved = 0;
    Rand rand;
    Member *members[NODES];
    rand_init(&rand, 20251125);
    fill(db);
    g_autoptr(RoleTable) now = random_table(&rand);
    join_all(db, members, now);
    bring_into_force(db, members, now);
    claim_all(db, &before);
    for (unsigned i = 1; i < TABLES; i++) {
        g_autoptr(RoleTable) next = random_table(&rand);
        g_autoptr(Plan) plan = plan_between(db, now, next);
        bring_into_force(db, members, next);
        claim_all(db, &after);
        moved += compare(plan, &before, &after);
        before = after;
        g_clear_pointer(&now, table_unref);
        now = g_steal_pointer(&next);
    }
    for (unsigned node = 0; node < NODES; node++)
        member_free(members[node]);
    print_message("# %d changes of table: %d accounts moved, each foretold\n", TABLES - 1,
                  (int)moved);
    assert_in_range(moved, ACCOUNTS, (TABLES - 1) * ACCOUNTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact)};
    return test_on_both_stores("plan_claims_test", tests, G_N_ELEMENTS(tests));
}
