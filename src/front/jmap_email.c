/* jmap_email: Email/get, Email/parse and Thread/get of JMAP (RFC 8621 §3 and §4).
 *
 * How it fits: model/email.h has the row, which is all that a list needs; where header fields or
 * the body are asked for, the bytes are read and parsed, outside any transaction.
 *
 * Failures: the store's. A message whose bytes are damaged is shown without what is in them. Known
 * weak point: single header fields of parts are not given, of the whole mail alone.
 */
#include "front/jmap.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "content/envelope.h"
#include "model/blob.h"
#include "model/email.h"
#include "model/email_query.h"

#include "front/jmap_body.h"
#include "front/jmap_header.h"
#include "front/jmap_write.h"

static const char *const properties[] = {"id",
                                         "blobId",
                                         "threadId",
                                         "mailboxIds",
                                         "keywords",
                                         "size",
                                         "receivedAt",
                                         "messageId",
                                         "inReplyTo",
                                         "references",
                                         "sender",
                                         "from",
                                         "to",
                                         "cc",
                                         "bcc",
                                         "replyTo",
                                         "subject",
                                         "sentAt",
                                         "hasAttachment",
                                         "preview",
                                         "bodyValues",
                                         "bodyStructure",
                                         "textBody",
                                         "htmlBody",
                                         "attachments",
                                         "headers",
                                         "header:*",
                                         NULL};
/* What is not in the row. */
static const char *const of_header[] = {"inReplyTo", "references", "sender", "from",
                                        "to",        "cc",         "bcc",    "replyTo"};
static const char *const of_body[] = {"bodyValues", "bodyStructure", "textBody", "htmlBody",
                                      "attachments"};

typedef struct {
    json_t *wanted;
    JmapBodyAsk body;
    bool header_wanted, body_wanted, fields_wanted;
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

static json_t *row_json(const EmailShown *shown)
{
    const Email *email = shown->email;
    char mailbox[32];
    g_snprintf(mailbox, sizeof mailbox, "B%" G_GINT64_FORMAT, shown->mailbox);
    return json_pack("{s:o, s:o, s:o, s:{s:b}, s:o, s:I, s:o, s:o, s:s, s:o, s:b, s:s}", "id",
                     jmap_id('M', email->id), "blobId", jmap_id('M', email->id), "threadId",
                     jmap_id('T', email->thread), "mailboxIds", mailbox, 1, "keywords",
                     keywords_json(email->keywords), "size", (json_int_t)email->size, "receivedAt",
                     jmap_date(email->received_at), "messageId",
                     *email->message_id ? json_pack("[s]", email->message_id) : json_null(),
                     "subject", email->subject, "sentAt", jmap_date(email->sent_at),
                     "hasAttachment", email->has_attachment, "preview", email->preview);
}

/* False: the row has none, and the bytes are asked. */
static bool add_envelope(json_t *json, const char *envelope)
{
    json_t *fields = *envelope ? json_loads(envelope, 0, NULL) : NULL;
    if (!fields)
        return false;
    json_object_update(json, fields);
    json_decref(fields);
    return true;
}

static void add_body(const void *data, size_t size, const char *blob, const Ask *ask, json_t *json)
{
    g_autoptr(MessagePart) root = message_body_parse(data, size);
    JmapBodyAsk body = ask->body;
    body.blob = blob;
    jmap_body_add(json, root, ask->wanted, &body);
}

/* What is in the bytes. Damaged or gone ones are no failure of the call. */
static bool add_bytes(const JmapCall *call, const Email *email, const Ask *ask, bool header,
                      json_t *json, GError **error)
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
    if (header) {
        g_autoptr(Message) message = message_parse(data, size, MESSAGE_HEADERS);
        json_object_update_new(json, envelope_json(message));
    }
    char blob[32];
    g_snprintf(blob, sizeof blob, "M%" G_GINT64_FORMAT, email->id);
    if (ask->body_wanted)
        add_body(data, size, blob, ask, json);
    if (ask->fields_wanted)
        jmap_header_add(json, data, size, ask->wanted);
    return true;
}

