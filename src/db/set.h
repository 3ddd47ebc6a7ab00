/* set.h: one statement for many tuples at once, and statements that nobody waits for.
 *
 * db_exec_many runs a statement once for each tuple, and on PostgreSQL most of a short one's time
 * goes into starting it. Here PostgreSQL's text runs once for all of them: its parameters are
 * arrays, one for each value of a tuple, and it returns the number, from 1, of each tuple that
 * changed a row:
 *
 *     DELETE FROM t USING unnest($1, $2) WITH ORDINALITY AS gone(id, n, number)
 *     WHERE t.id = gone.id AND t.n > gone.n RETURNING gone.number
 *
 * The text for SQLite runs once for each tuple.
 *
 * Transactions and errors are as in db.h. All values of a column are of one type, integer, text or
 * bytes, and none is NULL; to break that is our bug. In which order the tuples are written is not
 * said, and two that upsert one row are refused by PostgreSQL (ERROR_REJECT).
 */
#ifndef ROTA_DB_SET_H
#define ROTA_DB_SET_H

#include "db/db.h"

typedef struct {
    const DbValue *args; /* rows * width values, a tuple after the other */
    unsigned width, rows;
    int64_t *ret_changed; /* of each tuple: rows that it changed; may be NULL */
} DbTuples;

/* `sql` has both texts. False at a failure. */
bool db_exec_set(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);

/* As db_exec_many and db_exec_set where nobody asks for the outcome (`ret_changed` is NULL). On
 * PostgreSQL they go out with the next statement or with the commit, so that several cost one round
 * trip; a failure shows there, as that one's own (before a savepoint: as that of its begin). The
 * values are copied. Not in a savepoint. */
bool db_exec_later(Db *db, const DbSql *sql, const DbValue *args, unsigned width, unsigned rows,
                   GError **error);
bool db_exec_set_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);

#endif
