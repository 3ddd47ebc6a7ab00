/* child: our side of a command that runs: the guard is started, spoken to, listened to.
 *
 * How it fits: the duty of custom roles is the one caller; what is started, and what its end means,
 * is its to say. posix_spawn makes the process, for this program has many threads and fork would
 * copy them all in no known state. The socket to the guard keeps its messages whole
 * (SOCK_SEQPACKET) and tells each side of the other's death.
 *
 * Of the output the last OUTPUT_BYTES_MAX are kept, in a ring; a flood is read and thrown away, so
 * that it costs time and no memory. Its pipe is not waited for: who holds it open is nobody's
 * concern once the guard says that all have ended.
 *
 * Failures: no process, no descriptors (ERROR_RETRY). Known weak point: the program and its
 * libraries are loaded anew for each command, which costs about ten milliseconds.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/child_private.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"

#define OUTPUT_BYTES_MAX                                                                           \
    (4 * TASK_ERROR_BYTES_MAX) /* kept: more than is shown, for it is cleaned */
#define READ_BYTES     65536   /* what a pipe holds */
#define LAST_READS_MAX 64      /* of a pipe whose command has ended: it holds no more */
#define FREE_MS        2000    /* for the guard to end what is freed while it runs */
#define FD_FIRST       16      /* our ends lie above what the guard gets as 0 to 3 */

struct Child {
    pid_t guard;        /* 0: reaped */
    pid_t command;      /* 0: not known yet */
    int socket, output; /* -1: closed */
    int64_t until_us;   /* as last told */
    int64_t stop_ms;    /* the shortest grace told; -1: none */
    bool over, failed;
    ChildEnd end;
    char ring[OUTPUT_BYTES_MAX];
    size_t written; /* bytes ever put into the ring */
};

/* ---------------------------------------------------------------- start */

/* Away from the descriptors that the guard gets by number. */
static bool lift(int fd[2])
{
    for (int i = 0; i < 2; i++) {
        int high = fcntl(fd[i], F_DUPFD_CLOEXEC, FD_FIRST);
        if (high < 0)
            return false;
        close(fd[i]);
        fd[i] = high;
    }
    return true;
}

