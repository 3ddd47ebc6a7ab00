/* metrics_bench: what metrics.calculate costs after 100 changes, beside its own full recount.
 *
 *     metrics-bench --store FILE | --url URL --schema NAME [--accounts N] [--messages N] [--rounds
 * N]
 *
 * The store is made anew: N accounts of 50 domains with N messages in all, planted by statements
 * that leave rows as deliveries do. Then in each round: 100 messages more, each with its account's
 * row (not counted); metric_calculate in a snapshot and metric_write, committed, as the role does
 * it; and all pages of a recount, committed page by page, as the role does it. Prints "calculate"
 * and "recount" with milliseconds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits_metrics.h"
#include "base/must.h"
#include "db/migrate.h"
#include "model/metric.h"

#define CHANGES 100

static char *path, *url, *schema;
static int accounts = 10000, messages = 1000000, rounds = 5;

static const GOptionEntry options[] = {
    {"store", 0, 0, G_OPTION_ARG_FILENAME, &path, "SQLite", "FILE"},
    {"url", 0, 0, G_OPTION_ARG_STRING, &url, "PostgreSQL", "URL"},
    {"schema", 0, 0, G_OPTION_ARG_STRING, &schema, "schema to work in", "NAME"},
    {"accounts", 0, 0, G_OPTION_ARG_INT, &accounts, "default 10000", "N"},
    {"messages", 0, 0, G_OPTION_ARG_INT, &messages, "in all, default 1000000", "N"},
    {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "default 5", "N"},
    {NULL, 0, 0, 0, NULL, NULL, NULL}};

/* clang-format off */
#define NUMBERS_SQLITE \
    "WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
#define NUMBERS_PG "WITH n AS (SELECT generate_series($1::bigint, $2::bigint) AS i) "
#define ACCOUNT \
    "INSERT INTO account (id, bucket, address, name, quota_bytes, used_bytes, used_messages," \
    " next_email, next_mailbox, change_seq, change_floor, password, created_at, deleted_at)" \
    " SELECT i, (i * 7919) % 1024, 'person.' || i || '@domain' || (i % 50) || '.example.org'," \
    " 'Person ' || i, 1000000000, 0, 0, 1, 7, 1, 0, '$argon2id$v=19$m=65536,t=2,p=1$" \
    "c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObGRdescudvJCs', 1, 0 FROM n"
static const DbSql SQL_ACCOUNTS = {NUMBERS_SQLITE ACCOUNT, NUMBERS_PG ACCOUNT};
#define EMAIL(BLOB) \
    "INSERT INTO email (account, id, blob, size, received_at, sent_at, message_id, thread," \
    " subject, sender, preview, keywords, has_attachment, spam_score, trace, changed_seq)" \
    " SELECT i % $3 + 1, i / $3 + 1," BLOB ", 1000 + i % 5000, i, i, i || '@example.org'," \
    " i / $3 + 1, 'minutes of the meeting ' || i, 'Sender of mail <sender@example.org>'," \
    " 'these are the words that a person sees of it before it is opened, some of them'," \
    " ' $seen ', 0, 0.1, 'Return-Path: <sender@example.org>', 1 FROM n"
static const DbSql SQL_EMAILS = {
    NUMBERS_SQLITE EMAIL("CAST(printf('%032d', i) AS BLOB)"),
    NUMBERS_PG EMAIL("decode(md5(i::text) || md5(i::text), 'hex')")};
static const DbSql SQL_COUNT = {
    "UPDATE account SET"
    " used_messages = (SELECT count(*) FROM email e WHERE e.account = account.id),"
    " used_bytes = (SELECT coalesce(CAST(sum(e.size) AS BIGINT), 0) FROM email e"
    " WHERE e.account = account.id)", NULL};
static const DbSql SQL_CHANGE = {
    "UPDATE account SET used_messages = used_messages + 1,"
    " used_bytes = used_bytes + 1000 + $1 % 5000 WHERE id = $1 % $2 + 1", NULL};
static const DbSql SQL_FORGET = {"DELETE FROM metric_sample", NULL};
/* As autovacuum does. */
static const DbSql SQL_ANALYZE = {"ANALYZE", NULL};
/* clang-format on */

