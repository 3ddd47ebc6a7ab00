/* classifier_features.h: features with their names. Part of
 * content/classifier; others include classifier.h.
 */
#ifndef ROTA_CONTENT_CLASSIFIER_FEATURES_H
#define ROTA_CONTENT_CLASSIFIER_FEATURES_H

#include "content/classifier.h"

/* Called for each feature that a person can read, where it occurs; `prefix` is static. */
typedef void (*ClassifierNamed)(ClassifierBlock block, uint32_t id, const char *prefix,
                                const char *text, size_t size, void *data);
/* As classifier_features, with the names. */
ClassifierFeatures *classifier_features_named(const void *bytes, size_t size,
                                              const Message *message, ClassifierNamed named,
                                              void *data);

#endif
