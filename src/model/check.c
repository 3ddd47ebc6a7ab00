/* check: is the store whole?
 *
 * How it fits: `rota store check` and tests; model/ keeps these rules, transaction by transaction,
 * and here they are asked of the rows that are there. Most rules are one statement that gives the
 * rows which break it, as up to three numbers for the text; they run for one account, or for a
 * range of its message ids, so that neither memory nor a snapshot grows with the store.
 *
 * Failures: the store's own, which end the check; a damaged row is a finding, not a failure.
 * Known weak point: what one damaged page makes unreadable is reported by the rule "file" alone;
 * the others then end with the store's error.
 */
#include "model/check.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/blob.h"

#define IDS_AT_ONCE      10000 /* message ids of one statement */
#define ACCOUNTS_AT_ONCE 1000
#define ALIASES_AT_ONCE  1000
#define BLOBS_AT_ONCE    500

typedef struct {
    const char *name;
    DbSql sql;        /* gives the rows that break the rule, as up to three numbers */
    const char *text; /* with a place for each number */
} Rule;

/* $1: the account */
static const Rule account_rules[] = {
    {"account-messages",
     {"SELECT says, is_so, 0 FROM (SELECT used_messages AS says,"
      " (SELECT count(*) FROM email WHERE account = $1) AS is_so"
      " FROM account WHERE id = $1) AS x WHERE says <> is_so",
      NULL},
     "the account counts %" PRId64 " messages, there are %" PRId64},
    {"account-bytes",
     {"SELECT says, is_so, 0 FROM (SELECT used_bytes AS says,"
      " (SELECT coalesce(sum(size), 0) FROM email WHERE account = $1)"
      " + (SELECT coalesce(sum(size), 0) FROM calendar_object WHERE account = $1) AS is_so"
      " FROM account WHERE id = $1) AS x WHERE says <> is_so",
      NULL},
     "the account counts %" PRId64 " bytes, its messages and events have %" PRId64},
    {"mailbox-total",
     {"SELECT id, says, is_so FROM (SELECT b.id AS id, b.total AS says,"
      " (SELECT count(*) FROM email_mailbox m WHERE m.account = $1 AND m.mailbox = b.id) AS is_so"
      " FROM mailbox b WHERE b.account = $1) AS x WHERE says <> is_so ORDER BY id",
      NULL},
     "mailbox %" PRId64 " counts %" PRId64 " messages, there are %" PRId64},
    {"mailbox-unread",
     {"SELECT id, says, is_so FROM (SELECT b.id AS id, b.unread AS says,"
      " (SELECT count(*) FROM email_mailbox m JOIN email e"
      " ON e.account = m.account AND e.id = m.email"
      " WHERE m.account = $1 AND m.mailbox = b.id AND e.keywords NOT LIKE '% $seen %'"
      " AND e.keywords NOT LIKE '% $draft %') AS is_so"
      " FROM mailbox b WHERE b.account = $1) AS x WHERE says <> is_so ORDER BY id",
      NULL},
     "mailbox %" PRId64 " counts %" PRId64 " unread messages, there are %" PRId64},
    {"mailbox-parent",
     {"SELECT b.id, b.parent, 0 FROM mailbox b WHERE b.account = $1 AND b.parent <> 0 AND NOT "
      "EXISTS"
      " (SELECT 1 FROM mailbox p WHERE p.account = $1 AND p.id = b.parent) ORDER BY b.id",
      NULL},
     "mailbox %" PRId64 " is in mailbox %" PRId64 ", which is not there"},
    {"change-gap",
     {"SELECT change_floor, change_seq, is_so FROM (SELECT change_floor, change_seq,"
      " (SELECT count(*) FROM change c WHERE c.account = $1 AND c.seq > a.change_floor) AS is_so"
      " FROM account a WHERE a.id = $1) AS x WHERE change_seq - change_floor <> is_so",
      NULL},
     "the change log goes from %" PRId64 " to %" PRId64 ", but has %" PRId64 " rows"},
    {"account-subscribers",
     {"SELECT says, is_so, 0 FROM (SELECT subscribers AS says,"
      " (SELECT count(*) FROM push_subscription WHERE account = $1) AS is_so"
      " FROM account WHERE id = $1) AS x WHERE says <> is_so",
      NULL},
     "the account counts %" PRId64 " push subscriptions, there are %" PRId64},
    {"event-calendar",
     {"SELECT e.id, e.calendar, 0 FROM calendar_object e WHERE e.account = $1 AND NOT EXISTS"
      " (SELECT 1 FROM calendar c WHERE c.account = $1 AND c.id = e.calendar) ORDER BY e.id",
      NULL},
     "event %" PRId64 " is in calendar %" PRId64 ", which is not there"},
    {"invitation-letter",
     {"SELECT o.letter, 0, 0 FROM imip_out o WHERE o.account = $1 AND NOT EXISTS (SELECT 1"
      " FROM imip_letter l WHERE l.account = $1 AND l.id = o.letter) ORDER BY o.letter",
      NULL},
     "invitation %" PRId64 " has recipients, and is not there"},
    {"next-id",
     {"SELECT next_email, newest, 0 FROM (SELECT next_email,"
      " (SELECT coalesce(max(id), 0) FROM email WHERE account = $1) AS newest"
      " FROM account WHERE id = $1) AS x WHERE next_email <= newest"
      " UNION ALL SELECT next_mailbox, newest, 0 FROM (SELECT next_mailbox,"
      " (SELECT coalesce(max(id), 0) FROM mailbox WHERE account = $1) AS newest"
      " FROM account WHERE id = $1) AS y WHERE next_mailbox <= newest",
      NULL},
     "the next id is %" PRId64 ", but %" PRId64 " is in use"},
};

