/* limits_tls.h: the limits of TLS, of certificates and of what is said to an ACME server, each with
 * its reason; see limits.h.
 */
#ifndef ROTA_BASE_LIMITS_TLS_H
#define ROTA_BASE_LIMITS_TLS_H

/* of a chain, or a key, as a file or a CA hands it to us: ten times what is usual */
#define PEM_BYTES_MAX       (128 * 1024)
#define CHAIN_LENGTH_MAX    16  /* certificates of one chain */
#define CHAIN_NAMES_MAX     100 /* of one certificate; what public CAs take */
#define HOST_NAME_BYTES_MAX 253 /* RFC 1035 */
/* event threads of the TLS edge; a handshake is some 200 µs of one of them */
#define TLS_THREADS 2
/* of a connection, read or written at once: a record of TLS */
#define TLS_PIECE_BYTES (16 * 1024)
/* pieces of one connection before another's turn comes */
#define TLS_TURN_PIECES 16
/* a client that has not done its handshake by then is hung up on */
#define TLS_HANDSHAKE_MS 20000
/* what the house has said last may take so long to reach the client */
#define TLS_LINGER_MS 10000
/* connections over those of the doors, so that one that is turned away hears why */
#define TLS_CONNECTIONS_BESIDE 64
/* sessions that a client may go on with, of one process; by tickets there are more */
#define TLS_SESSIONS_MAX 20000
/* between two looks of a node at the store's certificates: an exchange is seen by all within it */
#define KEEPER_POLL_MS 2000
/* first orders that are enqueued in one transaction */
#define KEEPER_BATCH 100
/* after files that could not be written, or a hook that failed; doubled each time */
#define KEEPER_RETRY_MS     10000
#define KEEPER_RETRY_MAX_MS 3600000
/* a responder's answer: some 500 bytes, and a certificate of its own */
#define OCSP_ANSWER_BYTES_MAX (64 * 1024)
/* One thread looks at the store and asks: with KEEPER_POLL_MS it stays under five seconds. */
#define OCSP_WHOLE_MS 2500
/* after so long in one turn the next certificates' are asked for in the next */
#define OCSP_TURN_MS  500
#define OCSP_RETRY_MS 600000
/* of an answer that does not say how long it is good */
#define OCSP_LIFE_MS 3600000
/* of the life of the stand-in that we sign ourselves; it is made anew at each start */
#define STAND_IN_DAYS 365

#endif
