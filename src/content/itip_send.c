/* itip_send: what an organizer's change means for the attendees (RFC 5546 sections 3.2.2, 3.2.5;
 * RFC 6638 section 3.2.1).
 *
 * How it fits: itip_message.c calls this with the object before and after. Each attendee gets
 * exactly the items he is in: a REQUEST of those that changed (all of his, where the series did),
 * one CANCEL of those that he is no longer in or that are cancelled. Who gets the same is one
 * message. What is no change for others is not sent: alarms, marks of clients, answers.
 *
 * A client that moves an event and leaves SEQUENCE as it was is helped: what goes out has one more.
 * Failures: none. Known weak point: a client that says nothing else about it cannot ask that a
 * REQUEST be sent again (SCHEDULE-FORCE-SEND is not read).
 */
#include <string.h>

#include "content/itip_private.h"

/* Letters of a plan: what an attendee gets. A number of an item follows each, and a comma. */
#define PLAN_REQUEST   'R' /* of `after` */
#define PLAN_CANCELLED 'C' /* of `after`, with STATUS:CANCELLED */
#define PLAN_LEFT_OUT  'L' /* of `after`: a new override without him */
#define PLAN_REMOVED   'X' /* of `before` */

typedef struct {
    const ItipChange *change;
    GHashTable *plans; /* address: GString */
} Planning;

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* An item's lines, but for what changes without meaning anything for others. */
static char *text_of(const ItipObject *object, guint index)
{
    static const char *const passing[] = {"DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE"};
    static const char *const kept[] = {"ROLE", "CUTYPE", "MEMBER"};
    const ItipPart *part = itip_part(object, index);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < part->lines->len; i++) {
        const ItipLine *line = part->lines->pdata[i];
        bool skip = g_str_has_prefix(line->name, "X-");
        for (unsigned k = 0; k < G_N_ELEMENTS(passing); k++)
            skip |= strcmp(line->name, passing[k]) == 0;
        if (skip)
            continue;
        if (strcmp(line->name, "ATTENDEE") != 0 && strcmp(line->name, "ORGANIZER") != 0) {
            g_ptr_array_add(lines, g_strdup(line->content));
            continue;
        }
        g_autofree char *address = icalendar_address(itip_line_value(line));
        GString *person = g_string_new(line->name);
        for (unsigned k = 0; k < G_N_ELEMENTS(kept); k++) {
            g_autofree char *value = itip_line_parameter(line, kept[k]);
            g_string_append_printf(person, ";%s", value ? value : "");
        }
        g_string_append_printf(person, ":%s", address);
        g_ptr_array_add(lines, g_string_free(person, FALSE));
    }
    g_ptr_array_sort(lines, by_text);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static bool is_changed(const ItipChange *change, guint index)
{
    g_autofree char *key = itip_key(itip_item(change->after, index));
    guint at;
    if (!change->before || !itip_find(change->before, key, &at))
        return true;
    g_autofree char *was = text_of(change->before, at);
    g_autofree char *is = text_of(change->after, index);
    return strcmp(was, is) != 0;
}

static bool is_served(const ItipChange *change, const IcalendarAttendee *attendee)
{
    return !itip_is_own(&change->own, attendee->address) && itip_is_address(attendee->address) &&
           (!*attendee->agent || strcmp(attendee->agent, "SERVER") == 0);
}

static void plan(Planning *planning, const char *address, char what, guint index)
{
    GString *plan = g_hash_table_lookup(planning->plans, address);
    if (!plan) {
        plan = g_string_new(NULL);
        g_hash_table_insert(planning->plans, g_strdup(address), plan);
    }
    g_string_append_printf(plan, "%c%u,", what, index);
}

static void plan_of_plan(gpointer data)
{
    g_string_free(data, TRUE);
}

static GHashTable *addresses_of(const IcalendarItem *item)
{
    GHashTable *set = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < item->attendees->len; i++)
        g_hash_table_add(set, ((IcalendarAttendee *)item->attendees->pdata[i])->address);
    return set;
}

