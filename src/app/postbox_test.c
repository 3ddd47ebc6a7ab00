/* postbox_test: many sessions, one store. */
#include <string.h>

#include "content/address.h"
#include "app/postbox.h"
#include "model_support.h"

static Postbox *open_postbox(const TestStore *store)
{
    PostboxConfig config = {.db = store->config,
                            .clock = clock_real(),
                            .host_name = "mx.example.org",
                            .message_bytes_max = 1000000};
    return postbox_new(&config);
}

static LmtpRcpt ask(const Postbox *postbox, const char *address, LmtpRecipient *ret)
{
    const LmtpHouse *house = postbox_house(postbox);
    *ret = (LmtpRecipient){.address = g_strdup(address)};
    return house->recipient(address, ret, house->data);
}

static void recipient_free(LmtpRecipient *recipient)
{
    g_free(recipient->address);
    g_free(recipient->detail);
}

static LmtpStored hand_in(const Postbox *postbox, const LmtpRecipient *to, const char *id)
{
    const LmtpHouse *house = postbox_house(postbox);
    g_autofree char *bytes =
        g_strdup_printf("Message-ID: <%s>\r\nSubject: one\r\n\r\ntext\r\n", id);
    LmtpStored result = LMTP_LATER;
    LmtpMessage message = {.from = "s@example.org", .bytes = bytes, .size = strlen(bytes)};
    house->deliver(&message, to, 1, &result, house->data);
    return result;
}

