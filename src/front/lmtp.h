/* lmtp.h: LMTP (RFC 2033) as a machine without sockets: bytes in, bytes out. It knows no table: it
 * asks the house through LmtpHouse.
 *
 * PIPELINING, 8BITMIME, SMTPUTF8, SIZE, ENHANCEDSTATUSCODES, CHUNKING (RFC 3030), STARTTLS
 * (RFC 3207). One reply for
 * each accepted recipient after the data, in order. After "250" the message is committed; before it
 * nothing is. Each reply to a result comes from one switch. The bytes are kept as they come:
 * nothing is folded, converted or cut; only the dots that the sender has stuffed are taken out.
 * Bounded: line, recipients, size, commands without progress, bytes thrown away. Bad input: lines
 * of any length, NULs, bare CR and LF (never an end of data: only CRLF . CRLF is), missing dots, a
 * client that stops in the middle (then nothing is stored).
 *
 * A session belongs to one thread.
 */
#ifndef ROTA_FRONT_LMTP_H
#define ROTA_FRONT_LMTP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { LMTP_RCPT_OK, LMTP_RCPT_UNKNOWN, LMTP_RCPT_RETRY } LmtpRcpt;
typedef enum { LMTP_STORED, LMTP_NO_ACCOUNT, LMTP_FULL, LMTP_LATER } LmtpStored;

typedef struct {
    char *address;   /* as given; filled by the session */
    int64_t account; /* of the house */
    char *detail;    /* after '+', or NULL; filled by the house, freed with g_free by the session */
} LmtpRecipient;

/* One message as it came; all is the session's. */
typedef struct {
    const char *from; /* "" for <> */
    const void *bytes;
    size_t size;
} LmtpMessage;

/* What the session asks of the house; all block until answered. */
typedef struct {
    /* Fills account and detail where it says LMTP_RCPT_OK. What is no address at all is
     * LMTP_RCPT_UNKNOWN. */
    LmtpRcpt (*recipient)(const char *address, LmtpRecipient *ret, void *data);
    /* Takes the message for all recipients: results[i]; durable before it returns LMTP_STORED. */
    void (*deliver)(const LmtpMessage *message, const LmtpRecipient *recipients, unsigned count,
                    LmtpStored *results, void *data);
    void *data;
    const char *host_name; /* in the greeting */
    size_t message_bytes_max;
    bool starttls; /* whoever holds the socket can begin TLS */
} LmtpHouse;

typedef struct LmtpSession LmtpSession;
LmtpSession *
lmtp_session_new(const LmtpHouse *house,
                 GString *out); /* writes the greeting to `out`; both are borrowed for its life */
void lmtp_session_free(LmtpSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LmtpSession, lmtp_session_free)
/* Takes the next bytes from the client; replies are appended to `out`. False: the session is over
 * (QUIT or too many errors): write `out`, close. */
bool lmtp_session_feed(LmtpSession *session, const void *bytes, size_t size);
/* True after STARTTLS was answered by 220: write `out`, begin TLS on the socket, call
 * lmtp_session_secured and go on with what comes through it. What came in the same piece behind
 * STARTTLS, and so without TLS, was thrown away. */
bool lmtp_session_wants_tls(const LmtpSession *session);
void lmtp_session_secured(LmtpSession *session);
/* The session ends from our side: a 421 with the reason is appended, and what is fed from now on is
 * refused. */
typedef enum { LMTP_STOP_SHUTDOWN, LMTP_STOP_TIMEOUT, LMTP_STOP_TOO_MANY } LmtpStop;
void lmtp_session_stop(LmtpSession *session, LmtpStop reason);
/* True between messages: nothing of one has come that the client would have to send again. A stop
 * waits for that, for a moment. */
bool lmtp_session_idle(const LmtpSession *session);

#endif
