/* jmap_query.h: what /query and /queryChanges of all types have in common (RFC 8620 §5.5, §5.6).
 *
 * A query's state is the account's change number. What has changed since is in its change log; all
 * that has, and passes now, is told as added, and all that has as removed before. In the caller's
 * transaction where a handle is taken; one thread.
 */
#ifndef ROTA_FRONT_JMAP_QUERY_H
#define ROTA_FRONT_JMAP_QUERY_H

#include "model/change.h"

#include "front/jmap.h"

/* A Boolean argument; as it was where it is null or not there. False: the error is made. */
bool jmap_flag(json_t *arguments, const char *name, bool *ret, json_t **ret_error);

/* One row of `sort`, checked against the type's names. */
typedef struct {
    unsigned property; /* its place in the list of names */
    bool descending;
    const char *keyword; /* borrowed; "" */
} JmapSort;
/* GArray of JmapSort; NULL: *ret_error is invalidArguments or unsupportedSort. `names` is ended by
 * NULL; those from `with_keyword` on need a keyword. */
GArray *jmap_sort_read(json_t *list, const char *const *names, unsigned with_keyword,
                       json_t **ret_error);

/* ---- query */

/* What of the list is asked for. */
typedef struct {
    const char *anchor; /* borrowed; NULL: from `position` on */
    int64_t position, anchor_offset, limit;
    bool total;
} JmapWindow;
bool jmap_window_read(json_t *arguments, JmapWindow *ret, json_t **ret_error);

typedef struct {
    char prefix;
    int64_t state;
    bool can_change; /* canCalculateChanges */
    int64_t total;   /* -1: as many as the ids */
} JmapFound;
/* Of all ids that the query finds (int64, in order), or as many of the first that the window is
 * among them. NULL: anchorNotFound. */
json_t *jmap_window_answer(const JmapCall *call, const JmapWindow *window, const JmapFound *found,
                           const GArray *ids, json_t **ret_error);

/* ---- queryChanges */

typedef struct {
    int64_t state, most;
    bool total;
} JmapSince;
bool jmap_since_read(json_t *arguments, JmapSince *ret, json_t **ret_error);

/* Objects of one kind that changed since: id → bits of 1 << ChangeAction. */
#define JMAP_CAME(bits) (GPOINTER_TO_UINT(bits) & 1u << CHANGE_CREATED)
/* Those of `kind`; the caller's. False with
 * *ret_error (cannotCalculateChanges) or *error. */
bool jmap_since_log(const JmapCall *call, const JmapSince *since, ChangeKind kind,
                    GHashTable **ret_changed, json_t **ret_error, GError **error);
/* `ids` as for jmap_window_answer. NULL: tooManyChanges. */
json_t *jmap_since_answer(const JmapCall *call, const JmapSince *since, const JmapFound *found,
                          const GArray *ids, GHashTable *changed, json_t **ret_error);

#endif
