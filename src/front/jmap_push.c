/* jmap_push: see jmap_push.h.
 *
 * How it fits: the JMAP door calls it by method name; model/subscription has the rules, whose texts
 * begin with the name of the property that is wrong.
 *
 * url and keys are never given out (RFC 8620 §7.2.1). x-rota-delivery is what a person may want to
 * know when nothing comes: it is given where it is asked for by name.
 *
 * Failures: the store's. One that cannot be reached, or a commit whose outcome is not known, is
 * serverUnavailable while nothing was changed, and serverPartialFail after that: the client looks
 * again (§3.6.2). Known weak point: a creation whose commit was not heard of may be there; making
 * it again replaces it, since its device is the same.
 */
#include "front/jmap_push.h"

#include <string.h>

#include "base/error.h"
#include "content/base64url.h"
#include "model/change.h"
#include "model/push_key.h"

#include "front/jmap.h"

#define DELIVERY "x-rota-delivery"

static const char *const properties[] = {"id",      "deviceClientId", "verificationCode",
                                         "expires", "types",          NULL};

/* No other arguments than these. */
static bool has_only(json_t *object, const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) if (!g_strv_contains(names, key)) return false;
    return true;
}

/* ---------------------------------------------------------------- dates */

/* A UTCDate (RFC 8620 §1.4) in ms; 0: it is none. */
static int64_t parse_date(json_t *value)
{
    const char *text = json_string_value(value);
    if (!text || !g_str_has_suffix(text, "Z") || strlen(text) < 20)
        return 0;
    g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(text, NULL);
    return date ? g_date_time_to_unix(date) * 1000 : 0;
}

/* ---------------------------------------------------------------- get */

static json_t *delivery_of(const Subscription *one)
{
    static const char *const stages[] = {"new", "asked", "verified"};
    return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:I, s:s}", "stage", stages[one->stage],
                     "pushes", (json_int_t)one->pushes, "repeats", (json_int_t)one->repeats,
                     "failures", (json_int_t)one->failures, "lastAt", jmap_date(one->last_at),
                     "nextAt", jmap_date(one->next_at), "lastStatus", (json_int_t)one->last_status,
                     "lastError", one->last_error);
}

static json_t *types_of(const Subscription *one)
{
    if (!one->types)
        return json_null();
    json_t *types = json_array();
    for (char **type = one->types; *type; type++)
        json_array_append_new(types, json_string(*type));
    return types;
}

/* The code is the device's to say: it is shown once it has said it (§7.2). */
static json_t *property_of(const Subscription *one, const char *name)
{
    g_autofree char *id = subscription_format_id(one->id);
    if (strcmp(name, "id") == 0)
        return json_string(id);
    if (strcmp(name, "deviceClientId") == 0)
        return json_string(one->device);
    if (strcmp(name, "verificationCode") == 0)
        return one->stage == SUBSCRIPTION_VERIFIED ? json_string(one->code) : json_null();
    if (strcmp(name, "expires") == 0)
        return jmap_date(one->expires_at);
    return strcmp(name, "types") == 0 ? types_of(one) : delivery_of(one);
}

/* NULL: a name is wrong; *ret_error says so. All but x-rota-delivery where none is named. */
static GPtrArray *parse_properties(json_t *names, json_t **ret_error)
{
    g_autoptr(GPtrArray) wanted = g_ptr_array_new();
    size_t i;
    json_t *value;
    g_ptr_array_add(wanted, (gpointer)(uintptr_t)properties[0]);
    for (unsigned k = 1; !json_is_array(names) && properties[k]; k++)
        g_ptr_array_add(wanted, (gpointer)(uintptr_t)properties[k]);
    json_array_foreach(names, i, value)
    {
        const char *name = json_string_value(value);
        if (name && (strcmp(name, "url") == 0 || strcmp(name, "keys") == 0))
            return (GPtrArray *)(void *)jmap_fail(ret_error, "forbidden",
                                                  "url and keys are not given out");
        if (!name || (!g_strv_contains(properties, name) && strcmp(name, DELIVERY) != 0))
            return (GPtrArray *)(void *)jmap_fail(ret_error, "invalidArguments",
                                                  "properties: there is no such property");
        g_ptr_array_add(wanted, (gpointer)(uintptr_t)name);
    }
    return g_steal_pointer(&wanted);
}

static json_t *object_of(const Subscription *one, const GPtrArray *wanted)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < wanted->len; i++) {
        const char *name = g_ptr_array_index(wanted, i);
        json_object_set_new(object, name, property_of(one, name));
    }
    return object;
}

