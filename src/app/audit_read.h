/* audit_read.h: an audit of a store: what it is made from is read here.
 *
 * A handle, one thread; opens read transactions of its own.
 */
#ifndef ROTA_APP_AUDIT_READ_H
#define ROTA_APP_AUDIT_READ_H

#include "roster/audit.h"

#include "app/settings.h"

/* ERROR_GONE: no node has ever started on this store. */
Audit *audit_read(Db *db, const Settings *settings, GError **error);

#endif
