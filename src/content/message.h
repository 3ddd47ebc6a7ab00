/* message.h: from the bytes of a mail to a struct that borrows nothing.
 *
 * It never fails for bad mail: it gives the best reading, and a list of defects. Bounded in parts,
 * depth, header bytes and text (base/limits.h): over a limit it cuts and says so as a defect. The
 * same bytes give the same struct on every machine. All text is valid UTF-8 without NUL. All GMime
 * names stay in the files of this part (message*.c, encoded_word.c).
 *
 * Thread safety: pure; call message_library_init once before threads start.
 */
#ifndef ROTA_CONTENT_MESSAGE_H
#define ROTA_CONTENT_MESSAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

void message_library_init(void);

typedef enum {
    MESSAGE_HEADERS, /* headers only; no text, no parts: cheap */
    MESSAGE_FULL,    /* and what is in the parts */
} MessageDepth;

typedef struct {
    char *name;    /* as people see it, "" if none */
    char *address; /* addr-spec as it stands, "" if none */
} MessageAddress;

typedef struct {
    char *subject;                                    /* decoded, "" if none */
    GArray *from, *sender, *to, *cc, *bcc, *reply_to; /* of MessageAddress; never NULL */
    char *message_id;                                 /* without <>, "" if none */
    GPtrArray *references;   /* of char *: References then In-Reply-To, without <> */
    unsigned references_own; /* how many are of References */
    int64_t date_ms;         /* Date header, UTC; 0 none or unreadable */
    int64_t received_ms;     /* of the first Received field, UTC; 0 none or unreadable */
    char *list_id;           /* "" if none */
    /* From here with MESSAGE_FULL only. */
    GString *text; /* all body text as people see it, part by part with newlines; HTML as text;
                      attached messages' too */
    GPtrArray *attachments; /* of char *: file names, decoded */
    bool has_attachment;
    bool has_calendar; /* a text/calendar part */
    /* The first text/calendar part of the mail itself (not of one that is attached) that says a
     * method (RFC 6047), or else the first at all; UTF-8, at most CALENDAR_PART_BYTES_MAX and then
     * a byte more. NULL: none. */
    GBytes *calendar;
    char *calendar_method; /* as its Content-Type says, "" where it does not */
    char *preview;         /* first 256 characters of the text, white space folded */
    unsigned parts;
    GPtrArray *defects; /* of static const char *: "too many parts", "no header", … */
} Message;

#define MESSAGE_NO_HEADER "no header" /* a defect: not one field */

/* Parses; never NULL. */
Message *message_parse(const void *bytes, size_t size, MessageDepth depth);
void message_free(Message *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Message, message_free)

/* "Ada Example <ada@example.org>, …": how a list of addresses is shown; caller frees. */
char *message_addresses_format(const GArray *addresses);

#endif
