/* limits_dav.h: the limits of CalDAV, each with its reason; see limits.h.
 */
#ifndef ROTA_BASE_LIMITS_DAV_H
#define ROTA_BASE_LIMITS_DAV_H

/* of a PROPFIND's or REPORT's body: a multiget of 10,000 long hrefs */
#define DAV_XML_BYTES_MAX (2 * 1024 * 1024)
/* nested elements; filters need eight */
#define DAV_XML_DEPTH_MAX 32
/* hrefs of one multiget; clients ask for a few hundred */
#define DAV_HREFS_MAX 10000
/* properties that one request names */
#define DAV_PROPS_MAX 100
/* objects read at once while an answer is made */
#define DAV_PAGE_OBJECTS 500
/* of one answer: what a calendar of 20,000 events has; then 507, and the client asks for less */
#define DAV_ANSWER_BYTES_MAX (64 * 1024 * 1024)
/* busy times of one answer, before those that touch are joined; a line of 44 bytes is one */
#define DAV_BUSY_TIMES_MAX (DAV_ANSWER_BYTES_MAX / 44)
/* of a POST to the outbox: a client that plans asks for weeks, a year is the longest view */
#define DAV_BUSY_SECONDS_MAX (400 * 86400)
/* filters, nested ones counted */
#define DAV_FILTERS_MAX 50

/* of a PUT; calendar.max-size may be less, and is what counts */
#define DAV_OBJECT_BYTES_MAX (16 * 1024 * 1024)

#endif
