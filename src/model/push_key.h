/* push_key.h: the cluster's key pair for push services (VAPID, RFC 8292), one for all nodes, made
 * when it is first asked for.
 *
 * It is in the store as it is: who reads the store reads all mail, and the key allows no more than
 * to push to devices whose secrets are in the store too.
 */
#ifndef ROTA_MODEL_PUSH_KEY_H
#define ROTA_MODEL_PUSH_KEY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/p256.h"
#include "db/db.h"

/* Opens transactions of its own. An unknown outcome of making it: it is read again. */
bool push_key_load(Db *db, uint8_t ret_private[P256_PRIVATE_BYTES],
                   uint8_t ret_public[P256_PUBLIC_BYTES], GError **error);

#endif
