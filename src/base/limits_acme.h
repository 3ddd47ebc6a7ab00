/* limits_acme.h: the limits of what an ACME server (a CA) says, and of how we ask it, each with its
 * reason; see limits.h.
 */
#ifndef ROTA_BASE_LIMITS_ACME_H
#define ROTA_BASE_LIMITS_ACME_H

/* of one answer: a chain is the largest */
#define ACME_ANSWER_BYTES_MAX (256 * 1024)
#define ACME_URL_BYTES_MAX    2000
#define ACME_TOKEN_BYTES_MAX  300
#define ACME_NONCE_BYTES_MAX  500
/* of a problem document that is kept and shown whole; with many subproblems it is some kB */
#define ACME_PROBLEM_BYTES_MAX (16 * 1024)
/* of one order: a certificate's names (CHAIN_NAMES_MAX) */
#define ACME_AUTHORISATIONS_MAX 100
#define ACME_CHALLENGES_MAX     20   /* of one authorisation; there are three kinds */
#define ACME_ORDERS_MAX         1000 /* of an account, that are looked through for one of ours */
#define ACME_ORDER_PAGES_MAX    100  /* that they come in */
#define ACME_ORDERS_LOOKED      20   /* of these, that are asked for: the newest */
#define ACME_ALTERNATES_MAX     10   /* chains of one certificate */
/* nonces that a CA may refuse for one request, before it is tried again later */
#define ACME_NONCES_MAX 20
/* answers to one request may take so long */
#define ACME_WHOLE_MS 60000
/* how long a CA is waited for within one run; after that the lane is free for others */
#define ACME_PATIENCE_MS 8000
/* between two looks at an order that the CA works at: doubled each time, so that one that ends in
 * seconds is seen at once, and one that never does costs some hundred requests in its day */
#define ACME_POLL_MIN_MS 250
#define ACME_POLL_MAX_MS 600000
#define ACME_POLLS_MAX   100000 /* that are counted */
/* an order that has not come to its end by then is given up, and a new one begun */
#define ACME_ORDER_MS (INT64_C(24) * 3600 * 1000)
/* back-off after a failure, where the CA says nothing: public CAs allow five failures an hour */
#define ACME_RETRY_MIN_MS (INT64_C(60) * 1000)
#define ACME_RETRY_MAX_MS (INT64_C(6) * 3600 * 1000)
/* renewal information is asked so often where the CA says nothing, and at most and at least */
#define ACME_INFO_MS     (INT64_C(6) * 3600 * 1000)
#define ACME_INFO_MIN_MS (INT64_C(60) * 1000)
#define ACME_INFO_MAX_MS (INT64_C(24) * 3600 * 1000)
/* a certificate is kept at least so long, or a tenth of its life, whatever that information says */
#define ACME_INFO_RENEWAL_MS (INT64_C(6) * 3600 * 1000)
/* certificates that a round enqueues in one transaction */
#define ACME_ROUND_BATCH 100
/* a CA's clock may be before the store's by so much */
#define ACME_SKEW_MS    (INT64_C(5) * 60 * 1000)
#define ACME_DUTIES_MAX 5000 /* [acme.NAME] tables; ten times a large host's */

#endif
