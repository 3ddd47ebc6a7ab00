/* metrics_wire_fuzz: any bytes as what a target of metrics.push answers: the first says which
 * target and which status.
 *
 * Besides memory errors it looks for broken promises: what people are shown is one line of valid
 * UTF-8, of bounded length, and only what may be sent again is kept for later.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/limits_metrics_push.h"
#include "base/must.h"
#include "duty/metrics_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int statuses[] = {200, 204, 302, 400, 401, 404, 413, 429, 500, 501, 502, 503};
    if (size == 0)
        return 0;
    int kind = bytes[0] % METRICS_TARGETS;
    int status = statuses[bytes[0] / METRICS_TARGETS % G_N_ELEMENTS(statuses)];
    g_auto(MetricsAnswer) answer = {.problem = NULL};
    metrics_answer_read(kind, status, (const char *)bytes + 1, size - 1, &answer);
    MUST(answer.verdict == METRICS_TAKEN || answer.problem);
    MUST((answer.verdict == METRICS_TAKEN) == (status < 300));
    MUST(answer.verdict != METRICS_REFUSED || status >= 400);
    if (!answer.problem)
        return 0;
    MUST(g_utf8_validate(answer.problem, -1, NULL));
    MUST(g_utf8_strlen(answer.problem, -1) <= METRICS_PROBLEM_LETTERS + 60);
    for (const char *at = answer.problem; *at; at++)
        MUST(!g_ascii_iscntrl(*at));
    return 0;
}
