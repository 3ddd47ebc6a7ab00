/* jmap_mailbox: Mailbox/get of JMAP (RFC 8621 §2).
 *
 * How it fits: model/mailbox.h lists them all; an account has dozens, so each call reads the list.
 * An email is in one mailbox alone (maxMailboxesPerEmail is 1).
 *
 * Failures: the store's. Known weak point: threads are not counted by mailbox: totalThreads and
 * unreadThreads are the counts of emails, which are too high where a mailbox has two of one thread
 * (RFC 8621 §2 asks for the threads).
 */
#include "front/jmap.h"

#include <string.h>

#include "base/limits_jmap.h"

#include "front/jmap_mailbox.h"

static const char *const properties[] = {
    "id",           "name",         "parentId",      "role",     "sortOrder",    "totalEmails",
    "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed", NULL};

/* As clients like to show them. */
int64_t jmap_mailbox_order(const Mailbox *box)
{
    static const char *const order[] = {"inbox", "drafts", "sent", "archive", "junk", "trash"};
    if (box->sort_order != MAILBOX_ORDER_OF_ROLE)
        return box->sort_order;
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
        if (strcmp(order[i], box->role) == 0)
            return i + 1;
    return 10;
}

/* Deliveries file into Inbox and Junk: these stay. */
static json_t *rights(const char *role)
{
    bool stays = strcmp(role, "inbox") == 0 || strcmp(role, "junk") == 0;
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "mayReadItems", 1,
                     "mayAddItems", 1, "mayRemoveItems", 1, "maySetSeen", 1, "maySetKeywords", 1,
                     "mayCreateChild", 1, "mayRename", 1, "mayDelete", !stays, "maySubmit", 0);
}

json_t *jmap_mailbox_json(const Mailbox *box, json_t *wanted)
{
    json_t *all = json_pack(
        "{s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:b}", "id", jmap_id('B', box->id),
        "name", box->name, "parentId", box->parent ? jmap_id('B', box->parent) : json_null(),
        "role", *box->role ? json_string(box->role) : json_null(), "sortOrder",
        (json_int_t)jmap_mailbox_order(box), "totalEmails", (json_int_t)box->total, "unreadEmails",
        (json_int_t)box->unread, "totalThreads", (json_int_t)box->total, "unreadThreads",
        (json_int_t)box->unread, "myRights", rights(box->role), "isSubscribed", box->subscribed);
    for (const char *const *name = properties; *name; name++)
        if (strcmp(*name, "id") != 0 && !jmap_wants(wanted, *name))
            json_object_del(all, *name);
    return all;
}

/* All, and the state, of one moment. */
static GPtrArray *read_all(const JmapCall *call, int64_t *ret_state, GError **error)
{
    if (!db_begin(call->db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(call->db);
    if (!jmap_state(call, ret_state, error))
        return NULL;
    return mailbox_list(call->db, call->account, error);
}

const Mailbox *jmap_mailbox_find(const GPtrArray *all, int64_t id)
{
    for (guint i = 0; i < all->len; i++)
        if (((const Mailbox *)all->pdata[i])->id == id)
            return all->pdata[i];
    return NULL;
}

static json_t *run_get(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ids", "properties", NULL};
    g_autoptr(GError) error = NULL;
    int64_t state;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_get_arguments(arguments, properties, ret_error))
        return NULL;
    g_autoptr(GPtrArray) all = read_all(call, &state, &error);
    if (!all)
        return jmap_fail_error(ret_error, error);
    json_t *ids = json_object_get(arguments, "ids"), *one;
    json_t *wanted = json_object_get(arguments, "properties");
    json_t *list = json_array(), *not_found = json_array();
    size_t k;
    for (guint i = 0; !json_is_array(ids) && i < all->len; i++)
        json_array_append_new(list, jmap_mailbox_json(all->pdata[i], wanted));
    json_array_foreach(ids, k, one)
    {
        const Mailbox *box = jmap_mailbox_find(all, jmap_id_parse(json_string_value(one), 'B'));
        if (box)
            json_array_append_new(list, jmap_mailbox_json(box, wanted));
        else
            json_array_append(not_found, one);
    }
    return jmap_get_answer(call, state, list, not_found);
}

const JmapMethod jmap_mailbox_methods[] = {
    {"Mailbox/get", JMAP_MAIL, run_get},
    {NULL, NULL, NULL},
};
