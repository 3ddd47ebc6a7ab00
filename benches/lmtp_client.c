/* lmtp_client: how many small messages a second an LMTP server takes.
 *
 *     lmtp-client --rcpt ada@example.org [--sessions N] [--messages N] [--bytes N]
 *                 [--invite TYPE] SOCKET...
 *
 * The messages are different ones of the given size, in sessions that stay open, each a step of
 * MAIL, RCPT, DATA, text with an answer to wait for after each, as a mail server without pipelining
 * speaks. Sessions go to the sockets in turn, and a "%" in the recipient is a session's number,
 * from 0. Prints: messages a second, and the median and 99th percentile of a message's
 * milliseconds, with tabs between. A reply that is not 2xx or 3xx ends it. --invite: each is the
 * text of an invitation to the recipient, as a part of that type ("text/plain", or
 * "text/calendar; method=REQUEST").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

#define SESSIONS_MAX 100

static char *recipient = "ada@example.org", *invite_type;
static int sessions = 1, messages = 5000, message_bytes = 2000;
static char **socket_paths;
static unsigned socket_count;
static int next_session; /* atomic */
static int next_message; /* atomic */
static double *took_ms;  /* of each message; each is written by one thread */

static const GOptionEntry options[] = {
    {"rcpt", 0, 0, G_OPTION_ARG_STRING, &recipient, "the recipient of all", "ADDRESS"},
    {"sessions", 0, 0, G_OPTION_ARG_INT, &sessions, "at one time, default 1", "N"},
    {"messages", 0, 0, G_OPTION_ARG_INT, &messages, "in all, default 5000", "N"},
    {"bytes", 0, 0, G_OPTION_ARG_INT, &message_bytes, "of each, default 2000", "N"},
    {"invite", 0, 0, G_OPTION_ARG_STRING, &invite_type, "invitations, as this type", "TYPE"},
    {0}};

static void die(const char *what)
{
    fprintf(stderr, "lmtp-client: %s\n", what);
    exit(1);
}

/* Reads a whole reply, which has lines "250-" and a last one "250 ". */
static void expect(int fd)
{
    char reply[4096];
    size_t size = 0;
    for (;;) {
        ssize_t got = read(fd, reply + size, sizeof(reply) - 1 - size);
        if (got <= 0)
            die("the server hung up");
        size += (size_t)got;
        reply[size] = '\0';
        if (reply[size - 1] != '\n')
            continue;
        const char *line = reply;
        for (const char *at = reply; (at = strchr(at, '\n')) && at[1]; at++)
            line = at + 1;
        if (strlen(line) < 4 || line[3] == '-')
            continue;
        if (*line != '2' && *line != '3')
            die(reply);
        return;
    }
}

static void say(int fd, const char *text, size_t size)
{
    if (write(fd, text, size) != (ssize_t)size)
        die("the server does not read");
    expect(fd);
}

static int open_session(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, socket_path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("could not connect");
    expect(fd);
    say(fd, "LHLO bench.example.org\r\n", strlen("LHLO bench.example.org\r\n"));
    return fd;
}

/* An event of an hour, each time another. */
static void write_invitation(GString *text, const char *to, int number)
{
    g_string_printf(
        text,
        "From: Sender <sender@example.com>\r\nTo: <%s>\r\nSubject: Invitation %d\r\n"
        "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d.%d@bench.example.org>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\nYou are invited.\r\n--b\r\n"
        "Content-Type: %s; charset=utf-8\r\n\r\n",
        to, number, number, (int)getpid(), invite_type);
    g_string_append_printf(
        text,
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nMETHOD:REQUEST\r\n"
        "BEGIN:VEVENT\r\nUID:%d.%d@bench.example.org\r\nDTSTAMP:20261123T100000Z\r\nSEQUENCE:0\r\n"
        "ORGANIZER;CN=Sender:mailto:sender@example.com\r\nDTSTART:203601%02dT%02d0000Z\r\n"
        "DURATION:PT1H\r\nSUMMARY:Meeting %d\r\nLOCATION:Room %d\r\n"
        "ATTENDEE;RSVP=TRUE:mailto:%s\r\n",
        number, (int)getpid(), number % 28 + 1, number % 24, number, number % 7, to);
    for (int i = 0; i < 5; i++)
        g_string_append_printf(
            text, "ATTENDEE;CN=Guest %d;RSVP=TRUE:mailto:guest%d@example.com\r\n", i, i);
    while (text->len < (gsize)message_bytes)
        g_string_append(text, "COMMENT:what is to be said about it and what to bring along\r\n");
    g_string_append(text, "END:VEVENT\r\nEND:VCALENDAR\r\n--b--\r\n.\r\n");
}

