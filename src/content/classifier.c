/* classifier: a linear support vector machine over hashed features, in whole numbers.
 *
 * How it fits: duty/bayes_training trains it on what people said, app/spam_scorer asks it for each
 * delivery. docs/decisions/0005-spam.md says what else was tried, with figures.
 *
 * Training is dual coordinate descent for L2-regularised squared hinge loss: for each message, in
 * an order by its digest that is another in each pass, its share is set so that its margin is
 * right. No step size, no chance. All values are fixed point: weights and margins in 2^-22, a
 * feature's value in 2^-20, so that no compiler, machine or library of mathematics can make another
 * model.
 *
 * Failures: bytes from the store that are no features or no model: ERROR_REJECT.
 * Weak points: collisions of the hash, which cost nothing measurable up to some ten thousand
 * messages; the curve from margin to score is fixed, from cross-validation on public mail.
 */
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "content/classifier.h"
#include "content/classifier_features.h"

#define FEATURES_VERSION 1 /* grows with any change of what classifier_features takes */
#define MODEL_VERSION    1
#define MODEL_HEADER     20
/* Of a model that adds to a base: 32 KB, since accounts are many; it only has to set right where
 * one person differs. */
#define OWN_SLOTS (1u << 14)

#define PASSES       4 /* more change no figure */
#define WEIGHT_SHIFT 22
#define VALUE_SHIFT  20
#define ONE          (INT64_C(1) << WEIGHT_SHIFT)
#define SLACK        (ONE / 200)                         /* 1/2C with C = 100: hardly regularised */
#define SHARE_MAX    (32 * ONE)                          /* of one message; a handful is usual */
#define WEIGHT_MAX   (INT32_C(16) * (1 << WEIGHT_SHIFT)) /* keeps a margin within 64 bits */

/* The score is logistic(STEEPNESS * (margin - MIDDLE)): 0.9 at a margin of 0.330. */
#define STEEPNESS 8
#define MIDDLE    (ONE / 18)

struct ClassifierModel {
    gint references;
    unsigned counts[2]; /* ham, spam */
    unsigned shift;     /* weight in 2^-22 = stored << shift */
    uint32_t slots;     /* a power of two; a feature's is its id modulo them */
    int16_t weights[];
};

/* One message to learn from: in the set by its digest. */
typedef struct {
    Digest digest;
    bool spam;
    unsigned number; /* in the training at hand */
    size_t size;
    uint8_t packed[];
} Sample;

struct ClassifierSet {
    GHashTable *samples; /* of Sample, by digest */
    unsigned counts[2];
};

static int64_t shifted(int64_t value, unsigned shift)
{
    return (value + (INT64_C(1) << shift >> 1)) >> shift;
}

/* ---------------------------------------------------------------- values */

static uint64_t root(uint64_t value)
{
    uint64_t result = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 2) {
        if (value >= result + bit) {
            value -= result + bit;
            result = (result >> 1) + bit;
        } else {
            result >>= 1;
        }
    }
    return result;
}

/* The value that each feature of a block has, in 2^-20: so that the blocks have their shares (the
 * header three halves of the text's, the markup less) and the whole message has length 1. */
static void set_values(const unsigned counts[CLASSIFIER_BLOCKS], uint32_t values[CLASSIFIER_BLOCKS])
{
    /* Squared shares of the blocks, times four. */
    static const uint64_t SHARES[CLASSIFIER_BLOCKS] = {9, 4, 2};
    uint64_t squares[CLASSIFIER_BLOCKS], sum = 1;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        squares[block] = (SHARES[block] << 26) / (counts[block] + 10);
        sum += squares[block] * counts[block];
    }
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++)
        values[block] = (uint32_t)MIN(root((squares[block] << 32) / sum << 8), (1 << VALUE_SHIFT));
}

/* ---------------------------------------------------------------- packing */

static void append_number(GByteArray *out, uint32_t value)
{
    uint8_t bytes[5];
    unsigned size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    g_byte_array_append(out, bytes, size);
}

/* False: the bytes end, or it is no number below 2^28. */
static bool read_number(const uint8_t **at, const uint8_t *end, uint32_t *ret)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

