/* units.h: durations and sizes as operators write them.
 *
 * A duration is a whole number and a unit: ms, s, m, h, d ("500ms", "30s", "5m", "1h", "30d"); "0"
 * needs none. A size is a whole number and b, kb, mb, gb, tb (thousands) or kib, mib, gib, tib
 * (1024s), in any case; no unit is bytes. No sign, no fraction; blanks only between number and
 * unit.
 *
 * Pure; any thread. ERROR_REJECT says what was found and what to write; ret_x is untouched then.
 */
#ifndef ROTA_BASE_UNITS_H
#define ROTA_BASE_UNITS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

bool units_parse_duration(const char *text, int64_t *ret_ms, GError **error);
bool units_parse_size(const char *text, int64_t *ret_bytes, GError **error);
/* The shortest exact spelling ("90s", "1h", "50mb", "1kib"), which the parsers read back; the
 * caller frees it. Not for negative numbers. */
char *units_format_duration(int64_t ms);
char *units_format_size(int64_t bytes);

#endif
