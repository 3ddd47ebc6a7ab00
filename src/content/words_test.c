/* words_test: folding, breaking, stems, languages, and queries. */
#include "support.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/words.h"
#include "content/words_language.h"
#include "content/words_scan.h"

static void collect(const char *word, size_t size, ScanKind kind, void *data)
{
    GString *out = data;
    g_string_append_printf(out, "%s%s%.*s", out->len ? " " : "", kind == SCAN_COMPOUND ? "=" : "",
                           (int)size, word);
}

static const struct {
    const char *name, *input, *want; /* compounds with = */
} TEXTS[] = {
    {"ascii", "Hello, World! x1y2", "hello world x1y2"},
    {"address", "to Ada.Lovelace@Example.ORG.",
     "to ada lovelace example org =ada.lovelace@example.org =ada.lovelace =example.org"},
    {"numbers", "2025-12-01 3.14 +49-30-1234",
     "2025 12 01 =2025-12-01 3 14 =3.14 49 30 1234 =49-30-1234"},
    {"hyphens and apostrophes", "well-known don't l'avion", "well known don t l avion"},
    {"identifiers", "snake_case file.c -- a...b", "snake case =snake_case file c =file.c a b"},
    {"latin with accents", "Café ÉTÉ Straße Łódź naïve", "cafe ete strasse łodz naive"},
    {"accents apart", "Cafe\xCC\x81", "cafe"},
    {"address with accents", "jörg@münchen.example",
     "jorg munchen example =jorg@munchen.example =munchen.example"},
    {"curly quotes and dashes", "“it’s” – done…", "it s done"},
    {"soft hyphen and zero width",
     "com\xC2\xADputer a\xE2\x80\x8B"
     "b",
     "computer ab"},
    {"cyrillic", "Ещё Мой ПРИВЕТ", "еще мой привет"},
    {"greek", "Καλημέρα ΣΊΣΥΦΟΣ", "καλημερα σισυφοσ"},
    {"arabic", "السَّلامُ عليكم", "السلام عليكم"},
    {"hebrew", "שָׁלוֹם", "שלום"},
    {"hindi keeps its signs", "हिन्दी में", "हिन्दी में"},
    {"japanese", "東京都に住んでいます。", NULL},
    {"chinese", "我喜欢北京", NULL},
    {"thai", "สวัสดีชาวโลก", NULL},
    {"full width", "ＡＢＣ１２３", "abc123"},
    {"korean", "서울에서 만나요", "서울에서 만나요"},
    {"emoji", "hi😀there", "hi there"},
    {"empty", "", ""},
    {"punctuation", "-- ... @ _ ", ""},
};

static void breaks_and_folds(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(TEXTS); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        words_scan(TEXTS[i].input, strlen(TEXTS[i].input), collect, out);
        if (TEXTS[i].want && strcmp(out->str, TEXTS[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", TEXTS[i].name, out->str, TEXTS[i].want);
        if (!TEXTS[i].want && !strchr(out->str, ' '))
            fail_msg("%s: not broken: \"%s\"", TEXTS[i].name, out->str);
    }
}

static void long_runs_are_bounded(void **state)
{
    (void)state;
    const char *pieces[] = {"a", "é", "中", "a.", "a@"};
    for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        for (unsigned k = 0; k < 5000; k++)
            g_string_append(text, pieces[i]);
        g_autoptr(GString) out = g_string_new(NULL);
        words_scan(text->str, text->len, collect, out);
        g_auto(GStrv) words = g_strsplit(out->str, " ", -1);
        for (size_t k = 0; words[k]; k++) {
            assert_true(strlen(words[k]) <= WORD_BYTES_MAX + 1);
            assert_true(g_utf8_validate(words[k], -1, NULL));
        }
    }
}

static Message *message_of(const char *mail)
{
    return message_parse(mail, strlen(mail), MESSAGE_FULL);
}

static const struct {
    const char *want, *text;
} LANGUAGES[] = {
    {"english",
     "I think that this is what you have asked for, and there are more of them in the house."},
    {"german",
     "Ich habe das nicht gesehen, aber wir können auch mit der Bahn zu den Eltern fahren."},
    {"french", "Nous avons reçu votre lettre et je vous remercie pour le temps que vous nous avez "
               "donné dans ce mois."},
    {"spanish", "No sé qué es lo que está pasando con los papeles, pero para mí no hay ningún "
                "problema en la casa."},
    {"russian", "Я не знаю, что это такое, но мы должны сказать об этом всем, как только он придёт "
                "на работу."},
    {"greek", "Δεν ξέρω τι είναι αυτό που θέλεις να κάνεις με την εφημερίδα για το σπίτι."},
    {"arabic", "هذا الكتاب من المكتبة التي في المدينة وهو على الطاولة مع ما كان عن ذلك."},
    {"turkish", "Bu kitap çok güzel ama daha iyi bir tane var, ne zaman istersen ben de gelirim ve "
                "sonra konuşuruz."},
    {"", "Invoice 4711"},
};

static void detects_languages(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(LANGUAGES); i++) {
        g_autofree char *mail =
            g_strdup_printf("Content-Type: text/plain; charset=utf-8\n\n%s\n", LANGUAGES[i].text);
        g_autoptr(Message) message = message_of(mail);
        unsigned language = 99;
        g_string_free(words_of_message(message, &language), TRUE);
        if (strcmp(words_language_name(language), LANGUAGES[i].want) != 0)
            fail_msg("\"%s\": got %s, want %s", LANGUAGES[i].text, words_language_name(language),
                     LANGUAGES[i].want);
    }
}

