/* mail_files: import_source without an account.
 *
 * How it fits: `rota train` and `rota score`. Failures: what cannot be read is told by its place;
 * known weak point: problems are told up to one message late, since another thread meets them.
 */
#include "app/import_source.h"
#include "app/mail_files.h"

typedef struct {
    char *place, *text;
} Problem;

typedef struct {
    GMutex lock;
    /* shared, under lock */
    GPtrArray *problems; /* of Problem, not told yet */
    unsigned passed_over;
} Told;

static void problem_free(gpointer data)
{
    Problem *problem = data;
    g_free(problem->place);
    g_free(problem->text);
    g_free(problem);
}

static void add_problem(const char *place, const char *text, void *data)
{
    Told *told = data;
    Problem *problem = g_new(Problem, 1);
    *problem = (Problem){g_strdup(place), g_strdup(text)};
    g_mutex_lock(&told->lock);
    g_ptr_array_add(told->problems, problem);
    g_mutex_unlock(&told->lock);
}

static void pass_over(const char *place, void *data)
{
    (void)place;
    Told *told = data;
    g_mutex_lock(&told->lock);
    told->passed_over++;
    g_mutex_unlock(&told->lock);
}

static void tell(const MailFiles *files, Told *told)
{
    g_mutex_lock(&told->lock);
    g_autoptr(GPtrArray) problems = told->problems;
    told->problems = g_ptr_array_new_with_free_func(problem_free);
    g_mutex_unlock(&told->lock);
    for (unsigned i = 0; i < problems->len; i++) {
        const Problem *problem = g_ptr_array_index(problems, i);
        files->problem(problem->place, problem->text, files->data);
    }
}

static bool read_all(const MailFiles *files, ImportSource *source, Told *told, GError **error)
{
    for (IntakeItem item = {0}; import_source_next(source, &item); item = (IntakeItem){0}) {
        tell(files, told);
        g_autoptr(GBytes) bytes = item.bytes;
        g_autofree char *place = item.path;
        g_free(item.folder);
        g_free(item.keywords);
        if (bytes && !files->mail(place, bytes, import_source_read(source), files->data, error))
            return false;
    }
    return true;
}

bool mail_files_read(const MailFiles *files, unsigned *ret_passed_over, GError **error)
{
    Told told = {.problems = g_ptr_array_new_with_free_func(problem_free)};
    g_mutex_init(&told.lock);
    ImportSourceConfig config = {.paths = files->paths,
                                 .count = (int)g_strv_length(files->paths),
                                 .bytes_max = files->bytes_max,
                                 .problem = add_problem,
                                 .passed_over = pass_over,
                                 .data = &told};
    ImportSource *source = import_source_new(&config);
    bool good = read_all(files, source, &told, error);
    import_source_free(source);
    tell(files, &told);
    *ret_passed_over = told.passed_over;
    g_ptr_array_unref(told.problems);
    g_mutex_clear(&told.lock);
    return good;
}
