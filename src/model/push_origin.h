/* push_origin.h: the breaker of a push service: one that fails, for whomever, rests for a while, so
 * that others' pushes do not wait for it. Seen by all nodes. All (tx).
 *
 * While it rests nothing is sent to it. Then one push tries; a good answer closes the breaker, a
 * further failure makes the rest twice as long.
 */
#ifndef ROTA_MODEL_PUSH_ORIGIN_H
#define ROTA_MODEL_PUSH_ORIGIN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    int64_t failures;   /* in a row; 0: it is well */
    int64_t open_until; /* the store's ms */
} PushOrigin;
/* All zero for one that is well. */
bool push_origin_find(Db *db, const char *origin, PushOrigin *ret, GError **error);
/* So many failures of it were met (>= 1), the last of them `why`. */
bool push_origin_note_failures(Db *db, const char *origin, unsigned count, const char *why,
                               GError **error);
/* It answered as it should. */
bool push_origin_note_good(Db *db, const char *origin, GError **error);

#endif
