/* imip_in: letters with an invitation that wait, and the log of what was decided about them.
 *
 * How it fits: model/deliver.c adds rows, duty/imip_processing.c decides them, imip_log.c
 * shows them. The log is also the memory of what came last from whom, so that an older message
 * that comes late is known as such.
 *
 * Failures: the store's.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "base/limits_imip.h"
#include "base/text.h"
#include "db/set.h"
#include "model/invitation.h"

GPtrArray *imip_addresses(Db *db, int64_t account, GError **error)
{
    static const DbSql sql = {
        "SELECT a.address, 0 FROM account a WHERE a.id = $1 UNION ALL"
        " SELECT address, 1 FROM (SELECT address FROM alias WHERE account = $1"
        " ORDER BY address LIMIT $2) AS x ORDER BY 2, 1",
        NULL};
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_int(IMIP_OWN_MAX)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        char *address = icalendar_address(db_rows_text(rows, 0));
        if (all->len && strcmp(all->pdata[0], address) == 0)
            g_free(address);
        else
            g_ptr_array_add(all, address);
    }
    return step < 0 ? NULL : g_steal_pointer(&all);
}

bool imip_in_add_many(Db *db, const ImipArrival *arrivals, unsigned count, GError **error)
{
    static const DbSql sql = {
        "INSERT INTO imip_in (account, email, at, outcome, method, uid, recurrence, sequence,"
        " stamp, sender, why) VALUES ($1, $2, rota_now(), '', '', '', '', 0, 0, '', '')",
        NULL};
    g_autofree DbValue *args = g_new(DbValue, 2 * (size_t)count);
    for (unsigned i = 0; i < count; i++) {
        args[2 * i] = db_int(arrivals[i].account);
        args[2 * i + 1] = db_int(arrivals[i].email);
    }
    return count == 0 || db_exec_later(db, &sql, args, 2, count, error);
}

GArray *imip_in_waiting(Db *db, int64_t account, unsigned limit, GError **error)
{
    /* The index has what waits alone; SQLite would walk the whole log of the account. */
    static const DbSql sql = {"SELECT email FROM imip_in INDEXED BY imip_in_waiting"
                              " WHERE account = $1 AND outcome = '' ORDER BY email LIMIT $2",
                              "SELECT email FROM imip_in WHERE account = $1 AND outcome = ''"
                              " ORDER BY email LIMIT $2"};
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(limit)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t email = db_rows_int(rows, 0);
        g_array_append_val(all, email);
    }
    return step < 0 ? NULL : g_steal_pointer(&all);
}

/* Valid text of at most so many bytes; the caller's. */
static char *cut(const char *text, size_t most)
{
    char *valid = g_utf8_make_valid(text ? text : "", -1);
    size_t size = strlen(valid);
    if (size > most) {
        size = most;
        while (size && (valid[size] & 0xC0) == 0x80)
            size--;
        valid[size] = '\0';
    }
    return valid;
}

bool imip_in_decide(Db *db, const ImipArrival *arrival, const ImipDecided *decided, bool *ret_ours,
                    GError **error)
{
    static const DbSql sql = {
        "UPDATE imip_in SET at = rota_now(), outcome = $3, method = $4, uid = $5, recurrence = $6,"
        " sequence = $7, stamp = $8, sender = $9, why = $10"
        " WHERE account = $1 AND email = $2 AND outcome = ''",
        NULL};
    g_autofree char *method = cut(decided->method, IMIP_METHOD_BYTES_MAX);
    g_autofree char *uid = cut(decided->uid, CALENDAR_TEXT_BYTES_MAX);
    g_autofree char *sender = cut(decided->sender, IMIP_ADDRESS_BYTES_MAX);
    g_autofree char *why = text_cut(decided->why, IMIP_WHY_LETTERS_MAX);
    int64_t changed =
        db_exec(db, &sql,
                DB_ARGS(db_int(arrival->account), db_int(arrival->email),
                        db_text(itip_outcome_name(decided->outcome)), db_text(method), db_text(uid),
                        db_text(decided->recurrence), db_int(decided->sequence),
                        db_int(decided->stamp), db_text(sender), db_text(why)),
                error);
    *ret_ours = changed > 0;
    return changed >= 0;
}

#define NEWEST                                                                                     \
    " WHERE account = $1 AND uid = $2 AND sender = $3 AND recurrence = $4"                         \
    " AND outcome <> '' AND outcome NOT IN ('ignored', 'refused', 'noted')"                        \
    " ORDER BY sequence DESC, stamp DESC LIMIT 1"
bool imip_in_seen(Db *db, int64_t account, const ImipDecided *of, ItipSeen *ret, GError **error)
{
    static const DbSql sql = {"SELECT sequence, stamp FROM imip_in INDEXED BY imip_in_uid" NEWEST,
                              "SELECT sequence, stamp FROM imip_in" NEWEST};
    g_autofree char *uid = cut(of->uid, CALENDAR_TEXT_BYTES_MAX);
    g_autofree char *sender = cut(of->sender, IMIP_ADDRESS_BYTES_MAX);
    g_autoptr(DbRows) rows = db_query(
        db, &sql, DB_ARGS(db_int(account), db_text(uid), db_text(sender), db_text(of->recurrence)),
        error);
    int step = rows ? db_rows_next(rows, error) : -1;
    *ret = (ItipSeen){0, 0};
    if (step > 0)
        *ret = (ItipSeen){db_rows_int(rows, 0), db_rows_int(rows, 1)};
    return step >= 0;
}
