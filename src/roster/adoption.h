/* adoption.h: the one table in force. Nodes propose the table of their own file; it comes into
 * force when all living nodes propose the same one, or when a person says so. A first node's table
 * is in force at once. Until then all work by the old one, so two tables are never at work
 * together.
 *
 * All functions run inside the caller's transaction. The epoch grows by one with each change of the
 * table in force.
 */
#ifndef ROTA_ROSTER_ADOPTION_H
#define ROTA_ROSTER_ADOPTION_H

#include "db/db.h"
#include "roster/table.h"

typedef struct {
    int64_t epoch;    /* 0: none yet */
    int64_t at;       /* since when, by the store's clock; 0: ever since, it is the first */
    RoleTable *table; /* owned; NULL with epoch 0 */
} TableInForce;
void table_in_force_clear(TableInForce *in_force);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TableInForce, table_in_force_clear)

/* Reads the table in force only if its epoch is not `known_epoch`; ret->table is NULL if it is the
 * same. */
bool adoption_read(Db *db, const RoleSet *set, int64_t known_epoch, TableInForce *ret,
                   GError **error);
/* Adopts what all living members propose, if they agree and it differs. *ret_adopted says whether
 * it did. */
bool adoption_step(Db *db, bool *ret_adopted, GError **error);
/* Adopts the proposal of one node at once (`rota roles adopt`). */
bool adoption_force(Db *db, int64_t node, GError **error);

#endif