static const Subscription *find(const GPtrArray *list, const char *id)
{
    int64_t number = subscription_parse_id(id);
    for (unsigned i = 0; i < list->len; i++) {
        const Subscription *one = g_ptr_array_index(list, i);
        if (number != 0 && one->id == number)
            return one;
    }
    return NULL;
}

static GPtrArray *read_list(const JmapPush *push)
{
    if (!db_begin(push->db, DB_READ, NULL))
        return NULL;
    GPtrArray *list = subscription_list(push->db, push->account, NULL);
    db_rollback(push->db);
    return list;
}

static bool are_ids(json_t *ids)
{
    size_t i;
    json_t *value;
    if (ids && !json_is_null(ids) && !json_is_array(ids))
        return false;
    json_array_foreach(ids, i, value) if (!json_is_string(value)) return false;
    return true;
}

json_t *jmap_push_get(const JmapPush *push, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ids", "properties", NULL};
    json_t *ids = json_object_get(arguments, "ids"),
           *wished = json_object_get(arguments, "properties");
    if (!json_is_object(arguments) || !has_only(arguments, names) || !are_ids(ids) ||
        !are_ids(wished))
        return jmap_fail(ret_error, "invalidArguments", "ids and properties are lists of texts");
    if (push->objects_max && (int64_t)json_array_size(ids) > push->objects_max)
        return jmap_fail(ret_error, "requestTooLarge", "these are too many ids");
    g_autoptr(GPtrArray) wanted = parse_properties(wished, ret_error);
    if (!wanted)
        return NULL;
    g_autoptr(GPtrArray) list = read_list(push);
    if (!list)
        return jmap_fail(ret_error, "serverUnavailable", "the store does not answer");
    json_t *found = json_array(), *missing = json_array(), *value;
    size_t i;
    for (unsigned k = 0; !json_is_array(ids) && k < list->len; k++)
        json_array_append_new(found, object_of(g_ptr_array_index(list, k), wanted));
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    json_array_foreach(ids, i, value)
    {
        const char *id = json_string_value(value);
        const Subscription *one = find(list, id);
        if (!g_hash_table_add(seen, (gpointer)(uintptr_t)id))
            continue; /* once is enough (§5.1) */
        if (one)
            json_array_append_new(found, object_of(one, wanted));
        else
            json_array_append(missing, value);
    }
    return json_pack("{s:o, s:o}", "list", found, "notFound", missing);
}

/* ---------------------------------------------------------------- set */

/* One call of set, on its way. */
typedef struct {
    const JmapPush *push;
    json_t *created_ids; /* borrowed; of the request, and of this call */
    json_t *created, *updated, *destroyed, *not_created, *not_updated, *not_destroyed;
    bool changed;
} Set;

/* A SetError for what the model has refused; its text begins with the property's name. NULL: it is
 * the store's trouble. */
static json_t *set_error(const GError *error)
{
    ErrorKind kind = error_kind(error);
    if (kind == ERROR_GONE)
        return jmap_error("notFound", error->message);
    if (kind != ERROR_REJECT)
        return NULL;
    if (g_str_has_prefix(error->message, "overQuota: "))
        return jmap_error("overQuota", error->message + strlen("overQuota: "));
    const char *colon = strchr(error->message, ':');
    json_t *made = jmap_error("invalidProperties", error->message);
    if (colon)
        json_object_set_new(made, "properties",
                            json_pack("[s%]", error->message, (size_t)(colon - error->message)));
    return made;
}

/* The list of types; *ret NULL: all. False: it is none. The caller frees it, not its texts. */
static bool parse_types(json_t *value, const char ***ret)
{
    if (!value || json_is_null(value)) {
        *ret = NULL;
        return true;
    }
    if (!json_is_array(value) || !are_ids(value))
        return false;
    *ret = g_new0(const char *, json_array_size(value) + 1);
    for (size_t i = 0; i < json_array_size(value); i++)
        (*ret)[i] = json_string_value(json_array_get(value, i));
    return true;
}

static bool wrong(GError **error, const char *name, const char *what)
{
    return fail(error, ERROR_REJECT, "%s: %s", name, what);
}

static bool parse_keys(json_t *value, WebPushKeys *keys, const WebPushKeys **ret, GError **error)
{
    *ret = NULL;
    if (!value || json_is_null(value))
        return true;
    const char *p256dh = json_string_value(json_object_get(value, "p256dh"));
    const char *auth = json_string_value(json_object_get(value, "auth"));
    if (!p256dh || !auth)
        return wrong(error, "keys", "they are an object with p256dh and auth");
    g_autoptr(GError) why = NULL;
    if (!webpush_keys_parse(p256dh, auth, keys, &why))
        return wrong(error, "keys", why->message);
    *ret = keys;
    return true;
}

