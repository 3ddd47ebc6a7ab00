/* text.h: what others wrote, as people are shown it and rows keep it. Pure; any thread.
 */
#ifndef ROTA_BASE_TEXT_H
#define ROTA_BASE_TEXT_H

#include <stddef.h>

/* Valid UTF-8 of at most so many letters (code points); NULL is "". The caller frees it. */
char *text_cut(const char *text, size_t letters);

#endif
