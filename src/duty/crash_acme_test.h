/* crash_acme_test.h: the case of acme.renew for crash_test: renewals of one certificate by a CA
 * that outlives those who die.
 */
#ifndef ROTA_DUTY_CRASH_ACME_TEST_H
#define ROTA_DUTY_CRASH_ACME_TEST_H

#include "duty/duty.h"

/* In each process, first of all: what the role works with. */
void crash_acme_settings(DutySettings *settings);
/* In the process that lives. */
void crash_acme_start(void);
void crash_acme_stop(void);
void crash_acme_plant(Db *db, unsigned n);
void crash_acme_verify(Db *db, unsigned n);

#endif
