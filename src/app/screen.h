/* screen.h: a terminal that is redrawn in place, until a person has seen enough.
 *
 * It takes the terminal's other screen, so that what stood there before is back after screen_close.
 * A frame is written over the last one in one go, line by line, each cut at the terminal's width:
 * nothing is cleared first, so nothing flickers. q, Ctrl-C, Ctrl-D, SIGINT, SIGTERM and SIGHUP
 * mean: enough.
 *
 * Calling sequence: open → (show, wait)* → close. One thread, and open before other threads start:
 * it blocks the signals that it reads.
 */
#ifndef ROTA_APP_SCREEN_H
#define ROTA_APP_SCREEN_H

#include <glib.h>
#include <stdbool.h>

typedef struct Screen Screen;

/* ERROR_REJECT: standard input or output is no terminal. */
Screen *screen_open(GError **error);
void screen_close(Screen *screen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Screen, screen_close)
/* Shows the text, of lines with colour sequences, from the top; what does not fit is left out. */
void screen_show(Screen *screen, const char *text);

typedef enum {
    SCREEN_ENOUGH,
    SCREEN_RESIZED, /* show again */
    SCREEN_OTHER,   /* `other` is readable, or the time is over */
} ScreenEvent;
/* Waits for a person, or for a descriptor of the caller's, at most timeout_ms. */
ScreenEvent screen_wait(Screen *screen, int other, int timeout_ms);

#endif
