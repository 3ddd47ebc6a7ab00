/* jmap_set: what all /set methods do alike (RFC 8620 §5.3).
 *
 * How it fits: the method of a type gives a way to create, to update and to destroy one object;
 * here are the arguments, the order, the limits, creation ids and the response. An object that is
 * refused costs no other. First all that is created, then updated, then destroyed; of two that are
 * created, the one that the other refers to comes first, and of two that are destroyed, the child.
 *
 * Failures: single objects are in notCreated, notUpdated and notDestroyed with their error; a store
 * that goes away in the middle is serverUnavailable for those that are left. A commit whose outcome
 * is not known is an error of its object (serverPartialFail), and the client sees by changes what
 * became of it. Emails are updated and destroyed many to a commit; one that is refused is left
 * out of it. Known weak point: of the other types, and of what is created, each object is a commit.
 */
#include "front/jmap_write.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/change.h"

typedef struct {
    JmapCall *call;
    const JmapSetKind *kind;
    json_t *arguments, *create, *update, *destroy;
    json_t *made, *not_made, *updated, *not_updated, *destroyed, *not_destroyed;
    GHashTable *doomed; /* ids that are to be destroyed; borrowed */
} Set;

static bool is_map(json_t *value)
{
    return !value || json_is_null(value) || json_is_object(value);
}

static bool read_arguments(const JmapCall *call, json_t *arguments, Set *set, json_t **ret_error)
{
    size_t i;
    json_t *one;
    if (!jmap_takes(call, arguments, set->kind->arguments, ret_error))
        return false;
    set->create = json_object_get(arguments, "create");
    set->update = json_object_get(arguments, "update");
    set->destroy = json_object_get(arguments, "destroy");
    bool good = is_map(set->create) && is_map(set->update) &&
                (!set->destroy || json_is_null(set->destroy) || json_is_array(set->destroy));
    json_array_foreach(set->destroy, i, one) good = good && json_is_string(one);
    if (!good)
        jmap_fail(ret_error, "invalidArguments", "create, update or destroy is wrong");
    else if (json_object_size(set->create) + json_object_size(set->update) +
                 json_array_size(set->destroy) >
             JMAP_SET_MAX)
        jmap_fail(ret_error, "requestTooLarge", NULL);
    else
        return true;
    return false;
}

/* ---------------------------------------------------------------- create */

/* It refers to one of this call that is not decided yet. */
static bool waits(const Set *set, const char *creation, json_t *object)
{
    const char *name = set->kind->refers;
    const char *text = name ? json_string_value(json_object_get(object, name)) : NULL;
    return text && text[0] == '#' && strcmp(text + 1, creation) != 0 &&
           json_object_get(set->create, text + 1) && !json_object_get(set->made, text + 1) &&
           !json_object_get(set->not_made, text + 1);
}

static void create_one(Set *set, const char *creation, json_t *object)
{
    json_t *wrong = NULL, *made = NULL;
    if (json_is_object(object))
        made = set->kind->create(set->call, creation, object, &wrong);
    else
        wrong = jmap_error("invalidProperties", "it is no object");
    json_object_set_new(made ? set->made : set->not_made, creation, made ? made : wrong);
}

/* As often as one more can be decided; those that are left then refer to one another. */
static void create_all(Set *set)
{
    const char *creation;
    json_t *object;
    for (size_t before = SIZE_MAX, left = json_object_size(set->create); left != before;) {
        before = left;
        json_object_foreach(set->create, creation, object)
        {
            if (json_object_get(set->made, creation) || json_object_get(set->not_made, creation) ||
                waits(set, creation, object))
                continue;
            create_one(set, creation, object);
            left--;
        }
    }
    json_object_foreach(set->create, creation, object)
    {
        if (!json_object_get(set->made, creation) && !json_object_get(set->not_made, creation))
            json_object_set_new(set->not_made, creation,
                                jmap_invalid(set->kind->refers, "they refer to one another"));
    }
}

