/* subscription_test: who may subscribe, what is pushed, and the outbox. */
#include <string.h>

#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"

#include "base/error.h"
#include "base/limits_push.h"
#include "model/change.h"
#include "model/email.h"
#include "model/mailbox.h"
#include "model/purge.h"
#include "model/push_key.h"
#include "model/push_origin.h"
#include "model/subscription.h"

#define URL   "https://push.example.net/one"
#define TASKS "SELECT count(*) FROM task WHERE role = 'push-notifications'"

static int64_t add(Db *db, int64_t account, const SubscriptionNew *new)
{
    int64_t id = 0;
    IN_TX(db, subscription_add(db, account, new, &id, why));
    return id;
}

static Subscription *get(Db *db, int64_t account, int64_t id)
{
    g_autoptr(GError) error = NULL;
    int64_t now = 0;
    assert_true(db_begin(db, DB_READ, &error));
    g_autoptr(GPtrArray) list = subscription_read(db, account, &now, &error);
    db_rollback(db);
    assert_no_error(error);
    for (unsigned i = 0; i < list->len; i++)
        if (((Subscription *)g_ptr_array_index(list, i))->id == id)
            return g_ptr_array_steal_index(list, i);
    return NULL;
}

static void deliver(Db *db, int64_t account, const char *key)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Letter) letter = model_letter("", NULL, "test", key);
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    Delivered delivered;
    assert_true(deliver_many(db, &delivery, 1, &delivered, &error));
    assert_int_equal(delivered.result, DELIVER_STORED);
}

static const SubscriptionNew plain = {.device = "phone", .url = URL};

