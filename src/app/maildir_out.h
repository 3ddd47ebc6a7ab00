/* maildir_out.h: writes messages into one folder of a Maildir++, so that a second run adds only
 * what is missing.
 *
 * A message's name is made of its time, its bytes' digest and its number among equal ones, and so
 * is the same in each run and for each account that holds the same mail. A message appears in "cur"
 * only when its bytes are on the disk.
 *
 * Calling sequence: maildir_out_open, maildir_out_set_keywords, { maildir_out_find,
 * maildir_out_write where it is not there }* in the same order each time, maildir_out_flush now and
 * then and at the end, maildir_out_close. All errors are the file system's (ERROR_CONFLICT), and
 * end the export. One thread.
 */
#ifndef ROTA_APP_MAILDIR_OUT_H
#define ROTA_APP_MAILDIR_OUT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

typedef struct {
    Digest digest;
    int64_t size, received_at; /* ms */
    const char *keywords;      /* as model/email has them */
} MaildirMail;

typedef struct MaildirOut MaildirOut;
/* Below the open directory `root`: the folder of a mailbox, its path's parts ended by NULL; no
 * part: the root itself. Made where it is not there. `place` names it in errors. */
MaildirOut *maildir_out_open(int root, const char *place, const char *const *parts, GError **error);
void maildir_out_close(MaildirOut *out);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MaildirOut, maildir_out_close)

/* Gives each of the sorted keywords that have no flag of their own a letter, and writes the list.
 * *ret_left_out (may be NULL): how many found no letter. */
bool maildir_out_set_keywords(MaildirOut *out, const GPtrArray *keywords, unsigned *ret_left_out,
                              GError **error);
/* 1: it is there, its flags now as they are in the store; 0: it is to be written under *ret_name
 * (caller frees); -1: error. */
int maildir_out_find(MaildirOut *out, const MaildirMail *mail, char **ret_name, GError **error);
/* Keeps it in "tmp" until the flush; at most MAILDIR_OUT_HELD_MAX between two flushes. */
#define MAILDIR_OUT_HELD_MAX 500 /* files of one flush, which is what a kill may cost */
bool maildir_out_write(MaildirOut *out, const char *name, GBytes *bytes, int64_t received_at,
                       GError **error);
bool maildir_out_flush(MaildirOut *out, GError **error);

#endif