/* In an open transaction. */
static bool create(const Set *set, json_t *object, int64_t *ret_id, GError **error)
{
    static const char *const names[] = {"deviceClientId", "url",   "keys", "verificationCode",
                                        "expires",        "types", NULL};
    json_t *expires = json_object_get(object, "expires"), *code;
    SubscriptionNew new = {.device = json_string_value(json_object_get(object, "deviceClientId")),
                           .url = json_string_value(json_object_get(object, "url")),
                           .allow_private = set->push->allow_private};
    WebPushKeys keys;
    g_autofree const char **types = NULL;
    if (!json_is_object(object) || !has_only(object, names))
        return fail(error, ERROR_REJECT, "a PushSubscription has no such property");
    if (!new.device || !new.url)
        return wrong(error, new.device ? "url" : "deviceClientId", "it is a text, and needed");
    code = json_object_get(object, "verificationCode");
    if (code && !json_is_null(code))
        return wrong(error, "verificationCode", "it is null until it was pushed");
    if (!parse_types(json_object_get(object, "types"), &types))
        return wrong(error, "types", "they are a list of texts, or null");
    if (expires && !json_is_null(expires) && !(new.expires_at = parse_date(expires)))
        return wrong(error, "expires", "it is a UTCDate, or null");
    new.types = types;
    return parse_keys(json_object_get(object, "keys"), &keys, &new.keys, error) &&
           subscription_add(set->push->db, set->push->account, &new, ret_id, error);
}

static bool update(const Set *set, json_t *patch, int64_t id, GError **error)
{
    static const char *const names[] = {"verificationCode", "expires", "types", NULL};
    json_t *code = json_object_get(patch, "verificationCode"),
           *expires = json_object_get(patch, "expires"), *types = json_object_get(patch, "types");
    g_autofree const char **list = NULL;
    SubscriptionChange change = {.code = json_string_value(code), .set_types = types != NULL};
    if (!json_is_object(patch) || !has_only(patch, names))
        return fail(error, ERROR_REJECT, "only verificationCode, expires and types can be changed");
    if (code && !change.code)
        return wrong(error, "verificationCode", "it is the text that was pushed");
    if (!parse_types(types, &list))
        return wrong(error, "types", "they are a list of texts, or null");
    if (expires)
        change.expires_at = json_is_null(expires) ? -1 : parse_date(expires);
    if (expires && change.expires_at == 0)
        return wrong(error, "expires", "it is a UTCDate, or null");
    change.types = list;
    return subscription_change(set->push->db, set->push->account, id, &change, error);
}

/* What the server has decided of it: its expiry. NULL: the store does not answer. */
static json_t *told(const Set *set, int64_t id, bool with_id)
{
    g_autoptr(GPtrArray) list = read_list(set->push);
    g_autofree char *text = subscription_format_id(id);
    const Subscription *one = list ? find(list, text) : NULL;
    if (!one)
        return NULL;
    json_t *object = json_pack("{s:o}", "expires", jmap_date(one->expires_at));
    if (with_id)
        json_object_set_new(object, "id", json_string(text));
    return object;
}

/* The number of an id, or of "#creation id". */
static int64_t resolve(const Set *set, const char *id)
{
    const char *made =
        *id == '#' ? json_string_value(json_object_get(set->created_ids, id + 1)) : id;
    return made ? subscription_parse_id(made) : 0;
}

typedef enum { SET_CREATE, SET_UPDATE, SET_DESTROY } SetWhat;

static bool act(const Set *set, SetWhat what, json_t *object, int64_t *id, GError **error)
{
    switch (what) {
    case SET_CREATE:
        return create(set, object, id, error);
    case SET_UPDATE:
        return update(set, object, *id, error);
    case SET_DESTROY:
        break;
    }
    return subscription_remove(set->push->db, set->push->account, *id, error);
}

/* One object, in a transaction of its own. *ret_refused: why it is as it was; false: the store's
 * trouble. */
static bool change_one(Set *set, SetWhat what, json_t *object, int64_t *id, json_t **ret_refused)
{
    g_autoptr(GError) why = NULL;
    if (!db_begin(set->push->db, DB_WRITE, &why))
        return false;
    g_auto(DbScope) scope = db_scope(set->push->db);
    if (act(set, what, object, id, &why)) {
        if (db_commit(set->push->db, &why) != DB_DONE)
            return false; /* unknown too: the client is told to look again */
        change_wake();
        set->changed = true;
        return true;
    }
    *ret_refused = set_error(why);
    return *ret_refused != NULL;
}

