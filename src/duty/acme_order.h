/* acme_order.h: a certificate's order, from its account to the exchange, in steps whose state is in
 * the store. For acme_renew.c and the files of its steps.
 *
 * Steps:  account → order → authorise → finalise → collect → (exchanged)
 *
 * Each step looks at the CA first, does one thing, and writes what it knows before the next one
 * begins; so it may be cut off anywhere and is gone on with by whoever claims the task next.
 */
#ifndef ROTA_DUTY_ACME_ORDER_H
#define ROTA_DUTY_ACME_ORDER_H

#include <jansson.h>

#include "model/certificate.h"
#include "remote/acme.h"
#include "roster/handler.h"

#include "duty/duty.h"

/* In order_detail, also when no order runs: the names that the certificate was asked for. */
#define DETAIL_FOR "for"

/* How a CA is asked, where it is not by remote/fetch.h: for tests. */
typedef struct AcmeDoor {
    FetchAnswer *(*fetch)(const FetchAsk *ask, void *data, GError **error);
    void *data;
} AcmeDoor;

typedef struct {
    Run *run;
    const AcmeDuty *duty;
    const Seal *seal;
    Certificate row;
    json_t *detail; /* of the order: what is in row.order_detail */
    AcmeAccount account;
    Fetch *fetch; /* NULL: the door's */
    Acme *acme;   /* NULL: not spoken to yet */
    bool by_ca;   /* the failure is the CA's, or on the way to it */
    bool forget;  /* and this order leads nowhere any more */
    int64_t wait_ms, waited_ms;
    unsigned polls; /* of this step, in all runs: looks that found the CA still at work */
} Renewal;

/* What a step gives. NEXT_WAIT: `wait_ms` until it makes sense to look again. NEXT_FAILED: *error.
 */
typedef enum { NEXT_GO, NEXT_WAIT, NEXT_EXCHANGED, NEXT_FAILED } Next;

/* Writes the row with its detail, and goes on without a transaction. */
bool renewal_commit(Renewal *renewal, GError **error);
/* The conversation with the CA; false: NEXT_FAILED. */
bool renewal_open(Renewal *renewal, GError **error);
/* The failure of a request. */
Next renewal_refused(Renewal *renewal);
/* A failure of the CA's that ends this order: its problem document, or NULL. */
Next renewal_ends_badly(Renewal *renewal, const char *problem, GError **error);
/* How long until the next look: what the CA asks for, else twice as long each time. */
Next renewal_poll(Renewal *renewal);
/* On to another step; not written yet. */
void renewal_set_step(Renewal *renewal, const char *step);

Next acme_step_account(Renewal *renewal, GError **error);
Next acme_step_order(Renewal *renewal, GError **error);
Next acme_step_authorise(Renewal *renewal, GError **error);
Next acme_step_finalise(Renewal *renewal, GError **error);
Next acme_step_collect(Renewal *renewal, GError **error);
/* Takes back what was published for challenges, where anything was. */
bool acme_withdraw(Renewal *renewal, GError **error);

#endif
