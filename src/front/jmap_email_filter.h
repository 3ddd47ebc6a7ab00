/* jmap_email_filter.h: which emails a filter means, and in what order (RFC 8621 §4.4.1, §4.4.2).
 *
 * Read, then prepare in the transaction of the query, then ask of each email. One thread.
 */
#ifndef ROTA_FRONT_JMAP_EMAIL_FILTER_H
#define ROTA_FRONT_JMAP_EMAIL_FILTER_H

#include "content/snippet.h"
#include "model/email_query.h"

#include "front/jmap_filter.h"
#include "front/jmap_query.h"

typedef struct {
    JmapFilter *filter;
    GArray *sorts;     /* of JmapSort */
    GPtrArray *orders; /* beside each sort: threads as jmap_thread_has takes them */
    GPtrArray *words;  /* keywords that are asked of threads; NULL: what passes, and where, depends
                          on no other email */
    bool collapse;     /* of each thread the first alone */
    bool texts;        /* the index is asked */
    int64_t mailbox;   /* all that pass are in it; 0: not said, -1: there is no such mailbox */
} JmapEmailQuery;
void jmap_email_query_clear(JmapEmailQuery *query);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JmapEmailQuery, jmap_email_query_clear)

/* Out of filter, sort and collapseThreads; borrows the arguments. False: *ret_error is made. */
bool jmap_email_query_read(json_t *arguments, JmapEmailQuery *ret, json_t **ret_error);
/* In the open transaction: what does not lie in an email itself. ERROR_REJECT: a text has no words
 * to search for, or too many. */
bool jmap_email_query_prepare(const JmapCall *call, JmapEmailQuery *query, GError **error);
/* 1, 0, -1 with *error. */
int jmap_email_passes(const JmapEmailQuery *query, EmailBrief *brief, GError **error);
/* The words of the texts that are asked for in subjects and in bodies, for who marks them.
 * ERROR_REJECT as above. */
bool jmap_email_words(const JmapFilter *filter, SnippetWords *subject, SnippetWords *body,
                      GError **error);
/* Have all of a thread's emails the keyword, or some? */
bool jmap_thread_has(GHashTable *threads, int64_t thread, bool all);

/* ---- jmap_email_sort.c */

/* GArray of JmapSort; NULL: *ret_error is made. */
GArray *jmap_email_sort_read(json_t *list, json_t **ret_error);
bool jmap_email_sort_is_of_thread(const JmapSort *sort);
bool jmap_email_sort_is_received(const JmapSort *sort);
/* "receivedAt", …: what emails can be sorted by (emailQuerySortOptions); the caller's. */
json_t *jmap_email_sort_names(void);
/* Sorts an array of EmailBrief, the same way each time: what is equal comes by id. */
void jmap_email_sort(const JmapEmailQuery *query, GArray *briefs);

#endif
