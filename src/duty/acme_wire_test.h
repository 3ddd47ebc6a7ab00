/* acme_wire_test.h: the stand-in CA of acme_ca_test.h for other processes: it lives here, on a
 * thread, and whoever knows the path of its socket asks it. For crash_test, whose workers die.
 */
#ifndef ROTA_DUTY_ACME_WIRE_TEST_H
#define ROTA_DUTY_ACME_WIRE_TEST_H

#include "acme_ca_test.h"

typedef struct CaWire CaWire;
CaWire *ca_wire_start(void);
void ca_wire_stop(CaWire *wire);
const char *ca_wire_path(const CaWire *wire);
/* Orders that were made so far. */
unsigned ca_wire_orders(CaWire *wire);
/* For AcmeDoor, in any process; `data` is the path. */
FetchAnswer *ca_wire_fetch(const FetchAsk *ask, void *data, GError **error);

#endif
