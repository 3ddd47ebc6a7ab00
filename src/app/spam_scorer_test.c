/* spam_scorer_test: what the model says reaches the delivery, newer models are found, and what a
 * message says of itself is not believed. */
#include <string.h>

#include "app/postbox.h"
#include "app/spam_scorer.h"
#include "base/limits.h"
#include "base/must.h"
#include "content/classifier.h"
#include "model/email.h"
#include "model/mailbox.h"
#include "model/spam_model.h"
#include "model_support.h"

#define SPAM_MAIL "From: x@win.example\r\nSubject: WIN MONEY\r\n\r\nFree money, win now!\r\n"
#define HAM_MAIL  "From: ada@example.org\r\nSubject: lunch\r\n\r\nLunch on Tuesday at noon?\r\n"

static void add(ClassifierSet *set, const char *mail, unsigned number, bool spam)
{
    g_autofree char *text = g_strdup_printf("X-Number: %u\r\n%s", number, mail);
    g_autoptr(Message) message = message_parse(text, strlen(text), MESSAGE_FULL);
    g_autoptr(ClassifierFeatures) features = classifier_features(text, strlen(text), message);
    g_autoptr(GBytes) packed = classifier_pack(features);
    Digest digest = digest_of(text, strlen(text));
    assert_true(classifier_set_add(set, &digest, spam, g_bytes_get_data(packed, NULL),
                                   g_bytes_get_size(packed), NULL));
}

