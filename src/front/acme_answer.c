/* acme_answer: the answer to an http-01 challenge (RFC 8555 8.3): any node gives it, since it is a
 * row.
 *
 * How it fits: a route of the HTTP door, and the only one of acme.http-listen. duty/acme_authorise
 * writes the rows.
 *
 * Failures: an unknown token is 404, whatever else was asked for at port 80 too. Known weak point:
 * each request with a token's form asks the store; the door's limits bound how many.
 */
#include <string.h>

#include "base/limits_acme.h"
#include "model/certificate.h"

#include "front/acme_answer.h"

static bool is_token(const char *text)
{
    return *text && strlen(text) <= ACME_TOKEN_BYTES_MAX &&
           strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") == strlen(text);
}

static void run_answer(HttpCall *call)
{
    const char *token = call->segments[2];
    g_autoptr(GError) error = NULL;
    g_autofree char *authorisation = NULL;
    if (is_token(token)) {
        if (!db_begin(call->db, DB_READ, &error)) {
            http_answer_error(call->answer, error);
            return;
        }
        bool good = certificate_answer_find(call->db, ANSWER_HTTP, token, &authorisation, &error);
        db_rollback(call->db);
        if (!good) {
            http_answer_error(call->answer, error);
            return;
        }
    }
    if (!authorisation) {
        http_answer_problem(call->answer, 404, "there is no such challenge");
        return;
    }
    call->answer->type = "application/octet-stream";
    g_string_append(call->answer->body, authorisation);
}

const HttpRoute http_route_acme_answer = {.method = "GET",
                                          .path = "/.well-known/acme-challenge/{token}",
                                          .store = HTTP_STORE_NEEDED,
                                          .access = HTTP_FOR_ALL,
                                          .run = run_answer};
