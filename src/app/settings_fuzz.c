/* settings_fuzz: any text becomes whole settings or at least one problem; a table that was read has
 * a text that reads back. */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

#include "app/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    /* the only way to a file is a secret's: what fuzzing makes up shall not read any */
    if (memmem(bytes, size, "%{file:", 7))
        return 0;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = settings_load("rota.toml", (const char *)bytes, size, problems);
    g_autofree char *told = settings_problems_format(problems);
    MUST(g_utf8_validate(told, -1, NULL));
    if (!settings) {
        MUST(problems->len > 0);
        return 0;
    }
    MUST(settings->node_id >= 1 && settings->lease_ms >= 3 * settings->heartbeat_ms);
    g_autofree char *text = table_format(settings->table);
    g_autoptr(RoleTable) again = table_parse(&duty_roles, text, NULL);
    MUST(again && strcmp(table_digest(again), table_digest(settings->table)) == 0);
    return 0;
}