/* $1: the account; message ids from $2 to below $3 */
static const Rule range_rules[] = {
    {"email-blob",
     {"SELECT e.id, 0, 0 FROM email e WHERE e.account = $1 AND e.id >= $2 AND e.id < $3"
      " AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.digest = e.blob) ORDER BY e.id",
      NULL},
     "message %" PRId64 " has lost its bytes"},
    {"email-mailbox",
     {"SELECT e.id, 0, 0 FROM email e WHERE e.account = $1 AND e.id >= $2 AND e.id < $3 AND NOT"
      " EXISTS (SELECT 1 FROM email_mailbox m WHERE m.account = e.account AND m.email = e.id)"
      " ORDER BY e.id",
      NULL},
     "message %" PRId64 " is in no mailbox"},
    {"place-email",
     {"SELECT m.mailbox, m.email, 0 FROM email_mailbox m WHERE m.account = $1 AND m.email >= $2"
      " AND m.email < $3 AND NOT EXISTS (SELECT 1 FROM email e WHERE e.account = m.account"
      " AND e.id = m.email) ORDER BY m.email, m.mailbox",
      NULL},
     "mailbox %" PRId64 " holds message %" PRId64 ", which is not there"},
    {"place-mailbox",
     {"SELECT m.email, m.mailbox, 0 FROM email_mailbox m WHERE m.account = $1 AND m.email >= $2"
      " AND m.email < $3 AND NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = m.account"
      " AND b.id = m.mailbox) ORDER BY m.email, m.mailbox",
      NULL},
     "message %" PRId64 " is in mailbox %" PRId64 ", which is not there"},
};

/* The next account that has rows after $1; it must be one that is there. */
static const Rule orphan_rules[] = {
    {"orphan-email", {"SELECT min(account) FROM email WHERE account > $1", NULL}, "messages"},
    {"orphan-mailbox", {"SELECT min(account) FROM mailbox WHERE account > $1", NULL}, "mailboxes"},
    {"orphan-place", {"SELECT min(account) FROM email_mailbox WHERE account > $1", NULL}, "places"},
    {"orphan-event",
     {"SELECT min(account) FROM calendar_object WHERE account > $1", NULL},
     "events"},
    {"orphan-calendar",
     {"SELECT min(account) FROM calendar WHERE account > $1", NULL},
     "calendars"},
    {"orphan-invitation",
     {"SELECT min(account) FROM imip_in WHERE account > $1", NULL},
     "invitations"},
    {"orphan-letter",
     {"SELECT min(account) FROM imip_letter WHERE account > $1", NULL},
     "invitations sent"},
    {"orphan-subscription",
     {"SELECT min(account) FROM push_subscription WHERE account > $1", NULL},
     "push subscriptions"},
    {"orphan-upload", {"SELECT min(account) FROM upload WHERE account > $1", NULL}, "uploads"},
    {"orphan-change", {"SELECT min(account) FROM change WHERE account > $1", NULL}, "changes"},
};