static bool create_all(Set *set, json_t *objects)
{
    const char *key;
    json_t *value;
    json_object_foreach(objects, key, value)
    {
        int64_t id = 0;
        json_t *refused = NULL, *made = NULL;
        if (!change_one(set, SET_CREATE, value, &id, &refused))
            return false;
        if (!refused && !(made = told(set, id, true)))
            return false;
        if (made)
            json_object_set(set->created_ids, key, json_object_get(made, "id"));
        json_object_set_new(refused ? set->not_created : set->created, key,
                            refused ? refused : made);
    }
    return true;
}

static bool update_all(Set *set, json_t *objects)
{
    const char *key;
    json_t *value;
    json_object_foreach(objects, key, value)
    {
        int64_t id = resolve(set, key);
        json_t *refused = NULL, *made = NULL;
        if (!change_one(set, SET_UPDATE, value, &id, &refused))
            return false;
        if (!refused && !(made = told(set, id, false)))
            made = json_null();
        json_object_set_new(refused ? set->not_updated : set->updated, key,
                            refused ? refused : made);
    }
    return true;
}

static bool destroy_all(Set *set, json_t *ids)
{
    size_t i;
    json_t *value;
    json_array_foreach(ids, i, value)
    {
        int64_t id = resolve(set, json_string_value(value));
        json_t *refused = NULL;
        if (!change_one(set, SET_DESTROY, NULL, &id, &refused))
            return false;
        if (refused)
            json_object_set_new(set->not_destroyed, json_string_value(value), refused);
        else
            json_array_append(set->destroyed, value);
    }
    return true;
}

static bool is_map(json_t *value)
{
    return !value || json_is_null(value) || json_is_object(value);
}

/* An empty list of what happened is null. */
static void give(json_t *response, const char *name, json_t *value)
{
    bool empty = json_is_array(value) ? json_array_size(value) == 0 : json_object_size(value) == 0;
    json_object_set(response, name, empty ? json_null() : value);
}

static json_t *response_of(const Set *set)
{
    json_t *response = json_object();
    give(response, "created", set->created);
    give(response, "updated", set->updated);
    give(response, "destroyed", set->destroyed);
    give(response, "notCreated", set->not_created);
    give(response, "notUpdated", set->not_updated);
    give(response, "notDestroyed", set->not_destroyed);
    return response;
}

static void set_clear(Set *set)
{
    json_decref(set->created_ids);
    json_decref(set->created);
    json_decref(set->updated);
    json_decref(set->destroyed);
    json_decref(set->not_created);
    json_decref(set->not_updated);
    json_decref(set->not_destroyed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Set, set_clear)

json_t *jmap_push_set(const JmapPush *push, json_t *arguments, json_t *created_ids,
                      json_t **ret_error)
{
    static const char *const names[] = {"create", "update", "destroy", NULL};
    json_t *create_map = json_object_get(arguments, "create"),
           *update_map = json_object_get(arguments, "update"),
           *ids = json_object_get(arguments, "destroy");
    if (!json_is_object(arguments) || !has_only(arguments, names) || !is_map(create_map) ||
        !is_map(update_map) || !are_ids(ids))
        return jmap_fail(ret_error, "invalidArguments",
                         "create and update are objects, destroy is a list of ids");
    size_t count =
        json_object_size(create_map) + json_object_size(update_map) + json_array_size(ids);
    if (push->objects_max && (int64_t)count > push->objects_max)
        return jmap_fail(ret_error, "requestTooLarge", "these are too many objects");
    g_auto(Set) set = {.push = push,
                       .created_ids = created_ids ? json_incref(created_ids) : json_object(),
                       .created = json_object(),
                       .updated = json_object(),
                       .destroyed = json_array(),
                       .not_created = json_object(),
                       .not_updated = json_object(),
                       .not_destroyed = json_object()};
    if (create_all(&set, create_map) && update_all(&set, update_map) && destroy_all(&set, ids))
        return response_of(&set);
    return jmap_fail(ret_error, set.changed ? "serverPartialFail" : "serverUnavailable",
                     "the store does not answer");
}

json_t *jmap_push_capability(Db *db, const Seal *seal, GError **error)
{
    uint8_t public_key[P256_PUBLIC_BYTES];
    if (!push_key_load(db, seal, NULL, public_key, error))
        return NULL;
    g_autofree char *text = base64url_format(public_key, sizeof public_key);
    return json_pack("{s:s}", "applicationServerKey", text);
}
