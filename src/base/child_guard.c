/* child_guard: the process between us and a command: see child.h.
 *
 * It is a program of its own with one thread, so that fork and the death signal of a parent (which
 * is that of the parent's thread) mean what they say here. It takes in, as the kernel's subreaper,
 * every process that the command leaves: these are found as its children, whatever sessions and
 * groups they have made for themselves. If the guard itself is killed, the command gets SIGKILL
 * from the kernel (PR_SET_PDEATHSIG).
 *
 * The end: all are asked (SIGTERM to the group and to every child), and after the grace killed,
 * again and again, until there are none. What cannot be killed is given up after a while and told
 * of.
 *
 * Failures: told over the socket; a guard that cannot work at all exits, which its starter sees as
 * a lost one. Known weak point: a command that makes processes faster than they are found is ended
 * by its group only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/child_private.h"
#include "base/clock.h"

#define AGAIN_US   50000                   /* between two rounds of killing */
#define GIVE_UP_US (10 * INT64_C(1000000)) /* of killing what does not die */
#define NEVER_US   INT64_MAX

typedef struct {
    pid_t command;
    int signals;            /* a signalfd of SIGCHLD */
    bool over;              /* the command itself has ended */
    int status;             /* then, as waitpid gave it */
    int64_t until_us;       /* what it is allowed */
    int64_t kill_us;        /* when what is left is killed; NEVER_US: nothing is being ended */
    int64_t killed_us;      /* when the first round of killing was; 0: none */
    bool late, left, alone; /* alone: nobody is at the other end */
    bool failed;            /* the command's process has told why it could not start */
} Guard;

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_real());
}

static void tell(const GuardMessage *message)
{
    ssize_t ignored = send(GUARD_FD, message, sizeof(*message), MSG_NOSIGNAL);
    (void)ignored;
}

/* ---------------------------------------------------------------- the command's process */

static void tell_failure(ChildEndKind kind)
{
    GuardMessage message = {.verb = GUARD_FAILED, .status = errno, .value = kind};
    tell(&message);
    _exit(127);
}

static void become_command(pid_t guard, const char *directory, char **argv)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard)
        _exit(127);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir(directory) < 0)
        tell_failure(CHILD_NO_FOLDER);
    execvp(argv[0], argv);
    tell_failure(CHILD_NOT_STARTED);
}

/* ---------------------------------------------------------------- ending */

/* The parent of a process, by /proc; 0: it is gone. */
static pid_t parent_of(const char *pid)
{
    char path[64], text[512];
    int length = snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int fd = length < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    /* "17 (name) S 4 …": a name may hold anything, parentheses too */
    const char *end = strrchr(text, ')');
    if (!end || strlen(end) < 5)
        return 0;
    return (pid_t)strtol(end + 4, NULL, 10);
}

/* The command's group, and every child of ours: what is left of it. */
static void signal_all(const Guard *guard, int number)
{
    kill(-guard->command, number);
    DIR *folder = opendir("/proc");
    if (!folder)
        return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (g_ascii_isdigit(entry->d_name[0]) && parent_of(entry->d_name) == getpid())
            kill((pid_t)strtol(entry->d_name, NULL, 10), number);
    closedir(folder);
}

static void begin_end(Guard *guard, int64_t grace_ms)
{
    int64_t kill_us = now_us() + grace_ms * 1000;
    if (guard->kill_us == NEVER_US) {
        signal_all(guard, SIGTERM);
        signal_all(guard, SIGCONT);
    }
    guard->kill_us = MIN(guard->kill_us, kill_us);
}

/* ---------------------------------------------------------------- watching */

/* False: there is no process left. */
static bool reap(Guard *guard)
{
    struct signalfd_siginfo info;
    while (read(guard->signals, &info, sizeof info) > 0)
        continue;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return pid == 0;
        if (pid == guard->command) {
            guard->over = true;
            guard->status = status;
        }
    }
}

static void hear(Guard *guard)
{
    GuardMessage message;
    ssize_t got = recv(GUARD_FD, &message, sizeof message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got != sizeof message) {
        guard->alone = true;
        begin_end(guard, CHILD_SHORT_MS);
    } else if (message.verb == GUARD_STOP) {
        begin_end(guard, message.value);
    } else if (message.verb == GUARD_ALLOW && !guard->late) {
        guard->until_us = message.value;
    }
}

static void tick(Guard *guard, int64_t now)
{
    if (guard->kill_us == NEVER_US && guard->over) {
        guard->left = true;
        begin_end(guard, CHILD_SHORT_MS);
    }
    if (!guard->late && now >= guard->until_us) {
        guard->late = true;
        begin_end(guard, CHILD_SHORT_MS);
    }
    if (now < guard->kill_us)
        return;
    if (guard->killed_us == 0)
        guard->killed_us = now;
    signal_all(guard, SIGKILL);
    guard->kill_us = now + AGAIN_US;
}

static void wait_for_something(const Guard *guard, int64_t now)
{
    int64_t next = MIN(guard->kill_us, guard->late ? NEVER_US : guard->until_us);
    struct timespec wait = {0};
    if (next > now) {
        wait.tv_sec = (next - now) / 1000000;
        wait.tv_nsec = (next - now) % 1000000 * 1000;
    }
    struct pollfd fds[] = {{.fd = guard->signals, .events = POLLIN},
                           {.fd = guard->alone ? -1 : GUARD_FD, .events = POLLIN}};
    ppoll(fds, G_N_ELEMENTS(fds), next == NEVER_US ? NULL : &wait, NULL);
}

static void tell_end(const Guard *guard, bool surviving)
{
    bool exited = WIFEXITED(guard->status);
    GuardMessage message = {
        .verb = GUARD_ENDED,
        .value = exited ? CHILD_EXITED : CHILD_SIGNALLED,
        .status = exited ? WEXITSTATUS(guard->status) : WTERMSIG(guard->status),
        .late = guard->late,
        .left = guard->left,
        .surviving = surviving,
    };
    tell(&message);
}

static void watch(Guard *guard)
{
    while (reap(guard)) {
        int64_t now = now_us();
        if (guard->killed_us != 0 && now - guard->killed_us > GIVE_UP_US) {
            tell_end(guard, true);
            return;
        }
        tick(guard, now);
        wait_for_something(guard, now_us());
        if (!guard->alone)
            hear(guard);
    }
    tell_end(guard, false);
}

/* Output is the command's alone: we would hold it open. */
static void let_go_of_output(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
}

static int guard_main(int64_t until_us, const char *directory, char **argv)
{
    Guard guard = {.until_us = until_us, .kill_us = NEVER_US};
    sigset_t all, child;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    guard.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t self = getpid();
    if (guard.signals < 0 || fcntl(GUARD_FD, F_SETFD, FD_CLOEXEC) < 0 || now_us() >= until_us)
        return 1;
    guard.command = fork();
    if (guard.command < 0)
        return 1;
    if (guard.command == 0)
        become_command(self, directory, argv);
    setpgid(guard.command, guard.command);
    GuardMessage started = {.verb = GUARD_STARTED, .value = guard.command};
    tell(&started);
    let_go_of_output();
    watch(&guard);
    return 0;
}

int child_guard(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[1], GUARD_WORD) != 0)
        return -1;
    return guard_main(g_ascii_strtoll(argv[2], NULL, 10), argv[3], argv + 4);
}
