/* account_test: addresses are unique, freed by deletion, and come back only where nobody took them.
 */
#include "support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "model/account.h"

static int64_t resolve(Db *db, const char *address)
{
    int64_t id = 0;
    assert_true(db_begin(db, DB_READ, NULL));
    g_auto(DbScope) scope = db_scope(db);
    return account_resolve(db, address, &id, NULL) ? id : 0;
}

static void addresses_are_unique(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "Ada@Example.org", 0), id = 0;
    assert_true(account_add_alias(db, "ada@example.org", "post@example.org", NULL));
    static const struct {
        const char *address;
        ErrorKind want;
    } wrong[] = {
        {"ada@example.org", ERROR_CONFLICT},    {"ADA@EXAMPLE.ORG", ERROR_CONFLICT},
        {"post@example.org", ERROR_CONFLICT},   {"nobody", ERROR_REJECT},
        {"ada+list@example.org", ERROR_REJECT}, {"", ERROR_REJECT},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL, alias_error = NULL;
        assert_false(account_add(db, wrong[i].address, "", 0, &id, &error));
        assert_int_equal(error_kind(error), wrong[i].want);
        assert_false(account_add_alias(db, "ada@example.org", wrong[i].address, &alias_error));
        assert_int_equal(error_kind(alias_error), wrong[i].want);
    }
    assert_int_equal(resolve(db, "ada+list@example.org"), ada);
    assert_int_equal(resolve(db, "POST@example.org"), ada);
    assert_int_equal(model_count(db, "SELECT count(*) FROM account"), 1);
    assert_int_equal(model_count(db, "SELECT count(*) FROM alias"), 2);
}

static void a_deleted_one_frees_its_addresses(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t old = model_account(db, "ada@example.org", 0);
    assert_true(account_add_alias(db, "ada@example.org", "post@example.org", NULL));
    assert_true(account_delete(db, "post@example.org", NULL)); /* an alias names it, too */
    assert_int_equal(resolve(db, "ada@example.org"), 0);
    assert_int_equal(resolve(db, "post@example.org"), 0);
    g_autoptr(GError) error = NULL, taken = NULL, gone = NULL;
    assert_false(account_delete(db, "ada@example.org", &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    int64_t new = model_account(db, "ada@example.org", 0);
    assert_true(new > old);
    assert_false(account_undelete(db, "ada@example.org", &taken));
    assert_int_equal(error_kind(taken), ERROR_CONFLICT);
    assert_true(account_delete(db, "ada@example.org", NULL));
    assert_true(account_undelete(db, "Ada@example.org", NULL)); /* the latest */
    assert_int_equal(resolve(db, "ada@example.org"), new);
    assert_int_equal(resolve(db, "post@example.org"), 0);
    assert_false(account_undelete(db, "bob@example.org", &gone));
    assert_int_equal(error_kind(gone), ERROR_GONE);
}

static void lists_have_all(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    model_account(db, "bob@example.org", 0);
    model_account(db, "ada@example.org", 100);
    model_account(db, "eve@example.org", 0);
    assert_true(account_add_alias(db, "bob@example.org", "z@example.org", NULL));
    assert_true(account_add_alias(db, "bob@example.org", "a@example.org", NULL));
    assert_true(account_delete(db, "eve@example.org", NULL));
    for (int deleted = 0; deleted < 2; deleted++) {
        assert_true(db_begin(db, DB_READ, NULL));
        g_autoptr(GPtrArray) list = account_list(db, deleted, NULL);
        db_rollback(db);
        g_autoptr(GString) got = g_string_new(NULL);
        for (guint i = 0; i < list->len; i++) {
            const Account *account = list->pdata[i];
            g_string_append_printf(got, "%s%s", account->address, account->deleted_at ? "!" : "");
            for (guint k = 0; k < account->aliases->len; k++)
                g_string_append_printf(got, "+%s", (char *)account->aliases->pdata[k]);
            g_string_append_c(got, ' ');
        }
        const char *want = deleted ? "ada@example.org bob@example.org+a@example.org+z@example.org "
                                     "eve@example.org! "
                                   : "ada@example.org bob@example.org+a@example.org+z@example.org ";
        assert_string_equal(got->str, want);
    }
}

static void the_nearest_is_meant(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    model_account(db, "ada@example.org", 0);
    assert_true(account_add_alias(db, "ada@example.org", "postmaster@example.org", NULL));
    static const struct {
        const char *typed, *want;
    } cases[] = {{"adda@example.org", "ada@example.org"},
                 {"postmster@example.org", "postmaster@example.org"},
                 {"somebody.else@elsewhere.example", NULL}};
    assert_true(db_begin(db, DB_READ, NULL));
    g_auto(DbScope) scope = db_scope(db);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = account_nearest(db, cases[i].typed);
        if (g_strcmp0(got, cases[i].want) != 0)
            fail_msg("%s: got %s", cases[i].typed, got ? got : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_unique),
        cmocka_unit_test(a_deleted_one_frees_its_addresses),
        cmocka_unit_test(lists_have_all),
        cmocka_unit_test(the_nearest_is_meant),
    };
    return test_on_both_stores("account", tests, G_N_ELEMENTS(tests));
}
