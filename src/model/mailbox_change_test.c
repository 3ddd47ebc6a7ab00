/* mailbox_change_test: folders are made, changed and removed by the rules, and each change is told.
 */
#include "model_support.h"

#include <string.h>

#include "base/limits_jmap.h"
#include "model/mailbox_change.h"

static MailboxResult put(Db *db, int64_t account, const MailboxWish *wish, int64_t *ret_id)
{
    MailboxResult result;
    IN_TX(db, mailbox_put(db, account, wish, &result, ret_id, why));
    return result;
}

static MailboxResult remove_one(Db *db, int64_t account, int64_t id)
{
    MailboxResult result;
    IN_TX(db, mailbox_remove(db, account, id, &result, why));
    return result;
}

static int64_t by_role(Db *db, const char *role)
{
    g_autofree char *sql =
        g_strdup_printf("SELECT MIN(id) FROM mailbox WHERE account = 1 AND role = '%s'", role);
    return model_count(db, sql);
}

static void the_rules(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0), one = 0, two = 0, deep = 0;
    int64_t changes = model_count(db, "SELECT COUNT(*) FROM change");
    MailboxWish a = {.name = "A", .role = "", .sort_order = 7, .subscribed = false};
    assert_int_equal(put(db, ada, &a, &one), MAILBOX_DONE);
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM change"), changes + 1);
    assert_int_equal(
        model_count(db, "SELECT sort_order FROM mailbox WHERE name = 'A' AND subscribed = 0"), 7);
    MailboxWish b = {.parent = one, .name = "B", .role = "important"};
    assert_int_equal(put(db, ada, &b, &two), MAILBOX_DONE);
    int64_t inbox = by_role(db, "inbox"), junk = by_role(db, "junk"), sent = by_role(db, "sent");
    const struct {
        const char *what;
        MailboxWish wish;
        MailboxResult want;
    } rows[] = {
        {"the same name beside it", {.name = "A", .role = ""}, MAILBOX_NAME_TAKEN},
        {"the same name elsewhere", {.parent = inbox, .name = "A", .role = ""}, MAILBOX_DONE},
        {"an inbox of the same name", {.name = "iNbOx", .role = ""}, MAILBOX_NAME_TAKEN},
        {"no name", {.name = "", .role = ""}, MAILBOX_NAME_BAD},
        {"a path", {.name = "x/y", .role = ""}, MAILBOX_NAME_BAD},
        {"a role that is none", {.name = "x", .role = "king"}, MAILBOX_ROLE_BAD},
        {"a role that another has", {.name = "x", .role = "sent"}, MAILBOX_ROLE_TAKEN},
        {"a parent that is not there", {.parent = 99, .name = "x", .role = ""}, MAILBOX_PARENT_BAD},
        {"itself", {.id = one, .parent = one, .name = "A", .role = ""}, MAILBOX_PARENT_BAD},
        {"below its child",
         {.id = one, .parent = two, .name = "A", .role = ""},
         MAILBOX_PARENT_BAD},
        {"one that is not there", {.id = 99, .name = "x", .role = ""}, MAILBOX_NOT_THERE},
        {"the inbox's role", {.id = inbox, .name = "Inbox", .role = ""}, MAILBOX_FIXED},
        {"Junk's role", {.id = junk, .name = "Junk", .role = "trash"}, MAILBOX_FIXED},
        {"the inbox's name", {.id = inbox, .name = "Incoming", .role = "inbox"}, MAILBOX_DONE},
        {"back", {.id = inbox, .name = "Inbox", .role = "inbox"}, MAILBOX_DONE},
        {"a role given up", {.id = sent, .name = "Sent", .role = ""}, MAILBOX_DONE},
        {"and taken", {.id = two, .parent = one, .name = "B", .role = "sent"}, MAILBOX_DONE},
        {"moved to the top", {.id = two, .name = "B", .role = "sent"}, MAILBOX_DONE},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        MailboxResult got = put(db, ada, &rows[i].wish, NULL);
        if (got != rows[i].want)
            fail_msg("%s: %d instead of %d", rows[i].what, got, rows[i].want);
    }
    for (unsigned i = 1; i < MAILBOX_DEPTH_MAX; i++) {
        MailboxWish level = {.parent = deep ? deep : one, .name = "x", .role = ""};
        assert_int_equal(put(db, ada, &level, &deep), MAILBOX_DONE);
    }
    MailboxWish deeper = {.parent = deep, .name = "x", .role = ""};
    assert_int_equal(put(db, ada, &deeper, NULL), MAILBOX_PARENT_BAD);
    MailboxWish lower = {.id = one, .parent = two, .name = "A", .role = ""};
    assert_int_equal(put(db, ada, &lower, NULL), MAILBOX_PARENT_BAD);
    model_check(db);
}

