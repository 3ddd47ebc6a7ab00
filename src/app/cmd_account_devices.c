/* cmd_account_devices: who is told of an account's changes by push, and how that went.
 *
 * How it fits: model/subscription reads, app/ui shows; --json is for machines. A person sees the
 * same by JMAP. Neither the address of the push service beyond its origin nor a key is shown: who
 * has them can push.
 *
 * Failures: no such account (1), the store's.
 */
#include <inttypes.h>

#include <jansson.h>

#include "base/error.h"
#include "model/subscription.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static const char *const stage_words[] = {"not yet asked", "asked for its code", "verified"};

/* "503: the push service said 503", "well" */
static char *format_last(const Subscription *device)
{
    if (device->last_at == 0)
        return g_strdup("nothing was sent yet");
    if (!*device->last_error)
        return g_strdup("well");
    return ui_safe(device->last_error);
}

static void print_table(const GPtrArray *devices)
{
    g_autoptr(UiTable) table = ui_table_new("id", "device", "push service", "state", ">pushes",
                                            ">repeats", "last", "how it went", NULL);
    for (guint i = 0; i < devices->len; i++) {
        const Subscription *device = devices->pdata[i];
        g_autofree char *id = subscription_format_id(device->id), *name = ui_safe(device->device),
                        *pushes = g_strdup_printf("%" PRId64, device->pushes),
                        *repeats = g_strdup_printf("%" PRId64, device->repeats),
                        *at = ui_format_time(device->last_at), *last = format_last(device);
        ui_table_add(table, id, name, device->origin, stage_words[device->stage], pushes, repeats,
                     device->last_at ? at : "", last, NULL);
    }
    ui_table_print(table, stdout);
    if (!devices->len)
        fprintf(stderr, "no device of this account asks to be told; programs do that by JMAP\n");
}

static json_t *json_of(const Subscription *device)
{
    g_autofree char *id = subscription_format_id(device->id);
    json_t *types = device->types ? json_array() : json_null();
    for (char **type = device->types; type && *type; type++)
        json_array_append_new(types, json_string(*type));
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}",
                     "id", id, "device", device->device, "push_service", device->origin,
                     "encrypted", device->encrypted, "verified",
                     device->stage == SUBSCRIPTION_VERIFIED, "types", types, "created_at",
                     (json_int_t)device->created_at, "expires_at", (json_int_t)device->expires_at,
                     "pushes", (json_int_t)device->pushes, "repeats", (json_int_t)device->repeats,
                     "failures", (json_int_t)device->failures, "last_at",
                     (json_int_t)device->last_at, "last_status", (json_int_t)device->last_status,
                     "last_error", device->last_error, "next_at", (json_int_t)device->next_at);
}

static int devices(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    if (!account || !db_begin(db, DB_READ, &error))
        return command_fail(error);
    g_autoptr(GPtrArray) list = subscription_list(db, account->id, &error);
    db_rollback(db);
    if (!list)
        return command_fail(error);
    if (!context->json) {
        print_table(list);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (guint i = 0; i < list->len; i++)
        json_array_append_new(all, json_of(list->pdata[i]));
    ui_print_json(json_pack("{s:o}", "devices", all));
    return EXIT_FINE;
}

const Command cmd_account_devices = {
    .name = "account devices",
    .usage = "ADDRESS",
    .summary = "shows the devices that are told of an account's changes",
    .example = "rota account devices ada@example.org",
    .args_min = 1,
    .args_max = 1,
    .run = devices,
};
