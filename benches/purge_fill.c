/* purge_fill: a store in which both purges have something to do.
 *
 *     purge-fill STORE [--messages N] [--keys N]
 *
 * STORE, an SQLite file, is made anew: an account whose Trash holds N messages that were filed long
 * ago, stored and indexed; N keys that have expired; and ada@example.org, who gets mail.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "content/words.h"
#include "db/migrate.h"
#include "model/account.h"
#include "model/deliver.h"
#include "model/search.h"

static int messages = 100000, keys = 100000;

static const GOptionEntry options[] = {
    {"messages", 0, 0, G_OPTION_ARG_INT, &messages, "in Trash, default 100000", "N"},
    {"keys", 0, 0, G_OPTION_ARG_INT, &keys, "expired, default 100000", "N"},
    {NULL, 0, 0, 0, NULL, NULL, NULL}};

static void must_go(bool good, const GError *error)
{
    if (!good)
        fprintf(stderr, "purge-fill: %s\n", error ? error->message : "it failed");
    MUST(good);
}

static Letter *make_letter(int number)
{
    static const char *const WORDS[] = {"meeting", "tomorrow", "release", "patch",   "review",
                                        "kernel",  "invoice",  "garden",  "weather", "minutes"};
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned state = (unsigned)number;
    g_string_printf(
        text,
        "From: Sender <sender@example.com>\r\nTo: old@example.org\r\nSubject: old %d\r\n"
        "Message-ID: <old.%d@example.com>\r\n\r\n",
        number, number);
    for (unsigned i = 0; i < 60; i++) {
        state = state * 1664525u + 1013904223u;
        g_string_append_printf(text, "%s%u ", WORDS[(state >> 16) % G_N_ELEMENTS(WORDS)],
                               (state >> 8) % 500);
    }
    return letter_new(text->str, text->len);
}

static void fill_batch(Db *db, int64_t account, int first, unsigned count)
{
    Delivery deliveries[DELIVER_BATCH_MAX];
    Delivered results[DELIVER_BATCH_MAX];
    Letter *letters[DELIVER_BATCH_MAX];
    char *names[DELIVER_BATCH_MAX];
    g_autoptr(GError) error = NULL;
    for (unsigned i = 0; i < count; i++) {
        letters[i] = make_letter(first + (int)i);
        names[i] = g_strdup_printf("%d", first + (int)i);
        deliveries[i] = (Delivery){
            .letter = letters[i], .account = account, .folder = "Trash", .key = names[i]};
    }
    must_go(deliver_many(db, deliveries, count, results, &error), error);
    must_go(db_begin(db, DB_WRITE_LAZY, &error), error);
    for (unsigned i = 0; i < count; i++) {
        unsigned language;
        g_autoptr(GString) terms = words_of_message(letters[i]->message, &language);
        must_go(search_add(db, account, results[i].email, terms->str, &error), error);
        letter_free(letters[i]);
        g_free(names[i]);
    }
    must_go(db_commit(db, &error) == DB_DONE, error);
}

static void fill_keys(Db *db)
{
    static const DbSql add = {"INSERT INTO expiring (account, kind, key, value, expires_at) VALUES "
                              "($1, 'delivery', $2, '', $3)",
                              NULL};
    g_autoptr(GError) error = NULL;
    must_go(db_begin(db, DB_WRITE_LAZY, &error), error);
    for (int i = 0; i < keys; i++) {
        g_autofree char *name = g_strdup_printf("an expired key of a usual length %d", i);
        must_go(db_exec(db, &add, DB_ARGS(db_int(i % 100), db_text(name), db_int(i + 1)), &error) >=
                    0,
                error);
    }
    must_go(db_commit(db, &error) == DB_DONE, error);
}

/* The mail is old, and the index up to date. */
static void age(Db *db, int64_t account)
{
    static const DbSql filed = {"UPDATE email_mailbox SET filed_at = 1", NULL};
    static const DbSql done = {"DELETE FROM task", NULL};
    static const DbSql newest = {"SELECT change_seq FROM account WHERE id = $1", NULL};
    g_autoptr(GError) error = NULL;
    SearchState state = {.rebuild_after = SEARCH_NO_REBUILD};
    must_go(db_begin(db, DB_WRITE, &error), error);
    must_go(db_exec(db, &filed, DB_NO_ARGS, &error) >= 0, error);
    must_go(db_exec(db, &done, DB_NO_ARGS, &error) >= 0, error);
    must_go(db_query_int(db, &newest, DB_ARGS(db_int(account)), &state.position, &error) >= 0,
            error);
    must_go(search_state_set(db, account, &state, &error), error);
    must_go(db_commit(db, &error) == DB_DONE, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("STORE");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, options, NULL);
    must_go(g_option_context_parse(context, &argc, &argv, &error) && argc == 2, error);
    message_library_init();
    remove(argv[1]);
    DbConfig config = {.kind = DB_SQLITE, .path = argv[1]};
    g_autoptr(Db) db = db_open(&config, &error);
    must_go(db != NULL, error);
    unsigned applied;
    int64_t old, ada;
    must_go(migrate_upgrade(db, &applied, &error), error);
    must_go(account_add(db, "old@example.org", "", 0, &old, &error), error);
    must_go(account_add(db, "ada@example.org", "", 0, &ada, &error), error);
    for (int done = 0; done < messages; done += DELIVER_BATCH_MAX)
        fill_batch(db, old, done, (unsigned)MIN(messages - done, DELIVER_BATCH_MAX));
    fill_keys(db);
    age(db, old);
    return 0;
}
