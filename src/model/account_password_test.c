/* account_password: a password proves a person, and nothing else does. */
#include "support.h"
#include "model_support.h"

#include "base/error.h"
#include "model/account.h"

static void expect(Db *db, const char *address, const char *password, bool want)
{
    g_autoptr(GError) error = NULL;
    bool right = !want;
    if (!account_check_password(db, address, password, &right, &error))
        fail_msg("%s: %s", address, error->message);
    if (right != want)
        fail_msg("%s, \"%s\": got %d, want %d", address, password, right, want);
}

static void a_password_is_right_or_wrong(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    model_account(db, "ada@example.org", 0);
    model_account(db, "bob@example.org", 0);
    assert_true(account_set_password(db, "ada@example.org", "correct horse", NULL));
    static const struct {
        const char *address, *password;
        bool want;
    } cases[] = {
        {"ada@example.org", "correct horse", true},
        {"ADA@example.org", "correct horse", true},
        {"ada@example.org", "correct hors", false},
        {"ada@example.org", "correct horse ", false},
        {"ada@example.org", "", false},
        {"bob@example.org", "", false}, /* has none: nothing proves bob */
        {"nobody@example.org", "correct horse", false},
        {"no address", "correct horse", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        expect(db, cases[i].address, cases[i].password, cases[i].want);
    assert_true(account_set_password(db, "ada@example.org", "", NULL));
    expect(db, "ada@example.org", "", false);
    expect(db, "ada@example.org", "correct horse", false);
}

/* What is stored tells neither the password nor that two are the same. */
static void a_password_is_stored_as_a_digest(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    model_account(db, "ada@example.org", 0);
    model_account(db, "bob@example.org", 0);
    assert_true(account_set_password(db, "ada@example.org", "correct horse", NULL));
    assert_true(account_set_password(db, "bob@example.org", "correct horse", NULL));
    assert_int_equal(model_count(db, "SELECT count(DISTINCT password) FROM account"), 2);
    assert_int_equal(model_count(db,
                                 "SELECT count(*) FROM account WHERE password LIKE '$argon2id$%' "
                                 "AND password NOT LIKE '%horse%'"),
                     2);
}

static void a_deleted_account_has_no_password(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    model_account(db, "ada@example.org", 0);
    assert_true(account_set_password(db, "ada@example.org", "correct horse", NULL));
    assert_true(account_delete(db, "ada@example.org", NULL));
    expect(db, "ada@example.org", "correct horse", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_right_or_wrong),
        cmocka_unit_test(a_password_is_stored_as_a_digest),
        cmocka_unit_test(a_deleted_account_has_no_password),
    };
    return test_on_both_stores("account_password", tests, G_N_ELEMENTS(tests));
}
