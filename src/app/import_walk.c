/* import_walk: from named paths to messages, one after the other.
 *
 * How it fits: `rota import` walks twice: to know how much there is, and to take it in. What names
 * mean is content/maildir_name's. Every file is opened relative to its open directory and never
 * through a link, so that a tree that changes under the walk leads nowhere else.
 *
 * Failures: what cannot be read is named to the visitor, and the walk goes on. Known weak point:
 * the names of one directory are held in memory.
 */
#include "app/import_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/maildir_name.h"
#include "model/mailbox.h"

#define DEPTH_MAX         64          /* of directories: deeper is a loop of mounts */
#define CONTROL_BYTES_MAX (64 * 1024) /* of a Maildir's own small files */

typedef struct {
    const WalkVisitor *visitor;
    GError **error;
} Walk;

/* A directory that is walked. */
typedef struct {
    int file;
    const char *place, *folder; /* as Source */
    unsigned depth;
    bool maildir;
} Place;

static void problem(const Walk *walk, const char *place, const char *text)
{
    walk->visitor->problem(place, text, walk->visitor->problem_data);
}

int source_open(const Source *source, const char **ret_why)
{
    int links = source->kind == SOURCE_FILE ? 0 : O_NOFOLLOW;
    int file = openat(source->directory, source->name,
                      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | links);
    struct stat stat;
    if (file < 0 || fstat(file, &stat) != 0) {
        *ret_why = g_strerror(errno);
    } else if (!S_ISREG(stat.st_mode)) {
        *ret_why = "is no regular file any more";
    } else {
        return file;
    }
    if (file >= 0)
        close(file);
    return -1;
}

static char *join_place(const char *place, const char *name)
{
    return g_str_has_suffix(place, "/") ? g_strconcat(place, name, NULL)
                                        : g_strconcat(place, "/", name, NULL);
}

/* "A/B" below a folder that may be the inbox (NULL); takes any text as a name. */
static char *join_folder(const char *folder, const char *name)
{
    g_autofree char *made = mailbox_name_make(name);
    return folder ? g_strconcat(folder, "/", made, NULL) : g_steal_pointer(&made);
}

static int64_t modified_of(const struct stat *stat)
{
    return (int64_t)stat->st_mtim.tv_sec * 1000 + stat->st_mtim.tv_nsec / 1000000;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory, in order, without "." and ".."; NULL where it cannot be read. */
static GPtrArray *list_names(int directory)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    if (!stream) {
        if (copy >= 0)
            close(copy);
        return NULL;
    }
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            g_ptr_array_add(names, g_strdup(entry->d_name));
    closedir(stream);
    g_ptr_array_sort(names, compare_names);
    return names;
}

/* A small file of a directory as text, without NUL; NULL: not there, or not such. */
static char *read_control(int directory, const char *name)
{
    Source source = {.kind = SOURCE_LISTED, .directory = directory, .name = name};
    const char *why;
    int file = source_open(&source, &why);
    if (file < 0)
        return NULL;
    g_autofree char *text = g_malloc0(CONTROL_BYTES_MAX + 1);
    ssize_t size = 0, got;
    while ((got = read(file, text + size, (size_t)(CONTROL_BYTES_MAX - size))) > 0)
        size += got;
    close(file);
    bool right = got == 0 && size > 0 && size < CONTROL_BYTES_MAX &&
                 g_utf8_validate(text, (gssize)size, NULL);
    return right ? g_steal_pointer(&text) : NULL;
}

void maildir_read_keywords(int directory, const char *ret[MAILDIR_KEYWORDS_MAX], GStrv *ret_lines)
{
    g_autofree char *text = read_control(directory, MAILDIR_KEYWORDS_FILE);
    *ret_lines = g_strsplit(text ? text : "", "\n", -1);
    for (char **line = *ret_lines; *line; line++) {
        char *word;
        guint64 number = g_ascii_strtoull(*line, &word, 10);
        if (word != *line && *word == ' ' && number < MAILDIR_KEYWORDS_MAX)
            ret[number] = g_strstrip(word);
    }
}

/* Offers one regular file. */
static bool offer(const Walk *walk, const Place *place, SourceKind kind, const char *name,
                  const struct stat *stat, const char *const *keywords)
{
    g_autofree char *shown = join_place(place->place, name), *stem = NULL;
    Source source = {.kind = kind,
                     .directory = place->file,
                     .name = name,
                     .place = shown,
                     .folder = place->folder,
                     .mbox_folder = place->folder,
                     .size = (int64_t)stat->st_size,
                     .modified_at = modified_of(stat),
                     .keywords = keywords};
    if (kind == SOURCE_LISTED && strcmp(name, "mbox") != 0) {
        g_autofree char *bare =
            g_strndup(name, strlen(name) - (g_str_has_suffix(name, ".mbox") ? 5 : 0));
        stem = join_folder(place->folder, bare);
        source.mbox_folder = stem;
    }
    return walk->visitor->found(&source, walk->visitor->data, walk->error);
}

static void name_odd_file(const Walk *walk, const Place *place, const char *name, mode_t mode)
{
    g_autofree char *shown = join_place(place->place, name);
    problem(walk, shown,
            S_ISLNK(mode) ? "is a symbolic link, and links are not followed; name it itself"
                          : "is neither a file nor a directory");
}

