/* html: a small, linear reader of HTML mail.
 *
 * It is no parser of HTML: it knows where tags begin and end, which elements have no text, which
 * start a line, and the entities that mail uses. That is what the index and the spam filter need; a
 * page is never shown from it.
 *
 * Each byte is looked at a bounded number of times: a search that has once failed to the end of the
 * page (for a closing quote, for "-->") is not tried again.
 *
 * Failures: none.
 * Weak points: style sheets are not read, so that text hidden by a class counts as seen; the
 * entities of HTML 5 beyond the table stay as they are written.
 */
#include <stdbool.h>
#include <string.h>

#include "content/html.h"

typedef struct {
    GString *out;
    size_t start; /* of out: what was there before is not ours to fold */
    const char *at, *end;
    bool no_quote[2];      /* no further ' or " in the page */
    char hidden[16];       /* the element that hides what is in it, "" none */
    unsigned hidden_depth; /* elements of that name open within it */
} Page;

/* U+00A0 to U+00FF, in order. */
static const char *const LATIN_ENTITIES[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

static const struct {
    const char *name;
    gunichar value;
} ENTITIES[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
    {"apos", '\''},     {"AMP", '&'},       {"LT", '<'},        {"GT", '>'},
    {"QUOT", '"'},      {"ndash", 0x2013},  {"mdash", 0x2014},  {"lsquo", 0x2018},
    {"rsquo", 0x2019},  {"sbquo", 0x201A},  {"ldquo", 0x201C},  {"rdquo", 0x201D},
    {"bdquo", 0x201E},  {"dagger", 0x2020}, {"bull", 0x2022},   {"hellip", 0x2026},
    {"permil", 0x2030}, {"lsaquo", 0x2039}, {"rsaquo", 0x203A}, {"euro", 0x20AC},
    {"trade", 0x2122},  {"larr", 0x2190},   {"rarr", 0x2192},   {"OElig", 0x152},
    {"oelig", 0x153},   {"Scaron", 0x160},  {"scaron", 0x161},  {"Yuml", 0x178},
    {"fnof", 0x192},    {"circ", 0x2C6},    {"tilde", 0x2DC},   {"ensp", ' '},
    {"emsp", ' '},      {"thinsp", ' '},    {"zwnj", 0x200C},   {"zwj", 0x200D},
    {"lrm", 0x200E},    {"rlm", 0x200F},
};

/* Numbers 128 to 159 mean windows-1252 (HTML, section 13.5 of the WHATWG text). */
static const guint16 WINDOWS_1252[32] = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

static const char *const BLOCKS[] = {
    "p",      "div",    "br",      "tr",         "li",      "table", "h1",      "h2",
    "h3",     "h4",     "h5",      "h6",         "ul",      "ol",    "dl",      "dt",
    "dd",     "hr",     "pre",     "blockquote", "center",  "form",  "section", "article",
    "header", "footer", "address", "option",     "caption", "body",
};
static const char *const SILENT[] = {"script", "style", "title", "noframes", "xml"};
static const char *const VOID_ELEMENTS[] = {"img",  "input", "br",  "hr",    "meta",   "link",
                                            "area", "base",  "col", "embed", "source", "wbr"};

static bool name_in(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i][0] == name[0] && strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void put_space(Page *page, char space)
{
    GString *out = page->out;
    if (out->len == page->start)
        return;
    char *last = out->str + out->len - 1;
    if (*last == ' ' && space == '\n')
        *last = '\n';
    else if (*last != ' ' && *last != '\n')
        g_string_append_c(out, space);
}

static void put_char(Page *page, gunichar c)
{
    if (c == 0xA0 || c == ' ' || c == '\t' || c == '\n')
        put_space(page, ' ');
    else
        g_string_append_unichar(page->out, c);
}

static gunichar entity_find(const char *name, size_t size)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ENTITIES); i++)
        if (strlen(ENTITIES[i].name) == size && memcmp(ENTITIES[i].name, name, size) == 0)
            return ENTITIES[i].value;
    for (size_t i = 0; i < G_N_ELEMENTS(LATIN_ENTITIES); i++)
        if (strlen(LATIN_ENTITIES[i]) == size && memcmp(LATIN_ENTITIES[i], name, size) == 0)
            return (gunichar)(0xA0 + i);
    return 0;
}

static gunichar entity_number(const char *at, const char *end, const char **ret_end)
{
    bool hex = at < end && (*at == 'x' || *at == 'X');
    if (hex)
        at++;
    gunichar value = 0;
    const char *digits = at;
    for (; at < end && (hex ? g_ascii_isxdigit(*at) : g_ascii_isdigit(*at)); at++)
        value = MIN(value * (hex ? 16 : 10) + (gunichar)g_ascii_xdigit_value(*at), 0x110000);
    *ret_end = at;
    if (at == digits)
        return 0;
    if (value >= 128 && value < 160)
        value = WINDOWS_1252[value - 128];
    return value < 0x110000 && g_unichar_validate(value) && value >= ' ' ? value : 0xFFFD;
}