GBytes *classifier_pack(const ClassifierFeatures *features)
{
    GByteArray *out = g_byte_array_new();
    append_number(out, FEATURES_VERSION);
    const uint32_t *id = features->ids;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        append_number(out, features->counts[block]);
        uint32_t before = 0;
        for (unsigned i = 0; i < features->counts[block]; i++, id++) {
            append_number(out, *id - before);
            before = *id;
        }
    }
    return g_byte_array_free_to_bytes(out);
}

/* Fills `ids` (room for size numbers, since each takes a byte). */
static bool unpack(const uint8_t *at, size_t size, uint32_t *ids,
                   unsigned counts[CLASSIFIER_BLOCKS])
{
    const uint8_t *end = at + size;
    uint32_t version;
    if (!read_number(&at, end, &version) || version != FEATURES_VERSION)
        return false;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        uint32_t count, gap;
        if (!read_number(&at, end, &count) || count > (size_t)(end - at))
            return false;
        counts[block] = count;
        uint32_t id = 0;
        for (unsigned i = 0; i < count; i++) {
            if (!read_number(&at, end, &gap) || (gap == 0 && i > 0))
                return false;
            id += gap;
            if (id >= CLASSIFIER_SLOTS)
                return false;
            *ids++ = id;
        }
    }
    return at == end;
}

ClassifierFeatures *classifier_unpack(const void *packed, size_t size, GError **error)
{
    g_autoptr(ClassifierFeatures) features = g_new0(ClassifierFeatures, 1);
    features->ids = g_new(uint32_t, size + 1);
    if (unpack(packed, size, features->ids, features->counts))
        return g_steal_pointer(&features);
    fail(error, ERROR_REJECT, "the %zu bytes are not a message's features in version %d", size,
         FEATURES_VERSION);
    return NULL;
}

/* ---------------------------------------------------------------- sets */

static guint digest_hash(gconstpointer digest)
{
    guint hash;
    memcpy(&hash, digest, sizeof hash);
    return hash;
}

static gboolean digest_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, DIGEST_BYTES) == 0;
}

ClassifierSet *classifier_set_new(void)
{
    ClassifierSet *set = g_new0(ClassifierSet, 1);
    set->samples = g_hash_table_new_full(digest_hash, digest_equal, NULL, g_free);
    return set;
}

void classifier_set_free(ClassifierSet *set)
{
    if (!set)
        return;
    g_hash_table_unref(set->samples);
    g_free(set);
}

bool classifier_set_add(ClassifierSet *set, const Digest *digest, bool spam, const void *packed,
                        size_t size, GError **error)
{
    g_autoptr(ClassifierFeatures) features = classifier_unpack(packed, size, error);
    if (!features)
        return false;
    classifier_set_remove(set, digest);
    Sample *sample = g_malloc(sizeof(Sample) + size);
    sample->digest = *digest;
    sample->spam = spam;
    sample->size = size;
    memcpy(sample->packed, packed, size);
    g_hash_table_insert(set->samples, &sample->digest, sample);
    set->counts[spam]++;
    return true;
}

bool classifier_set_remove(ClassifierSet *set, const Digest *digest)
{
    const Sample *sample = g_hash_table_lookup(set->samples, digest);
    if (!sample)
        return false;
    set->counts[sample->spam]--;
    return g_hash_table_remove(set->samples, digest);
}

unsigned classifier_set_count(const ClassifierSet *set, bool spam)
{
    return set->counts[spam];
}

/* By the digests from byte *first on: a digest's bytes are as good as chance. */
static gint sample_order(gconstpointer a, gconstpointer b, gpointer first)
{
    const Sample *const *x = a, *const *y = b;
    unsigned from = *(const unsigned *)first;
    int order = memcmp((*x)->digest.bytes + from, (*y)->digest.bytes + from, DIGEST_BYTES - from);
    return order ? order : memcmp((*x)->digest.bytes, (*y)->digest.bytes, DIGEST_BYTES);
}

/* ---------------------------------------------------------------- training */

