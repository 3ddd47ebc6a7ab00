/* classifier_fuzz: any mail has features, which come back from their packed form; any bytes are
 * features or a model, or are refused. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "content/classifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void pack_again(const ClassifierFeatures *features)
{
    g_autoptr(GBytes) packed = classifier_pack(features);
    gsize packed_size;
    const void *data = g_bytes_get_data(packed, &packed_size);
    g_autoptr(ClassifierFeatures) again = classifier_unpack(data, packed_size, NULL);
    MUST(again && memcmp(again->counts, features->counts, sizeof again->counts) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool ready;
    if (!ready)
        message_library_init();
    ready = true;
    g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL);
    g_autoptr(ClassifierFeatures) features = classifier_features(bytes, size, message);
    pack_again(features);
    g_autoptr(GError) error = NULL;
    g_autoptr(ClassifierFeatures) stored = classifier_unpack(bytes, size, &error);
    MUST(stored || error_kind(error) == ERROR_REJECT);
    if (stored)
        pack_again(stored);
    g_clear_error(&error);
    /* The input is the beginning of a model of 2^14 slots. */
    size_t model_size = 20 + 2 * (size_t)(1 << 14);
    g_autofree uint8_t *model_bytes = g_malloc0(model_size);
    if (size)
        memcpy(model_bytes, bytes, MIN(size, model_size));
    g_autoptr(ClassifierModel) model = classifier_model_parse(model_bytes, model_size, &error);
    MUST(model || error_kind(error) == ERROR_REJECT);
    if (model) {
        double score = classifier_score(model, NULL, features).score;
        MUST(score > 0 && score < 1);
    }
    return 0;
}
