/* identity.h: whose store this is: the name of its cluster, so that the nodes of another cluster,
 * by a wrong connection string or a restored copy, do not mix with ours.
 *
 * The first node whose settings name a cluster gives the store its name; from then on settings that
 * name another one are refused. Settings that name none ("") are never asked.
 * All functions run inside the caller's transaction.
 */
#ifndef ROTA_ROSTER_IDENTITY_H
#define ROTA_ROSTER_IDENTITY_H

#include "db/db.h"

/* ERROR_REJECT: the store is that of a cluster of another name. */
bool identity_check(Db *db, const char *name, GError **error);
/* As identity_check; and a store without a name gets this one. */
bool identity_take(Db *db, const char *name, GError **error);
/* Names the store anew, whatever it was called. */
bool identity_rename(Db *db, const char *name, GError **error);

#endif
