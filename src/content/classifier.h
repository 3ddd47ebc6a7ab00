/* classifier.h: spam or not, as pure integer arithmetic: features of a message, a model trained on
 * sets of them, a score from 0 to 1 and what weighed most. It neither loads nor stores.
 *
 * A message is a set of hashed features in three blocks: its header, its text as people see it, its
 * markup and structure. A model is a weight for each feature: a linear support vector machine with
 * squared loss. Both in whole numbers, so that the same set of messages gives the same model, bit
 * by bit, on every machine, whatever the order in which they came: learning and un-learning cancel
 * out, since a message is in the set or it is not. Features that no training saw weigh nothing.
 *
 * Calling sequence: classifier_features, classifier_pack (kept); later classifier_set_add for each,
 * classifier_train, classifier_model_format (kept); then classifier_model_parse, classifier_score.
 * Thread safety: pure; a model may be shared by threads, the rest belongs to one.
 */
#ifndef ROTA_CONTENT_CLASSIFIER_H
#define ROTA_CONTENT_CLASSIFIER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "content/message.h"

/* Slots of the hash: a model is 512 KB. Twice or sixteen times as many made no difference. */
#define CLASSIFIER_BITS  18
#define CLASSIFIER_SLOTS (1u << CLASSIFIER_BITS)

typedef enum {
    CLASSIFIER_HEADER, /* names and values, but dates, ids and what other filters said */
    CLASSIFIER_TEXT,   /* text and subject */
    CLASSIFIER_MARKUP, /* tags, links, attributes, structure */
} ClassifierBlock;
#define CLASSIFIER_BLOCKS 3

typedef struct {
    uint32_t *ids; /* each below CLASSIFIER_SLOTS; block after block, ascending in each; owned */
    unsigned counts[CLASSIFIER_BLOCKS];
} ClassifierFeatures;

/* `bytes` are the message's, `message` their parse with MESSAGE_FULL. The same for LF and CRLF. */
ClassifierFeatures *classifier_features(const void *bytes, size_t size, const Message *message);
void classifier_features_free(ClassifierFeatures *features);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClassifierFeatures, classifier_features_free)

/* A few thousand bytes. */
GBytes *classifier_pack(const ClassifierFeatures *features);
/* ERROR_REJECT: damaged, or of another version. */
ClassifierFeatures *classifier_unpack(const void *packed, size_t size, GError **error);

typedef struct ClassifierModel ClassifierModel;
typedef struct ClassifierSet ClassifierSet;

/* What to learn from: packed features by the message's digest. */
ClassifierSet *classifier_set_new(void);
void classifier_set_free(ClassifierSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClassifierSet, classifier_set_free)
/* Adds or replaces; the bytes are copied. ERROR_REJECT as classifier_unpack. */
bool classifier_set_add(ClassifierSet *set, const Digest *digest, bool spam, const void *packed,
                        size_t size, GError **error);
/* True where it was there. */
bool classifier_set_remove(ClassifierSet *set, const Digest *digest);
unsigned classifier_set_count(const ClassifierSet *set, bool spam);

/* Asked between messages; true: stop. */
typedef bool (*ClassifierStop)(void *data);
/* A new model; NULL only where `stop` (may be NULL) said so. With a base, it is a small one that
 * holds what must be added to the base's margin. Time grows with the set: about 10,000 messages in
 * a second. */
ClassifierModel *classifier_train(const ClassifierSet *set, const ClassifierModel *base,
                                  ClassifierStop stop, void *data);

ClassifierModel *classifier_model_ref(ClassifierModel *model);
void classifier_model_unref(ClassifierModel *model); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClassifierModel, classifier_model_unref)
GBytes *classifier_model_format(const ClassifierModel *model);
/* ERROR_REJECT: damaged, or of another version. */
ClassifierModel *classifier_model_parse(const void *bytes, size_t size, GError **error);
/* Messages it was trained on. */
unsigned classifier_model_count(const ClassifierModel *model, bool spam);

typedef struct {
    double score;                     /* 0 ham, 1 spam; never quite either */
    double blocks[CLASSIFIER_BLOCKS]; /* what each block added to the margin; above 0 speaks for
                                         spam */
} ClassifierScore;
/* `own` may be NULL: an account's, trained with `model` as its base. */
ClassifierScore classifier_score(const ClassifierModel *model, const ClassifierModel *own,
                                 const ClassifierFeatures *features);

/* What weighed most, by the size of its weight: words, subject words, header names, tags, links. */
typedef struct {
    char text[48]; /* UTF-8, printable ASCII but for letters: "free", "subject:free", "<font" */
    double weight; /* in the margin; above 0 speaks for spam */
} ClassifierWord;
/* GArray of ClassifierWord, at most `most`; owned by the caller. */
GArray *classifier_words(const ClassifierModel *model, const ClassifierModel *own,
                         const void *bytes, size_t size, const Message *message, unsigned most);

#endif