/* Words that differ from message to message, so that no store can keep them once. */
static void write_message(GString *text, const char *to, int number)
{
    static const char *const WORDS[] = {"meeting", "tomorrow", "the",     "release", "of",
                                        "patch",   "review",   "kernel",  "please",  "and",
                                        "invoice", "garden",   "weather", "minutes", "list"};
    g_string_printf(text,
                    "From: Sender <sender@example.com>\r\nTo: <%s>\r\nSubject: message %d\r\n"
                    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
                    "Message-ID: <%d.%d@bench.example.org>\r\n\r\n",
                    to, number, number, (int)getpid());
    unsigned state = (unsigned)number;
    while (text->len < (gsize)message_bytes) {
        for (unsigned i = 0; i < 10; i++) {
            state = state * 1664525u + 1013904223u;
            g_string_append_printf(text, "%s ", WORDS[(state >> 16) % G_N_ELEMENTS(WORDS)]);
        }
        g_string_append_printf(text, "%08x\r\n", state);
    }
    g_string_append(text, ".\r\n");
}

static gpointer run_session(gpointer data)
{
    (void)data;
    unsigned session = (unsigned)g_atomic_int_add(&next_session, 1);
    int fd = open_session(socket_paths[session % socket_count]);
    g_autoptr(GString) text = g_string_new(NULL), name = g_string_new(recipient);
    g_autofree char *number_of_session = g_strdup_printf("%u", session);
    g_string_replace(name, "%", number_of_session, 0);
    g_autofree char *to = g_strdup_printf("RCPT TO:<%s>\r\n", name->str);
    for (int number; (number = g_atomic_int_add(&next_message, 1)) < messages;) {
        (invite_type ? write_invitation : write_message)(text, name->str, number);
        int64_t begin = clock_monotonic_us(clock_real());
        say(fd, "MAIL FROM:<sender@example.com>\r\n", strlen("MAIL FROM:<sender@example.com>\r\n"));
        say(fd, to, strlen(to));
        say(fd, "DATA\r\n", strlen("DATA\r\n"));
        say(fd, text->str, text->len);
        took_ms[number] = (double)(clock_monotonic_us(clock_real()) - begin) / 1000;
    }
    say(fd, "QUIT\r\n", strlen("QUIT\r\n"));
    close(fd);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("SOCKET...");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        die(error->message);
    if (argc < 2 || sessions < 1 || sessions > SESSIONS_MAX || messages < 1 || message_bytes < 0)
        die("see --help");
    socket_paths = argv + 1;
    socket_count = (unsigned)argc - 1;
    took_ms = g_new0(double, messages);
    GThread *threads[SESSIONS_MAX] = {NULL};
    int64_t begin = clock_monotonic_us(clock_real());
    for (int i = 0; i < sessions; i++)
        threads[i] = g_thread_new("session", run_session, NULL);
    for (int i = 0; i < sessions; i++)
        g_thread_join(threads[i]);
    double seconds = (double)(clock_monotonic_us(clock_real()) - begin) / 1e6;
    qsort(took_ms, (size_t)messages, sizeof(double), compare);
    printf("%.1f\t%.3f\t%.3f\n", messages / seconds, took_ms[messages / 2],
           took_ms[(int)(0.99 * (messages - 1))]);
    g_free(took_ms);
    return 0;
}
