/* tls_export.h: a certificate for programs beside rota: PEM files in a folder, and a hook after.
 *
 * Files: fullchain.pem (0644), privkey.pem and combined.pem (0600: the key, then the chain, for who
 * reads one file alone). Each is written whole beside its place, made durable and renamed, the
 * combined one last. ".deployed" says which of them the hook was run for: so a hook that a crash
 * kept from running is run later, and one that was run is not run again.
 *
 * Blocking, HOOK_MS at most. One thread.
 */
#ifndef ROTA_APP_TLS_EXPORT_H
#define ROTA_APP_TLS_EXPORT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "duty/duty.h"

/* Does this node write it? */
bool tls_export_is_wanted(const AcmeDuty *duty, int64_t node);
/* Writes what is not there yet, and runs the hook where it was not run for this. *ret_deployed:
 * something was done. Errors: files that cannot be written, a hook that failed (with the end of its
 * output). */
bool tls_export(const AcmeDuty *duty, const char *chain, const char *key, bool *ret_deployed,
                GError **error);
/* The files alone, into another folder. */
bool tls_export_files(const char *folder, const char *chain, const char *key, GError **error);

#endif
