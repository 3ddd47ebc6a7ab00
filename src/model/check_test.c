/* check: a whole store has no finding; each way to break it has its own, by the right figures. */
#include "model_support.h"

#include "db/driver.h"
#include "model/check.h"

static void note(const char *rule, const char *text, void *data)
{
    g_string_append_printf(data, "%s: %s\n", rule, text);
}

static char *check(Db *db, bool deep, CheckResult *ret)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    CheckWatch watch = {.found = note, .data = text};
    check_store(db, deep, &watch, ret, &error);
    assert_no_error(error);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Three accounts with mail, one of it twice. */
static void fill(Db *db)
{
    static const char *const addresses[] = {"ann@example.org", "bob@example.org",
                                            "cleo@example.org"};
    for (unsigned i = 0; i < G_N_ELEMENTS(addresses); i++) {
        int64_t account = model_account(db, addresses[i], 0);
        for (unsigned n = 0; n < 5; n++) {
            g_autofree char *id = g_strdup_printf("%u@example.org", n);
            g_autofree char *body = g_strnfill(2000 + n, 'x');
            g_autoptr(Letter) letter = model_letter(id, NULL, "Check", body);
            g_autofree char *key = deliver_key(letter, &letter->blob->digest, addresses[i], "");
            Delivery delivery = {.letter = letter, .account = account, .key = key};
            Delivered delivered;
            assert_true(deliver_many(db, &delivery, 1, &delivered, NULL));
            assert_int_equal(delivered.result, DELIVER_STORED);
        }
    }
}

static void whole_store_has_no_finding(void **state)
{
    TestStore *store = *state;
    CheckResult result;
    g_autofree char *empty = check(store->db, true, &result);
    assert_string_equal(empty, "");
    fill(store->db);
    g_autofree char *got = check(store->db, true, &result);
    assert_string_equal(got, "");
    assert_int_equal(result.findings, 0);
    assert_int_equal(result.accounts, 3);
    assert_int_equal(result.aliases, 3);
    assert_int_equal(result.blobs, 5);
    assert_true(result.tasks > 0);
}

static const struct {
    const char *sql, *want;
} damages[] = {
    {"UPDATE account SET used_messages = 7 WHERE id = 1",
     "account-messages: account 1: the account counts 7 messages, there are 5\n"},
    {"UPDATE account SET used_bytes = used_bytes + 1 WHERE id = 2", "account-bytes: account 2: "},
    {"UPDATE account SET subscribers = 2 WHERE id = 3",
     "account-subscribers: account 3: the account counts 2 push subscriptions, there are 0\n"},
    {"UPDATE mailbox SET total = total + 2 WHERE account = 1 AND role = 'inbox'",
     "mailbox-total: account 1: mailbox 1 counts 7 messages, there are 5\n"},
    {"UPDATE mailbox SET unread = 0 WHERE account = 1 AND role = 'inbox'",
     "mailbox-unread: account 1: mailbox 1 counts 0 unread messages, there are 5\n"},
    {"UPDATE mailbox SET parent = 99 WHERE account = 3 AND role = 'trash'",
     ", which is not there\n"},
    {"DELETE FROM change WHERE account = 2 AND seq = 2", "change-gap: account 2: "},
    {"UPDATE account SET next_email = 2 WHERE id = 1",
     "next-id: account 1: the next id is 2, but 5 is in use\n"},
    {"DELETE FROM blob WHERE digest = (SELECT blob FROM email WHERE account = 1 AND id = 3)",
     "email-blob: account 1: message 3 has lost its bytes\n"},
    {"DELETE FROM email_mailbox WHERE account = 2 AND email = 4",
     "email-mailbox: account 2: message 4 is in no mailbox\n"},
    {"DELETE FROM email WHERE account = 2 AND id = 5",
     "place-email: account 2: mailbox 1 holds message 5, which is not there\n"},
    {"DELETE FROM mailbox WHERE account = 3 AND role = 'inbox'",
     "place-mailbox: account 3: message 1 is in mailbox 1, which is not there\n"},
    {"DELETE FROM account WHERE id = 2",
     "orphan-change: account 2: is not there, but has changes\n"},
    {"UPDATE alias SET account = 77 WHERE address = 'bob@example.org'",
     "alias: address \"bob@example.org\": leads to account 77, which is not there\n"},
    {"UPDATE account SET deleted_at = 5 WHERE id = 3",
     "alias: address \"cleo@example.org\": leads to account 3, which is deleted\n"},
    {"INSERT INTO blob (digest, size, codec, touched_at, data)"
     " SELECT data, size, codec, touched_at, data FROM blob WHERE digest IN"
     " (SELECT digest FROM blob ORDER BY digest LIMIT 1)",
     "blob-digest: a blob's digest has "},
    {"UPDATE email SET blob = (SELECT blob FROM email WHERE account = 1 AND id = 2) WHERE id = "
     "1",
     ": nothing links to it, and the purge does not know\n"},
    {"UPDATE task SET bucket = 5000", "in bucket 5000 is not well-formed\n"},
    {"UPDATE task SET generation = -1", "is not well-formed\n"},
    {"UPDATE blob SET size = size + 1", "blob-bytes: blob "},
};

/* What may be damaged; kept aside, and put back. */
static const char *const tables[] = {"account", "alias",         "mailbox", "blob",
                                     "email",   "email_mailbox", "change",  "task"};

static void keep_tables(Db *db)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *drop = g_strdup_printf("DROP TABLE IF EXISTS kept_%s", tables[i]);
        g_autofree char *keep =
            g_strdup_printf("CREATE TABLE kept_%s AS SELECT * FROM %s", tables[i], tables[i]);
        assert_true(db_run_text(db, drop, NULL) && db_run_text(db, keep, NULL));
    }
}

static void put_back_tables(Db *db)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *clear = g_strdup_printf("DELETE FROM %s", tables[i]);
        g_autofree char *back =
            g_strdup_printf("INSERT INTO %s SELECT * FROM kept_%s", tables[i], tables[i]);
        assert_true(db_run_text(db, clear, NULL) && db_run_text(db, back, NULL));
    }
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void each_damage_is_found(void **state)
{
    TestStore *store = *state;
    fill(store->db);
    for (unsigned i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autoptr(GError) error = NULL;
        assert_true(db_begin(store->db, DB_WRITE, &error));
        keep_tables(store->db);
        db_run_text(store->db, damages[i].sql, &error);
        assert_no_error(error);
        assert_int_equal(db_commit(store->db, &error), DB_DONE);
        CheckResult broken;
        g_autofree char *got = check(store->db, true, &broken);
        if (!strstr(got, damages[i].want) || broken.findings < 1)
            fail_msg("%s: got \"%s\", want \"%s\"", damages[i].sql, got, damages[i].want);
        put_back_tables(store->db);
    }
    CheckResult result;
    g_autofree char *got = check(store->db, true, &result);
    assert_string_equal(got, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_store_has_no_finding),
        cmocka_unit_test(each_damage_is_found),
    };
    return test_on_both_stores("check", tests, G_N_ELEMENTS(tests));
}
