/* cmd_imip_send: a message about an event that no change of the calendar sends: PUBLISH, an
 * invitation once more, ADD, REFRESH, DECLINECOUNTER.
 *
 * How it fits: model/imip_out puts it into the outbox, imip-processing sends it. For who helps a
 * person: programs send what a change means by themselves.
 *
 * Failures: no such account or event, or it is not this account's to send (1), the store's. A
 * commit whose outcome is not known is said: `rota imip log` shows whether it is there.
 */
#include "base/error.h"
#include "model/invitation.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static char *option_account, *option_uid, *option_instance, *option_comment;
static char **option_to;

static bool add_message(Db *db, const Account *account, ItipMethod method, unsigned *ret_count,
                        GError **error)
{
    g_autoptr(GPtrArray) to = g_ptr_array_new_with_free_func(g_free);
    for (char **each = option_to; each && *each; each++)
        g_ptr_array_add(to, icalendar_address(*each));
    g_ptr_array_add(to, NULL);
    ItipWish wish = {.method = method,
                     .recurrence = option_instance ? option_instance : "",
                     .recipients = (const char *const *)to->pdata};
    g_autofree char *comment = option_comment ? itip_escape(option_comment) : NULL;
    wish.comment = comment;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return imip_out_wish(db, account->id, option_uid, &wish, ret_count, error) &&
           db_commit(db, error) == DB_DONE;
}

static int send_invitation(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    unsigned count = 0;
    ItipMethod method = itip_method_of_name(argv[0]);
    if (!option_account || !option_uid)
        return command_misuse(context, "whose event? `-a ADDRESS --uid UID` says it");
    if (method == ITIP_NONE)
        return command_misuse(context,
                              "there is no method \"%.20s\": publish, request, add, refresh, "
                              "declinecounter",
                              argv[0]);
    g_autoptr(Account) account = command_open_account(context, option_account, &db, &error);
    if (!account || !add_message(db, account, method, &count, &error))
        return command_fail(error);
    imip_wake();
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s, s:i}", "method", itip_method_name(method), "uid",
                                option_uid, "recipients", (int)count));
    else
        printf("a %s to %u recipient%s waits to be sent: `rota imip log -a %s` tells what becomes "
               "of it\n",
               itip_method_name(method), count, count == 1 ? "" : "s", account->address);
    return EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account, "whose event", "ADDRESS"},
    {"uid", 0, 0, G_OPTION_ARG_STRING, &option_uid, "which event", "UID"},
    {"instance", 0, 0, G_OPTION_ARG_STRING, &option_instance,
     "one of a series, as the log writes it", "TIME"},
    {"to", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_to, "to whom; may be given again", "ADDRESS"},
    {"comment", 0, 0, G_OPTION_ARG_STRING, &option_comment, "why (declinecounter)", "TEXT"},
    {0},
};

const Command cmd_imip_send = {
    .name = "imip send",
    .usage = "METHOD -a ADDRESS --uid UID",
    .summary = "sends a message about an event that no change of the calendar sends",
    .example = "rota imip send publish -a ada@example.org --uid party --to club@example.com\n"
               "rota imip send declinecounter -a ada@example.org --uid plan --to bob@example.com",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = send_invitation,
};
