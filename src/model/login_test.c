/* login_test: failures cost time, on whichever node, and nothing else does. */
#include "support.h"
#include "model_support.h"

#include "base/limits_http.h"
#include "model/login.h"

static Login try_login(Db *db, const char *address, const char *password, const char *peer)
{
    g_autoptr(GError) error = NULL;
    Login login = {0};
    if (!login_check(db, address, password, peer, &login, &error))
        fail_msg("%s: %s", address, error->message);
    return login;
}

static void expect(Db *db, const char *address, const char *password, LoginResult want)
{
    Login login = try_login(db, address, password, "192.0.2.1");
    if (login.result != want)
        fail_msg("%s, \"%s\": got %d, want %d", address, password, login.result, want);
}

/* As if so much time had gone by. */
static void let_pass(Db *db, int64_t ms)
{
    static const DbSql sql = {"UPDATE expiring SET expires_at = expires_at - $1 WHERE account = 0",
                              NULL};
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(db_exec(db, &sql, DB_ARGS(db_int(ms)), NULL) >= 0);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

/* So many failures that the wait is the longest: no test shall depend on how fast it runs. */
static void make_many(Db *db)
{
    static const DbSql sql = {"UPDATE expiring SET value = '20' WHERE account = 0", NULL};
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(db_exec(db, &sql, DB_NO_ARGS, NULL) > 0);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void waits_grow(void **state)
{
    (void)state;
    assert_int_equal(login_wait_ms(0), 0);
    assert_int_equal(login_wait_ms(LOGIN_FREE), 0);
    assert_int_equal(login_wait_ms(LOGIN_FREE + 1), 1000);
    assert_int_equal(login_wait_ms(LOGIN_FREE + 2), 2000);
    assert_int_equal(login_wait_ms(LOGIN_FREE + 7), LOGIN_WAIT_MAX_MS);
    assert_int_equal(login_wait_ms(INT64_MAX), LOGIN_WAIT_MAX_MS);
}

static void tells_who_is_an_administrator(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    assert_true(account_set_password(db, "ada@example.org", "right", NULL));
    Login login = try_login(db, "ada@example.org", "right", "");
    assert_true(login.result == LOGIN_RIGHT && login.account == ada && !login.admin);
    assert_true(account_set_admin(db, "ada@example.org", true, NULL));
    assert_true(account_set_admin(db, "ada@example.org", true, NULL));
    assert_true(try_login(db, "ADA@example.org", "right", "").admin);
    assert_false(try_login(db, "ada@example.org", "wrong", "").admin);
    assert_true(account_set_admin(db, "ada@example.org", false, NULL));
    assert_false(try_login(db, "ada@example.org", "right", "").admin);
    assert_false(account_set_admin(db, "bob@example.org", true, NULL));
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(Account) account = account_find(db, "ada@example.org", NULL);
    assert_false(account->is_admin);
    db_rollback(db);
}

static void failures_of_an_address_count(void **state)
{
    TestStore *store = *state;
    g_autoptr(Db) other = test_store_open(store); /* another node */
    model_account(store->db, "ada@example.org", 0);
    assert_true(account_set_password(store->db, "ada@example.org", "right", NULL));
    for (unsigned i = 0; i <= LOGIN_FREE; i++) /* the '+' is no way around */
        assert_int_equal(try_login(i % 2 ? store->db : other,
                                   i % 2 ? "ada@example.org" : "ada+1@example.org", "wrong", "")
                             .result,
                         LOGIN_WRONG);
    static const char count[] = "SELECT CAST(value AS BIGINT) FROM expiring"
                                " WHERE key = 'address ada@example.org'";
    assert_int_equal(model_count(store->db, count), LOGIN_FREE + 1);
    make_many(store->db);
    Login login = try_login(other, "ada@example.org", "right", "192.0.2.9");
    assert_true(login.result == LOGIN_WAIT && login.wait_ms > 0 &&
                login.wait_ms <= LOGIN_WAIT_MAX_MS);
    /* What is refused does not count: the wait does not grow. */
    assert_int_equal(model_count(store->db, count), 20);
    let_pass(store->db, LOGIN_WAIT_MAX_MS);
    assert_int_equal(try_login(other, "ada@example.org", "right", "").result, LOGIN_RIGHT);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM expiring WHERE key ="
                                            " 'address ada@example.org'"),
                     0);
    /* Of nobody too, so that it looks the same. */
    for (unsigned i = 0; i <= LOGIN_FREE; i++)
        assert_int_equal(try_login(store->db, "nobody@example.org", "x", "").result, LOGIN_WRONG);
    make_many(store->db);
    assert_int_equal(try_login(store->db, "nobody@example.org", "x", "").result, LOGIN_WAIT);
    let_pass(store->db, LOGIN_FORGET_MS);
    assert_int_equal(try_login(store->db, "nobody@example.org", "x", "").result, LOGIN_WRONG);
}

static void failures_of_a_peer_count(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    static const char *const addresses[] = {"a@example.org", "b@example.org", "c@example.org",
                                            "d@example.org"};
    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++)
        expect(db, addresses[i], "wrong", LOGIN_WRONG);
    make_many(db);
    expect(db, "e@example.org", "wrong", LOGIN_WAIT);
    /* Another is free, and so is the loopback, which may be a proxy. */
    assert_int_equal(try_login(db, "e@example.org", "wrong", "192.0.2.2").result, LOGIN_WRONG);
    assert_int_equal(try_login(db, "f@example.org", "", "127.0.0.1").result, LOGIN_WRONG);
    make_many(db);
    assert_int_equal(try_login(db, "f@example.org", "", "127.0.0.1").result, LOGIN_WAIT);
    assert_int_equal(try_login(db, "g@example.org", "", "127.0.0.1").result, LOGIN_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow),
        cmocka_unit_test(tells_who_is_an_administrator),
        cmocka_unit_test(failures_of_an_address_count),
        cmocka_unit_test(failures_of_a_peer_count),
    };
    return test_on_both_stores("login", tests, G_N_ELEMENTS(tests));
}