/* ---------------------------------------------------------------- many to a commit */

/* An update, or where there is no patch a destruction. */
typedef struct {
    const char *key, *id;
    json_t *patch; /* borrowed */
    json_t *wrong; /* the outcome; NULL: done */
} Step;

static json_t *take_step(Set *set, const Step *step)
{
    return step->patch ? set->kind->update(set->call, step->id, step->patch)
                       : set->kind->destroy(set->call, step->id, set->arguments);
}

/* How many were done, in one commit: all, or none, and then the step *ret_at is refused where there
 * is no *error. With ERROR_UNKNOWN it is not known whether all were. */
static bool run_batch(Set *set, Step *steps, guint count, guint *ret_at, GError **error)
{
    if (!db_begin(set->call->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(set->call->db);
    for (*ret_at = 0; *ret_at < count; ++*ret_at) {
        Step *step = &steps[*ret_at];
        step->wrong = take_step(set, step);
        if (step->wrong)
            return false;
    }
    if (db_commit(set->call->db, error) != DB_DONE)
        return false;
    change_wake();
    return true;
}

/* What is refused ends a batch: those before it are done without it, those after it by themselves.
 * So a step is taken three times at most. */
static void run_or_fail(Set *set, Step *steps, guint count)
{
    while (count > 0) {
        g_autoptr(GError) error = NULL;
        guint at = 0;
        if (run_batch(set, steps, count, &at, &error))
            return;
        if (error && count > 1 && error_kind(error) != ERROR_UNKNOWN) {
            run_or_fail(set, steps, 1);
            at = 0;
        } else if (error) {
            for (guint i = 0; i < count; i++)
                steps[i].wrong = jmap_error_of(error);
            return;
        } else {
            run_or_fail(set, steps, at);
        }
        steps += at + 1;
        count -= at + 1;
    }
}

static void run_steps(Set *set, GArray *steps)
{
    for (guint i = 0; i < steps->len; i += JMAP_SET_BATCH)
        run_or_fail(set, &g_array_index(steps, Step, i), MIN(steps->len - i, JMAP_SET_BATCH));
    for (guint i = 0; i < steps->len; i++) {
        const Step *step = &g_array_index(steps, Step, i);
        if (step->wrong)
            json_object_set_new(step->patch ? set->not_updated : set->not_destroyed, step->key,
                                step->wrong);
        else if (step->patch)
            json_object_set_new(set->updated, step->key, json_null());
        else
            json_array_append_new(set->destroyed, json_string(step->key));
    }
}

/* ---------------------------------------------------------------- update and destroy */

static void update_all(Set *set)
{
    const char *key;
    json_t *patch;
    g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(Step));
    json_object_foreach(set->update, key, patch)
    {
        const char *id = jmap_id_of(set->call, key);
        json_t *wrong;
        if (!id)
            wrong = jmap_error("notFound", NULL);
        else if (g_hash_table_contains(set->doomed, id))
            wrong = jmap_error("willDestroy", NULL);
        else if (!json_is_object(patch))
            wrong = jmap_error("invalidPatch", "a patch is an object");
        else if (set->kind->together) {
            const Step step = {key, id, patch, NULL};
            g_array_append_val(steps, step);
            continue;
        } else
            wrong = set->kind->update(set->call, id, patch);
        json_object_set_new(wrong ? set->not_updated : set->updated, key,
                            wrong ? wrong : json_null());
    }
    run_steps(set, steps);
}

static void destroy_together(Set *set)
{
    size_t i;
    json_t *one;
    g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(Step));
    json_array_foreach(set->destroy, i, one)
    {
        const char *key = json_string_value(one);
        const Step step = {key, jmap_id_of(set->call, key), NULL, NULL};
        if (step.id && g_hash_table_remove(set->doomed, step.id)) /* once is enough */
            g_array_append_val(steps, step);
    }
    run_steps(set, steps);
}

