/* limits_http.h: the limits of the HTTP door, each with its reason; see limits.h.
 */
#ifndef ROTA_BASE_LIMITS_HTTP_H
#define ROTA_BASE_LIMITS_HTTP_H

/* of a request's path and query; browsers and proxies bear 8,000 */
#define HTTP_TARGET_BYTES_MAX 8000
#define HTTP_SEGMENTS_MAX     16
#define HTTP_QUERY_MAX        32 /* names in one query */
/* of Basic in base64: an address and PASSWORD_BYTES_MAX */
#define HTTP_CREDENTIALS_BYTES_MAX 2048
/* of routes that do not say another; most take no more than a few names */
#define HTTP_BODY_BYTES_MAX (64 * 1024)
/* kept in memory of one body; the rest of it lies in a file */
#define HTTP_BODY_MEMORY_BYTES (256 * 1024)
/* and of all bodies at one time: 250 such, or 1,000 of 64 kB */
#define HTTP_BODIES_MEMORY_BYTES (64 * 1024 * 1024)
/* in files of all bodies at one time: 40 uploads of 50 MB; who comes then is told to come again */
#define HTTP_BODIES_FILE_BYTES (2LL * 1024 * 1024 * 1024)
#define HTTP_BODIES_FILES      100 /* each is an open file */
/* what a large body or answer must do in a millisecond: 256 kbit/s, a bad telephone line */
#define HTTP_BYTES_PER_MS 32
/* read of a body over its limit, so that the client hears why, before we hang up on it */
#define HTTP_DISCARD_BYTES_MAX (1024 * 1024)
/* of a connection: its head, and what is read at once. The library touches all of it, so it is most
 * of what an open stream costs */
#define HTTP_CONNECTION_BYTES (16 * 1024)
#define HTTP_EVENT_THREADS    2
/* requests that wait for the store at one time; each worker has a handle */
#define HTTP_WORKERS 4
/* requests that wait for a worker; at some milliseconds each they are answered within a second */
#define HTTP_QUEUE_MAX 200
/* open streams of one node: a page or a device each, some 20 kB */
#define HTTP_STREAMS_MAX 5000
/* of one account: its devices, and some tabs that were not closed */
#define HTTP_STREAMS_PERSON_MAX 20
/* of one call of a stream's writer: the roster of a large cluster is some 200 kB */
#define HTTP_EVENTS_BYTES_MAX (1024 * 1024)
/* proxies hang up on what says nothing for a minute, and a client that went away without a word is
 * found by writing to it */
#define HTTP_PING_MS 25000
/* between two looks at open streams: whose time is up, who has left */
#define HTTP_STREAM_TICK_MS 250
/* between two questions to the store for changes of accounts with open streams: what a lost
 * wake-up costs */
#define HTTP_STREAM_POLL_MS 800
/* of one list of the admin API: some 500 kB */
#define API_TASKS_MAX    1000
#define API_ACCOUNTS_MAX 1000 /* of one page: some 300 kB */
#define API_IMIP_MAX     1000 /* the same */
/* wrong passwords that cost no wait: a person mistypes */
#define LOGIN_FREE 3
/* the longest wait: guessing is 1,440 tries a day, and a person whom another's tries shut out comes
 * in between two of them */
#define LOGIN_WAIT_MAX_MS 60000
#define LOGIN_FORGET_MS   3600000
/* passwords that a node compares at one time: each costs 64 MB and a core for 100 ms */
#define LOGIN_CHECKS_MAX 2
/* of one account: a device each, and some that were forgotten */
#define TOKENS_MAX 100
/* how exactly the last use of a token is kept: a write each hour, not each minute */
#define TOKEN_USED_MS        3600000
#define TOKEN_NAME_BYTES_MAX 200
/* a password that was right is not compared again for so long; nor is a change of it seen */
#define LOGIN_CACHE_MS  60000
#define LOGIN_CACHE_MAX 1000 /* people at one node */
/* a node asks the store for the cluster's metrics so often at most, however often it is scraped */
#define METRICS_CLUSTER_MS 5000
/* and tells what it knows from before for so long, when the store does not answer */
#define METRICS_STALE_MS 60000

#endif
