/* email_test: what moving, marking and destroying does to counts, change log, tasks and verdicts.
 */
#include "support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/email.h"
#include "model/mailbox.h"

typedef enum { MOVE, SET, UNSET, DESTROY } Verb;

/* One verb in a transaction of its own; `what` is a mailbox or a keyword. False: *ret_why. */
static bool act(Db *db, int64_t account, int64_t id, Verb verb, const char *what,
                ErrorKind *ret_why)
{
    g_autoptr(GError) error = NULL;
    int64_t to = 0;
    assert_true(db_begin(db, DB_WRITE, NULL));
    g_auto(DbScope) scope = db_scope(db);
    bool good = true;
    if (verb == MOVE)
        good = mailbox_by_path(db, account, what, &to, &error) &&
               email_move(db, account, id, to, &error);
    else if (verb == DESTROY)
        good = email_destroy(db, account, id, &error);
    else
        good = email_set_keyword(db, account, id, what, verb == SET, &error);
    if (good && db_commit(db, &error) == DB_DONE)
        return true;
    *ret_why = error_kind(error);
    return false;
}

static int64_t deliver(Db *db, int64_t account, const char *id, const char *folder)
{
    g_autoptr(Letter) letter = model_letter(id, NULL, "subject", "body\r\n");
    Delivery delivery = {.letter = letter, .account = account, .key = id, .folder = folder};
    Delivered result;
    assert_true(deliver_many(db, &delivery, 1, &result, NULL));
    assert_int_equal(result.result, DELIVER_STORED);
    return result.email;
}

/* The verdict on the only message: 1, -1, or 0. */
static int64_t verdict(Db *db)
{
    return model_count(db, "SELECT COALESCE(SUM(verdict), 0) FROM spam_verdict");
}

