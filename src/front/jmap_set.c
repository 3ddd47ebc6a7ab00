/* jmap_set: Email/set of JMAP (RFC 8621 §4.6): keywords, mailbox and destroying.
 *
 * How it fits: model/email's verbs do it, which write changes and tasks: into Junk and out of it,
 * $junk and $notjunk teach the spam filter. An object is a transaction, so that one that is refused
 * costs no other.
 *
 * Failures: single objects are in notUpdated and notDestroyed with their error; a store that goes
 * away in the middle is serverUnavailable for those that are left. A commit whose outcome is not
 * known is an error of its object, and the client sees by changes what became of it. Known weak
 * point: emails are not created here (RFC 8621 §4.6), and are in one mailbox alone.
 */
#include "front/jmap.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/account.h"
#include "model/change.h"
#include "model/email.h"

/* What a patch asks of one email: name → true or false; the caller's. */
typedef struct {
    json_t *mailboxes, *keywords;
    bool all_mailboxes, all_keywords; /* and it is in no others, and has no others */
} Patch;

/* ---------------------------------------------------------------- the patch */

static bool read_all(json_t *value, json_t *into, bool *ret_all)
{
    const char *key;
    json_t *on;
    json_object_foreach(value, key, on)
    {
        if (!json_is_true(on))
            return false;
        json_object_set_new(into, key, json_true());
    }
    *ret_all = true;
    return json_is_object(value);
}

static bool read_one(const char *name, json_t *value, json_t *into)
{
    return (json_is_true(value) || json_is_null(value)) &&
           json_object_set_new(into, name, json_boolean(json_is_true(value))) == 0;
}

/* NULL, or the error of the object; the caller's. */
static json_t *read_patch(json_t *patch, Patch *ret)
{
    const char *key;
    json_t *value;
    json_object_foreach(patch, key, value)
    {
        bool good;
        if (strcmp(key, "mailboxIds") == 0)
            good = read_all(value, ret->mailboxes, &ret->all_mailboxes);
        else if (strcmp(key, "keywords") == 0)
            good = read_all(value, ret->keywords, &ret->all_keywords);
        else if (g_str_has_prefix(key, "mailboxIds/"))
            good = read_one(key + strlen("mailboxIds/"), value, ret->mailboxes);
        else if (g_str_has_prefix(key, "keywords/"))
            good = read_one(key + strlen("keywords/"), value, ret->keywords);
        else
            return jmap_error("invalidProperties", "keywords and mailboxIds can be changed");
        if (!good && g_str_has_prefix(key, "mailboxIds"))
            return jmap_error("invalidProperties",
                              "mailboxIds: each is true, or null to remove it");
        if (!good)
            return jmap_error("invalidProperties", "keywords: each is true, or null to remove it");
    }
    if (!json_is_object(patch))
        return jmap_error("invalidPatch", "a patch is an object");
    return NULL;
}

/* ---------------------------------------------------------------- doing it */

static bool apply_keywords(const JmapCall *call, const Email *email, const Patch *patch,
                           GError **error)
{
    const char *key;
    json_t *on;
    g_auto(GStrv) old = g_strsplit(patch->all_keywords ? email->keywords : "", " ", -1);
    for (char **word = old; *word; word++)
        if (**word && !json_object_get(patch->keywords, *word) &&
            !email_set_keyword(call->db, call->account, email->id, *word, false, error))
            return false;
    json_object_foreach(patch->keywords, key,
                        on) if (!email_set_keyword(call->db, call->account, email->id, key,
                                                   json_is_true(on), error)) return false;
    return true;
}

/* The mailboxes that it is in after the patch; the caller's. */
static json_t *mailboxes_after(const GArray *now, const Patch *patch)
{
    json_t *after = json_object(), *on;
    const char *key;
    for (guint i = 0; !patch->all_mailboxes && i < now->len; i++) {
        char text[32];
        g_snprintf(text, sizeof text, "B%" G_GINT64_FORMAT, g_array_index(now, int64_t, i));
        json_object_set_new(after, text, json_true());
    }
    json_object_foreach(patch->mailboxes, key, on)
    {
        if (json_is_true(on))
            json_object_set(after, key, on);
        else
            json_object_del(after, key);
    }
    return after;
}

