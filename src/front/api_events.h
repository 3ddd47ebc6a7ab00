/* api_events.h: the stream of status reports, for pages that stay open.
 */
#ifndef ROTA_FRONT_API_EVENTS_H
#define ROTA_FRONT_API_EVENTS_H

#include "base/clock.h"
#include "front/http.h"

/* What all streams of a node share. It lives as long as the door; roles and clock are borrowed. */
typedef struct ApiEvents ApiEvents;
ApiEvents *api_events_new(const RoleSet *roles, const Clock *clock);
void api_events_free(ApiEvents *events);

extern const HttpRoute http_route_api_events;

#endif
