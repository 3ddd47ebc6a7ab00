/* classifier_test: the same set of messages gives the same model and the same scores, bit by bit,
 * whatever came before; and what is learnt helps. */
#include "support.h"

#include <string.h>

#include "base/error.h"
#include "content/classifier.h"

static const char SPAM[][3][80] = {
    {"WIN MONEY NOW", "Win $$$ now! Free money for you, click <a href=\"http://win.example/x\">",
     "text/html"},
    {"Cheap pills", "Cheap pills and free shipping! Buy now!", "text/plain"},
    {"Free offer", "This free offer ends now! Click and win!", "text/plain"},
    {"You won", "Dear winner, you won the lottery, send us money", "text/plain"},
};
static const char HAM[][3][80] = {
    {"Lunch", "Shall we have lunch on Tuesday at the usual place?", "text/plain"},
    {"Re: patch", "The patch looks good, but the test should cover the error.", "text/plain"},
    {"Minutes", "Attached are the minutes of the meeting of Monday.", "text/plain"},
    {"Re: Lunch", "Tuesday suits me, see you at noon.", "text/plain"},
};

static char *mail_of(const char parts[3][80], const char *end)
{
    return g_strdup_printf("From: Ada <ada@example.org>%sSubject: %s%sContent-Type: %s%s%s%s%s",
                           end, parts[0], end, parts[2], end, end, parts[1], end);
}

static ClassifierFeatures *features_of(const char *mail)
{
    g_autoptr(Message) message = message_parse(mail, strlen(mail), MESSAGE_FULL);
    return classifier_features(mail, strlen(mail), message);
}

static void add(ClassifierSet *set, const char parts[3][80], bool spam)
{
    g_autofree char *mail = mail_of(parts, "\r\n");
    g_autoptr(ClassifierFeatures) features = features_of(mail);
    g_autoptr(GBytes) packed = classifier_pack(features);
    Digest digest = digest_of(mail, strlen(mail));
    g_autoptr(GError) error = NULL;
    classifier_set_add(set, &digest, spam, g_bytes_get_data(packed, NULL), g_bytes_get_size(packed),
                       &error);
    assert_no_error(error);
}

static ClassifierSet *whole_set(void)
{
    ClassifierSet *set = classifier_set_new();
    for (size_t i = 0; i < G_N_ELEMENTS(SPAM); i++) {
        add(set, SPAM[i], true);
        add(set, HAM[i], false);
    }
    return set;
}

static GBytes *bytes_of(const ClassifierSet *set)
{
    g_autoptr(ClassifierModel) model = classifier_train(set, NULL, NULL, NULL);
    return classifier_model_format(model);
}

static double score_of(const ClassifierModel *model, const char parts[3][80])
{
    g_autofree char *mail = mail_of(parts, "\n");
    g_autoptr(ClassifierFeatures) features = features_of(mail);
    return classifier_score(model, NULL, features).score;
}

static void line_ends_make_no_difference(void **state)
{
    (void)state;
    g_autofree char *unix_mail = mail_of(SPAM[0], "\n"), *smtp_mail = mail_of(SPAM[0], "\r\n");
    g_autoptr(ClassifierFeatures) a = features_of(unix_mail);
    g_autoptr(ClassifierFeatures) b = features_of(smtp_mail);
    g_autoptr(GBytes) x = classifier_pack(a);
    g_autoptr(GBytes) y = classifier_pack(b);
    assert_true(g_bytes_equal(x, y));
}

static void what_others_said_of_it_is_not_taken(void **state)
{
    (void)state;
    g_autofree char *mail = mail_of(SPAM[0], "\n");
    g_autofree char *said =
        g_strconcat("X-Spam-Status: No, score=0.00\nReturn-Path: <a@b.example>\n"
                    "Status: RO\n",
                    mail, NULL);
    g_autoptr(ClassifierFeatures) a = features_of(mail);
    g_autoptr(ClassifierFeatures) b = features_of(said);
    assert_int_equal(a->counts[CLASSIFIER_HEADER], b->counts[CLASSIFIER_HEADER]);
    assert_memory_equal(a->ids, b->ids, a->counts[CLASSIFIER_HEADER] * sizeof(uint32_t));
}

static void packed_is_the_same_again(void **state)
{
    (void)state;
    g_autofree char *mail = mail_of(SPAM[0], "\n");
    g_autoptr(ClassifierFeatures) features = features_of(mail);
    g_autoptr(GBytes) packed = classifier_pack(features);
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(packed, &size);
    g_autoptr(GError) error = NULL;
    g_autoptr(ClassifierFeatures) again = classifier_unpack(bytes, size, &error);
    assert_no_error(error);
    unsigned total = 0;
    for (unsigned i = 0; i < CLASSIFIER_BLOCKS; i++) {
        assert_int_equal(again->counts[i], features->counts[i]);
        assert_true(again->counts[i] > 0);
        total += again->counts[i];
    }
    assert_memory_equal(again->ids, features->ids, total * sizeof(uint32_t));
    for (gsize cut = 0; cut < size; cut++) {
        g_clear_error(&error);
        g_autoptr(ClassifierFeatures) part = classifier_unpack(bytes, cut, &error);
        if (part || error_kind(error) != ERROR_REJECT)
            fail_msg("%zu of %zu bytes were taken for whole", cut, size);
    }
}