static const DbSql check_file = {"PRAGMA integrity_check(100)", "SELECT 'ok'"};
static const DbSql next_accounts = {
    "SELECT id, next_email FROM account WHERE id > $1 ORDER BY id LIMIT $2", NULL};
static const DbSql account_there = {"SELECT 1 FROM account WHERE id = $1", NULL};
static const DbSql next_aliases = {
    "SELECT a.address, a.account, o.id IS NULL, o.deleted_at FROM alias a LEFT JOIN account o"
    " ON o.id = a.account WHERE a.address > $1 ORDER BY a.address LIMIT $2",
    NULL};
static const DbSql next_blobs = {
    "SELECT b.digest, EXISTS (SELECT 1 FROM email e WHERE e.blob = b.digest)"
    " OR EXISTS (SELECT 1 FROM blob_loose l WHERE l.digest = b.digest)"
    " OR EXISTS (SELECT 1 FROM upload u WHERE u.blob = b.digest)"
    " FROM blob b WHERE b.digest > $1 ORDER BY b.digest LIMIT $2",
    NULL};
static const DbSql count_tasks = {"SELECT count(*) FROM task WHERE bucket = $1", NULL};
static const DbSql bad_tasks = {
    "SELECT bucket, role, key FROM task WHERE bucket = $1 AND (role = '' OR key = ''"
    " OR length(key) > $2 OR due_at < 0 OR version < 1 OR owner < 0 OR generation < 0"
    " OR attempts < 0 OR deaths < 0) ORDER BY role, key",
    NULL};
static const DbSql lost_tasks = {"SELECT bucket, role, key FROM task WHERE bucket < 0 OR bucket >= "
                                 "$1 ORDER BY bucket, role, key",
                                 NULL};

typedef struct {
    Db *db;
    const CheckWatch *watch;
    CheckResult *result;
    GError **error;
} Check;

static void found(Check *check, const char *rule, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void found(Check *check, const char *rule, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    check->result->findings++;
    check->watch->found(rule, text, check->watch->data);
}

static void moved(Check *check, const char *what, int64_t done)
{
    if (check->watch->moved)
        check->watch->moved(what, done, check->watch->data);
}

/* The text of a rule with its numbers. The formats are the constants above: %PRId64 and no other.
 */
static char *fill(const char *format, const int64_t numbers[3])
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) parts = g_strsplit(format, "%" PRId64, -1);
    for (unsigned i = 0; parts[i]; i++) {
        if (i > 0 && i <= 3)
            g_string_append_printf(text, "%" PRId64, numbers[i - 1]);
        g_string_append(text, parts[i]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static bool run_rule(Check *check, const Rule *rule, const DbValue *args, unsigned count)
{
    g_autoptr(DbRows) rows = db_query(check->db, &rule->sql, args, count, check->error);
    if (!rows)
        return false;
    int step;
    while ((step = db_rows_next(rows, check->error)) == 1) {
        int64_t numbers[3];
        for (unsigned i = 0; i < 3; i++)
            numbers[i] = db_rows_int(rows, i);
        g_autofree char *text = fill(rule->text, numbers);
        found(check, rule->name, "account %" PRId64 ": %s", args[0].integer, text);
    }
    return step == 0;
}

static bool check_account(Check *check, int64_t account, int64_t next_email)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(account_rules); i++) {
        if (!run_rule(check, &account_rules[i], DB_ARGS(db_int(account))))
            return false;
    }
    for (int64_t from = 0; from < next_email; from += IDS_AT_ONCE) {
        bool last = next_email - from <= IDS_AT_ONCE; /* and whatever is beyond */
        int64_t to = last ? INT64_MAX : from + IDS_AT_ONCE;
        for (unsigned i = 0; i < G_N_ELEMENTS(range_rules); i++) {
            if (!run_rule(check, &range_rules[i],
                          DB_ARGS(db_int(account), db_int(from), db_int(to))))
                return false;
        }
    }
    check->result->accounts++;
    moved(check, "accounts", check->result->accounts);
    return true;
}

