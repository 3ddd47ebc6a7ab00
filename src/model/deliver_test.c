/* deliver: one message into one account, all or nothing, once. */
#include "support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "db/fault.h"
#include "model/account.h"
#include "model/change.h"
#include "model/deliver.h"
#include "model/email.h"
#include "model/mailbox.h"

static void a_delivery_makes_all_its_rows(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    g_autoptr(Letter) letter = model_letter("one@example.org", NULL, "Hello", "body\r\n");
    Delivery delivery = {.letter = letter,
                         .account = account,
                         .key = "k",
                         .trace = "Return-Path: <x@example.org>\r\n"};
    Delivered result;
    GError *error = NULL;
    assert_true(deliver_many(db, &delivery, 1, &result, &error));
    assert_int_equal(result.result, DELIVER_STORED);
    assert_true(db_begin(db, DB_READ, &error));
    g_autoptr(Email) email = email_get(db, account, result.email, &error);
    assert_no_error(error);
    assert_string_equal(email->subject, "Hello");
    assert_string_equal(email->message_id, "one@example.org");
    assert_string_equal(email->trace, "Return-Path: <x@example.org>\r\n");
    assert_int_equal(email->thread, email->id);
    assert_true(email->received_at > 0);
    g_autoptr(GBytes) bytes = blob_get(db, &email->blob, &error);
    assert_no_error(error);
    assert_int_equal(g_bytes_get_size(bytes), email->size);
    g_autoptr(GArray) changes =
        change_read(db, account, 6, 10, &error); /* six mailboxes were made before */
    assert_int_equal(changes->len, 1);
    assert_int_equal(g_array_index(changes, Change, 0).object, email->id);
    assert_int_equal(g_array_index(changes, Change, 0).action, CHANGE_CREATED);
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM task WHERE role = 'fts-indexing'"), 1);
    assert_int_equal(
        model_count(
            db, "SELECT COUNT(*) FROM mailbox WHERE role = 'inbox' AND total = 1 AND unread = 1"),
        1);
    db_rollback(db);
    model_check(db);
}

static void the_same_key_is_stored_once(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    g_autoptr(Letter) letter = model_letter("one@example.org", NULL, "Hello", "body\r\n");
    Delivery twice[2] = {{.letter = letter, .account = account, .key = "k"},
                         {.letter = letter, .account = account, .key = "k"}};
    Delivered results[2];
    GError *error = NULL;
    assert_true(deliver_many(db, twice, 2, results, &error));
    assert_int_equal(results[0].result, DELIVER_STORED);
    assert_int_equal(results[1].result, DELIVER_DUPLICATE);
    assert_int_equal(results[1].email, results[0].email);
    assert_true(deliver_many(db, twice, 1, &results[1], &error));
    assert_int_equal(results[1].result, DELIVER_DUPLICATE);
    assert_int_equal(results[1].email, results[0].email);
    assert_int_equal(results[1].mailbox, results[0].mailbox);
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM email"), 1);
    model_check(db);
}

static void quota_counts_what_is_there(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(Letter) letter = model_letter("one@example.org", NULL, "Hello", "body\r\n");
    int64_t size = (int64_t)letter->blob->size;
    int64_t account = model_account(db, "ada@example.org", 2 * size);
    int64_t other = model_account(db, "bob@example.org", 0);
    Delivery six[] = {{.letter = letter, .account = account, .key = "1"},
                      {.letter = letter, .account = account, .key = "2"},
                      {.letter = letter, .account = account, .key = "3"},
                      {.letter = letter, .account = other, .key = "3"},
                      {.letter = letter, .account = other + 1, .key = "3"},
                      {.letter = letter, .account = account, .key = "3"}};
    Delivered results[6];
    GError *error = NULL;
    assert_true(deliver_many(db, six, 6, results, &error));
    DeliverResult want[] = {DELIVER_STORED, DELIVER_STORED,     DELIVER_OVER_QUOTA,
                            DELIVER_STORED, DELIVER_NO_ACCOUNT, DELIVER_OVER_QUOTA};
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(results[i].result, want[i]);
    /* What is there already is answered as such, over the quota or not; what was refused comes in
     * once there is room. */
    assert_true(deliver_many(db, six, 3, results, &error));
    assert_int_equal(results[0].result, DELIVER_DUPLICATE);
    assert_int_equal(results[2].result, DELIVER_OVER_QUOTA);
    assert_true(account_set_quota(db, "ada@example.org", 3 * size, &error));
    assert_true(deliver_many(db, six + 2, 1, results, &error));
    assert_int_equal(results[0].result, DELIVER_STORED);
    assert_true(account_delete(db, "ada@example.org", &error));
    six[0].key = "4";
    assert_true(deliver_many(db, six, 1, results, &error));
    assert_int_equal(results[0].result, DELIVER_NO_ACCOUNT);
    model_check(db);
}

