/* sqlite: the driver for the embedded store.
 *
 * One file in WAL mode: readers never wait, one writer at a time. The turn to write goes in fair
 * order within the process (writer_lock.h); against other processes SQLite's busy handler polls.
 * DB_WRITE syncs the log at its commit, DB_WRITE_LAZY does not (PRAGMA synchronous, switched
 * between transactions, and only when it changes).
 *
 * Checkpoints: moving the log into the file costs two syncs and many writes, which a delivery's
 * commit should not pay. They are made after a commit, when the turn to write has been given back:
 * by background handles from CHECKPOINT_PAGES on, by others only when four times as much has piled
 * up. A checkpoint that was overtaken by writers all the way (the log can then not start anew) is
 * finished under the turn to write once the log has LOG_PAGES_MAX.
 *
 * Statements are prepared once per handle and found by their DbSql's address. Parameters are
 * SQLite's "$n" names.
 *
 * Failures: busy (by another process), disk full, read-only, I/O errors: ERROR_RETRY. A damaged
 * file: ERROR_REJECT. An I/O error during COMMIT is DB_UNKNOWN: the commit record may be in the log
 * though its sync failed. Known weak point: SQLite sees no difference between a full disk and a
 * full quota, and the text says "disk full" for both.
 */
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "db/sqlite_private.h"

#define CHECKPOINT_PAGES 1000  /* 4 MB of log: SQLite's own default */
#define LOG_PAGES_MAX    16000 /* 64 MB of log: reading through it begins to cost */
#define PROGRESS_STEPS   20000 /* between looks at the clock, about a millisecond */
#define BUSY_POLL_MS_MAX 4
/* Small, since a node has a dozen handles, and what they miss is in the system's cache. The heavy
 * lanes get more: the search index reads its own newest segments again and again to merge them.
 * Within a transaction changed pages may pile up further before they are written out early, and
 * again at the commit. */
#define CACHE_KIB            1024
#define CACHE_KIB_BACKGROUND 2048
#define SPILL_PAGES          4000

static ErrorKind kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return ERROR_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_NOMEM:
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
        return ERROR_RETRY;
    default:
        return ERROR_REJECT;
    }
}

/* The system's own reason, 0 if it has none. SQLite keeps none for a COMMIT; and when it may not
 * make the files beside the store it says that they are not there. */
static int system_reason(const SqliteDb *db, int code)
{
    int kept = db->sqlite ? sqlite3_system_errno(db->sqlite) : 0;
    g_autofree char *folder = g_path_get_dirname(db->path);
    switch (code & 0xff) {
    case SQLITE_CANTOPEN:
        return access(folder, W_OK) < 0 ? errno : kept;
    case SQLITE_IOERR:
        return kept ? kept : db->step_errno;
    default:
        return 0;
    }
}

bool sqlite_fail(SqliteDb *db, int code, const char *sql, GError **error)
{
    const char *reason = db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(code);
    int system = system_reason(db, code);
    const char *why = system ? g_strerror(system) : "";
    if ((code & 0xff) == SQLITE_INTERRUPT)
        why = "it took too long";
    return fail(error, kind_of(code), "store \"%s\": %s%s%s%s%.200s", db->path, reason,
                *why ? ": " : "", why, sql ? ": " : "", sql ? sql : "");
}

static int on_busy(void *data, int tries)
{
    SqliteDb *db = data;
    int64_t now = clock_monotonic_us(clock_real());
    if (tries == 0)
        db->busy_until = now + DB_BUSY_MS * INT64_C(1000);
    else if (now >= db->busy_until)
        return 0;
    /* Another process writes; there is nothing to wait on but time, so the waits are short. */
    poll(NULL, 0, MIN(1 << MIN(tries, 10), BUSY_POLL_MS_MAX));
    return 1;
}

