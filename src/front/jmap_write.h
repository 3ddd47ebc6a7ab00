/* jmap_write.h: what JMAP's methods that write share, and their tables.
 *
 * A blob's id names bytes within the person's own account: an email ("M17"), a part of one
 * ("M17-2"), an upload ("U" and the digest of its bytes), or a part of an upload that is a message
 * ("U…-2"); and so on for messages within messages. All open transactions of their own.
 */
#ifndef ROTA_FRONT_JMAP_WRITE_H
#define ROTA_FRONT_JMAP_WRITE_H

#include "front/jmap.h"

/* jmap_blob.c: its bytes, the caller's. ERROR_GONE: there is no such blob. */
GBytes *jmap_blob_read(Db *db, int64_t account, const char *id, GError **error);

/* The error of an object one of whose properties is wrong: it names the property. */
json_t *jmap_invalid(const char *property, const char *description);
/* The error of an object that one of ours is: what jmap_fail_error says, of the object. */
json_t *jmap_error_of(const GError *error);

/* "#k" is the id of what this request created as k; others are as they are. Borrowed; NULL: k was
 * not created. */
const char *jmap_id_of(const JmapCall *call, const char *text);

/* A type that is set (jmap_set.c). Each gives NULL, or the error of the object. */
typedef struct {
    const char *const *arguments; /* of the method, ended by NULL */
    const char *refers; /* the property that may name another that is created; NULL: none */
    /* The "created" of it; it notes the id for `creation`. NULL: *ret_wrong is the error. */
    json_t *(*create)(JmapCall *call, const char *creation, json_t *object, json_t **ret_wrong);
    json_t *(*update)(JmapCall *call, const char *id, json_t *patch);
    json_t *(*destroy)(JmapCall *call, const char *id, json_t *arguments);
    /* Updates and destructions are called in an open transaction, many to one, and neither begin
     * nor commit; one that is refused is taken back, and may be asked again. False: each opens its
     * own. */
    bool together;
} JmapSetKind;
json_t *jmap_set_run(JmapCall *call, json_t *arguments, const JmapSetKind *kind,
                     json_t **ret_error);
/* The error of a patch one of whose paths lies in another; NULL: none does. */
json_t *jmap_patch_check(json_t *patch);
/* "a/b" of "keywords/a~1b"; the caller's. NULL: it is no path to something in `property`. */
char *jmap_patch_key(const char *path, const char *property);

/* Where an email that is made goes, and with what (jmap_filing.c). */
typedef struct {
    int64_t mailbox;
    char *keywords;      /* owned */
    int64_t received_at; /* 0: not said */
} JmapFiling;
/* RFC 8621 §4.1.1. */
bool jmap_is_keyword(const char *word);
void jmap_filing_clear(JmapFiling *filing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JmapFiling, jmap_filing_clear)
/* Out of mailboxIds, keywords and receivedAt. NULL, or the error of the object. */
json_t *jmap_filing_read(const JmapCall *call, json_t *object, JmapFiling *ret);
/* Puts a message in. The "created" of it, of which the id is noted for `creation`; NULL: *ret_wrong
 * is the error of the object. `unique`: alreadyExists where the account has these very bytes. */
json_t *jmap_file(JmapCall *call, const char *creation, GBytes *bytes, const JmapFiling *filing,
                  bool unique, json_t **ret_wrong);

/* `ifInState` is the state, or is not there: *ret_state is it. False: the error is made. */
bool jmap_is_in_state(const JmapCall *call, json_t *arguments, int64_t *ret_state,
                      json_t **ret_error);

/* jmap_blob.c, jmap_import.c, jmap_email_set.c, jmap_mailbox_set.c, jmap_quota.c; ended by a row
 * without a name.
 */
extern const JmapMethod jmap_blob_methods[], jmap_import_methods[], jmap_email_set_methods[],
    jmap_mailbox_set_methods[], jmap_quota_methods[];
extern const HttpRoute jmap_route_upload;

#endif
