/* account_run: see account_run.h. Failures: a key that is no account's number. */
#include "duty/account_run.h"

#include "base/error.h"

#define ACCOUNT_LAST INT64_C(0x7fffffff) /* ids are below 2^31 */

bool account_run_parse(const Run *run, unsigned index, int64_t least, int64_t *ret, GError **error)
{
    guint64 value = 0;
    const char *key = run->tasks[index].key;
    if (!g_ascii_string_to_unsigned(key, 10, (guint64)least, ACCOUNT_LAST, &value, NULL))
        return fail(error, ERROR_REJECT, "\"%s\" is not an account's number", key);
    *ret = (int64_t)value;
    return true;
}

void account_run_tell(const AccountBudget *budget)
{
    Run *run = budget->run;
    run->bytes += (int64_t)budget->bytes;
    g_string_append_printf(run->detail, "%u messages", budget->messages);
    if (budget->unreadable)
        g_string_append_printf(run->detail, ", %u of them unreadable", budget->unreadable);
}
