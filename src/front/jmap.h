/* jmap.h: JMAP (RFC 8620): a request in, its responses out, by a table of methods; JSON in, JSON
 * out.
 *
 * A method gets its arguments, with back-references resolved, and gives its response's arguments or
 * an error. It opens transactions of its own. States are the account's change number: the same on
 * every node, and one for all types of an account.
 *
 * A handle, one thread.
 */
#ifndef ROTA_FRONT_JMAP_H
#define ROTA_FRONT_JMAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/seal.h"

#include "front/http.h"

typedef struct {
    Db *db;
    int64_t account;
    bool push_private;  /* jmap.push.allow-private */
    json_t *using;      /* capabilities that this request names; borrowed */
    const char *person; /* who asks: an address */
    int64_t now_ms;     /* wall clock */
    size_t made;        /* bytes of emails that this request has made */
    json_t *created;    /* creation id → id, of this request */
} JmapCall;

typedef struct {
    const char *name; /* "Email/get" */
    const char *capability;
    /* The caller's; NULL: *ret_error is {"type": …, "description": …}, the caller's too. */
    json_t *(*run)(JmapCall *call, json_t *arguments, json_t **ret_error);
} JmapMethod;

#define JMAP_CORE  "urn:ietf:params:jmap:core"
#define JMAP_MAIL  "urn:ietf:params:jmap:mail"
#define JMAP_QUOTA "urn:ietf:params:jmap:quota"
/* The one order of text that there is (RFC 5051, by Unicode's case folding of today). */
#define JMAP_COLLATION "i;unicode-casemap"

/* A whole request (RFC 8620 §3.3), parsed. NULL: *ret_problem is the problem's type ("notRequest")
 * and *ret_detail says what is wrong; both static. The answer is the caller's. */
json_t *jmap_run(JmapCall *call, json_t *request, const char **ret_problem,
                 const char **ret_detail);

/* Replaces the arguments "#name" by what they refer to (§3.7). False: *ret_detail is static. */
bool jmap_resolve(json_t *arguments, json_t *responses, const char **ret_detail);

/* ---- for methods */

/* {"type": …, "description": …}, as of an object of a /set. */
json_t *jmap_error(const char *type, const char *description);
/* One of these is the capability. */
bool jmap_uses(json_t *using, const char *capability);
/* Always NULL. */
json_t *jmap_fail(json_t **ret_error, const char *type, const char *description);
/* The error that one of ours is. */
json_t *jmap_fail_error(json_t **ret_error, const GError *error);
/* `accountId` is the account's, and there are no other arguments than these, ended by NULL. */
bool jmap_takes(const JmapCall *call, json_t *arguments, const char *const *names,
                json_t **ret_error);
/* An Int (RFC 8620 §1.3); as it was where the argument is null or not there. False: the error is
 * made. */
bool jmap_int(json_t *arguments, const char *name, int64_t *ret, json_t **ret_error);
/* "M17" of prefix 'M'; 0: it is none. */
int64_t jmap_id_parse(const char *text, char prefix);
json_t *jmap_id(char prefix, int64_t id);
/* In the open transaction. */
bool jmap_state(const JmapCall *call, int64_t *ret_state, GError **error);
/* In one of its own. */
bool jmap_state_now(const JmapCall *call, int64_t *ret_state, GError **error);
json_t *jmap_state_json(int64_t state);
/* "2026-11-25T08:00:00Z"; null for 0. */
json_t *jmap_date(int64_t ms);
/* A UTCDate (RFC 8620 §1.4): it ends in Z. False: it is none, NULL too. */
bool jmap_date_parse(const char *text, int64_t *ret_ms);
/* Is this property asked for? `properties` NULL: all are. */
bool jmap_wants(json_t *properties, const char *name);
/* `ids` and `properties` of a /get; "header:*" in the known ones is all that jmap_header_parse
 * knows; each id is there once then. False: the error is made. */
bool jmap_get_arguments(json_t *arguments, const char *const *known, json_t **ret_error);
/* Takes the bytes of its text from *left; false: it has more. */
bool jmap_fits(json_t *value, size_t *left);
/* "accountId", "state", "list", "notFound": takes the last two. */
json_t *jmap_get_answer(const JmapCall *call, int64_t state, json_t *list, json_t *not_found);

/* The methods that read: jmap_mailbox.c, jmap_email.c, jmap_query.c, jmap_changes.c; ended by a row
 * without a name. Those that write: jmap_write.h. */
extern const JmapMethod jmap_mailbox_methods[], jmap_email_methods[], jmap_query_methods[],
    jmap_changes_methods[], jmap_mailbox_query_methods[], jmap_snippet_methods[];

/* jmap_door.c: the session, requests, the bytes of messages, events. Ended by NULL. */
extern const HttpRoute *const jmap_routes[];
typedef struct JmapHouse {
    bool push_private;
    const Seal *seal;
} JmapHouse;

#endif
