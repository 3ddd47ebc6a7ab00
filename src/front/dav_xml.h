/* dav_xml.h: XML of WebDAV, read and written.
 *
 * Reading: libxml2 without entities, DTDs, network and includes; bounded in bytes and depth.
 * Writing: text with five prefixes, declared at the root: D (DAV:), C (caldav), A (Apple's ical), S
 * (calendarserver.org), and X of an unknown name's own. One thread; any thread.
 */
#ifndef ROTA_FRONT_DAV_XML_H
#define ROTA_FRONT_DAV_XML_H

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

#define NS_DAV    "DAV:"
#define NS_CALDAV "urn:ietf:params:xml:ns:caldav"
#define NS_APPLE  "http://apple.com/ns/ical/"
#define NS_SERVER "http://calendarserver.org/ns/"

/* ERROR_REJECT: not well-formed, with a DTD, or over a limit. Free with xmlFreeDoc. */
xmlDoc *dav_xml_parse(const void *bytes, size_t size, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* An element of that namespace and name. */
bool dav_xml_is(const xmlNode *node, const char *space, const char *name);
/* The first child element of that name; NULL. */
xmlNode *dav_xml_child(const xmlNode *node, const char *space, const char *name);
/* The first child element, and the next after one; NULL. */
xmlNode *dav_xml_first(const xmlNode *node);
xmlNode *dav_xml_next(const xmlNode *node);
/* Its text, stripped of white space around; the caller's. */
char *dav_xml_text(const xmlNode *node);
/* An attribute without namespace; NULL; the caller's. */
char *dav_xml_attribute(const xmlNode *node, const char *name);

/* Appends text, with what XML needs for it; a CR as a reference, so that a reader keeps it; U+FFFD
 * for what XML cannot hold. */
void dav_xml_put(GString *out, const char *text);
/* Appends a path, each segment percent-encoded. */
void dav_xml_put_path(GString *out, const char *path);
/* Appends "<D:multistatus xmlns…>" or another root of ours, and an element's name with its prefix:
 * "D:href", or "X:name xmlns:X=\"…\"". */
void dav_xml_open(GString *out, const char *root);
void dav_xml_put_name(GString *out, const char *space, const char *name, bool end);

#endif