static void it_is_made_verified_and_removed(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    int64_t id = add(db, ada, &plain);
    assert_int_equal(model_count(db, TASKS), 1);
    assert_int_equal(model_count(db, "SELECT subscribers FROM account"), 1);
    g_autoptr(Subscription) made = get(db, ada, id);
    assert_string_equal(made->device, "phone");
    assert_string_equal(made->origin, "https://push.example.net");
    assert_int_equal(made->stage, SUBSCRIPTION_NEW);
    assert_false(made->encrypted);
    assert_null(made->types);
    assert_true(strlen(made->code) >= 32);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    assert_false(subscription_change(db, ada, id, &(SubscriptionChange){.code = "guess"}, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    db_rollback(db);
    purge_exec(db, "DELETE FROM task");
    const char *types[] = {"Mailbox", "Weather", NULL};
    SubscriptionChange change = {.code = made->code, .set_types = true, .types = types};
    IN_TX(db, subscription_change(db, ada, id, &change, why));
    assert_int_equal(model_count(db, TASKS), 1);
    g_autoptr(Subscription) verified = get(db, ada, id);
    assert_int_equal(verified->stage, SUBSCRIPTION_VERIFIED);
    assert_string_equal(verified->types[1], "Weather");
    IN_TX(db, subscription_remove(db, ada, id, why));
    assert_int_equal(model_count(db, "SELECT subscribers FROM account"), 0);
    g_clear_error(&error);
    assert_true(db_begin(db, DB_WRITE, &error));
    assert_false(subscription_remove(db, ada, id, &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    db_rollback(db);
}

static void ids_go_both_ways(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "P", "P0", "P01", "p1", "1", "P-1", "P1 ", "P9999999999999999999"};
    g_autofree char *text = subscription_format_id(42);
    assert_string_equal(text, "P42");
    assert_int_equal(subscription_parse_id(text), 42);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        if (subscription_parse_id(wrong[i]) != 0)
            fail_msg("\"%s\" was taken", wrong[i]);
}

static void one_for_each_device_and_url(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    int64_t bob = model_account(db, "bob@example.org", 0);
    int64_t first = add(db, ada, &plain), other = add(db, bob, &plain);
    int64_t second = add(db, ada, &(SubscriptionNew){.device = "phone", .url = URL "2"});
    assert_null(get(db, ada, first));
    int64_t third = add(db, ada, &(SubscriptionNew){.device = "watch", .url = URL "2"});
    assert_null(get(db, ada, second));
    g_autoptr(Subscription) there = get(db, ada, third), bobs = get(db, bob, other);
    assert_non_null(there);
    assert_non_null(bobs);
    assert_null(get(db, bob, third));
    assert_int_equal(model_count(db, "SELECT sum(subscribers) FROM account"), 2);
}

static void what_is_wrong_is_refused(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    g_autofree char *long_url = g_strdup_printf("https://a/%2100d", 1);
    g_autofree char *long_name = g_strnfill(PUSH_DEVICE_BYTES_MAX + 1, 'x');
    const char *bad_type[] = {"Em ail", NULL}, *empty_type[] = {"", NULL};
    const SubscriptionNew rows[] = {
        {.device = "a", .url = "http://push.example.net/"},
        {.device = "a", .url = "ftp://push.example.net/"},
        {.device = "a", .url = "https://push.example.net/a b"},
        {.device = "a", .url = "https://u:p@push.example.net/"},
        {.device = "a", .url = ""},
        {.device = "a", .url = long_url},
        {.device = "", .url = URL},
        {.device = long_name, .url = URL},
        {.device = "a", .url = URL, .types = bad_type},
        {.device = "a", .url = URL, .types = empty_type},
        {.device = "a", .url = URL, .expires_at = 1000},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        int64_t id = 0;
        assert_true(db_begin(db, DB_WRITE, &error));
        if (subscription_add(db, ada, &rows[i], &id, &error))
            fail_msg("row %zu was taken", i);
        assert_int_equal(error_kind(error), ERROR_REJECT);
        assert_non_null(strchr(error->message, ':'));
        db_rollback(db);
    }
    for (unsigned i = 0; i < PUSH_SUBSCRIPTIONS_MAX; i++) {
        g_autofree char *url = g_strdup_printf(URL "%u", i);
        add(db, ada, &(SubscriptionNew){.device = url + 8, .url = url});
    }
    g_autoptr(GError) error = NULL;
    int64_t id = 0;
    assert_true(db_begin(db, DB_WRITE, &error));
    assert_false(subscription_add(db, ada, &plain, &id, &error));
    assert_true(g_str_has_prefix(error->message, "overQuota"));
    db_rollback(db);
    add(db, ada, &(SubscriptionNew){.device = "phone", .url = URL "3"}); /* in another's place */
}

static void changes_make_tasks_for_subscribers_alone(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    int64_t bob = model_account(db, "bob@example.org", 0);
    add(db, ada, &plain);
    for (unsigned what = 0; what < 4; what++) {
        purge_exec(db, "DELETE FROM task");
        for (int64_t account = ada; account <= bob; account++) {
            g_autofree char *key = g_strdup_printf("k%u", what);
            if (what == 0)
                deliver(db, account, key);
            else if (what == 1)
                IN_TX(db, email_set_keyword(db, account, 1, "$seen", true, why));
            else if (what == 2)
                IN_TX(db, email_destroy(db, account, 1, why));
            else
                IN_TX(db, mailbox_add(db, account, 0, "new", "", why) > 0);
        }
        assert_int_equal(model_count(db, TASKS), 1);
    }
}

static void states_follow_the_change_log(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    const char *types[] = {"EmailDelivery", NULL}, *none[] = {NULL};
    int64_t all = add(db, ada, &plain);
    int64_t deaf = add(db, ada, &(SubscriptionNew){.device = "c", .url = URL "c", .types = none});
    int64_t some = add(db, ada, &(SubscriptionNew){.device = "b", .url = URL "b", .types = types});
    g_autoptr(Subscription) fresh = get(db, ada, all);
    assert_true(subscription_wanted(fresh) <= fresh->pushed_seq);
    deliver(db, ada, "one");
    int64_t seq = model_count(db, "SELECT change_seq FROM account");
    g_autoptr(Subscription) told = get(db, ada, all);
    for (unsigned i = 0; i < PUSH_TYPES; i++)
        assert_int_equal(told->states[i], seq);
    IN_TX(db, email_set_keyword(db, ada, 1, "$seen", true, why));
    g_autoptr(Subscription) flagged = get(db, ada, all), quiet = get(db, ada, some);
    g_autoptr(Subscription) of_none = get(db, ada, deaf);
    assert_int_equal(subscription_wanted(of_none), 0);
    assert_int_equal(subscription_wanted(flagged), seq + 1);
    assert_int_equal(flagged->states[PUSH_EMAIL_DELIVERY], seq);
    assert_int_equal(flagged->states[PUSH_MAILBOX], seq + 1);
    assert_int_equal(subscription_wanted(quiet), seq);
    IN_TX(db, subscription_note_seen(db, quiet, why));
    g_autoptr(Subscription) again = get(db, ada, some);
    assert_int_equal(again->saved_seq, seq + 1);
    assert_int_equal(subscription_wanted(again), seq);
    IN_TX(db, change_trim(db, ada, 0, 1000, why) > 0);
    g_autoptr(Subscription) trimmed = get(db, ada, all), kept = get(db, ada, some);
    assert_int_equal(trimmed->states[PUSH_THREAD], seq + 1);
    assert_int_equal(kept->states[PUSH_EMAIL_DELIVERY], seq);
}

static bool note(Db *db, const Subscription *row, int64_t seq)
{
    bool noted = false;
    IN_TX(db, subscription_note_sending(db, &row, &seq, 1, &noted, why));
    return noted;
}

static void end(Db *db, const Subscription *row, int64_t seq, const PushEnd *how)
{
    PushResult result = {.to = row, .seq = seq, .end = *how};
    IN_TX(db, subscription_note_ends(db, &result, 1, why));
}

static void the_outbox_knows_what_was_perhaps_sent(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    int64_t id = add(db, ada, &plain);
    deliver(db, ada, "one");
    g_autoptr(Subscription) first = get(db, ada, id);
    int64_t seq = subscription_wanted(first);
    assert_true(note(db, first, SUBSCRIPTION_VERIFIES));
    assert_false(note(db, first, SUBSCRIPTION_VERIFIES)); /* somebody else has */
    PushEnd sent = {.kind = PUSH_SENT, .status = 201};
    end(db, first, SUBSCRIPTION_VERIFIES, &sent);
    g_autoptr(Subscription) asked = get(db, ada, id);
    assert_int_equal(asked->stage, SUBSCRIPTION_ASKED);
    assert_int_equal(asked->pushed_seq, first->pushed_seq);
    assert_int_equal(asked->sending_seq, 0);
    assert_true(note(db, asked, seq));
    PushEnd unknown = {.kind = PUSH_UNKNOWN, .error = "timed out", .wait_ms = 60000};
    end(db, asked, seq, &unknown);
    g_autoptr(Subscription) doubtful = get(db, ada, id);
    assert_int_equal(doubtful->sending_seq, seq);
    assert_int_equal(doubtful->failures, 1);
    assert_int_equal(doubtful->repeats, 0);
    assert_true(note(db, doubtful, seq));
    g_autoptr(Subscription) repeated = get(db, ada, id);
    assert_int_equal(repeated->repeats, 1);
    PushEnd failed = {.kind = PUSH_FAILED, .status = 503, .error = "busy", .wait_ms = 60000};
    end(db, repeated, seq, &failed);
    g_autoptr(Subscription) waiting = get(db, ada, id);
    assert_int_equal(waiting->failures, 2);
    assert_int_equal(waiting->last_status, 503);
    assert_string_equal(waiting->last_error, "busy");
    assert_true(waiting->next_at > waiting->last_at);
    assert_true(note(db, waiting, seq));
    end(db, waiting, seq, &sent);
    g_autoptr(Subscription) done = get(db, ada, id);
    assert_int_equal(done->pushed_seq, seq);
    assert_int_equal(done->failures, 0);
    assert_int_equal(done->pushes, 2);
    assert_true(note(db, done, seq + 1));
    end(db, done, seq, &sent); /* of another's, long ago */
    g_autoptr(Subscription) other = get(db, ada, id);
    assert_int_equal(other->sending_seq, seq + 1);
    PushEnd ended = {.kind = PUSH_ENDED, .status = 410};
    end(db, done, seq + 1, &ended);
    assert_null(get(db, ada, id));
    assert_int_equal(model_count(db, "SELECT subscribers FROM account"), 0);
}

static void a_push_service_that_fails_rests(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    static const char origin[] = "https://push.example.net";
    int64_t rest = PUSH_ORIGIN_REST_MS;
    for (unsigned failures = 1; failures <= PUSH_ORIGIN_FAILURES + 8; failures++) {
        PushOrigin now = {0, 0};
        IN_TX(db, push_origin_note_failures(db, origin, 1, "hangs", why));
        IN_TX(db, push_origin_find(db, origin, &now, why));
        assert_int_equal(now.failures, failures);
        int64_t left = model_count(db, "SELECT open_until - rota_now() FROM push_origin");
        if (failures < PUSH_ORIGIN_FAILURES) {
            assert_int_equal(now.open_until, 0);
            continue;
        }
        assert_true(left <= rest && left > rest - 10000);
        rest = MIN(2 * rest, PUSH_ORIGIN_REST_MAX_MS);
    }
    PushOrigin now;
    IN_TX(db, push_origin_note_good(db, origin, why));
    IN_TX(db, push_origin_find(db, origin, &now, why));
    assert_int_equal(now.failures + now.open_until, 0);
    IN_TX(db, push_origin_note_failures(db, origin, PUSH_ORIGIN_FAILURES, "hangs", why));
    IN_TX(db, push_origin_find(db, origin, &now, why));
    assert_true(now.open_until > 0);
}

static void purge(Db *db)
{
    g_autoptr(GError) error = NULL;
    PurgeScope scope = {.shard = 1, .shards = 1};
    assert_true(db_begin(db, DB_READ, &error) && purge_now(db, &scope.now, &error));
    db_rollback(db);
    for (const PurgeKind *const *kind = purge_of_store; *kind; kind++) {
        g_autoptr(PurgeWalk) walk = purge_walk_new(*kind, &scope);
        while (!purge_walk_ended(walk)) {
            PurgeCount count;
            assert_true(db_begin(db, DB_READ, &error));
            assert_true(purge_walk_next(walk, db, PURGE_SHARE_MAX, &error));
            db_rollback(db);
            IN_TX(db, purge_walk_remove(walk, db, &count, why));
        }
    }
}

static void what_is_over_is_purged(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    add(db, ada, &(SubscriptionNew){.device = "expired", .url = URL "1"});
    add(db, ada, &(SubscriptionNew){.device = "unverified", .url = URL "2"});
    add(db, ada, &(SubscriptionNew){.device = "young", .url = URL "3"});
    add(db, ada, &(SubscriptionNew){.device = "verified", .url = URL "4"});
    purge_exec(db,
               "UPDATE push_subscription SET stage = 2, expires_at = rota_now() - 1 WHERE device = "
               "'expired'");
    purge_exec(db,
               "UPDATE push_subscription SET created_at = created_at - 3600000, stage = 1 WHERE "
               "device = 'unverified'");
    purge_exec(db,
               "UPDATE push_subscription SET created_at = created_at - 3600000, stage = 2 WHERE "
               "device = 'verified'");
    IN_TX(db, push_origin_note_failures(db, "https://old", 1, "", why));
    IN_TX(db, push_origin_note_failures(db, "https://new", 9, "", why));
    purge(db);
    assert_int_equal(model_count(db, "SELECT count(*) FROM push_subscription"), 2);
    assert_int_equal(model_count(db, "SELECT count(*) FROM push_subscription WHERE device IN "
                                     "('young', 'verified')"),
                     2);
    assert_int_equal(model_count(db, "SELECT subscribers FROM account"), 2);
    assert_int_equal(model_count(db, "SELECT count(*) FROM push_origin"), 1);
}

static void the_cluster_has_one_key(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(Db) other = test_store_open(*state);
    uint8_t private_key[2][P256_PRIVATE_BYTES], public_key[2][P256_PUBLIC_BYTES];
    Seal none = {.count = 0}, seal, wrong;
    seal_init(&seal, "0123456789abcdef0123456789abcdef", "");
    seal_init(&wrong, "fedcba9876543210fedcba9876543210", "");
    g_autoptr(GError) error = NULL;
    assert_true(push_key_load(db, &none, private_key[0], public_key[0], &error));
    assert_int_equal(model_count(db, "SELECT length(private) FROM push_key"), 32);
    for (unsigned i = 0; i < 2; i++) { /* who has a key for the store seals it */
        memset(private_key[1], 0, sizeof private_key[1]);
        assert_true(push_key_load(other, &seal, private_key[1], public_key[1], &error));
        assert_memory_equal(private_key[0], private_key[1], P256_PRIVATE_BYTES);
        assert_memory_equal(public_key[0], public_key[1], P256_PUBLIC_BYTES);
        assert_int_equal(model_count(db, "SELECT length(private) FROM push_key"), 77);
    }
    Seal next;
    seal_init(&next, "00112233445566778899aabbccddeeff", "0123456789abcdef0123456789abcdef");
    assert_true(push_key_load(db, &next, private_key[1], public_key[1], &error));
    seal_init(&next, "00112233445566778899aabbccddeeff", ""); /* the one before is gone */
    assert_true(push_key_load(db, &next, private_key[1], public_key[1], &error));
    assert_memory_equal(private_key[0], private_key[1], P256_PRIVATE_BYTES);
    const Seal *const others[] = {&none, &wrong};
    for (unsigned i = 0; i < 2; i++) {
        g_clear_error(&error);
        assert_false(push_key_load(db, others[i], private_key[1], public_key[1], &error));
        assert_int_equal(error_kind(error), ERROR_REJECT);
        assert_true(push_key_load(db, others[i], NULL, public_key[1], NULL));
        assert_memory_equal(public_key[0], public_key[1], P256_PUBLIC_BYTES);
    }
    purge_exec(db, "UPDATE push_key SET public = private");
    g_clear_error(&error);
    assert_false(push_key_load(db, &seal, private_key[0], public_key[0], &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    purge_exec(db, "DELETE FROM push_key");
    g_clear_error(&error);
    assert_true(push_key_load(db, &seal, private_key[0], public_key[0], &error));
    assert_int_equal(model_count(db, "SELECT length(private) FROM push_key"), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_verified_and_removed),
        cmocka_unit_test(ids_go_both_ways),
        cmocka_unit_test(one_for_each_device_and_url),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(changes_make_tasks_for_subscribers_alone),
        cmocka_unit_test(states_follow_the_change_log),
        cmocka_unit_test(the_outbox_knows_what_was_perhaps_sent),
        cmocka_unit_test(a_push_service_that_fails_rests),
        cmocka_unit_test(what_is_over_is_purged),
        cmocka_unit_test(the_cluster_has_one_key),
    };
    return test_on_both_stores("subscription", tests, G_N_ELEMENTS(tests));
}
