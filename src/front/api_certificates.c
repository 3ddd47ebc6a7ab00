/* api_certificates: the certificates of acme.renew in the admin API.
 *
 * How it fits: a route of api.c's table; certificate_json.c makes the JSON. Failures: the store's.
 */
#include "front/api.h"
#include "front/certificate_json.h"

static void run_certificates(HttpCall *call)
{
    static const char *const no_names[] = {NULL};
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    if (!db_begin(call->db, DB_READ, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    const CertificateHouse *house = call->house->certificates;
    g_autoptr(GPtrArray) rows = certificate_read_all(call->db, house, &error);
    db_rollback(call->db);
    if (!rows) {
        http_answer_error(call->answer, error);
        return;
    }
    json_t *all = json_array();
    for (unsigned i = 0; i < rows->len; i++) {
        const Certificate *row = g_ptr_array_index(rows, i);
        json_array_append_new(all, certificate_json(row, certificate_wanted(house, row->name)));
    }
    http_answer_json(call->answer, 200, json_pack("{s:o}", "certificates", all));
}

const HttpRoute api_route_certificates = API_GET("/api/certificates", run_certificates);
