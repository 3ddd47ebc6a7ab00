/* lmtp_path.h: the argument of MAIL and RCPT: a path in <> and parameters after it (RFC
 * 5321 4.1.1.2, 4.1.1.3, 4.1.2; RFC 1870; RFC 6152; RFC 6531).
 *
 * Pure; any thread.
 */
#ifndef ROTA_FRONT_LMTP_PATH_H
#define ROTA_FRONT_LMTP_PATH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *address;   /* what stands in the <>, without a source route; "" for <>; owned */
    int64_t size;    /* SIZE=, -1: not given */
    bool utf8;       /* SMTPUTF8 was given */
    bool eight_bit;  /* BODY=8BITMIME was given */
    bool has_params; /* any at all */
} LmtpPath;

void lmtp_path_clear(LmtpPath *path);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LmtpPath, lmtp_path_clear)

typedef enum {
    LMTP_PATH_OK,
    LMTP_PATH_SYNTAX,        /* no word "FROM:" or "TO:", no <>, or control characters in it */
    LMTP_PATH_TOO_LONG,      /* over ADDRESS_BYTES_MAX */
    LMTP_PATH_BAD_PARAM,     /* a value that is none, or one given twice */
    LMTP_PATH_UNKNOWN_PARAM, /* one that we did not offer */
} LmtpPathResult;

/* Reads `text`, what stands after the verb, e.g. "FROM:<a@example.org> SIZE=100"; `word` is "FROM:"
 * or "TO:". Text is NUL-terminated, without the end of line. *ret is filled with LMTP_PATH_OK only.
 * Bytes beyond ASCII must be UTF-8. */
LmtpPathResult lmtp_path_parse(const char *text, const char *word, LmtpPath *ret);

#endif