static int on_progress(void *data)
{
    SqliteDb *db = data;
    int64_t now = clock_monotonic_us(clock_real());
    if (db->deadline == 0)
        db->deadline = now + db->statement_us;
    return now > db->deadline;
}

static int on_log(void *data, sqlite3 *sqlite, const char *name, int pages)
{
    (void)sqlite;
    (void)name;
    SqliteDb *db = data;
    db->log_grew = true;
    db->log_pages = pages;
    return SQLITE_OK;
}

static void sql_now(sqlite3_context *context, int count, sqlite3_value **args)
{
    (void)count;
    (void)args;
    sqlite3_result_int64(context, clock_wall_ms(sqlite3_user_data(context)));
}

/* ---- transactions */

static bool pragma(SqliteDb *db, const char *sql, GError **error)
{
    int code = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || sqlite_fail(db, code, sql, error);
}

static int step_once(SqliteDb *db, sqlite3_stmt *stmt)
{
    db->deadline = 0;
    errno = 0;
    int code = sqlite3_step(stmt);
    db->step_errno = errno;
    sqlite3_reset(stmt);
    return code;
}

static void give_turn(SqliteDb *db)
{
    if (db->has_turn)
        writer_lock_give(db->lock);
    db->has_turn = false;
}

static bool take_turn(SqliteDb *db, GError **error)
{
    if (!db->lock)
        return true;
    /* Background handles rest between their turns, one after the other. */
    int64_t patience = MIN(db->statement_us / 1000, db->background ? INT64_MAX : DB_BUSY_MS);
    if (!writer_lock_take(db->lock, db->background, patience))
        return fail(error, ERROR_RETRY, "store \"%s\": other writers did not end in %d ms",
                    db->path, (int)patience);
    db->has_turn = true;
    return true;
}

