/* cmd_search: what an account's index finds; and the order to build it anew.
 *
 * How it fits: the same query and index that the doors use (model/search). A rebuild is work of the
 * role fts-indexing: this command marks the accounts and adds a task for each, then only watches,
 * so that it may be cut off at any time and searches go on meanwhile.
 *
 * Failures: no such account, a query that is wrong (each says what), the store's. Known weak point:
 * where no node runs, a rebuild waits for one; the command says so and ends.
 */
#include <inttypes.h>
#include <string.h>

#include "app/command.h"
#include "app/ui.h"
#include "base/error.h"
#include "base/limits.h"
#include "content/message.h"
#include "content/words.h"
#include "duty/duty.h"
#include "model/account.h"
#include "model/email.h"
#include "model/search.h"
#include "roster/member.h"
#include "roster/task.h"

#define ROLE          "fts-indexing"
#define LIMIT_DEFAULT 50
#define WATCH_MS      500

static char *option_account;
static gint64 option_limit = LIMIT_DEFAULT;
static gboolean option_count, option_rebuild;

static void table_add_email(UiTable *table, const Email *email)
{
    g_autofree char *date =
                        ui_format_time(email->sent_at > 0 ? email->sent_at : email->received_at),
                    *from = ui_safe(email->sender), *subject = ui_safe(email->subject),
                    *id = g_strdup_printf("%" PRId64, email->id);
    ui_table_add(table, id, date, from, subject, NULL);
}

static bool print_found(Db *db, int64_t account, const GArray *found, bool json, GError **error)
{
    g_autoptr(UiTable) table = ui_table_new(">id", "date", "~from", "~subject", NULL);
    json_t *list = json_array();
    for (unsigned i = 0; i < found->len; i++) {
        g_autoptr(Email) email = email_get(db, account, g_array_index(found, int64_t, i), error);
        if (!email) {
            json_decref(list);
            return false;
        }
        table_add_email(table, email);
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:I, s:s, s:s}", "id", (json_int_t)email->id,
                                        "sent_at", (json_int_t)email->sent_at, "received_at",
                                        (json_int_t)email->received_at, "from", email->sender,
                                        "subject", email->subject));
    }
    if (json) {
        ui_print_json(json_pack("{s:o}", "emails", list));
        return true;
    }
    json_decref(list);
    ui_table_print(table, stdout);
    if (found->len == option_limit)
        fprintf(stderr, "the newest %" PRId64 " are shown, there may be more: --limit\n",
                (int64_t)option_limit);
    return true;
}

/* In the open transaction. */
static bool search(Db *db, const QueryNode *query, bool json, int *ret_status, GError **error)
{
    int64_t account, count = 0;
    if (!account_resolve(db, option_account, &account, error))
        return false;
    if (option_count) {
        if (!search_count(db, account, query, &count, error))
            return false;
        if (json)
            ui_print_json(json_pack("{s:I}", "count", (json_int_t)count));
        else
            printf("%" PRId64 "\n", count);
    } else {
        g_autoptr(GArray) found = search_find(db, account, query, 0, (unsigned)option_limit, error);
        if (!found || !print_found(db, account, found, json, error))
            return false;
        count = found->len;
    }
    *ret_status = count ? EXIT_FINE : EXIT_NO;
    return true;
}

static bool run_search(CommandContext *context, Db *db, int argc, char **argv, int *ret_status,
                       GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < argc; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "", argv[i]);
    g_autoptr(QueryNode) query = query_parse(text->str, error);
    if (!query || !db_begin(db, DB_READ, error))
        return false;
    bool good = search(db, query, context->json, ret_status, error);
    db_rollback(db);
    return good;
}

/* ---------------------------------------------------------------- rebuild */

/* Marks one account or all; their ids are appended. */
static bool rebuild_ask(Db *db, GArray *accounts, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t one;
    if (option_account) {
        if (!account_resolve(db, option_account, &one, error))
            return false;
        g_array_append_val(accounts, one);
    } else {
        g_autoptr(GPtrArray) list = account_list(db, false, error);
        if (!list)
            return false;
        for (unsigned i = 0; i < list->len; i++)
            g_array_append_val(accounts, ((Account *)g_ptr_array_index(list, i))->id);
    }
    for (unsigned i = 0; i < accounts->len; i++)
        if (!search_rebuild_task(db, g_array_index(accounts, int64_t, i), error))
            return false;
    return task_notify(db, ROLE, error) && db_commit(db, error) == DB_DONE;
}

