/* words_query: the query language, and what a query means for one message.
 *
 * query      = all { "OR" all }
 * all        = item { [ "AND" ] item }
 * item       = ( "-" | "NOT" ) item | "(" query ")" | [ field ":" ] ( word | quoted )
 *
 * AND, OR and NOT are operators in capitals only. A field that is none of ours is text
 * ("http://…"). A word is scanned as text is; what gives several words is a phrase unless the index
 * holds it whole.
 *
 * Failures: ERROR_REJECT with what is wrong, for people.
 */
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "content/words.h"
#include "content/words_language.h"
#include "content/words_scan.h"

static const struct {
    const char *name, *prefix;
} FIELDS[] = {{"body", ""}, {"subject", "s:"}, {"from", "f:"},      {"to", "t:"},
              {"cc", "c:"}, {"bcc", "b:"},     {"attachment", "a:"}};

typedef struct {
    const char *at;
    unsigned nodes, depth;
} Parser;

static QueryNode *parse_any(Parser *parser, GError **error);

static QueryNode *node_new(QueryKind kind)
{
    QueryNode *node = g_new0(QueryNode, 1);
    node->kind = kind;
    node->field = "";
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify)query_free);
    node->words = g_ptr_array_new_with_free_func(g_free);
    return node;
}

void query_free(QueryNode *query)
{
    if (!query)
        return;
    g_ptr_array_unref(query->children);
    g_ptr_array_unref(query->words);
    g_free(query);
}

typedef struct {
    GPtrArray *words;
    char *whole; /* the longest compound */
} Scanned;

static void scanned_add(const char *word, size_t size, ScanKind kind, void *data)
{
    Scanned *scanned = data;
    if (kind == SCAN_WORD) {
        g_ptr_array_add(scanned->words, g_strndup(word, size));
    } else if (!scanned->whole || size > strlen(scanned->whole)) {
        g_free(scanned->whole);
        scanned->whole = g_strndup(word, size);
    }
}

/* How many bytes of words there are: a compound that has as many, joiners apart, is the whole of
 * them. */
static bool is_whole(const char *compound, const GPtrArray *words)
{
    size_t letters = 0, want = 0;
    for (const char *at = compound; *at; at++)
        letters += !strchr("@._-+", *at);
    for (unsigned i = 0; i < words->len; i++)
        want += strlen(g_ptr_array_index(words, i));
    return letters == want;
}

static QueryNode *text_node(const char *field, const char *text, size_t size, bool quoted)
{
    Scanned scanned = {.words = g_ptr_array_new_with_free_func(g_free)};
    words_scan(text, size, scanned_add, &scanned);
    g_autofree char *whole = scanned.whole;
    g_autoptr(GPtrArray) words = scanned.words;
    if (!words->len)
        return NULL;
    bool one = words->len == 1 ||
               (!(quoted && memchr(text, ' ', size)) && whole && is_whole(whole, words));
    QueryNode *node = node_new(one ? QUERY_TERM : QUERY_PHRASE);
    node->field = field;
    if (one) {
        g_ptr_array_add(node->words, words->len == 1 ? g_strdup(g_ptr_array_index(words, 0))
                                                     : g_steal_pointer(&whole));
    } else {
        g_ptr_array_unref(node->words);
        node->words = g_steal_pointer(&words);
    }
    return node;
}

static void skip_space(Parser *parser)
{
    while (*parser->at && strchr(" \t\r\n", *parser->at))
        parser->at++;
}

/* The operator at the parser, as a word of its own; moves past it. */
static bool take_operator(Parser *parser, const char *operator)
{
    size_t size = strlen(operator);
    if (strncmp(parser->at, operator, size) != 0 ||
        (parser->at[size] && !strchr(" \t\r\n(", parser->at[size])))
        return false;
    parser->at += size;
    skip_space(parser);
    return true;
}

