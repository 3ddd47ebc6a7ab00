/* jmap_filing: an email that a client makes: where it goes, and how it gets there.
 *
 * How it fits: Email/import and Email/set hand in whole messages; model/deliver.h puts them in as
 * any other. What methods that write have in common is here too.
 *
 * Failures: errors of the object. A commit whose outcome is not known is tried once more with the
 * same delivery key, which finds what the first one did. Known weak point: each is a transaction of
 * its own, so many of one call are not one commit.
 */
#include "front/jmap_write.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "base/rand.h"
#include "model/deliver.h"
#include "model/email.h"

#define KEY_BYTES 16

/* ---------------------------------------------------------------- errors */

json_t *jmap_invalid(const char *property, const char *description)
{
    json_t *error = jmap_error("invalidProperties", description);
    json_object_set_new(error, "properties", json_pack("[s]", property));
    return error;
}

json_t *jmap_error_of(const GError *error)
{
    json_t *json;
    if (error_kind(error) == ERROR_GONE)
        return jmap_error("notFound", error->message);
    if (error_kind(error) == ERROR_REJECT)
        return jmap_error("invalidProperties", error->message);
    jmap_fail_error(&json, error);
    return json;
}

const char *jmap_id_of(const JmapCall *call, const char *text)
{
    if (!text || text[0] != '#')
        return text;
    return json_string_value(json_object_get(call->created, text + 1));
}

bool jmap_is_in_state(const JmapCall *call, json_t *arguments, int64_t *ret_state,
                      json_t **ret_error)
{
    json_t *state = json_object_get(arguments, "ifInState");
    g_autoptr(GError) error = NULL;
    if (state && !json_is_null(state) && !json_is_string(state)) {
        jmap_fail(ret_error, "invalidArguments", "ifInState is no string");
        return false;
    }
    if (!jmap_state_now(call, ret_state, &error)) {
        jmap_fail_error(ret_error, error);
        return false;
    }
    g_autofree char *now = g_strdup_printf("%" G_GINT64_FORMAT, *ret_state);
    if (!json_is_string(state) || strcmp(json_string_value(state), now) == 0)
        return true;
    jmap_fail(ret_error, "stateMismatch", NULL);
    return false;
}

/* ---------------------------------------------------------------- where it goes */

void jmap_filing_clear(JmapFiling *filing)
{
    g_clear_pointer(&filing->keywords, g_free);
}

static json_t *read_mailbox(const JmapCall *call, json_t *ids, JmapFiling *ret)
{
    void *only = json_object_iter(ids);
    if (json_object_size(ids) > 1)
        return jmap_error("tooManyMailboxes", "an email is in one mailbox");
    if (!only || !json_is_true(json_object_iter_value(only)))
        return jmap_invalid("mailboxIds", "an email is in one mailbox: {\"B1\": true}");
    ret->mailbox = jmap_id_parse(jmap_id_of(call, json_object_iter_key(only)), 'B');
    return ret->mailbox ? NULL : jmap_invalid("mailboxIds", "there is no such mailbox");
}

bool jmap_is_keyword(const char *word)
{
    g_autofree char *alone = keywords_set("", word, true, NULL);
    return alone != NULL;
}

static json_t *read_keywords(json_t *words, JmapFiling *ret)
{
    const char *word;
    json_t *on;
    ret->keywords = g_strdup("");
    if (words && !json_is_null(words) && !json_is_object(words))
        return jmap_invalid("keywords", "each is true: {\"$seen\": true}");
    json_object_foreach(words, word, on)
    {
        g_autoptr(GError) error = NULL;
        char *more = json_is_true(on) ? keywords_set(ret->keywords, word, true, &error) : NULL;
        if (!more && error && jmap_is_keyword(word))
            return jmap_error("tooManyKeywords", error->message);
        if (!more)
            return jmap_invalid("keywords", error ? error->message : "each is true");
        g_free(ret->keywords);
        ret->keywords = more;
    }
    return NULL;
}

