/* upload_test: uploads are their account's alone, live for hours, and make room for newer ones.
 */
#include <string.h>

#include "model_support.h"

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/upload.h"

#define RUN(db, text)                                                                              \
    do {                                                                                           \
        static const DbSql sql = {text, NULL};                                                     \
        IN_TX(db, db_exec(db, &sql, DB_NO_ARGS, why) >= 0);                                        \
    } while (0)

static Digest add(Db *db, int64_t account, const char *text)
{
    g_autoptr(Blob) blob = blob_new(text, strlen(text));
    IN_TX(db, upload_add(db, account, blob, why));
    return blob->digest;
}

static char *get(Db *db, int64_t account, const Digest *digest)
{
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(GBytes) bytes = upload_get(db, account, digest, &error);
    db_rollback(db);
    if (!bytes) {
        assert_int_equal(error_kind(error), ERROR_GONE);
        return NULL;
    }
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    return g_strndup(data, size);
}

static void only_its_account_has_it_while_it_lives(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 10), bob;
    bob = model_account(db, "bob@example.org", 0);
    Digest digest = add(db, ada, "more than her quota");
    g_autofree char *hers = get(db, ada, &digest), *his = get(db, bob, &digest);
    assert_string_equal(hers, "more than her quota");
    assert_null(his);
    RUN(db, "UPDATE upload SET expires_at = rota_now() - 1");
    g_autofree char *late = get(db, ada, &digest);
    assert_null(late);
    add(db, ada, "more than her quota"); /* it lives again */
    g_autofree char *again = get(db, ada, &digest);
    assert_non_null(again);
    assert_int_equal(model_count(db, "SELECT count(*) FROM upload"), 1);
    assert_true(model_count(db, "SELECT min(expires_at - rota_now()) FROM upload") > 3600000);
    model_check(db);
}

static void the_oldest_make_room(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    Digest first = add(db, ada, "first"), second = add(db, ada, "second");
    RUN(db, "UPDATE upload SET size = 400 * 1024 * 1024, expires_at = expires_at - 1000 WHERE "
            "size = 5");
    RUN(db, "UPDATE upload SET size = 100 * 1024 * 1024 - 5 WHERE size = 6");
    Digest third = add(db, ada, "third");
    g_autofree char *one = get(db, ada, &first), *two = get(db, ada, &second);
    assert_non_null(one);
    assert_non_null(two);
    Digest last = add(db, ada, "x");
    g_autofree char *gone = get(db, ada, &first), *three = get(db, ada, &third);
    g_autofree char *four = get(db, ada, &last), *stays = get(db, ada, &second);
    assert_null(gone);
    assert_true(three && four && stays);
    model_check(db); /* what went is listed for the purge */

    g_autoptr(GError) error = NULL;
    g_autoptr(Blob) huge = blob_new("y", 1);
    huge->size = UPLOADS_BYTES_MAX + 1;
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_false(upload_add(db, ada, huge, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    db_rollback(db);
}

static void their_number_is_bounded(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    for (unsigned i = 0; i < UPLOADS_MAX / 500; i++) {
        assert_true(db_begin(db, DB_WRITE, NULL));
        for (unsigned k = 0; k < 500; k++) {
            g_autofree char *text = g_strdup_printf("%u/%u", i, k);
            g_autoptr(Blob) blob = blob_new(text, strlen(text));
            static const DbSql sql = {"INSERT INTO upload (account, blob, size, expires_at) "
                                      "VALUES ($1, $2, 1, rota_now() + 1000)",
                                      NULL};
            assert_int_equal(
                db_exec(db, &sql, DB_ARGS(db_int(ada), db_bytes(blob->digest.bytes, DIGEST_BYTES)),
                        NULL),
                1);
        }
        assert_int_equal(db_commit(db, NULL), DB_DONE);
    }
    add(db, ada, "one more");
    assert_int_equal(model_count(db, "SELECT count(*) FROM upload"), UPLOADS_MAX);
    add(db, ada, "one more");
    assert_int_equal(model_count(db, "SELECT count(*) FROM upload"), UPLOADS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_account_has_it_while_it_lives),
        cmocka_unit_test(the_oldest_make_room),
        cmocka_unit_test(their_number_is_bounded),
    };
    return test_on_both_stores("upload", tests, G_N_ELEMENTS(tests));
}