static const char *take_field(Parser *parser)
{
    for (size_t i = 0; i < G_N_ELEMENTS(FIELDS); i++) {
        size_t size = strlen(FIELDS[i].name);
        if (g_ascii_strncasecmp(parser->at, FIELDS[i].name, size) == 0 && parser->at[size] == ':') {
            parser->at += size + 1;
            return FIELDS[i].name;
        }
    }
    return "";
}

/* *ret_node is NULL where the text has no words (punctuation). */
static bool parse_text(Parser *parser, QueryNode **ret_node, GError **error)
{
    const char *field = take_field(parser), *text = parser->at;
    size_t size;
    bool quoted = *text == '"';
    if (quoted) {
        text++;
        size = strcspn(text, "\"");
        if (!text[size])
            return fail(error, ERROR_REJECT, "a quotation mark is not closed");
        parser->at = text + size + 1;
    } else {
        size = strcspn(text, " \t\r\n()\"");
        parser->at = text + size;
    }
    *ret_node = text_node(field, text, size, quoted);
    if (!*ret_node && *field)
        return fail(error, ERROR_REJECT, "\"%s:\" has no word after it", field);
    return true;
}

/* *ret_node is NULL where there was only punctuation. */
static bool parse_item(Parser *parser, QueryNode **ret_node, GError **error)
{
    *ret_node = NULL;
    if (++parser->nodes > QUERY_NODES_MAX)
        return fail(error, ERROR_REJECT, "more than %d words and operators", QUERY_NODES_MAX);
    bool negated = false;
    while (true) {
        if (parser->at[0] == '-' && parser->at[1] && !strchr(" \t\r\n)", parser->at[1]))
            parser->at++;
        else if (!take_operator(parser, "NOT"))
            break;
        negated = !negated;
    }
    g_autoptr(QueryNode) node = NULL;
    if (*parser->at == '(') {
        parser->at++;
        node = parse_any(parser, error);
        if (!node)
            return false;
        if (*parser->at != ')')
            return fail(error, ERROR_REJECT, "a parenthesis is not closed");
        parser->at++;
    } else if (!*parser->at || *parser->at == ')') {
        return fail(error, ERROR_REJECT, "an operator has no word after it");
    } else if (!parse_text(parser, &node, error)) {
        return false;
    }
    skip_space(parser);
    if (node && negated) {
        *ret_node = node_new(QUERY_NOT);
        g_ptr_array_add((*ret_node)->children, g_steal_pointer(&node));
    } else {
        *ret_node = g_steal_pointer(&node);
    }
    return true;
}

/* A node of one child is that child. */
static QueryNode *node_simplify(QueryNode *node)
{
    if (node->children->len != 1)
        return node;
    QueryNode *only = g_ptr_array_steal_index(node->children, 0);
    query_free(node);
    return only;
}

static bool at_or(const Parser *parser)
{
    Parser look = *parser;
    return take_operator(&look, "OR");
}

static QueryNode *parse_all(Parser *parser, GError **error)
{
    g_autoptr(QueryNode) all = node_new(QUERY_AND);
    skip_space(parser);
    do {
        QueryNode *item;
        if (!parse_item(parser, &item, error))
            return NULL;
        if (item)
            g_ptr_array_add(all->children, item);
        if (take_operator(parser, "AND") && (!*parser->at || *parser->at == ')' || at_or(parser))) {
            fail(error, ERROR_REJECT, "AND has no word after it");
            return NULL;
        }
    } while (*parser->at && *parser->at != ')' && !at_or(parser));
    if (!all->children->len) {
        fail(error, ERROR_REJECT, "there is no word to search for");
        return NULL;
    }
    return node_simplify(g_steal_pointer(&all));
}

