/* page_files.h: the files of web/, built into the program by tools/embed_files.py.
 */
#ifndef ROTA_FRONT_PAGE_FILES_H
#define ROTA_FRONT_PAGE_FILES_H

#include <stddef.h>

typedef struct {
    const char *name; /* "main.js" */
    const char *type;
    const char *etag;           /* of the plain bytes, without quotes */
    const unsigned char *plain; /* not text: no NUL ends it */
    size_t plain_size;
    const unsigned char *packed; /* gzip */
    size_t packed_size;
} PageFile;

extern const PageFile page_files[];
extern const size_t page_file_count;

#endif
