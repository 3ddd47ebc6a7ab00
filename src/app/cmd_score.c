/* cmd_score: what the spam filter says of messages in files, and why.
 *
 * How it fits: the same model and arithmetic as at delivery (app/spam_scorer), read once.
 *
 * Failures: no model yet (1), a file that cannot be read (named; 1 at the end), the store's. Known
 * weak points: none.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "content/classifier.h"
#include "model/spam_model.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/mail_files.h"
#include "app/ui.h"

#define WORDS_DEFAULT 15

static char *option_account;
static gboolean option_explain;
static gint64 option_words = WORDS_DEFAULT;

typedef struct {
    ClassifierModel *model, *own;
    size_t bytes_max;
    double junk_from;
    json_t *list; /* NULL: lines are printed */
    unsigned problems;
} Scoring;

static void add_problem(const char *place, const char *text, void *data)
{
    g_autofree char *safe = ui_safe(place);
    fprintf(stderr, "%s: %s\n", safe, text);
    ((Scoring *)data)->problems++;
}

static void add_json(Scoring *scoring, const char *where, const ClassifierScore *score,
                     const GArray *words)
{
    g_autofree char *place = ui_safe(where);
    json_t *list = json_array();
    for (unsigned i = 0; words && i < words->len; i++) {
        const ClassifierWord *word = &g_array_index(words, ClassifierWord, i);
        json_array_append_new(list,
                              json_pack("{s:s, s:f}", "word", word->text, "weight", word->weight));
    }
    json_array_append_new(scoring->list,
                          json_pack("{s:s, s:f, s:b, s:f, s:f, s:f, s:o}", "place", place, "score",
                                    score->score, "junk", score->score >= scoring->junk_from,
                                    "header", score->blocks[CLASSIFIER_HEADER], "text",
                                    score->blocks[CLASSIFIER_TEXT], "markup",
                                    score->blocks[CLASSIFIER_MARKUP], "words", list));
}

static void print_score(const Scoring *scoring, const char *where, const ClassifierScore *score,
                        const GArray *words)
{
    g_autofree char *place = ui_safe(where);
    bool junk = score->score >= scoring->junk_from;
    printf("%.4f  %s  %s\n", score->score, junk ? "spam" : "ham ", place);
    if (!words)
        return;
    printf("        header %+.2f, text %+.2f, markup %+.2f; above 0 speaks for spam\n",
           score->blocks[CLASSIFIER_HEADER], score->blocks[CLASSIFIER_TEXT],
           score->blocks[CLASSIFIER_MARKUP]);
    for (unsigned i = 0; i < words->len; i++) {
        const ClassifierWord *word = &g_array_index(words, ClassifierWord, i);
        g_autofree char *safe = ui_safe(word->text);
        printf("        %+.4f  %s\n", word->weight, safe);
    }
}

static bool score_mail(const char *place, GBytes *bytes, int64_t read, void *data, GError **error)
{
    (void)read, (void)error;
    Scoring *scoring = data;
    gsize size;
    const void *mail = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(mail, size, MESSAGE_FULL);
    g_autoptr(ClassifierFeatures) features = classifier_features(mail, size, message);
    ClassifierScore score = classifier_score(scoring->model, scoring->own, features);
    g_autoptr(GArray) words = option_explain
                                  ? classifier_words(scoring->model, scoring->own, mail, size,
                                                     message, (unsigned)option_words)
                                  : NULL;
    if (scoring->list)
        add_json(scoring, place, &score, words);
    else
        print_score(scoring, place, &score, words);
    return true;
}

/* False: the store's error, or that there is no model. */
static bool read_models(Db *db, Scoring *scoring, int64_t account, GError **error)
{
    int64_t version = 0;
    GError *why = NULL;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    scoring->model = spam_model_get(db, SPAM_CLUSTER, &version, &why);
    if (!why && account && scoring->model)
        scoring->own = spam_model_get(db, account, &version, &why);
    if (why) {
        g_propagate_error(error, why);
        return false;
    }
    return scoring->model ||
           fail(error, ERROR_GONE, "there is no spam model yet; `rota train --status` says why");
}

static int score_paths(CommandContext *context, Db *db, Scoring *scoring, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Account) account =
        option_account ? command_find_account(db, option_account, &error) : NULL;
    MailFiles files = {.paths = argv,
                       .bytes_max = scoring->bytes_max,
                       .mail = score_mail,
                       .problem = add_problem,
                       .data = scoring};
    unsigned passed_over = 0;
    bool good = !error && read_models(db, scoring, account ? account->id : 0, &error);
    scoring->list = good && context->json ? json_array() : NULL;
    good = good && mail_files_read(&files, &passed_over, &error);
    if (scoring->list)
        ui_print_json(scoring->list);
    if (!good)
        return command_fail(error);
    return scoring->problems ? EXIT_NO : EXIT_FINE;
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    if (option_words < 1 || option_words > 10000)
        return command_misuse(context, "--words is from 1 to 10000");
    message_library_init();
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Db) db = settings ? command_open_db(context, COMMAND_STORE_EXISTING, &error) : NULL;
    if (!db)
        return command_fail(error);
    Scoring scoring = {.bytes_max = (size_t)settings->lmtp.message_bytes_max,
                       .junk_from = settings->spam.score_spam};
    int status = score_paths(context, db, &scoring, argv);
    classifier_model_unref(scoring.model);
    classifier_model_unref(scoring.own);
    return status;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account,
     "with this account's own model on top, where it has one", "ADDRESS"},
    {"explain", 0, 0, G_OPTION_ARG_NONE, &option_explain, "show what weighed most", NULL},
    {"words", 0, 0, G_OPTION_ARG_INT64, &option_words, "how many of these (15)", "N"},
    {0},
};

const Command cmd_score = {
    .name = "score",
    .usage = "PATH…",
    .summary = "shows what the spam filter says of messages in files, and why",
    .example = "rota score --explain letter.eml\n"
               "rota score -a ada@example.org ~/Maildir/.Junk",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = G_MAXUINT,
    .run = run,
};
