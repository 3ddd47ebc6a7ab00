/* api.h: the admin API: /api/…, JSON, for administrators; described by openapi.json, which is built
 * in and served at /api/openapi.json.
 *
 * What it tells is what `rota … --json` prints (report_json.h). What it changes is what the
 * commands change (task_admin.h, wish.h), and each change is logged with who did it.
 */
#ifndef ROTA_FRONT_API_H
#define ROTA_FRONT_API_H

#include "front/http.h"

/* Ended by NULL. */
extern const HttpRoute *const api_routes[];

/* The built-in openapi.json. */
extern const char api_document[];

/* api_verbs.c */
extern const HttpRoute api_route_retry, api_route_drop, api_route_drain, api_route_reload;

#endif
