/* certificate_read: the certificates that there are and those that there should be.
 *
 * How it fits: model/certificate has the rows; app/settings says what is wanted; the admin API, the
 * commands and front/audit_read ask here, so that all tell the same. Failures: the store's. Known
 * weak points: what is wanted is what the settings of this node say, which may be newer than those
 * of the others; a file of tls.certificate that cannot be read here is not judged, since it may be
 * another user's or another node's.
 */
#include "front/certificate_read.h"

#include <string.h>

#include "content/acme_problem.h"
#include "content/chain.h"
#include "content/private_key.h"
#include "roster/audit.h"

const CertificateWanted *certificate_wanted(const CertificateHouse *house, const char *name)
{
    for (unsigned i = 0; house && i < house->count; i++)
        if (strcmp(house->wanted[i].name, name) == 0)
            return &house->wanted[i];
    return NULL;
}

static GHashTable *names_of(const GPtrArray *rows)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < rows->len; i++)
        g_hash_table_add(names, ((const Certificate *)g_ptr_array_index(rows, i))->name);
    return names;
}

GPtrArray *certificate_read_all(Db *db, const CertificateHouse *house, GError **error)
{
    g_autoptr(GPtrArray) rows = certificate_list(db, error);
    if (!rows)
        return NULL;
    g_autoptr(GHashTable) there = names_of(rows);
    for (unsigned i = 0; house && i < house->count; i++) {
        if (g_hash_table_contains(there, house->wanted[i].name))
            continue;
        Certificate *none = g_new0(Certificate, 1);
        if (!certificate_read(db, house->wanted[i].name, none, error)) {
            g_free(none);
            return NULL;
        }
        g_ptr_array_add(rows, none);
    }
    return g_steal_pointer(&rows);
}

/* ---------------------------------------------------------------- for the audit */

static void clear_one(void *data)
{
    AuditCertificate *one = data;
    g_free(one->name);
    g_free(one->unusable);
    g_free(one->missing);
    g_free(one->problem);
}

/* Why its key and chain cannot be served; NULL: they can. The caller frees it. */
static char *why_unusable(const Certificate *row, const Seal *seal)
{
    g_autoptr(GError) error = NULL;
    char *key = certificate_open_key(row, seal, &error);
    g_autoptr(Chain) chain = key ? chain_parse(row->chain, strlen(row->chain), key, &error) : NULL;
    private_key_text_free(key);
    return chain ? NULL : g_strdup(error->message);
}

/* The first of the names that are wanted and that the certificate does not have. */
static char *missing_name(const Certificate *row, const CertificateWanted *wanted)
{
    g_autoptr(Chain) chain = chain_parse(row->chain, strlen(row->chain), NULL, NULL);
    for (char *const *name = wanted->domains; chain && *name; name++)
        if (!g_strv_contains((const gchar *const *)chain->names, *name))
            return g_strdup(*name);
    return NULL;
}

static void add_row(GArray *all, const CertificateHouse *house, const Certificate *row)
{
    const CertificateWanted *wanted = certificate_wanted(house, row->name);
    AuditCertificate one = {.name = g_strdup(row->name),
                            .wanted = wanted != NULL,
                            .has = row->version > 0,
                            .not_before = row->not_before,
                            .not_after = row->not_after,
                            .renew_at = row->renew_at,
                            .order_at = *row->step ? row->order_at : 0,
                            .failures = row->failures};
    one.problem = *row->problem ? acme_problem_line(row->problem) : g_strdup("");
    if (wanted && one.has) {
        one.unusable = why_unusable(row, house->seal);
        one.missing = one.unusable ? NULL : missing_name(row, wanted);
    }
    g_array_append_val(all, one);
}

static void add_file(GArray *all, const CertificateHouse *house)
{
    g_autofree char *pem = NULL;
    gsize size = 0;
    if (!*house->file || !g_file_get_contents(house->file, &pem, &size, NULL))
        return;
    g_autoptr(Chain) chain = chain_parse(pem, size, NULL, NULL);
    if (!chain)
        return;
    AuditCertificate one = {.name = g_strdup(house->file),
                            .wanted = true,
                            .has = true,
                            .not_before = chain->not_before,
                            .not_after = chain->not_after,
                            .problem = g_strdup("")};
    g_array_append_val(all, one);
}

GArray *certificate_read_audit(Db *db, const CertificateHouse *house, GError **error)
{
    g_autoptr(GPtrArray) rows = certificate_read_all(db, house, error);
    if (!rows)
        return NULL;
    GArray *all = g_array_new(FALSE, FALSE, sizeof(AuditCertificate));
    g_array_set_clear_func(all, clear_one);
    for (unsigned i = 0; house && i < rows->len; i++)
        add_row(all, house, g_ptr_array_index(rows, i));
    if (house)
        add_file(all, house);
    return all;
}