/* One page of accounts after *cursor. 1: there may be more, 0: the end, -1: an error. */
static int check_accounts_page(Check *check, int64_t *cursor)
{
    g_autoptr(GArray) page = g_array_new(false, false, sizeof(int64_t) * 2);
    g_autoptr(DbRows) rows =
        db_query(check->db, &next_accounts, DB_ARGS(db_int(*cursor), db_int(ACCOUNTS_AT_ONCE)),
                 check->error);
    if (!rows)
        return -1;
    int step;
    while ((step = db_rows_next(rows, check->error)) == 1) {
        int64_t pair[2] = {db_rows_int(rows, 0), db_rows_int(rows, 1)};
        g_array_append_vals(page, pair, 1);
    }
    if (step < 0)
        return -1;
    g_clear_pointer(&rows, db_rows_free);
    for (unsigned i = 0; i < page->len; i++) {
        const int64_t *pair = (const int64_t *)(const void *)page->data + (size_t)i * 2;
        if (!check_account(check, pair[0], pair[1]))
            return -1;
        *cursor = pair[0];
    }
    return page->len == ACCOUNTS_AT_ONCE;
}

static int check_orphans_step(Check *check, const Rule *rule, int64_t *cursor)
{
    int64_t account = 0, there = 0;
    int step =
        db_query_int(check->db, &rule->sql, DB_ARGS(db_int(*cursor)), &account, check->error);
    if (step <= 0)
        return step;
    if (db_query_int(check->db, &account_there, DB_ARGS(db_int(account)), &there, check->error) < 0)
        return -1;
    if (!there)
        found(check, rule->name, "account %" PRId64 ": is not there, but has %s", account,
              rule->text);
    *cursor = account;
    return 1;
}

static int check_aliases_page(Check *check, char **cursor)
{
    g_autoptr(DbRows) rows = db_query(
        check->db, &next_aliases, DB_ARGS(db_text(*cursor), db_int(ALIASES_AT_ONCE)), check->error);
    if (!rows)
        return -1;
    int step;
    unsigned count = 0;
    g_autofree char *last = NULL;
    while ((step = db_rows_next(rows, check->error)) == 1) {
        g_free(last);
        last = g_strdup(db_rows_text(rows, 0));
        if (db_rows_int(rows, 2))
            found(check, "alias",
                  "address \"%s\": leads to account %" PRId64 ", which is not there", last,
                  db_rows_int(rows, 1));
        else if (db_rows_int(rows, 3))
            found(check, "alias", "address \"%s\": leads to account %" PRId64 ", which is deleted",
                  last, db_rows_int(rows, 1));
        count++;
    }
    check->result->aliases += count;
    if (last) {
        g_free(*cursor);
        *cursor = g_steal_pointer(&last);
    }
    return step < 0 ? -1 : count == ALIASES_AT_ONCE;
}

/* Whether a blob's bytes have its digest. */
static bool check_bytes(Check *check, const Digest *digest)
{
    g_autoptr(GError) trouble = NULL;
    g_autoptr(GBytes) bytes = blob_get(check->db, digest, &trouble);
    if (bytes || error_kind(trouble) == ERROR_GONE) /* purged meanwhile */
        return true;
    if (error_kind(trouble) != ERROR_REJECT) {
        g_propagate_error(check->error, g_steal_pointer(&trouble));
        return false;
    }
    g_autofree char *name = digest_format(digest);
    found(check, "blob-bytes", "blob %s: %s", name, trouble->message);
    return true;
}

static int check_blobs_page(Check *check, bool deep, GByteArray *cursor)
{
    g_autoptr(GArray) page = g_array_new(false, false, sizeof(Digest));
    g_autoptr(DbRows) rows =
        db_query(check->db, &next_blobs,
                 DB_ARGS(db_bytes(cursor->data, cursor->len), db_int(BLOBS_AT_ONCE)), check->error);
    if (!rows)
        return -1;
    int step;
    unsigned count = 0;
    g_autoptr(GByteArray) last = g_byte_array_new();
    while ((step = db_rows_next(rows, check->error)) == 1) {
        size_t size = 0;
        const void *bytes = db_rows_bytes(rows, 0, &size);
        g_byte_array_set_size(last, 0);
        g_byte_array_append(last, bytes, (guint)size);
        count++;
        Digest digest = {{0}};
        if (size != DIGEST_BYTES) {
            found(check, "blob-digest", "a blob's digest has %zu bytes", size);
            continue;
        }
        memcpy(digest.bytes, bytes, DIGEST_BYTES);
        g_array_append_val(page, digest);
        g_autofree char *name = digest_format(&digest);
        if (!db_rows_int(rows, 1))
            found(check, "blob-lost", "blob %s: nothing links to it, and the purge does not know",
                  name);
    }
    if (step < 0)
        return -1;
    g_clear_pointer(&rows, db_rows_free);
    for (unsigned i = 0; deep && i < page->len; i++) {
        if (!check_bytes(check, &g_array_index(page, Digest, i)))
            return -1;
    }
    check->result->blobs += count;
    moved(check, "blobs", check->result->blobs);
    if (last->len > 0) {
        g_byte_array_set_size(cursor, 0);
        g_byte_array_append(cursor, last->data, last->len);
    }
    return count == BLOBS_AT_ONCE;
}

