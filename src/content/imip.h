/* imip.h: an iTIP message as a mail (RFC 6047): text and HTML for people, text/calendar for
 * programs, as multipart/alternative.
 *
 * Pure: the same message gives the same bytes, so that a mail that is sent again after a crash is
 * the same mail. Any thread.
 */
#ifndef ROTA_CONTENT_IMIP_H
#define ROTA_CONTENT_IMIP_H

#include <glib.h>
#include <stdint.h>

#include "content/itip.h"

typedef struct {
    ItipMethod method;
    const char *from, *from_name; /* address; name "" where there is none */
    const char *to;
    const char *message_id;   /* without <> */
    int64_t date;             /* UTC seconds */
    const ItipObject *object; /* what `calendar` holds, parsed */
    GBytes *calendar;
} ImipMail;
/* CRLF line ends, 7 bit. The caller's. */
GBytes *imip_format(const ImipMail *mail);

#endif
