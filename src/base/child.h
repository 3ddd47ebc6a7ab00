/* child.h: a command of the operator's as a process of its own: started, watched, ended with all
 * that it has started.
 *
 * Between us and the command stands its guard: our own program again (/proc/self/exe), in a session
 * of its own, which does nothing but watch. It ends the command, and whatever that has left running
 * or made into a daemon, when it is told to, when the time that it was allowed is over, and when we
 * are gone: the kernel closes our end of its socket, however we died. So nothing is left when this
 * process is killed, stopped (SIGSTOP) or hangs. Why a guard, and the window that is left:
 * docs/decisions/0007-custom-roles.md.
 *
 * The command is the leader of its process group. Its standard input is empty, its output and
 * errors come to us, mixed; the end of them is kept. Everything else that we have open is closed to
 * it. It is asked to end first (SIGTERM), and killed after a grace.
 *
 * Calling sequence: child_start → { child_allow, child_wait }* until that is true → child_end,
 * child_output → child_free. child_free of a running one ends it at once. One thread for each
 * Child. The program's main must begin with child_guard.
 */
#ifndef ROTA_BASE_CHILD_H
#define ROTA_BASE_CHILD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *const *argv; /* NULL-ended; a name without "/" is looked for in PATH of `env` */
    const char *const *env;  /* "NAME=value", NULL-ended: all that it gets */
    const char *directory;
    int64_t until_us; /* monotonic, of clock_real: as child_allow */
} ChildAsk;

typedef struct Child Child;
/* ERROR_RETRY: the system has no room for a process now. That the command itself cannot be started
 * is its end (CHILD_NOT_STARTED). */
Child *child_start(const ChildAsk *ask, GError **error);
void child_free(Child *child);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Child, child_free)

/* It may run until then (monotonic µs of clock_real); past it the guard ends it, whatever has
 * become of us. A time that has passed cannot be taken back. */
void child_allow(Child *child, int64_t until_us);
/* Asks it to end, and kills what is left after so long. Again with less: sooner. */
void child_stop(Child *child, int64_t grace_ms);
/* Takes up its output for at most so long. True: it has ended, and all that it started. */
bool child_wait(Child *child, int64_t ms);

typedef enum {
    CHILD_EXITED,      /* value: its exit status */
    CHILD_SIGNALLED,   /* value: the signal's number */
    CHILD_NOT_STARTED, /* value: errno; the command is not there, or may not be executed */
    CHILD_NO_FOLDER,   /* value: errno; it could not be started in its directory */
    CHILD_LOST,        /* its guard was killed: how it ended is not known */
} ChildEndKind;
typedef struct {
    ChildEndKind kind;
    int value;
    bool late;      /* what it was allowed was over */
    bool left;      /* it left processes behind, which were ended */
    bool surviving; /* and some could not be ended (another user's, or stuck in the kernel) */
} ChildEnd;
/* After child_wait said that it has ended. */
ChildEnd child_end(const Child *child);
/* The end of its output, at most so many bytes, as valid UTF-8 without control characters but line
 * breaks; trimmed. The caller frees it. */
char *child_output(const Child *child, size_t bytes);

/* The file that would be started for a command, by PATH of `env`; NULL: there is none that this
 * user may execute, and *ret_why says why (a static text). The caller frees it. */
char *child_find(const char *command, const char *const *env, const char **ret_why);

/* The guard. -1: this process was not started as one; else it has done its work, and this is its
 * exit status. */
int child_guard(int argc, char **argv);

#endif
