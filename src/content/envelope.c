/* envelope: addresses and message ids of a mail as JSON.
 *
 * How it fits: model/deliver_batch.c stores the text beside the email, front/jmap_email.c shows it.
 *
 * Failures: none. Known weak point: what is made of a header field today stays in the rows when the
 * parser gets better; a text that is emptied is made anew from the bytes for each reader.
 */
#include "content/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits_jmap.h"

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

/* Message ids from one place on, up to another. */
static json_t *ids_json(const GPtrArray *ids, guint from, guint to)
{
    if (from >= to)
        return json_null();
    json_t *list = json_array();
    for (guint i = from; i < to; i++)
        json_array_append_new(list, json_string(ids->pdata[i]));
    return list;
}

json_t *envelope_json(const Message *message)
{
    const struct {
        const char *name;
        const GArray *addresses;
    } lists[] = {{"from", message->from}, {"sender", message->sender},
                 {"to", message->to},     {"cc", message->cc},
                 {"bcc", message->bcc},   {"replyTo", message->reply_to}};
    const guint own = message->references_own;
    json_t *json = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        json_object_set_new(json, lists[i].name, addresses_json(lists[i].addresses));
    json_object_set_new(json, "references", ids_json(message->references, 0, own));
    json_object_set_new(json, "inReplyTo",
                        ids_json(message->references, own, message->references->len));
    return json;
}

char *envelope_text(const Message *message)
{
    json_t *json = envelope_json(message);
    char *dumped = json_dumps(json, JSON_COMPACT);
    char *text = g_strdup(dumped && strlen(dumped) <= ENVELOPE_BYTES_MAX ? dumped : "");
    free(dumped);
    json_decref(json);
    return text;
}
