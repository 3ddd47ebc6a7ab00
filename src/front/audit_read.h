/* audit_read.h: an audit of a store: what it is made from is read here.
 *
 * A handle, one thread; opens read transactions of its own.
 */
#ifndef ROTA_FRONT_AUDIT_READ_H
#define ROTA_FRONT_AUDIT_READ_H

#include <jansson.h>

#include "roster/audit.h"

#include "front/certificate_read.h"

/* `concurrency` as in AuditAsk; certificates NULL: nothing is said of them. ERROR_GONE: no node has
 * ever started on this store. */
Audit *audit_read(Db *db, const RoleSet *set, const unsigned *concurrency,
                  const CertificateHouse *certificates, GError **error);
/* For machines; owned by the caller. */
json_t *audit_json(const Audit *audit);

#endif
