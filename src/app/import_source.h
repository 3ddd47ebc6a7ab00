/* import_source.h: the messages of named files and folders as a source for app/intake.
 *
 * A thread of its own walks and reads, and keeps at most IMPORT_AHEAD_BYTES of messages ready. Each
 * message has a number among the equal ones of its mailbox in this run, and its mark is made of its
 * bytes, its mailbox and that number: a second run over the same files adds nothing, wherever the
 * first one ended, and equal messages of one folder stay as many as they are.
 *
 * Calling sequence: import_source_new, intake_run with import_source_next and import_source_key,
 * import_source_free (which ends the thread). Thread safety: next, key and read, any thread.
 */
#ifndef ROTA_APP_IMPORT_SOURCE_H
#define ROTA_APP_IMPORT_SOURCE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/mbox.h"

#include "app/intake.h"

typedef struct {
    char **paths; /* borrowed, as all here */
    int count;
    const char *folder; /* path of the mailbox for what has no folder; NULL: the inbox */
    int64_t account;
    MboxQuoting quoting;
    size_t bytes_max; /* of a message */
    int64_t now;      /* ms: times beyond it are not believed */
    /* What cannot be taken, and what is no mail; called by the source's thread. */
    void (*problem)(const char *place, const char *text, void *data);
    void (*passed_over)(const char *place, void *data);
    void *data;
} ImportSourceConfig;

typedef struct ImportSource ImportSource;
ImportSource *import_source_new(const ImportSourceConfig *config);
void import_source_free(ImportSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImportSource, import_source_free)
/* As IntakeConfig's next and key. */
bool import_source_next(ImportSource *source, IntakeItem *ret_item);
char *import_source_key(const IntakeItem *item, const Letter *letter);
/* Bytes of files read so far. */
int64_t import_source_read(ImportSource *source);

#endif
