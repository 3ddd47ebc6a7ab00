/* cmd_serve: `rota serve`, this node in the foreground: signals in, exit status out.
 *
 * How it fits: it makes the process ready (memory, signals, log), starts app/serve and waits for
 * what comes first: SIGTERM, SIGINT   hand over: claim no more, end what is in hand, give the lease
 * back. A second one ends the process at once, which loses nothing either: the lease runs out and
 * the store takes back what was open SIGHUP            read the settings again and propose their
 * role table a change of the node's state; the watchdog's time
 *
 * Failures: the store cannot be reached (75), settings broken (2), another process or node has what
 * we need (1): each with the reason. Known weak point: settings other than the role table need a
 * restart.
 */
#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "content/message.h"
#include "app/command.h"
#include "app/serve.h"
#include "app/serve_notify.h"

/* glibc gives each thread an arena of its own and keeps what was freed: with tens of threads that
 * is most of a node's memory. */
static void bound_memory(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD,
            256 * 1024); /* a large message goes back to the system when it is done */
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

/* Signals are read from a descriptor: no handler runs in any thread. */
static int take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file over its limit is a full disk, and no reason to die */
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    MUST(fd >= 0);
    return fd;
}

/* From now on a signal ends the process, as it does everywhere. */
static void give_signals_back(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    MUST(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

/* 0: no signal waits. */
static unsigned next_signal(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof(info)) == sizeof(info) ? info.ssi_signo : 0;
}

/* False: the node was refused, and the process ends. */
static bool state_changed(const Serve *serve)
{
    uint64_t changes;
    ssize_t got = read(serve_changed_fd(serve), &changes, sizeof(changes));
    (void)got; /* nothing to read is nothing to do */
    switch (serve_state(serve)) {
    case NODE_UP: {
        g_autofree char *doors = serve_format_doors(serve);
        log_event(LOG_LEVEL_INFO, "serve.ready", "this node works; %s", doors);
        g_autofree char *text = g_strdup_printf("READY=1\nSTATUS=Works; %s", doors);
        serve_notify(text);
        return true;
    }
    case NODE_DRAINING:
        serve_notify("STATUS=Draining");
        return true;
    case NODE_DRAINED:
        serve_notify("STATUS=Drained: does no background work until it is started again");
        return true;
    case NODE_REFUSED:
        return false;
    case NODE_STARTING:
    case NODE_STOPPED:
        return true;
    }
    return true;
}

/* Until it shall end. The exit status. */
static int wait_for_end(Serve *serve, int signals)
{
    int64_t watchdog_us = serve_notify_watchdog_us();
    for (;;) {
        struct pollfd fds[2] = {{.fd = signals, .events = POLLIN},
                                {.fd = serve_changed_fd(serve), .events = POLLIN}};
        int got =
            poll(fds, 2, watchdog_us > 0 ? (int)MIN(watchdog_us / 1000 + 1, 3600 * 1000) : -1);
        MUST(got >= 0 || errno == EINTR);
        if (watchdog_us > 0 && serve_is_alive(serve))
            serve_notify("WATCHDOG=1");
        if (fds[1].revents && !state_changed(serve))
            return EXIT_NO;
        for (unsigned number; (number = next_signal(signals)) != 0;) {
            if (number != SIGHUP) {
                log_event(LOG_LEVEL_INFO, "serve.stopping", "got %s: hands over",
                          number == SIGINT ? "SIGINT" : "SIGTERM");
                return EXIT_FINE;
            }
            serve_reload(serve);
        }
    }
}

static int run_serve(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    bound_memory();
    crash_install();
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    if (!settings)
        return command_fail(error);
    log_setup(settings->log_level, settings->log_format);
    message_library_init();
    int signals = take_signals();
    Db *db = command_open_db(context, COMMAND_STORE_CREATE, &error);
    Serve *serve = db ? serve_start(settings, context->clock, db, &error) : NULL;
    if (!serve)
        return command_fail(error);
    int status = wait_for_end(serve, signals);
    serve_notify("STOPPING=1");
    give_signals_back();
    if (!serve_stop(serve)) {
        log_event(LOG_LEVEL_WARNING, "serve.cut-off",
                  "some work did not end in time: it is left as a crash would leave it");
        _exit(EXIT_NO);
    }
    log_event(LOG_LEVEL_INFO, "serve.stopped", "handed over");
    close(signals);
    return status;
}

const Command cmd_serve = {
    .name = "serve",
    .usage = "",
    .summary = "run this node in the foreground, until SIGTERM or Ctrl-C",
    .example = "rota serve -c /etc/rota/rota.toml",
    .run = run_serve,
};