static const char MAIL[] =
    "From: Ada Lovelace <ada@example.org>\nTo: team@lists.example.net\nSubject: Running the "
    "engines\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"
    "I have seen that the engine runs and that there are many houses in the village which you have "
    "not seen. "
    "See version 1.2.3 and the file foo_bar.c at well-known places.\n"
    "--b\nContent-Type: application/pdf; name=\"Plan of Paris.pdf\"\n\nx\n--b--\n";

static bool has_term(const GString *terms, const char *term)
{
    g_autofree char *padded = g_strdup_printf(" %s ", terms->str),
                    *want = g_strdup_printf(" %s ", term);
    return strstr(padded, want) != NULL;
}

static void makes_terms(void **state)
{
    (void)state;
    g_autoptr(Message) message = message_of(MAIL);
    unsigned language;
    g_autoptr(GString) terms = words_of_message(message, &language);
    assert_string_equal(words_language_name(language), "english");
    const char *in[] = {"*",
                        "run=1",
                        "s:run=1",
                        "engin=1",
                        "s:engin=1",
                        "hous=1",
                        "villag=1",
                        "f:ada",
                        "ada",
                        "x:ada",
                        "f:ada@example.org",
                        "f:example.org",
                        "t:lists.example.net",
                        "t:example.net",
                        "a:paris",
                        "a:paris.pdf",
                        "1.2.3",
                        "foo_bar.c"};
    const char *out[] = {"houses", "running", "hous",  "s:hous=1", "x:run=1",
                         "t:ada",  "f:team",  "c:ada", "1.2.3=1"};
    for (size_t i = 0; i < G_N_ELEMENTS(in); i++)
        if (!has_term(terms, in[i]))
            fail_msg("no \"%s\" in \"%s\"", in[i], terms->str);
    for (size_t i = 0; i < G_N_ELEMENTS(out); i++)
        if (has_term(terms, out[i]))
            fail_msg("\"%s\" in \"%s\"", out[i], terms->str);
    g_auto(GStrv) split = g_strsplit(terms->str, " ", -1);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; split[i]; i++)
        assert_true(g_hash_table_add(seen, split[i]));
}

static void terms_are_bounded(void **state)
{
    (void)state;
    g_autoptr(GString) mail = g_string_new("Subject: x\n\n");
    for (unsigned i = 0; i < 400000; i++)
        g_string_append_printf(mail, "w%ux ", i);
    g_autoptr(Message) message = message_parse(mail->str, mail->len, MESSAGE_FULL);
    g_autoptr(GString) terms = words_of_message(message, NULL);
    assert_true(terms->len <= WORDS_TERMS_BYTES_MAX);
    assert_true(has_term(terms, "w100x"));

    g_string_assign(mail, "Subject: x\n\n");
    for (unsigned i = 0; i < 100000; i++)
        g_string_append_printf(mail, "0123456789abcdef%u ", i);
    g_autoptr(Message) dump = message_parse(mail->str, mail->len, MESSAGE_FULL);
    g_autoptr(GString) few = words_of_message(dump, NULL);
    assert_true(few->len < 30000);
}

