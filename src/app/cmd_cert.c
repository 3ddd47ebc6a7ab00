/* cmd_cert: certificates, for people: what there is and until when, why one does not come, and the
 * wishes that acme.renew fulfils.
 *
 * How it fits: model/certificate has the rows, content/chain reads them, duty/acme_renew works. The
 * settings say which certificates there should be; a row that no setting has any more is shown too.
 *
 * Failures: no such certificate (1), a store that cannot be reached (75), a private key that was
 * sealed with another storage.secret-key (2). Known weak point: a wish is a row; that a node does
 * it is to be seen by `rota cert show`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "content/acme_problem.h"
#include "content/chain.h"
#include "content/private_key.h"
#include "front/certificate_json.h"
#include "front/certificate_read.h"
#include "model/certificate.h"
#include "roster/task.h"

#include "app/command.h"
#include "app/tls_export.h"
#include "app/ui.h"

/* ---------------------------------------------------------------- reading */

static const AcmeDuty *duty_of(const CommandContext *context, const char *name)
{
    const AcmeSettings *acme = &context->settings->acme;
    for (unsigned i = 0; i < acme->count; i++)
        if (strcmp(acme->duties[i].name, name) == 0)
            return &acme->duties[i];
    return NULL;
}

static Chain *chain_of(const Certificate *row)
{
    return *row->chain ? chain_parse(row->chain, strlen(row->chain), NULL, NULL) : NULL;
}

/* "good", "due", "over", "none", and " (failing)"; the caller frees it. */
static char *state_of(const Certificate *row, bool wanted)
{
    const char *state = certificate_state(row);
    const char *more = !wanted             ? ", not in the settings"
                       : row->failures > 0 ? ", failing"
                       : *row->step        ? ", an order runs"
                                           : "";
    return g_strconcat(state, more, NULL);
}

/* Those of the store, then those of the settings that have no row: of Certificate *. */
static GPtrArray *read_all(const CommandContext *context, Db *db, GError **error)
{
    CertificateHouse house = settings_certificates(context->settings);
    if (!db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    return certificate_read_all(db, &house, error);
}

static json_t *row_json(const CommandContext *context, const Certificate *row)
{
    CertificateHouse house = settings_certificates(context->settings);
    return certificate_json(row, certificate_wanted(&house, row->name));
}

/* ---------------------------------------------------------------- list and show */

static int list(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(GPtrArray) rows = db ? read_all(context, db, &error) : NULL;
    if (!rows)
        return command_fail(error);
    json_t *all = json_array();
    g_autoptr(UiTable) table =
        ui_table_new("name", "state", "good until", "renewed", "~names", "~problem", NULL);
    for (unsigned i = 0; i < rows->len; i++) {
        const Certificate *row = g_ptr_array_index(rows, i);
        const AcmeDuty *duty = duty_of(context, row->name);
        g_autoptr(Chain) chain = chain_of(row);
        g_autofree char *state = state_of(row, duty != NULL);
        g_autofree char *until = ui_format_time(row->not_after);
        g_autofree char *renew = ui_format_time(row->renew_at);
        g_autofree char *names = g_strjoinv(" ", chain  ? chain->names
                                                 : duty ? duty->domains
                                                        : (char *[]){NULL});
        g_autofree char *line = *row->problem ? acme_problem_line(row->problem) : g_strdup("");
        g_autofree char *safe = ui_safe(line);
        json_array_append_new(all, row_json(context, row));
        ui_table_add(table, row->name, state, row->version ? until : "", row->version ? renew : "",
                     names, safe, NULL);
        if (row->failures > 0 || row->version == 0 || row->not_after <= row->now)
            ui_table_colour(table, UI_RED);
    }
    if (context->json) {
        ui_print_json(json_pack("{s:o}", "certificates", all));
        return EXIT_FINE;
    }
    json_decref(all);
    ui_table_print(table, stdout);
    if (rows->len == 0)
        fprintf(stderr, "there is no certificate; [acme.NAME] in the settings gets one\n");
    return EXIT_FINE;
}

/* One that there is, or should be. */
static bool read_one(const CommandContext *context, Db *db, const char *name, Certificate *ret,
                     GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    bool good = certificate_read(db, name, ret, error);
    db_rollback(db);
    return good && (ret->version > 0 || duty_of(context, name) ||
                    fail(error, ERROR_GONE,
                         "there is no certificate \"%s\"; `rota cert list` shows them", name));
}

static void print_one(const CommandContext *context, const Certificate *row)
{
    g_autoptr(Chain) chain = chain_of(row);
    const AcmeDuty *duty = duty_of(context, row->name);
    g_autofree char *state = state_of(row, duty != NULL);
    g_autofree char *wanted = duty ? g_strjoinv(" ", duty->domains) : g_strdup("");
    g_autofree char *from = ui_format_time(row->not_before);
    g_autofree char *until = ui_format_time(row->not_after);
    g_autofree char *renew = ui_format_time(row->renew_at);
    g_autofree char *next = ui_format_time(row->next_at);
    g_autofree char *failed = ui_format_time(row->failed_at);
    printf("name      %s\nstate     %s\nwanted    %s\n", row->name, state, wanted);
    if (chain) {
        g_autofree char *names = g_strjoinv(" ", chain->names);
        g_autofree char *issuer = ui_safe(chain->issuer);
        printf("names     %s\nissuer    %s\nserial    %s\ngood      %s to %s\nrenewed   %s\n"
               "version   %" PRId64 "\n",
               names, issuer, chain->serial, from, until, renew, row->version);
    }
    if (*row->step) {
        g_autofree char *url = ui_safe(row->order_url);
        printf("order     %s, at the step \"%s\"\n", *url ? url : "not made yet", row->step);
    }
    if (*row->problem) {
        g_autofree char *problem = ui_safe(row->problem);
        printf("failures  %" PRId64 ", the last %s, tried again %s\nproblem   %s\n", row->failures,
               failed, next, problem);
    }
}

static int show(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_auto(Certificate) row = {.name = NULL};
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !read_one(context, db, argv[0], &row, &error))
        return command_fail(error);
    if (context->json)
        ui_print_json(row_json(context, &row));
    else
        print_one(context, &row);
    return EXIT_FINE;
}

