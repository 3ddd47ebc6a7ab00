/* crash_acme_test: see crash_acme_test.h. Each renewal begins with a new account at the CA, so that
 * every step of an order is walked through: account, order, authorise, finalise, collect, exchange.
 */
#include "crash_acme_test.h"

#include "acme_scene_test.h"
#include "acme_wire_test.h"

#define VARIABLE "ROTA_TEST_CA" /* the socket's path, for those who die */

static CaWire *wire;
static AcmeDoor door = {.fetch = ca_wire_fetch};

void crash_acme_settings(DutySettings *settings)
{
    acme_settings.door = &door;
    seal_init(&acme_settings.seal, "0123456789abcdef0123456789abcdef", "");
    door.data = (void *)(uintptr_t)g_getenv(VARIABLE);
    settings->certificates = acme_settings.certificates;
    settings->certificate_count = acme_settings.certificate_count;
    settings->seal = acme_settings.seal;
    settings->door = &door;
}

void crash_acme_start(void)
{
    wire = ca_wire_start();
    g_setenv(VARIABLE, ca_wire_path(wire), TRUE);
    door.data = (void *)(uintptr_t)ca_wire_path(wire);
}

void crash_acme_stop(void)
{
    g_unsetenv(VARIABLE);
    door.data = NULL;
    ca_wire_stop(wire);
}

void crash_acme_plant(Db *db, unsigned n)
{
    purge_exec(db, "DELETE FROM acme_account");
    purge_exec(db, "UPDATE certificate SET info_at = rota_now() + 86400000");
    if (n == 1)
        acme_enqueue(db);
    else
        acme_ask_renewal(db);
}

/* One order, one certificate, no lost key, nothing left for the challenges. */
void crash_acme_verify(Db *db, unsigned n)
{
    unsigned orders = ca_wire_orders(wire);
    if (orders != n || acme_version(db) != n)
        fail_msg("%u orders and version %d after %u renewals", orders, (int)acme_version(db), n);
    acme_assert_serves(db);
    assert_int_equal(model_count(db, "SELECT count(*) FROM certificate WHERE wish <> ''"), 0);
}
