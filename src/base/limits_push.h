/* limits_push.h: the limits of push to people's devices, each with its reason; see limits.h.
 */
#ifndef ROTA_BASE_LIMITS_PUSH_H
#define ROTA_BASE_LIMITS_PUSH_H

/* of an account; a person has fewer devices and programs on them */
#define PUSH_SUBSCRIPTIONS_MAX 32
#define PUSH_DEVICE_BYTES_MAX  255
#define PUSH_TYPES_BYTES_MAX   1024
/* RFC 8620 §7.2: a server may shorten an expiry; programs renew theirs when they run */
#define PUSH_EXPIRES_MAX_MS (90 * INT64_C(86400000))
/* a code that was not said back: the address may be somebody else's */
#define PUSH_VERIFY_MS 3600000
/* of a code: nobody guesses it */
#define PUSH_CODE_BYTES 24

/* one push, from the connection to the answer. What is on its way longer than this has ended */
#define PUSH_WHOLE_MS 10000
/* of an answer: nothing of it is used but its head */
#define PUSH_ANSWER_BYTES_MAX (16 * 1024)
/* kept back of the lease when a push starts: the clocks' difference, and to be sent in */
#define PUSH_LEASE_MARGIN_MS 200
/* connections to one push service by one lane; HTTP/2 carries a hundred pushes on each */
#define PUSH_HOST_CONNECTIONS 4
/* a push service keeps a push for a device that is off; later ones replace it */
#define PUSH_TTL_S (28 * 86400)
/* of an alarm's push: until its event ends, but so long at least and at most */
#define PUSH_ALERTS_MAX   200 /* of an account in one run */
#define PUSH_ALERT_MIN_MS (10 * 60 * INT64_C(1000))
#define PUSH_ALERT_MAX_MS (24 * 3600 * INT64_C(1000))
/* of a token; RFC 8292 allows a day. Renewed when less than a quarter is left */
#define PUSH_TOKEN_S (12 * 3600)
/* tokens that a node keeps, one for each push service */
#define PUSH_TOKENS_MAX 1000

/* failures in a row, of all who use a push service, after which it rests */
#define PUSH_ORIGIN_FAILURES 5
/* the first rest of a push service; it doubles with each further failure up to the longest */
#define PUSH_ORIGIN_REST_MS     30000
#define PUSH_ORIGIN_REST_MAX_MS 600000
/* pushes of one run, that are in flight at one time */
#define PUSH_BATCH_MAX 500
/* changes that are no news for a subscription, after which its place in the log is written */
#define PUSH_SEEN_MAX 256
/* letters that are kept of why a push failed */
#define PUSH_ERROR_LETTERS_MAX 200

#endif