static void an_empty_one_is_removed(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0), one, two;
    MailboxWish a = {.name = "A", .role = ""};
    assert_int_equal(put(db, ada, &a, &one), MAILBOX_DONE);
    MailboxWish b = {.name = "B", .role = "", .parent = one};
    assert_int_equal(put(db, ada, &b, &two), MAILBOX_DONE);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *key = g_strdup_printf("%u", i);
        g_autoptr(Letter) letter = model_letter("", NULL, key, "body");
        Delivery delivery = {.letter = letter, .account = ada, .mailbox = two, .key = key};
        Delivered result;
        assert_true(deliver_many(db, &delivery, 1, &result, NULL));
    }
    assert_int_equal(remove_one(db, ada, by_role(db, "inbox")), MAILBOX_FIXED);
    assert_int_equal(remove_one(db, ada, by_role(db, "junk")), MAILBOX_FIXED);
    assert_int_equal(remove_one(db, ada, 99), MAILBOX_NOT_THERE);
    assert_int_equal(remove_one(db, ada, one), MAILBOX_HAS_CHILD);
    assert_int_equal(remove_one(db, ada, two), MAILBOX_HAS_EMAIL);
    unsigned count = 0;
    IN_TX(db, mailbox_empty(db, ada, two, 2, &count, why));
    assert_int_equal(count, 2);
    model_check(db);
    assert_int_equal(remove_one(db, ada, two), MAILBOX_HAS_EMAIL);
    IN_TX(db, mailbox_empty(db, ada, two, 2, &count, why));
    assert_int_equal(count, 1);
    IN_TX(db, mailbox_empty(db, ada, two, 2, &count, why));
    assert_int_equal(count, 0);
    assert_int_equal(remove_one(db, ada, two), MAILBOX_DONE);
    assert_int_equal(remove_one(db, ada, two), MAILBOX_NOT_THERE);
    assert_int_equal(remove_one(db, ada, one), MAILBOX_DONE);
    assert_int_equal(remove_one(db, ada, by_role(db, "trash")), MAILBOX_DONE);
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM change WHERE kind = 2 AND action = 3"),
                     3);
    model_check(db);
}

static void there_are_not_too_many(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    assert_true(db_begin(db, DB_WRITE, NULL));
    for (int i = 0; i < MAILBOXES_MAX - 6; i++) {
        static const DbSql sql = {"INSERT INTO mailbox (account, id, name, parent, role, total, "
                                  "unread) VALUES ($1, $2, CAST($2 AS TEXT), 0, '', 0, 0)",
                                  "INSERT INTO mailbox (account, id, name, parent, role, total, "
                                  "unread) VALUES ($1, $2, CAST(CAST($2 AS BIGINT) AS TEXT), 0, "
                                  "'', 0, 0)"};
        assert_int_equal(db_exec(db, &sql, DB_ARGS(db_int(ada), db_int(1000 + i)), NULL), 1);
    }
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    MailboxWish more = {.name = "more", .role = ""};
    assert_int_equal(put(db, ada, &more, NULL), MAILBOX_TOO_MANY);
    MailboxWish old = {.id = 1000, .name = "old", .role = ""};
    assert_int_equal(put(db, ada, &old, NULL), MAILBOX_DONE);
    assert_int_equal(remove_one(db, ada, 1000), MAILBOX_DONE);
    assert_int_equal(put(db, ada, &more, NULL), MAILBOX_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules),
        cmocka_unit_test(an_empty_one_is_removed),
        cmocka_unit_test(there_are_not_too_many),
    };
    return test_on_both_stores("mailbox_change", tests, G_N_ELEMENTS(tests));
}
