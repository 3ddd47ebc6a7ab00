/* itip.h: what an invitation that came means for the calendar, and what is to be sent when a
 * calendar changed (RFC 5546). Pure: bytes and facts in, a decision out; it neither loads, stores
 * nor sends. Any thread.
 *
 * In. An object in the calendar changes only where the sender of the mail may change it: the
 * organizer of what the calendar holds (of the message, where it holds nothing) for REQUEST, ADD,
 * CANCEL, PUBLISH and DECLINECOUNTER, an attendee of it for his own REPLY, COUNTER and REFRESH, an
 * attendee who delegates to us for that REQUEST. Who acts for another (SENT-BY) does so from the
 * other's domain. Newer is a higher SEQUENCE, or with the same a later DTSTAMP; older is passed
 * over, for each instance by itself. What is ours stays ours: alarms, TRANSP, and our answer where
 * the times did not change. Alarms of others are never taken in: theirs could make us send mail.
 *
 * Out. By the organizer: REQUEST to all that are in what changed, CANCEL to who is no longer in it.
 * By an attendee: REPLY, and a REQUEST to whom it was delegated, a COUNTER for other times. What
 * has SCHEDULE-AGENT other than SERVER is left to the client (RFC 6638 section 7.1).
 */
#ifndef ROTA_CONTENT_ITIP_H
#define ROTA_CONTENT_ITIP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/icalendar.h"

typedef enum {
    ITIP_NONE, /* no method, or one that nobody knows */
    ITIP_PUBLISH,
    ITIP_REQUEST,
    ITIP_REPLY,
    ITIP_ADD,
    ITIP_CANCEL,
    ITIP_REFRESH,
    ITIP_COUNTER,
    ITIP_DECLINECOUNTER,
} ItipMethod;
/* "REQUEST", "" for ITIP_NONE; static. And back, in any case of letters. */
const char *itip_method_name(ItipMethod method);
ItipMethod itip_method_of_name(const char *name);

typedef enum {
    ITIP_ADDED,     /* `object` is new in the calendar */
    ITIP_UPDATED,   /* `object` is what the calendar holds from now on, as in the next two */
    ITIP_CANCELLED, /* all of it, or instances */
    ITIP_ANSWERED,  /* an attendee's answer is in it */
    ITIP_NOTED,     /* nothing changes: a person decides (COUNTER), or nothing is to be changed */
    ITIP_RESENT,    /* nothing changes: `person` asks for what we have, and may get it: REQUEST */
    ITIP_ASKED,     /* nothing changes: the organizer, `person`, is to be asked for all: REFRESH */
    ITIP_DECLINED,  /* nothing changes: a proposal that can only be declined: DECLINECOUNTER */
    ITIP_IGNORED,   /* older than what is there, there already, or none of ours */
    ITIP_REFUSED,   /* from somebody who may not, not to be read, or over a limit */
} ItipOutcome;
/* "added", …; static. */
const char *itip_outcome_name(ItipOutcome outcome);

/* Addresses that are one person's: as icalendar_address has them, each with any +DETAIL too. */
typedef struct {
    const char *const *addresses;
    unsigned count;
} ItipOwn;
bool itip_is_own(const ItipOwn *own, const char *address);

typedef struct ItipObject ItipObject;
/* A message or a stored object; ERROR_REJECT as icalendar_parse. `limits` may be NULL. */
ItipObject *itip_object_parse(const void *bytes, size_t size, const IcalendarLimits *limits,
                              GError **error);
void itip_object_free(ItipObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ItipObject, itip_object_free)
const Icalendar *itip_object_facts(const ItipObject *object);
/* Which instance the first item is about, as UTC or a date in RFC 5545's form; "": the series. The
 * caller frees it. */
char *itip_object_recurrence(const ItipObject *object);

/* What was last taken in from this sender about this UID and instance; stamp 0: nothing. */
typedef struct {
    int64_t sequence, stamp;
} ItipSeen;

