/* imip_json: the log of invitations as JSON.
 *
 * How it fits: front/api_imip.c and app/cmd_imip.c show it. Failures: none.
 */
#include "front/imip_json.h"

#include "model/invitation.h"

static json_t *entry_json(const ImipEntry *entry)
{
    json_t *value = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "way", entry->in ? "in" : "out", "at",
        (json_int_t)entry->at, "method", entry->method, "outcome", entry->outcome, "uid",
        entry->uid, "recurrence", entry->recurrence, "sequence", (json_int_t)entry->sequence,
        entry->in ? "sender" : "recipient", entry->who, "why", entry->why);
    if (entry->in)
        json_object_set_new(value, "email", json_integer(entry->email));
    else
        json_object_update_new(value,
                               json_pack("{s:I, s:I, s:I}", "letter", (json_int_t)entry->letter,
                                         "attempts", (json_int_t)entry->attempts, "uncertain",
                                         (json_int_t)entry->uncertain));
    return value;
}

json_t *imip_json_log(const GPtrArray *entries, const char *next)
{
    json_t *all = json_array();
    for (guint i = 0; i < entries->len; i++)
        json_array_append_new(all, entry_json(entries->pdata[i]));
    return json_pack("{s:o, s:s?}", "invitations", all, "next", next);
}
