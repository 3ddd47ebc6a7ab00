/* intake_test: every message once, in order, whatever fails. */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "db/fault.h"
#include "app/intake.h"
#include "model_support.h"

#define THREADS 4

/* A source of `count` messages, numbered from 0, and what was heard of them. */
typedef struct {
    int64_t account;
    unsigned count, given, told;
    size_t size;           /* of each body */
    int bad_file, bad_row; /* that cannot be read; that the store refuses; -1 none */
    unsigned stop_after;   /* 0: never */
    unsigned stored, duplicates, unreadable, refused;
    unsigned most_ahead; /* messages given and not told */
    gint ahead;          /* atomic */
} Source;

static bool next(IntakeItem *ret, void *data)
{
    Source *source = data;
    if (source->given == source->count)
        return false;
    unsigned i = source->given++;
    ret->account = source->account;
    ret->tag = i;
    unsigned ahead = (unsigned)g_atomic_int_add(&source->ahead, 1) + 1;
    source->most_ahead = MAX(source->most_ahead, ahead);
    if ((int)i == source->bad_file) {
        ret->path = g_strdup("/nonexistent/message.eml");
        return true;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text,
                           "Message-ID: <%u@example.org>\r\nSubject: number %u\r\n"
                           "Content-Type: application/octet-stream\r\n\r\n",
                           i, i);
    gsize header = text->len;
    g_string_set_size(text, header + source->size);
    memset(text->str + header, 'x', source->size);
    ret->bytes = g_bytes_new(text->str, text->len);
    ret->folder = g_strdup(i % 2 ? "Archive/Odd" : NULL);
    ret->keywords = g_strdup((int)i == source->bad_row ? " \xff " : " $seen ");
    return true;
}

static char *key(const IntakeItem *item, const Letter *letter, void *data)
{
    (void)item;
    (void)data;
    return g_strdup(letter->message->message_id);
}

static bool done(const IntakeItem *item, const Delivered *delivered, const GError *error,
                 void *data)
{
    Source *source = data;
    assert_int_equal(item->tag, source->told);
    source->told++;
    g_atomic_int_add(&source->ahead, -1);
    source->unreadable += delivered == NULL;
    source->stored += delivered && delivered->result == DELIVER_STORED;
    source->duplicates += delivered && delivered->result == DELIVER_DUPLICATE;
    source->refused += delivered && delivered->result == DELIVER_RETRY && error != NULL;
    assert_int_equal(error != NULL,
                     (int)item->tag == source->bad_file || (int)item->tag == source->bad_row);
    return source->told != source->stop_after;
}

static bool run(Db *db, Source *source, GError **error)
{
    source->given = source->told = source->stored = source->duplicates = 0;
    g_atomic_int_set(&source->ahead, 0);
    IntakeConfig config = {
        .db = db, .threads = THREADS, .next = next, .key = key, .done = done, .data = source};
    return intake_run(&config, error);
}

static Source source_new(Db *db, unsigned count)
{
    return (Source){.account = model_account(db, "ada@example.org", 0),
                    .count = count,
                    .size = 100,
                    .bad_file = -1,
                    .bad_row = -1};
}

static void test_all_in_order(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Source source = source_new(db, 2 * INTAKE_SLOTS + 7);
    source.bad_file = 5;
    source.bad_row = 150;
    GError *error = NULL;
    run(db, &source, &error);
    assert_no_error(error);
    assert_int_equal(source.told, source.count);
    assert_int_equal(source.stored, source.count - 2);
    assert_int_equal(source.unreadable, 1);
    assert_int_equal(source.refused, 1);
    assert_true(source.most_ahead <= INTAKE_SLOTS + 1);
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM email"), source.stored);
    /* in the order of the source: two threads do not overtake each other */
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM email a JOIN email b ON a.account = "
                                     "b.account AND b.id = a.id + 1 WHERE a.id > 200 AND b.subject "
                                     "<> 'number ' || CAST(a.id + 2 AS TEXT)"),
                     0);
    model_check(db);
}

static void test_again(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Source source = source_new(db, 3 * DELIVER_BATCH_MAX);
    source.stop_after = DELIVER_BATCH_MAX + 20;
    GError *error = NULL;
    assert_false(run(db, &source, &error));
    assert_int_equal(error_kind(error), ERROR_STOPPED);
    assert_int_equal(source.told, source.stop_after);
    g_clear_error(&error);
    source.stop_after = 0;
    run(db, &source, &error);
    assert_no_error(error);
    assert_int_equal(source.stored + source.duplicates, source.count);
    assert_true(source.duplicates >= source.stop_after && source.stored > 0);
    assert_int_equal(model_count(db, "SELECT COUNT(*) FROM email"), source.count);
    model_check(db);
}

/* Fault number n, for n = 1, 2, … until all have been met: at the end each message is there once.
 */
static void test_faults(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Source source = source_new(db, 3);
    static const Fault kinds[] = {FAULT_RETRY, FAULT_UNKNOWN_DONE, FAULT_UNKNOWN_NOT_DONE};
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        FaultAt at = {.number = 0, .fault = kinds[k]};
        do {
            at = (FaultAt){.number = at.number + 1, .fault = kinds[k]};
            Db *door = db_open_fault(db, fault_plan_at, &at);
            GError *error = NULL;
            run(door, &source, &error);
            assert_no_error(error); /* one fault is within its tries */
            db_close(door);
            assert_int_equal(source.stored + source.duplicates, 3);
            assert_int_equal(model_count(db, "SELECT COUNT(*) FROM email"), 3 * (k + 1));
        } while (at.met);
        g_autofree char *address = g_strdup_printf("ada%u@example.org", k);
        source.account = model_account(db, address, 0);
    }
    model_check(db);
}

static Fault never(FaultPoint point, uint64_t call, void *data)
{
    (void)point;
    (void)call;
    (void)data;
    return FAULT_RETRY;
}

static void test_store_away(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Source source = source_new(db, 2 * INTAKE_SLOTS);
    Db *door = db_open_fault(db, never, NULL);
    GError *error = NULL;
    assert_false(run(door, &source, &error));
    assert_int_equal(error_kind(error), ERROR_RETRY);
    assert_int_equal(source.told, 0);
    g_clear_error(&error);
    db_close(door);
}

static void test_bytes_are_bounded(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Source source = source_new(db, 60);
    source.size = INTAKE_BYTES_MAX / 16;
    GError *error = NULL;
    run(db, &source, &error);
    assert_no_error(error);
    assert_int_equal(source.stored, 60);
    assert_true(source.most_ahead <= 16 + THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_in_order),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_store_away),
        cmocka_unit_test(test_bytes_are_bounded),
    };
    return test_on_both_stores("intake", tests, G_N_ELEMENTS(tests));
}
