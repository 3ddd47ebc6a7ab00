/* migrate.h: the schema and its numbered steps.
 *
 * db/schema/NNNN-name.sql are the migrations, built into the program. Their text is the same for
 * both stores; a line that begins with
 * "--sqlite " or "--postgresql " counts for that store alone. Each runs in one transaction and is
 * recorded with its digest in table `migration`; a recorded one is never edited. Forward only.
 */
#ifndef ROTA_DB_MIGRATE_H
#define ROTA_DB_MIGRATE_H

#include "db/db.h"

/* The newest migration that this program knows. */
unsigned migrate_newest(void);
/* The store's version: 0 for an empty one. ERROR_REJECT: it is not a rota store, or one of a newer
 * program. */
bool migrate_version(Db *db, unsigned *ret_version, GError **error);
/* Brings the store to the newest version; *ret_applied is how many steps were taken. Safe when
 * several nodes do it at once. */
bool migrate_upgrade(Db *db, unsigned *ret_applied, GError **error);

/* The statements of a migration's text for one kind of store, as a NULL-ended array owned by the
 * caller; for tests. */
char **migrate_split(const char *text, DbKind kind);

#endif
