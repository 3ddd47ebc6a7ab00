/* fault: the torture loop, the three outcomes, and many doors on one handle. */
#include "support.h"

#include "base/error.h"
#include "db/fault.h"

static const DbSql add_key = {
    .sql =
        "INSERT INTO expiring (account, kind, key, value, expires_at) VALUES (0, 'test', $1, '', 0)"
        " ON CONFLICT DO NOTHING"};
static const DbSql count_keys = {.sql = "SELECT count(*) FROM expiring"};

static int64_t keys(Db *db)
{
    int64_t count = -1;
    assert_true(db_begin(db, DB_READ, NULL));
    assert_int_equal(db_query_int(db, &count_keys, DB_NO_ARGS, &count, NULL), 1);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    return count;
}

/* Two rows in one transaction, with a savepoint between. */
static DbOutcome body(Db *db, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return DB_NOT_DONE;
    g_auto(DbScope) scope = db_scope(db);
    if (db_exec(db, &add_key, DB_ARGS(db_text("a")), error) < 0)
        return DB_NOT_DONE;
    if (!db_savepoint_begin(db, error))
        return DB_NOT_DONE;
    if (db_exec(db, &add_key, DB_ARGS(db_text("b")), error) < 0)
        return DB_NOT_DONE;
    if (!db_savepoint_release(db, error))
        return DB_NOT_DONE;
    return db_commit(db, error);
}

static void fault_n_fails_until_the_body_passes(void **state)
{
    TestStore *store = *state;
    static const Fault faults[] = {FAULT_RETRY, FAULT_UNKNOWN_NOT_DONE, FAULT_UNKNOWN_DONE};
    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        unsigned unknown = 0;
        FaultAt at = {.fault = faults[i]};
        do {
            at.number++;
            at.met = false;
            g_autoptr(GError) error = NULL;
            g_autoptr(Db) door = db_open_fault(store->db, fault_plan_at, &at);
            int64_t before = keys(store->db);
            DbOutcome outcome = body(door, &error);
            assert_false(db_in_transaction(door));
            assert_false(db_in_transaction(store->db));
            assert_int_equal(outcome == DB_DONE, !at.met);
            if (outcome == DB_NOT_DONE) {
                assert_int_equal(error_kind(error), ERROR_RETRY);
                assert_int_equal(keys(store->db), before);
            }
            if (outcome == DB_UNKNOWN) {
                unknown++;
                assert_int_equal(error_kind(error), ERROR_UNKNOWN);
                assert_int_equal(keys(store->db), faults[i] == FAULT_UNKNOWN_DONE ? 2 : before);
            }
        } while (at.met);
        assert_int_equal(at.number, 7); /* begin, four statements, commit; then none is left */
        assert_int_equal(unknown, faults[i] == FAULT_RETRY ? 0 : 1);
        assert_int_equal(keys(store->db), 2);
        static const DbSql clear = {.sql = "DELETE FROM expiring"};
        assert_true(db_begin(store->db, DB_WRITE, NULL));
        assert_int_equal(db_exec(store->db, &clear, DB_NO_ARGS, NULL), 2);
        assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    }
}

static Fault no_connection(FaultPoint point, uint64_t call, void *data)
{
    (void)data;
    return point == FAULT_POINT_BEGIN && call <= 3 ? FAULT_RETRY : FAULT_NONE;
}

static void many_doors_share_a_handle(void **state)
{
    TestStore *store = *state;
    Db *doors[50];
    for (unsigned i = 0; i < G_N_ELEMENTS(doors); i++)
        doors[i] = db_open_fault(store->db, i == 7 ? no_connection : NULL, NULL);
    unsigned refused = 0, done = 0;
    for (unsigned turn = 0; turn < 5; turn++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(doors); i++) {
            if (!db_begin(doors[i], DB_WRITE, NULL)) {
                refused++;
                continue;
            }
            g_autofree char *key = g_strdup_printf("%u.%u", turn, i);
            assert_int_equal(db_exec(doors[i], &add_key, DB_ARGS(db_text(key)), NULL), 1);
            done += db_commit(doors[i], NULL) == DB_DONE;
        }
    }
    assert_int_equal(refused, 3);
    assert_int_equal(done, 247);
    assert_int_equal(keys(store->db), 247);
    assert_int_equal(db_counts(doors[7]).transactions, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(doors); i++)
        db_close(doors[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_n_fails_until_the_body_passes),
        cmocka_unit_test(many_doors_share_a_handle),
    };
    return test_on_both_stores("fault", tests, G_N_ELEMENTS(tests));
}
