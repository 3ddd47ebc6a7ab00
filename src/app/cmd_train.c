/* cmd_train: teaches the spam filter from files of mail that people have sorted already.
 *
 * How it fits: app/mail_files reads the messages, this makes their features and
 * writes them with their verdict into the ledger's account 0 (model/spam), a batch a commit; the
 * fold into the model is bayes-training's. It may run beside nodes, be killed at any moment and be
 * run again: a message is in the ledger once, whatever is done twice.
 *
 * Failures: what cannot be read is named, and the rest goes on; the exit status is then 1. A store
 * out of reach ends it (75); a commit of unknown outcome is made again, which changes nothing where
 * it was done. Known weak point: a message is known by its bytes, so the same mail with other line
 * ends or other headers counts as another.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/classifier.h"
#include "model/spam.h"
#include "model/spam_model.h"
#include "roster/task.h"

#include "app/command.h"
#include "app/import_walk.h"
#include "app/mail_files.h"
#include "app/ui.h"

#define BATCH              100
#define UNKNOWN_TRIES      3
#define PROBLEMS_SHOWN_MAX 100 /* lines on the screen; all are counted */

static char **option_spam, **option_ham, **option_forget;
static gboolean option_status;

typedef struct {
    Db *db;
    UiProgress *progress;
    size_t bytes_max;
    int64_t done, group_read, total; /* bytes of files: of earlier groups, of this one, of all */
    SpamVerdict verdict;             /* of what is read now */
    SpamLesson lessons[BATCH];
    unsigned count, problems, passed_over;
    int64_t read[3], changed[3]; /* by verdict + 1 */
} Train;

/* ---------------------------------------------------------------- the ledger */

static void clear_batch(Train *train)
{
    for (unsigned i = 0; i < train->count; i++)
        g_clear_pointer(&train->lessons[i].features, g_bytes_unref);
    train->count = 0;
}

static DbOutcome write_once(Train *train, unsigned *ret_changed, GError **error)
{
    if (!db_begin(train->db, DB_WRITE, error))
        return DB_NOT_DONE;
    g_auto(DbScope) scope = db_scope(train->db);
    if (!spam_teach(train->db, train->lessons, train->count, ret_changed, error))
        return DB_NOT_DONE;
    return db_commit(train->db, error);
}

static bool write_batch(Train *train, GError **error)
{
    if (!train->count)
        return true;
    unsigned changed = 0, first = 0;
    for (unsigned tries = 1;; tries++) {
        g_autoptr(GError) why = NULL;
        DbOutcome outcome = write_once(train, &changed, &why);
        first =
            MAX(first, changed); /* where it was done unheard, the second time changes nothing */
        if (outcome == DB_DONE)
            break;
        if (outcome == DB_NOT_DONE || tries == UNKNOWN_TRIES) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
    }
    train->changed[train->verdict + 1] += first;
    clear_batch(train);
    return true;
}

/* ---------------------------------------------------------------- the files */

static void add_problem(const char *place, const char *text, void *data)
{
    Train *train = data;
    train->problems++;
    if (train->problems > PROBLEMS_SHOWN_MAX)
        return;
    g_autofree char *safe = ui_safe(place);
    ui_progress_hide(train->progress);
    fprintf(stderr, "%s: %s\n", safe, text);
}

static bool take_mail(const char *place, GBytes *bytes, int64_t read, void *data, GError **error)
{
    (void)place;
    Train *train = data;
    gsize size;
    const void *mail = g_bytes_get_data(bytes, &size);
    SpamLesson *lesson = &train->lessons[train->count++];
    *lesson = (SpamLesson){.digest = digest_of(mail, size), .verdict = train->verdict};
    if (train->verdict != SPAM_VERDICT_NONE) {
        g_autoptr(Message) message = message_parse(mail, size, MESSAGE_FULL);
        g_autoptr(ClassifierFeatures) features = classifier_features(mail, size, message);
        lesson->features = classifier_pack(features);
    }
    train->read[train->verdict + 1]++;
    train->group_read = read;
    g_autofree char *detail =
        g_strdup_printf("%" PRId64 " messages", train->read[0] + train->read[1] + train->read[2]);
    ui_progress_set(train->progress, train->done + read, detail);
    return train->count < BATCH || write_batch(train, error);
}