/* All of `item`'s attendees that are not in `left`. */
static void plan_all(Planning *planning, const IcalendarItem *item, GHashTable *left, char what,
                     guint index)
{
    GHashTable *done = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < item->attendees->len; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        if (is_served(planning->change, attendee) &&
            !(left && g_hash_table_contains(left, attendee->address)) &&
            g_hash_table_add(done, attendee->address))
            plan(planning, attendee->address, what, index);
    }
    g_hash_table_unref(done);
}

/* The item before that one after stands for: its own, or the series. NULL: it is new. */
static const IcalendarItem *item_before(const ItipChange *change, const IcalendarItem *item,
                                        bool *ret_own)
{
    g_autofree char *key = itip_key(item);
    guint at = 0;
    *ret_own = change->before && itip_find(change->before, key, &at);
    if (!*ret_own && (!change->before || !change->before->facts->has_master))
        return NULL;
    return itip_item(change->before, *ret_own ? at : 0);
}

static void plan_after(Planning *planning)
{
    const ItipChange *change = planning->change;
    bool all = change->after->facts->has_master && is_changed(change, 0);
    for (guint i = 0; i < change->after->parts->len; i++) {
        const IcalendarItem *item = itip_item(change->after, i);
        bool own;
        const IcalendarItem *before = item_before(change, item, &own);
        if (!all && !is_changed(change, i))
            continue;
        if (!item->is_cancelled)
            plan_all(planning, item, NULL, PLAN_REQUEST, i);
        else if (before && !before->is_cancelled)
            plan_all(planning, before, NULL, PLAN_CANCELLED, i);
        if (before && !own && !item->is_cancelled) {
            GHashTable *in = addresses_of(item);
            plan_all(planning, before, in, PLAN_LEFT_OUT, i);
            g_hash_table_unref(in);
        }
    }
}

static void plan_before(Planning *planning)
{
    const ItipChange *change = planning->change;
    for (guint i = 0; i < change->before->parts->len; i++) {
        const IcalendarItem *item = itip_item(change->before, i);
        g_autofree char *key = itip_key(item);
        guint at = 0;
        bool there = change->after && itip_find(change->after, key, &at);
        if (item->is_cancelled || (there && itip_item(change->after, at)->is_cancelled))
            continue;
        if (!there && change->after && change->after->facts->has_master)
            at = 0; /* the override is gone: the series holds again */
        else if (!there)
            at = G_MAXUINT;
        GHashTable *in = at == G_MAXUINT ? NULL : addresses_of(itip_item(change->after, at));
        plan_all(planning, item, in, PLAN_REMOVED, i);
        if (in)
            g_hash_table_unref(in);
    }
}

/* ---- from plans to messages */

static void add_people(ItipPart *part, const ItipPart *from, const GPtrArray *recipients)
{
    for (guint i = 0; i < recipients->len; i++) {
        const ItipLine *line = itip_person_find(from, "ATTENDEE", recipients->pdata[i]);
        if (line)
            itip_draft_add_person(part, line);
    }
}

/* A client's SEQUENCE, and one more where it should have grown. */
static int64_t sequence_of(const ItipChange *change, guint index, bool grows)
{
    const IcalendarItem *item = itip_item(change->after, index);
    bool own;
    const IcalendarItem *before = item_before(change, item, &own);
    g_autofree char *key = itip_key(item);
    guint at;
    if (own && !grows && itip_find(change->before, key, &at))
        grows = !itip_same_times(change->before, at, change->after, index);
    return itip_draft_sequence(before, item->sequence, grows);
}

typedef struct {
    const ItipChange *change;
    const char *plan;
    const GPtrArray *recipients;
    GPtrArray *messages;
} Group;

static void end_message(const Group *group, const ItipDraft *draft, ItipPart *root,
                        const IcalendarItem *first, int64_t sequence)
{
    ItipMessage *message = itip_draft_end(draft, root, first, sequence);
    for (guint i = 0; i < group->recipients->len; i++)
        g_ptr_array_add(message->recipients, g_strdup(group->recipients->pdata[i]));
    g_ptr_array_add(group->messages, message);
}

