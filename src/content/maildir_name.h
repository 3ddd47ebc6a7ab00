/* maildir_name.h: what the names in a Maildir say: flags, times and folders.
 *
 * A message's name is "UNIQUE:2,FLAGS". Flags are letters: D draft, F flagged, P passed on, R
 * answered, S seen, T trashed, and a to z the keywords 0 to 25 of the folder's list (Dovecot's file
 * dovecot-keywords). A folder of Maildir++ is a directory ".A.B" below the top one, each part in
 * RFC 3501's modified UTF-7.
 *
 * Pure; any thread.
 */
#ifndef ROTA_CONTENT_MAILDIR_NAME_H
#define ROTA_CONTENT_MAILDIR_NAME_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MAILDIR_KEYWORDS_MAX     26  /* letters a to z */
#define MAILDIR_NAME_BYTES_MAX   255 /* of one name, on every file system we know */
#define MAILDIR_FOLDER_BYTES_MAX 200 /* room for what tools add to a folder's name */

/* The letters after the last ":2," of a name ("" if none), borrowed from it. */
const char *maildir_flags(const char *name);
/* A flag's keyword ("$seen"); NULL where the letter says nothing here. `list`: the folder's own, at
 * most MAILDIR_KEYWORDS_MAX of which some may be NULL. */
const char *maildir_keyword(char flag, const char *const *list);
/* The flag of a keyword, '\0' where none of the six letters is one. */
char maildir_flag(const char *keyword);
/* When the message came, by the seconds that its name begins with; 0: it says nothing. UTC ms. */
int64_t maildir_time(const char *name);

/* "A/B" out of ".A.B", each part any text (names of mailboxes are model/mailbox's to make):
 * modified UTF-7 where it is that, else as it stands. The caller frees the list and its parts. */
char **maildir_folder_parse(const char *directory);
/* ".A.B" out of the parts: no '/', no '.', no byte but printable ASCII. Caller frees. NULL where it
 * would be longer than MAILDIR_FOLDER_BYTES_MAX. */
char *maildir_folder_format(const char *const *parts);

#endif
