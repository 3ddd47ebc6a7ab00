/* acme_scene_test.h: a node that does acme.renew against the stand-in CA of acme_ca_test.h, for the
 * tests of duty/acme_renew. One certificate: "mail", for mail.example.org.
 */
#ifndef ROTA_DUTY_ACME_SCENE_TEST_H
#define ROTA_DUTY_ACME_SCENE_TEST_H

#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"

#include "acme_ca_test.h"
#include "duty/acme_order.h"
#include "model/certificate.h"

extern DutySettings acme_settings;

typedef struct {
    TestStore *store;
    Ca *ca;
    DutyLane lane;
} AcmeScene;
void acme_scene_init(AcmeScene *scene, TestStore *store);
/* That has its first certificate; its store's handle. */
Db *acme_scene_init_with_one(AcmeScene *scene, TestStore *store);
void acme_scene_clear(AcmeScene *scene);

/* The task, due now. */
void acme_enqueue(Db *db);
/* And a person's wish for another certificate. */
void acme_ask_renewal(Db *db);
void acme_read_row(Db *db, Certificate *ret);
int64_t acme_version(Db *db);
/* What waits is due now: the test does not sit out back-offs. */
void acme_hurry(Db *db);
bool acme_has_task(Db *db);
/* Until there is no task; fails after so many steps. */
void acme_work(AcmeScene *scene, unsigned limit);
/* The chain is served with its key: what was stored fits, and opens; nothing is left of an order.
 */
void acme_assert_serves(Db *db);
/* It is later by so much: of what the role looks at, all times are earlier. */
void acme_pass_time(Db *db, int64_t ms);

#endif
