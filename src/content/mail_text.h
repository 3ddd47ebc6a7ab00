/* mail_text.h: what mails that we write have in common: encoded headers (RFC 2047), a Date, parts
 * as base64. Part of content/; used by imip.c and reminder.c.
 *
 * What others wrote goes into headers on one line and, where it is not plain, encoded, so that none
 * of it can become mail syntax. Pure; any thread.
 */
#ifndef ROTA_CONTENT_MAIL_TEXT_H
#define ROTA_CONTENT_MAIL_TEXT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line, of at most so many bytes, cut between characters; the caller's. */
char *mail_text_line(const char *text, size_t most);
/* One line as it may stand in a Subject, or as a `phrase` before an address; long ones are folded.
 */
void mail_text_add_words(GString *out, const char *line, bool phrase);
/* "Date: Sun, 1 Feb 2026 09:00:00 +0000" with its line end; `seconds` is UTC. */
void mail_text_add_date(GString *out, int64_t seconds);
/* A part with its boundary before it; `type` is the Content-Type. */
void mail_text_add_part(GString *out, const char *boundary, const char *type, const char *data,
                        size_t size);
/* "Monday" of a day (civil.h), "Jan" of a month from 1; static, English. */
const char *mail_text_weekday(int64_t day);
const char *mail_text_month(int month);

#endif
