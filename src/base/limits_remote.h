/* limits_remote.h: the limits of what we ask other servers over HTTP, each with its reason; see
 * limits.h.
 */
#ifndef ROTA_BASE_LIMITS_REMOTE_H
#define ROTA_BASE_LIMITS_REMOTE_H

/* a server that takes longer to be reached is as good as gone */
#define FETCH_CONNECT_MS 10000
/* a whole request with its answer; certificate authorities take some seconds */
#define FETCH_WHOLE_MS 30000
/* of an answer, where the caller names no other: a chain of certificates has 10 kB */
#define FETCH_ANSWER_BYTES_MAX (1024 * 1024)
/* of an answer's head; servers send one to three kB */
#define FETCH_HEADER_BYTES_MAX (32 * 1024)
#define FETCH_HEADERS_MAX      100
#define FETCH_URL_BYTES_MAX    2048
/* requests of one Fetch at one time: each holds some 20 kB */
#define FETCH_IN_FLIGHT_MAX 1000
/* connections of one Fetch that stay open for the next request */
#define FETCH_CONNECTIONS_MAX 64
/* of a set of connections, before a new one is begun: half of what servers bear, see remote/fetch.c
 */
#define FETCH_SET_REQUESTS 500
/* between two looks at an old set's last requests, while another one is waited for */
#define FETCH_LOOK_MS 10
/* a server may ask us to stay away for so long; a longer wish is taken for this */
#define FETCH_RETRY_AFTER_MAX_S (24 * 3600)

#endif
