/* sqlite_private.h: what the two files of the SQLite driver share: the connection (sqlite.c),
 * statements and rows (sqlite_statement.c). For them alone.
 */
#ifndef ROTA_DB_SQLITE_PRIVATE_H
#define ROTA_DB_SQLITE_PRIVATE_H

#include <sqlite3.h>

#include "db/driver.h"
#include "db/writer_lock.h"

typedef struct {
    sqlite3_stmt *stmt;
    int *places; /* parameter $n is bound at places[n-1]; 0: this store's text does not use it */
    unsigned count;
    bool counts; /* INSERT, UPDATE, DELETE: sqlite3_changes speaks of it */
    bool writes;
} Statement;

typedef struct {
    DbRows base;
    Statement *statement; /* NULL: not in use, or its transaction was rolled back */
    bool ended;
} SqliteRows;

typedef struct {
    Db base;
    sqlite3 *sqlite;
    char *path;
    WriterLock *lock; /* NULL for ":memory:" */
    bool background;
    bool has_turn;
    bool lazy; /* synchronous is NORMAL now */
    bool log_grew;
    int log_pages;
    int64_t statement_us;
    int64_t deadline; /* of the running statement; 0: its clock has not started */
    int64_t busy_until;
    int step_errno; /* the system's reason for the last failed BEGIN, COMMIT or ROLLBACK; 0: none */
    GHashTable *statements; /* DbSql address -> Statement */
    sqlite3_stmt *begin_read, *begin_write, *commit, *rollback;
    SqliteRows rows;
} SqliteDb;

/* Fills *error from SQLite's code and last message. Always false. */
bool sqlite_fail(SqliteDb *db, int code, const char *sql, GError **error);

GHashTable *sqlite_statements_new(void);
int64_t sqlite_exec(Db *base, const DbSql *sql, const DbValue *args, unsigned count,
                    GError **error);
bool sqlite_exec_many(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error);
DbRows *sqlite_query(Db *base, const DbSql *sql, const DbValue *args, unsigned count,
                     GError **error);
bool sqlite_run_text(Db *base, const char *sql, GError **error);

#endif