static bool sqlite_begin(Db *base, DbMode mode, GError **error)
{
    SqliteDb *db = (SqliteDb *)base;
    db->log_grew = false;
    bool lazy = mode == DB_WRITE_LAZY;
    if (mode != DB_READ && lazy != db->lazy) {
        if (!pragma(db, lazy ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", error))
            return false;
        db->lazy = lazy;
    }
    if (mode != DB_READ && !take_turn(db, error))
        return false;
    int code = step_once(db, mode == DB_READ ? db->begin_read : db->begin_write);
    if (code == SQLITE_DONE)
        return true;
    sqlite_fail(db, code, NULL, error);
    give_turn(db);
    return false;
}

/* Moves the log into the file, as the opening of this file says. What fails here fails again in a
 * statement that matters. */
static void checkpoint(SqliteDb *db)
{
    int step = db->background ? CHECKPOINT_PAGES : CHECKPOINT_PAGES * 4;
    if (!db->lock || !db->log_grew || !writer_lock_begin_checkpoint(db->lock, db->log_pages, step))
        return;
    int log = 0, moved = 0;
    int code =
        sqlite3_wal_checkpoint_v2(db->sqlite, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
    if (code == SQLITE_OK && log >= LOG_PAGES_MAX && take_turn(db, NULL)) {
        sqlite3_wal_checkpoint_v2(db->sqlite, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
        give_turn(db);
    }
    writer_lock_end_checkpoint(db->lock);
}

static void sqlite_rollback(Db *base)
{
    SqliteDb *db = (SqliteDb *)base;
    if (db->rows.statement) {
        sqlite3_reset(db->rows.statement->stmt);
        db->rows.statement = NULL;
    }
    if (!sqlite3_get_autocommit(db->sqlite))
        step_once(db, db->rollback);
    give_turn(db);
}

static DbOutcome sqlite_commit(Db *base, GError **error)
{
    SqliteDb *db = (SqliteDb *)base;
    if (sqlite3_get_autocommit(db->sqlite)) {
        fail(error, ERROR_RETRY, "store \"%s\": the transaction was rolled back", db->path);
        return DB_NOT_DONE;
    }
    int code = step_once(db, db->commit);
    if (code == SQLITE_DONE) {
        give_turn(db);
        checkpoint(db);
        return DB_DONE;
    }
    if ((code & 0xff) == SQLITE_IOERR) {
        g_autoptr(GError) reason = NULL;
        sqlite_fail(db, code, NULL, &reason);
        fail(error, ERROR_UNKNOWN, "%s", reason->message);
        return DB_UNKNOWN;
    }
    sqlite_fail(db, code, NULL, error);
    return DB_NOT_DONE;
}

static bool sqlite_savepoint(Db *base, DbSavepoint step, GError **error)
{
    static const char *const sql[] = {"SAVEPOINT door", "RELEASE door",
                                      "ROLLBACK TO door; RELEASE door"};
    return pragma((SqliteDb *)base, sql[step], error);
}

/* ---- the rest of the door */

static bool sqlite_notify(Db *base, const char *word, GError **error)
{
    (void)base;
    (void)word;
    (void)error;
    return true;
}

static bool sqlite_listen(Db *base, int timeout_ms, char **ret_word, GError **error)
{
    (void)base;
    (void)error;
    poll(NULL, 0, timeout_ms);
    *ret_word = NULL;
    return true;
}

static bool sqlite_is_wanted(Db *base)
{
    SqliteDb *db = (SqliteDb *)base;
    return db->has_turn && writer_lock_is_wanted(db->lock);
}

static bool free_pages(Db *base, int64_t *ret_pages, GError **error)
{
    static const DbSql count_free = {.sql = "PRAGMA freelist_count"};
    DbRows *rows = sqlite_query(base, &count_free, DB_NO_ARGS, error);
    if (!rows)
        return false;
    int step = rows->driver->next(rows, error);
    if (step == 1)
        *ret_pages = rows->driver->get_int(rows, 0);
    rows->driver->free(rows);
    return step >= 0;
}

static bool sqlite_give_back_pages(Db *base, int64_t max_pages, int64_t *ret_pages, GError **error)
{
    int64_t before = 0, after = 0;
    char text[64];
    g_snprintf(text, sizeof text, "PRAGMA incremental_vacuum(%" G_GINT64_FORMAT ")",
               MAX(max_pages, 1));
    if (!free_pages(base, &before, error))
        return false;
    if (before > 0 && !pragma((SqliteDb *)base, text, error))
        return false;
    if (!free_pages(base, &after, error))
        return false;
    *ret_pages = before - after;
    return true;
}

static void sqlite_close(Db *base)
{
    SqliteDb *db = (SqliteDb *)base;
    g_hash_table_unref(db->statements);
    sqlite3_finalize(db->begin_read);
    sqlite3_finalize(db->begin_write);
    sqlite3_finalize(db->commit);
    sqlite3_finalize(db->rollback);
    if (db->sqlite)
        MUST(sqlite3_close(db->sqlite) == SQLITE_OK);
    if (db->lock)
        writer_lock_unref(db->lock);
    g_free(db->path);
    g_free(db);
}

static const DbDriver driver = {
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .savepoint = sqlite_savepoint,
    .exec = sqlite_exec,
    .exec_many = sqlite_exec_many,
    .query = sqlite_query,
    .run_text = sqlite_run_text,
    .notify = sqlite_notify,
    .listen = sqlite_listen,
    .give_back_pages = sqlite_give_back_pages,
    .is_wanted = sqlite_is_wanted,
    .close = sqlite_close,
};

/* ---- opening */

/* Makes a new file readable by its owner alone; SQLite would go by the umask. Under the opening
 * lock: closing a descriptor drops the locks that SQLite holds on the same file in this process, so
 * this must happen before anybody here has it open. True: the file is empty. */
static bool create_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    struct stat info;
    return stat(path, &info) == 0 && info.st_size == 0;
}

static void limit(sqlite3 *sqlite)
{
    sqlite3_limit(sqlite, SQLITE_LIMIT_LENGTH, DB_VALUE_BYTES_MAX);
    sqlite3_limit(sqlite, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(sqlite, SQLITE_LIMIT_EXPR_DEPTH, 200);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_extended_result_codes(sqlite, 1);
}

static bool set_up(SqliteDb *db, const Clock *clock, bool empty, GError **error)
{
    limit(db->sqlite);
    sqlite3_busy_handler(db->sqlite, on_busy, db);
    sqlite3_progress_handler(db->sqlite, PROGRESS_STEPS, on_progress, db);
    int code = sqlite3_create_function_v2(db->sqlite, "rota_now", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS,
                                          (void *)(uintptr_t)clock, sql_now, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return sqlite_fail(db, code, NULL, error);
    char cache[64], spill[64];
    g_snprintf(cache, sizeof cache, "PRAGMA cache_size=-%d",
               db->background ? CACHE_KIB_BACKGROUND : CACHE_KIB);
    g_snprintf(spill, sizeof spill, "PRAGMA cache_spill=%d", SPILL_PAGES);
    /* It can only be chosen for an empty file, and would wait for the writer of another. */
    if (empty && !pragma(db, "PRAGMA auto_vacuum=INCREMENTAL", error))
        return false;
    if (!pragma(db, "PRAGMA journal_mode=WAL", error) ||
        !pragma(db, "PRAGMA synchronous=FULL", error) ||
        !pragma(db, "PRAGMA temp_store=MEMORY", error) ||
        !pragma(db, "PRAGMA journal_size_limit=67108864", error) || !pragma(db, cache, error) ||
        !pragma(db, spill, error))
        return false;
    sqlite3_wal_hook(db->sqlite, on_log, db);
    const struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } fixed[] = {{&db->begin_read, "BEGIN"},
                 {&db->begin_write, "BEGIN IMMEDIATE"},
                 {&db->commit, "COMMIT"},
                 {&db->rollback, "ROLLBACK"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        code = sqlite3_prepare_v3(db->sqlite, fixed[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  fixed[i].stmt, NULL);
        if (code != SQLITE_OK)
            return sqlite_fail(db, code, fixed[i].sql, error);
    }
    return true;
}

static bool open_file(SqliteDb *db, const DbConfig *config, GError **error)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    static gsize configured;
    if (g_once_init_enter(&configured)) {
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* its counters are one lock for all threads */
        g_once_init_leave(&configured, 1);
    }
    bool memory = strcmp(config->path, ":memory:") == 0;
    pthread_mutex_lock(&opening);
    bool empty = memory || create_private(config->path);
    int code =
        sqlite3_open_v2(config->path, &db->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    const Clock *clock = config->clock ? config->clock : clock_real();
    bool open =
        code == SQLITE_OK ? set_up(db, clock, empty, error) : sqlite_fail(db, code, NULL, error);
    pthread_mutex_unlock(&opening);
    struct stat info;
    if (!open || memory)
        return open;
    if (stat(config->path, &info) != 0)
        return fail(error, ERROR_RETRY, "could not open store \"%s\": %s", config->path,
                    g_strerror(errno));
    db->lock = writer_lock_ref(info.st_dev, info.st_ino);
    return true;
}

Db *sqlite_open(const DbConfig *config, GError **error)
{
    MUST(config->path);
    SqliteDb *db = g_new0(SqliteDb, 1);
    db->base.driver = &driver;
    db->base.kind = DB_SQLITE;
    db->path = g_strdup(config->path);
    db->background = config->background;
    int seconds = config->statement_seconds > 0 ? config->statement_seconds : DB_STATEMENT_SECONDS;
    db->statement_us = seconds * INT64_C(1000000);
    db->statements = sqlite_statements_new();
    if (!open_file(db, config, error)) {
        sqlite_close(&db->base);
        return NULL;
    }
    return &db->base;
}
