/* index_bare: the bare limit beside index_bench: GMime's own parser, each text part decoded, and
 * one insert into FTS5 as it comes (tokenizer unicode61), one thread, one core. No store, no
 * mailboxes, no second copy, a commit for each thousand.
 *
 * index_bare INDEX < list of files. Prints messages, seconds, bytes of the index.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmime/gmime.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/must.h"

#define BATCH 1000

static void add_text(GMimeObject *parent, GMimeObject *part, gpointer data)
{
    (void)parent;
    if (!GMIME_IS_TEXT_PART(part))
        return;
    g_autofree char *text = g_mime_text_part_get_text(GMIME_TEXT_PART(part));
    if (text)
        g_string_append(data, text);
}

static void run_sql(sqlite3 *db, const char *sql)
{
    MUST(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static void add_message(sqlite3_stmt *insert, const char *path, GString *body)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    GMimeStream *stream = g_mime_stream_fs_new(file);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    g_string_truncate(body, 0);
    if (message) {
        g_autofree char *from = internet_address_list_to_string(g_mime_message_get_from(message),
                                                                NULL, FALSE),
                        *to = internet_address_list_to_string(g_mime_message_get_to(message), NULL,
                                                              FALSE);
        g_mime_message_foreach(message, add_text, body);
        const char *subject = g_mime_message_get_subject(message);
        sqlite3_bind_text(insert, 1, subject ? subject : "", -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 2, from ? from : "", -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 3, to ? to : "", -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 4, body->str, (int)body->len, SQLITE_TRANSIENT);
        MUST(sqlite3_step(insert) == SQLITE_DONE);
        sqlite3_reset(insert);
        g_object_unref(message);
    }
    g_object_unref(parser);
    g_object_unref(stream);
}

int main(int argc, char **argv)
{
    MUST(argc == 2);
    remove(argv[1]);
    g_mime_init();
    sqlite3 *db;
    sqlite3_stmt *insert;
    MUST(sqlite3_open(argv[1], &db) == SQLITE_OK);
    run_sql(
        db,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
        "CREATE VIRTUAL TABLE m USING fts5(subject, sender, rcpt, body, tokenize = 'unicode61')");
    MUST(sqlite3_prepare_v2(db, "INSERT INTO m (subject, sender, rcpt, body) VALUES (?, ?, ?, ?)",
                            -1, &insert, NULL) == SQLITE_OK);
    char line[4096];
    unsigned messages = 0;
    g_autoptr(GString) body = g_string_new(NULL);
    int64_t begin = clock_monotonic_us(clock_real());
    run_sql(db, "BEGIN");
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        add_message(insert, line, body);
        if (++messages % BATCH == 0)
            run_sql(db, "COMMIT; BEGIN");
    }
    run_sql(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    struct stat size;
    MUST(stat(argv[1], &size) == 0);
    printf("messages\t%u\tfound_s\t%.2f\tstore_bytes\t%" G_GINT64_FORMAT "\n", messages,
           (double)(clock_monotonic_us(clock_real()) - begin) / 1e6, (int64_t)size.st_size);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return 0;
}
