/* error.h: the one error domain, for what the world does to us.
 *
 * Every failing function has `GError **error` last and says what it leaves untouched. A kind tells
 * the caller what to DO; the text tells a person what happened: "could not open store "X": reason"
 * (what, which, why; no function names). No errno and no library code leaves the module that met
 * it. An error is filled once; g_prefix_error adds context. A function logs or returns an error,
 * never both.
 *
 * The kinds are so few that a switch over them has no default.
 */
#ifndef ROTA_BASE_ERROR_H
#define ROTA_BASE_ERROR_H

#include <glib.h>
#include <stdbool.h>

typedef enum {
    ERROR_RETRY,    /* busy, locked, not reachable now: nothing happened; the same call may succeed
                       later */
    ERROR_REJECT,   /* the input is wrong or over a limit: the same call will never succeed */
    ERROR_GONE,     /* what was asked for is not there */
    ERROR_CONFLICT, /* someone else holds it or changed it; also: a fence refused the commit */
    ERROR_UNKNOWN, /* the outcome is not known: it may have happened; find out before doing it again
                    */
    ERROR_STOPPED, /* we were asked to stop, or the deadline has passed; nothing is wrong */
} ErrorKind;

#define ROTA_ERROR (rota_error_quark())
GQuark rota_error_quark(void);

/* Fills *error (may be NULL) with a kind and a text. Always returns false, so that `return
 * fail(...)` reads well. */
bool fail(GError **error, ErrorKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__
/* The analyser reads one file at a time and does not see that fail() is always false. */
static inline bool fail_is_false(void)
{
    return false;
}
#define fail(...) (fail(__VA_ARGS__), fail_is_false())
#endif

/* The kind of an error that one of our functions filled; another domain's error counts as
 * ERROR_REJECT. */
ErrorKind error_kind(const GError *error);

/* The word for a kind, as logs and JSON show it: "retry", "reject", "gone", "conflict", "unknown",
 * "stopped". */
const char *error_kind_name(ErrorKind kind);

#endif