static void send_requests(const Group *group)
{
    ItipDraft draft = {group->change->after, ITIP_REQUEST, group->change->now};
    ItipPart *root = NULL;
    const IcalendarItem *first = NULL;
    int64_t first_sequence = 0;
    for (const char *at = group->plan; *at; at = strchr(at, ',') + 1) {
        if (*at != PLAN_REQUEST)
            continue;
        guint index = (guint)g_ascii_strtoull(at + 1, NULL, 10);
        int64_t sequence = sequence_of(group->change, index, false);
        if (!root) {
            root = itip_draft_root(&draft);
            first = itip_item(draft.object, index);
            first_sequence = sequence;
        }
        g_ptr_array_add(root->parts, itip_draft_whole(&draft, index, sequence));
    }
    if (root)
        end_message(group, &draft, root, first, first_sequence);
}

/* CANCELs of items of one of the two objects; where the series goes, its overrides need no word. */
static void send_cancels(const Group *group, const ItipObject *object, const char *letters)
{
    ItipDraft draft = {object, ITIP_CANCEL, group->change->now};
    ItipPart *root = NULL;
    const IcalendarItem *first = NULL;
    int64_t first_sequence = 0;
    for (const char *at = group->plan; *at; at = strchr(at, ',') + 1) {
        if (!strchr(letters, *at) || (first && !first->recurrence.set))
            continue;
        guint index = (guint)g_ascii_strtoull(at + 1, NULL, 10);
        const IcalendarItem *item = itip_item(object, index);
        int64_t sequence = object == group->change->after ? sequence_of(group->change, index, true)
                                                          : item->sequence + 1;
        guint place;
        if (object == group->change->before && group->change->after &&
            itip_find(group->change->after, "", &place))
            sequence = MAX(sequence, itip_item(group->change->after, place)->sequence);
        if (!root) {
            root = itip_draft_root(&draft);
            first = item;
            first_sequence = sequence;
        }
        ItipPart *part = itip_draft_bare(&draft, index, sequence);
        if (*at == PLAN_CANCELLED || !group->change->after)
            itip_line_add(part, "STATUS:CANCELLED");
        add_people(part, itip_part(object, *at == PLAN_LEFT_OUT ? 0 : index), group->recipients);
        g_ptr_array_add(root->parts, part);
    }
    if (root)
        end_message(group, &draft, root, first, first_sequence);
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Addresses by their plan, in an order that does not depend on hashing. */
static void send_groups(Planning *planning, GPtrArray *messages)
{
    g_autoptr(GHashTable) groups =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GPtrArray) addresses = g_ptr_array_new(), order = g_ptr_array_new();
    GHashTableIter iter;
    gpointer address;
    g_hash_table_iter_init(&iter, planning->plans);
    while (g_hash_table_iter_next(&iter, &address, NULL))
        g_ptr_array_add(addresses, address);
    g_ptr_array_sort(addresses, by_address);
    for (guint i = 0; i < addresses->len; i++) {
        GString *plan = g_hash_table_lookup(planning->plans, addresses->pdata[i]);
        GPtrArray *group = g_hash_table_lookup(groups, plan->str);
        if (!group) {
            group = g_ptr_array_new();
            g_hash_table_insert(groups, plan->str, group);
            g_ptr_array_add(order, plan->str);
        }
        g_ptr_array_add(group, addresses->pdata[i]);
    }
    for (guint i = 0; i < order->len; i++) {
        Group group = {planning->change, order->pdata[i],
                       g_hash_table_lookup(groups, order->pdata[i]), messages};
        send_requests(&group);
        if (planning->change->after)
            send_cancels(&group, planning->change->after, "CL");
        if (planning->change->before)
            send_cancels(&group, planning->change->before, "X");
    }
}

void itip_changes_of_organizer(const ItipChange *change, GPtrArray *messages)
{
    g_autoptr(GHashTable) plans =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, plan_of_plan);
    Planning planning = {.change = change, .plans = plans};
    if (change->after)
        plan_after(&planning);
    if (change->before && itip_is_own(&change->own, itip_organizer(change->before)))
        plan_before(&planning);
    send_groups(&planning, messages);
}