static QueryNode *parse_any(Parser *parser, GError **error)
{
    if (++parser->depth > QUERY_DEPTH_MAX) {
        fail(error, ERROR_REJECT, "parentheses more than %d deep", QUERY_DEPTH_MAX);
        return NULL;
    }
    g_autoptr(QueryNode) any = node_new(QUERY_OR);
    do {
        QueryNode *all = parse_all(parser, error);
        if (!all)
            return NULL;
        g_ptr_array_add(any->children, all);
    } while (take_operator(parser, "OR"));
    parser->depth--;
    return node_simplify(g_steal_pointer(&any));
}

QueryNode *query_parse(const char *text, GError **error)
{
    if (strlen(text) > QUERY_BYTES_MAX) {
        fail(error, ERROR_REJECT, "the query is longer than %d bytes", QUERY_BYTES_MAX);
        return NULL;
    }
    if (!g_utf8_validate(text, -1, NULL)) {
        fail(error, ERROR_REJECT, "the query is not UTF-8");
        return NULL;
    }
    Parser parser = {.at = text};
    skip_space(&parser);
    if (!*parser.at) {
        fail(error, ERROR_REJECT, "there is no word to search for");
        return NULL;
    }
    g_autoptr(QueryNode) query = parse_any(&parser, error);
    if (query && *parser.at) {
        fail(error, ERROR_REJECT, "a parenthesis is closed that was not opened");
        return NULL;
    }
    return g_steal_pointer(&query);
}

static const char *prefix_of(const char *field)
{
    for (size_t i = 0; i < G_N_ELEMENTS(FIELDS); i++)
        if (strcmp(FIELDS[i].name, field) == 0)
            return FIELDS[i].prefix;
    return "";
}

static bool is_stemmed(const char *field)
{
    return !*field || strcmp(field, "body") == 0 || strcmp(field, "subject") == 0;
}

GPtrArray *query_terms(const char *word, const char *field, uint64_t languages)
{
    GPtrArray *terms = g_ptr_array_new_with_free_func(g_free);
    const char *prefix = prefix_of(field);
    g_ptr_array_add(terms, g_strconcat(prefix, word, NULL));
    for (Language language = 1; is_stemmed(field) && language <= language_count(); language++) {
        if (!(languages >> language & 1) || !language_has_stem(language, word, strlen(word)))
            continue;
        char stem[WORDS_STEM_BYTES_MAX];
        size_t size = words_stem(language, word, strlen(word), stem);
        g_ptr_array_add(terms, g_strdup_printf("%s%.*s", prefix, (int)size, stem));
    }
    return terms;
}

bool query_has_phrase(const QueryNode *query)
{
    bool has = query->kind == QUERY_PHRASE;
    for (unsigned i = 0; i < query->children->len && !has; i++)
        has = query_has_phrase(g_ptr_array_index(query->children, i));
    return has;
}

/* A phrase looked for in words as they come: how many of its words the last ones are. Knuth, Morris
 * and Pratt, since a phrase may begin within itself. */
typedef struct {
    const GPtrArray *words;
    unsigned *border; /* of each beginning of the phrase */
    unsigned matched;
    bool found;
} PhraseSearch;

static bool word_is(const GPtrArray *words, unsigned index, const char *word, size_t size)
{
    const char *want = g_ptr_array_index(words, index);
    return strlen(want) == size && memcmp(want, word, size) == 0;
}

static void phrase_word(const char *word, size_t size, void *data)
{
    PhraseSearch *search = data;
    if (search->found)
        return;
    while (search->matched && !word_is(search->words, search->matched, word, size))
        search->matched = search->border[search->matched - 1];
    if (word_is(search->words, search->matched, word, size))
        search->matched++;
    search->found = search->matched == search->words->len;
}

static void phrase_try(PhraseSearch *search, const char *text, size_t size)
{
    search->matched = 0;
    words_each(text, size, phrase_word, search);
}

static void phrase_try_addresses(PhraseSearch *search, const GArray *addresses)
{
    for (unsigned i = 0; i < addresses->len; i++) {
        const MessageAddress *each = &g_array_index(addresses, MessageAddress, i);
        phrase_try(search, each->name, strlen(each->name));
        phrase_try(search, each->address, strlen(each->address));
    }
}

