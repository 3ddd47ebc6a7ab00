/* command.h: the commands of `rota`: one constant table, whose left column is the grammar.
 *
 * A command is a `const Command cmd_X` in its own src/app/cmd_X.c and a line in COMMANDS. The
 * parser (commands.c) finds it by its one or two words, reads the generic options (-c FILE, --json,
 * --help, --version) and the command's own (`options`, GOption, whose values are static variables
 * of its file), checks the number of arguments, and calls run. What run returns is the exit status.
 *
 * One thread, one command a process.
 */
#ifndef ROTA_APP_COMMAND_H
#define ROTA_APP_COMMAND_H

#include <glib.h>
#include <stdbool.h>

#include "app/settings.h"
#include "base/clock.h"
#include "db/db.h"

enum {
    EXIT_FINE = 0,
    EXIT_NO =
        1, /* the answer is no: a check failed, a shard is uncovered, there is no such account */
    EXIT_USAGE = 2,        /* wrong use or broken settings */
    EXIT_UNREACHABLE = 75, /* the store cannot be reached (sysexits' EX_TEMPFAIL) */
};

typedef struct Command Command;
typedef struct {
    const Command *command;
    const Clock *clock;
    char *settings_option; /* -c, or NULL */
    gboolean json;         /* --json */
    Settings *settings;    /* once command_settings has read them */
} CommandContext;

struct Command {
    const char *name;            /* "check", "store init" */
    const char *usage;           /* arguments after the options: "ADDRESS", "" if none */
    const char *summary;         /* one line, lower case, no full stop */
    const char *example;         /* "rota store init" ; may have several lines */
    const GOptionEntry *options; /* its own, ended by {NULL}; may be NULL */
    /* Options of OPTION_ARG_FILENAME_ARRAY that take all words up to the next option: "--spam A B"
     * is
     * "--spam A --spam B". Ended by NULL; may be NULL. */
    const char *const *lists;
    unsigned args_min, args_max; /* number of arguments; G_MAXUINT: any */
    /* argv holds only the arguments: neither program, nor command, nor options. */
    int (*run)(CommandContext *context, int argc, char **argv);
};

/* The settings, read once: from -c, $ROTA_CONFIG, rota.toml, /etc/rota/rota.toml, or all defaults
 * where none is there. Borrowed from the context. ERROR_REJECT: the text holds every problem, one a
 * line. */
const Settings *command_settings(CommandContext *context, GError **error);

typedef enum {
    COMMAND_STORE_EXISTING, /* must be there, with this program's schema, and of the settings'
                               cluster: else ERROR_GONE, ERROR_REJECT that say what to run */
    COMMAND_STORE_ANY_NAME, /* as EXISTING, whatever cluster it is of */
    COMMAND_STORE_CREATE,   /* is made (file, its folder, schema) or brought up to date where needed
                             */
    COMMAND_STORE_RAW,      /* opened or made as it is, schema untouched: for `rota store …` */
} CommandStore;
/* A new handle on the settings' store; owned by the caller. ERROR_RETRY: cannot be reached now. */
Db *command_open_db(CommandContext *context, CommandStore how, GError **error);

/* Says on standard error what happened, and gives the exit status for it. */
int command_fail(const GError *error);
/* Wrong use: says it, with where to find help; EXIT_USAGE. */
int command_misuse(const CommandContext *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The role of that name, or NULL: then it has said so, with the name that was meant, or what is
 * wrong with the settings (EXIT_USAGE). */
const Role *command_find_role(CommandContext *context, const char *name);

/* All commands; for the parser, the completion and the manual. */
extern const Command *const command_table[];
extern const unsigned command_count;
/* The program. */
int command_main(int argc, char **argv);

/* In the order in which `rota --help` shows them. */
/* A line each, so that two that come at once do not meet. */
/* clang-format off */
#define COMMANDS(X) \
    X(cmd_account_add) \
    X(cmd_account_admin) \
    X(cmd_account_alias) \
    X(cmd_account_delete) \
    X(cmd_account_devices) \
    X(cmd_account_list) \
    X(cmd_account_password) \
    X(cmd_account_quota) \
    X(cmd_account_revoke) \
    X(cmd_account_show) \
    X(cmd_account_token) \
    X(cmd_account_tokens) \
    X(cmd_account_undelete) \
    X(cmd_audit) \
    X(cmd_calendar_next) \
    X(cmd_cert_export) \
    X(cmd_cert_forget) \
    X(cmd_cert_list) \
    X(cmd_cert_renew) \
    X(cmd_cert_revoke) \
    X(cmd_cert_roll_over) \
    X(cmd_cert_show) \
    X(cmd_check) \
    X(cmd_drain) \
    X(cmd_reload) \
    X(cmd_export) \
    X(cmd_imip_log) \
    X(cmd_imip_send) \
    X(cmd_import) \
    X(cmd_mail_delete) \
    X(cmd_mail_folders) \
    X(cmd_mail_list) \
    X(cmd_mail_mark) \
    X(cmd_mail_move) \
    X(cmd_mail_show) \
    X(cmd_plan) \
    X(cmd_roles) \
    X(cmd_roles_adopt) \
    X(cmd_run) \
    X(cmd_score) \
    X(cmd_search) \
    X(cmd_serve) \
    X(cmd_status) \
    X(cmd_store_check) \
    X(cmd_store_copy) \
    X(cmd_store_grants) \
    X(cmd_store_init) \
    X(cmd_store_rename) \
    X(cmd_store_upgrade) \
    X(cmd_tasks_drop) \
    X(cmd_tasks_list) \
    X(cmd_tasks_retry) \
    X(cmd_tasks_show) \
    X(cmd_tasks_why) \
    X(cmd_train) \
    /* end */
/* clang-format on */

#define COMMAND_DECLARE(name) extern const Command name;
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