/* As JMAP puts them in: by the mailbox's id, and no bytes twice. */
static void a_mailbox_by_its_id_and_bytes_once(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    int64_t bob = model_account(db, "bob@example.org", 0);
    int64_t drafts = model_count(db, "SELECT MIN(id) FROM mailbox WHERE role = 'drafts'");
    g_autoptr(Letter) letter = model_letter("", NULL, "Hello", "body\r\n");
    Delivery four[] = {
        {.letter = letter, .account = ada, .key = "1", .mailbox = drafts, .keywords = " $draft "},
        {.letter = letter, .account = ada, .key = "2", .mailbox = 99},
        {.letter = letter, .account = ada, .key = "3", .mailbox = drafts, .unique = true},
        {.letter = letter, .account = bob, .key = "3", .mailbox = drafts, .unique = true},
    };
    DeliverResult want[] = {DELIVER_STORED, DELIVER_NO_MAILBOX, DELIVER_DUPLICATE, DELIVER_STORED};
    Delivered result;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(deliver_many(db, &four[i], 1, &result, NULL));
        assert_int_equal(result.result, want[i]);
        if (want[i] != DELIVER_NO_MAILBOX)
            assert_int_equal(result.email, 1);
        if (want[i] == DELIVER_STORED) {
            assert_int_equal(result.mailbox, drafts);
            assert_int_equal(result.thread, 1);
        }
    }
    assert_int_equal(model_count(db, "SELECT SUM(total) FROM mailbox WHERE role = 'drafts'"), 2);
    assert_true(deliver_many(db, &four[1], 1, &result, NULL)); /* it left no mark */
    assert_int_equal(result.result, DELIVER_NO_MAILBOX);
    four[3].key = "4";
    four[3].unique = false;
    assert_true(deliver_many(db, &four[3], 1, &result, NULL));
    assert_int_equal(result.result, DELIVER_STORED);
    model_check(db);
}

static void folders_are_made_when_asked(void **state)
{
    static const struct {
        const char *folder;
        bool make, junk;
        const char *want;
    } rows[] = {
        {NULL, false, false, "Inbox"},        {NULL, false, true, "Junk"},
        {"Archive", false, false, "Archive"}, {"Archive", false, true, "Junk"},
        {"nix", false, false, "Inbox"},       {"a/b/c", true, false, "a/b/c"},
        {"a/b/c", false, false, "a/b/c"},     {"INBOX", true, false, "Inbox"},
        {"Archive", true, true, "Archive"},   {"a//c", false, false, "Inbox"},
    };
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    Delivery deliveries[G_N_ELEMENTS(rows)];
    Delivered results[G_N_ELEMENTS(rows)];
    char keys[G_N_ELEMENTS(rows)][8];
    GError *error = NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Letter *letter = model_letter("one@example.org", NULL, "Hello", "body\r\n");
        letter->junk = rows[i].junk;
        g_snprintf(keys[i], sizeof keys[i], "%u", i);
        deliveries[i] = (Delivery){.letter = letter,
                                   .account = account,
                                   .folder = rows[i].folder,
                                   .make_folder = rows[i].make,
                                   .key = keys[i]};
    }
    assert_true(deliver_many(db, deliveries, G_N_ELEMENTS(rows), results, &error));
    assert_no_error(error);
    assert_true(db_begin(db, DB_READ, &error));
    g_autoptr(GPtrArray) boxes = mailbox_list(db, account, &error);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *got = "?";
        for (guint k = 0; k < boxes->len; k++) {
            const Mailbox *box = boxes->pdata[k];
            if (box->id == results[i].mailbox)
                got = box->path;
        }
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %u: got %s, want %s", i, got, rows[i].want);
    }
    db_rollback(db);
    model_check(db);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        letter_free((Letter *)(uintptr_t)deliveries[i].letter);
}

