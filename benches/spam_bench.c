/* spam_bench: rota's spam filter without a store, for benches/spam.sh.
 *
 * spam-bench TRAIN TEST SCORES: trains on the messages of list TRAIN ("ham\tPATH", "spam\tPATH"),
 * scores those of list TEST, and writes "PATH\tSCORE" lines to SCORES. Prints how long each took,
 * from the file's bytes on: reading, parsing, features, packing and learning; reading, parsing,
 * features and score.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "content/classifier.h"

static ClassifierFeatures *features_of_file(const char *path, Digest *ret_digest)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *bytes = NULL;
    gsize size;
    if (!g_file_get_contents(path, &bytes, &size, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
    g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL);
    if (ret_digest)
        *ret_digest = digest_of(bytes, size);
    return classifier_features(bytes, size, message);
}

static void train(ClassifierSet *set, char *line)
{
    char *path = strchr(line, '\t');
    Digest digest;
    g_autoptr(ClassifierFeatures) features = features_of_file(path + 1, &digest);
    g_autoptr(GBytes) packed = classifier_pack(features);
    gsize size;
    const void *data = g_bytes_get_data(packed, &size);
    g_autoptr(GError) error = NULL;
    if (!classifier_set_add(set, &digest, line[0] == 's', data, size, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

static char **lines_of(const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(path, &text, NULL, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
    g_strchomp(text);
    return g_strsplit(text, "\n", -1);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    message_library_init();
    const Clock *clock = clock_real();
    g_auto(GStrv) learnt = lines_of(argv[1]);
    g_auto(GStrv) asked = lines_of(argv[2]);
    FILE *out = fopen(argv[3], "w");
    if (!out)
        return 1;
    int64_t begin = clock_monotonic_us(clock);
    g_autoptr(ClassifierSet) set = classifier_set_new();
    for (unsigned i = 0; learnt[i]; i++)
        train(set, learnt[i]);
    int64_t taken = clock_monotonic_us(clock);
    g_autoptr(ClassifierModel) model = classifier_train(set, NULL, NULL, NULL);
    int64_t trained = clock_monotonic_us(clock);
    for (unsigned i = 0; asked[i]; i++) {
        g_autoptr(ClassifierFeatures) features = features_of_file(strchr(asked[i], '\t') + 1, NULL);
        ClassifierScore score = classifier_score(model, NULL, features);
        fprintf(out, "%s\t%.5f\n", strchr(asked[i], '\t') + 1, score.score);
    }
    int64_t scored = clock_monotonic_us(clock);
    fclose(out);
    double trains = g_strv_length(learnt), scores = g_strv_length(asked);
    printf("train\t%.0f\n", trains * 1e6 / (double)(trained - begin));
    printf("features\t%.0f\n", trains * 1e6 / (double)(taken - begin));
    printf("score\t%.0f\n", scores * 1e6 / (double)(scored - trained));
    return 0;
}