static void close_both(int fd[2])
{
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

static int spawn(Child *child, const ChildAsk *ask, int output, int socket)
{
    char until[24];
    snprintf(until, sizeof until, "%" PRId64, ask->until_us);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *first[] = {"rota", GUARD_WORD, until, ask->directory};
    for (unsigned i = 0; i < G_N_ELEMENTS(first); i++)
        g_ptr_array_add(argv, (gpointer)(uintptr_t)first[i]);
    for (const char *const *word = ask->argv; *word; word++)
        g_ptr_array_add(argv, (gpointer)(uintptr_t)*word);
    g_ptr_array_add(argv, NULL);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, socket, GUARD_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, GUARD_FD + 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int result = posix_spawn(&child->guard, "/proc/self/exe", &actions, &attributes,
                             (char **)argv->pdata, (char **)(uintptr_t)ask->env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

Child *child_start(const ChildAsk *ask, GError **error)
{
    int output[2] = {-1, -1}, sockets[2] = {-1, -1};
    Child *child = g_new0(Child, 1);
    child->until_us = ask->until_us;
    child->stop_ms = -1;
    bool good = pipe2(output, O_CLOEXEC) == 0 && lift(output) &&
                socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0 &&
                lift(sockets) && fcntl(output[0], F_SETFL, O_NONBLOCK) == 0;
    int number = good ? spawn(child, ask, output[1], sockets[1]) : errno;
    if (number != 0) {
        close_both(output);
        close_both(sockets);
        g_free(child);
        fail(error, ERROR_RETRY, "could not start a process: %s", g_strerror(number));
        return NULL;
    }
    close(output[1]);
    close(sockets[1]);
    child->output = output[0];
    child->socket = sockets[0];
    return child;
}

/* ---------------------------------------------------------------- to the guard */

static void tell(Child *child, GuardVerb verb, int64_t value)
{
    GuardMessage message = {.verb = (int32_t)verb, .value = value};
    ssize_t ignored = send(child->socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored; /* one that hears nothing keeps to the time it knows */
}

void child_allow(Child *child, int64_t until_us)
{
    if (child->over || until_us == child->until_us)
        return;
    child->until_us = until_us;
    tell(child, GUARD_ALLOW, until_us);
}

void child_stop(Child *child, int64_t grace_ms)
{
    if (child->over || (child->stop_ms >= 0 && child->stop_ms <= grace_ms))
        return;
    child->stop_ms = grace_ms;
    tell(child, GUARD_STOP, grace_ms);
}

/* ---------------------------------------------------------------- from the guard */

/* False: there is nothing more to be had now. */
static bool read_output(Child *child)
{
    char bytes[READ_BYTES];
    ssize_t got = child->output < 0 ? 0 : read(child->output, bytes, sizeof bytes);
    if (got == 0 && child->output >= 0) {
        close(child->output);
        child->output = -1;
    }
    for (ssize_t i = MAX(0, got - OUTPUT_BYTES_MAX); i < got; i++)
        child->ring[child->written++ % OUTPUT_BYTES_MAX] = bytes[i];
    return got > 0;
}

static void reap(Child *child)
{
    while (child->guard != 0 && waitpid(child->guard, NULL, 0) < 0 && errno == EINTR)
        continue;
    child->guard = 0;
}

static void take_end(Child *child, ChildEnd end)
{
    for (int i = 0; i < LAST_READS_MAX && read_output(child); i++)
        continue;
    child->over = true;
    if (!child->failed)
        child->end = end;
}

static void hear(Child *child)
{
    GuardMessage message;
    ssize_t got = recv(child->socket, &message, sizeof message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != sizeof message) {
        /* The guard is gone without a word: what it watched got the kernel's signal. */
        if (child->command > 0)
            kill(-child->command, SIGKILL);
        bool late = clock_monotonic_us(clock_real()) >= child->until_us;
        take_end(child, (ChildEnd){.kind = CHILD_LOST, .late = late});
    } else if (message.verb == GUARD_STARTED) {
        child->command = (pid_t)message.value;
    } else if (message.verb == GUARD_FAILED) {
        child->failed = true;
        child->end = (ChildEnd){.kind = (ChildEndKind)message.value, .value = message.status};
    } else if (message.verb == GUARD_ENDED) {
        take_end(child, (ChildEnd){.kind = (ChildEndKind)message.value,
                                   .value = message.status,
                                   .late = message.late,
                                   .left = message.left,
                                   .surviving = message.surviving});
    }
}

bool child_wait(Child *child, int64_t ms)
{
    int64_t until = clock_monotonic_us(clock_real()) + ms * 1000;
    while (!child->over) {
        int64_t left = until - clock_monotonic_us(clock_real());
        if (left <= 0)
            return false;
        struct pollfd fds[] = {{.fd = child->socket, .events = POLLIN},
                               {.fd = child->output, .events = POLLIN}};
        poll(fds, G_N_ELEMENTS(fds), (int)(left / 1000 + 1));
        if (fds[1].revents)
            read_output(child);
        if (fds[0].revents)
            hear(child);
    }
    reap(child);
    return true;
}

void child_free(Child *child)
{
    if (!child)
        return;
    if (!child->over)
        child_stop(child, 0);
    if (!child_wait(child, FREE_MS)) {
        if (child->command > 0)
            kill(-child->command, SIGKILL);
        kill(child->guard, SIGKILL);
        reap(child);
    }
    if (child->output >= 0)
        close(child->output);
    close(child->socket);
    g_free(child);
}

/* ---------------------------------------------------------------- result */

ChildEnd child_end(const Child *child)
{
    return child->end;
}

/* Colours and the like are of no use in a row or a log: what is no letter becomes a space. */
static void clean(char *text)
{
    for (char *at = text; *at; at = g_utf8_next_char(at)) {
        gunichar letter = g_utf8_get_char(at);
        if (letter != '\n' && letter < 0x80 && g_ascii_iscntrl((char)letter))
            *at = ' ';
    }
}

char *child_output(const Child *child, size_t bytes)
{
    size_t size = MIN(child->written, (size_t)OUTPUT_BYTES_MAX);
    g_autofree char *raw = g_malloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        char byte = child->ring[(child->written - size + i) % OUTPUT_BYTES_MAX];
        raw[i] = byte ? byte : ' ';
    }
    raw[size] = '\0';
    const char *start = raw;
    while (child->written > size && (*start & 0xc0) == 0x80) /* the cut may be within a letter */
        start++;
    g_autofree char *valid = g_utf8_make_valid(start, -1);
    clean(valid);
    g_strstrip(valid);
    size_t length = strlen(valid);
    const char *end = valid + (length > bytes ? length - bytes : 0);
    while ((*end & 0xc0) == 0x80)
        end++;
    return g_strdup(end);
}

/* ---------------------------------------------------------------- looking */

static bool is_command(const char *path, const char **ret_why)
{
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        *ret_why = "there is no such file";
    else if (g_file_test(path, G_FILE_TEST_IS_DIR))
        *ret_why = "it is a directory";
    else if (access(path, X_OK) != 0)
        *ret_why = "this user may not execute it";
    else
        return true;
    return false;
}

char *child_find(const char *command, const char *const *env, const char **ret_why)
{
    const char *path = NULL;
    if (strchr(command, '/'))
        return is_command(command, ret_why) ? g_strdup(command) : NULL;
    for (; *env && !path; env++)
        if (g_str_has_prefix(*env, "PATH="))
            path = *env + strlen("PATH=");
    *ret_why = "it is not in PATH";
    g_auto(GStrv) folders = g_strsplit(path ? path : "/bin:/usr/bin", ":", -1);
    for (char **folder = folders; *folder; folder++) {
        g_autofree char *file = g_build_filename(**folder ? *folder : ".", command, NULL);
        const char *why = NULL;
        if (is_command(file, &why))
            return g_steal_pointer(&file);
        if (g_file_test(file, G_FILE_TEST_IS_REGULAR))
            *ret_why = why;
    }
    return NULL;
}