static void people_say_what_is_spam(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    int64_t id = deliver(db, account, "a@example.org", NULL);
    static const struct {
        Verb verb;
        const char *what;
        int64_t want;
    } steps[] = {
        {MOVE, "Archive", 0}, {MOVE, "Junk", 1},  {MOVE, "Junk", 1},   {MOVE, "Inbox", 0},
        {MOVE, "Junk", 1},    {MOVE, "Trash", 1}, {MOVE, "Inbox", 1},  {SET, "$notjunk", 0},
        {SET, "$junk", 1},    {SET, "$junk", 1},  {UNSET, "$junk", 0}, {SET, "$seen", 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        ErrorKind why;
        assert_true(act(db, account, id, steps[i].verb, steps[i].what, &why));
        if (verdict(db) != steps[i].want)
            fail_msg("step %zu, %s: got %d, want %d", i, steps[i].what, (int)verdict(db),
                     (int)steps[i].want);
        model_check(db);
    }
    assert_int_equal(model_count(db, "SELECT count(*) FROM task WHERE role = 'bayes-training'"), 1);
}

static void verbs_keep_the_books(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    int64_t first = deliver(db, account, "a@example.org", NULL);
    int64_t second = deliver(db, account, "b@example.org", "Junk");
    ErrorKind why = ERROR_RETRY;
    int64_t before = model_count(db, "SELECT max(change_seq) FROM account");
    static const struct {
        Verb verb;
        const char *what;
        int changes; /* rows of the change log */
    } steps[] = {
        {SET, "$SEEN", 1},  {SET, "$seen", 0},   {UNSET, "$flagged", 0},
        {SET, "$draft", 1}, {UNSET, "$seen", 1}, {UNSET, "$draft", 1},
        {MOVE, "Sent", 1},  {MOVE, "Sent", 0},   {DESTROY, NULL, 1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        assert_true(act(db, account, first, steps[i].verb, steps[i].what, &why));
        int64_t now = model_count(db, "SELECT max(change_seq) FROM account");
        if (now - before != steps[i].changes)
            fail_msg("step %zu: got %d changes, want %d", i, (int)(now - before), steps[i].changes);
        before = now;
        model_check(db);
    }
    for (Verb verb = MOVE; verb <= DESTROY; verb++) {
        assert_false(act(db, account, first, verb, verb == MOVE ? "Inbox" : "$seen", &why));
        assert_int_equal(why, ERROR_GONE);
    }
    assert_false(act(db, account, second, MOVE, "Nowhere", &why));
    assert_int_equal(why, ERROR_GONE);
    assert_false(act(db, account, second, SET, "a b", &why));
    assert_int_equal(why, ERROR_REJECT);
    assert_int_equal(model_count(db, "SELECT max(change_seq) FROM account"), before);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 1);
    model_check(db);
}

static void an_account_sees_its_own_mail(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    int64_t bob = model_account(db, "bob@example.org", 0);
    int64_t id = deliver(db, ada, "a@example.org", NULL);
    deliver(db, ada, "b@example.org", NULL);
    ErrorKind why = ERROR_RETRY;
    assert_false(act(db, bob, id, DESTROY, NULL, &why));
    assert_int_equal(why, ERROR_GONE);
    assert_false(act(db, bob, id, SET, "$seen", &why));
    assert_int_equal(why, ERROR_GONE);
    assert_int_equal(model_count(db, "SELECT count(*) FROM email"), 2);
}

static void lists_go_both_ways(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    for (int i = 0; i < 6; i++) {
        g_autofree char *id = g_strdup_printf("%d@example.org", i);
        deliver(db, account, id, i % 2 ? "Junk" : NULL);
    }
    static const struct {
        const char *folder; /* NULL: all */
        int64_t from;
        unsigned limit;
        const char *forward, *back; /* ids: > from; < from, or the newest where it is 0 */
    } cases[] = {
        {NULL, 0, 10, "123456", "654321"}, {NULL, 3, 10, "456", "21"}, {NULL, 0, 2, "12", "65"},
        {"Inbox", 0, 10, "135", "531"},    {"Inbox", 3, 10, "5", "1"}, {"Junk", 6, 1, "", "4"},
        {"Sent", 0, 10, "", ""},
    };
    assert_true(db_begin(db, DB_READ, NULL));
    g_auto(DbScope) scope = db_scope(db);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int64_t mailbox = 0;
        if (cases[i].folder)
            assert_true(mailbox_by_path(db, account, cases[i].folder, &mailbox, NULL));
        for (int back = 0; back < 2; back++) {
            g_autoptr(GPtrArray) list =
                back ? email_list_newest(db, account, mailbox, cases[i].from, cases[i].limit, NULL)
                     : email_list(db, account, mailbox, cases[i].from, cases[i].limit, NULL);
            g_autoptr(GString) got = g_string_new(NULL);
            for (guint k = 0; k < list->len; k++)
                g_string_append_printf(got, "%d", (int)((Email *)list->pdata[k])->id);
            assert_string_equal(got->str, back ? cases[i].back : cases[i].forward);
        }
    }
}

static void keywords_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *before, *keyword;
        bool on;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"", "$Seen", true, " $seen "},
        {" $seen ", "$junk", true, " $junk $seen "},
        {" $junk $seen ", "$seen", false, " $junk "},
        {" $seen ", "$seen", false, ""},
        {" $seen ", "$seens", false, " $seen "},
        {"", "", true, NULL},
        {"", "a b", true, NULL},
        {"", "a\"", true, NULL},
        {"", "\xc3\xbc", true, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = keywords_set(cases[i].before, cases[i].keyword, cases[i].on, NULL);
        if (g_strcmp0(got, cases[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", cases[i].keyword, got, cases[i].want);
    }
    g_autofree char *full = g_strdup("");
    for (int i = 0; i < KEYWORDS_MAX; i++) {
        g_autofree char *keyword = g_strdup_printf("k%d", i);
        char *more = keywords_set(full, keyword, true, NULL);
        g_free(full);
        full = more;
    }
    assert_null(keywords_set(full, "one-more", true, NULL));
    g_autofree char *same = keywords_set(full, "k1", true, NULL);
    assert_string_equal(same, full);
    assert_true(keywords_have(full, "K1"));
    assert_false(keywords_have(full, "k"));
    assert_false(keywords_have(full, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_say_what_is_spam),      cmocka_unit_test(verbs_keep_the_books),
        cmocka_unit_test(an_account_sees_its_own_mail), cmocka_unit_test(lists_go_both_ways),
        cmocka_unit_test(keywords_are_checked),
    };
    return test_on_both_stores("email", tests, G_N_ELEMENTS(tests));
}
