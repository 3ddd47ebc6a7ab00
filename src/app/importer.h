/* importer.h: takes messages into one account in their order, many at a time.
 *
 * Messages are parsed and compressed by threads of its own while the batch before is committed, so
 * that memory holds two batches. Each is delivered with a mark made of its bytes, its mailbox and
 * its number among equal ones of that mailbox in this run: a second run over the same files in the
 * same order adds nothing, wherever the first one ended.
 *
 * Calling sequence: importer_new, importer_add*, importer_finish, importer_free. One thread.
 */
#ifndef ROTA_APP_IMPORTER_H
#define ROTA_APP_IMPORTER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    char *bytes; /* owned */
    size_t size;
    char *folder;         /* path of its mailbox, NULL: the inbox; owned */
    char *keywords;       /* as model/email has them; owned */
    int64_t received_at;  /* ms; 0: of its Date field, */
    int64_t otherwise_at; /* or, where it has none, this */
    char *place;          /* for people; owned */
} ImportMail;

typedef struct {
    int64_t stored, already, bytes; /* bytes: of both */
} ImportCounts;

typedef struct Importer Importer;
/* A message that was not taken, and why. */
typedef void (*ImportProblem)(const char *place, const char *text, void *data);
/* `now`, ms: a Date field beyond it is not believed. */
Importer *importer_new(Db *db, int64_t account, int64_t now, ImportProblem problem, void *data);
void importer_free(Importer *importer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Importer, importer_free)
/* Takes what mail points to. False: the store does not take any more (what was taken stays). */
bool importer_add(Importer *importer, ImportMail mail, GError **error);
/* Makes the mailbox; ERROR_REJECT: not a path. */
bool importer_add_folder(Importer *importer, const char *folder, GError **error);
/* Commits what is still held. */
bool importer_finish(Importer *importer, GError **error);
ImportCounts importer_counts(const Importer *importer);

#endif
