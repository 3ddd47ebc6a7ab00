/* tls_export: a certificate for programs beside rota.
 *
 * How it fits: tls_keeper.c calls it for each certificate that this node exports, `rota cert
 * export` for one. base/child runs the hook, as for roles of the operator's own.
 *
 * Failures: told; the keeper logs them and tries again. Known weak point: a program that reads
 * fullchain.pem and privkey.pem at the moment between the two may see one of each; combined.pem has
 * no such moment.
 */
#include "app/tls_export.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "content/private_key.h"

#define HOOK_MS      60000
#define LOOK_MS      100
#define OUTPUT_BYTES 500
#define PATH_TEXT    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---------------------------------------------------------------- files */

static bool write_all(int fd, const char *text)
{
    for (size_t size = strlen(text), at = 0; at < size;) {
        ssize_t done = write(fd, text + at, size - at);
        if (done < 0 && errno != EINTR)
            return false;
        at += (size_t)MAX(done, 0);
    }
    return fsync(fd) == 0;
}

static bool has_text(const char *path, const char *text)
{
    g_autofree char *there = NULL;
    gsize size = 0;
    bool same = g_file_get_contents(path, &there, &size, NULL) && size == strlen(text) &&
                memcmp(there, text, size) == 0;
    private_key_text_free(g_steal_pointer(&there));
    return same;
}

static bool write_file(const char *folder, const char *name, const char *text, mode_t mode,
                       GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *beside = g_strdup_printf("%s.new", path);
    if (has_text(path, text))
        return true;
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    bool good = fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, text);
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (good && rename(beside, path) == 0)
        return true;
    why = good ? errno : why;
    unlink(beside);
    return fail(error, ERROR_RETRY, "could not write \"%s\": %s", path, g_strerror(why));
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    int done = fsync(fd);
    (void)done; /* the files themselves are durable; their names are soon */
    close(fd);
}

bool tls_export_files(const char *folder, const char *chain, const char *key, GError **error)
{
    if (g_mkdir_with_parents(folder, 0755) < 0)
        return fail(error, ERROR_RETRY, "could not make the folder \"%s\": %s", folder,
                    g_strerror(errno));
    char *both = g_strconcat(key, chain, NULL);
    bool good = write_file(folder, "privkey.pem", key, 0600, error) &&
                write_file(folder, "fullchain.pem", chain, 0644, error) &&
                write_file(folder, "combined.pem", both, 0600, error);
    private_key_text_free(both);
    sync_folder(folder);
    return good;
}

/* ---------------------------------------------------------------- the hook */

static GPtrArray *environment_of(const AcmeDuty *duty)
{
    GPtrArray *env = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *domains = g_strjoinv(" ", duty->domains);
    const char *path = g_getenv("PATH");
    g_ptr_array_add(env, path ? g_strdup_printf("PATH=%s", path) : g_strdup(PATH_TEXT));
    g_ptr_array_add(env, g_strdup_printf("ROTA_CERTIFICATE=%s", duty->name));
    g_ptr_array_add(env, g_strdup_printf("ROTA_CERTIFICATE_FOLDER=%s", duty->export_folder));
    g_ptr_array_add(env, g_strdup_printf("ROTA_DOMAINS=%s", domains));
    g_ptr_array_add(env, NULL);
    return env;
}

static bool run_hook(const AcmeDuty *duty, GError **error)
{
    g_autoptr(GPtrArray) env = environment_of(duty);
    const Clock *clock = clock_real();
    int64_t until_us = clock_monotonic_us(clock) + HOOK_MS * 1000;
    ChildAsk ask = {.argv = (const char *const *)duty->deploy_hook,
                    .env = (const char *const *)env->pdata,
                    .directory = "/",
                    .until_us = until_us};
    g_autoptr(Child) child = child_start(&ask, error);
    if (!child)
        return false;
    while (!child_wait(child, LOOK_MS))
        continue; /* its guard ends it in time */
    ChildEnd end = child_end(child);
    if (end.kind == CHILD_EXITED && end.value == 0 && !end.late)
        return true;
    g_autofree char *output = child_output(child, OUTPUT_BYTES);
    return fail(error, ERROR_RETRY, "the deploy-hook \"%.80s\" of \"%s\" %s %d%s%s",
                duty->deploy_hook[0], duty->name,
                end.kind == CHILD_EXITED        ? "ended with status"
                : end.kind == CHILD_NOT_STARTED ? "could not be started: error"
                                                : "was ended: signal",
                end.value, *output ? "; its output ends: " : "", output);
}

/* ---------------------------------------------------------------- both */

bool tls_export_is_wanted(const AcmeDuty *duty, int64_t node)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, node);
    return *duty->export_folder &&
           (!duty->export_nodes[0] ||
            g_strv_contains((const gchar *const *)duty->export_nodes, number));
}

bool tls_export(const AcmeDuty *duty, const char *chain, const char *key, bool *ret_deployed,
                GError **error)
{
    Digest digest = digest_of(chain, strlen(chain));
    g_autofree char *mark = digest_format(&digest);
    g_autofree char *marked = g_build_filename(duty->export_folder, ".deployed", NULL);
    *ret_deployed = false;
    if (!tls_export_files(duty->export_folder, chain, key, error))
        return false;
    if (has_text(marked, mark))
        return true;
    if (duty->deploy_hook[0] && !run_hook(duty, error))
        return false;
    *ret_deployed = true;
    return write_file(duty->export_folder, ".deployed", mark, 0644, error);
}
