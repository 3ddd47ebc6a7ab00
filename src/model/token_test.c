/* token_test: tokens open their account, and nothing else does. */
#include "support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "model/account.h"
#include "model/login.h"
#include "model/token.h"

static void has_a_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t account; /* 0: refused */
    } rows[] = {
        {"rota_17_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN-_0", 17},
        {"rota_17_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN-_", 0},
        {"rota_17_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL-_78901", 0},
        {"rota_17_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO", 0},
        {"rota_17_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ", 17},
        {"rota_017_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ", 0},
        {"rota_17-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ", 0},
        {"rota__abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ", 0},
        {"rota_17_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP=", 0},
        {"rota_9999999999999999999_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ", 0},
        {"rota_", 0},
        {"", 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int64_t account = 0;
        bool good = token_parse(rows[i].text, &account);
        if (good != (rows[i].account != 0) || account != rows[i].account)
            fail_msg("%s: got %d", rows[i].text, good);
    }
}

static Login try_token(Db *db, const char *address, const char *token)
{
    g_autoptr(GError) error = NULL;
    Login login = {0};
    if (!login_check_token(db, address, token, "192.0.2.1", &login, &error))
        fail_msg("%s", error->message);
    return login;
}

static void opens_its_account(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    model_account(db, "bob@example.org", 0);
    g_autofree char *token = token_add(db, "ada@example.org", "telephone", false, 0, NULL);
    g_autofree char *other = token_add(db, "ada@example.org", NULL, true, 3600000, NULL);
    assert_string_not_equal(token, other);
    Login login = try_token(db, NULL, token);
    assert_true(login.result == LOGIN_RIGHT && login.account == ada && !login.admin);
    assert_int_equal(try_token(db, "ada@example.org", token).result, LOGIN_RIGHT);
    assert_int_equal(try_token(db, "bob@example.org", token).result, LOGIN_WRONG);
    assert_int_equal(try_token(db, "nobody@example.org", token).result, LOGIN_WRONG);
    /* The administrator's mark and the token's: both. */
    assert_false(try_token(db, NULL, other).admin);
    assert_true(account_set_admin(db, "ada@example.org", true, NULL));
    assert_true(try_token(db, NULL, other).admin);
    assert_false(try_token(db, NULL, token).admin);

    g_autoptr(GPtrArray) tokens = token_list(db, "ada@example.org", NULL);
    assert_int_equal(tokens->len, 2);
    const Token *first = g_ptr_array_index(tokens, 0), *second = g_ptr_array_index(tokens, 1);
    if (first->admin) {
        const Token *swap = first;
        first = second;
        second = swap;
    }
    assert_string_equal(first->name, "telephone");
    assert_true(first->used_at > 0 && first->expires_at == 0 && second->expires_at > 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM expiring WHERE kind = 'token' AND (key ="
                                     " '' OR value LIKE '%rota!_%' ESCAPE '!')"),
                     0);
    g_autoptr(GError) error = NULL;
    assert_false(token_revoke(db, "ada@example.org", "000000000000", &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    assert_true(token_revoke(db, "ada@example.org", first->id, NULL));
    assert_int_equal(try_token(db, NULL, token).result, LOGIN_WRONG);
    assert_int_equal(try_token(db, NULL, other).result, LOGIN_RIGHT);
}

static void ends(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    static const DbSql let_end = {
        "UPDATE expiring SET expires_at = rota_now() WHERE kind = 'token'", NULL};
    model_account(db, "ada@example.org", 0);
    g_autofree char *token = token_add(db, "ada@example.org", "", false, 3600000, NULL);
    assert_int_equal(try_token(db, NULL, token).result, LOGIN_RIGHT);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(db_exec(db, &let_end, DB_NO_ARGS, NULL) == 1);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    assert_int_equal(try_token(db, NULL, token).result, LOGIN_WRONG);

    g_autofree char *later = token_add(db, "ada@example.org", "", false, 0, NULL);
    assert_true(account_delete(db, "ada@example.org", NULL));
    assert_int_equal(try_token(db, NULL, later).result, LOGIN_WRONG);
}

static void failures_count(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    static const char wrong[] = "rota_1_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";
    for (int i = 0; i <= LOGIN_FREE; i++)
        assert_int_equal(try_token(db, NULL, wrong).result, LOGIN_WRONG);
    assert_int_equal(try_token(db, NULL, wrong).result, LOGIN_WAIT);
}

static void are_bounded(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(GError) error = NULL;
    model_account(db, "ada@example.org", 0);
    for (int i = 0; i < TOKENS_MAX; i++)
        g_free(token_add(db, "ada@example.org", "", false, 0, &error));
    assert_no_error(error);
    assert_null(token_add(db, "ada@example.org", "", false, 0, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_a_form),  cmocka_unit_test(opens_its_account),
        cmocka_unit_test(ends),        cmocka_unit_test(failures_count),
        cmocka_unit_test(are_bounded),
    };
    return test_on_both_stores("token", tests, G_N_ELEMENTS(tests));
}
