/* maildir_out: a folder of a Maildir, written safely.
 *
 * How it fits: `rota export` reads the store and hands in; names are content/maildir_name's. Files
 * are written to "tmp", many are made durable together, and only then they get their names in
 * "cur". Every directory is opened without following links, relative to the one above.
 *
 * Failures: the file system's; what was flushed stays. What a killed run left in "tmp" under the
 * same name is written anew. Known weak points: messages that left the mailbox stay in the tree (an
 * export adds, it does not mirror); a mailbox whose name is too long for a directory gets a made-up
 * one, and its path lies in a file inside.
 */
#include "app/maildir_out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/must.h"
#include "content/maildir_name.h"

#include "app/import_walk.h"

#define FSYNC_MAX   8  /* files that are made durable one by one */
#define NAME_DIGITS 24 /* of the digest, 96 bits: no two messages share them */

typedef struct {
    char *temporary, *name; /* owned */
} Held;

struct MaildirOut {
    char *place;
    int folder, cur, tmp;
    GHashTable *there; /* of the name's unique part: "cur/NAME" or "new/NAME" */
    GHashTable *used;  /* of the unique parts that this run has met */
    char *letters[MAILDIR_KEYWORDS_MAX];
    Held held[MAILDIR_OUT_HELD_MAX];
    unsigned count;
};

static bool fail_file(const MaildirOut *out, const char *what, const char *name, GError **error)
{
    return fail(error, ERROR_CONFLICT, "could not %s \"%s%s%s\": %s", what, out->place,
                *name ? "/" : "", name, g_strerror(errno));
}

