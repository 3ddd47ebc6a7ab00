/* command_mail: the common part of `rota mail …`.
 *
 * How it fits: the verbs are model/email's; a person's slips (an unknown mailbox, a number that is
 * gone) are answered here.
 *
 * Failures: the store's; messages that are gone are named, and the exit status is 1. A commit of
 * unknown outcome says that the command may be run again: each verb bears it.
 */
#include "app/command_mail.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "model/mailbox.h"
#include "roster/task.h"

#include "app/command_account.h"
#include "app/ui.h"

#define CHANGE_BATCH_MAX 100 /* messages of one transaction: others' deliveries wait so long */

int mail_home_open(CommandContext *context, const char *address, MailHome *ret)
{
    if (!address)
        return command_misuse(context, "whose mail? -a ADDRESS");
    g_autoptr(GError) error = NULL;
    g_autoptr(Account) account = command_open_account(context, address, &ret->db, &error);
    if (!account)
        return command_fail(error);
    ret->account = account->id;
    ret->address = address;
    return EXIT_FINE;
}

void mail_home_close(MailHome *home)
{
    db_close(home->db);
    home->db = NULL;
}

bool mail_find_folder(const MailHome *home, const char *path, int64_t *ret_id, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (mailbox_by_path(home->db, home->account, path, ret_id, &why))
        return true;
    if (error_kind(why) != ERROR_GONE) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    g_autoptr(GPtrArray) list = mailbox_list(home->db, home->account, error);
    if (!list)
        return false;
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    for (guint i = 0; i < list->len; i++)
        g_ptr_array_add(paths, ((Mailbox *)list->pdata[i])->path);
    const char *nearest = nearest_find(path, (const char *const *)paths->pdata, paths->len);
    if (nearest)
        return fail(error, ERROR_GONE, "%s: did you mean \"%s\"?", why->message, nearest);
    return fail(error, ERROR_GONE, "%s; `rota mail folders -a %s` shows all", why->message,
                home->address);
}

char *mail_compose_path(const char *path)
{
    char *composed = path ? g_utf8_normalize(path, -1, G_NORMALIZE_NFC) : NULL;
    return composed ? composed : g_strdup(path); /* not UTF-8: refused as a path, later */
}

GArray *mail_parse_ids(int count, char **words, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(false, false, sizeof(int64_t));
    for (int i = 0; i < count; i++) {
        guint64 id;
        if (!g_ascii_string_to_unsigned(words[i], 10, 1, G_MAXINT64, &id, NULL)) {
            fail(error, ERROR_REJECT, "\"%s\" is not the number of a message", words[i]);
            return NULL;
        }
        int64_t number = (int64_t)id;
        g_array_append_val(ids, number);
    }
    return g_steal_pointer(&ids);
}

typedef struct {
    const MailHome *home;
    const GArray *ids;
    MailChange change;
    void *data;
    GPtrArray *gone; /* why, of those that are not there */
} Changes;

static bool change_batch(const Changes *changes, guint from, guint until, GError **error)
{
    Db *db = changes->home->db;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    for (guint i = from; i < until; i++) {
        g_autoptr(GError) why = NULL;
        int64_t id = g_array_index(changes->ids, int64_t, i);
        if (changes->change(changes->home, id, changes->data, &why))
            continue;
        if (error_kind(why) != ERROR_GONE) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        g_ptr_array_add(changes->gone, g_strdup(why->message));
    }
    return task_notify(db, NULL, error) && db_commit(db, error) == DB_DONE;
}

int mail_change_all(CommandContext *context, const MailHome *home, const GArray *ids,
                    MailChange change, void *data, const char *result)
{
    guint done = 0, missed = 0;
    for (guint from = 0; from < ids->len; from += CHANGE_BATCH_MAX) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
        Changes changes = {home, ids, change, data, gone};
        guint until = MIN(from + CHANGE_BATCH_MAX, ids->len);
        if (!change_batch(&changes, from, until, &error)) {
            if (done)
                fprintf(stderr, "%u messages were %s before this:\n", done, result);
            int status = command_fail(error);
            if (error_kind(error) == ERROR_UNKNOWN)
                fprintf(stderr, "run it again: what is done already stays as it is\n");
            return status;
        }
        for (guint i = 0; i < gone->len; i++)
            fprintf(stderr, "%s\n", (const char *)gone->pdata[i]);
        missed += gone->len;
        done += until - from - gone->len;
    }
    if (context->json)
        ui_print_json(json_pack("{s:i, s:i}", "done", (int)done, "missed", (int)missed));
    else
        printf("%u %s %s\n", done, done == 1 ? "message was" : "messages were", result);
    return missed ? EXIT_NO : EXIT_FINE;
}
