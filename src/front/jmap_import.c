/* jmap_import: Email/import of JMAP (RFC 8621 §4.8): a message that was uploaded becomes an email.
 *
 * How it fits: jmap_blob.c has the bytes, jmap_filing.c puts them in. A message of these very bytes
 * that the account has is alreadyExists. An object is a transaction, so that one that is refused
 * costs no other.
 *
 * Failures: single objects are in notCreated with their error. What has not one header field is no
 * message (invalidEmail); any other is taken as it is, broken or not, as LMTP takes it. Known weak
 * point: none.
 */
#include "front/jmap_write.h"

#include "base/error.h"
#include "base/limits_jmap.h"
#include "content/message.h"

static bool is_message(GBytes *bytes, int64_t *ret_received)
{
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_HEADERS);
    *ret_received = message->received_ms;
    return !g_ptr_array_find_with_equal_func(message->defects, MESSAGE_NO_HEADER, g_str_equal,
                                             NULL);
}

static json_t *import_one(JmapCall *call, const char *creation, json_t *object, json_t **ret_wrong)
{
    static const char *const known[] = {"blobId", "mailboxIds", "keywords", "receivedAt", NULL};
    g_auto(JmapFiling) filing = {0};
    g_autoptr(GError) error = NULL;
    const char *blob = json_string_value(json_object_get(object, "blobId")), *key;
    json_t *value;
    int64_t received;
    json_object_foreach(object, key, value)
    {
        if (!g_strv_contains(known, key))
            *ret_wrong = jmap_invalid(key, "an email that is imported has no such property");
        if (*ret_wrong)
            return NULL;
    }
    if (!blob)
        *ret_wrong = jmap_invalid("blobId", "it is missing");
    else
        *ret_wrong = jmap_filing_read(call, object, &filing);
    if (*ret_wrong)
        return NULL;
    g_autoptr(GBytes) bytes = jmap_blob_read(call->db, call->account, blob, &error);
    if (!bytes) {
        *ret_wrong = error_kind(error) == ERROR_GONE
                         ? jmap_invalid("blobId", "there is no such blob")
                         : jmap_error_of(error);
        return NULL;
    }
    if (!is_message(bytes, &received)) {
        *ret_wrong = jmap_error("invalidEmail", "it has no header: it is no message");
        return NULL;
    }
    if (!filing.received_at)
        filing.received_at = received;
    return jmap_file(call, creation, bytes, &filing, true, ret_wrong);
}

static json_t *run_import(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ifInState", "emails", NULL};
    g_autoptr(GError) error = NULL;
    json_t *emails = json_object_get(arguments, "emails"), *object;
    const char *creation;
    int64_t before, after;
    if (!jmap_takes(call, arguments, names, ret_error))
        return NULL;
    if (!json_is_object(emails))
        return jmap_fail(ret_error, "invalidArguments", "emails is missing");
    if (json_object_size(emails) > JMAP_SET_MAX)
        return jmap_fail(ret_error, "requestTooLarge", NULL);
    if (!jmap_is_in_state(call, arguments, &before, ret_error))
        return NULL;
    json_t *created = json_object(), *not_created = json_object();
    json_object_foreach(emails, creation, object)
    {
        json_t *wrong = NULL, *made = import_one(call, creation, object, &wrong);
        json_object_set_new(made ? created : not_created, creation, made ? made : wrong);
    }
    if (!jmap_state_now(call, &after, &error))
        after = before; /* what was done is done; the client asks for changes anyway */
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "accountId", jmap_id('a', call->account),
                     "oldState", jmap_state_json(before), "newState", jmap_state_json(after),
                     "created", created, "notCreated", not_created);
}

const JmapMethod jmap_import_methods[] = {
    {"Email/import", JMAP_MAIL, run_import},
    {NULL, NULL, NULL},
};
