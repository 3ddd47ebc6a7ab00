/* words_fuzz: any text has words, and any text is a query or a clear error. */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/must.h"
#include "content/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool ready;
    if (!ready)
        message_library_init();
    ready = true;
    g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL);
    unsigned language;
    g_autoptr(GString) terms = words_of_message(message, &language);
    MUST(g_utf8_validate_len(terms->str, terms->len, NULL) && terms->len <= WORDS_TERMS_BYTES_MAX);
    g_autofree char *text = g_strndup((const char *)bytes, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(QueryNode) query = query_parse(text, &error);
    MUST(query || error);
    if (query)
        query_matches(query, message, UINT64_C(1) << language);
    return 0;
}
