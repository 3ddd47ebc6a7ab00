/* must: the end of a process that was wrong about itself.
 *
 * Prints with write(2) only, since the heap may be what broke.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

void must_fail(const char *condition, const char *file, int line)
{
    char context[512];
    char text[1024];
    log_context_format(context, sizeof context);
    int size = snprintf(text, sizeof text, "bug: %s does not hold at %s:%d%s\n", condition, file,
                        line, context);
    size_t length = size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    ssize_t ignored = write(STDERR_FILENO, text, length);
    (void)ignored;
    abort();
}
