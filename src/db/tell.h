/* tell.h: who wants to know what transactions of this process have changed: open streams.
 *
 * A word, such as "account:17", is said in a transaction and heard once that is committed, or may
 * be; on this process only (db_notify is for others), and not for sure: who hears it looks, and
 * who must not miss anything looks now and then. Costs nothing where nobody hears.
 */
#ifndef ROTA_DB_TELL_H
#define ROTA_DB_TELL_H

#include "db/db.h"

/* In a transaction; the same word again is one. */
void db_tell(Db *db, const char *word);

/* The one who hears, on the thread of whoever committed; he must not wait for anything, nor use the
 * handle. NULL, NULL: nobody, from the return on. Any thread. */
void db_set_hearer(void (*hear)(const char *word, void *data), void *data);

#endif
