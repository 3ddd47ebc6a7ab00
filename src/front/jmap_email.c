/* jmap_email: Email/get and Thread/get of JMAP (RFC 8621 §3 and §4).
 *
 * How it fits: model/email.h has the row, which is all that a list needs; where header fields or
 * the body are asked for, the bytes are read and parsed, outside any transaction.
 *
 * Failures: the store's. A message whose bytes are damaged is shown without what is in them. Known
 * weak point: the forms header:* of single fields are not there; they are refused as unknown.
 */
#include "front/jmap.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "content/message.h"
#include "model/blob.h"
#include "model/email.h"
#include "model/email_query.h"

#include "front/jmap_body.h"

static const char *const properties[] = {
    "id",         "blobId",     "threadId",      "mailboxIds", "keywords", "size",
    "receivedAt", "messageId",  "inReplyTo",     "references", "from",     "to",
    "cc",         "bcc",        "replyTo",       "subject",    "sentAt",   "hasAttachment",
    "preview",    "bodyValues", "bodyStructure", "textBody",   "htmlBody", "attachments",
    NULL};
/* What is not in the row. */
static const char *const of_header[] = {"inReplyTo", "references", "from",   "to",
                                        "cc",        "bcc",        "replyTo"};
static const char *const of_body[] = {"bodyValues", "bodyStructure", "textBody", "htmlBody",
                                      "attachments"};

typedef struct {
    json_t *wanted;
    JmapBodyAsk body;
    bool header_wanted, body_wanted;
} Ask;

static json_t *keywords_json(const char *keywords)
{
    json_t *json = json_object();
    g_auto(GStrv) words = g_strsplit(keywords, " ", -1);
    for (char **word = words; *word; word++)
        if (**word)
            json_object_set_new(json, *word, json_true());
    return json;
}

static json_t *mailboxes_json(Db *db, const Email *email, GError **error)
{
    g_autoptr(GArray) ids = email_mailboxes(db, email->account, email->id, error);
    if (!ids)
        return NULL;
    json_t *json = json_object();
    for (guint i = 0; i < ids->len; i++) {
        char text[32];
        g_snprintf(text, sizeof text, "B%" G_GINT64_FORMAT, g_array_index(ids, int64_t, i));
        json_object_set_new(json, text, json_true());
    }
    return json;
}

static json_t *addresses_json(const GArray *addresses)
{
    if (addresses->len == 0)
        return json_null();
    json_t *list = json_array();
    for (guint i = 0; i < addresses->len; i++) {
        const MessageAddress *one = &g_array_index(addresses, MessageAddress, i);
        json_array_append_new(list, json_pack("{s:o, s:s}", "name",
                                              *one->name ? json_string(one->name) : json_null(),
                                              "email", one->address));
    }
    return list;
}

static json_t *row_json(const Email *email, json_t *mailboxes)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:s, s:o, s:b, s:s}", "id",
                     jmap_id('M', email->id), "blobId", jmap_id('M', email->id), "threadId",
                     jmap_id('T', email->thread), "mailboxIds", mailboxes, "keywords",
                     keywords_json(email->keywords), "size", (json_int_t)email->size, "receivedAt",
                     jmap_date(email->received_at), "messageId",
                     *email->message_id ? json_pack("[s]", email->message_id) : json_null(),
                     "subject", email->subject, "sentAt", jmap_date(email->sent_at),
                     "hasAttachment", email->has_attachment, "preview", email->preview);
}

/* Message ids from one place on, up to another. */
static json_t *ids_json(const GPtrArray *ids, guint from, guint to)
{
    json_t *list = json_array();
    for (guint i = from; i < to; i++)
        json_array_append_new(list, json_string(ids->pdata[i]));
    if (json_array_size(list) > 0)
        return list;
    json_decref(list);
    return json_null();
}

static void add_header(json_t *json, const Message *message)
{
    const struct {
        const char *name;
        const GArray *addresses;
    } lists[] = {{"from", message->from},
                 {"to", message->to},
                 {"cc", message->cc},
                 {"bcc", message->bcc},
                 {"replyTo", message->reply_to}};
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        json_object_set_new(json, lists[i].name, addresses_json(lists[i].addresses));
    const guint own = message->references_own;
    json_object_set_new(json, "references", ids_json(message->references, 0, own));
    json_object_set_new(json, "inReplyTo",
                        ids_json(message->references, own, message->references->len));
}

/* What is in the bytes. Damaged or gone ones are no failure of the call. */
static bool add_bytes(const JmapCall *call, const Email *email, const Ask *ask, json_t *json,
                      GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) bytes = NULL;
    if (!db_begin(call->db, DB_READ, error))
        return false;
    bytes = blob_get(call->db, &email->blob, &why);
    db_rollback(call->db);
    if (!bytes && error_kind(why) != ERROR_GONE && error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    gsize size = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &size) : "";
    if (ask->header_wanted) {
        g_autoptr(Message) message = message_parse(data, size, MESSAGE_HEADERS);
        add_header(json, message);
    }
    if (ask->body_wanted) {
        g_autoptr(MessagePart) root = message_body_parse(data, size);
        JmapBodyAsk body = ask->body;
        body.email = email->id;
        jmap_body_add(json, root, ask->wanted, &body);
    }
    return true;
}

static json_t *email_json(const JmapCall *call, int64_t id, const Ask *ask, GError **error)
{
    json_t *json = NULL;
    g_autoptr(Email) email = NULL;
    if (!db_begin(call->db, DB_READ, error))
        return NULL;
    email = email_get(call->db, call->account, id, error);
    json_t *mailboxes = email ? mailboxes_json(call->db, email, error) : NULL;
    db_rollback(call->db);
    if (!mailboxes)
        return NULL;
    json = row_json(email, mailboxes);
    if ((ask->header_wanted || ask->body_wanted) && !add_bytes(call, email, ask, json, error)) {
        json_decref(json);
        return NULL;
    }
    for (const char *const *name = properties; *name; name++)
        if (strcmp(*name, "id") != 0 && !jmap_wants(ask->wanted, *name))
            json_object_del(json, *name);
    return json;
}

