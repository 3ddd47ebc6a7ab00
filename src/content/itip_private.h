/* itip_private.h: the parts of itip.c among themselves.
 */
#ifndef ROTA_CONTENT_ITIP_PRIVATE_H
#define ROTA_CONTENT_ITIP_PRIVATE_H

#include "content/itip.h"
#include "content/itip_text.h"

struct ItipObject {
    Icalendar *facts;
    ItipPart *root;
    GPtrArray *parts;   /* of ItipPart, borrowed from root: parts[i] is facts->items[i] */
    GHashTable *places; /* itip_key of each item: its index + 1 */
};

/* While a message is decided on. */
typedef struct {
    const ItipObject *message;
    ItipObject *stored; /* changed in place; NULL: nothing is stored */
    const ItipAsk *ask;
    ItipDecision *decision;
} ItipWork;

/* itip.c. Sets the outcome and its reason; always false. */
bool itip_end(ItipWork *work, ItipOutcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const IcalendarItem *itip_item(const ItipObject *object, guint index);
ItipPart *itip_part(const ItipObject *object, guint index);
/* Of the stored object's or the message's first item; "" where it has none. Borrowed. */
const char *itip_organizer(const ItipObject *object);
const IcalendarAttendee *itip_attendee(const IcalendarItem *item, const char *address);
/* The attendee that is one of ours; NULL. */
const IcalendarAttendee *itip_own_attendee(const IcalendarItem *item, const ItipOwn *own);
/* Mail can be sent there. */
bool itip_is_address(const char *address);
/* The sender is that person, or acts for him (SENT-BY of the line of that name) from his domain. */
bool itip_speaks_for(const ItipWork *work, const char *person, const char *line_name);

/* itip_item.c: instances and times. An instance's key, the caller's: "" for the series. */
char *itip_key(const IcalendarItem *item);
/* And back; false: it is none. */
bool itip_key_parse(const char *key, IcalendarTime *ret);
/* The stored item of that key, its index; false: there is none. */
bool itip_find(const ItipObject *object, const char *key, guint *ret_index);
/* Less, equal, more: by SEQUENCE, then by DTSTAMP. */
int itip_compare(const IcalendarItem *a, const IcalendarItem *b);
/* The same start, length and rules. */
bool itip_same_times(const ItipObject *a, guint index_a, const ItipObject *b, guint index_b);
/* The series has such an instance (in at most `max` expansions). */
bool itip_has_instance(const ItipObject *object, const IcalendarItem *item, unsigned max);
/* An override of the series for the instance that the item names, in the series' own form of
 * times; the caller's. */
ItipPart *itip_override_new(const ItipObject *object, const IcalendarItem *item);
/* "NAME;TZID=…:…" for the instance, in the series' own form; the caller's. */
char *itip_instance_line(const ItipObject *object, const IcalendarItem *item, const char *name);
/* An instance comes back: its EXDATE goes. */
void itip_include(const ItipObject *object, const IcalendarItem *item);
/* The series ends before the instance. */
void itip_end_before(ItipObject *object, const IcalendarItem *item);
/* "20261125T090000Z". */
char *itip_utc_format(int64_t seconds);

/* itip_attend.c: what the methods of an organizer share. The sender is the organizer of what is
 * stored, or else of the message; events have a start: else the outcome is set, and false. */
bool itip_is_from_organizer(ItipWork *work);
bool itip_has_starts(ItipWork *work);
/* Our answer, alarms and TRANSP from what we have. `had` is NULL where we had nothing. */
void itip_carry_over(const ItipWork *work, ItipPart *part, const ItipPart *had,
                     const IcalendarAttendee *had_own, bool same_times);
void itip_add_zones(ItipPart *root, const ItipPart *from);

/* itip_attend.c, itip_add.c, itip_organize.c: the methods. */
void itip_decide_request(ItipWork *work);
void itip_decide_add(ItipWork *work);
void itip_decide_cancel(ItipWork *work);
void itip_decide_decline_counter(ItipWork *work);
void itip_decide_reply(ItipWork *work);
void itip_decide_question(ItipWork *work); /* COUNTER, REFRESH */

/* itip_message.c: one message in the making. */
typedef struct {
    const ItipObject *object;
    ItipMethod method;
    int64_t now;
} ItipDraft;
/* A VCALENDAR with its METHOD and the object's zones. */
ItipPart *itip_draft_root(const ItipDraft *draft);
/* A part as it goes out whole: without alarms and what is a client's own. */
void itip_draft_strip(const ItipDraft *draft, ItipPart *part, int64_t sequence);
/* The item so. */
ItipPart *itip_draft_whole(const ItipDraft *draft, guint index, int64_t sequence);
/* The item as a REPLY or CANCEL has it: what names it, and no attendees. */
ItipPart *itip_draft_bare(const ItipDraft *draft, guint index, int64_t sequence);
/* What names the item alone: UID, RECURRENCE-ID, ORGANIZER, DTSTAMP; SEQUENCE from 0 up. */
ItipPart *itip_draft_name(const ItipDraft *draft, guint index, int64_t sequence);
/* Takes root. */
ItipMessage *itip_draft_end(const ItipDraft *draft, ItipPart *root, const IcalendarItem *first,
                            int64_t sequence);
/* A line of a person as others may see it. */
void itip_draft_add_person(ItipPart *part, const ItipLine *line);
/* What the same change of SEQUENCE would be if the client had made it: more than before where
 * `grows`. `before` may be NULL. */
int64_t itip_draft_sequence(const IcalendarItem *before, int64_t after, bool grows);
/* itip_send.c, itip_answer.c */
void itip_changes_of_organizer(const ItipChange *change, GPtrArray *messages);
void itip_changes_of_attendee(const ItipChange *change, GPtrArray *messages);

#endif