static void replies_join_the_thread(void **state)
{
    static const struct {
        const char *id, *refs, *subject;
        int64_t want;
    } rows[] = {
        {"a@x", NULL, "x", 1},
        {"b@x", "<a@x>", "Re: x", 1},
        {"c@x", "<no@x> <b@x>", "[list] RE: X", 1},
        {"d@x", "<no@x>", "x", 4},
        {"e@x", "<d@x>", "x", 4},
        {"a@x", NULL, "x", 1},
        {"", NULL, "x", 7},
        {"", NULL, "x", 8},
        {"f@x", "<e@x> <1@x> <2@x> <3@x> <4@x> <5@x> <6@x> <7@x> <8@x>", "Fwd: x", 4},
        {"g@x", "<a@x> <b@x>", "another matter", 10}, /* RFC 8621 §3: not by ids alone */
        {"h@x", "<g@x>", "Re: another matter", 10},
        {"i@x", "<a@x> <g@x>", "x", 1},
    };
    Db *db = ((TestStore *)*state)->db;
    GError *error = NULL;
    for (unsigned together = 0; together < 2; together++) {
        g_autofree char *address = g_strdup_printf("a%u@example.org", together);
        int64_t account = model_account(db, address, 0);
        Delivery deliveries[G_N_ELEMENTS(rows)];
        Delivered results[G_N_ELEMENTS(rows)];
        char keys[G_N_ELEMENTS(rows)][8];
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
            g_snprintf(keys[i], sizeof keys[i], "%u", i);
            deliveries[i] = (Delivery){
                .letter = model_letter(rows[i].id, rows[i].refs, rows[i].subject, "y\r\n"),
                .account = account,
                .key = keys[i]};
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i += together ? G_N_ELEMENTS(rows) : 1)
            assert_true(deliver_many(db, deliveries + i, together ? G_N_ELEMENTS(rows) : 1,
                                     results + i, &error));
        assert_true(db_begin(db, DB_READ, &error));
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
            g_autoptr(Email) email = email_get(db, account, results[i].email, &error);
            assert_no_error(error);
            if (email->thread != rows[i].want)
                fail_msg("row %u: got thread %d, want %d", i, (int)email->thread,
                         (int)rows[i].want);
            letter_free((Letter *)(uintptr_t)deliveries[i].letter);
        }
        db_rollback(db);
    }
    model_check(db);
}

/* Fault number n fails, for n = 1, 2, ...; then the same is tried again, as a sender would. */
static void faults_lose_nothing_and_double_nothing(void **state)
{
    static const Fault faults[] = {FAULT_RETRY, FAULT_UNKNOWN_DONE, FAULT_UNKNOWN_NOT_DONE};
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(Letter) first = model_letter("one@example.org", NULL, "Hello", "body\r\n");
    g_autoptr(Letter) second =
        model_letter("two@example.org", "<one@example.org>", "Hello", "body\r\n");
    GError *error = NULL;
    unsigned unknown = 0, round = 0;
    for (unsigned f = 0; f < G_N_ELEMENTS(faults); f++) {
        bool met = true;
        for (uint64_t n = 1; met; n++) {
            char address[40];
            g_snprintf(address, sizeof address, "a%u@example.org", round++);
            int64_t account = model_account(db, address, 0);
            FaultAt at = {.number = n, .fault = faults[f]};
            Db *door = db_open_fault(db, fault_plan_at, &at);
            Delivery two[] = {{.letter = first,
                               .account = account,
                               .folder = "a/b",
                               .make_folder = true,
                               .key = "1"},
                              {.letter = second, .account = account, .key = "2"}};
            Delivered results[2];
            if (!deliver_many(door, two, 2, results, &error)) {
                assert_true(results[0].result == DELIVER_RETRY ||
                            results[0].result == DELIVER_UNKNOWN);
                unknown += results[0].result == DELIVER_UNKNOWN;
                g_clear_error(&error);
            }
            met = at.met;
            db_close(door);
            assert_true(deliver_many(db, two, 2, results, &error));
            for (unsigned i = 0; i < 2; i++)
                assert_true(results[i].result == DELIVER_STORED ||
                            results[i].result == DELIVER_DUPLICATE);
            assert_true(db_begin(db, DB_READ, &error));
            g_autoptr(GPtrArray) emails = email_list(db, account, 0, 0, 10, &error);
            assert_int_equal(emails->len, 2);
            db_rollback(db);
            assert_true(n < 200);
        }
    }
    assert_true(round > 20);
    assert_true(unknown >= 2);
    model_check(db);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivery_makes_all_its_rows),
        cmocka_unit_test(the_same_key_is_stored_once),
        cmocka_unit_test(quota_counts_what_is_there),
        cmocka_unit_test(a_mailbox_by_its_id_and_bytes_once),
        cmocka_unit_test(folders_are_made_when_asked),
        cmocka_unit_test(replies_join_the_thread),
        cmocka_unit_test(faults_lose_nothing_and_double_nothing),
    };
    return test_on_both_stores("deliver", tests, G_N_ELEMENTS(tests));
}