static bool wants_one(json_t *wanted, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (jmap_wants(wanted, names[i]))
            return true;
    return false;
}

static bool read_ask(json_t *arguments, Ask *ret, json_t **ret_error)
{
    json_t *most = json_object_get(arguments, "maxBodyValueBytes");
    json_t *of_part = json_object_get(arguments, "bodyProperties");
    json_int_t bytes = json_integer_value(most);
    if ((most && !json_is_null(most) && (!json_is_integer(most) || bytes < 0)) ||
        (of_part && !json_is_null(of_part) && !jmap_body_properties_known(of_part))) {
        jmap_fail(ret_error, "invalidArguments", "maxBodyValueBytes or bodyProperties is wrong");
        return false;
    }
    *ret = (Ask){.wanted = json_object_get(arguments, "properties"),
                 .body = {
                     .body_properties = of_part,
                     .text_values = json_is_true(json_object_get(arguments, "fetchTextBodyValues")),
                     .html_values = json_is_true(json_object_get(arguments, "fetchHTMLBodyValues")),
                     .all_values = json_is_true(json_object_get(arguments, "fetchAllBodyValues")),
                     .value_bytes_max = (size_t)bytes,
                 }};
    ret->header_wanted = wants_one(ret->wanted, of_header, G_N_ELEMENTS(of_header));
    ret->body_wanted = wants_one(ret->wanted, of_body, G_N_ELEMENTS(of_body));
    return true;
}

static json_t *run_get(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ids",
                                        "properties",
                                        "bodyProperties",
                                        "fetchTextBodyValues",
                                        "fetchHTMLBodyValues",
                                        "fetchAllBodyValues",
                                        "maxBodyValueBytes",
                                        NULL};
    g_autoptr(GError) error = NULL;
    Ask ask;
    int64_t state;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_get_arguments(arguments, properties, ret_error) ||
        !read_ask(arguments, &ask, ret_error))
        return NULL;
    json_t *ids = json_object_get(arguments, "ids"), *one;
    if (!json_is_array(ids))
        return jmap_fail(ret_error, "requestTooLarge", "name the ids; Email/query finds them");
    /* Before the objects are read: what changes meanwhile is in the next changes. */
    if (!jmap_state_now(call, &state, &error))
        return jmap_fail_error(ret_error, error);
    json_t *list = json_array(), *not_found = json_array(), *wrong = NULL;
    size_t i, left = JMAP_ANSWER_BYTES_MAX;
    json_array_foreach(ids, i, one)
    {
        int64_t id = jmap_id_parse(json_string_value(one), 'M');
        json_t *json = id ? email_json(call, id, &ask, &error) : NULL;
        if (json)
            json_array_append_new(list, json);
        else if (!error || error_kind(error) == ERROR_GONE)
            json_array_append(not_found, one);
        else
            jmap_fail_error(&wrong, error);
        if (json && ask.body_wanted && !jmap_fits(json, &left))
            jmap_fail(&wrong, "requestTooLarge", "these bodies are over 16 MB: ask for fewer");
        if (wrong)
            break;
        g_clear_error(&error);
    }
    if (!wrong)
        return jmap_get_answer(call, state, list, not_found);
    json_decref(list);
    json_decref(not_found);
    *ret_error = wrong;
    return NULL;
}

/* ---- threads */

static json_t *thread_json(const JmapCall *call, int64_t id, GError **error)
{
    if (!db_begin(call->db, DB_READ, error))
        return NULL;
    g_autoptr(GArray) emails = email_thread(call->db, call->account, id, error);
    db_rollback(call->db);
    if (!emails || emails->len == 0)
        return NULL;
    json_t *list = json_array();
    for (guint i = 0; i < emails->len; i++)
        json_array_append_new(list, jmap_id('M', g_array_index(emails, int64_t, i)));
    return json_pack("{s:o, s:o}", "id", jmap_id('T', id), "emailIds", list);
}

static json_t *run_thread_get(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ids", "properties", NULL};
    static const char *const known[] = {"id", "emailIds", NULL};
    g_autoptr(GError) error = NULL;
    int64_t state;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_get_arguments(arguments, known, ret_error))
        return NULL;
    json_t *ids = json_object_get(arguments, "ids"), *one;
    json_t *wanted = json_object_get(arguments, "properties");
    if (!json_is_array(ids))
        return jmap_fail(ret_error, "requestTooLarge", "name the ids");
    if (!jmap_state_now(call, &state, &error))
        return jmap_fail_error(ret_error, error);
    json_t *list = json_array(), *not_found = json_array();
    size_t i;
    json_array_foreach(ids, i, one)
    {
        int64_t id = jmap_id_parse(json_string_value(one), 'T');
        json_t *json = id ? thread_json(call, id, &error) : NULL;
        if (error) {
            json_decref(list);
            json_decref(not_found);
            return jmap_fail_error(ret_error, error);
        }
        if (!jmap_wants(wanted, "emailIds"))
            json_object_del(json, "emailIds");
        if (json)
            json_array_append_new(list, json);
        else
            json_array_append(not_found, one);
    }
    return jmap_get_answer(call, state, list, not_found);
}

const JmapMethod jmap_email_methods[] = {
    {"Email/get", JMAP_MAIL, run_get},
    {"Thread/get", JMAP_MAIL, run_thread_get},
    {NULL, NULL, NULL},
};
