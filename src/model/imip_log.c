/* imip_log: what was done with invitations that came, and what became of those that were sent, for
 * people.
 *
 * How it fits: `rota imip log` and the admin API show it. The log is the tables of imip_in.c and
 * imip_out.c themselves. Each way has an order of its own, the newest first by the number of its
 * letter, and a page takes from the way whose next is the later one; so a page that follows begins
 * where this one ended in both, whatever has come meanwhile.
 *
 * Failures: the store's; a place that is none: ERROR_REJECT.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "model/invitation.h"

/* Where a page ended: the last letter that was shown of those that came, and the last recipient of
 * those that went. */
typedef struct {
    int64_t email, letter;
    char *recipient;
} Place;

static void place_clear(Place *place)
{
    g_free(place->recipient);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static bool place_parse(const char *text, Place *ret, GError **error)
{
    *ret = (Place){INT64_MAX, INT64_MAX, NULL};
    guint64 email, letter;
    g_auto(GStrv) words = g_strsplit(text ? text : "", ".", 3);
    if (!text || !*text) {
        ret->recipient = g_strdup("");
        return true;
    }
    if (g_strv_length(words) != 3 ||
        !g_ascii_string_to_unsigned(words[0], 10, 0, INT64_MAX, &email, NULL) ||
        !g_ascii_string_to_unsigned(words[1], 10, 0, INT64_MAX, &letter, NULL) ||
        !g_utf8_validate(words[2], -1, NULL))
        return fail(error, ERROR_REJECT, "\"%.40s\" is no place in the log", text);
    *ret = (Place){(int64_t)email, (int64_t)letter, g_strdup(words[2])};
    return true;
}

static void entry_free(gpointer data)
{
    ImipEntry *entry = data;
    g_free(entry->outcome);
    g_free(entry->method);
    g_free(entry->uid);
    g_free(entry->recurrence);
    g_free(entry->who);
    g_free(entry->why);
    g_free(entry);
}

static GPtrArray *read_entries(Db *db, const DbSql *sql, const DbValue *args, bool in,
                               GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    g_autoptr(DbRows) rows = db_query(db, sql, args, in ? 4 : 5, error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        ImipEntry *entry = g_new0(ImipEntry, 1);
        *entry = (ImipEntry){.at = db_rows_int(rows, 0),
                             .email = in ? db_rows_int(rows, 1) : 0,
                             .letter = in ? 0 : db_rows_int(rows, 1),
                             .in = in,
                             .sequence = db_rows_int(rows, 2),
                             .attempts = db_rows_int(rows, 3),
                             .uncertain = db_rows_int(rows, 4),
                             .outcome = g_strdup(db_rows_text(rows, 5)),
                             .method = g_strdup(db_rows_text(rows, 6)),
                             .uid = g_strdup(db_rows_text(rows, 7)),
                             .recurrence = g_strdup(db_rows_text(rows, 8)),
                             .who = g_strdup(db_rows_text(rows, 9)),
                             .why = g_strdup(db_rows_text(rows, 10))};
        g_ptr_array_add(entries, entry);
    }
    return step < 0 ? NULL : g_steal_pointer(&entries);
}

/* The newest of two ways into one page; the place moves to its end. */
static GPtrArray *merge(GPtrArray *in, GPtrArray *out, unsigned limit, Place *place)
{
    GPtrArray *page = g_ptr_array_new_with_free_func(entry_free);
    while (page->len < limit && (in->len || out->len)) {
        const ImipEntry *one = in->len ? in->pdata[0] : NULL;
        const ImipEntry *other = out->len ? out->pdata[0] : NULL;
        bool came = one && (!other || one->at >= other->at);
        ImipEntry *entry = g_ptr_array_steal_index(came ? in : out, 0);
        if (came) {
            place->email = entry->email;
        } else {
            place->letter = entry->letter;
            g_free(place->recipient);
            place->recipient = g_strdup(entry->who);
        }
        g_ptr_array_add(page, entry);
    }
    return page;
}

GPtrArray *imip_log(Db *db, int64_t account, const ImipLogAsk *ask, char **ret_next, GError **error)
{
    static const DbSql came = {
        "SELECT at, email, sequence, 0, 0, CASE WHEN outcome = '' THEN 'waiting' ELSE outcome END,"
        " method, uid, recurrence, sender, why FROM imip_in WHERE account = $1"
        " AND email < $3 AND email > $4 ORDER BY email DESC LIMIT $2",
        NULL};
    static const DbSql went = {
        "SELECT o.at, o.letter, l.sequence, o.attempts, o.uncertain, CASE o.state"
        " WHEN 0 THEN 'waiting' WHEN 1 THEN 'sending' WHEN 2 THEN 'sent' ELSE 'failed' END,"
        " l.method, l.uid, l.recurrence, o.recipient, o.error FROM imip_out o JOIN imip_letter l"
        " ON l.account = o.account AND l.id = o.letter WHERE o.account = $1 AND o.letter <= $3"
        " AND (o.letter < $4 OR o.recipient > $5)"
        " ORDER BY o.letter DESC, o.recipient LIMIT $2",
        NULL};
    g_auto(Place) place = {0};
    if (!place_parse(ask->after, &place, error))
        return NULL;
    bool one = ask->email > 0; /* of a letter that came: nothing went */
    int64_t most = (int64_t)ask->limit + 1;
    int64_t below = one ? MIN(ask->email + 1, place.email) : place.email;
    const DbValue in_args[] = {db_int(account), db_int(most), db_int(below),
                               db_int(one ? ask->email - 1 : 0)};
    const DbValue out_args[] = {db_int(account), db_int(one ? 0 : most), db_int(place.letter),
                                db_int(place.letter), db_text(place.recipient)};
    g_autoptr(GPtrArray) in = read_entries(db, &came, in_args, true, error);
    g_autoptr(GPtrArray) out = in ? read_entries(db, &went, out_args, false, error) : NULL;
    if (!out)
        return NULL;
    GPtrArray *page = merge(in, out, ask->limit, &place);
    if (ret_next)
        *ret_next = in->len || out->len ? g_strdup_printf("%" PRId64 ".%" PRId64 ".%s", place.email,
                                                          place.letter, place.recipient)
                                        : NULL;
    return page;
}
