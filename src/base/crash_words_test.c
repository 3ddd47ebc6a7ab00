/* crash_words_test: a process that is ended for a mistake says which work it was at. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER true
#else
#define HAS_SANITIZER false
#endif

/* A child that dies of the signal at some work; what it said, and the signal it died of. */
static char *last_words(int number, int *ret_signal)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        crash_install();
        log_field_push("node", "4");
        log_field_push("role", "fts-indexing");
        log_field_push("shard", "2");
        log_field_push("task", "17");
        raise(number);
        _exit(0);
    }
    close(ends[1]);
    GString *said = g_string_new(NULL);
    char buffer[4096];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
        g_string_append_len(said, buffer, got);
    close(ends[0]);
    assert_true(waitpid(child, &status, 0) == child);
    *ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return g_string_free(said, FALSE);
}

static void test_last_words(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
    } rows[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(rows) && !HAS_SANITIZER; i++) {
        int number;
        g_autofree char *said = last_words(rows[i].number, &number);
        g_autofree char *want = g_strdup_printf(
            "bug: ended by %s node=4 role=fts-indexing shard=2 task=17\n", rows[i].name);
        assert_int_equal(number, rows[i].number);
        if (!g_str_has_prefix(said, want))
            fail_msg("said: %s", said);
        assert_non_null(strchr(said + strlen(want), '\n')); /* return addresses */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_last_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
