/* imip_take.h: invitations that came, part of imip-processing: letters are read, weighed, and what
 * is decided is written.
 *
 * One thread, one run.
 */
#ifndef ROTA_DUTY_IMIP_TAKE_H
#define ROTA_DUTY_IMIP_TAKE_H

#include "duty/duty.h"
#include "roster/handler.h"

typedef struct {
    Run *run;
    const DutySettings *settings;
    unsigned taken, changed; /* letters that were decided on; that changed a calendar */
} ImipTake;

/* All letters of an account that wait, in transactions of its own; *ret_more: some are left, since
 * the run is to stop. */
bool imip_take_account(ImipTake *take, int64_t account, bool *ret_more, GError **error);
/* The bytes become what the account's calendar has for a UID: in the open transaction, without a
 * message to anybody. *ret_why (the caller's): why they could not, NULL: they did. */
typedef struct {
    int64_t account;
    const char *uid;
    GBytes *bytes;
    bool keep_tag; /* an attendee's status alone is new: Schedule-Tag stays, RFC 6638 section 3.2.10
                    */
} ImipStore;
bool imip_store(Run *run, const ImipStore *store, char **ret_why, GError **error);

#endif
