/* error: the one GError domain.
 *
 * Failures: none of its own. An error that is already filled must not be filled again: that is our
 * bug, and a MUST.
 */
#include "base/error.h"

#include <stdarg.h>

#include "base/must.h"

GQuark rota_error_quark(void)
{
    return g_quark_from_static_string("rota-error");
}

#undef fail /* the analyser's own, see the header */
bool fail(GError **error, ErrorKind kind, const char *format, ...)
{
    if (!error)
        return false;
    MUST(*error == NULL);
    va_list args;
    va_start(args, format);
    *error = g_error_new_valist(ROTA_ERROR, (gint)kind, format, args);
    va_end(args);
    return false;
}

ErrorKind error_kind(const GError *error)
{
    MUST(error != NULL);
    return error->domain == ROTA_ERROR ? (ErrorKind)error->code : ERROR_REJECT;
}

const char *error_kind_name(ErrorKind kind)
{
    switch (kind) {
    case ERROR_RETRY:
        return "retry";
    case ERROR_REJECT:
        return "reject";
    case ERROR_GONE:
        return "gone";
    case ERROR_CONFLICT:
        return "conflict";
    case ERROR_UNKNOWN:
        return "unknown";
    case ERROR_STOPPED:
        return "stopped";
    }
    must_fail("a known error kind", __FILE__, __LINE__);
}
