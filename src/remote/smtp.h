/* smtp.h: hands a mail to the operator's relay (RFC 5321, submission as in RFC 6409).
 *
 * One mail, one recipient, one fate. An Smtp keeps its connection for the next mail. No thread of
 * its own but the resolver's; it belongs to one thread at a time. All is bounded by SMTP_WHOLE_MS.
 *
 * What is sent is not sent again behind the caller's back. A mail whose end was written, but for
 * which no answer came, was perhaps taken: SMTP_UNKNOWN.
 */
#ifndef ROTA_REMOTE_SMTP_H
#define ROTA_REMOTE_SMTP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum { SMTP_TLS_NEVER, SMTP_TLS_TRY, SMTP_TLS_ALWAYS } SmtpTls;

typedef struct SmtpConfig {
    const char *relay; /* "smtp://HOST:PORT" (STARTTLS as `tls` says), "smtps://HOST:PORT" */
    const char *user, *secret; /* "": no AUTH */
    const char *ca_file;       /* PEM, trusted instead of the system's; "": the system's */
    const char *hello;         /* the name of EHLO; "": the host's */
    int tls;                   /* SmtpTls */
} SmtpConfig;

/* True: it is a relay's URL, as above. */
bool smtp_is_relay(const char *relay);

typedef struct Smtp Smtp;
/* The config is borrowed until the end. */
Smtp *smtp_new(const SmtpConfig *config);
void smtp_free(Smtp *smtp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Smtp, smtp_free)

typedef enum {
    SMTP_ACCEPTED,
    SMTP_LATER,   /* refused for now (4xx), or the relay was not to be had: nothing was taken */
    SMTP_REFUSED, /* for good (5xx) */
    SMTP_UNKNOWN, /* all was written, and no answer came */
    SMTP_STOPPED, /* may_send said no */
} SmtpFate;

typedef struct {
    const char *from, *to; /* of the envelope; "" as from: a null sender */
    const void *bytes;     /* with CRLF; borrowed for the call */
    size_t size;
    /* Asked when the recipient was accepted and the first byte is about to be written. NULL: yes.
     */
    bool (*may_send)(void *data);
    void *data;
} SmtpMail;
/* *ret_answer: what the relay said last, or what went wrong, in one line; the caller's. */
SmtpFate smtp_send(Smtp *smtp, const SmtpMail *mail, char **ret_answer);

#endif