/* An error that may be none once others are gone. */
static bool may_pass(json_t *wrong)
{
    return g_strcmp0(json_string_value(json_object_get(wrong, "type")), "mailboxHasChild") == 0;
}

static void destroy_all(Set *set)
{
    size_t i;
    json_t *one;
    for (guint before = 0; g_hash_table_size(set->doomed) != before;) {
        before = g_hash_table_size(set->doomed);
        json_array_foreach(set->destroy, i, one)
        {
            const char *key = json_string_value(one), *id = jmap_id_of(set->call, key);
            if (!id || !g_hash_table_contains(set->doomed, id))
                continue; /* once is enough */
            json_t *wrong = set->kind->destroy(set->call, id, set->arguments);
            if (!may_pass(wrong))
                g_hash_table_remove(set->doomed, id);
            if (wrong)
                json_object_set_new(set->not_destroyed, key, wrong);
            else
                json_object_del(set->not_destroyed, key);
            if (!wrong)
                json_array_append(set->destroyed, one);
        }
    }
}

/* What is to be destroyed, by id; a creation id that is none is not found. */
static void doom_all(Set *set)
{
    size_t i;
    json_t *one;
    json_array_foreach(set->destroy, i, one)
    {
        const char *key = json_string_value(one), *id = jmap_id_of(set->call, key);
        if (id)
            g_hash_table_add(set->doomed, (char *)(uintptr_t)id);
        else
            json_object_set_new(set->not_destroyed, key, jmap_error("notFound", NULL));
    }
}

json_t *jmap_set_run(JmapCall *call, json_t *arguments, const JmapSetKind *kind, json_t **ret_error)
{
    g_autoptr(GHashTable) doomed = g_hash_table_new(g_str_hash, g_str_equal);
    Set set = {.call = call, .kind = kind, .arguments = arguments, .doomed = doomed};
    int64_t before, after;
    if (!read_arguments(call, arguments, &set, ret_error) ||
        !jmap_is_in_state(call, arguments, &before, ret_error))
        return NULL;
    set.made = json_object(), set.not_made = json_object(), set.updated = json_object();
    set.not_updated = json_object(), set.destroyed = json_array();
    set.not_destroyed = json_object();
    create_all(&set);
    doom_all(&set);
    update_all(&set);
    if (kind->together)
        destroy_together(&set);
    else
        destroy_all(&set);
    if (!jmap_state_now(call, &after, NULL))
        after = before; /* what was done is done; the client asks for changes anyway */
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "accountId",
                     jmap_id('a', call->account), "oldState", jmap_state_json(before), "newState",
                     jmap_state_json(after), "created", set.made, "notCreated", set.not_made,
                     "updated", set.updated, "notUpdated", set.not_updated, "destroyed",
                     set.destroyed, "notDestroyed", set.not_destroyed);
}

/* ---------------------------------------------------------------- patches */

static char *unescape(const char *token)
{
    g_autoptr(GString) text = g_string_new(token);
    g_string_replace(text, "~1", "/", 0);
    g_string_replace(text, "~0", "~", 0);
    return g_string_free(g_steal_pointer(&text), false);
}

char *jmap_patch_key(const char *path, const char *property)
{
    size_t size = strlen(property);
    if (strncmp(path, property, size) != 0 || path[size] != '/' || strchr(path + size + 1, '/'))
        return NULL;
    return unescape(path + size + 1);
}

json_t *jmap_patch_check(json_t *patch)
{
    const char *one, *other;
    json_t *value, *more;
    json_object_foreach(patch, one, value)
    {
        size_t size = strlen(one);
        json_object_foreach(patch, other, more)
        {
            if (strncmp(one, other, size) == 0 && other[size] == '/')
                return jmap_error("invalidPatch", "one path is the beginning of another");
        }
    }
    return NULL;
}