static bool phrase_matches(const QueryNode *node, const Message *message)
{
    g_autofree unsigned *border = g_new0(unsigned, node->words->len);
    for (unsigned i = 1, k = 0; i < node->words->len; i++) {
        const char *word = g_ptr_array_index(node->words, i);
        while (k && !word_is(node->words, k, word, strlen(word)))
            k = border[k - 1];
        k += word_is(node->words, k, word, strlen(word));
        border[i] = k;
    }
    PhraseSearch search = {.words = node->words, .border = border};
    bool any = !*node->field;
    if (any || strcmp(node->field, "body") == 0)
        phrase_try(&search, message->text->str, message->text->len);
    if (any || strcmp(node->field, "subject") == 0)
        phrase_try(&search, message->subject, strlen(message->subject));
    const struct {
        const char *field;
        const GArray *addresses;
    } lists[] = {
        {"from", message->from}, {"to", message->to}, {"cc", message->cc}, {"bcc", message->bcc}};
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        if (any || strcmp(node->field, lists[i].field) == 0)
            phrase_try_addresses(&search, lists[i].addresses);
    for (unsigned i = 0;
         (any || strcmp(node->field, "attachment") == 0) && i < message->attachments->len; i++) {
        const char *name = g_ptr_array_index(message->attachments, i);
        phrase_try(&search, name, strlen(name));
    }
    return search.found;
}

/* A message as a query looks at it: its terms are made when the first word is looked for, since a
 * phrase needs the text alone. */
typedef struct {
    const Message *message;
    uint64_t languages;
    GStrv split;
    GHashTable *terms; /* borrows from split */
} Subject;

static bool subject_has(Subject *subject, const char *term)
{
    if (!subject->terms) {
        g_autoptr(GString) text = words_of_message(subject->message, NULL);
        subject->split = g_strsplit(text->str, " ", -1);
        subject->terms = g_hash_table_new(g_str_hash, g_str_equal);
        for (size_t i = 0; subject->split[i]; i++)
            g_hash_table_add(subject->terms, subject->split[i]);
    }
    return g_hash_table_contains(subject->terms, term);
}

static bool term_matches(const QueryNode *node, Subject *subject)
{
    g_autoptr(GPtrArray) alternatives =
        query_terms(g_ptr_array_index(node->words, 0), node->field, subject->languages);
    bool body = strcmp(node->field, "body") == 0;
    for (unsigned i = 0; i < alternatives->len; i++) {
        const char *term = g_ptr_array_index(alternatives, i);
        g_autofree char *not_in_text = body ? words_not_in_text(term) : NULL;
        if (subject_has(subject, term) && !(body && subject_has(subject, not_in_text)))
            return true;
    }
    return false;
}

static bool node_matches(const QueryNode *node, Subject *subject)
{
    switch (node->kind) {
    case QUERY_AND:
        for (unsigned i = 0; i < node->children->len; i++)
            if (!node_matches(g_ptr_array_index(node->children, i), subject))
                return false;
        return true;
    case QUERY_OR:
        for (unsigned i = 0; i < node->children->len; i++)
            if (node_matches(g_ptr_array_index(node->children, i), subject))
                return true;
        return false;
    case QUERY_NOT:
        return !node_matches(g_ptr_array_index(node->children, 0), subject);
    case QUERY_TERM:
        return term_matches(node, subject);
    case QUERY_PHRASE:
        return phrase_matches(node, subject->message);
    }
    MUST(false);
    return false;
}

bool query_matches(const QueryNode *query, const Message *message, uint64_t languages)
{
    Subject subject = {.message = message, .languages = languages};
    bool matches = node_matches(query, &subject);
    if (subject.terms)
        g_hash_table_unref(subject.terms);
    g_strfreev(subject.split);
    return matches;
}