static void order_and_the_past_make_no_difference(void **state)
{
    (void)state;
    g_autoptr(ClassifierSet) forward = whole_set();
    g_autoptr(ClassifierSet) backward = classifier_set_new();
    for (size_t i = G_N_ELEMENTS(SPAM); i-- > 0;) {
        add(backward, HAM[i], false);
        add(backward, SPAM[i], true);
    }
    g_autoptr(GBytes) want = bytes_of(forward);
    g_autoptr(GBytes) got = bytes_of(backward);
    assert_true(g_bytes_equal(want, got));
    /* One more is learnt and taken back; one is learnt wrongly and set right. */
    const char more[3][80] = {"More", "Something else altogether", "text/plain"};
    add(forward, more, true);
    add(forward, HAM[1], true);
    g_autoptr(GBytes) other = bytes_of(forward);
    assert_false(g_bytes_equal(want, other));
    g_autofree char *mail = mail_of(more, "\r\n");
    Digest digest = digest_of(mail, strlen(mail));
    assert_true(classifier_set_remove(forward, &digest));
    assert_false(classifier_set_remove(forward, &digest));
    add(forward, HAM[1], false);
    assert_int_equal(classifier_set_count(forward, true), G_N_ELEMENTS(SPAM));
    assert_int_equal(classifier_set_count(forward, false), G_N_ELEMENTS(HAM));
    g_autoptr(GBytes) again = bytes_of(forward);
    assert_true(g_bytes_equal(want, again));
}

/* Every machine makes this very model. If it is to change, so are the versions in classifier.c. */
static void the_model_is_the_known_one(void **state)
{
    (void)state;
    g_autoptr(ClassifierSet) set = whole_set();
    g_autoptr(GBytes) bytes = bytes_of(set);
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    Digest digest = digest_of(data, size);
    g_autofree char *got = digest_format(&digest);
    assert_string_equal(got, "8184482584ecbf32ec4124e278151ff6ab8eee279b1eab62a9fa2351165b2913");
}

static void what_is_learnt_helps(void **state)
{
    (void)state;
    g_autoptr(ClassifierSet) set = whole_set();
    g_autoptr(ClassifierModel) model = classifier_train(set, NULL, NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(SPAM); i++) {
        assert_true(score_of(model, SPAM[i]) > 0.9);
        assert_true(score_of(model, HAM[i]) < 0.1);
    }
    const char spam[3][80] = {"Free money", "Click now, win free pills!", "text/plain"};
    const char ham[3][80] = {"Re: minutes", "The minutes look good, see you Monday.", "text/plain"};
    assert_true(score_of(model, spam) > 0.5);
    assert_true(score_of(model, ham) < 0.5);
    g_autofree char *mail = mail_of(spam, "\n");
    g_autoptr(Message) message = message_parse(mail, strlen(mail), MESSAGE_FULL);
    g_autoptr(GArray) words = classifier_words(model, NULL, mail, strlen(mail), message, 5);
    assert_int_equal(words->len, 5);
    bool free_is_there = false;
    for (unsigned i = 0; i < words->len; i++) {
        const ClassifierWord *word = &g_array_index(words, ClassifierWord, i);
        free_is_there |= g_str_has_suffix(word->text, "free") && word->weight > 0;
    }
    assert_true(free_is_there);
}

static void an_own_model_adds_to_its_base(void **state)
{
    (void)state;
    g_autoptr(ClassifierSet) set = whole_set();
    g_autoptr(ClassifierModel) base = classifier_train(set, NULL, NULL, NULL);
    g_autoptr(ClassifierSet) mine = classifier_set_new();
    add(mine, SPAM[0], false); /* a person of other taste */
    add(mine, HAM[0], true);
    g_autoptr(ClassifierModel) own = classifier_train(mine, base, NULL, NULL);
    g_autofree char *mail = mail_of(SPAM[0], "\n");
    g_autoptr(ClassifierFeatures) features = features_of(mail);
    assert_true(classifier_score(base, NULL, features).score > 0.9);
    assert_true(classifier_score(base, own, features).score < 0.1);
}

static void a_model_is_the_same_again_or_refused(void **state)
{
    (void)state;
    g_autoptr(ClassifierSet) set = whole_set();
    g_autoptr(GBytes) bytes = bytes_of(set);
    gsize size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    g_autoptr(GError) error = NULL;
    g_autoptr(ClassifierModel) model = classifier_model_parse(data, size, &error);
    assert_no_error(error);
    assert_int_equal(classifier_model_count(model, true), G_N_ELEMENTS(SPAM));
    assert_int_equal(classifier_model_count(model, false), G_N_ELEMENTS(HAM));
    g_autoptr(GBytes) again = classifier_model_format(model);
    assert_true(g_bytes_equal(bytes, again));
    const gsize places[] = {0, 1, 2, 3, 4, 6, 16, 20, size - 1};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree uint8_t *damaged = g_memdup2(data, size);
        damaged[places[i]] ^= 0x40;
        g_clear_error(&error);
        if (classifier_model_parse(damaged, size, &error) || error_kind(error) != ERROR_REJECT)
            fail_msg("byte %zu may be wrong", places[i]);
    }
    g_clear_error(&error);
    assert_null(classifier_model_parse(data, size - 1, &error));
}

static bool stop_now(void *data)
{
    *(unsigned *)data += 1;
    return true;
}

static void training_can_be_stopped(void **state)
{
    (void)state;
    g_autoptr(ClassifierSet) set = whole_set();
    unsigned asked = 0;
    assert_null(classifier_train(set, NULL, stop_now, &asked));
    assert_int_equal(asked, 1);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_make_no_difference),
        cmocka_unit_test(what_others_said_of_it_is_not_taken),
        cmocka_unit_test(packed_is_the_same_again),
        cmocka_unit_test(order_and_the_past_make_no_difference),
        cmocka_unit_test(the_model_is_the_known_one),
        cmocka_unit_test(what_is_learnt_helps),
        cmocka_unit_test(an_own_model_adds_to_its_base),
        cmocka_unit_test(a_model_is_the_same_again_or_refused),
        cmocka_unit_test(training_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
