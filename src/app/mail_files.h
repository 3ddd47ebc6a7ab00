/* mail_files.h: the messages of named files and folders, one after the other, for commands that
 * look at mail and take none in.
 *
 * What is read and how is app/import_source's, which reads ahead on a thread of its own; all that
 * is told here is told to the calling thread.
 */
#ifndef ROTA_APP_MAIL_FILES_H
#define ROTA_APP_MAIL_FILES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char **paths;     /* ended by NULL; borrowed, as all here */
    size_t bytes_max; /* of a message: lmtp.max-message-size */
    /* A message; `place` is for people: the path, and where in an mbox it lies, any bytes. `read`:
     * bytes of files read so far. False with *error ends all. */
    bool (*mail)(const char *place, GBytes *bytes, int64_t read, void *data, GError **error);
    /* Something that cannot be read; the rest goes on. */
    void (*problem)(const char *place, const char *text, void *data);
    void *data;
} MailFiles;

/* Reads all of them. *ret_passed_over: files of folders that are no mail. False with the error of
 * `mail`. */
bool mail_files_read(const MailFiles *files, unsigned *ret_passed_over, GError **error);

#endif