static bool report_tasks(Check *check, const DbSql *sql, const DbValue *args, unsigned count)
{
    g_autoptr(DbRows) rows = db_query(check->db, sql, args, count, check->error);
    int step = rows ? 1 : -1;
    while (step == 1 && (step = db_rows_next(rows, check->error)) == 1)
        found(check, "task", "task \"%s\" of role \"%s\" in bucket %" PRId64 " is not well-formed",
              db_rows_text(rows, 2), db_rows_text(rows, 1), db_rows_int(rows, 0));
    return step == 0;
}

static bool check_tasks(Check *check)
{
    if (!report_tasks(check, &lost_tasks, DB_ARGS(db_int(BUCKETS))))
        return false;
    for (int64_t bucket = 0; bucket < BUCKETS; bucket++) {
        int64_t tasks = 0;
        if (db_query_int(check->db, &count_tasks, DB_ARGS(db_int(bucket)), &tasks, check->error) <
            0)
            return false;
        check->result->tasks += tasks;
        if (tasks > 0 &&
            !report_tasks(check, &bad_tasks, DB_ARGS(db_int(bucket), db_int(TASK_KEY_BYTES_MAX))))
            return false;
    }
    return true;
}

static bool check_pages(Check *check)
{
    g_autoptr(DbRows) rows = db_query(check->db, &check_file, DB_NO_ARGS, check->error);
    int step = rows ? 1 : -1;
    while (step == 1 && (step = db_rows_next(rows, check->error)) == 1) {
        const char *text = db_rows_text(rows, 0);
        if (strcmp(text, "ok") != 0)
            found(check, "file", "%s", text);
    }
    return step == 0;
}

/* The parts of the check, each in snapshots of its own. */
typedef struct {
    int64_t account;
    char *address;
    GByteArray *digest;
    unsigned orphan_rule;
    bool deep;
} Cursors;

typedef int (*Part)(Check *check, Cursors *at);

static int part_file(Check *check, Cursors *at)
{
    (void)at;
    return check_pages(check) ? 0 : -1;
}

static int part_accounts(Check *check, Cursors *at)
{
    int more = check_accounts_page(check, &at->account);
    if (more == 0)
        at->account = INT64_MIN; /* for the orphans */
    return more;
}

static int part_orphans(Check *check, Cursors *at)
{
    for (unsigned i = 0; i < ACCOUNTS_AT_ONCE; i++) {
        int more = check_orphans_step(check, &orphan_rules[at->orphan_rule], &at->account);
        if (more < 0)
            return -1;
        if (more == 0) {
            at->account = INT64_MIN;
            return ++at->orphan_rule < G_N_ELEMENTS(orphan_rules);
        }
    }
    return 1;
}

static int part_aliases(Check *check, Cursors *at)
{
    return check_aliases_page(check, &at->address);
}

static int part_blobs(Check *check, Cursors *at)
{
    return check_blobs_page(check, at->deep, at->digest);
}

static int part_tasks(Check *check, Cursors *at)
{
    (void)at;
    return check_tasks(check) ? 0 : -1;
}

bool check_store(Db *db, bool deep, const CheckWatch *watch, CheckResult *ret, GError **error)
{
    static const Part parts[] = {part_file,    part_accounts, part_orphans,
                                 part_aliases, part_blobs,    part_tasks};
    CheckResult result = {0};
    g_autoptr(GByteArray) digest = g_byte_array_new();
    Cursors at = {.account = INT64_MIN, .address = g_strdup(""), .digest = digest, .deep = deep};
    Check check = {.db = db, .watch = watch, .result = &result, .error = error};
    int more = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(parts) && more >= 0; i++) {
        do {
            if (!db_begin(db, DB_READ, error))
                more = -1;
            else
                more = parts[i](&check, &at);
            db_rollback(db); /* it has only read */
        } while (more > 0);
    }
    g_free(at.address);
    if (more == 0)
        *ret = result;
    return more == 0;
}