/* The margin of a message by a model's stored weights, in 2^-22, block by block; the sum. */
static int64_t margin_of(const ClassifierModel *model, const uint32_t *id, const unsigned *counts,
                         const uint32_t *values, int64_t blocks[CLASSIFIER_BLOCKS])
{
    int64_t all = 0;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        int64_t sum = 0;
        for (unsigned i = 0; i < counts[block]; i++)
            sum += model->weights[*id++ & (model->slots - 1)];
        blocks[block] = shifted(sum * (INT64_C(1) << model->shift) * values[block], VALUE_SHIFT);
        all += blocks[block];
    }
    return all;
}

typedef struct {
    int32_t *weights; /* in 2^-22 */
    uint32_t slots;
    int64_t *shares;  /* of each message, in 2^-22 */
    int64_t *offsets; /* what the base says, in 2^-22; NULL: no base */
    uint32_t *ids;    /* of the message in hand */
} Training;

static void learn(Training *training, const Sample *sample)
{
    unsigned counts[CLASSIFIER_BLOCKS];
    uint32_t values[CLASSIFIER_BLOCKS];
    MUST(unpack(sample->packed, sample->size, training->ids, counts));
    set_values(counts, values);
    int64_t margin = training->offsets ? training->offsets[sample->number] : 0;
    const uint32_t *id = training->ids;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        int64_t sum = 0;
        for (unsigned i = 0; i < counts[block]; i++)
            sum += training->weights[*id++ & (training->slots - 1)];
        margin += shifted(sum * values[block], VALUE_SHIFT);
    }
    if (!sample->spam)
        margin = -margin;
    int64_t share = training->shares[sample->number];
    int64_t gradient = margin - ONE + share * SLACK / ONE;
    int64_t step = CLAMP(share - gradient * ONE / (ONE + SLACK), 0, SHARE_MAX) - share;
    training->shares[sample->number] += step;
    if (!step)
        return;
    id = training->ids;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        int64_t change = shifted(step * values[block], VALUE_SHIFT);
        int32_t add = (int32_t)(sample->spam ? change : -change);
        for (unsigned i = 0; i < counts[block]; i++) {
            int32_t *weight = &training->weights[*id++ & (training->slots - 1)];
            *weight = CLAMP(*weight + add, -WEIGHT_MAX, WEIGHT_MAX);
        }
    }
}

static void set_offsets(Training *training, const GPtrArray *samples, const ClassifierModel *base)
{
    training->offsets = g_new(int64_t, samples->len);
    for (unsigned i = 0; i < samples->len; i++) {
        const Sample *sample = g_ptr_array_index(samples, i);
        unsigned counts[CLASSIFIER_BLOCKS];
        uint32_t values[CLASSIFIER_BLOCKS];
        int64_t blocks[CLASSIFIER_BLOCKS];
        MUST(unpack(sample->packed, sample->size, training->ids, counts));
        set_values(counts, values);
        training->offsets[sample->number] = margin_of(base, training->ids, counts, values, blocks);
    }
}

static ClassifierModel *model_new(uint32_t slots)
{
    ClassifierModel *model = g_malloc0(sizeof(ClassifierModel) + slots * sizeof(int16_t));
    model->references = 1;
    model->slots = slots;
    return model;
}

static ClassifierModel *model_of(const Training *training, const unsigned counts[2])
{
    const int32_t *weights = training->weights;
    ClassifierModel *model = model_new(training->slots);
    model->counts[0] = counts[0];
    model->counts[1] = counts[1];
    int64_t most = 0;
    for (size_t i = 0; i < model->slots; i++)
        most = MAX(most, ABS((int64_t)weights[i]));
    while (shifted(most, model->shift) > INT16_MAX)
        model->shift++;
    for (size_t i = 0; i < model->slots; i++)
        model->weights[i] = (int16_t)shifted(weights[i], model->shift);
    return model;
}

static bool pass_all(Training *training, GPtrArray *samples, ClassifierStop stop, void *data)
{
    for (unsigned pass = 0; pass < PASSES; pass++) {
        unsigned first = pass * DIGEST_BYTES / PASSES;
        g_ptr_array_sort_with_data(samples, sample_order, &first);
        for (unsigned i = 0; i < samples->len; i++) {
            if (stop && i % 64 == 0 && stop(data))
                return false;
            learn(training, g_ptr_array_index(samples, i));
        }
    }
    return true;
}

