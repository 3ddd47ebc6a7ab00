/* metrics_certificates: the certificates of acme.renew in /metrics.
 *
 * How it fits: metrics.c reads them when it asks the store for the cluster's state, and tells them
 * with it. Failures: none; without the store there is nothing to tell. Known weak point: a
 * certificate that was never begun has no row, and so no series; rota_certificate_failures says
 * nothing of it, the log and `rota cert list` do.
 */
#include "front/metrics_certificates.h"

GPtrArray *metrics_certificates_read(Db *db)
{
    if (!db || !db_begin(db, DB_READ, NULL))
        return NULL;
    GPtrArray *list = certificate_list(db, NULL);
    db_rollback(db);
    return list;
}

static double not_after(const Certificate *one)
{
    return (double)one->not_after / 1000;
}

static double renew_at(const Certificate *one)
{
    return (double)one->renew_at / 1000;
}

static double failures(const Certificate *one)
{
    return (double)one->failures;
}

static double version(const Certificate *one)
{
    return (double)one->version;
}

void metrics_certificates_add(SeriesSet *set, const GPtrArray *certificates)
{
    static const struct {
        const char *name, *unit, *help;
        double (*value)(const Certificate *one);
    } families[] = {
        {"rota_certificate_not_after_seconds", "seconds",
         "When the certificate ends, since 1970-01-01 UTC; 0: there is none yet.", not_after},
        {"rota_certificate_renewal_seconds", "seconds",
         "When its next order is due, since 1970-01-01 UTC.", renew_at},
        {"rota_certificate_failures", "", "Orders that failed since the last that did not.",
         failures},
        {"rota_certificate_version", "", "How often it was exchanged.", version},
    };
    if (certificates->len == 0)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        series_family(set, SERIES_GAUGE, families[i].name, families[i].unit, families[i].help);
        for (unsigned j = 0; j < certificates->len; j++) {
            const Certificate *one = g_ptr_array_index(certificates, j);
            series_value(set, families[i].value(one), "certificate", one->name, NULL);
        }
    }
}