static int open_directory(int above, const char *name)
{
    if (mkdirat(above, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Unique parts end where the flags begin. */
static char *unique_of(const char *name)
{
    const char *flags = maildir_flags(name);
    return *flags || g_str_has_suffix(name, ":2,")
               ? g_strndup(name, (gsize)(flags - name) - strlen(":2,"))
               : g_strdup(name);
}

/* The names that are there already, of "cur" or "new". */
static bool list_there(MaildirOut *out, const char *part, GError **error)
{
    int copy = openat(out->folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    if (!stream) {
        if (copy >= 0)
            close(copy);
        return fail_file(out, "list", part, error);
    }
    for (struct dirent *entry; (entry = readdir(stream));)
        if (entry->d_name[0] != '.')
            g_hash_table_replace(out->there, unique_of(entry->d_name),
                                 g_strconcat(part, "/", entry->d_name, NULL));
    closedir(stream);
    return true;
}

/* A small file of the folder, whole or not at all. */
static bool write_small(MaildirOut *out, const char *name, const char *text, GError **error)
{
    g_autofree char *temporary = g_strconcat("tmp/", name, NULL);
    unlinkat(out->folder, temporary, 0);
    int file = openat(out->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return fail_file(out, "write", name, error);
    bool good = write(file, text, strlen(text)) == (ssize_t)strlen(text) && fsync(file) == 0;
    close(file);
    return (good && renameat(out->folder, temporary, out->folder, name) == 0) ||
           fail_file(out, "write", name, error);
}

static void read_letters(MaildirOut *out)
{
    const char *words[MAILDIR_KEYWORDS_MAX] = {NULL};
    g_auto(GStrv) lines = NULL;
    maildir_read_keywords(out->folder, words, &lines);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        out->letters[i] = g_strdup(words[i]);
}

/* Directory, files of its own, what is there. `exact`: the path, where the name cannot say it. */
static bool open_folder(MaildirOut *out, int root, const char *name, const char *exact,
                        GError **error)
{
    out->folder = open_directory(root, name);
    if (out->folder < 0)
        return fail_file(out, "make", "", error);
    out->cur = open_directory(out->folder, "cur");
    out->tmp = open_directory(out->folder, "tmp");
    int new = open_directory(out->folder, "new");
    if (new >= 0)
        close(new);
    if (out->cur < 0 || out->tmp < 0 || new < 0)
        return fail_file(out, "make", "cur", error);
    if (strcmp(name, ".") != 0 && !write_small(out, "maildirfolder", "", error))
        return false;
    if (exact && !write_small(out, MAILDIR_MAILBOX_FILE, exact, error))
        return false;
    read_letters(out);
    return list_there(out, "cur", error) && list_there(out, "new", error) &&
           (fsync(root) == 0 || fail_file(out, "write", "", error));
}

MaildirOut *maildir_out_open(int root, const char *place, const char *const *parts, GError **error)
{
    g_autofree char *path = g_strjoinv("/", (char **)(gsize)parts), *exact = NULL, *name = NULL;
    if (!*parts) {
        name = g_strdup(".");
    } else if (!(name = maildir_folder_format(parts))) {
        Digest digest = digest_of(path, strlen(path));
        g_autofree char *digits = digest_format(&digest);
        name = g_strdup_printf(".+%.*s", NAME_DIGITS, digits);
        exact = g_strconcat(path, "\n", NULL);
    }
    g_autoptr(MaildirOut) out = g_new0(MaildirOut, 1);
    out->place = *parts ? g_strconcat(place, "/", name, NULL) : g_strdup(place);
    out->folder = out->cur = out->tmp = -1;
    out->there = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    out->used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return open_folder(out, root, name, exact, error) ? g_steal_pointer(&out) : NULL;
}

void maildir_out_close(MaildirOut *out)
{
    if (!out)
        return;
    for (unsigned i = 0; i < out->count; i++) {
        g_free(out->held[i].temporary);
        g_free(out->held[i].name);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(out->letters); i++)
        g_free(out->letters[i]);
    int files[] = {out->folder, out->cur, out->tmp};
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        if (files[i] >= 0)
            close(files[i]);
    g_hash_table_unref(out->there);
    g_hash_table_unref(out->used);
    g_free(out->place);
    g_free(out);
}

/* ---- keywords */

/* The letter of a keyword, '\0': it has none. */
static char letter_of(const MaildirOut *out, const char *keyword)
{
    char flag = maildir_flag(keyword);
    for (int i = 0; !flag && i < MAILDIR_KEYWORDS_MAX; i++)
        if (out->letters[i] && strcmp(out->letters[i], keyword) == 0)
            flag = (char)('a' + i);
    return flag;
}

bool maildir_out_set_keywords(MaildirOut *out, const GPtrArray *keywords, unsigned *ret_left_out,
                              GError **error)
{
    unsigned left_out = 0;
    bool changed = false;
    for (guint i = 0; i < keywords->len; i++) {
        if (letter_of(out, keywords->pdata[i]))
            continue;
        int free_one = 0;
        while (free_one < MAILDIR_KEYWORDS_MAX && out->letters[free_one])
            free_one++;
        if (free_one < MAILDIR_KEYWORDS_MAX) {
            out->letters[free_one] = g_strdup(keywords->pdata[i]);
            changed = true;
        } else {
            left_out++;
        }
    }
    if (ret_left_out)
        *ret_left_out = left_out;
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < MAILDIR_KEYWORDS_MAX; i++)
        if (out->letters[i])
            g_string_append_printf(text, "%d %s\n", i, out->letters[i]);
    return !changed || write_small(out, MAILDIR_KEYWORDS_FILE, text->str, error);
}

static gint compare_flags(gconstpointer a, gconstpointer b)
{
    return *(const char *)a - *(const char *)b;
}

/* The flags of a list of keywords, sorted as a Maildir wants it. */
static char *flags_of(const MaildirOut *out, const char *keywords)
{
    g_auto(GStrv) words = g_strsplit(keywords, " ", -1);
    g_autoptr(GArray) flags = g_array_new(true, false, 1);
    for (char **word = words; *word; word++) {
        char flag = **word ? letter_of(out, *word) : '\0';
        if (flag)
            g_array_append_val(flags, flag);
    }
    g_array_sort(flags, compare_flags);
    return g_strdup(flags->data);
}

/* ---- messages */

/* 1: the file that is there is this message, and has its flags; 0: it is not whole; -1: error. */
static int adopt(MaildirOut *out, const char *there, const char *name, int64_t size, GError **error)
{
    struct stat stat;
    if (fstatat(out->folder, there, &stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(stat.st_mode) ||
        stat.st_size != size)
        return 0;
    if (strcmp(strchr(there, '/') + 1, name) == 0 ||
        renameat(out->folder, there, out->cur, name) == 0)
        return 1;
    return fail_file(out, "rename", there, error) ? 1 : -1;
}

int maildir_out_find(MaildirOut *out, const MaildirMail *mail, char **ret_name, GError **error)
{
    g_autofree char *digits = digest_format(&mail->digest), *flags = flags_of(out, mail->keywords);
    char *unique = NULL;
    for (unsigned number = 1; !unique || !g_hash_table_add(out->used, unique); number++)
        unique = g_strdup_printf("%" PRId64 ".%.*s.%u,S=%" PRId64, mail->received_at / 1000,
                                 NAME_DIGITS, digits, number, mail->size);
    g_autofree char *name = g_strconcat(unique, ":2,", flags, NULL);
    const char *there = g_hash_table_lookup(out->there, unique);
    int found = there ? adopt(out, there, name, mail->size, error) : 0;
    if (found == 0)
        *ret_name = g_steal_pointer(&name);
    return found;
}

static bool write_all(int file, const char *bytes, size_t size)
{
    while (size) {
        ssize_t put = write(file, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        bytes += put;
        size -= (size_t)put;
    }
    return true;
}

bool maildir_out_write(MaildirOut *out, const char *name, GBytes *bytes, int64_t received_at,
                       GError **error)
{
    MUST(out->count < MAILDIR_OUT_HELD_MAX);
    g_autofree char *temporary = unique_of(name);
    unlinkat(out->tmp, temporary, 0); /* of a run that was killed */
    int file = openat(out->tmp, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return fail_file(out, "write", name, error);
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    struct timespec times[2] = {
        {.tv_nsec = UTIME_NOW},
        {.tv_sec = received_at / 1000, .tv_nsec = received_at % 1000 * 1000000}};
    bool good = write_all(file, data, size) && futimens(file, times) == 0;
    if (!good)
        fail_file(out, "write", name, error);
    close(file);
    if (good)
        out->held[out->count++] = (Held){g_steal_pointer(&temporary), g_strdup(name)};
    else
        unlinkat(out->tmp, temporary, 0);
    return good;
}

/* Makes what is held durable: one pass over the file system for many, since each fsync costs a
 * write of its journal. */
static bool sync_held(MaildirOut *out, GError **error)
{
    if (out->count > FSYNC_MAX)
        return syncfs(out->tmp) == 0 || fail_file(out, "write", "tmp", error);
    for (unsigned i = 0; i < out->count; i++) {
        int file = openat(out->tmp, out->held[i].temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        bool good = file >= 0 && fsync(file) == 0;
        if (!good)
            fail_file(out, "write", out->held[i].name, error);
        if (file >= 0)
            close(file);
        if (!good)
            return false;
    }
    return true;
}

bool maildir_out_flush(MaildirOut *out, GError **error)
{
    bool good = sync_held(out, error);
    for (unsigned i = 0; i < out->count; i++) {
        Held *held = &out->held[i];
        if (good && renameat(out->tmp, held->temporary, out->cur, held->name) != 0)
            good = fail_file(out, "write", held->name, error);
        g_free(held->temporary);
        g_free(held->name);
    }
    bool some = out->count > 0;
    out->count = 0;
    return good && (!some || fsync(out->cur) == 0 || fail_file(out, "write", "cur", error));
}
