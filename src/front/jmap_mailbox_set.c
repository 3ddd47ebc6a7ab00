/* jmap_mailbox_set: Mailbox/set of JMAP (RFC 8621 §2.5).
 *
 * How it fits: jmap_set.c has the frame, model/mailbox_change.h the rules. An update reads the
 * mailbox under its account's lock, changes what the patch names, and puts it back.
 *
 * Failures: errors of single objects. What the server says of a mailbox (its counts, rights, id)
 * may be in a patch only as it is. Known weak point: onDestroyRemoveEmails destroys a page of
 * emails after the other, so a store that goes away in the middle leaves the mailbox with fewer.
 */
#include "front/jmap_write.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/account.h"
#include "model/change.h"
#include "model/mailbox_change.h"

#include "front/jmap_mailbox.h"

#define ORDER_MAX (((int64_t)1 << 31) - 1) /* RFC 8621 §2 */

/* ---------------------------------------------------------------- what it shall be */

static json_t *read_parent(const JmapCall *call, json_t *value, MailboxWish *ret)
{
    const char *id = jmap_id_of(call, json_string_value(value));
    ret->parent = id ? jmap_id_parse(id, 'B') : 0;
    return json_is_null(value) || ret->parent
               ? NULL
               : jmap_invalid("parentId", "there is no such mailbox");
}

static json_t *read_order(json_t *value, MailboxWish *ret)
{
    int64_t order = json_is_integer(value) ? json_integer_value(value) : -1;
    ret->sort_order = order;
    return order >= 0 && order <= ORDER_MAX ? NULL
                                            : jmap_invalid("sortOrder", "it is from 0 to 2^31 - 1");
}

/* NULL, or the error of the object. What it borrows is the value's, or *name_room's. */
static json_t *read_property(const JmapCall *call, const char *name, json_t *value,
                             MailboxWish *ret, char **name_room)
{
    const char *text = json_string_value(value);
    if (strcmp(name, "name") == 0) {
        g_free(*name_room);
        *name_room = text ? g_utf8_normalize(text, -1, G_NORMALIZE_NFC) : NULL;
        ret->name = *name_room;
        return *name_room ? NULL : jmap_invalid(name, "it is a string");
    }
    if (strcmp(name, "parentId") == 0)
        return read_parent(call, value, ret);
    if (strcmp(name, "sortOrder") == 0)
        return read_order(value, ret);
    if (strcmp(name, "role") == 0) {
        ret->role = text ? text : "";
        return text || json_is_null(value) ? NULL : jmap_invalid(name, "it is a string or null");
    }
    ret->subscribed = json_is_true(value);
    return json_is_boolean(value) ? NULL : jmap_invalid(name, "it is true or false");
}

static bool is_a_persons(const char *name)
{
    static const char *const names[] = {"name",      "parentId",     "role",
                                        "sortOrder", "isSubscribed", NULL};
    return g_strv_contains(names, name);
}

/* `now` is as it is, of which the server's properties may be said again; NULL: it is made. */
static json_t *read_all(const JmapCall *call, json_t *object, json_t *now, MailboxWish *ret,
                        char **name_room)
{
    const char *name;
    json_t *value, *wrong = NULL;
    json_object_foreach(object, name, value)
    {
        if (is_a_persons(name))
            wrong = read_property(call, name, value, ret, name_room);
        else if (now && strchr(name, '/'))
            wrong = jmap_error("invalidPatch", "a path leads to nothing");
        else if (!now || !json_equal(json_object_get(now, name), value))
            wrong = jmap_invalid(name, "it is the server's to say");
        if (wrong)
            return wrong;
    }
    return NULL;
}

/* ---------------------------------------------------------------- what came of it */

static json_t *refusal(MailboxResult result)
{
    switch (result) {
    case MAILBOX_DONE:
        return NULL;
    case MAILBOX_NOT_THERE:
        return jmap_error("notFound", NULL);
    case MAILBOX_NAME_BAD:
        return jmap_invalid("name", "it has 1 to 255 bytes, none of them a control or a slash");
    case MAILBOX_NAME_TAKEN:
        return jmap_invalid("name", "there is one of that name beside it");
    case MAILBOX_ROLE_BAD:
        return jmap_invalid("role", "there is no such role");
    case MAILBOX_ROLE_TAKEN:
        return jmap_invalid("role", "another has it");
    case MAILBOX_PARENT_BAD:
        return jmap_invalid("parentId", "it is not there, below this one, or too deep");
    case MAILBOX_FIXED:
        return jmap_error("forbidden", "Inbox and Junk keep their role, and stay");
    case MAILBOX_TOO_MANY:
        return jmap_error("overQuota", "there are too many mailboxes");
    case MAILBOX_HAS_CHILD:
        return jmap_error("mailboxHasChild", NULL);
    case MAILBOX_HAS_EMAIL:
        break;
    }
    return jmap_error("mailboxHasEmail", NULL);
}

/* Ends the open transaction by what was done in it; NULL, or the error of the object. */
static json_t *end(const JmapCall *call, MailboxResult result)
{
    g_autoptr(GError) error = NULL;
    if (result != MAILBOX_DONE)
        return refusal(result);
    if (db_commit(call->db, &error) != DB_DONE)
        return jmap_error_of(error);
    change_wake();
    return NULL;
}

static json_t *put(const JmapCall *call, const MailboxWish *wish, int64_t *ret_id)
{
    g_autoptr(GError) error = NULL;
    MailboxResult result;
    if (!mailbox_put(call->db, call->account, wish, &result, ret_id, &error))
        return jmap_error_of(error);
    return end(call, result);
}

