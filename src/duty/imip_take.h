/* imip_take.h: invitations that came, part of imip-processing: letters are read, weighed, and what
 * is decided is written.
 *
 * One thread, one run.
 */
#ifndef ROTA_DUTY_IMIP_TAKE_H
#define ROTA_DUTY_IMIP_TAKE_H

#include "duty/duty.h"
#include "model/calendar_object.h"
#include "roster/handler.h"

typedef struct {
    Run *run;
    const DutySettings *settings;
    unsigned taken, changed; /* letters that were decided on; that changed a calendar */
    bool gathers;            /* nobody else's letters wait in this run: more may be waited for */
    bool open;               /* a transaction with decisions is open, and nobody waits for it */
} ImipTake;

/* All letters of an account that wait, in transactions of its own; the last may be left open, for
 * the run's end to commit: take->open. *ret_more: some are left, since the run is to stop. */
bool imip_take_account(ImipTake *take, int64_t account, bool *ret_more, GError **error);

/* The bytes become what the account's calendar has for a UID: in the open transaction, without a
 * message to anybody. *ret_why (the caller's): why they could not, NULL: they did. */
typedef struct {
    int64_t account;
    const char *uid;
    const CalendarObject *had; /* what the calendar has for the UID; NULL: nothing */
    GPtrArray **calendars;     /* the account's: read where it is NULL; the caller's */
    GBytes *bytes;
    Icalendar *facts; /* what the bytes say, where that is known: taken; NULL: they are read */
    IcalendarKind kind;
    bool keep_tag;  /* an attendee's status alone is new: Schedule-Tag stays, RFC 6638 section
                     * 3.2.10 */
    bool ret_rings; /* an alarm is due some time */
} ImipStore;
bool imip_store(Run *run, ImipStore *store, char **ret_why, GError **error);

#endif
