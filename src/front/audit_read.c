/* audit_read: the figures of an audit, out of the store, and its findings as JSON.
 *
 * How it fits: `rota audit` and /api/audit call it; the roster's own come from roster/report and
 * roster/load_report, those about accounts from model/account, about certificates from
 * certificate_read, and roster/audit judges. Failures: the store's. Known weak point: status and
 * loads are two snapshots, a moment apart.
 */
#include "front/audit_read.h"

#include "base/error.h"
#include "base/limits.h"
#include "model/account.h"

typedef struct {
    LoadReport *load;
    int64_t accounts[BUCKETS];
    GPtrArray *full; /* of Account */
    int64_t full_count;
    GHashTable *names;    /* key to address; both owned */
    GArray *certificates; /* of AuditCertificate */
} Figures;

static void figures_clear(Figures *figures)
{
    g_clear_pointer(&figures->load, load_report_free);
    g_clear_pointer(&figures->full, g_ptr_array_unref);
    g_clear_pointer(&figures->names, g_hash_table_unref);
    g_clear_pointer(&figures->certificates, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Figures, figures_clear)

/* The addresses of the accounts that stand out; one that is gone has none. */
static bool read_names(Db *db, Figures *figures, GError **error)
{
    figures->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (unsigned i = 0; i < figures->load->tops->len; i++) {
        const LoadTop *top = g_ptr_array_index(figures->load->tops, i);
        g_autoptr(GError) why = NULL;
        guint64 id;
        if (!g_ascii_string_to_unsigned(top->key, 10, 1, G_MAXINT64, &id, NULL) ||
            g_hash_table_contains(figures->names, top->key))
            continue;
        char *address = account_address(db, (int64_t)id, &why);
        if (address) {
            g_hash_table_insert(figures->names, g_strdup(top->key), address);
        } else if (error_kind(why) != ERROR_GONE) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
    }
    return true;
}

static bool read_figures(Db *db, int64_t since, const CertificateHouse *certificates,
                         Figures *figures, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    figures->load = load_report_read(db, since, error);
    if (!figures->load || !account_count_by_bucket(db, figures->accounts, error) ||
        !read_names(db, figures, error) ||
        (certificates &&
         !(figures->certificates = certificate_read_audit(db, certificates, error))))
        return false;
    figures->full = account_near_quota(db, AUDIT_QUOTA_PERCENT, AUDIT_QUOTAS_NAMED,
                                       &figures->full_count, error);
    return figures->full != NULL;
}

Audit *audit_read(Db *db, const RoleSet *set, const unsigned *concurrency,
                  const CertificateHouse *certificates, GError **error)
{
    g_auto(Figures) figures = {0};
    g_autoptr(StatusReport) status = report_status(db, set, error);
    if (!status)
        return NULL;
    if (status->epoch == 0) {
        fail(error, ERROR_GONE,
             "no node has ever started on this store: there is nothing to audit yet");
        return NULL;
    }
    if (!read_figures(db, status->in_force_at, certificates, &figures, error))
        return NULL;
    g_autoptr(GArray) quotas = g_array_new(FALSE, FALSE, sizeof(AuditQuota));
    for (unsigned i = 0; i < figures.full->len; i++) {
        const Account *account = g_ptr_array_index(figures.full, i);
        AuditQuota quota = {account->address, account->used_bytes, account->quota_bytes};
        g_array_append_val(quotas, quota);
    }
    return audit_new(
        &(AuditAsk){.set = set,
                    .concurrency = concurrency,
                    .status = status,
                    .load = figures.load,
                    .accounts = figures.accounts,
                    .quotas = quotas,
                    .quota_count = figures.full_count,
                    .names = figures.names,
                    .certificates = figures.certificates,
                    .serves_tls = certificates && certificates->tls && !*certificates->file});
}

static json_t *finding_json(const Finding *finding)
{
    json_t *json = json_pack("{s:s, s:s, s:f, s:f, s:f, s:s, s:s, s:s}", "name",
                             audit_kind_name(finding->kind), "severity",
                             audit_severity_name(finding->severity), "weight", finding->weight,
                             "value", finding->value, "limit", finding->limit, "unit",
                             finding->unit, "what", finding->what, "advice", finding->advice);
    if (finding->role)
        json_object_set_new(json, "role", json_string(finding->role->name));
    if (finding->shard)
        json_object_set_new(json, "shard", json_integer(finding->shard));
    if (finding->node)
        json_object_set_new(json, "node", json_integer(finding->node));
    if (finding->account)
        json_object_set_new(json, "account", json_string(finding->account));
    if (finding->toml)
        json_object_set_new(json, "toml", json_string(finding->toml));
    return json;
}

json_t *audit_json(const Audit *audit)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < audit->findings->len; i++)
        json_array_append_new(list, finding_json(g_ptr_array_index(audit->findings, i)));
    return json_pack("{s:b, s:i, s:i, s:I, s:o}", "good", audit->errors == 0, "errors",
                     (int)audit->errors, "nodes", (int)audit->nodes, "measured_ms",
                     (json_int_t)audit->measured_ms, "findings", list);
}
