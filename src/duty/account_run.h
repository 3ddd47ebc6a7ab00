/* account_run.h: what the roles that read an account's mail share: the number in a task's key, how
 * much one run takes, and what it says of itself at the end.
 *
 * One thread, one run.
 */
#ifndef ROTA_DUTY_ACCOUNT_RUN_H
#define ROTA_DUTY_ACCOUNT_RUN_H

#include "roster/handler.h"

/* What the run has read so far. */
typedef struct {
    Run *run;
    unsigned messages, unreadable;
    size_t bytes;
    int64_t slice_us; /* when the transaction began, monotonic; the handler's own */
} AccountBudget;

/* The account of task number `index`, from `least` up. ERROR_REJECT: it is no account's number. */
bool account_run_parse(const Run *run, unsigned index, int64_t least, int64_t *ret, GError **error);
/* The run is done: "12 messages, 1 of them unreadable", and the bytes for the counts. */
void account_run_tell(const AccountBudget *budget);

#endif
