/* db.h: the one door to SQL, and the only header of a driver that others see.
 *
 * A Db is one connection to one store: SQLite, PostgreSQL, or a fault-injecting door around either
 * (fault.h). All drivers pass the same conformance tests (db/conform_test.c).
 *
 * Invariants
 * - A handle belongs to one thread at a time and holds at most one transaction.
 * - Every statement runs in a transaction, which ends in exactly one of three ways: DB_DONE,
 * durable; DB_NOT_DONE, rolled back, nothing happened; DB_UNKNOWN, the connection broke in the
 * commit. Every caller says what it does with the third. Dropping an unfinished one rolls it back.
 * - Values are bound as $1, $2, ...; never pasted. Statements are static DbSql values: prepared
 * once per handle, found by address. Where the stores' SQL must differ, the DbSql names both texts.
 * - Busy, serialisation failure, dead lock, connection lost before commit, no space, read-only
 * disk: ERROR_RETRY. A damaged store: ERROR_REJECT. A broken constraint: ERROR_CONFLICT. After any
 * failed statement the transaction is over and rolled back, and each further call on it fails the
 * same way; but in a savepoint a CONFLICT or REJECT waits for db_savepoint_rollback, which mends
 * it.
 * - It does not log, and it reconnects only in db_begin, never inside a transaction.
 * - rota_now() in SQL is the store's clock in ms since 1970-01-01 UTC. It may move in a
 * transaction.
 *
 * Types: 64-bit integers (column BIGINT), UTF-8 text without NUL (TEXT), bytes (BYTEA), DOUBLE
 * PRECISION; booleans are 0 and 1. Reading a column as what it is not is a MUST.
 * Calling sequence: db_open, { db_begin, db_exec / db_query, db_commit | db_rollback }*, db_close.
 */
#ifndef ROTA_DB_DB_H
#define ROTA_DB_DB_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

typedef struct Db Db;
typedef struct DbRows DbRows;

typedef enum { DB_DONE, DB_NOT_DONE, DB_UNKNOWN } DbOutcome;

typedef enum {
    DB_READ,  /* one snapshot; a write in it is ERROR_REJECT */
    DB_WRITE, /* durable when DB_DONE: synchronous=FULL, synchronous_commit=on */
    /* As DB_WRITE, but a crash of the machine (not of the process) may still take back a DB_DONE,
     * with all that came after it. For what is found again; on a server task_end makes it sure. */
    DB_WRITE_LAZY,
} DbMode;

typedef enum { DB_SQLITE, DB_POSTGRESQL } DbKind;

typedef struct {
    const char *sql;        /* for both stores, or for SQLite where `postgresql` is given */
    const char *postgresql; /* NULL: the same text */
} DbSql;

typedef struct {
    enum { DB_VALUE_NULL, DB_VALUE_INT, DB_VALUE_TEXT, DB_VALUE_BYTES, DB_VALUE_REAL } type;
    union {
        int64_t integer;
        double real;
        const void *data; /* borrowed for the call; for a query, until its rows are freed */
    };
    size_t size; /* of bytes and text, without a NUL */
} DbValue;

DbValue db_null(void);
DbValue db_int(int64_t value);
DbValue db_real(double value);
DbValue db_text(const char *text); /* NULL gives SQL NULL */
DbValue db_bytes(const void *bytes, size_t size);

/* db_exec(db, &SQL_X, DB_ARGS(db_int(account), db_text(name)), &error); at most DB_ARGS_MAX */
#define DB_ARGS(...) (const DbValue[]){__VA_ARGS__}, G_N_ELEMENTS(((const DbValue[]){__VA_ARGS__}))
#define DB_NO_ARGS   NULL, 0

typedef struct {
    DbKind kind;
    const char *path;      /* SQLite: file; its directory must be there; ":memory:" for tests */
    const char *url;       /* PostgreSQL: any libpq connection string */
    const char *schema;    /* PostgreSQL: the search_path; NULL: the connection's own */
    int statement_seconds; /* 0: DB_STATEMENT_SECONDS */
    bool background;       /* SQLite: yields the write lock to others, see db/writer_lock.h */
    bool steady;           /* PostgreSQL: plans by index alone, whatever its statistics say */
    const Clock *clock;    /* SQLite: what rota_now() reads, borrowed; NULL: the real one */
} DbConfig;

/* Opens a handle, the caller's. SQLite: makes a missing file (mode 0600). Looks at no schema
 * (db/migrate.h does). ERROR_RETRY: not to be reached now; ERROR_REJECT: never with this config. */
