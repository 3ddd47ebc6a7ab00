/* api.h: the admin API: /api/…, JSON, for administrators; described by openapi.json, which is built
 * in and served at /api/openapi.json.
 *
 * What it tells is what `rota … --json` prints (report_json.h). What it changes is what the
 * commands change (task_admin.h, wish.h), and each change is logged with who did it.
 */
#ifndef ROTA_FRONT_API_H
#define ROTA_FRONT_API_H

#include "front/http.h"

/* For an administrator's routes: reading, and changing with JSON. */
#define API_GET(where, what)                                                                       \
    {                                                                                              \
        .method = "GET", .path = where, .store = HTTP_STORE_NEEDED, .access = HTTP_FOR_ADMIN,      \
        .run = what                                                                                \
    }
#define API_CHANGE(how, where, what)                                                               \
    {                                                                                              \
        .method = how, .path = where, .store = HTTP_STORE_NEEDED, .access = HTTP_FOR_ADMIN,        \
        .run = what                                                                                \
    }

/* Ended by NULL. */
extern const HttpRoute *const api_routes[];

/* The built-in openapi.json. */
extern const char api_document[];

/* api_plan.c */
extern const HttpRoute api_route_plan, api_route_plan_table, api_route_audit;
/* api_metrics.c */
extern const HttpRoute api_route_metrics;
/* api_rounds.c */
extern const HttpRoute api_route_rounds, api_route_round_now;
/* api_accounts.c */
extern const HttpRoute api_route_accounts, api_route_account, api_route_account_add,
    api_route_account_change, api_route_account_delete, api_route_account_undelete;
/* api_certificates.c */
extern const HttpRoute api_route_certificates;
/* api_imip.c */
extern const HttpRoute api_route_imip;
/* api_verbs.c */
extern const HttpRoute api_route_retry, api_route_drop, api_route_drain, api_route_reload;

#endif
