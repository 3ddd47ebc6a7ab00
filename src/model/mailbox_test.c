/* mailbox_test: paths and names, and that two ways to one mailbox meet. */
#include "support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/mailbox.h"

/* In a transaction of its own; 0 and the error's kind where it fails. */
static int64_t ensure(Db *db, int64_t account, const char *path, bool *ret_made, ErrorKind *ret_why)
{
    g_autoptr(GError) error = NULL;
    int64_t id = 0;
    assert_true(db_begin(db, DB_WRITE, NULL));
    g_auto(DbScope) scope = db_scope(db);
    if (mailbox_ensure(db, account, path, &id, ret_made, &error)) {
        assert_int_equal(db_commit(db, NULL), DB_DONE);
        return id;
    }
    *ret_why = error_kind(error);
    return 0;
}

static int64_t find(Db *db, int64_t account, const char *path)
{
    int64_t id = 0;
    assert_true(db_begin(db, DB_READ, NULL));
    g_auto(DbScope) scope = db_scope(db);
    return mailbox_by_path(db, account, path, &id, NULL) ? id : 0;
}

static void paths_are_made_once(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    int64_t other = model_account(db, "bob@example.org", 0);
    bool made = false;
    ErrorKind why;
    int64_t deep = ensure(db, account, "A/B/C", &made, &why);
    assert_true(deep && made);
    assert_int_equal(ensure(db, account, "A/B/C", &made, &why), deep);
    assert_false(made);
    assert_true(ensure(db, account, "A/B", &made, &why) && !made);
    assert_int_equal(find(db, account, "A/B/C"), deep);
    assert_int_equal(find(db, account, "A/C"), 0);
    assert_int_equal(find(db, account, "a/B/C"), 0);
    assert_int_equal(find(db, other, "A/B/C"), 0);
    int64_t inbox = find(db, account, "INBOX");
    assert_true(inbox && inbox == find(db, account, "Inbox") &&
                inbox == ensure(db, account, "iNbOx", &made, &why));
    int64_t below = ensure(db, account, "INBOX/Below", &made, &why);
    assert_true(below && below == find(db, account, "Inbox/Below"));
    model_check(db);
}

static void composed_and_decomposed_are_one(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    bool made;
    ErrorKind why;
    int64_t id = ensure(db, account, "Entw\xc3\xbcrfe", &made, &why);
    assert_true(id);
    assert_int_equal(ensure(db, account, "Entwu\xcc\x88rfe", &made, &why), id);
    assert_int_equal(find(db, account, "Entwu\xcc\x88rfe"), id);
}

static void what_is_no_path_is_refused(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    g_autofree char *name = g_strnfill(MAILBOX_NAME_BYTES_MAX + 1, 'x');
    g_autofree char *deep = g_strnfill(2 * 32 + 1, 'a');
    for (size_t i = 1; deep[i]; i += 2)
        deep[i] = '/';
    const char *wrong[] = {"", "/", "a/", "/a", "a//b", "a\nb", "a\x7f", "\xff", name, deep};
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        bool made;
        ErrorKind why = ERROR_RETRY;
        if (ensure(db, account, wrong[i], &made, &why) || why != ERROR_REJECT)
            fail_msg("path number %zu was not refused", i);
    }
    assert_int_equal(model_count(db, "SELECT count(*) FROM mailbox"), 6);
}

static void names_are_made_of_anything(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } names[] = {
        {"Sent", "Sent"}, {"a/b", "a_b"},           {"", "_"},
        {"\x01\n", "__"}, {"\xff", "\xef\xbf\xbd"}, {"u\xcc\x88", "\xc3\xbc"},
        {"..", ".."},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *got = mailbox_name_make(names[i].text);
        assert_string_equal(got, names[i].want);
    }
    g_autofree char *many = g_strnfill(300, 'x');
    memcpy(many + 254, "\xc3\xbc", 2); /* the limit would cut this one in two */
    g_autofree char *got = mailbox_name_make(many);
    assert_int_equal(strlen(got), 254);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_made_once),
        cmocka_unit_test(composed_and_decomposed_are_one),
        cmocka_unit_test(what_is_no_path_is_refused),
        cmocka_unit_test(names_are_made_of_anything),
    };
    return test_on_both_stores("mailbox", tests, G_N_ELEMENTS(tests));
}