static void test_recipients(void **state)
{
    TestStore *store = *state;
    int64_t ada = model_account(store->db, "ada@example.org", 0);
    int64_t postmaster = model_account(store->db, "postmaster@mx.example.org", 0);
    g_autoptr(Postbox) postbox = open_postbox(store);
    const struct {
        const char *address;
        LmtpRcpt want;
        int64_t account;
        const char *detail;
    } rows[] = {
        {"ada@example.org", LMTP_RCPT_OK, ada, NULL},
        {"Ada@EXAMPLE.org", LMTP_RCPT_OK, ada, NULL},
        {"ada+Lists/C@example.org", LMTP_RCPT_OK, ada, "Lists/C"},
        {"Postmaster", LMTP_RCPT_OK, postmaster, NULL},
        {"bob@example.org", LMTP_RCPT_UNKNOWN, 0, NULL},
        {"ada", LMTP_RCPT_UNKNOWN, 0, NULL},
        {"@", LMTP_RCPT_UNKNOWN, 0, NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        LmtpRecipient got;
        LmtpRcpt result = ask(postbox, rows[i].address, &got);
        if (result != rows[i].want || got.account != rows[i].account ||
            g_strcmp0(got.detail, rows[i].detail) != 0)
            fail_msg("%s: got %d, account %" G_GINT64_FORMAT ", detail %s", rows[i].address,
                     (int)result, got.account, got.detail);
        recipient_free(&got);
    }
}

static void test_results(void **state)
{
    TestStore *store = *state;
    model_account(store->db, "ada@example.org", 0);
    model_account(store->db, "small@example.org", 10);
    g_autoptr(Postbox) postbox = open_postbox(store);
    LmtpRecipient ada, full;
    assert_int_equal(ask(postbox, "ada@example.org", &ada), LMTP_RCPT_OK);
    assert_int_equal(ask(postbox, "small@example.org", &full), LMTP_RCPT_OK);
    assert_int_equal(hand_in(postbox, &ada, "1@x.example"), LMTP_STORED);
    assert_int_equal(hand_in(postbox, &ada, "1@x.example"), LMTP_STORED);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM email"), 1);
    assert_int_equal(hand_in(postbox, &full, "1@x.example"), LMTP_FULL);
    GError *error = NULL;
    assert_true(account_delete(store->db, "ada@example.org", &error));
    assert_int_equal(hand_in(postbox, &ada, "2@x.example"), LMTP_NO_ACCOUNT);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM email"), 1);
    recipient_free(&ada);
    recipient_free(&full);
}

static void test_trace(void **state)
{
    TestStore *store = *state;
    model_account(store->db, "ada@example.org", 0);
    g_autoptr(Postbox) postbox = open_postbox(store);
    LmtpRecipient ada;
    assert_int_equal(ask(postbox, "ada+x@example.org", &ada), LMTP_RCPT_OK);
    assert_int_equal(hand_in(postbox, &ada, "1@x.example"), LMTP_STORED);
    assert_int_equal(
        model_count(
            store->db,
            "SELECT count(*) FROM email WHERE trace LIKE 'Return-Path: <s@example.org>%"
            "Delivered-To: ada+x@example.org%Received: by mx.example.org (rota) with LMTP; %, "
            "% +0000%'"),
        1);
    recipient_free(&ada);
}

#define THREADS    8
#define PER_THREAD 40

typedef struct {
    const Postbox *postbox;
    unsigned number, stored;
} Sender;

static gpointer send_many(gpointer data)
{
    Sender *sender = data;
    LmtpRecipient to;
    if (ask(sender->postbox, "ada@example.org", &to) == LMTP_RCPT_OK) {
        for (unsigned i = 0; i < PER_THREAD; i++) {
            g_autofree char *id = g_strdup_printf("%u.%u@x.example", sender->number, i);
            sender->stored += hand_in(sender->postbox, &to, id) == LMTP_STORED;
        }
    }
    recipient_free(&to);
    return NULL;
}

static void test_many_sessions(void **state)
{
    TestStore *store = *state;
    model_account(store->db, "ada@example.org", 0);
    g_autoptr(Postbox) postbox = open_postbox(store);
    Sender senders[THREADS];
    GThread *threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i] = (Sender){postbox, i, 0};
        threads[i] = g_thread_new("sender", send_many, &senders[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
        assert_int_equal(senders[i].stored, PER_THREAD);
    }
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM email"), THREADS * PER_THREAD);
}

/* More recipients than one commit takes. */
static void test_many_recipients(void **state)
{
    TestStore *store = *state;
    model_account(store->db, "ada@example.org", 0);
    g_autoptr(Postbox) postbox = open_postbox(store);
    const unsigned count = DELIVER_BATCH_MAX * 2 + 1;
    g_autofree LmtpRecipient *to = g_new0(LmtpRecipient, count);
    g_autofree LmtpStored *results = g_new0(LmtpStored, count);
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *address = g_strdup_printf("ada+%u@example.org", i);
        assert_int_equal(ask(postbox, address, &to[i]), LMTP_RCPT_OK);
        results[i] = LMTP_LATER;
    }
    const LmtpHouse *house = postbox_house(postbox);
    LmtpMessage message = {.from = "", .bytes = "\r\nx", .size = 3};
    house->deliver(&message, to, count, results, house->data);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(results[i], LMTP_STORED);
        recipient_free(&to[i]);
    }
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM email"), count);
}

static void test_store_down(void **state)
{
    TestStore *store = *state;
    TestStore nowhere = *store;
    nowhere.config.path = "/not/there/rota.db";
    nowhere.config.url = "host=/not/there dbname=none";
    g_autoptr(Postbox) postbox = open_postbox(&nowhere);
    LmtpRecipient to;
    assert_int_equal(ask(postbox, "ada@example.org", &to), LMTP_RCPT_RETRY);
    assert_int_equal(hand_in(postbox, &to, "1@x.example"), LMTP_LATER);
    recipient_free(&to);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipients),      cmocka_unit_test(test_results),
        cmocka_unit_test(test_trace),           cmocka_unit_test(test_many_sessions),
        cmocka_unit_test(test_many_recipients), cmocka_unit_test(test_store_down),
    };
    return test_on_both_stores("postbox", tests, G_N_ELEMENTS(tests));
}
