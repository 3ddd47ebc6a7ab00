/* driver.h: what a driver of db.h is made of; for the files of this folder alone.
 *
 * The door (db.c) keeps the state of the transaction, the fence and the one open result; a driver
 * only speaks to its store. A driver's handle begins with a Db, its rows begin with a DbRows. The
 * door calls begin only when nothing is open; commit, savepoint and statements only while the
 * transaction is whole; and rollback as often as it likes. After a failure the driver waits for
 * rollback (or a savepoint's) before anything else.
 */
#ifndef ROTA_DB_DRIVER_H
#define ROTA_DB_DRIVER_H

#include "db/db.h"
#include "db/set.h"

typedef enum { DB_SAVEPOINT_BEGIN, DB_SAVEPOINT_RELEASE, DB_SAVEPOINT_ROLLBACK } DbSavepoint;

typedef struct {
    bool (*begin)(Db *db, DbMode mode, GError **error);
    DbOutcome (*commit)(Db *db, GError **error);
    void (*rollback)(Db *db);
    bool (*savepoint)(Db *db, DbSavepoint step, GError **error);
    int64_t (*exec)(Db *db, const DbSql *sql, const DbValue *args, unsigned count, GError **error);
    bool (*exec_many)(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
    /* set.h; NULL: exec_many does it. */
    bool (*exec_set)(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
    /* The same where nobody asks for the outcome; NULL: exec_many and exec_set do it. */
    bool (*exec_later)(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
    bool (*exec_set_later)(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
    DbRows *(*query)(Db *db, const DbSql *sql, const DbValue *args, unsigned count, GError **error);
    /* One statement without parameters, prepared for this once; for migrations. */
    bool (*run_text)(Db *db, const char *sql, GError **error);
    bool (*notify)(Db *db, const char *word, GError **error);
    bool (*listen)(Db *db, int timeout_ms, char **ret_word, GError **error);
    bool (*give_back_pages)(Db *db, int64_t max_pages, int64_t *ret_pages, GError **error);
    bool (*is_wanted)(Db *db); /* NULL: never */
    void (*close)(Db *db);
} DbDriver;

typedef struct {
    int (*next)(DbRows *rows, GError **error);
    int64_t (*get_int)(DbRows *rows, unsigned column);
    double (*get_real)(DbRows *rows, unsigned column);
    const char *(*get_text)(DbRows *rows, unsigned column);
    const void *(*get_bytes)(DbRows *rows, unsigned column, size_t *ret_size);
    bool (*is_null)(DbRows *rows, unsigned column);
    void (*free)(DbRows *rows);
} DbRowsDriver;

typedef enum {
    DB_STATE_IDLE,
    DB_STATE_OPEN,
    DB_STATE_BROKEN, /* a statement failed inside a savepoint, whose rollback mends it */
    DB_STATE_OVER,   /* failed and rolled back in the store; the caller has yet to say so */
} DbState;

struct Db {
    const DbDriver *driver;
    DbKind kind;
    DbState state;
    DbMode mode;
    bool in_savepoint;
    DbRows *rows;    /* not yet freed */
    GError *trouble; /* in BROKEN and OVER: what every further call says */
    DbFence fence;
    void *fence_data;
    GHashTable *told; /* tell.h: words; NULL: none */
    DbCounts counts;
};

struct DbRows {
    const DbRowsDriver *driver;
    Db *db;
};

Db *sqlite_open(const DbConfig *config, GError **error);
Db *postgresql_open(const DbConfig *config, GError **error);

/* What the driver has for it, or what stands for that. */
bool db_run_set(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
bool db_run_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
bool db_run_set_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);

/* tell.c: the transaction is committed, or may be; it is over. */
void db_tell_committed(Db *db);
void db_tell_forget(Db *db);

/* As SQL wants the name of a schema or role, whatever is in it; owned by the caller. */
char *db_quote_name(const char *name);
/* Runs one statement of a migration inside the open transaction. */
bool db_run_text(Db *db, const char *sql, GError **error);

#endif
