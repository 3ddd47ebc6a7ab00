/* toml_fuzz: any bytes are read within the bounds, every key is found again, and places lie in the
 * text. */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void walk(const TomlValue *value)
{
    MUST(value->place.line >= 1);
    if (value->type == TOML_STRING)
        MUST(value->string.data[value->string.size] == '\0');
    if (value->type == TOML_ARRAY)
        for (unsigned i = 0; i < value->items->len; i++)
            walk(g_ptr_array_index(value->items, i));
    if (value->type != TOML_TABLE)
        return;
    for (unsigned i = 0; i < value->table.entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(value->table.entries, i);
        MUST(entry->value != NULL);
        if (strlen(entry->name.data) == entry->name.size)
            MUST(toml_find(value, entry->name.data) == entry);
        walk(entry->value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse((const char *)bytes, size, problems);
    walk(root);
    return 0;
}