json_t *jmap_filing_read(const JmapCall *call, json_t *object, JmapFiling *ret)
{
    json_t *at = json_object_get(object, "receivedAt");
    json_t *wrong = read_mailbox(call, json_object_get(object, "mailboxIds"), ret);
    if (!wrong)
        wrong = read_keywords(json_object_get(object, "keywords"), ret);
    if (!wrong && at && !json_is_null(at) &&
        (!jmap_date_parse(json_string_value(at), &ret->received_at) || ret->received_at <= 0))
        wrong = jmap_invalid("receivedAt", "write it as 2026-11-25T08:00:00Z, after 1970");
    return wrong;
}

/* ---------------------------------------------------------------- putting it in */

static json_t *exists(int64_t email)
{
    json_t *error = jmap_error("alreadyExists", NULL);
    json_object_set_new(error, "existingId", jmap_id('M', email));
    return error;
}

static json_t *refusal(const Delivered *result, const GError *error)
{
    switch (result->result) {
    case DELIVER_STORED:
        return NULL;
    case DELIVER_DUPLICATE:
        return exists(result->email);
    case DELIVER_OVER_QUOTA:
        return jmap_error("overQuota", NULL);
    case DELIVER_NO_MAILBOX:
        return jmap_invalid("mailboxIds", "there is no such mailbox");
    case DELIVER_NO_ACCOUNT:
        return jmap_error("notFound", "the account is gone");
    case DELIVER_RETRY:
    case DELIVER_UNKNOWN:
        break;
    }
    return error ? jmap_error_of(error) : jmap_error("serverUnavailable", NULL);
}

/* The second try finds the first one by its key; then that is no duplicate of another. */
static void deliver(Db *db, const Delivery *delivery, Delivered *result, GError **error)
{
    g_autoptr(GError) why = NULL;
    deliver_many(db, delivery, 1, result, &why);
    if (result->result == DELIVER_UNKNOWN) {
        g_clear_error(&why);
        deliver_many(db, delivery, 1, result, &why);
        if (result->result == DELIVER_DUPLICATE && result->mailbox)
            result->result = DELIVER_STORED;
    }
    if (why)
        g_propagate_error(error, g_steal_pointer(&why));
}

/* Of one that the second try found the thread is not told with it. */
static int64_t thread_of(const JmapCall *call, const Delivered *stored)
{
    if (stored->thread || !db_begin(call->db, DB_READ, NULL))
        return stored->thread;
    g_auto(DbScope) scope = db_scope(call->db);
    g_autoptr(Email) email = email_get(call->db, call->account, stored->email, NULL);
    return email ? email->thread : stored->email;
}

json_t *jmap_file(JmapCall *call, const char *creation, GBytes *bytes, const JmapFiling *filing,
                  bool unique, json_t **ret_wrong)
{
    uint8_t chance[KEY_BYTES];
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    call->made += size;
    if (call->made > JMAP_MADE_BYTES_MAX) {
        *ret_wrong = jmap_error("rateLimit", "one request makes no more than 200 MB of emails");
        return NULL;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(Letter) letter = letter_new(data, size);
    rand_secret(chance, sizeof chance);
    Digest mark = digest_of(chance, sizeof chance);
    g_autofree char *key = digest_format(&mark);
    Delivery delivery = {
        .letter = letter,
        .account = call->account,
        .mailbox = filing->mailbox,
        .unique = unique,
        .key = key,
        .keywords = filing->keywords,
        .received_at = filing->received_at,
    };
    Delivered result;
    deliver(call->db, &delivery, &result, &error);
    *ret_wrong = refusal(&result, error);
    if (*ret_wrong)
        return NULL;
    json_t *id = jmap_id('M', result.email);
    json_object_set(call->created, creation, id);
    return json_pack("{s:o, s:o, s:o, s:I}", "id", id, "blobId", jmap_id('M', result.email),
                     "threadId", jmap_id('T', thread_of(call, &result)), "size", (json_int_t)size);
}
