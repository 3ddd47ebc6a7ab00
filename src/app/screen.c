/* screen: the terminal under `rota status --watch`.
 *
 * How it fits: the command makes a frame of text; this puts it on the terminal and waits for a key.
 * Keys come one by one and unseen (no ICANON, no ECHO); Ctrl-C and Ctrl-Z come as keys too, so that
 * no signal finds the terminal in this state. Signals from elsewhere are read from a descriptor.
 *
 * Failures: no terminal. A terminal that cannot be written any more is noticed as its SIGHUP. Known
 * weak points: a process that is killed by SIGKILL leaves the terminal as it is (`reset` mends it);
 * letters that are combined of several are cut by their code points.
 */
#include "app/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/must.h"

/* The other screen, no cursor, no wrapping of long lines; and back. */
#define TAKE      "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define GIVE_BACK "\033[?7h\033[?25h\033[?1049l"
#define HOME      "\033[H"
#define LINE_END  "\033[0m\033[K"
#define REST      "\033[0m\033[J"
/* of a terminal that does not say */
#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT    24

struct Screen {
    struct termios before;
    sigset_t mask_before;
    int signals;
};

static void write_all(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write(STDOUT_FILENO, text, size);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll(&out, 1, -1);
            continue;
        }
        if (done <= 0)
            return; /* it went away: SIGHUP or the next read says so */
        text += done;
        size -= (size_t)done;
    }
}

Screen *screen_open(GError **error)
{
    struct termios before;
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0) {
        fail(error, ERROR_REJECT, "a live view needs a terminal");
        return NULL;
    }
    Screen *screen = g_new0(Screen, 1);
    screen->before = before;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    MUST(pthread_sigmask(SIG_BLOCK, &set, &screen->mask_before) == 0);
    screen->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    MUST(screen->signals >= 0);
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    fflush(stdout);
    write_all(TAKE, strlen(TAKE));
    return screen;
}

void screen_close(Screen *screen)
{
    if (!screen)
        return;
    write_all(GIVE_BACK, strlen(GIVE_BACK));
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen->before);
    close(screen->signals);
    pthread_sigmask(SIG_SETMASK, &screen->mask_before, NULL);
    g_free(screen);
}

/* Adds a line as far as it fits; colour sequences take no room. */
static void add_line(GString *frame, const char *line, size_t size, unsigned columns)
{
    const char *end = line + size;
    unsigned used = 0;
    while (line < end) {
        const char *next = line + g_utf8_skip[(unsigned char)*line];
        if (*line == '\033') {
            while (next < end && !g_ascii_isalpha(*next))
                next++;
            next += next < end;
        } else {
            gunichar letter = g_utf8_get_char(line);
            unsigned width = g_unichar_iszerowidth(letter) ? 0 : g_unichar_iswide(letter) ? 2 : 1;
            if (used + width > columns)
                break;
            used += width;
        }
        g_string_append_len(frame, line, next - line);
        line = next;
    }
    g_string_append(frame, LINE_END);
}

void screen_show(Screen *screen, const char *text)
{
    struct winsize size = {0};
    (void)screen;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        size = (struct winsize){.ws_col = COLUMNS_DEFAULT, .ws_row = ROWS_DEFAULT};
    g_autoptr(GString) frame = g_string_new(HOME);
    unsigned row = 0;
    while (*text && row < size.ws_row) {
        size_t length = strcspn(text, "\n");
        if (row > 0)
            g_string_append(frame, "\r\n");
        add_line(frame, text, length, size.ws_col);
        text += length + (text[length] == '\n');
        row++;
    }
    if (row < size.ws_row)
        g_string_append(frame, "\r\n" REST);
    write_all(frame->str, frame->len);
}

/* SCREEN_OTHER: it was none that matters. */
static ScreenEvent read_signal(const Screen *screen)
{
    struct signalfd_siginfo info;
    ScreenEvent event = SCREEN_OTHER;
    while (read(screen->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo != SIGWINCH)
            return SCREEN_ENOUGH;
        event = SCREEN_RESIZED;
    }
    return event;
}

/* Ctrl-C, Ctrl-D, q. The end of standard input is enough, too. */
static ScreenEvent read_key(void)
{
    char keys[64];
    ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));
    if (got <= 0)
        return got < 0 && (errno == EINTR || errno == EAGAIN) ? SCREEN_RESIZED : SCREEN_ENOUGH;
    for (ssize_t i = 0; i < got; i++)
        if (strchr("qQ\003\004", keys[i]) && keys[i])
            return SCREEN_ENOUGH;
    return SCREEN_RESIZED;
}

ScreenEvent screen_wait(Screen *screen, int other, int timeout_ms)
{
    struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = screen->signals, .events = POLLIN},
                            {.fd = other, .events = POLLIN}};
    if (poll(fds, 3, timeout_ms) < 0)
        return SCREEN_RESIZED;
    ScreenEvent event = fds[1].revents ? read_signal(screen) : SCREEN_OTHER;
    if (event == SCREEN_OTHER && fds[0].revents)
        event = read_key();
    return event;
}