static void must_go(bool good, const GError *error)
{
    if (!good)
        fprintf(stderr, "metrics-bench: %s\n", error ? error->message : "it failed");
    MUST(good);
}

static void run(Db *db, const DbSql *sql, const DbValue *args, size_t count)
{
    g_autoptr(GError) error = NULL;
    must_go(db_exec(db, sql, args, count, &error) >= 0, error);
}

static void begin(Db *db, DbMode mode)
{
    g_autoptr(GError) error = NULL;
    must_go(db_begin(db, mode, &error), error);
}

static void commit(Db *db)
{
    g_autoptr(GError) error = NULL;
    must_go(db_commit(db, &error) == DB_DONE, error);
}

static void fill(Db *db)
{
    begin(db, DB_WRITE);
    run(db, &SQL_ACCOUNTS, DB_ARGS(db_int(1), db_int(accounts)));
    commit(db);
    for (int at = 0; at < messages; at += 50000) {
        begin(db, DB_WRITE);
        run(db, &SQL_EMAILS,
            DB_ARGS(db_int(at), db_int(MIN(at + 50000, messages) - 1), db_int(accounts)));
        commit(db);
    }
    begin(db, DB_WRITE);
    run(db, &SQL_COUNT, DB_NO_ARGS);
    run(db, &SQL_ANALYZE, DB_NO_ARGS);
    commit(db);
}

/* `from` is the number of the first. */
static void change(Db *db, int from)
{
    begin(db, DB_WRITE);
    run(db, &SQL_EMAILS, DB_ARGS(db_int(from), db_int(from + CHANGES - 1), db_int(accounts)));
    for (int i = from; i < from + CHANGES; i++)
        run(db, &SQL_CHANGE, DB_ARGS(db_int(i), db_int(accounts)));
    run(db, &SQL_FORGET, DB_NO_ARGS); /* else what is of the same minute is left alone */
    commit(db);
}

static double calculate(Db *db)
{
    static const char *const names[] = {"fts-indexing", "purge.stores", "push-notifications"};
    g_autoptr(GArray) roles = g_array_new(FALSE, FALSE, sizeof(MetricRole));
    g_autoptr(GError) error = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        MetricRole role = {names[i], 1};
        g_array_append_val(roles, role);
    }
    int64_t start = g_get_monotonic_time();
    begin(db, DB_READ);
    g_autoptr(MetricBatch) batch = metric_calculate(db, 1, 1, roles, &error);
    must_go(batch != NULL, error);
    db_rollback(db);
    begin(db, DB_WRITE_LAZY);
    must_go(metric_write(db, batch, &error), error);
    commit(db);
    return (double)(g_get_monotonic_time() - start) / 1000;
}

static double recount(Db *db)
{
    g_autoptr(GArray) suspects = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_autoptr(GError) error = NULL;
    MetricRecount pages = {
        .shard = 1, .shards = 1, .limit = METRIC_RECOUNT_ACCOUNTS, .suspects = suspects};
    int64_t start = g_get_monotonic_time();
    do {
        begin(db, DB_READ);
        must_go(metric_recount_page(db, &pages, &error), error);
        db_rollback(db);
        must_go(suspects->len == 0, NULL);
        begin(db, DB_WRITE_LAZY);
        must_go(metric_recount_note(db, &pages, 0, pages.looked < pages.limit, &error), error);
        commit(db);
    } while (pages.looked == pages.limit);
    return (double)(g_get_monotonic_time() - start) / 1000;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, options, NULL);
    must_go(g_option_context_parse(context, &argc, &argv, &error) && (path || (url && schema)),
            error);
    DbConfig config = {.kind = path ? DB_SQLITE : DB_POSTGRESQL,
                       .path = path,
                       .url = url,
                       .schema = schema,
                       .statement_seconds = 600};
    if (path)
        remove(path);
    g_autoptr(Db) db = db_open(&config, &error);
    must_go(db != NULL, error);
    unsigned applied;
    must_go(migrate_upgrade(db, &applied, &error), error);
    fill(db);
    for (int round = 0; round < rounds; round++) {
        change(db, messages + round * CHANGES);
        printf("calculate\t%.3f\n", calculate(db));
        printf("recount\t%.3f\n", recount(db));
    }
    return 0;
}
