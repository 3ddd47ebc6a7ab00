/* crash: the last words of a process that the system ends for a mistake of ours.
 *
 * How it fits: `rota serve` installs it; docs/events.md says what to do with the lines. The handler
 * runs on the thread's own stack, so one that ran over says nothing. It writes with write(2),
 * allocates nothing, and reads the thread's log context, which the thread itself was the last to
 * write.
 *
 * Failures: none that anybody could be told. Known weak point: snprintf is not on POSIX' list of
 * what a handler may call; glibc's takes neither lock nor memory for %s and %d.
 */
#include "base/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

#define FRAMES_MAX 64

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

#ifdef HAS_SANITIZER

void crash_install(void)
{
}

#else

static const struct {
    int number;
    const char *name;
} deadly[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}};

static const char *signal_name(int number)
{
    for (unsigned i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        if (deadly[i].number == number)
            return deadly[i].name;
    }
    return "a signal";
}

static void say_last_words(int number)
{
    char context[512], text[640];
    void *frames[FRAMES_MAX];
    log_context_format(context, sizeof context);
    int size = snprintf(text, sizeof text, "bug: ended by %s%s\n", signal_name(number), context);
    size_t length = size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    ssize_t ignored = write(STDERR_FILENO, text, length);
    (void)ignored;
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    raise(number); /* SA_RESETHAND has brought the default back */
}

void crash_install(void)
{
    /* The first call loads a library, which a handler must not. */
    void *frame[1];
    backtrace(frame, 1);
    struct sigaction action = {.sa_handler = say_last_words, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof deadly / sizeof *deadly; i++)
        sigaction(deadly[i].number, &action, NULL);
}

#endif
