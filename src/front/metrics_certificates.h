/* metrics_certificates.h: the certificates of acme.renew in /metrics, as the store has them. Labels
 * are the names of [acme.NAME], bounded by the settings.
 */
#ifndef ROTA_FRONT_METRICS_CERTIFICATES_H
#define ROTA_FRONT_METRICS_CERTIFICATES_H

#include <glib.h>

#include "content/series.h"
#include "model/certificate.h"

/* NULL: the store did not answer, or there is no handle. Freed with g_ptr_array_unref. */
GPtrArray *metrics_certificates_read(Db *db);
void metrics_certificates_add(SeriesSet *set, const GPtrArray *certificates);

#endif
