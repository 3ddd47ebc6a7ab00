/* spam_scorer: holds the newest model and asks it.
 *
 * How it fits: app/postbox asks for each message, in its session's thread, outside any transaction;
 * `rota score` asks for a file. The arithmetic is content/classifier's.
 *
 * Locks: `lock` guards what is shared and is held for pointers only; who finds that it is time to
 * look sets `looking` under it, reads the store without it, and puts the new models in under it.
 *
 * Failures: the store's become "keep the model that we have", told at debug level, since the
 * delivery itself will say that the store is away. Known weak points: the first message of an
 * account with an own model waits until that is read; a damaged model means that mail is not scored
 * until the next fold.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "content/classifier.h"
#include "model/spam_model.h"

#include "app/spam_scorer.h"

#define WORDS_SHOWN 8 /* in X-Spam-Result: a line of about 200 bytes */

/* An account's own model, as far as this node knows. */
typedef struct {
    int64_t version;        /* in the store */
    int64_t held_version;   /* of `model`; 0: not read */
    ClassifierModel *model; /* owned; NULL: not read, or not to be read */
} Own;

struct SpamScorer {
    SpamScorerConfig config;
    GMutex lock;
    /* shared, under lock */
    ClassifierModel *model;
    int64_t version;
    GHashTable *owns; /* of Own, by account */
    unsigned held;    /* of owns: with a model */
    int64_t look_at_us;
    bool looking;
    /* owned by the thread that set `looking` */
    Db *db;
};

struct SpamAsk {
    SpamScorer *scorer;
    ClassifierModel *model; /* owned */
    ClassifierFeatures *features;
    const void *bytes;
    size_t size;
    const Message *message;
    char *words; /* NULL: not made yet */
};

static void own_free(gpointer data)
{
    Own *own = data;
    classifier_model_unref(own->model);
    g_free(own);
}

SpamScorer *spam_scorer_new(const SpamScorerConfig *config)
{
    SpamScorer *scorer = g_new0(SpamScorer, 1);
    scorer->config = *config;
    scorer->owns = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, own_free);
    g_mutex_init(&scorer->lock);
    return scorer;
}

void spam_scorer_free(SpamScorer *scorer)
{
    if (!scorer)
        return;
    classifier_model_unref(scorer->model);
    g_hash_table_unref(scorer->owns);
    g_mutex_clear(&scorer->lock);
    db_close(scorer->db);
    g_free(scorer);
}

/* ---------------------------------------------------------------- reading models */

static bool is_enough(const SpamScorer *scorer, const ClassifierModel *model)
{
    return classifier_model_count(model, true) >= scorer->config.min_samples &&
           classifier_model_count(model, false) >= scorer->config.min_samples;
}

/* Under the lock: who gets true reads the store, then calls look_end. */
static bool look_begin(SpamScorer *scorer)
{
    if (scorer->looking)
        return false;
    scorer->looking = true;
    return true;
}

/* By the thread that looks; opens the handle and a transaction. */
static bool open_store(SpamScorer *scorer, GError **error)
{
    if (!scorer->db)
        scorer->db = db_open(&scorer->config.db, error);
    return scorer->db && db_begin(scorer->db, DB_READ, error);
}

/* Under the lock. */
static void set_versions(SpamScorer *scorer, const GArray *versions)
{
    g_autoptr(GHashTable) owns =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, own_free);
    scorer->held = 0;
    for (unsigned i = 0; i < versions->len; i++) {
        const SpamVersion *each = &g_array_index(versions, SpamVersion, i);
        if (each->account == SPAM_CLUSTER)
            continue;
        const Own *before = g_hash_table_lookup(scorer->owns, &each->account);
        Own *own = g_new0(Own, 1);
        own->version = each->version;
        if (before && before->model && before->held_version == each->version) {
            own->model = classifier_model_ref(before->model);
            own->held_version = each->version;
            scorer->held++;
        }
        g_hash_table_insert(owns, g_memdup2(&each->account, sizeof each->account), own);
    }
    GHashTable *old = scorer->owns;
    scorer->owns = g_steal_pointer(&owns);
    g_hash_table_unref(old);
}

static int64_t cluster_version(const GArray *versions)
{
    const SpamVersion *first = versions->len ? &g_array_index(versions, SpamVersion, 0) : NULL;
    return first && first->account == SPAM_CLUSTER ? first->version : 0;
}

/* By the thread that looks, without the lock. */
static void look(SpamScorer *scorer, int64_t held)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) versions = NULL;
    g_autoptr(ClassifierModel) model = NULL;
    int64_t version = held;
    if (open_store(scorer, &error) && (versions = spam_model_versions(scorer->db, &error))) {
        version = cluster_version(versions);
        if (version && version != held)
            model = spam_model_get(scorer->db, SPAM_CLUSTER, &version, &error);
    }
    if (scorer->db)
        db_rollback(scorer->db);
    if (error)
        log_event(LOG_LEVEL_DEBUG, "spam.model", "could not read the spam model: %s",
                  error->message);
    if (model && !is_enough(scorer, model))
        g_clear_pointer(&model, classifier_model_unref);
    g_mutex_lock(&scorer->lock);
    if (versions && !error) {
        set_versions(scorer, versions);
        if (version != held) {
            ClassifierModel *old = scorer->model;
            scorer->model = g_steal_pointer(&model);
            scorer->version = version;
            classifier_model_unref(old);
        }
    }
    scorer->look_at_us = clock_monotonic_us(scorer->config.clock) + SPAM_LOOK_MS * 1000;
    scorer->looking = false;
    g_mutex_unlock(&scorer->lock);
}