/* The messages of "cur" or "new". */
static bool walk_messages(const Walk *walk, const Place *maildir, const char *part,
                          const char *const *keywords)
{
    g_autofree char *shown = join_place(maildir->place, part);
    Place place = {.place = shown, .folder = maildir->folder};
    place.file = openat(maildir->file, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place.file < 0) {
        if (errno != ENOENT)
            problem(walk, shown, g_strerror(errno));
        return true; /* cppcheck-suppress memleak; nothing was opened */
    }
    g_autoptr(GPtrArray) names = list_names(place.file);
    if (!names)
        problem(walk, shown, "cannot be listed");
    bool good = true;
    for (guint i = 0; names && good && i < names->len; i++) {
        const char *name = names->pdata[i];
        struct stat stat;
        if (*name == '.' || fstatat(place.file, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* of the file system's own, or read and renamed by a mail reader meanwhile */
        if (S_ISREG(stat.st_mode))
            good = offer(walk, &place, SOURCE_MAILDIR, name, &stat, keywords);
        else
            name_odd_file(walk, &place, name, stat.st_mode);
    }
    close(place.file);
    return good;
}

static bool walk_maildir(const Walk *walk, const Place *place)
{
    const char *keywords[MAILDIR_KEYWORDS_MAX] = {NULL};
    g_auto(GStrv) lines = NULL;
    maildir_read_keywords(place->file, keywords, &lines);
    Source folder = {.kind = SOURCE_FOLDER, .place = place->place, .folder = place->folder};
    return walk->visitor->found(&folder, walk->visitor->data, walk->error) &&
           walk_messages(walk, place, "cur", keywords) &&
           walk_messages(walk, place, "new", keywords);
}

static bool is_directory(int directory, const char *name)
{
    struct stat stat;
    return fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
}

static bool is_maildir(int directory)
{
    return is_directory(directory, "cur") || is_directory(directory, "new");
}

/* The mailbox of a subdirectory. Caller frees. */
static char *folder_below(const Place *place, const char *name, int file)
{
    g_autofree char *exact = is_maildir(file) ? read_control(file, MAILDIR_MAILBOX_FILE) : NULL;
    if (place->maildir && *name == '.') {
        g_auto(GStrv) parts =
            exact ? g_strsplit(g_strstrip(exact), "/", -1) : maildir_folder_parse(name);
        g_autofree char *folder = g_strdup(place->folder);
        for (char **part = parts; *part; part++) {
            char *longer = join_folder(folder, *part);
            g_free(folder);
            folder = longer;
        }
        return g_steal_pointer(&folder);
    }
    bool box = g_str_has_suffix(name, ".mbox"); /* X.mbox/mbox, and X.sbd/Y: of X */
    g_autofree char *bare = g_strndup(name, strlen(name) - (box                              ? 5u
                                                            : g_str_has_suffix(name, ".sbd") ? 4u
                                                                                             : 0u));
    return join_folder(place->folder, bare);
}

static bool walk_directory(const Walk *walk, Place *place);

static bool walk_below(const Walk *walk, const Place *place, const char *name)
{
    g_autofree char *shown = join_place(place->place, name);
    int file = openat(place->file, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 || place->depth == DEPTH_MAX) {
        problem(walk, shown, file < 0 ? g_strerror(errno) : "lies too deep");
        if (file >= 0)
            close(file);
        return true;
    }
    g_autofree char *folder = folder_below(place, name, file);
    Place below = {.file = file, .place = shown, .folder = folder, .depth = place->depth + 1};
    bool good = walk_directory(walk, &below);
    close(file);
    return good;
}

static bool walk_name(const Walk *walk, const Place *place, const char *name)
{
    struct stat stat;
    if (fstatat(place->file, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return true;
    bool part = strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
    if (place->maildir && (part || !S_ISDIR(stat.st_mode)))
        return true; /* its messages, and the small files of mail servers */
    if (*name == '.' && !place->maildir)
        return true; /* hidden, as ".git" */
    if (S_ISDIR(stat.st_mode))
        return walk_below(walk, place, name);
    if (S_ISREG(stat.st_mode))
        return offer(walk, place, SOURCE_LISTED, name, &stat, NULL);
    name_odd_file(walk, place, name, stat.st_mode);
    return true;
}

static bool walk_directory(const Walk *walk, Place *place)
{
    place->maildir = is_maildir(place->file);
    if (place->maildir && !walk_maildir(walk, place))
        return false;
    g_autoptr(GPtrArray) names = list_names(place->file);
    if (!names)
        problem(walk, place->place, "cannot be listed");
    for (guint i = 0; names && i < names->len; i++)
        if (!walk_name(walk, place, names->pdata[i]))
            return false;
    return true;
}

static bool walk_path(const Walk *walk, const char *path, const char *top)
{
    struct stat stat;
    if (fstatat(AT_FDCWD, path, &stat, 0) != 0) {
        problem(walk, path, g_strerror(errno));
        return true;
    }
    if (S_ISREG(stat.st_mode)) {
        Source source = {.kind = SOURCE_FILE,
                         .directory = AT_FDCWD,
                         .name = path,
                         .place = path,
                         .folder = top,
                         .mbox_folder = top,
                         .size = (int64_t)stat.st_size,
                         .modified_at = modified_of(&stat)};
        return walk->visitor->found(&source, walk->visitor->data, walk->error);
    }
    int file = S_ISDIR(stat.st_mode) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (file < 0) {
        problem(walk, path,
                S_ISDIR(stat.st_mode) ? g_strerror(errno) : "is neither a file nor a directory");
        return true;
    }
    Place place = {.file = file, .place = path, .folder = top};
    bool good = walk_directory(walk, &place);
    close(file);
    return good;
}

bool import_walk(char **paths, int count, const char *top, const WalkVisitor *visitor,
                 GError **error)
{
    Walk walk = {.visitor = visitor, .error = error};
    for (int i = 0; i < count; i++)
        if (!walk_path(&walk, paths[i], top))
            return false;
    return true;
}
