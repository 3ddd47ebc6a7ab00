/* http_events.h: wakes open streams (front/http_stream.h) by topic.
 *
 * Any thread; none of these waits.
 */
#ifndef ROTA_APP_HTTP_EVENTS_H
#define ROTA_APP_HTTP_EVENTS_H

#include <stdbool.h>

typedef struct HttpEvents HttpEvents;

/* Something may be new for who has this topic. */
void http_events_publish(HttpEvents *events, const char *topic);
/* Ends all streams, so that clients go to another node; `for_good`: and takes no more. */
void http_events_end_all(HttpEvents *events, bool for_good);
/* How many are open. */
unsigned http_events_count(HttpEvents *events);

#endif
