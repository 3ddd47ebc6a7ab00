/* certificate_json.h: a certificate's row as JSON: for the admin API and `rota cert --json`. Never
 * with a private key. Pure; any thread.
 */
#ifndef ROTA_FRONT_CERTIFICATE_JSON_H
#define ROTA_FRONT_CERTIFICATE_JSON_H

#include <jansson.h>

#include "model/certificate.h"

#include "front/certificate_read.h"

/* "none": it was not got yet, "good", "due", "over"; static. */
const char *certificate_state(const Certificate *row);
/* The caller's. `problem` is what the CA has said, whole, or null; "wanted": the names that the
 * settings want (`wanted`; NULL: they have no such certificate). */
json_t *certificate_json(const Certificate *row, const CertificateWanted *wanted);

#endif
