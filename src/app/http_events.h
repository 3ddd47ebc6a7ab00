/* http_events.h: wakes open streams (front/http_stream.h) by topic.
 *
 * Any thread; none of these waits.
 */
#ifndef ROTA_APP_HTTP_EVENTS_H
#define ROTA_APP_HTTP_EVENTS_H

typedef struct HttpEvents HttpEvents;

/* Something may be new for who has this topic. */
void http_events_publish(HttpEvents *events, const char *topic);
/* Ends all streams, so that clients go to another node, and takes no more. */
void http_events_end_all(HttpEvents *events);
/* How many are open. */
unsigned http_events_count(HttpEvents *events);

#endif