/* ---------------------------------------------------------------- create, update */

/* What the client did not say. */
static json_t *made_json(const MailboxWish *wish, int64_t id, json_t *object)
{
    Mailbox box = {.id = id,
                   .parent = wish->parent,
                   .name = (char *)(uintptr_t)wish->name,
                   .role = (char *)(uintptr_t)wish->role,
                   .sort_order = wish->sort_order,
                   .subscribed = wish->subscribed};
    json_t *made = jmap_mailbox_json(&box, NULL), *value;
    const char *name;
    json_object_foreach(object, name, value)
    {
        if (json_equal(json_object_get(made, name), value))
            json_object_del(made, name);
    }
    return made;
}

static json_t *create(JmapCall *call, const char *creation, json_t *object, json_t **ret_wrong)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name_room = NULL;
    MailboxWish wish = {.role = "", .sort_order = MAILBOX_ORDER_OF_ROLE, .subscribed = true};
    int64_t id = 0;
    *ret_wrong = read_all(call, object, NULL, &wish, &name_room);
    if (!*ret_wrong && !wish.name)
        *ret_wrong = jmap_invalid("name", "it is missing");
    if (!*ret_wrong && !db_begin(call->db, DB_WRITE, &error))
        *ret_wrong = jmap_error_of(error);
    if (*ret_wrong)
        return NULL;
    g_auto(DbScope) scope = db_scope(call->db);
    *ret_wrong = put(call, &wish, &id);
    if (*ret_wrong)
        return NULL;
    json_t *made = made_json(&wish, id, object);
    json_object_set(call->created, creation, json_object_get(made, "id"));
    return made;
}

/* With its account locked. NULL: *ret_wrong. */
static GPtrArray *lock(const JmapCall *call, json_t **ret_wrong)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *all = account_lock_row(call->db, call->account, &error)
                         ? mailbox_list(call->db, call->account, &error)
                         : NULL;
    *ret_wrong = all ? NULL : jmap_error_of(error);
    return all;
}

static json_t *update(JmapCall *call, const char *text, json_t *patch)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name_room = NULL;
    json_t *wrong;
    if (!db_begin(call->db, DB_WRITE, &error))
        return jmap_error_of(error);
    g_auto(DbScope) scope = db_scope(call->db);
    g_autoptr(GPtrArray) all = lock(call, &wrong);
    const Mailbox *box = all ? jmap_mailbox_find(all, jmap_id_parse(text, 'B')) : NULL;
    if (!box)
        return wrong ? wrong : jmap_error("notFound", NULL);
    MailboxWish wish = {.id = box->id,
                        .parent = box->parent,
                        .name = box->name,
                        .role = box->role,
                        .sort_order = box->sort_order,
                        .subscribed = box->subscribed};
    json_t *now = jmap_mailbox_json(box, NULL);
    wrong = read_all(call, patch, now, &wish, &name_room);
    json_decref(now);
    return wrong ? wrong : put(call, &wish, NULL);
}

/* ---------------------------------------------------------------- destroy */

/* NULL, or the error of the object; *ret_count emails were destroyed. */
static json_t *empty(const JmapCall *call, int64_t id, unsigned *ret_count)
{
    g_autoptr(GError) error = NULL;
    if (!db_begin(call->db, DB_WRITE, &error))
        return jmap_error_of(error);
    g_auto(DbScope) scope = db_scope(call->db);
    if (!mailbox_empty(call->db, call->account, id, JMAP_EMPTY_PAGE, ret_count, &error) ||
        db_commit(call->db, &error) != DB_DONE)
        return jmap_error_of(error);
    change_wake();
    return NULL;
}

static json_t *remove_one(const JmapCall *call, int64_t id, MailboxResult *ret)
{
    g_autoptr(GError) error = NULL;
    if (!db_begin(call->db, DB_WRITE, &error))
        return jmap_error_of(error);
    g_auto(DbScope) scope = db_scope(call->db);
    if (!mailbox_remove(call->db, call->account, id, ret, &error))
        return jmap_error_of(error);
    return end(call, *ret);
}

/* As long as there are more; mail that comes in meanwhile goes too. */
static json_t *destroy(JmapCall *call, const char *text, json_t *arguments)
{
    int64_t id = jmap_id_parse(text, 'B');
    bool all = json_is_true(json_object_get(arguments, "onDestroyRemoveEmails"));
    MailboxResult result = MAILBOX_DONE;
    json_t *wrong = id ? remove_one(call, id, &result) : jmap_error("notFound", NULL);
    while (wrong && all && result == MAILBOX_HAS_EMAIL) {
        unsigned count = 1;
        json_decref(wrong);
        wrong = NULL;
        while (count && !wrong)
            wrong = empty(call, id, &count);
        result = MAILBOX_DONE;
        if (!wrong)
            wrong = remove_one(call, id, &result);
    }
    return wrong;
}

static json_t *run_set(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {
        "ifInState", "create", "update", "destroy", "onDestroyRemoveEmails", NULL};
    static const JmapSetKind kind = {.arguments = names,
                                     .refers = "parentId",
                                     .create = create,
                                     .update = update,
                                     .destroy = destroy};
    json_t *all = json_object_get(arguments, "onDestroyRemoveEmails");
    if (all && !json_is_null(all) && !json_is_boolean(all))
        return jmap_fail(ret_error, "invalidArguments", "onDestroyRemoveEmails is true or false");
    return jmap_set_run(call, arguments, &kind, ret_error);
}

const JmapMethod jmap_mailbox_set_methods[] = {
    {"Mailbox/set", JMAP_MAIL, run_set},
    {NULL, NULL, NULL},
};
