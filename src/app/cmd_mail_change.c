/* cmd_mail_change: moves, marks and deletes messages.
 *
 * How it fits: model/email's verbs, which write the change log and the tasks: moving into Junk or
 * out of it teaches the spam filter, as $junk and $notjunk do.
 *
 * Failures: see command_mail.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "model/email.h"
#include "model/mailbox.h"

#include "app/command.h"
#include "app/command_mail.h"

static char *option_account;
static char **option_set, **option_unset;
static gboolean option_destroy;

/* What the three have in common: the messages that are named, and whose they are. An exit status.
 */
static int begin(CommandContext *context, int count, char **words, MailHome *ret_home,
                 GArray **ret_ids)
{
    g_autoptr(GError) error = NULL;
    *ret_ids = mail_parse_ids(count, words, &error);
    return *ret_ids ? mail_home_open(context, option_account, ret_home)
                    : command_misuse(context, "%s", error->message);
}

static bool move_one(const MailHome *home, int64_t id, void *data, GError **error)
{
    return email_move(home->db, home->account, id, *(const int64_t *)data, error);
}

/* A mailbox by a path or, where that is NULL, by a role. Opens and ends a transaction. */
static bool find_target(const MailHome *home, const char *path, const char *role, int64_t *ret,
                        GError **error)
{
    if (!db_begin(home->db, DB_READ, error))
        return false;
    bool found = path ? mail_find_folder(home, path, ret, error)
                      : mailbox_by_role(home->db, home->account, role, ret, error);
    db_rollback(home->db);
    return found;
}

static int move(CommandContext *context, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = NULL;
    g_auto(MailHome) home = {0};
    int status = begin(context, argc - 1, argv + 1, &home, &ids);
    if (status != EXIT_FINE)
        return status;
    int64_t to;
    return find_target(&home, argv[0], NULL, &to, &error)
               ? mail_change_all(context, &home, ids, move_one, &to, "moved")
               : command_fail(error);
}

/* ---- mark */

static bool mark_one(const MailHome *home, int64_t id, void *data, GError **error)
{
    (void)data;
    for (char **keyword = option_set; keyword && *keyword; keyword++)
        if (!email_set_keyword(home->db, home->account, id, *keyword, true, error))
            return false;
    for (char **keyword = option_unset; keyword && *keyword; keyword++)
        if (!email_set_keyword(home->db, home->account, id, *keyword, false, error))
            return false;
    return true;
}

static bool has_empty(char **keywords)
{
    return keywords && g_strv_contains((const char *const *)keywords, "");
}

static int mark(CommandContext *context, int argc, char **argv)
{
    if (!option_set && !option_unset)
        return command_misuse(context, "which keyword? --set or --unset");
    if (has_empty(option_set) || has_empty(option_unset))
        return command_misuse(context,
                              "a keyword is empty; write '$seen' in quotes, so that the shell "
                              "leaves the $ alone");
    g_autoptr(GArray) ids = NULL;
    g_auto(MailHome) home = {0};
    int status = begin(context, argc, argv, &home, &ids);
    return status == EXIT_FINE ? mail_change_all(context, &home, ids, mark_one, NULL, "marked")
                               : status;
}

/* ---- delete */

static bool destroy_one(const MailHome *home, int64_t id, void *data, GError **error)
{
    (void)data;
    return email_destroy(home->db, home->account, id, error);
}

static int delete_mail(CommandContext *context, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = NULL;
    g_auto(MailHome) home = {0};
    int status = begin(context, argc, argv, &home, &ids);
    if (status != EXIT_FINE)
        return status;
    if (option_destroy)
        return mail_change_all(context, &home, ids, destroy_one, NULL, "destroyed");
    int64_t trash;
    return find_target(&home, NULL, "trash", &trash, &error)
               ? mail_change_all(context, &home, ids, move_one, &trash, "put into Trash")
               : command_fail(error);
}

#define OPTION_ACCOUNT                                                                             \
    {                                                                                              \
        "account", 'a', 0, G_OPTION_ARG_STRING, &option_account,                                   \
            "whose mail, by address or alias", "ADDRESS"                                           \
    }

static const GOptionEntry MOVE_OPTIONS[] = {OPTION_ACCOUNT, {0}};

static const GOptionEntry MARK_OPTIONS[] = {
    OPTION_ACCOUNT,
    {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_set, "give it; as often as needed", "KEYWORD"},
    {"unset", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_unset, "take it away", "KEYWORD"},
    {0},
};

static const GOptionEntry DELETE_OPTIONS[] = {
    OPTION_ACCOUNT,
    {"destroy", 0, 0, G_OPTION_ARG_NONE, &option_destroy, "for good, not into Trash", NULL},
    {0},
};

const Command cmd_mail_move = {
    .name = "mail move",
    .usage = "FOLDER ID…",
    .summary = "moves messages into a mailbox; into Junk and out of it teaches the spam filter",
    .example = "rota mail move -a ada@example.org Junk 42 43",
    .options = MOVE_OPTIONS,
    .args_min = 2,
    .args_max = G_MAXUINT,
    .run = move,
};

const Command cmd_mail_mark = {
    .name = "mail mark",
    .usage = "ID…",
    .summary = "gives messages keywords, or takes them away",
    .example = "rota mail mark -a ada@example.org --set '$flagged' --unset '$seen' 42\n"
               "rota mail mark -a ada@example.org --set '$junk' 43 44",
    .options = MARK_OPTIONS,
    .args_min = 1,
    .args_max = G_MAXUINT,
    .run = mark,
};

const Command cmd_mail_delete = {
    .name = "mail delete",
    .usage = "ID…",
    .summary = "puts messages into Trash, or destroys them",
    .example = "rota mail delete -a ada@example.org 42\n"
               "rota mail delete -a ada@example.org --destroy 42",
    .options = DELETE_OPTIONS,
    .args_min = 1,
    .args_max = G_MAXUINT,
    .run = delete_mail,
};
