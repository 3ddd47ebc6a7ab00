/* limits_jmap.h: the limits of JMAP, each with its reason; the session tells them (RFC 8620 §2).
 */
#ifndef ROTA_BASE_LIMITS_JMAP_H
#define ROTA_BASE_LIMITS_JMAP_H

/* of a request; a hundred calls with some hundred ids each */
#define JMAP_REQUEST_BYTES_MAX (2 * 1024 * 1024)
/* of JSON in it; what a client nests are filters */
#define JMAP_DEPTH_MAX 32
#define JMAP_CALLS_MAX 32
/* RFC 8620 suggests 500 for both */
#define JMAP_GET_MAX 500
#define JMAP_SET_MAX 500
/* of a SearchSnippet/get: each is read and parsed */
#define JMAP_SNIPPETS_MAX 100
/* updates in one commit: some tens of milliseconds of the store's write lock */
#define JMAP_SET_BATCH 50
/* ids in one answer of a query or of changes */
#define JMAP_QUERY_MAX   1000
#define JMAP_CHANGES_MAX 1000
/* of a filter: clients show a form; each text is a search of its own */
#define JMAP_CONDITIONS_MAX 100
/* comparators; there are nine orders of emails, keywords apart */
#define JMAP_SORTS_MAX 16
/* changes that a queryChanges looks at: more are no cheaper than the query itself */
#define JMAP_LOG_MAX 20000
/* of one response, and of those to one request before the next call runs, so that back-references
 * and bodies cannot multiply it */
#define JMAP_ANSWER_BYTES_MAX (16 * 1024 * 1024)

/* of addresses and ids as text in an email's row; longer ones are read from the bytes */
#define ENVELOPE_BYTES_MAX 4096

/* of one upload: as large as a message may be by LMTP's default */
#define JMAP_UPLOAD_BYTES_MAX (50 * 1024 * 1024)
/* how long an upload lives without an email: RFC 8620 §6 asks for an hour, and a draft is written
 * in some */
#define UPLOAD_MS (4 * 3600 * 1000ll)
/* of one account: ten of the largest (RFC 8620 §6 asks for one), and as many as clients send one by
 * one in some hours */
#define UPLOADS_BYTES_MAX (500ll * 1024 * 1024)
#define UPLOADS_MAX       1000

/* of all that goes into one email as blobs: in base64 it is a mail of 50 MB */
#define JMAP_ATTACHMENTS_BYTES_MAX (36 * 1024 * 1024)
/* parts and header fields of one email that a client describes; a person attaches dozens */
#define JMAP_PARTS_MAX  200
#define JMAP_FIELDS_MAX 200
/* emails that one request makes: some seconds of a worker */
#define JMAP_MADE_BYTES_MAX (200ul * 1024 * 1024)

/* emails that one transaction destroys with their mailbox: some milliseconds */
#define JMAP_EMPTY_PAGE 200

/* levels of folders; more is a mistake in somebody's script */
#define MAILBOX_DEPTH_MAX 32
/* that a person makes: a list of them is read with each look at one */
#define MAILBOXES_MAX 2000

#endif
