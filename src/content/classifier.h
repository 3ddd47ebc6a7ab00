/* classifier.h: spam or not, as pure arithmetic.
 *
 * Features of a message are counted into a model by label; learning and un-learning the same
 * message cancel out; the order within a batch does not matter; counts are integer sums, so that
 * shards train side by side and add up. It neither loads nor stores. (The helper that builds it
 * completes this header: features, counts, model, score, the words that weighed most.)
 */
#ifndef ROTA_CONTENT_CLASSIFIER_H
#define ROTA_CONTENT_CLASSIFIER_H

#endif
