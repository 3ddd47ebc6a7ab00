/* subject.h: the base subject of RFC 5256 §2.1: without "Re:", "Fwd:", "[list]" and "(fwd)". */
#ifndef ROTA_CONTENT_SUBJECT_H
#define ROTA_CONTENT_SUBJECT_H

#include <glib.h>

/* Of a decoded subject, one line of UTF-8; letters stay as they are. The caller's. Any thread. */
char *subject_base(const char *subject);

#endif
