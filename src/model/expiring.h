/* expiring.h: short-lived keys: delivery marks, login failures, …. All (tx). Purged by purge.stores; an expired one reads as gone at once.
 */
#ifndef ROTA_MODEL_EXPIRING_H
#define ROTA_MODEL_EXPIRING_H

#include "db/db.h"

/* Adds unless a living one is there: *ret_added; *ret_value (may be NULL, caller frees) is then the one that is there. ttl_ms 0: lasts with its account. */
bool expiring_add(Db *db, int64_t account, const char *kind, const char *key, const char *value, int64_t ttl_ms,
                  bool *ret_added, char **ret_value, GError **error);
bool expiring_set(Db *db, int64_t account, const char *kind, const char *key, const char *value, int64_t ttl_ms, GError **error);
bool expiring_remove(Db *db, int64_t account, const char *kind, const char *key, GError **error);
/* Removes (dry: counts) at most `limit` expired ones of the shard's accounts; returns how many, -1 on error. */
int64_t expiring_purge(Db *db, unsigned shard, unsigned shards, unsigned limit, bool dry, GError **error);

#endif