static bool count_bytes(const Source *source, void *data, GError **error)
{
    (void)error;
    ((Train *)data)->total += source->size;
    return true;
}

static void ignore_problem(const char *place, const char *text, void *data)
{
    (void)place, (void)text, (void)data;
}

static const struct {
    char ***paths;
    SpamVerdict verdict;
} GROUPS[] = {
    {&option_forget, SPAM_VERDICT_NONE},
    {&option_spam, SPAM_VERDICT_SPAM},
    {&option_ham, SPAM_VERDICT_HAM},
};

static bool count_all(Train *train, GError **error)
{
    WalkVisitor visitor = {
        .found = count_bytes, .problem = ignore_problem, .data = train, .problem_data = train};
    for (size_t i = 0; i < G_N_ELEMENTS(GROUPS); i++) {
        char **paths = *GROUPS[i].paths;
        if (paths && !import_walk(paths, (int)g_strv_length(paths), NULL, &visitor, error))
            return false;
    }
    return true;
}

static bool take_all(Train *train, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(GROUPS); i++) {
        MailFiles files = {.paths = *GROUPS[i].paths,
                           .bytes_max = train->bytes_max,
                           .mail = take_mail,
                           .problem = add_problem,
                           .data = train};
        unsigned passed_over = 0;
        train->verdict = GROUPS[i].verdict;
        if (files.paths &&
            !(mail_files_read(&files, &passed_over, error) && write_batch(train, error)))
            return false;
        train->passed_over += passed_over;
        train->done += train->group_read;
        train->group_read = 0;
    }
    return true;
}