/* ---------------------------------------------------------------- wishes */

static bool set_wish(Db *db, const char *name, const char *wish, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    /* Not known whether it was done: the person asks again, and it merges. */
    if (!certificate_set_wish(db, name, wish, error) || db_commit(db, error) != DB_DONE)
        return false;
    task_wake("acme.renew");
    return true;
}

static int wish_for(CommandContext *context, const char *name, const char *wish, const char *told)
{
    g_autoptr(GError) error = NULL;
    g_auto(Certificate) row = {.name = NULL};
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !read_one(context, db, name, &row, &error))
        return command_fail(error);
    if (!duty_of(context, name)) {
        fail(&error, ERROR_GONE, "the settings have no [acme.%s], so nothing is asked of its CA",
             name);
        return command_fail(error);
    }
    if (!set_wish(db, name, wish, &error))
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "name", name, "wish", wish));
    else
        printf("%s: %s; `rota cert show %s` tells what becomes of it\n", name, told, name);
    return EXIT_FINE;
}

static int renew(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    return wish_for(context, argv[0], "renew", "a new one is asked for now");
}

static int revoke_it(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    return wish_for(context, argv[0], "revoke",
                    "the CA is asked to revoke it, then for a new one with a new key");
}

static int roll_over(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    return wish_for(context, argv[0], "roll-over",
                    "the account at its CA gets a new key, then a new certificate is asked for");
}

/* ---------------------------------------------------------------- export */

static int export_it(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_auto(Certificate) row = {.name = NULL};
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !read_one(context, db, argv[0], &row, &error))
        return command_fail(error);
    if (row.version == 0) {
        fail(&error, ERROR_GONE, "\"%s\" was not got yet; `rota cert show %s` tells why", argv[0],
             argv[0]);
        return command_fail(error);
    }
    char *key = certificate_open_key(&row, &context->settings->duty.seal, &error);
    bool good = key && tls_export_files(argv[1], row.chain, key, &error);
    private_key_text_free(key);
    if (!good)
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "name", argv[0], "folder", argv[1]));
    else
        printf("%s: fullchain.pem, privkey.pem and combined.pem are in %s\n", argv[0], argv[1]);
    return EXIT_FINE;
}

static int forget(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    bool removed = false;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db)
        return command_fail(error);
    if (duty_of(context, argv[0]))
        return command_misuse(context, "\"%s\" is in the settings; take [acme.%s] out first",
                              argv[0], argv[0]);
    if (!db_begin(db, DB_WRITE, &error))
        return command_fail(error);
    g_auto(DbScope) scope = db_scope(db);
    if (!certificate_remove(db, argv[0], &removed, &error) ||
        (!removed && !fail(&error, ERROR_GONE, "there is no certificate \"%s\"", argv[0])) ||
        db_commit(db, &error) != DB_DONE)
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "name", argv[0], "result", "forgotten"));
    else
        printf("%s: forgotten, with its private key\n", argv[0]);
    return EXIT_FINE;
}

const Command cmd_cert_list = {
    .name = "cert list",
    .usage = "",
    .summary = "shows the certificates: until when they are good, and what is wrong",
    .example = "rota cert list\nrota cert list --json",
    .run = list,
};

const Command cmd_cert_show = {
    .name = "cert show",
    .usage = "NAME",
    .summary = "shows one certificate, its order, and what the CA has said, whole",
    .example = "rota cert show mail",
    .args_min = 1,
    .args_max = 1,
    .run = show,
};

const Command cmd_cert_renew = {
    .name = "cert renew",
    .usage = "NAME",
    .summary = "asks for a new certificate now",
    .example = "rota cert renew mail",
    .args_min = 1,
    .args_max = 1,
    .run = renew,
};

const Command cmd_cert_revoke = {
    .name = "cert revoke",
    .usage = "NAME",
    .summary = "has a certificate revoked by its CA, and asks for one with a new key",
    .example = "rota cert revoke mail",
    .args_min = 1,
    .args_max = 1,
    .run = revoke_it,
};

const Command cmd_cert_roll_over = {
    .name = "cert roll-over",
    .usage = "NAME",
    .summary = "exchanges the key of the account at a certificate's CA",
    .example = "rota cert roll-over mail",
    .args_min = 1,
    .args_max = 1,
    .run = roll_over,
};

const Command cmd_cert_export = {
    .name = "cert export",
    .usage = "NAME FOLDER",
    .summary = "writes a certificate and its private key into a folder",
    .example = "rota cert export mail /etc/ssl/mail",
    .args_min = 2,
    .args_max = 2,
    .run = export_it,
};

const Command cmd_cert_forget = {
    .name = "cert forget",
    .usage = "NAME",
    .summary = "removes a certificate that the settings have no more",
    .example = "rota cert forget old",
    .args_min = 1,
    .args_max = 1,
    .run = forget,
};
