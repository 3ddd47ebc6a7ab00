/* child: commands that end, fail, hang, flood, hide and are not there; and the guard that outlives
 * who started it. This program is its own guard: see main. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "support.h"

#include "base/child.h"
#include "base/clock.h"

#define SECOND  INT64_C(1000000)
#define WAIT_MS 20000 /* far more than any of these takes */
#define FOREVER "exec sleep 100"

static const char *const plain_env[] = {"PATH=/usr/bin:/bin", "A=b c", NULL};

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_real());
}

static Child *start_argv(const char *const *argv, const char *directory, int64_t allowed_us)
{
    g_autoptr(GError) error = NULL;
    ChildAsk ask = {
        .argv = argv, .env = plain_env, .directory = directory, .until_us = now_us() + allowed_us};
    Child *child = child_start(&ask, &error);
    assert_no_error(error);
    return child;
}

static Child *start(const char *script, int64_t allowed_us)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    return start_argv(argv, "/", allowed_us);
}

/* A folder that goes with its test; caller frees. */
static char *make_folder(void)
{
    char *folder = g_dir_make_tmp("rota-child-XXXXXX", NULL);
    assert_non_null(folder);
    return folder;
}

static bool is_alive(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    const char *end = strrchr(text, ')');
    return end && end[2] != 'Z';
}

static bool wait_for_end(pid_t pid)
{
    for (int i = 0; i < WAIT_MS / 10 && is_alive(pid); i++)
        poll(NULL, 0, 10);
    return !is_alive(pid);
}

/* The number that a process writes into a file, once it is there. */
static pid_t wait_for_pid(const char *path)
{
    for (int i = 0; i < WAIT_MS / 10; i++) {
        g_autofree char *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL) && strchr(text, '\n'))
            return (pid_t)g_ascii_strtoll(text, NULL, 10);
        poll(NULL, 0, 10);
    }
    fail_msg("%s does not come", path);
    return 0;
}

static void commands_end(void **state)
{
    (void)state;
    static const struct {
        const char *name, *script;
        ChildEndKind kind;
        int value;
        const char *output;
        bool left;
    } rows[] = {
        {"well", "exit 0", CHILD_EXITED, 0, "", false},
        {"status", "echo no >&2; exit 3", CHILD_EXITED, 3, "no", false},
        {"temporary", "exit 75", CHILD_EXITED, EX_TEMPFAIL, "", false},
        {"signal", "kill -SEGV $$", CHILD_SIGNALLED, SIGSEGV, "", false},
        {"both streams", "echo one; echo two >&2", CHILD_EXITED, 0, "one\ntwo", false},
        {"environment", "echo \"$A\"; env | grep -vc PWD=", CHILD_EXITED, 0, "b c\n2", false},
        {"directory", "pwd", CHILD_EXITED, 0, "/", false},
        {"no input", "cat; echo end", CHILD_EXITED, 0, "end", false},
        {"nothing else open", "ls /proc/self/fd | wc -l", CHILD_EXITED, 0, "4", false},
        {"hostile bytes", "printf 'a\\033[31mb\\000c\\377d\\r\\n'", CHILD_EXITED, 0,
         "a [31mb c\xef\xbf\xbd"
         "d",
         false},
        {"in the background", "sleep 100 & exit 0", CHILD_EXITED, 0, "", true},
        {"a daemon", "setsid sh -c 'setsid sleep 100 & exec sleep 100' & exit 4", CHILD_EXITED, 4,
         "", true},
        {"deaf", "trap '' TERM; (sleep 100 & sleep 100) & exit 0", CHILD_EXITED, 0, "", true},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Child) child = start(rows[i].script, 60 * SECOND);
        if (!child_wait(child, WAIT_MS))
            fail_msg("%s: did not end", rows[i].name);
        ChildEnd end = child_end(child);
        g_autofree char *output = child_output(child, 200);
        if (end.kind != rows[i].kind || end.value != rows[i].value || end.left != rows[i].left ||
            end.late || end.surviving || strcmp(output, rows[i].output) != 0)
            fail_msg("%s: got kind %d value %d left %d output \"%s\"", rows[i].name, end.kind,
                     end.value, end.left, output);
    }
}

