/* dav_xml: XML of WebDAV, read and written.
 *
 * How it fits: all of front/dav_*.c read requests and write answers with it. A DTD is refused
 * before libxml2 sees it: entities, external ones and those that grow, come with one. Failures:
 * ERROR_REJECT. Known weak point: an answer is one text in memory, bounded by DAV_ANSWER_BYTES_MAX.
 */
#include "front/dav_xml.h"

#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"

static gpointer init_parser(gpointer data)
{
    (void)data;
    xmlInitParser();
    return NULL;
}

static bool fits(const xmlNode *node, unsigned depth)
{
    if (depth > DAV_XML_DEPTH_MAX)
        return false;
    for (const xmlNode *each = node->children; each; each = each->next)
        if (each->type == XML_ELEMENT_NODE && !fits(each, depth + 1))
            return false;
    return true;
}

xmlDoc *dav_xml_parse(const void *bytes, size_t size, GError **error)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, init_parser, NULL);
    if (size > DAV_XML_BYTES_MAX) {
        fail(error, ERROR_REJECT, "XML of %zu bytes is over the limit, %d", size,
             DAV_XML_BYTES_MAX);
        return NULL;
    }
    /* In UTF-16 no "<!DOCTYPE" would be found: another encoding than UTF-8 is refused. */
    if (!g_utf8_validate_len(bytes, size, NULL) ||
        g_strstr_len(bytes, (gssize)size, "<!DOCTYPE") != NULL) {
        fail(error, ERROR_REJECT, "the XML is not UTF-8, or has a DTD");
        return NULL;
    }
    xmlDoc *document = xmlReadMemory(bytes, (int)size, NULL, "UTF-8",
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                         XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
    xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
    if (root && !document->intSubset && fits(root, 1))
        return document;
    if (document)
        xmlFreeDoc(document);
    fail(error, ERROR_REJECT, "the XML is not well-formed, or nested deeper than %d",
         DAV_XML_DEPTH_MAX);
    return NULL;
}

bool dav_xml_is(const xmlNode *node, const char *space, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           strcmp((const char *)node->name, name) == 0 &&
           strcmp((const char *)node->ns->href, space) == 0;
}

xmlNode *dav_xml_first(const xmlNode *node)
{
    xmlNode *each = node ? node->children : NULL;
    while (each && each->type != XML_ELEMENT_NODE)
        each = each->next;
    return each;
}

xmlNode *dav_xml_next(const xmlNode *node)
{
    xmlNode *each = node->next;
    while (each && each->type != XML_ELEMENT_NODE)
        each = each->next;
    return each;
}

xmlNode *dav_xml_child(const xmlNode *node, const char *space, const char *name)
{
    for (xmlNode *each = dav_xml_first(node); each; each = dav_xml_next(each))
        if (dav_xml_is(each, space, name))
            return each;
    return NULL;
}

char *dav_xml_text(const xmlNode *node)
{
    xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
    char *copy = g_strstrip(g_strdup(text ? (const char *)text : ""));
    xmlFree(text);
    return copy;
}

char *dav_xml_attribute(const xmlNode *node, const char *name)
{
    xmlChar *text = xmlGetNoNsProp(node, (const xmlChar *)name);
    char *copy = text ? g_strdup((const char *)text) : NULL;
    xmlFree(text);
    return copy;
}

/* What XML 1.0 section 2.2 cannot hold, beside a CR, which a reader would make an LF of. U+FFFE and
 * U+FFFF begin with EF. */
#define CONTROLS    "\1\2\3\4\5\6\7\10\13\14\16\17\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37"
#define REPLACEMENT "\xef\xbf\xbd"

void dav_xml_put(GString *out, const char *text)
{
    for (;;) {
        size_t plain = strcspn(text, "&<>\"\r\xef" CONTROLS);
        g_string_append_len(out, text, (gssize)plain);
        text += plain;
        switch (*text++) {
        case '\0':
            return;
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        case '\r':
            g_string_append(out, "&#13;");
            break;
        case '\xef':
            if (text[0] == '\xbf' && (text[1] == '\xbe' || text[1] == '\xbf')) {
                g_string_append(out, REPLACEMENT);
                text += 2;
            } else {
                g_string_append_c(out, '\xef');
            }
            break;
        default:
            g_string_append(out, REPLACEMENT);
        }
    }
}

void dav_xml_put_path(GString *out, const char *path)
{
    g_string_append_uri_escaped(out, path, "/@:!$'()*,;=+", FALSE);
}

void dav_xml_open(GString *out, const char *root)
{
    g_string_append_printf(out,
                           "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<%s xmlns:D=\"" NS_DAV
                           "\" xmlns:C=\"" NS_CALDAV "\" xmlns:A=\"" NS_APPLE
                           "\" xmlns:S=\"" NS_SERVER "\">",
                           root);
}

void dav_xml_put_name(GString *out, const char *space, const char *name, bool end)
{
    static const char *const known[][2] = {
        {NS_DAV, "D"}, {NS_CALDAV, "C"}, {NS_APPLE, "A"}, {NS_SERVER, "S"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(space, known[i][0]) == 0) {
            g_string_append_printf(out, "%s:%s", known[i][1], name);
            return;
        }
    }
    g_string_append_printf(out, *space ? "X:%s" : "%s", name);
    if (!end && *space) {
        g_string_append(out, " xmlns:X=\"");
        dav_xml_put(out, space);
        g_string_append_c(out, '"');
    }
}
