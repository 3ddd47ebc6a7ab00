/* certificate_read.h: the certificates that there are and those that there should be, for the admin
 * API, `rota cert`, `rota status` and the audit. Never with an open private key.
 *
 * A handle, one thread.
 */
#ifndef ROTA_FRONT_CERTIFICATE_READ_H
#define ROTA_FRONT_CERTIFICATE_READ_H

#include <stdbool.h>

#include "model/certificate.h"

/* An [acme.NAME] of the settings; borrowed from them. */
typedef struct {
    const char *name;
    char *const *domains; /* NULL-ended */
} CertificateWanted;

/* What the settings say of certificates; borrowed. */
typedef struct CertificateHouse {
    const CertificateWanted *wanted;
    unsigned count;
    const Seal *seal; /* of storage.secret-key */
    const char *file; /* tls.certificate; "": none */
    bool tls;         /* HTTPS is served, so clients get one, if only a stand-in */
} CertificateHouse;

/* NULL: the settings have none of that name. */
const CertificateWanted *certificate_wanted(const CertificateHouse *house, const char *name);
/* (tx) Those of the store by name, then those of the settings that have no row yet (version 0): of
 * Certificate *; freed with g_ptr_array_unref. */
GPtrArray *certificate_read_all(Db *db, const CertificateHouse *house, GError **error);

/* (tx) As the audit takes them: of AuditCertificate, with the file's; freed with g_array_unref.
 * Each key is opened, and wiped again. House NULL: none. */
GArray *certificate_read_audit(Db *db, const CertificateHouse *house, GError **error);

#endif
