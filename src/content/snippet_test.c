/* snippet_test: which words are marked. */
#include "support.h"

#include <string.h>

#include "content/snippet.h"

static const struct {
    const char *name, *query, *text, *want; /* NULL: nothing is marked */
} LINES[] = {
    {"a word", "apples", "Red Apples, <b>", "Red <mark>Apples</mark>, &lt;b&gt;"},
    {"folded", "cafe", "Le Café", "Le <mark>Café</mark>"},
    {"a stem", "running", "He runs & runs", "He <mark>runs</mark> &amp; <mark>runs</mark>"},
    {"an address", "ada@example.org", "to ada@example.org.", "to <mark>ada@example.org</mark>."},
    {"part of one", "example", "to ada@example.org.", "to ada@<mark>example</mark>.org."},
    {"not asked for", "-red apples", "red apples", "red <mark>apples</mark>"},
    {"a phrase", "\"red apples\"", "red apples", "<mark>red</mark> <mark>apples</mark>"},
    {"white space", "b", " a\r\n\tb", "a <mark>b</mark>"},
    {"none", "pears", "red apples", NULL},
    {"no part of a word", "app", "apples", NULL},
    {"empty", "app", "", NULL},
};

static uint64_t english(void)
{
    unsigned language = 1;
    while (strcmp(words_language_name(language), "english") != 0)
        language++;
    return UINT64_C(1) << language;
}

static void lines_are_marked(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(LINES); i++) {
        g_autoptr(QueryNode) query = query_parse(LINES[i].query, NULL);
        g_auto(SnippetWords) words = {0};
        snippet_words_init(&words, english());
        snippet_words_add(&words, query);
        g_autofree char *line = snippet_of_line(LINES[i].text, &words);
        g_autofree char *text = snippet_of_text(LINES[i].text, &words);
        if (g_strcmp0(line, LINES[i].want) != 0 || g_strcmp0(text, LINES[i].want) != 0)
            fail_msg("%s: got \"%s\" and \"%s\", want \"%s\"", LINES[i].name, line, text,
                     LINES[i].want);
    }
}

/* What is around the word, in no more bytes than the RFC has, whole characters and entities. */
static void snippets_are_short(void **state)
{
    (void)state;
    g_autoptr(QueryNode) query = query_parse("needle", NULL);
    g_auto(SnippetWords) words = {0};
    snippet_words_init(&words, 0);
    snippet_words_add(&words, query);
    static const char *const fillers[] = {"hay ", "<&>", "ä ö ", "needle ", "x"};
    for (size_t i = 0; i < G_N_ELEMENTS(fillers); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        for (int k = 0; k < 1000; k++)
            g_string_append(text, fillers[i]);
        g_string_append(text, " needle ");
        for (int k = 0; k < 1000; k++)
            g_string_append(text, fillers[i]);
        g_autofree char *got = snippet_of_text(text->str, &words);
        assert_non_null(got);
        assert_true(strlen(got) <= SNIPPET_BYTES_MAX && g_utf8_validate(got, -1, NULL));
        assert_non_null(strstr(got, "<mark>needle</mark>"));
        assert_true(strlen(got) > 20 || i == 4);
    }
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_marked),
        cmocka_unit_test(snippets_are_short),
    };
    return cmocka_run_group_tests_name("snippet", tests, NULL, NULL);
}