static void read_entity(Page *page)
{
    const char *name = page->at + 1, *end = name;
    gunichar value;
    if (name < page->end && *name == '#') {
        value = entity_number(name + 1, page->end, &end);
    } else {
        while (end < page->end && end - name < 10 && g_ascii_isalnum(*end))
            end++;
        value = entity_find(name, (size_t)(end - name));
    }
    if (!value) {
        g_string_append_c(page->out, '&');
        page->at++;
        return;
    }
    page->at = end < page->end && *end == ';' ? end + 1 : end;
    put_char(page, value);
}

/* The end of a tag that begins at `at` (after its name): past its '>', quoted values jumped over.
 */
static const char *tag_end(Page *page, const char *at)
{
    for (; at < page->end; at++) {
        if (*at == '>')
            return at + 1;
        if ((*at == '"' || *at == '\'') && at[-1] == '=' && !page->no_quote[*at == '"']) {
            const char *close = memchr(at + 1, *at, (size_t)(page->end - at - 1));
            if (close)
                at = close;
            else
                page->no_quote[*at == '"'] = true;
        }
    }
    return page->end;
}

static bool attributes_hide(const char *at, const char *end)
{
    char folded[512]; /* styles that hide are short; what is longer counts as seen */
    size_t size = 0;
    for (; at < end && size < sizeof(folded) - 1; at++)
        if (*at > ' ')
            folded[size++] = g_ascii_tolower(*at);
        else if (size && folded[size - 1] != ' ' && folded[size - 1] != ':')
            folded[size++] = ' ';
    folded[size] = '\0';
    return strstr(folded, "display:none") || strstr(folded, "visibility:hidden") ||
           g_str_has_prefix(folded, "hidden ") || g_str_has_prefix(folded, "hidden>");
}

/* Past "</name" and its tag; the page's end if it never comes. */
static const char *skip_silent(Page *page, const char *at, const char *name)
{
    size_t size = strlen(name);
    while ((at = memchr(at, '<', (size_t)(page->end - at)))) {
        if ((size_t)(page->end - at) > size + 2 && at[1] == '/' &&
            g_ascii_strncasecmp(at + 2, name, size) == 0)
            return tag_end(page, at + 2 + size);
        at++;
    }
    return page->end;
}

static void hide(Page *page, const char *name, bool closing, const char *attributes,
                 const char *end)
{
    if (page->hidden[0]) {
        if (strcmp(page->hidden, name) != 0)
            return;
        page->hidden_depth += closing ? -1u : 1u;
        if (page->hidden_depth == 0)
            page->hidden[0] = '\0';
    } else if (!closing && end - attributes > 7 && end[-2] != '/' &&
               !name_in(name, VOID_ELEMENTS, G_N_ELEMENTS(VOID_ELEMENTS)) &&
               attributes_hide(attributes, end)) {
        g_strlcpy(page->hidden, name, sizeof(page->hidden));
        page->hidden_depth = 1;
    }
}

static void read_tag(Page *page)
{
    const char *at = page->at + 1;
    if (page->end - at >= 3 && memcmp(at, "!--", 3) == 0) {
        const char *close = memmem(at + 3, (size_t)(page->end - at - 3), "-->", 3);
        page->at = close ? close + 3 : page->end;
        return;
    }
    bool closing = at < page->end && *at == '/';
    if (closing)
        at++;
    char name[16];
    size_t size = 0;
    while (at < page->end && (g_ascii_isalnum(*at) || strchr("!?:", *at)) && *at) {
        if (size < sizeof(name) - 1)
            name[size++] = g_ascii_tolower(*at);
        at++;
    }
    name[size] = '\0';
    if (!closing && (!size || g_ascii_isdigit(name[0]) || name[0] == ':')) {
        g_string_append_c(page->out, '<');
        page->at++;
        return;
    }
    page->at = tag_end(page, at);
    hide(page, name, closing, at, page->at);
    if (!closing && name_in(name, SILENT, G_N_ELEMENTS(SILENT)) && page->at[-1] == '>' &&
        page->at[-2] != '/')
        page->at = skip_silent(page, page->at, name);
    else if (name_in(name, BLOCKS, G_N_ELEMENTS(BLOCKS)))
        put_space(page, '\n');
    else if (strcmp(name, "td") == 0 || strcmp(name, "th") == 0)
        put_space(page, ' ');
}

void html_append_text(GString *out, const char *html, size_t size)
{
    Page page = {.out = out, .start = out->len, .at = html, .end = html + size};
    while (page.at < page.end) {
        const char *run = page.at;
        while (page.at < page.end && *page.at != '<' && *page.at != '&' &&
               (*page.at & 0x80 || *page.at > ' '))
            page.at++;
        if (!page.hidden[0])
            g_string_append_len(out, run, page.at - run);
        if (page.at == page.end)
            break;
        if (*page.at == '<') {
            size_t before = out->len;
            read_tag(&page);
            if (page.hidden[0])
                g_string_truncate(out, MIN(out->len, before));
        } else if (page.hidden[0]) {
            page.at++;
        } else if (*page.at == '&') {
            read_entity(&page);
        } else {
            put_space(&page, ' ');
            page.at++;
        }
    }
    put_space(&page, '\n');
}
