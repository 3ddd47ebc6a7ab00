/* import_walk.h: finds the mail in files and folders that a person names.
 *
 * A directory that holds "cur" or "new" is a Maildir, its subdirectories ".A.B" are folders of it
 * (Maildir++), and so are Maildirs below any directory. In other directories each file is offered.
 * A directory's name becomes the mailbox of what is in it, below `top`; what lies directly in a
 * named path goes to `top` itself. Links are not followed, but for the named paths themselves;
 * names are taken in order, so that a second walk meets the same things in the same order.
 *
 * One thread.
 */
#ifndef ROTA_APP_IMPORT_WALK_H
#define ROTA_APP_IMPORT_WALK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/maildir_name.h"

typedef enum {
    SOURCE_FOLDER,  /* a Maildir: its mailbox shall be there, though it may be empty */
    SOURCE_MAILDIR, /* a message of a Maildir */
    SOURCE_FILE,    /* a file that was named */
    SOURCE_LISTED,  /* a file of a directory */
} SourceKind;

typedef struct {
    SourceKind kind;
    int directory;               /* open; `name` is relative to it (AT_FDCWD for a named one) */
    const char *name;            /* any bytes */
    const char *place;           /* for people: the path, any bytes */
    const char *folder;          /* path of its mailbox; NULL: the inbox */
    const char *mbox_folder;     /* the same where it is a file of many messages */
    int64_t size, modified_at;   /* of the file; ms */
    const char *const *keywords; /* SOURCE_MAILDIR: of the letters a to z */
} Source;

typedef struct {
    /* False ends the walk. What source points to is borrowed for the call. */
    bool (*found)(const Source *source, void *data, GError **error);
    /* Something that cannot be taken; the walk goes on. */
    void (*problem)(const char *place, const char *text, void *data);
    void *data, *problem_data;
} WalkVisitor;

/* Walks the named paths in order. `top` is a mailbox' path, NULL: the inbox. False with the error
 * of `found`. */
bool import_walk(char **paths, int count, const char *top, const WalkVisitor *visitor,
                 GError **error);

/* Opens a source for reading; -1, and *ret_why (static) says why not: it went away, is no regular
 * file, may not be read. */
int source_open(const Source *source, const char **ret_why);

/* Files in a Maildir folder by which an export keeps what its names cannot say. */
#define MAILDIR_MAILBOX_FILE  "rota-mailbox"     /* the mailbox' path, for too long a name */
#define MAILDIR_KEYWORDS_FILE "dovecot-keywords" /* "0 $junk\n": the letters' keywords */
/* The keywords of a Maildir folder's letters, borrowed from *ret_lines (owned by the caller); what
 * is not said stays as it is. */
void maildir_read_keywords(int directory, const char *ret[MAILDIR_KEYWORDS_MAX], GStrv *ret_lines);

#endif
