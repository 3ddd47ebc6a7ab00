/* jmap_email_set: Email/set of JMAP (RFC 8621 §4.6), and Email/copy (§4.7).
 *
 * How it fits: jmap_set.c has the frame. A draft is made by jmap_draft.c and put in by
 * jmap_filing.c; model/email's verbs do the rest, which write changes and tasks: into Junk and out
 * of it, $junk and $notjunk teach the spam filter.
 *
 * Failures: errors of single objects. Known weak points: an email is in one mailbox alone; a person
 * has one account, so Email/copy has nowhere to copy from, and says so.
 */
#include "front/jmap_write.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/account.h"
#include "model/email.h"

#include "front/jmap_draft.h"

/* What a patch asks of one email: name → true or false; the caller's. */
typedef struct {
    json_t *mailboxes, *keywords;
    bool all_mailboxes, all_keywords; /* and it is in no others, and has no others */
} Patch;

/* ---------------------------------------------------------------- the patch */

static bool read_all(const JmapCall *call, json_t *value, json_t *into, bool *ret_all)
{
    const char *key;
    json_t *on;
    json_object_foreach(value, key, on)
    {
        const char *id = call ? jmap_id_of(call, key) : key;
        if (!id || !json_is_true(on))
            return false;
        json_object_set_new(into, id, json_true());
    }
    *ret_all = true;
    return json_is_object(value);
}

static bool read_one(const char *name, json_t *value, json_t *into)
{
    return name && (json_is_true(value) || json_is_null(value)) &&
           json_object_set_new(into, name, json_boolean(json_is_true(value))) == 0;
}

static bool read_path(const JmapCall *call, const char *path, json_t *value, Patch *ret,
                      const char **ret_property)
{
    *ret_property = g_str_has_prefix(path, "mailboxIds") ? "mailboxIds" : "keywords";
    g_autofree char *mailbox = jmap_patch_key(path, "mailboxIds");
    g_autofree char *keyword = jmap_patch_key(path, "keywords");
    if (strcmp(path, "mailboxIds") == 0)
        return read_all(call, value, ret->mailboxes, &ret->all_mailboxes);
    if (strcmp(path, "keywords") == 0)
        return read_all(NULL, value, ret->keywords, &ret->all_keywords);
    if (mailbox)
        return read_one(jmap_id_of(call, mailbox), value, ret->mailboxes);
    return read_one(keyword, value, ret->keywords);
}

static bool is_path(const char *path)
{
    g_autofree char *mailbox = jmap_patch_key(path, "mailboxIds");
    g_autofree char *keyword = jmap_patch_key(path, "keywords");
    return mailbox || keyword || strcmp(path, "mailboxIds") == 0 || strcmp(path, "keywords") == 0;
}

/* NULL, or the error of the object; the caller's. */
static json_t *read_patch(const JmapCall *call, json_t *patch, Patch *ret)
{
    const char *path, *property;
    json_t *value, *wrong = jmap_patch_check(patch);
    if (wrong)
        return wrong;
    json_object_foreach(patch, path, value)
    {
        if (!is_path(path) && strchr(path, '/'))
            return jmap_error("invalidPatch", "a path leads to nothing");
        if (!is_path(path))
            return jmap_invalid(path, "keywords and mailboxIds can be changed");
        if (!read_path(call, path, value, ret, &property))
            return jmap_invalid(property, "each is true, or null to remove it");
    }
    json_object_foreach(ret->keywords, path, value)
    {
        if (!jmap_is_keyword(path))
            return jmap_invalid("keywords", "there is what cannot be a keyword");
    }
    return NULL;
}

/* ---------------------------------------------------------------- doing it */

/* First what goes, so that what comes has room. */
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
    for (int add = 0; add <= 1; add++) {
        json_object_foreach(patch->keywords, key, on)
        {
            if (json_is_true(on) == add &&
                !email_set_keyword(call->db, call->account, email->id, key, add, error))
                return false;
        }
    }
    return true;
}

