/* push_key.h: the cluster's key pair for push services (VAPID, RFC 8292), one for all nodes, made
 * when it is first asked for.
 *
 * With storage.secret-key its private half is sealed with that; without one it is in the store as
 * it is, and sealed by the next who has one: it allows no more than to push to devices whose
 * secrets are in the store too. A new pair would make each device subscribe anew, so it stays.
 */
#ifndef ROTA_MODEL_PUSH_KEY_H
#define ROTA_MODEL_PUSH_KEY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/p256.h"
#include "content/seal.h"
#include "db/db.h"

/* Opens transactions of its own. An unknown outcome of making it: it is read again. ret_private may
 * be NULL: it is not wanted, and need not be opened. ERROR_REJECT: it is damaged, or sealed with a
 * key that is not ours. */
bool push_key_load(Db *db, const Seal *seal, uint8_t ret_private[P256_PRIVATE_BYTES],
                   uint8_t ret_public[P256_PUBLIC_BYTES], GError **error);

#endif