Db *db_open(const DbConfig *config, GError **error);
void db_close(Db *db); /* rolls back what is open; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Db, db_close)
DbKind db_kind(const Db *db);

/* Starts a transaction (and connects again if the connection was lost). SQLite: DB_WRITE takes the
 * store's write lock here, in fair order among this process' handles. False: nothing is open. */
bool db_begin(Db *db, DbMode mode, GError **error);
/* Ends it. DB_DONE leaves *error alone; the others fill it (ERROR_UNKNOWN for DB_UNKNOWN). */
DbOutcome db_commit(Db *db, GError **error);
void db_rollback(Db *db); /* takes it back; no transaction open is fine */
bool db_in_transaction(const Db *db);

/* After db_begin: `g_auto(DbScope) scope = db_scope(db);` rolls back at its end. */
typedef Db *DbScope __attribute__((unused)); /* clang counts a guard as unused */
DbScope db_scope(Db *db);
void db_scope_end(DbScope db);
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(DbScope, db_scope_end, NULL)

/* A fence: asked inside the transaction, just before its commit. If it says false, db_commit rolls
 * back and returns DB_NOT_DONE with the fence's own error. One to a transaction. */
typedef bool (*DbFence)(Db *db, void *data, GError **error);
void db_set_fence(Db *db, DbFence fence, void *data);

/* A savepoint: what came after `begin` is taken back by `rollback`, kept by `release`. */
bool db_savepoint_begin(Db *db, GError **error);
bool db_savepoint_release(Db *db, GError **error);
bool db_savepoint_rollback(Db *db, GError **error);

/* Runs a statement; returns the number of rows it changed (or returned), -1 on error. */
int64_t db_exec(Db *db, const DbSql *sql, const DbValue *args, unsigned count, GError **error);
/* Runs one statement for `rows` tuples of `width` values, one after the other; on PostgreSQL in one
 * round trip. ret_changed (may be NULL): rows changed by each. False at a failure. */
bool db_exec_many(Db *db, const DbSql *sql, const DbValue *args, unsigned width, unsigned rows,
                  int64_t *ret_changed, GError **error);
/* Runs a query. The rows are owned by the caller and must be freed before the next statement on
 * this handle; NULL on error. */
DbRows *db_query(Db *db, const DbSql *sql, const DbValue *args, unsigned count, GError **error);
int db_rows_next(DbRows *rows, GError **error); /* 1 a row, 0 the end, -1 an error */
/* Columns count from 0. Text and bytes are borrowed until the next step. NULL reads as 0 or "". */
int64_t db_rows_int(DbRows *rows, unsigned column);
double db_rows_real(DbRows *rows, unsigned column);
const char *db_rows_text(DbRows *rows, unsigned column);
const void *db_rows_bytes(DbRows *rows, unsigned column, size_t *ret_size);
bool db_rows_is_null(DbRows *rows, unsigned column);
void db_rows_free(DbRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DbRows, db_rows_free)
/* First column of the first row: 1 and *ret_value; 0 no row or NULL; -1 an error. */
int db_query_int(Db *db, const DbSql *sql, const DbValue *args, unsigned count, int64_t *ret_value,
                 GError **error);

/* Wake-ups between nodes: PostgreSQL NOTIFY on one channel (sent at commit, equal ones coalesced);
 * nothing on SQLite, where threads wake each other. A lost one costs a poll. In a transaction. */
bool db_notify(Db *db, const char *word, GError **error);
/* Waits up to timeout_ms on an idle handle of its own; *ret_word (the caller's), NULL at the
 * time-out (SQLite: always). False: connection lost, call again later. */
bool db_listen(Db *db, int timeout_ms, char **ret_word, GError **error);

/* Gives up to max_pages unused pages back to the file system, in a DB_WRITE transaction; *ret_pages
 * is how many. PostgreSQL does that by itself: 0. */
bool db_give_back_pages(Db *db, int64_t max_pages, int64_t *ret_pages, GError **error);
/* In a DB_WRITE transaction of SQLite: a handle that is no background one waits for its end. */
bool db_is_wanted(Db *db);
/* Counted since db_open; for tests. */
typedef struct {
    uint64_t statements, round_trips, transactions;
} DbCounts;
DbCounts db_counts(const Db *db);
/* Of all handles of this process, ever; without BEGIN and COMMIT. Any thread. */
uint64_t db_statements_of_process(void);

#endif
