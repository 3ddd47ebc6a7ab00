/* mbox.h: takes a file of many messages apart: streaming, whatever its size.
 *
 * A message begins at the start, or at a line "From … hh:mm … year" that follows an empty line;
 * what only begins with "From " stays text. The empty line before the next message belongs to the
 * file, not to the message; every other byte is kept, but for the quoting that is named.
 *
 * Calling sequence: mbox_new, { mbox_next, mbox_feed where it asks for more }*, mbox_free. Pure; a
 * Mbox belongs to one thread.
 */
#ifndef ROTA_CONTENT_MBOX_H
#define ROTA_CONTENT_MBOX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    MBOX_QUOTING_RD,   /* ">From ", ">>From ", …: one '>' goes (mboxrd) */
    MBOX_QUOTING_O,    /* only ">From " loses its '>' (mboxo) */
    MBOX_QUOTING_NONE, /* the text as it stands (mboxcl2, Dovecot) */
} MboxQuoting;

typedef struct {
    int64_t offset;      /* in the file: of its "From " line */
    int64_t received_at; /* of that line, UTC ms; 0: none that can be read */
    int64_t size;        /* in bytes, also where it was cut */
    GString *bytes;      /* owned by the Mbox, until the next call; empty where it was cut */
    bool cut;            /* it is larger than bytes_max */
} MboxMessage;

typedef struct Mbox Mbox;
/* Messages of more than bytes_max are counted and not kept. */
Mbox *mbox_new(MboxQuoting quoting, size_t bytes_max);
void mbox_free(Mbox *mbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mbox, mbox_free)
/* More of the file; copied. */
void mbox_feed(Mbox *mbox, const void *bytes, size_t size);
/* True: *ret is the next message. False: feed more; or, where `end` says that there is no more, all
 * messages were given. */
bool mbox_next(Mbox *mbox, bool end, MboxMessage *ret);

/* True for bytes that a mail system would take for an mbox. */
bool mbox_is(const void *bytes, size_t size);
/* Keywords out of the fields Status and X-Status of a message, as model/email's list (' $answered
 * $seen '), "" none; caller frees. */
char *mbox_keywords(const void *bytes, size_t size);

#endif