/* The mailboxes that it is in after the patch; the caller's. */
static json_t *mailboxes_after(const GArray *now, const Patch *patch)
{
    json_t *after = json_object(), *on;
    const char *key;
    for (guint i = 0; i < now->len && !patch->all_mailboxes; i++) {
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

/* NULL, or the error of the object. The email is there, and stays: its account is locked. */
static json_t *apply_mailboxes(const JmapCall *call, int64_t id, const Patch *patch)
{
    g_autoptr(GError) error = NULL;
    if (!patch->all_mailboxes && json_object_size(patch->mailboxes) == 0)
        return NULL;
    g_autoptr(GArray) now = email_mailboxes(call->db, call->account, id, &error);
    if (!now)
        return jmap_error_of(error);
    json_t *after = mailboxes_after(now, patch);
    size_t count = json_object_size(after);
    int64_t to = jmap_id_parse(json_object_iter_key(json_object_iter(after)), 'B');
    json_decref(after);
    if (count > 1)
        return jmap_error("tooManyMailboxes", "an email is in one mailbox");
    if (count == 0)
        return jmap_invalid("mailboxIds", "an email is in one mailbox");
    if (email_move(call->db, call->account, id, to, &error))
        return NULL;
    return error_kind(error) == ERROR_GONE ? jmap_invalid("mailboxIds", "there is no such mailbox")
                                           : jmap_error_of(error);
}

static json_t *apply(const JmapCall *call, int64_t id, const Patch *patch)
{
    g_autoptr(GError) error = NULL;
    if (!account_lock_row(call->db, call->account, &error))
        return jmap_error_of(error);
    g_autoptr(Email) email = email_get(call->db, call->account, id, &error);
    if (!email)
        return jmap_error_of(error);
    if (!apply_keywords(call, email, patch, &error)) /* each is one: then they are too many */
        return error_kind(error) == ERROR_REJECT ? jmap_error("tooManyKeywords", error->message)
                                                 : jmap_error_of(error);
    return apply_mailboxes(call, id, patch);
}

static json_t *update(JmapCall *call, const char *text, json_t *changes)
{
    int64_t id = jmap_id_parse(text, 'M');
    if (!id)
        return jmap_error("notFound", NULL);
    Patch patch = {.mailboxes = json_object(), .keywords = json_object()};
    json_t *wrong = read_patch(call, changes, &patch);
    if (!wrong)
        wrong = apply(call, id, &patch);
    json_decref(patch.mailboxes);
    json_decref(patch.keywords);
    return wrong;
}

static json_t *destroy(JmapCall *call, const char *text, json_t *arguments)
{
    (void)arguments;
    g_autoptr(GError) error = NULL;
    int64_t id = jmap_id_parse(text, 'M');
    if (!id)
        return jmap_error("notFound", NULL);
    return email_destroy(call->db, call->account, id, &error) ? NULL : jmap_error_of(error);
}

static json_t *create(JmapCall *call, const char *creation, json_t *object, json_t **ret_wrong)
{
    g_auto(JmapFiling) filing = {0};
    *ret_wrong = jmap_filing_read(call, object, &filing);
    if (*ret_wrong)
        return NULL;
    g_autoptr(GBytes) mail = jmap_draft_mail(call, object, ret_wrong);
    return mail ? jmap_file(call, creation, mail, &filing, false, ret_wrong) : NULL;
}

static json_t *run_set(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ifInState", "create", "update", "destroy", NULL};
    static const JmapSetKind kind = {.arguments = names,
                                     .create = create,
                                     .update = update,
                                     .destroy = destroy,
                                     .together = true};
    return jmap_set_run(call, arguments, &kind, ret_error);
}

/* ---------------------------------------------------------------- Email/copy */

static json_t *run_copy(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"fromAccountId",
                                        "ifFromInState",
                                        "ifInState",
                                        "create",
                                        "onSuccessDestroyOriginal",
                                        "destroyFromIfInState",
                                        NULL};
    const char *from = json_string_value(json_object_get(arguments, "fromAccountId"));
    if (!jmap_takes(call, arguments, names, ret_error))
        return NULL;
    if (!from || !json_is_object(json_object_get(arguments, "create")))
        return jmap_fail(ret_error, "invalidArguments", "fromAccountId or create is missing");
    if (jmap_id_parse(from, 'a') == call->account)
        return jmap_fail(ret_error, "invalidArguments", "fromAccountId is accountId");
    return jmap_fail(ret_error, "fromAccountNotFound", NULL);
}

const JmapMethod jmap_email_set_methods[] = {
    {"Email/set", JMAP_MAIL, run_set},
    {"Email/copy", JMAP_MAIL, run_copy},
    {NULL, NULL, NULL},
};
