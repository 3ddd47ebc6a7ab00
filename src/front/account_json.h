/* account_json.h: an account for machines: one form for `rota account … --json` and the admin API.
 *
 * Pure. Times are milliseconds since 1970-01-01 UTC, 0 where there is none. Any thread.
 */
#ifndef ROTA_FRONT_ACCOUNT_JSON_H
#define ROTA_FRONT_ACCOUNT_JSON_H

#include <jansson.h>

#include "model/account.h"

/* The caller's. */
json_t *account_json(const Account *account);

#endif