ClassifierModel *classifier_train(const ClassifierSet *set, const ClassifierModel *base,
                                  ClassifierStop stop, void *data)
{
    g_autoptr(GPtrArray) samples = g_ptr_array_new();
    GHashTableIter iterator;
    gpointer value;
    size_t largest = 0;
    g_hash_table_iter_init(&iterator, set->samples);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        Sample *sample = value;
        sample->number = samples->len;
        largest = MAX(largest, sample->size);
        g_ptr_array_add(samples, sample);
    }
    uint32_t slots = base ? OWN_SLOTS : CLASSIFIER_SLOTS;
    Training training = {.weights = g_new0(int32_t, slots),
                         .slots = slots,
                         .shares = g_new0(int64_t, samples->len),
                         .ids = g_new(uint32_t, largest + 1)};
    if (base)
        set_offsets(&training, samples, base);
    bool whole = pass_all(&training, samples, stop, data);
    ClassifierModel *model = whole ? model_of(&training, set->counts) : NULL;
    g_free(training.weights);
    g_free(training.shares);
    g_free(training.offsets);
    g_free(training.ids);
    return model;
}

/* ---------------------------------------------------------------- models */

ClassifierModel *classifier_model_ref(ClassifierModel *model)
{
    g_atomic_int_inc(&model->references);
    return model;
}

void classifier_model_unref(ClassifierModel *model)
{
    if (model && g_atomic_int_dec_and_test(&model->references))
        g_free(model);
}

unsigned classifier_model_count(const ClassifierModel *model, bool spam)
{
    return model->counts[spam];
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Versions and shift; slots; ham; spam; a check of all weights; the weights, all low bytes before
 * all high ones, which a compressing store takes well. */
GBytes *classifier_model_format(const ClassifierModel *model)
{
    size_t size = MODEL_HEADER + 2 * (size_t)model->slots;
    uint8_t *bytes = g_malloc(size);
    uint32_t check = 0;
    for (size_t i = 0; i < model->slots; i++) {
        uint16_t weight = (uint16_t)model->weights[i];
        check = check * 31 + weight;
        bytes[MODEL_HEADER + i] = (uint8_t)weight;
        bytes[MODEL_HEADER + model->slots + i] = (uint8_t)(weight >> 8);
    }
    put_u32(bytes, MODEL_VERSION | FEATURES_VERSION << 8 | (uint32_t)model->shift << 16);
    put_u32(bytes + 4, model->slots);
    put_u32(bytes + 8, model->counts[0]);
    put_u32(bytes + 12, model->counts[1]);
    put_u32(bytes + 16, check);
    return g_bytes_new_take(bytes, size);
}

ClassifierModel *classifier_model_parse(const void *bytes, size_t size, GError **error)
{
    const uint8_t *at = bytes;
    uint32_t form = size >= MODEL_HEADER ? get_u32(at) : 0;
    uint32_t slots = size >= MODEL_HEADER ? get_u32(at + 4) : 0;
    if ((form & 0xffff) != (MODEL_VERSION | FEATURES_VERSION << 8) || form >> 16 > 16 ||
        (slots != CLASSIFIER_SLOTS && slots != OWN_SLOTS) ||
        size != MODEL_HEADER + 2 * (size_t)slots) {
        fail(error, ERROR_REJECT, "the %zu bytes are not a spam model of this version", size);
        return NULL;
    }
    g_autoptr(ClassifierModel) model = model_new(slots);
    model->shift = form >> 16;
    model->counts[0] = get_u32(at + 8);
    model->counts[1] = get_u32(at + 12);
    at += MODEL_HEADER;
    uint32_t check = 0;
    for (size_t i = 0; i < slots; i++) {
        uint16_t weight = (uint16_t)(at[i] | at[slots + i] << 8);
        check = check * 31 + weight;
        model->weights[i] = (int16_t)weight;
    }
    if (check == get_u32((const uint8_t *)bytes + 16))
        return g_steal_pointer(&model);
    fail(error, ERROR_REJECT, "the spam model is damaged: its check does not fit");
    return NULL;
}

/* ---------------------------------------------------------------- scores */

/* logistic(margin) in 2^-16, from a table with straight lines between its points. */
static int64_t logistic(int64_t margin)
{
    /* 65536 / (1 + exp(-x)) for x = 0, 0.5, ... 8 */
    static const int64_t POINTS[] = {32768, 40793, 47911, 53582, 57724, 60567, 62428, 63610, 64357,
                                     64808, 65097, 65270, 65374, 65438, 65476, 65500, 65514};
    bool negative = margin < 0;
    int64_t x = MIN(ABS(margin), 8 * ONE - 1);
    int64_t i = x / (ONE / 2), rest = x % (ONE / 2);
    int64_t value = POINTS[i] + (POINTS[i + 1] - POINTS[i]) * rest / (ONE / 2);
    return negative ? 65536 - value : value;
}

ClassifierScore classifier_score(const ClassifierModel *model, const ClassifierModel *own,
                                 const ClassifierFeatures *features)
{
    uint32_t values[CLASSIFIER_BLOCKS];
    set_values(features->counts, values);
    int64_t blocks[CLASSIFIER_BLOCKS], more[CLASSIFIER_BLOCKS] = {0};
    int64_t margin = margin_of(model, features->ids, features->counts, values, blocks);
    if (own)
        margin += margin_of(own, features->ids, features->counts, values, more);
    ClassifierScore score = {.score = (double)logistic(STEEPNESS * (margin - MIDDLE)) / 65536};
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++)
        score.blocks[block] = (double)(blocks[block] + more[block]) / (double)ONE;
    return score;
}