static json_t *email_json(const JmapCall *call, const EmailShown *shown, const Ask *ask,
                          GError **error)
{
    json_t *json = row_json(shown);
    bool header = ask->header_wanted && !add_envelope(json, shown->envelope);
    if ((header || ask->body_wanted || ask->fields_wanted) &&
        !add_bytes(call, shown->email, ask, header, json, error)) {
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
    ret->fields_wanted = jmap_header_wanted(ret->wanted);
    ret->body_wanted = wants_one(ret->wanted, of_body, G_N_ELEMENTS(of_body));
    return true;
}

/* Those that are there, by id, and the state of that moment. */
static GPtrArray *read_rows(const JmapCall *call, json_t *ids, int64_t *ret_state, GError **error)
{
    int64_t wanted[JMAP_GET_MAX];
    json_t *one;
    size_t i;
    if (!db_begin(call->db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(call->db);
    json_array_foreach(ids, i, one) wanted[i] = jmap_id_parse(json_string_value(one), 'M');
    if (!jmap_state(call, ret_state, error))
        return NULL;
    return email_get_many(call->db, call->account, wanted, (unsigned)json_array_size(ids), error);
}

static const EmailShown *find_row(const GPtrArray *rows, int64_t id)
{
    guint from = 0, to = rows->len;
    while (from < to) {
        guint middle = from + (to - from) / 2;
        const EmailShown *shown = rows->pdata[middle];
        if (shown->email->id == id)
            return shown;
        if (shown->email->id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
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
    g_autoptr(GPtrArray) rows = read_rows(call, ids, &state, &error);
    if (!rows)
        return jmap_fail_error(ret_error, error);
    json_t *list = json_array(), *not_found = json_array(), *wrong = NULL;
    size_t i, left = JMAP_ANSWER_BYTES_MAX;
    json_array_foreach(ids, i, one)
    {
        const EmailShown *shown = find_row(rows, jmap_id_parse(json_string_value(one), 'M'));
        json_t *json = shown ? email_json(call, shown, &ask, &error) : NULL;
        if (json)
            json_array_append_new(list, json);
        else if (!shown)
            json_array_append(not_found, one);
        else
            jmap_fail_error(&wrong, error);
        if (json && ask.body_wanted && !jmap_fits(json, &left))
            jmap_fail(&wrong, "requestTooLarge", "these bodies are over 16 MB: ask for fewer");
        if (wrong)
            break;
    }
    if (!wrong)
        return jmap_get_answer(call, state, list, not_found);
    json_decref(list);
    json_decref(not_found);
    *ret_error = wrong;
    return NULL;
}

/* ---- mails that are no emails yet */

/* What a parse gives where nothing is asked for (RFC 8621 §4.9). */
static json_t *parse_properties(void)
{
    return json_pack("[s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s]", "messageId",
                     "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo",
                     "subject", "sentAt", "hasAttachment", "preview", "bodyValues", "textBody",
                     "htmlBody", "attachments");
}

/* NULL: it is no mail. */
static json_t *parsed_json(GBytes *bytes, const char *blob, const Ask *ask)
{
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    if (g_ptr_array_find_with_equal_func(message->defects, MESSAGE_NO_HEADER, g_str_equal, NULL))
        return NULL;
    json_t *json = json_pack(
        "{s:n, s:s, s:n, s:n, s:n, s:I, s:n, s:o, s:s, s:o, s:b, s:s}", "id", "blobId", blob,
        "threadId", "mailboxIds", "keywords", "size", (json_int_t)size, "receivedAt", "messageId",
        *message->message_id ? json_pack("[s]", message->message_id) : json_null(), "subject",
        message->subject, "sentAt", jmap_date(message->date_ms), "hasAttachment",
        message->has_attachment, "preview", message->preview);
    json_object_update_new(json, envelope_json(message));
    if (ask->body_wanted)
        add_body(data, size, blob, ask, json);
    if (ask->fields_wanted)
        jmap_header_add(json, data, size, ask->wanted);
    for (const char *const *name = properties; *name; name++)
        if (!jmap_wants(ask->wanted, *name))
            json_object_del(json, *name);
    return json;
}

/* False with *ret_wrong. */
static bool parse_one(const JmapCall *call, json_t *id, const Ask *ask, json_t *parsed,
                      json_t *lists[2], json_t **ret_wrong)
{
    g_autoptr(GError) error = NULL;
    const char *blob = json_string_value(id);
    g_autoptr(GBytes) bytes = jmap_blob_read(call->db, call->account, blob, &error);
    json_t *json = bytes ? parsed_json(bytes, blob, ask) : NULL;
    if (json)
        json_object_set_new(parsed, blob, json);
    else if (!error || error_kind(error) == ERROR_GONE)
        json_array_append(lists[bytes ? 0 : 1], id);
    else
        jmap_fail_error(ret_wrong, error);
    return !*ret_wrong;
}

static json_t *run_parse(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"blobIds",
                                        "properties",
                                        "bodyProperties",
                                        "fetchTextBodyValues",
                                        "fetchHTMLBodyValues",
                                        "fetchAllBodyValues",
                                        "maxBodyValueBytes",
                                        NULL};
    Ask ask;
    json_t *ids = json_object_get(arguments, "blobIds"), *one, *wanted, *wrong = NULL;
    size_t i, left = JMAP_ANSWER_BYTES_MAX;
    if (!jmap_takes(call, arguments, names, ret_error))
        return NULL;
    if (!json_is_array(ids))
        return jmap_fail(ret_error, "invalidArguments", "blobIds is missing");
    json_object_set(arguments, "ids", ids); /* the rules of a /get hold for them */
    wanted = json_object_get(arguments, "properties");
    if (!wanted || json_is_null(wanted))
        json_object_set_new(arguments, "properties", parse_properties());
    if (!jmap_get_arguments(arguments, properties, ret_error) ||
        !read_ask(arguments, &ask, ret_error))
        return NULL;
    json_t *parsed = json_object(), *lists[2] = {json_array(), json_array()};
    json_array_foreach(json_object_get(arguments, "ids"), i, one)
    {
        if (!parse_one(call, one, &ask, parsed, lists, &wrong))
            break;
        json_t *last = json_object_get(parsed, json_string_value(one));
        if (last && !jmap_fits(last, &left))
            jmap_fail(&wrong, "requestTooLarge", "these bodies are over 16 MB: ask for fewer");
        if (wrong)
            break;
    }
    if (!wrong)
        return json_pack("{s:o, s:o, s:o, s:o}", "accountId", jmap_id('a', call->account), "parsed",
                         parsed, "notParsable", lists[0], "notFound", lists[1]);
    json_decref(parsed);
    json_decref(lists[0]);
    json_decref(lists[1]);
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
    {"Email/parse", JMAP_MAIL, run_parse},
    {"Thread/get", JMAP_MAIL, run_thread_get},
    {NULL, NULL, NULL},
};