static bool rebuild_look(Db *db, const GArray *accounts, int64_t *ret_done, int64_t *ret_all,
                         bool *ret_nodes, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    *ret_done = *ret_all = 0;
    for (unsigned i = 0; i < accounts->len; i++) {
        int64_t done, all;
        if (!search_rebuild_progress(db, g_array_index(accounts, int64_t, i), &done, &all, error))
            return false;
        *ret_done += done;
        *ret_all += all;
    }
    g_autoptr(GPtrArray) members = member_list(db, error);
    *ret_nodes = false;
    for (unsigned i = 0; members && i < members->len; i++)
        *ret_nodes |= ((const MemberRow *)g_ptr_array_index(members, i))->living;
    return members != NULL;
}

static bool run_rebuild(CommandContext *context, Db *db, GError **error)
{
    g_autoptr(GArray) accounts = g_array_new(FALSE, FALSE, sizeof(int64_t));
    if (!rebuild_ask(db, accounts, error))
        return false;
    g_autoptr(UiProgress) progress = ui_progress_new("indexing", 0, context->clock);
    int64_t done = 0, all = 0;
    bool nodes = true;
    while (rebuild_look(db, accounts, &done, &all, &nodes, error)) {
        ui_progress_set_total(progress, all);
        ui_progress_set(progress, done, NULL);
        if (done >= all || !nodes)
            break;
        g_autofree char *word = NULL;
        if (!db_listen(db, WATCH_MS, &word, error))
            return false;
    }
    g_clear_pointer(&progress, ui_progress_free);
    if (error && *error)
        return false;
    if (context->json)
        ui_print_json(json_pack("{s:i, s:I, s:I}", "accounts", (int)accounts->len, "indexed",
                                (json_int_t)done, "messages", (json_int_t)all));
    else if (done < all)
        printf("asked for %u accounts, %" PRId64
               " messages; no node is running: it begins when one does\n",
               accounts->len, all);
    else
        printf("%u accounts, %" PRId64 " messages are indexed anew\n", accounts->len, all);
    return true;
}

static int run(CommandContext *context, int argc, char **argv)
{
    if (!option_rebuild && !option_account)
        return command_misuse(context, "whose mail? -a ADDRESS");
    if (option_rebuild ? argc > 0 : argc == 0)
        return command_misuse(context,
                              option_rebuild ? "--rebuild takes no words" : "which words?");
    if (option_limit < 1 || option_limit > DB_ROWS_FETCH_MAX)
        return command_misuse(context, "--limit is from 1 to %d", DB_ROWS_FETCH_MAX);
    message_library_init(); /* a phrase is verified against the message */
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    int status = EXIT_FINE;
    bool good = db && (option_rebuild ? run_rebuild(context, db, &error)
                                      : run_search(context, db, argc, argv, &status, &error));
    return good ? status : command_fail(error);
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account,
     "the account, by its address or an alias", "ADDRESS"},
    {"limit", 'n', 0, G_OPTION_ARG_INT64, &option_limit, "show the newest N (50)", "N"},
    {"count", 0, 0, G_OPTION_ARG_NONE, &option_count, "print only how many there are", NULL},
    {"rebuild", 0, 0, G_OPTION_ARG_NONE, &option_rebuild,
     "index anew: this account, or all without -a", NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const Command cmd_search = {
    .name = "search",
    .usage = "WORD…",
    .summary = "finds messages of an account, newest first",
    .example = "rota search -a ada@example.org invoice from:bob NOT draft\n"
               "rota search -a ada@example.org '\"annual report\" OR subject:minutes'\n"
               "rota search --rebuild",
    .options = OPTIONS,
    .args_min = 0,
    .args_max = G_MAXUINT,
    .run = run,
};
