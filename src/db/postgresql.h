/* postgresql.h: what the files of the PostgreSQL driver share: connecting (postgresql_connect.c),
 * rounds and transactions (postgresql.c), statements and rows (postgresql_statement.c), values on
 * the wire (postgresql_value.c). For them alone.
 *
 * The connection is always in pipeline mode. A round is: commands are sent, then a sync, then all
 * their results are read, to the sync's own. What need not be known at once goes out with the next
 * round: commands of ours (BEGIN, SAVEPOINT, NOTIFY) wait in `pending`; statements of db_exec_later
 * are handed to libpq at once, which holds their values, and their results are `awaited`.
 */
#ifndef ROTA_DB_POSTGRESQL_H
#define ROTA_DB_POSTGRESQL_H

#include <libpq-fe.h>

#include "base/limits.h"
#include "db/driver.h"

typedef struct {
    DbRows base;
    PGresult *result;
    int row;
} PostgresqlRows;

typedef struct {
    Db base;
    PGconn *conn; /* NULL: not connected */
    bool lost;    /* to be connected anew by the next begin */
    bool sent;    /* something of the open transaction has been sent */
    bool listening;
    char *url, *schema, *channel;
    int statement_seconds;
    bool steady;
    GPtrArray *pending; /* of PendingCommand */
    GPtrArray *awaited; /* results that come before the round's own: Statement whose preparing it
                           is, or NULL */
    GHashTable *
        statements; /* DbSql address -> Statement, see postgresql_statement.c; of this connection */
    unsigned last_name;
    PostgresqlRows rows;
} PostgresqlDb;

typedef struct {
    const char *sql;
    char *args[2]; /* text; owned */
    int count;
} PendingCommand;

/* Sends what is pending; its results are awaited. False: the connection is lost. */
bool postgresql_send_pending(PostgresqlDb *db, GError **error);
/* Ends the sending part of a round. */
bool postgresql_sync(PostgresqlDb *db, GError **error);
/* The next command's result in a round; waits at most for the statement time-out and a little.
 * NULL: the connection is lost. */
PGresult *postgresql_result(PostgresqlDb *db, GError **error);
/* Reads all awaited results, which must be successes. The first failure fills *error. */
bool postgresql_expect(PostgresqlDb *db, GError **error);
/* Reads the sync's own result: the round is over. */
bool postgresql_end_round(PostgresqlDb *db, GError **error);
/* Fills *error from a failed result. Always false. */
bool postgresql_fail_result(PostgresqlDb *db, const PGresult *result, GError **error);
/* Fills *error from the connection's state, which is lost from now on. Always false. */
bool postgresql_fail_connection(PostgresqlDb *db, GError **error);
/* Sends a command without values, in text; for what is not prepared. Its result is awaited. */
bool postgresql_send_text(PostgresqlDb *db, const char *sql, GError **error);
bool postgresql_result_is_good(const PGresult *result);

/* libpq's text, which may have several lines; owned by the caller. */
char *postgresql_one_line(const char *text);
/* Connects anew, with an empty session. While this process cannot reach the store, only one handle
 * at a time tries, and not before a pause is over (connect_pause.h): the others fail at once. */
bool postgresql_connect(PostgresqlDb *db, GError **error);
void postgresql_disconnect(PostgresqlDb *db); /* not connected is fine */
/* Sees, without a round trip, whether the server has hung up on an idle connection. */
bool postgresql_is_alive(PostgresqlDb *db);

typedef struct {
    const char *data[DB_ARGS_MAX];
    int sizes[DB_ARGS_MAX];
    int formats[DB_ARGS_MAX];
    uint64_t numbers[DB_ARGS_MAX];
    unsigned count;
} WireArgs;

GHashTable *postgresql_statements_new(void);
void postgresql_statement_failed(void *statement); /* the server does not have it */
int64_t postgresql_exec(Db *db, const DbSql *sql, const DbValue *args, unsigned count,
                        GError **error);
bool postgresql_exec_many(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
bool postgresql_exec_set(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
bool postgresql_exec_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
bool postgresql_exec_set_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);
/* Runs a statement once, its values already on the wire's form and of these types; what it gives
 * goes to *ret_result, the caller's; NULL: its result is awaited. */
bool postgresql_run_wire(PostgresqlDb *db, const DbSql *sql, const Oid *types, const WireArgs *wire,
                         PGresult **ret_result, GError **error);
DbRows *postgresql_query(Db *db, const DbSql *sql, const DbValue *args, unsigned count,
                         GError **error);
bool postgresql_run_text(Db *db, const char *sql, GError **error);

/* ---- values */

/* The type that a value is sent as; 0 for NULL. */
Oid postgresql_type_of(const DbValue *value);
/* The same of an array of such values; they are not NULL, nor reals. */
Oid postgresql_array_type_of(const DbValue *value);
/* Lays the values out for libpq; borrows text and bytes. */
void postgresql_encode(const DbValue *args, unsigned count, WireArgs *ret_wire);
int64_t postgresql_decode_int(const PGresult *result, int row, int column);
double postgresql_decode_real(const PGresult *result, int row, int column);

#endif
