/* lmtp_data.h: the bytes of one message as they come in, by DATA (dots taken out, RFC 5321 4.5.2)
 * or by BDAT (as they are), within a bound.
 *
 * Calling sequence: begin → { feed | append }* → bytes, or end. Belongs to one thread.
 */
#ifndef ROTA_FRONT_LMTP_DATA_H
#define ROTA_FRONT_LMTP_DATA_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum {
    LMTP_DATA_LINE_START, /* after CRLF, or nothing read yet */
    LMTP_DATA_MIDDLE,
    LMTP_DATA_CR,     /* the last byte was CR, and is kept */
    LMTP_DATA_DOT,    /* a dot at the start of a line, held back */
    LMTP_DATA_DOT_CR, /* a dot alone and CR, both held back */
} LmtpDataPlace;

typedef struct {
    GString *bytes; /* owned; NULL outside a message */
    size_t max;
    size_t dropped; /* bytes over the limit: the message is too large */
    LmtpDataPlace place;
} LmtpData;

void lmtp_data_begin(LmtpData *data, size_t max);
/* Forgets the message and its memory. Nothing begun is fine. */
void lmtp_data_end(LmtpData *data);
/* Takes bytes of DATA up to the end of the message, if it is in them: *ret_end. Returns how many it
 * took. */
size_t lmtp_data_feed(LmtpData *data, const char *bytes, size_t size, bool *ret_end);
/* Takes bytes as they are. Over the limit they are counted and dropped. */
void lmtp_data_append(LmtpData *data, const char *bytes, size_t size);

#endif
