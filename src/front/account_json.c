/* account_json: an account for machines.
 *
 * How it fits: `rota account list --json` prints it, api_accounts.c answers with it. Failures:
 * none.
 */
#include "front/account_json.h"

json_t *account_json(const Account *account)
{
    json_t *aliases = json_array();
    for (guint i = 0; i < account->aliases->len; i++)
        json_array_append_new(aliases, json_string(account->aliases->pdata[i]));
    return json_pack("{s:I, s:s, s:s, s:o, s:I, s:I, s:I, s:b, s:b, s:i, s:I, s:I}", "id",
                     (json_int_t)account->id, "address", account->address, "name", account->name,
                     "aliases", aliases, "quota_bytes", (json_int_t)account->quota_bytes,
                     "used_bytes", (json_int_t)account->used_bytes, "used_messages",
                     (json_int_t)account->used_messages, "has_password", account->has_password,
                     "administrator", account->is_admin, "bucket", (int)account->bucket,
                     "created_at", (json_int_t)account->created_at, "deleted_at",
                     (json_int_t)account->deleted_at);
}
