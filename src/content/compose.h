/* compose.h: from a description of a mail to its bytes (RFC 5322, 2045 to 2047, 2231).
 *
 * What it is told is a stranger's: nothing of it can become another header field or another part.
 * Names of fields and types are checked by the caller with the functions here; text may be any
 * UTF-8. Pure: the same description gives the same bytes. Any thread, after message_library_init.
 */
#ifndef ROTA_CONTENT_COMPOSE_H
#define ROTA_CONTENT_COMPOSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A header field. What is not raw is UTF-8 on one line, which is encoded and folded as its name
 * asks; what is raw stands as it is (compose_is_raw). */
typedef struct {
    char *name, *value;
    bool raw;
} ComposeField;
GArray *compose_fields_new(void); /* of ComposeField, which it owns */
void compose_field_add(GArray *fields, const char *name, const char *value, bool raw);

typedef struct ComposePart ComposePart;
struct ComposePart {
    char *type; /* "text/plain" */
    /* As they shall stand; NULL: not. Many languages have ", " between. */
    char *charset, *name, *disposition, *content_id, *language, *location;
    GArray *fields;      /* more of them; NULL: none */
    GBytes *bytes;       /* plain; NULL: a multipart */
    bool exact;          /* these very bytes; else it is text, of which line ends may change */
    GPtrArray *children; /* of ComposePart, owned; NULL: it is no multipart */
};
void compose_part_free(ComposePart *part);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ComposePart, compose_part_free)
/* A multipart without children yet, or a leaf. */
ComposePart *compose_multipart_new(const char *type);
ComposePart *compose_leaf_new(const char *type, GBytes *bytes);

/* The mail; the caller's. `chance` (16 bytes at least) makes boundaries that nobody can foresee. */
GBytes *compose_mail(const GArray *fields, const ComposePart *root, const char *chance);

/* "Ada Example <ada@example.org>", encoded; a group is "name: …;" of such lists. The caller's. */
char *compose_address(const char *name, const char *address);
char *compose_group(const char *name, const char *members);
/* "Wed, 25 Nov 2026 08:00:00 +0100"; the caller's. */
char *compose_date(GDateTime *date);

/* A name of a header field; "text/plain"; text without line ends and controls; a value with no line
 * end but that of its folding, in ASCII. */
bool compose_is_field_name(const char *text);
bool compose_is_type(const char *text);
bool compose_is_line(const char *text);
bool compose_is_raw(const char *text);

#endif