static char *query_format(const QueryNode *node)
{
    static const char *const KINDS[] = {"and", "or", "not", "", "phrase"};
    GString *out = g_string_new(node->kind == QUERY_TERM ? "" : "(");
    g_string_append(out, KINDS[node->kind]);
    if (*node->field)
        g_string_append_printf(out, "%s%s:", node->kind == QUERY_PHRASE ? " " : "", node->field);
    for (unsigned i = 0; i < node->children->len; i++) {
        g_autofree char *child = query_format(g_ptr_array_index(node->children, i));
        g_string_append_printf(out, " %s", child);
    }
    for (unsigned i = 0; i < node->words->len; i++)
        g_string_append_printf(out, "%s%s", node->kind == QUERY_TERM ? "" : " ",
                               (const char *)g_ptr_array_index(node->words, i));
    if (node->kind != QUERY_TERM)
        g_string_append_c(out, ')');
    return g_string_free(out, FALSE);
}

static const struct {
    const char *input, *want; /* beginning with !: the error has it */
} QUERIES[] = {
    {"hello", "hello"},
    {"Hello WORLD", "(and hello world)"},
    {"a AND b OR c", "(or (and a b) c)"},
    {"a (b OR c) -d", "(and a (or b c) (not d))"},
    {"NOT a", "(not a)"},
    {"- a", "a"},
    {"--a", "a"},
    {"-(a b)", "(not (and a b))"},
    {"\"big red bus\"", "(phrase big red bus)"},
    {"\"bus\"", "bus"},
    {"subject:\"big bus\" from:ada@example.org",
     "(and (phrase subject: big bus) from:ada@example.org)"},
    {"from:@example.org", "from:example.org"},
    {"well-known", "(phrase well known)"},
    {"1.2.3", "1.2.3"},
    {"http://example.org/x", "(phrase http example org x)"},
    {"nosuch:word", "(phrase nosuch word)"},
    {"Café", "cafe"},
    {"or and not", "(and or and not)"},
    {"a & b", "(and a b)"},
    {"", "!no word"},
    {"  ", "!no word"},
    {"&&", "!no word"},
    {"\"a", "!quotation"},
    {"(a", "!not closed"},
    {"a)", "!not opened"},
    {"a OR", "!no word after"},
    {"a AND", "!no word after"},
    {"OR a", "(and or a)"},
    {"from:", "!no word after"},
    {"NOT", "!no word after"},
    {"()", "!no word after"},
    {"\xff", "!UTF-8"},
};

static void parses_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(QUERIES); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(QueryNode) query = query_parse(QUERIES[i].input, &error);
        const char *want = QUERIES[i].want;
        g_autofree char *got = query ? query_format(query) : g_strdup_printf("!%s", error->message);
        bool same = *want == '!' ? !query && strstr(got, want + 1) : strcmp(got, want) == 0;
        if (!same)
            fail_msg("\"%s\": got \"%s\", want \"%s\"", QUERIES[i].input, got, want);
    }
    g_autoptr(GString) deep = g_string_new(NULL);
    for (unsigned i = 0; i < 1000; i++)
        g_string_append(deep, "(");
    g_autoptr(GError) error = NULL;
    assert_null(query_parse(deep->str, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
}

static const struct {
    const char *query;
    bool want;
} MATCHES[] = {
    {"house", true},
    {"Houses", true},
    {"housing", true},
    {"horse", false},
    {"engine", true},
    {"body:ada", false},
    {"body:engines", true},
    {"from:ada", true},
    {"from:lovelace", true},
    {"to:ada", false},
    {"subject:run", true},
    {"subject:village", false},
    {"attachment:plan", true},
    {"ada@example.org", true},
    {"example.net", true},
    {"1.2.3", true},
    {"\"many houses\"", true},
    {"\"houses many\"", false},
    {"\"many house\"", false},
    {"well-known", true},
    {"-horse", true},
    {"-house", false},
    {"horse OR house", true},
    {"-\"many houses\"", false},
    {"subject:\"the engines\"", true},
    {"body:\"the engines\"", false},
    {"\"that that the\"", false},
};

static void matches_messages(void **state)
{
    (void)state;
    g_autoptr(Message) message = message_of(MAIL);
    unsigned language;
    g_string_free(words_of_message(message, &language), TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(MATCHES); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(QueryNode) query = query_parse(MATCHES[i].query, &error);
        assert_no_error(error);
        if (query_matches(query, message, UINT64_C(1) << language) != MATCHES[i].want)
            fail_msg("\"%s\": want %d", MATCHES[i].query, MATCHES[i].want);
    }
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breaks_and_folds),  cmocka_unit_test(long_runs_are_bounded),
        cmocka_unit_test(detects_languages), cmocka_unit_test(makes_terms),
        cmocka_unit_test(terms_are_bounded), cmocka_unit_test(parses_queries),
        cmocka_unit_test(matches_messages),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