/* What was taught is folded at once, and not only when the delay of the last batch is over. */
static bool ask_for_fold(Train *train, GError **error)
{
    if (!train->changed[0] && !train->changed[1] && !train->changed[2])
        return true;
    if (!db_begin(train->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(train->db);
    return spam_fold_later(train->db, 0, error) &&
           task_notify(train->db, "bayes-training", error) &&
           /* not known: at worst the fold comes a minute later */
           db_commit(train->db, error) != DB_NOT_DONE;
}

/* ---------------------------------------------------------------- what is known */

typedef struct {
    SpamCounts all, trained;
    SpamModelInfo model;
    int64_t least;
} Known;

static bool read_known(Db *db, Known *ret, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return spam_counts(db, SPAM_CLUSTER, &ret->all, error) &&
           spam_trained(db, &ret->trained, error) && spam_model_info(db, &ret->model, error);
}

static json_t *known_json(const Known *known)
{
    json_t *model =
        known->model.made_at
            ? json_pack("{s:I, s:I, s:I}", "spam", (json_int_t)known->model.spam, "ham",
                        (json_int_t)known->model.ham, "made_at", (json_int_t)known->model.made_at)
            : json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "spam",
                     (json_int_t)known->all.spam, "ham", (json_int_t)known->all.ham, "waiting",
                     (json_int_t)known->all.waiting, "from_files_spam",
                     (json_int_t)known->trained.spam, "from_files_ham",
                     (json_int_t)known->trained.ham, "needed", (json_int_t)known->least,
                     "own_models", (json_int_t)known->model.own_models, "model", model);
}

static void print_known(const Known *known)
{
    const SpamCounts *all = &known->all;
    printf("learnt: %" PRId64 " spam, %" PRId64 " ham; of these from files %" PRId64 ", %" PRId64
           "\n",
           all->spam, all->ham, known->trained.spam, known->trained.ham);
    if (all->waiting)
        printf("%" PRId64 " judged messages wait for bayes-training\n", all->waiting);
    if (MIN(all->spam, all->ham) < known->least)
        printf("not enough: mail is scored from %" PRId64
               " of each on (spam-filter.bayes.min-learns)\n",
               known->least);
    g_autofree char *made = ui_format_time(known->model.made_at);
    if (known->model.made_at)
        printf("model: of %" PRId64 " spam and %" PRId64 " ham, made %s; %" PRId64
               " accounts have one of their own\n",
               known->model.spam, known->model.ham, made, known->model.own_models);
    else
        printf("model: none yet\n");
}

static void print_taught(const Train *train)
{
    static const char *const names[] = {"ham", "forgotten", "spam"};
    for (int i = 2; i >= 0; i--)
        if (train->read[i])
            printf("%s: %" PRId64 " messages read, %" PRId64 " of them new\n", names[i],
                   train->read[i], train->changed[i]);
    if (train->passed_over)
        printf("%u files are no mail and were passed over\n", train->passed_over);
    if (train->problems > PROBLEMS_SHOWN_MAX)
        fprintf(stderr, "and %u more of these\n", train->problems - PROBLEMS_SHOWN_MAX);
}

/* ---------------------------------------------------------------- the command */

static bool teach(CommandContext *context, Train *train, GError **error)
{
    train->progress = ui_progress_new("training", 0, context->clock);
    ui_progress_set_bytes(train->progress);
    bool good = count_all(train, error);
    ui_progress_set_total(train->progress, train->total);
    good = good && take_all(train, error) && ask_for_fold(train, error);
    clear_batch(train);
    ui_progress_free(train->progress);
    train->progress = NULL;
    return good;
}

static int show(CommandContext *context, const Train *train, GError **error)
{
    Known known = {.least = context->settings->duty.spam_min_samples};
    if (!read_known(train->db, &known, error))
        return command_fail(*error);
    if (!context->json) {
        print_taught(train);
        print_known(&known);
    } else if (option_status) {
        ui_print_json(known_json(&known));
    } else {
        ui_print_json(json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:o}", "spam_read",
            (json_int_t)train->read[2], "spam_new", (json_int_t)train->changed[2], "ham_read",
            (json_int_t)train->read[0], "ham_new", (json_int_t)train->changed[0], "forget_read",
            (json_int_t)train->read[1], "forgotten", (json_int_t)train->changed[1], "passed_over",
            (int)train->passed_over, "problems", (int)train->problems, "known",
            known_json(&known)));
    }
    return train->problems ? EXIT_NO : EXIT_FINE;
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    bool paths = option_spam || option_ham || option_forget;
    if (paths == !!option_status)
        return command_misuse(context, paths ? "--status stands alone"
                                             : "what is to be learnt? --spam PATH… --ham PATH…");
    message_library_init();
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Db) db = settings ? command_open_db(context, COMMAND_STORE_EXISTING, &error) : NULL;
    if (!db)
        return command_fail(error);
    Train train = {.db = db, .bytes_max = (size_t)settings->lmtp.message_bytes_max};
    if (paths && !teach(context, &train, &error)) {
        int status = command_fail(error);
        if (status == EXIT_UNREACHABLE)
            fprintf(stderr, "run it again: what was learnt is not learnt twice\n");
        return status;
    }
    return show(context, &train, &error);
}

static const GOptionEntry OPTIONS[] = {
    {"spam", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_spam,
     "these messages are spam: Maildirs, mbox files, messages, folders of them", "PATH…"},
    {"ham", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_ham, "these are not", "PATH…"},
    {"forget", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_forget,
     "take back what was said of these by this command", "PATH…"},
    {"status", 0, 0, G_OPTION_ARG_NONE, &option_status, "show what was learnt, and the model",
     NULL},
    {0},
};
static const char *const LISTS[] = {"--spam", "--ham", "--forget", NULL};

const Command cmd_train = {
    .name = "train",
    .usage = "",
    .summary = "teaches the spam filter from sorted mail; the same message again counts once",
    .example = "rota train --spam spam.mbox ~/Maildir/.Junk --ham ~/Maildir/cur\n"
               "rota train --forget wrong.eml\n"
               "rota train --status",
    .options = OPTIONS,
    .lists = LISTS,
    .args_min = 0,
    .args_max = 0,
    .run = run,
};