/* The email is there, and stays: its account is locked. */
static bool apply_mailboxes(const JmapCall *call, int64_t id, const Patch *patch, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (!patch->all_mailboxes && json_object_size(patch->mailboxes) == 0)
        return true;
    g_autoptr(GArray) now = email_mailboxes(call->db, call->account, id, error);
    if (!now)
        return false;
    json_t *after = mailboxes_after(now, patch);
    bool one = json_object_size(after) == 1;
    int64_t to = jmap_id_parse(json_object_iter_key(json_object_iter(after)), 'B');
    json_decref(after);
    if (!one)
        return fail(error, ERROR_REJECT, "mailboxIds: an email is in one mailbox");
    if (email_move(call->db, call->account, id, to, &why))
        return true;
    if (error_kind(why) == ERROR_GONE)
        return fail(error, ERROR_REJECT, "mailboxIds: there is no such mailbox");
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool apply(const JmapCall *call, int64_t id, const Patch *patch, GError **error)
{
    if (!db_begin(call->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(call->db);
    if (!account_lock_row(call->db, call->account, error))
        return false;
    g_autoptr(Email) email = email_get(call->db, call->account, id, error);
    if (!email || !apply_keywords(call, email, patch, error) ||
        !apply_mailboxes(call, id, patch, error) || db_commit(call->db, error) != DB_DONE)
        return false;
    change_wake();
    return true;
}

static bool destroy(const JmapCall *call, int64_t id, GError **error)
{
    if (!db_begin(call->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(call->db);
    if (!email_destroy(call->db, call->account, id, error) || db_commit(call->db, error) != DB_DONE)
        return false;
    change_wake();
    return true;
}

static json_t *error_of(const GError *error)
{
    switch (error_kind(error)) {
    case ERROR_GONE:
        return jmap_error("notFound", error->message);
    case ERROR_REJECT:
        return jmap_error("invalidProperties", error->message);
    default: {
        json_t *json;
        jmap_fail_error(&json, error);
        return json;
    }
    }
}

static json_t *update_one(const JmapCall *call, const char *text, json_t *changes)
{
    g_autoptr(GError) error = NULL;
    int64_t id = jmap_id_parse(text, 'M');
    if (!id)
        return jmap_error("notFound", NULL);
    Patch patch = {.mailboxes = json_object(), .keywords = json_object()};
    json_t *wrong = read_patch(changes, &patch);
    if (!wrong && !apply(call, id, &patch, &error))
        wrong = error_of(error);
    json_decref(patch.mailboxes);
    json_decref(patch.keywords);
    return wrong;
}

static json_t *destroy_one(const JmapCall *call, const char *text)
{
    g_autoptr(GError) error = NULL;
    int64_t id = jmap_id_parse(text, 'M');
    if (!id)
        return jmap_error("notFound", NULL);
    return destroy(call, id, &error) ? NULL : error_of(error);
}

/* ---------------------------------------------------------------- the call */

static bool are_objects(json_t *create, json_t *update, json_t *list, json_t **ret_error)
{
    size_t i;
    json_t *one;
    bool good = (!create || json_is_null(create) || json_is_object(create)) &&
                (!update || json_is_null(update) || json_is_object(update)) &&
                (!list || json_is_null(list) || json_is_array(list));
    json_array_foreach(list, i, one) good = good && json_is_string(one);
    if (!good)
        jmap_fail(ret_error, "invalidArguments", "create, update or destroy is wrong");
    else if (json_object_size(create) + json_object_size(update) + json_array_size(list) >
             JMAP_SET_MAX)
        jmap_fail(ret_error, "requestTooLarge", NULL);
    else
        return true;
    return false;
}

static json_t *run_set(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ifInState", "create", "update", "destroy", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) doomed = g_hash_table_new(g_str_hash, g_str_equal);
    json_t *create = json_object_get(arguments, "create"), *value;
    json_t *update = json_object_get(arguments, "update");
    json_t *list = json_object_get(arguments, "destroy");
    json_t *if_state = json_object_get(arguments, "ifInState");
    const char *key;
    size_t i;
    int64_t before, after;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !are_objects(create, update, list, ret_error))
        return NULL;
    if (!jmap_state_now(call, &before, &error))
        return jmap_fail_error(ret_error, error);
    g_autofree char *state = g_strdup_printf("%" G_GINT64_FORMAT, before);
    if (json_is_string(if_state) && strcmp(json_string_value(if_state), state) != 0)
        return jmap_fail(ret_error, "stateMismatch", NULL);
    json_t *updated = json_object(), *not_updated = json_object(), *destroyed = json_array();
    json_t *not_destroyed = json_object(), *not_created = json_object();
    json_object_foreach(create, key, value) json_object_set_new(
        not_created, key, jmap_error("forbidden", "emails come in by LMTP in this version"));
    json_array_foreach(list, i, value)
        g_hash_table_add(doomed, (char *)(uintptr_t)json_string_value(value));
    json_object_foreach(update, key, value)
    {
        json_t *wrong = g_hash_table_contains(doomed, key) ? jmap_error("willDestroy", NULL)
                                                           : update_one(call, key, value);
        json_object_set_new(wrong ? not_updated : updated, key, wrong ? wrong : json_null());
    }
    json_array_foreach(list, i, value)
    {
        if (!g_hash_table_remove(doomed, json_string_value(value)))
            continue; /* once is enough */
        json_t *wrong = destroy_one(call, json_string_value(value));
        if (wrong)
            json_object_set_new(not_destroyed, json_string_value(value), wrong);
        else
            json_array_append(destroyed, value);
    }
    if (!jmap_state_now(call, &after, &error))
        after = before; /* what was done is done; the client asks for changes anyway */
    return json_pack("{s:o, s:o, s:o, s:n, s:o, s:o, s:o, s:o, s:o}", "accountId",
                     jmap_id('a', call->account), "oldState", jmap_state_json(before), "newState",
                     jmap_state_json(after), "created", "notCreated", not_created, "updated",
                     updated, "notUpdated", not_updated, "destroyed", destroyed, "notDestroyed",
                     not_destroyed);
}

const JmapMethod jmap_set_methods[] = {
    {"Email/set", JMAP_MAIL, run_set},
    {NULL, NULL, NULL},
};
