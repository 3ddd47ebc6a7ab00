/* ui.h: how a command shows things to a person: tables, progress, colours; and to a machine: JSON.
 *
 * Text from outside (subjects, names, errors) is made safe here: control bytes become \xNN and
 * invalid UTF-8 U+FFFD, so that no mail can drive a terminal. Colours are for a terminal without
 * NO_COLOR only.
 *
 * One thread (the command's).
 */
#ifndef ROTA_APP_UI_H
#define ROTA_APP_UI_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"

typedef enum { UI_PLAIN, UI_BOLD, UI_DIM, UI_RED, UI_GREEN, UI_YELLOW } UiColour;
/* The sequence that starts a colour on `out`, "" where there are no colours; UI_PLAIN ends it. */
const char *ui_colour(FILE *out, UiColour colour);
/* From now on `out`, a stream in memory, has colours where `shown_on` would have them; NULL, NULL
 * ends that. */
void ui_colour_as(FILE *out, FILE *shown_on);
/* `text` made safe for a terminal; the caller frees it. */
char *ui_safe(const char *text);

/* A table in columns: widths by content, as a terminal shows it (wide characters count two). */
typedef struct UiTable UiTable;
/* Titles, ended by NULL; one that begins with '>' is a column of numbers, set to the right; one
 * with
 * '~' may be cut, marked by "…", where a terminal is too narrow. */
UiTable *ui_table_new(const char *title, ...) G_GNUC_NULL_TERMINATED;
void ui_table_free(UiTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UiTable, ui_table_free)
/* Adds a row: exactly as many cells as there are titles, then NULL. Copied. */
void ui_table_add(UiTable *table, const char *cell, ...) G_GNUC_NULL_TERMINATED;
/* Gives the last row a colour. */
void ui_table_colour(UiTable *table, UiColour colour);
unsigned ui_table_rows(const UiTable *table);
/* Prints titles and rows; nothing for a table without rows. */
void ui_table_print(const UiTable *table, FILE *out);

/* Prints a JSON value, indented, with a newline, on standard output, and frees it. */
void ui_print_json(json_t *take);

/* "1.5 MB", "3d 4h", "2026-01-02 03:04:05" (local time), "never" for 0; the caller frees them. */
char *ui_format_bytes(int64_t bytes);
char *ui_format_duration(int64_t ms);
char *ui_format_time(int64_t wall_ms);

/* Progress of long work, on standard error: a bar on a terminal (ten times a second at most),
 * elsewhere a line every 10 s. */
typedef struct UiProgress UiProgress;
/* `what` is copied ("importing"); total 0: not known. */
UiProgress *ui_progress_new(const char *what, int64_t total, const Clock *clock);
void ui_progress_set_total(UiProgress *progress, int64_t total);
/* The numbers are bytes, and are shown as such. */
void ui_progress_set_bytes(UiProgress *progress);
/* Takes the bar away, so that a line can be printed; the next step brings it back. */
void ui_progress_hide(UiProgress *progress);
/* Call it as often as there is something new; it is cheap. `detail` may be NULL. */
void ui_progress_set(UiProgress *progress, int64_t done, const char *detail);
/* Removes the bar, so that the command can print its result. NULL is fine. */
void ui_progress_free(UiProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UiProgress, ui_progress_free)

#endif
