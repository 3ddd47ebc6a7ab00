/* bayes_training: what people said is spam becomes the model that deliveries ask.
 *
 * How it fits: a person's word (model/spam.h) adds a task with the account as its key. Its run
 * reads the messages that were judged, makes their features, and asks for the fold: task "0", due
 * SPAM_FOLD_MS later, so that many clicks are one fold and a quiet cluster folds nothing. The fold
 * trains the cluster's model anew from all features that are kept. Where an account has enough of
 * its own, its task also trains what its taste adds to the cluster's model.
 *
 * Nothing is counted up or down: a model is a function of the ledger's rows, so a run that was cut
 * off anywhere and came again, or many shards side by side, end with the same.
 *
 * A run takes SPAM_BATCH_MESSAGES or SPAM_BATCH_BYTES over all its accounts, and asks for another
 * where there is more.
 *
 * Failures: the store's, handed up. A message whose bytes are gone or damaged teaches nothing.
 * Weak points: an account's own model stands on the cluster's as it was when the account last said
 * something; a fold reads all features that count, about a second for ten thousand.
 */
#include <malloc.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/classifier.h"
#include "duty/account_run.h"
#include "duty/duty.h"
#include "model/account.h"
#include "model/blob.h"
#include "model/spam.h"
#include "model/spam_model.h"

typedef struct {
    Digest digest;
    GBytes *features; /* NULL: the bytes are gone */
} Made;

/* What a run found out about one task. */
typedef struct {
    int64_t account; /* 0: the fold */
    GArray *made;
    bool more;
    bool fold; /* its model is to be as `model` says */
    ClassifierModel *model;
} Work;

static void made_clear(gpointer data)
{
    Made *made = data;
    if (made->features)
        g_bytes_unref(made->features);
}

static void work_free(gpointer data)
{
    Work *work = data;
    g_array_unref(work->made);
    classifier_model_unref(work->model);
    g_free(work);
}

static bool budget_left(const AccountBudget *budget)
{
    return budget->messages < SPAM_BATCH_MESSAGES && budget->bytes < SPAM_BATCH_BYTES &&
           !run_should_stop(budget->run);
}

static bool should_stop(void *run)
{
    return run_should_stop(run);
}

static bool make_features(AccountBudget *budget, const Digest *digest, Made *ret, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) bytes = blob_get(budget->run->db, digest, &why);
    if (!bytes && error_kind(why) != ERROR_GONE && error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    *ret = (Made){.digest = *digest};
    budget->messages++;
    if (!bytes) {
        budget->unreadable++;
        return true;
    }
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    g_autoptr(ClassifierFeatures) features = classifier_features(data, size, message);
    ret->features = classifier_pack(features);
    budget->bytes += size;
    return true;
}

static bool make_waiting(AccountBudget *budget, Work *work, GError **error)
{
    g_autoptr(GArray) waiting =
        spam_waiting(budget->run->db, work->account, SPAM_BATCH_MESSAGES, error);
    if (!waiting)
        return false;
    unsigned i = 0;
    for (; i < waiting->len && budget_left(budget); i++) {
        Made made;
        if (!make_features(budget, &g_array_index(waiting, Digest, i), &made, error))
            return false;
        g_array_append_val(work->made, made);
    }
    work->more = i < waiting->len || waiting->len == SPAM_BATCH_MESSAGES;
    return true;
}

static bool set_is_enough(const ClassifierSet *set, int64_t least)
{
    return classifier_set_count(set, true) >= least && classifier_set_count(set, false) >= least;
}

/* What the fold needs, in one snapshot. *ret_set stays NULL where there is not enough, *ret_base
 * where the account has none. */
