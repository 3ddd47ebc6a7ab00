/* certificate_json: a certificate's row as JSON.
 *
 * How it fits: front/api_certificates.c and app/cmd_cert.c show it. Failures: none; a chain that
 * cannot be read has no names.
 */
#include "front/certificate_json.h"

#include <string.h>

#include "content/chain.h"

const char *certificate_state(const Certificate *row)
{
    if (row->version == 0)
        return "none";
    if (row->not_after <= row->now)
        return "over";
    return row->renew_at <= row->now ? "due" : "good";
}

json_t *certificate_json(const Certificate *row, const CertificateWanted *wanted)
{
    g_autoptr(Chain) chain =
        *row->chain ? chain_parse(row->chain, strlen(row->chain), NULL, NULL) : NULL;
    json_t *names = json_array(), *domains = json_array();
    for (char **name = chain ? chain->names : NULL; name && *name; name++)
        json_array_append_new(names, json_string(*name));
    for (char *const *name = wanted ? wanted->domains : NULL; name && *name; name++)
        json_array_append_new(domains, json_string(*name));
    json_t *problem = *row->problem ? json_loads(row->problem, 0, NULL) : NULL;
    return json_pack(
        "{s:s, s:s, s:I, s:o, s:s?, s:s?, s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:o, s:o}",
        "name", row->name, "state", certificate_state(row), "version", (json_int_t)row->version,
        "names", names, "issuer", chain ? chain->issuer : NULL, "serial",
        chain ? chain->serial : NULL, "not_before", (json_int_t)row->not_before, "not_after",
        (json_int_t)row->not_after, "renew_at", (json_int_t)row->renew_at, "next_at",
        (json_int_t)row->next_at, "step", row->step, "order", row->order_url, "failures",
        (json_int_t)row->failures, "failed_at", (json_int_t)row->failed_at, "problem",
        problem ? problem : json_null(), "wanted", domains);
}
