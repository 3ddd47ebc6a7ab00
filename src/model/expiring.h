/* expiring.h: short-lived keys: delivery marks, login failures, …. All (tx). Purged by
 * purge.stores; an expired one reads as gone at once.
 */
#ifndef ROTA_MODEL_EXPIRING_H
#define ROTA_MODEL_EXPIRING_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    int64_t account; /* 0: of no account */
    const char *kind, *key;
    const char *value; /* NULL: "" */
    int64_t ttl_ms;    /* 0: lasts with its account */
} ExpiringNew;

/* Adds each unless a living one is there, in order: ret_added[i] for keys[i]. */
bool expiring_add_many(Db *db, const ExpiringNew *keys, unsigned count, bool *ret_added,
                       GError **error);
/* A living one's value, caller frees; *ret_value NULL where there is none. */
bool expiring_find(Db *db, int64_t account, const char *kind, const char *key, char **ret_value,
                   GError **error);
bool expiring_remove(Db *db, int64_t account, const char *kind, const char *key, GError **error);

#endif