static bool read_set(AccountBudget *budget, int64_t account, ClassifierSet **ret_set,
                     ClassifierModel **ret_base, GError **error)
{
    Db *db = budget->run->db;
    const DutySettings *settings = budget->run->settings;
    SpamCounts counts;
    unsigned unreadable = 0;
    int64_t version;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!spam_counts(db, account, &counts, error))
        return false;
    if (MIN(counts.spam, counts.ham) < settings->spam_min_samples)
        return true;
    g_autoptr(ClassifierSet) set = spam_set_get(db, account, &unreadable, error);
    if (!set)
        return false;
    budget->unreadable += unreadable;
    if (!set_is_enough(set, settings->spam_min_samples))
        return true;
    g_autoptr(GError) why = NULL;
    if (account != SPAM_CLUSTER)
        *ret_base = spam_model_get(db, SPAM_CLUSTER, &version, &why);
    if (why && error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    *ret_set = g_steal_pointer(&set);
    return true;
}

/* A set of ten thousand messages is 30 MB in small pieces, which the C library would keep for ever;
 * the next fold may be tomorrow. */
static void give_back_memory(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* Trains, outside any transaction. */
static bool fold(AccountBudget *budget, Work *work, GError **error)
{
    g_autoptr(ClassifierModel) base = NULL;
    g_autoptr(ClassifierSet) set = NULL;
    if (!read_set(budget, work->account, &set, &base, error))
        return false;
    work->fold = true;
    if (!set || (work->account != SPAM_CLUSTER && !base))
        return true; /* too few: no model */
    work->model = classifier_train(set, base, should_stop, budget->run);
    g_clear_pointer(&set, classifier_set_free);
    give_back_memory();
    if (!work->model)
        return fail(error, ERROR_STOPPED, "the training was asked to stop");
    g_string_append_printf(budget->run->detail, "model of %u spam, %u ham; ",
                           classifier_model_count(work->model, true),
                           classifier_model_count(work->model, false));
    return true;
}

static bool compute(AccountBudget *budget, Work *work, GError **error)
{
    if (work->account != SPAM_CLUSTER) {
        if (!db_begin(budget->run->db, DB_READ, error))
            return false;
        bool good = make_waiting(budget, work, error);
        db_rollback(budget->run->db);
        if (!good)
            return false;
    }
    /* What was made now is in no set before it is written: an own model waits for the next run. */
    if (work->made->len) {
        work->more = true;
        return true;
    }
    return work->more || fold(budget, work, error);
}

static bool write_work(Db *db, const Work *work, GError **error)
{
    bool stays = true;
    if (work->account != SPAM_CLUSTER && !account_keep(db, work->account, &stays, error))
        return false;
    if (!stays)
        return true; /* it goes away with all that was learnt from it */
    for (unsigned i = 0; i < work->made->len; i++) {
        const Made *made = &g_array_index(work->made, Made, i);
        if (!spam_features_put(db, &made->digest, made->features, error))
            return false;
    }
    if (work->fold && !spam_model_put(db, work->account, work->model, error))
        return false;
    /* Also where nothing was made: a verdict may have been taken back. */
    return work->account == SPAM_CLUSTER || spam_fold_later(db, SPAM_FOLD_MS, error);
}

static bool run_training(Run *run, GError **error)
{
    AccountBudget budget = {.run = run};
    g_autoptr(GPtrArray) works = g_ptr_array_new_with_free_func(work_free);
    for (unsigned i = 0; i < run->count; i++) {
        Work *work = g_new0(Work, 1);
        work->made = g_array_new(FALSE, TRUE, sizeof(Made));
        g_array_set_clear_func(work->made, made_clear);
        g_ptr_array_add(works, work);
        if (!account_run_parse(run, i, 0, &work->account, error))
            return false;
        unsigned before = budget.messages;
        if (!budget_left(&budget))
            work->more = true;
        else if (!compute(&budget, work, error))
            return false;
        run_note_work(run, i, budget.messages - before);
    }
    if (!run_begin(run, true, error))
        return false;
    for (unsigned i = 0; i < run->count; i++) {
        const Work *work = g_ptr_array_index(works, i);
        if (!write_work(run->db, work, error))
            return false;
        if (work->more)
            run_again(run, i, 0);
    }
    account_run_tell(&budget);
    return true;
}

const Handler bayes_training_handler = {.run = run_training};
