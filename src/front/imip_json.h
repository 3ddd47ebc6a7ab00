/* imip_json.h: a page of the log of invitations as JSON: for the admin API and `rota imip log
 * --json`. Pure; any thread.
 */
#ifndef ROTA_FRONT_IMIP_JSON_H
#define ROTA_FRONT_IMIP_JSON_H

#include <glib.h>
#include <jansson.h>

/* {"invitations": [...], "next": ...} of ImipEntry (model/invitation.h); `next` may be NULL. The
 * caller's. */
json_t *imip_json_log(const GPtrArray *entries, const char *next);

#endif
