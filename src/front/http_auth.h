/* http_auth.h: who asks? HTTP Basic (RFC 7617) against the accounts, Bearer (RFC 6750)
 * with their tokens (model/token.h), or Basic with a token for the password.
 *
 * A password that was right is remembered for LOGIN_CACHE_MS, as a keyed digest: else argon2id
 * would cost 100 ms and 64 MB for each request. So a change of it, and a lost administrator's mark,
 * are seen that much later. Failures count across the cluster (model/login.h); LOGIN_CHECKS_MAX run
 * at one time. Any thread.
 */
#ifndef ROTA_FRONT_HTTP_AUTH_H
#define ROTA_FRONT_HTTP_AUTH_H

#include "front/http.h"

typedef struct HttpLogins HttpLogins;
HttpLogins *http_logins_new(const Clock *clock);
void http_logins_free(HttpLogins *logins);

/* True: who asks has an account, and is an administrator where the route wants one; call->person,
 * account and admin say who. False: the answer is made (401, 403, 429, 503). */
bool http_auth(HttpCall *call);
/* Somebody tries to say who they are; needs no store. False: the answer, 401, is made. */
bool http_auth_is_tried(HttpCall *call);

#endif