static void what_cannot_be_started_says_why(void **state)
{
    (void)state;
    g_autofree char *folder = make_folder();
    g_autofree char *file = g_build_filename(folder, "plain", NULL);
    assert_true(g_file_set_contents(file, "#!/bin/sh\n", -1, NULL));
    const struct {
        const char *command, *directory;
        ChildEndKind kind;
        int value;
        const char *why; /* of child_find */
    } rows[] = {
        {"/nowhere/at-all", "/", CHILD_NOT_STARTED, ENOENT, "there is no such file"},
        {"no-such-command-anywhere", "/", CHILD_NOT_STARTED, ENOENT, "it is not in PATH"},
        {file, "/", CHILD_NOT_STARTED, EACCES, "this user may not execute it"},
        {folder, "/", CHILD_NOT_STARTED, EACCES, "it is a directory"},
        {"true", "/nowhere", CHILD_NO_FOLDER, ENOENT, NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *argv[] = {rows[i].command, NULL}, *why = NULL;
        g_autoptr(Child) child = start_argv(argv, rows[i].directory, 60 * SECOND);
        assert_true(child_wait(child, WAIT_MS));
        ChildEnd end = child_end(child);
        assert_int_equal(end.kind, rows[i].kind);
        assert_int_equal(end.value, rows[i].value);
        g_autofree char *found = child_find(rows[i].command, plain_env, &why);
        if (rows[i].why)
            assert_string_equal(why, rows[i].why);
        assert_int_equal(found == NULL, rows[i].why != NULL);
    }
    unlink(file);
    rmdir(folder);
}

static void a_flood_is_read_and_its_end_is_kept(void **state)
{
    (void)state;
    g_autoptr(Child) child =
        start("head -c 30000000 /dev/zero | tr '\\0' x; echo; echo the end", 60 * SECOND);
    assert_true(child_wait(child, WAIT_MS));
    g_autofree char *output = child_output(child, 100), *all = child_output(child, G_MAXINT);
    assert_int_equal(strlen(output), 100);
    assert_true(g_str_has_suffix(output, "xxx\nthe end"));
    assert_true(strlen(all) < 20000);
}

static void a_cut_within_a_letter_shows_none_of_it(void **state)
{
    (void)state;
    g_autoptr(Child) child = start("printf 'äöü'", 60 * SECOND);
    assert_true(child_wait(child, WAIT_MS));
    for (unsigned bytes = 0; bytes <= 6; bytes++) {
        g_autofree char *output = child_output(child, bytes);
        assert_true(g_utf8_validate(output, -1, NULL));
        assert_int_equal(strlen(output), bytes / 2 * 2);
    }
}

static void a_stop_asks_first_and_then_kills(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int64_t grace_ms;
        ChildEndKind kind;
        int value;
    } rows[] = {
        {"echo up; " FOREVER, WAIT_MS, CHILD_SIGNALLED, SIGTERM},
        {"trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done", WAIT_MS, CHILD_EXITED, 7},
        {"trap '' TERM; echo up; while :; do sleep 0.05; done", 100, CHILD_SIGNALLED, SIGKILL},
        {"echo up; kill -STOP $$", 100, CHILD_SIGNALLED, SIGTERM},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Child) child = start(rows[i].script, 60 * SECOND);
        for (int t = 0; t < WAIT_MS / 10; t++) { /* its trap is set */
            assert_false(child_wait(child, 10));
            g_autofree char *output = child_output(child, 10);
            if (*output)
                break;
        }
        child_stop(child, rows[i].grace_ms);
        assert_true(child_wait(child, WAIT_MS));
        ChildEnd end = child_end(child);
        if (end.kind != rows[i].kind || end.value != rows[i].value)
            fail_msg("%s: got kind %d value %d", rows[i].script, end.kind, end.value);
    }
}

static void what_it_is_allowed_is_kept_to(void **state)
{
    (void)state;
    int64_t start_us = now_us();
    g_autoptr(Child) child = start(FOREVER, SECOND / 2);
    child_allow(child, start_us + SECOND);
    assert_true(child_wait(child, WAIT_MS));
    assert_true(child_end(child).late);
    assert_true(now_us() >= start_us + SECOND);
}

/* Starts a command from a process of its own, and gives that process and the command. */
static pid_t start_beside(const char *path, int64_t allowed_us, pid_t *ret_command)
{
    g_autofree char *script = g_strdup_printf("(echo $$ > %s; " FOREVER ")", path);
    pid_t pid = fork(); /* this program has one thread */
    assert_true(pid >= 0);
    if (pid == 0) {
        Child *child = start(script, allowed_us);
        child_wait(child, 6 * WAIT_MS);
        _exit(0);
    }
    *ret_command = wait_for_pid(path);
    return pid;
}

static void nothing_outlives_who_started_it(void **state)
{
    (void)state;
    g_autofree char *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "pid", NULL);
    static const struct {
        int signal;
        int64_t allowed_us;
    } rows[] = {
        {SIGKILL, 60 * SECOND}, /* the guard sees the socket close */
        {SIGSTOP, 2 * SECOND},  /* the guard keeps to the time that it knows */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        pid_t command, pid = start_beside(path, rows[i].allowed_us, &command);
        assert_true(is_alive(command));
        kill(pid, rows[i].signal);
        bool ended = wait_for_end(command);
        kill(pid, SIGKILL); /* before anything can fail: it holds our output open */
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        kill(command, SIGKILL);
        assert_true(ended);
        unlink(path);
    }
    rmdir(folder);
}

/* The parent of a process. */
static pid_t parent_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return (pid_t)strtol(strrchr(text, ')') + 4, NULL, 10);
}

static void a_guard_that_is_killed_takes_its_command_with_it(void **state)
{
    (void)state;
    g_autofree char *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "pid", NULL);
    g_autofree char *script = g_strdup_printf("echo $$ > %s; " FOREVER, path);
    g_autoptr(Child) child = start(script, 60 * SECOND);
    pid_t command = wait_for_pid(path);
    kill(parent_of(command), SIGKILL);
    assert_true(child_wait(child, WAIT_MS));
    assert_int_equal(child_end(child).kind, CHILD_LOST);
    assert_true(wait_for_end(command));
    unlink(path);
    rmdir(folder);
}

static void freeing_a_running_one_ends_it(void **state)
{
    (void)state;
    g_autofree char *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "pid", NULL);
    g_autofree char *script = g_strdup_printf("trap '' TERM; echo $$ > %s; " FOREVER, path);
    Child *child = start(script, 60 * SECOND);
    pid_t command = wait_for_pid(path);
    child_free(child);
    assert_false(is_alive(command));
    unlink(path);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    int guarded = child_guard(argc, argv);
    if (guarded >= 0)
        return guarded;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_end),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(a_flood_is_read_and_its_end_is_kept),
        cmocka_unit_test(a_cut_within_a_letter_shows_none_of_it),
        cmocka_unit_test(a_stop_asks_first_and_then_kills),
        cmocka_unit_test(what_it_is_allowed_is_kept_to),
        cmocka_unit_test(nothing_outlives_who_started_it),
        cmocka_unit_test(a_guard_that_is_killed_takes_its_command_with_it),
        cmocka_unit_test(freeing_a_running_one_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