/* A model of `count` messages of each; `turned`: of the opposite taste, on top of the right one. */
static void put_model(Db *db, int64_t account, unsigned count, bool turned)
{
    g_autoptr(ClassifierSet) set = classifier_set_new(), base_set = classifier_set_new();
    for (unsigned i = 0; i < count; i++) {
        add(base_set, SPAM_MAIL, i, true);
        add(base_set, HAM_MAIL, i, false);
        add(set, SPAM_MAIL, i, !turned);
        add(set, HAM_MAIL, i, turned);
    }
    g_autoptr(ClassifierModel) base = classifier_train(base_set, NULL, NULL, NULL);
    g_autoptr(ClassifierModel) model = turned ? classifier_train(set, base, NULL, NULL) : NULL;
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    spam_model_put(db, account, turned ? model : base, &error);
    assert_no_error(error);
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

/* -1: not scored. */
static double score_of(SpamScorer *scorer, const char *mail, int64_t account)
{
    g_autoptr(Message) message = message_parse(mail, strlen(mail), MESSAGE_FULL);
    g_autoptr(SpamAsk) ask = spam_scorer_ask(scorer, mail, strlen(mail), message);
    if (!ask)
        return -1;
    SpamAnswer answer = spam_ask_answer(ask, account);
    assert_true(g_str_has_prefix(answer.lines, answer.junk ? "X-Spam-Status: Yes, score=0."
                                                           : "X-Spam-Status: No, score=0."));
    assert_non_null(strstr(answer.lines, "\r\nX-Spam-Result: header "));
    assert_true(g_str_is_ascii(answer.lines) && g_str_has_suffix(answer.lines, "\r\n"));
    g_free(answer.lines);
    return answer.score;
}

static void newer_models_are_found(void **state)
{
    TestStore *store = *state;
    ClockManual clock;
    clock_manual_init(&clock, 1000);
    SpamScorerConfig config = {
        .db = store->config, .clock = &clock.clock, .junk_from = 0.9, .min_samples = 3};
    g_autoptr(SpamScorer) scorer = spam_scorer_new(&config);
    assert_true(score_of(scorer, SPAM_MAIL, 1) < 0); /* none */
    put_model(store->db, SPAM_CLUSTER, 2, false);
    clock_manual_advance(&clock, SPAM_LOOK_MS * 1000);
    assert_true(score_of(scorer, SPAM_MAIL, 1) < 0); /* of too few */
    put_model(store->db, SPAM_CLUSTER, 3, false);
    assert_true(score_of(scorer, SPAM_MAIL, 1) < 0); /* not looked for yet */
    clock_manual_advance(&clock, SPAM_LOOK_MS * 1000);
    assert_true(score_of(scorer, SPAM_MAIL, 1) > 0.9);
    double ham = score_of(scorer, HAM_MAIL, 1);
    assert_true(ham >= 0 && ham < 0.1);
    /* An account of its own taste; the others keep theirs. */
    put_model(store->db, 7, 3, true);
    clock_manual_advance(&clock, SPAM_LOOK_MS * 1000);
    assert_true(score_of(scorer, SPAM_MAIL, 7) < 0.1);
    assert_true(score_of(scorer, HAM_MAIL, 7) > 0.9);
    assert_true(score_of(scorer, SPAM_MAIL, 1) > 0.9);
    /* Taken away: back to nothing. */
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(spam_model_put(store->db, 7, NULL, NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    clock_manual_advance(&clock, SPAM_LOOK_MS * 1000);
    assert_true(score_of(scorer, SPAM_MAIL, 7) > 0.9);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(spam_model_put(store->db, SPAM_CLUSTER, NULL, NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    clock_manual_advance(&clock, SPAM_LOOK_MS * 1000);
    assert_true(score_of(scorer, SPAM_MAIL, 1) < 0);
}

static void more_own_models_than_are_held_at_once(void **state)
{
    TestStore *store = *state;
    ClockManual clock;
    clock_manual_init(&clock, 1000);
    put_model(store->db, SPAM_CLUSTER, 3, false);
    for (int64_t account = 1; account <= SPAM_OWN_HELD_MAX + 3; account++)
        put_model(store->db, account, 3, true);
    SpamScorerConfig config = {
        .db = store->config, .clock = &clock.clock, .junk_from = 0.9, .min_samples = 3};
    g_autoptr(SpamScorer) scorer = spam_scorer_new(&config);
    for (unsigned round = 0; round < 2; round++)
        for (int64_t account = 1; account <= SPAM_OWN_HELD_MAX + 3; account++)
            assert_true(score_of(scorer, SPAM_MAIL, account) < 0.1);
}

static void *score_many(void *scorer)
{
    for (int64_t i = 0; i < 300; i++) {
        double score = score_of(scorer, SPAM_MAIL, i % 5);
        /* Of account 1 it is found out, sooner or later, that it likes it. */
        MUST(i % 5 == 1 || score > 0.9);
    }
    return NULL;
}

/* For the thread sanitizer above all: sessions score while models are read and replaced. */
static void many_sessions_share_one(void **state)
{
    TestStore *store = *state;
    put_model(store->db, SPAM_CLUSTER, 3, false);
    put_model(store->db, 1, 3, true);
    ClockManual clock;
    clock_manual_init(&clock, 1000);
    SpamScorerConfig config = {
        .db = store->config, .clock = &clock.clock, .junk_from = 0.9, .min_samples = 3};
    g_autoptr(SpamScorer) scorer = spam_scorer_new(&config);
    assert_true(score_of(scorer, SPAM_MAIL, 0) > 0.9);
    GThread *threads[4];
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("session", score_many, scorer);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    assert_true(score_of(scorer, SPAM_MAIL, 1) < 0.1);
}

static void hand_in(const Postbox *postbox, int64_t account, const char *mail)
{
    char address[] = "ada@example.org";
    const LmtpHouse *house = postbox_house(postbox);
    LmtpRecipient to = {.address = address, .account = account};
    LmtpStored result = LMTP_LATER;
    LmtpMessage message = {.from = "s@example.org", .bytes = mail, .size = strlen(mail)};
    house->deliver(&message, &to, 1, &result, house->data);
    assert_int_equal(result, LMTP_STORED);
}

static Email *email_of(Db *db, int64_t account, int64_t id, int64_t *ret_mailbox)
{
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_READ, &error));
    Email *email = email_get(db, account, id, &error);
    assert_no_error(error);
    g_autoptr(GArray) mailboxes = email_mailboxes(db, account, id, &error);
    assert_no_error(error);
    *ret_mailbox = g_array_index(mailboxes, int64_t, 0);
    db_rollback(db);
    return email;
}

static int64_t mailbox_of(Db *db, int64_t account, const char *role)
{
    int64_t id = 0;
    assert_true(db_begin(db, DB_READ, NULL));
    assert_true(mailbox_by_role(db, account, role, &id, NULL));
    db_rollback(db);
    return id;
}

static void spam_is_delivered_into_junk(void **state)
{
    TestStore *store = *state;
    int64_t ada = model_account(store->db, "ada@example.org", 0), mailbox;
    put_model(store->db, SPAM_CLUSTER, 3, false);
    SpamScorerConfig config = {
        .db = store->config, .clock = clock_real(), .junk_from = 0.9, .min_samples = 3};
    g_autoptr(SpamScorer) scorer = spam_scorer_new(&config);
    PostboxConfig postbox_config = {.db = store->config,
                                    .clock = clock_real(),
                                    .host_name = "mx.example.org",
                                    .message_bytes_max = 1000000,
                                    .scorer = scorer};
    g_autoptr(Postbox) postbox = postbox_new(&postbox_config);
    hand_in(postbox, ada, "X-Spam-Status: No, score=0.0000 required=0.9000\r\n" SPAM_MAIL);
    hand_in(postbox, ada, "X-Spam-Status: Yes, score=0.9999 required=0.9000\r\n" HAM_MAIL);
    g_autoptr(Email) spam = email_of(store->db, ada, 1, &mailbox);
    assert_int_equal(mailbox, mailbox_of(store->db, ada, "junk"));
    assert_true(spam->spam_score > 0.9);
    const char *ours = strstr(spam->trace, "X-Spam-Status: Yes, score=0.");
    assert_true(ours && ours < strstr(spam->trace, "Received: by mx.example.org"));
    g_autoptr(Email) ham = email_of(store->db, ada, 2, &mailbox);
    assert_int_equal(mailbox, mailbox_of(store->db, ada, "inbox"));
    assert_true(ham->spam_score >= 0 && ham->spam_score < 0.1);
    assert_non_null(strstr(ham->trace, "X-Spam-Status: No, score=0."));
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_models_are_found),
        cmocka_unit_test(more_own_models_than_are_held_at_once),
        cmocka_unit_test(many_sessions_share_one),
        cmocka_unit_test(spam_is_delivered_into_junk),
    };
    return test_on_both_stores("spam_scorer", tests, G_N_ELEMENTS(tests));
}
