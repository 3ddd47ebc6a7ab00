/* tell: words about what a transaction changed, kept until it is known that it did.
 *
 * How it fits: db.c calls the last two functions at a transaction's end. Failures: none. Known weak
 * point: a savepoint that was taken back has told its words all the same; who hears them finds
 * nothing new.
 */
#include "db/tell.h"

#include <stdatomic.h>

#include "db/driver.h"

#define TOLD_MAX 1000 /* of one transaction: a batch of deliveries; beyond, words are lost */

static struct {
    GRWLock lock;
    _Atomic bool heard;
    void (*hear)(const char *word, void *data); /* under lock, as its data */
    void *data;
} hearer;

void db_set_hearer(void (*hear)(const char *word, void *data), void *data)
{
    g_rw_lock_writer_lock(&hearer.lock);
    hearer.hear = hear;
    hearer.data = data;
    hearer.heard = hear != NULL;
    g_rw_lock_writer_unlock(&hearer.lock);
}

void db_tell(Db *db, const char *word)
{
    if (!hearer.heard)
        return;
    if (!db->told)
        db->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_hash_table_size(db->told) < TOLD_MAX)
        g_hash_table_add(db->told, g_strdup(word));
}

void db_tell_committed(Db *db)
{
    GHashTableIter iter;
    gpointer word;
    if (!db->told)
        return;
    g_rw_lock_reader_lock(&hearer.lock);
    g_hash_table_iter_init(&iter, db->told);
    while (hearer.hear && g_hash_table_iter_next(&iter, &word, NULL))
        hearer.hear(word, hearer.data);
    g_rw_lock_reader_unlock(&hearer.lock);
}

void db_tell_forget(Db *db)
{
    g_clear_pointer(&db->told, g_hash_table_unref);
}