/* The cluster's model as it is now, NULL: none; owned by the caller. */
static ClassifierModel *current_model(SpamScorer *scorer)
{
    int64_t now = clock_monotonic_us(scorer->config.clock);
    g_mutex_lock(&scorer->lock);
    bool due = (!scorer->look_at_us || now >= scorer->look_at_us) && look_begin(scorer);
    int64_t held = scorer->version;
    g_mutex_unlock(&scorer->lock);
    if (due)
        look(scorer, held);
    g_mutex_lock(&scorer->lock);
    ClassifierModel *model = scorer->model ? classifier_model_ref(scorer->model) : NULL;
    g_mutex_unlock(&scorer->lock);
    return model;
}

/* Under the lock: at SPAM_OWN_HELD_MAX all are forgotten, and those in use come back. */
static void forget_owns(SpamScorer *scorer)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, scorer->owns);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        Own *own = value;
        g_clear_pointer(&own->model, classifier_model_unref);
        own->held_version = 0;
    }
    scorer->held = 0;
}

static ClassifierModel *read_own(SpamScorer *scorer, int64_t account)
{
    g_autoptr(GError) error = NULL;
    int64_t version = 0;
    g_autoptr(ClassifierModel) model =
        open_store(scorer, &error) ? spam_model_get(scorer->db, account, &version, &error) : NULL;
    if (scorer->db)
        db_rollback(scorer->db);
    if (error)
        log_event(LOG_LEVEL_DEBUG, "spam.model", "could not read an account's spam model: %s",
                  error->message);
    if (model && !is_enough(scorer, model))
        g_clear_pointer(&model, classifier_model_unref);
    g_mutex_lock(&scorer->lock);
    Own *own = g_hash_table_lookup(scorer->owns, &account);
    if (own && !own->model && !error) {
        if (scorer->held >= SPAM_OWN_HELD_MAX)
            forget_owns(scorer);
        own->held_version = own->version;
        own->model = model ? classifier_model_ref(model) : NULL;
        scorer->held += model != NULL;
    }
    scorer->looking = false;
    g_mutex_unlock(&scorer->lock);
    return g_steal_pointer(&model);
}

/* NULL: the account has none; owned by the caller. */
static ClassifierModel *own_model(SpamScorer *scorer, int64_t account)
{
    g_mutex_lock(&scorer->lock);
    const Own *own = g_hash_table_lookup(scorer->owns, &account);
    ClassifierModel *model = own && own->model ? classifier_model_ref(own->model) : NULL;
    bool read = own && own->held_version != own->version && look_begin(scorer);
    g_mutex_unlock(&scorer->lock);
    return read ? read_own(scorer, account) : model;
}

/* ---------------------------------------------------------------- one message */

SpamAsk *spam_scorer_ask(SpamScorer *scorer, const void *bytes, size_t size, const Message *message)
{
    ClassifierModel *model = current_model(scorer);
    if (!model)
        return NULL;
    SpamAsk *ask = g_new0(SpamAsk, 1);
    ask->scorer = scorer;
    ask->model = model;
    ask->features = classifier_features(bytes, size, message);
    ask->bytes = bytes;
    ask->size = size;
    ask->message = message;
    return ask;
}

void spam_ask_free(SpamAsk *ask)
{
    if (!ask)
        return;
    classifier_model_unref(ask->model);
    classifier_features_free(ask->features);
    g_free(ask->words);
    g_free(ask);
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text >= 0x7f || *text == ',' || *text == ';')
            return false;
    return true;
}

/* "free +0.05, subject:win +0.03"; what is no ASCII is left out of a header. */
static const char *words_of(SpamAsk *ask)
{
    if (ask->words)
        return ask->words;
    g_autoptr(GArray) words =
        classifier_words(ask->model, NULL, ask->bytes, ask->size, ask->message, 2 * WORDS_SHOWN);
    GString *line = g_string_new(NULL);
    unsigned shown = 0;
    for (unsigned i = 0; i < words->len && shown < WORDS_SHOWN; i++) {
        const ClassifierWord *word = &g_array_index(words, ClassifierWord, i);
        if (!is_plain(word->text))
            continue;
        g_string_append_printf(line, "%s%s %+.3f", shown ? ", " : "", word->text, word->weight);
        shown++;
    }
    ask->words = g_string_free(line, FALSE);
    return ask->words;
}

SpamAnswer spam_ask_answer(SpamAsk *ask, int64_t account)
{
    g_autoptr(ClassifierModel) own = own_model(ask->scorer, account);
    ClassifierScore score = classifier_score(ask->model, own, ask->features);
    double junk_from = ask->scorer->config.junk_from;
    SpamAnswer answer = {.score = score.score, .junk = score.score >= junk_from};
    answer.lines = g_strdup_printf(
        "X-Spam-Status: %s, score=%.4f required=%.4f%s\r\n"
        "X-Spam-Result: header %+.2f, text %+.2f, markup %+.2f;\r\n %s\r\n",
        answer.junk ? "Yes" : "No", score.score, junk_from, own ? " own=yes" : "",
        score.blocks[CLASSIFIER_HEADER], score.blocks[CLASSIFIER_TEXT],
        score.blocks[CLASSIFIER_MARKUP], *words_of(ask) ? words_of(ask) : "no words");
    return answer;
}