/* ---------------------------------------------------------------- what weighed most */

typedef struct {
    const ClassifierModel *model, *own;
    GHashTable *seen; /* of block and id */
    GArray *words;
} Naming;

typedef struct {
    ClassifierWord word;
    ClassifierBlock block;
} NamedWord;

static int64_t weight_of(const ClassifierModel *model, uint32_t id)
{
    return (int64_t)model->weights[id & (model->slots - 1)] * (1 << model->shift);
}

static void name_word(ClassifierBlock block, uint32_t id, const char *prefix, const char *text,
                      size_t size, void *data)
{
    Naming *naming = data;
    int64_t weight = weight_of(naming->model, id);
    if (naming->own)
        weight += weight_of(naming->own, id);
    if (!weight ||
        !g_hash_table_add(naming->seen, GUINT_TO_POINTER(block * CLASSIFIER_SLOTS + id + 1)))
        return;
    NamedWord named = {.word.weight = (double)weight, .block = block};
    size_t at = g_strlcpy(named.word.text, prefix, sizeof named.word.text);
    for (size_t i = 0; i < size && at < sizeof named.word.text - 1; i++) {
        unsigned char byte = (unsigned char)text[i];
        named.word.text[at++] = byte <= ' ' || byte == 0x7f ? '?' : g_ascii_tolower(text[i]);
    }
    named.word.text[at] = '\0';
    const char *end;
    if (!g_utf8_validate(named.word.text, -1, &end))
        named.word.text[end - named.word.text] = '\0';
    g_array_append_val(naming->words, named);
}

static gint word_order(gconstpointer a, gconstpointer b)
{
    const NamedWord *x = a, *y = b;
    double difference = ABS(y->word.weight) - ABS(x->word.weight);
    return difference > 0 ? 1 : difference < 0 ? -1 : strcmp(x->word.text, y->word.text);
}

GArray *classifier_words(const ClassifierModel *model, const ClassifierModel *own,
                         const void *bytes, size_t size, const Message *message, unsigned most)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) words = g_array_new(FALSE, FALSE, sizeof(NamedWord));
    Naming naming = {.model = model, .own = own, .seen = seen, .words = words};
    g_autoptr(ClassifierFeatures) features =
        classifier_features_named(bytes, size, message, name_word, &naming);
    uint32_t values[CLASSIFIER_BLOCKS];
    set_values(features->counts, values);
    for (unsigned i = 0; i < words->len; i++) {
        NamedWord *named = &g_array_index(words, NamedWord, i);
        named->word.weight *= values[named->block] / (double)ONE / (1 << VALUE_SHIFT);
    }
    g_array_sort(words, word_order);
    GArray *found = g_array_new(FALSE, FALSE, sizeof(ClassifierWord));
    for (unsigned i = 0; i < words->len && i < most; i++)
        g_array_append_val(found, g_array_index(words, NamedWord, i).word);
    return found;
}
