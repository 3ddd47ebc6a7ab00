/* password: how a command comes by a password: typed, piped in, or made.
 *
 * How it fits: `rota account add` and `rota account password`. A password is no argument of a
 * command: every user of the machine can read those.
 *
 * Failures: no terminal, two that differ, nothing at all, Ctrl-C (the terminal echoes again). Known
 * weak point: on SIGKILL or SIGTSTP while it is typed the terminal stays without echo.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#include "base/error.h"
#include "base/rand.h"

#include "app/command_account.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* One byte: 1, 0 at the end, -1 with an error. `mask` is in force only while it waits, so that a
 * signal cannot come between the look and the wait. */
static int read_byte(int file, const sigset_t *mask, char *ret, GError **error)
{
    for (;;) {
        struct pollfd wait = {.fd = file, .events = POLLIN};
        int ready = ppoll(&wait, 1, NULL, mask);
        if (interrupted) {
            fail(error, ERROR_STOPPED, "stopped: nothing was changed");
            return -1;
        }
        ssize_t got = ready < 0 ? -1 : read(file, ret, 1);
        if (got >= 0)
            return (int)got;
        if (errno != EINTR) {
            fail(error, ERROR_REJECT, "could not read a password: %s", g_strerror(errno));
            return -1;
        }
    }
}

/* One line of a file, without its end; NULL with an error. */
static char *read_line(int file, const sigset_t *mask, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (;;) {
        char c;
        int got = read_byte(file, mask, &c, error);
        if (got < 0)
            return NULL;
        if (got == 0 || c == '\n')
            break;
        g_string_append_c(line, c);
        if (line->len > PASSWORD_BYTES_MAX) {
            fail(error, ERROR_REJECT, "a password has at most %d bytes", PASSWORD_BYTES_MAX);
            return NULL;
        }
    }
    if (line->len && line->str[line->len - 1] == '\r')
        g_string_truncate(line, line->len - 1);
    if (!line->len) {
        fail(error, ERROR_REJECT, "an empty password is none: nothing was changed");
        return NULL;
    }
    if (!g_utf8_validate(line->str, (gssize)line->len, NULL)) {
        fail(error, ERROR_REJECT, "the password is not UTF-8: nothing was changed");
        return NULL;
    }
    return g_strdup(line->str);
}

char *password_read(GError **error)
{
    return read_line(STDIN_FILENO, NULL, error);
}

static bool say(int terminal, const char *text)
{
    return write(terminal, text, strlen(text)) == (ssize_t)strlen(text);
}

static char *ask_twice(int terminal, const sigset_t *mask, GError **error)
{
    g_autofree char *again = NULL, *password = NULL;
    if (say(terminal, "password: "))
        password = read_line(terminal, mask, error);
    if (say(terminal, "\n") && password && say(terminal, "again: ")) {
        again = read_line(terminal, mask, error);
        say(terminal, "\n");
    }
    if (!again)
        return NULL;
    if (strcmp(password, again) != 0) {
        fail(error, ERROR_REJECT, "the two differ: nothing was changed");
        return NULL;
    }
    return g_steal_pointer(&password);
}

char *password_ask(GError **error)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    if (terminal < 0 || tcgetattr(terminal, &before) != 0) {
        if (terminal >= 0)
            close(terminal);
        fail(error, ERROR_REJECT,
             "there is no terminal to ask on; --password-stdin reads a password, --generate makes "
             "one");
        return NULL;
    }
    struct sigaction stop = {.sa_handler = on_signal}, int_before, term_before;
    sigset_t stops, mask_before;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, &mask_before);
    sigaction(SIGINT, &stop, &int_before);
    sigaction(SIGTERM, &stop, &term_before);
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(terminal, TCSAFLUSH, &silent);
    char *password = ask_twice(terminal, &mask_before, error);
    tcsetattr(terminal, TCSAFLUSH, &before);
    sigaction(SIGINT, &int_before, NULL);
    sigaction(SIGTERM, &term_before, NULL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    close(terminal);
    return password;
}

char *password_generate(void)
{
    /* 32 signs without those that look alike; 20 of them are 100 bits */
    static const char signs[] = "abcdefghijkmnopqrstuvwxyz2345679";
    guint8 chance[20];
    rand_secret(chance, sizeof chance);
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < sizeof chance; i++)
        g_string_append_printf(text, "%s%c", i && i % 5 == 0 ? "-" : "", signs[chance[i] % 32]);
    return g_string_free(text, false);
}