typedef struct {
    ItipOwn own;
    const char *sender;      /* of the mail's From, as icalendar_address has it */
    const char *method;      /* of the part's Content-Type; "": not said */
    bool auto_add;           /* calendar.scheduling.inbound.auto-add */
    unsigned expansions_max; /* calendar.max-recurrence-expansions; 0: the default */
    ItipSeen seen;
} ItipAsk;

typedef struct {
    ItipOutcome outcome;
    ItipMethod method;
    int64_t sequence, stamp; /* of the message's first item */
    char *why;               /* for people, in one line; "" where the outcome says all */
    char *person;            /* to whom a message is due (RESENT, ASKED, DECLINED); NULL else */
    GBytes *object;          /* NULL: the calendar stays as it is */
} ItipDecision;
void itip_decision_free(ItipDecision *decision);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ItipDecision, itip_decision_free)

/* `stored` is what the calendar holds for the message's UID, NULL: nothing; it is used up (but
 * still the caller's to free). Never NULL. */
ItipDecision *itip_decide(const ItipObject *message, ItipObject *stored, const ItipAsk *ask);

/* Of a message that was ITIP_ADDED: what its decision's object says, so that it need not be read
 * once more. The message is used up (but still the caller's to free). The caller's. */
Icalendar *itip_object_take_added(ItipObject *message, const ItipOwn *own);

/* One message to be sent. */
typedef struct {
    ItipMethod method;
    int64_t sequence;
    char *recurrence;      /* as itip_object_recurrence */
    char *from;            /* the address of ours that it is from */
    GPtrArray *recipients; /* of char *, addresses; never empty */
    GBytes *calendar;      /* one VCALENDAR with its METHOD */
    char *answer;          /* REPLY: our PARTSTAT; "" else */
    char *summary;         /* of the first item */
} ItipMessage;
void itip_message_free(ItipMessage *message);

/* `before` or `after` is NULL where it was made or goes away. `now` is UTC seconds, for DTSTAMP.
 * GPtrArray of ItipMessage, often empty. */
typedef struct {
    const ItipObject *before, *after;
    ItipOwn own;
    int64_t now;
} ItipChange;
GPtrArray *itip_changes(const ItipChange *change);
/* The stored object with a SCHEDULE-STATUS (RFC 6638 section 3.2.9) at that person's lines; NULL:
 * he is not in it. The object is used up. */
GBytes *itip_note_status(ItipObject *stored, const char *address, const char *status);
/* A new version by the organizer with the answers that the stored one has, where the times are the
 * same (RFC 6638 section 3.2.10); NULL: it has them, or is no meeting of ours. `next` is used up.
 */
GBytes *itip_keep_answers(const ItipObject *stored, ItipObject *next, const ItipOwn *own);

/* A message that no change of a calendar means: a person wishes it, or a message that came does. */
typedef struct {
    const ItipObject *object;
    ItipMethod method;             /* PUBLISH, REQUEST, ADD, REFRESH, DECLINECOUNTER */
    const char *recurrence;        /* as itip_object_recurrence; "": all of it */
    const char *const *recipients; /* ended by NULL; none: those whom the method is for */
    const char *comment;           /* DECLINECOUNTER; NULL: none; as a value of a property */
    ItipOwn own;
    int64_t now;
} ItipWish;
/* PUBLISH: to anybody, without attendees. REQUEST: to one attendee, all that he is in. ADD: an
 * instance that an RDATE or an override has, to its attendees. REFRESH: to the organizer.
 * DECLINECOUNTER: to one attendee. ERROR_REJECT: it is not ours to send, or the object has nothing
 * of it. */
ItipMessage *itip_wish(const ItipWish *wish, GError **error);
/* Text as a value of a property (RFC 5545 section 3.3.11); the caller's. */
char *itip_escape(const char *text);

#endif
