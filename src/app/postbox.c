/* postbox: the house behind the LMTP sessions.
 *
 * How it fits: front/lmtp asks it in two words, recipient and deliver; it asks the model. It is the
 * one place where the model's results become the door's (stored_of, a switch without default), and
 * where many sessions become one writer.
 *
 * Group commit without a thread of its own: a session puts its deliveries into the queue; if nobody
 * commits now, it leads: it takes what waits, up to DELIVER_BATCH_MAX, commits it outside the lock,
 * and says so to all; else it waits until its own are done or until it may lead. So one session
 * alone pays no switch of threads, and while one commit is being made durable the next batch
 * gathers.
 *
 * Failures: the store's become "later" for the sender (451, it keeps the message), logged when the
 * store goes and when it comes back, not for each message. A commit of unknown outcome is tried
 * again with the same delivery keys, which give the first result if it had been done; if it stays
 * unknown the sender tries again, and its second try meets the same keys.
 *
 * Known weak point: sessions read accounts through handles of their own kind, of which a few stay
 * open (READERS_KEPT).
 */
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "content/address.h"
#include "content/message_identity.h"
#include "model/account.h"
#include "model/deliver.h"
#include "app/postbox.h"

#define READERS_KEPT                                                                               \
    4 /* idle handles for RCPT; each holds a page cache, and a look-up takes microseconds */
#define UNKNOWN_TRIES 3 /* of a commit whose outcome is not known */

/* What one session waits for; under the postbox' lock. */
typedef struct {
    unsigned left; /* items not done */
} Job;

typedef struct {
    Delivery delivery;
    Delivered delivered;
    Letter letter;     /* the message's, with what the spam filter says of it to this recipient */
    char *key, *trace; /* owned */
    Job *job;
} Item;

struct Postbox {
    DbConfig db;
    const Clock *clock;
    char *host_name;
    SpamScorer *scorer; /* borrowed, NULL: mail is not scored */
    LmtpHouse house;
    atomic_bool store_down;

    GMutex lock;
    _Atomic uint64_t answered[DELIVER_UNKNOWN + 1]; /* by DeliverResult */
    /* shared, under lock */
    GCond changed;
    GQueue waiting;     /* of Item */
    bool led;           /* a session commits now */
    GPtrArray *readers; /* idle handles */
    /* owned by the session that leads */
    Db *writer;
};

/* ---------------------------------------------------------------- the store's state, told once */

static void store_is_down(Postbox *postbox, const GError *error)
{
    if (!atomic_exchange(&postbox->store_down, true))
        log_event(LOG_LEVEL_ERROR, "lmtp.store-down", "mail is refused for now (451): %s",
                  error->message);
}

static void store_is_up(Postbox *postbox)
{
    if (atomic_load(&postbox->store_down) && atomic_exchange(&postbox->store_down, false))
        log_event(LOG_LEVEL_INFO, "lmtp.store-up", "mail is taken again");
}

/* ---------------------------------------------------------------- recipients */

static Db *reader_take(Postbox *postbox, GError **error)
{
    g_mutex_lock(&postbox->lock);
    Db *db = postbox->readers->len > 0
                 ? g_ptr_array_steal_index(postbox->readers, postbox->readers->len - 1)
                 : NULL;
    g_mutex_unlock(&postbox->lock);
    return db ? db : db_open(&postbox->db, error);
}

static void reader_give(Postbox *postbox, Db *db)
{
    g_mutex_lock(&postbox->lock);
    if (postbox->readers->len < READERS_KEPT) {
        g_ptr_array_add(postbox->readers, db);
        db = NULL;
    }
    g_mutex_unlock(&postbox->lock);
    db_close(db);
}

static bool resolve(Postbox *postbox, const char *address, int64_t *ret_account, GError **error)
{
    Db *db = reader_take(postbox, error);
    if (!db)
        return false;
    bool found = db_begin(db, DB_READ, error) && account_resolve(db, address, ret_account, error);
    db_rollback(db);
    reader_give(postbox, db);
    return found;
}

static LmtpRcpt recipient(const char *given, LmtpRecipient *ret, void *data)
{
    Postbox *postbox = data;
    g_autoptr(GError) error = NULL;
    /* RFC 5321 4.5.1: the one address that is written without a domain. */
    bool postmaster = g_ascii_strcasecmp(given, "postmaster") == 0;
    g_autofree char *full =
        postmaster ? g_strdup_printf("%s@%s", given, postbox->host_name) : g_strdup(given);
    g_autoptr(Address) address = address_parse(full, &error);
    if (!address)
        return LMTP_RCPT_UNKNOWN;
    if (resolve(postbox, address->plain, &ret->account, &error)) {
        store_is_up(postbox);
        ret->detail = g_strdup(address->detail);
        return LMTP_RCPT_OK;
    }
    switch (error_kind(error)) {
    case ERROR_GONE:
        store_is_up(postbox);
        return LMTP_RCPT_UNKNOWN;
    case ERROR_RETRY:
    case ERROR_REJECT: /* a damaged store: the sender keeps its message */
    case ERROR_CONFLICT:
    case ERROR_UNKNOWN:
    case ERROR_STOPPED:
        break;
    }
    store_is_down(postbox, error);
    return LMTP_RCPT_RETRY;
}

/* ---------------------------------------------------------------- the group commit */

static LmtpStored stored_of(DeliverResult result)
{
    switch (result) {
    case DELIVER_STORED:
    case DELIVER_DUPLICATE:
        return LMTP_STORED;
    case DELIVER_NO_ACCOUNT:
        return LMTP_NO_ACCOUNT;
    case DELIVER_OVER_QUOTA:
        return LMTP_FULL;
    case DELIVER_NO_MAILBOX: /* none is asked for by its id */
    case DELIVER_RETRY:
    case DELIVER_UNKNOWN:
        break;
    }
    return LMTP_LATER;
}

static bool any_unknown(const Delivered *results, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (results[i].result == DELIVER_UNKNOWN)
            return true;
    return false;
}

/* By the session that leads, without the lock. */
static void commit(Postbox *postbox, const Delivery *deliveries, unsigned count, Delivered *results)
{
    g_autoptr(GError) error = NULL;
    for (unsigned i = 0; i < count; i++)
        results[i] = (Delivered){.result = DELIVER_RETRY};
    if (!postbox->writer)
        postbox->writer = db_open(&postbox->db, &error);
    bool done = postbox->writer != NULL;
    for (unsigned tries = 0; postbox->writer && tries < UNKNOWN_TRIES; tries++) {
        g_clear_error(&error);
        done = deliver_many(postbox->writer, deliveries, count, results, &error);
        if (!any_unknown(results, count))
            break;
    }
    if (done)
        store_is_up(postbox);
    else
        store_is_down(postbox, error);
}

/* Commits what waits. Called and returns with the lock held. */
static void lead(Postbox *postbox)
{
    Item *items[DELIVER_BATCH_MAX];
    Delivery deliveries[DELIVER_BATCH_MAX];
    Delivered results[DELIVER_BATCH_MAX];
    unsigned count = 0;
    for (Item *item; count < DELIVER_BATCH_MAX && (item = g_queue_pop_head(&postbox->waiting));
         count++) {
        items[count] = item;
        deliveries[count] = item->delivery;
    }
    MUST(count > 0 && !postbox->led);
    postbox->led = true;
    g_mutex_unlock(&postbox->lock);
    commit(postbox, deliveries, count, results);
    g_mutex_lock(&postbox->lock);
    for (unsigned i = 0; i < count; i++) {
        items[i]->delivered = results[i];
        items[i]->job->left--;
    }
    postbox->led = false;
    g_cond_broadcast(&postbox->changed);
}

static void post(Postbox *postbox, Item *items, unsigned count)
{
    Job job = {.left = count};
    g_mutex_lock(&postbox->lock);
    for (unsigned i = 0; i < count; i++) {
        items[i].job = &job;
        g_queue_push_tail(&postbox->waiting, &items[i]);
    }
    while (job.left > 0) {
        if (postbox->led)
            g_cond_wait(&postbox->changed, &postbox->lock);
        else
            lead(postbox);
    }
    g_mutex_unlock(&postbox->lock);
}

/* ---------------------------------------------------------------- one message */

/* RFC 5322 date-time in UTC; the C library's names of days depend on the locale. */
static char *format_date(int64_t wall_ms)
{
    static const char days[][4] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(wall_ms / 1000);
    MUST(date);
    return g_strdup_printf(
        "%s, %d %s %d %02d:%02d:%02d +0000", days[g_date_time_get_day_of_week(date) - 1],
        g_date_time_get_day_of_month(date), months[g_date_time_get_month(date) - 1],
        g_date_time_get_year(date), g_date_time_get_hour(date), g_date_time_get_minute(date),
        g_date_time_get_second(date));
}

/* The headers that a delivery adds (RFC 5321 4.4): kept beside the message, whose bytes stay as
 * they came. X-Spam lines above this Received are ours; below it they came with the message. */
static char *format_trace(const Postbox *postbox, const char *from, const char *to,
                          const char *spam_lines)
{
    g_autofree char *date = format_date(clock_wall_ms(postbox->clock));
    return g_strdup_printf("Return-Path: <%s>\r\nDelivered-To: %s\r\n%s"
                           "Received: by %s (rota) with LMTP; %s\r\n",
                           from, to, spam_lines, postbox->host_name, date);
}

static void log_delivery(const Letter *letter, const char *from, const LmtpRecipient *to,
                         const Delivered *delivered)
{
    const char *id = letter->message->message_id;
    switch (delivered->result) {
    case DELIVER_STORED:
        log_event(LOG_LEVEL_INFO, "lmtp.stored",
                  "<%s> from <%s> to <%s> is email %" G_GINT64_FORMAT
                  " of account %" G_GINT64_FORMAT,
                  id, from, to->address, delivered->email, to->account);
        return;
    case DELIVER_DUPLICATE:
        log_event(LOG_LEVEL_INFO, "lmtp.duplicate",
                  "<%s> from <%s> to <%s> came again: it is email %" G_GINT64_FORMAT
                  " of account %" G_GINT64_FORMAT,
                  id, from, to->address, delivered->email, to->account);
        return;
    case DELIVER_NO_ACCOUNT:
        log_event(LOG_LEVEL_WARNING, "lmtp.refused", "<%s> from <%s> to <%s>: the account is gone",
                  id, from, to->address);
        return;
    case DELIVER_OVER_QUOTA:
        log_event(LOG_LEVEL_WARNING, "lmtp.refused", "<%s> from <%s> to <%s>: over quota", id, from,
                  to->address);
        return;
    case DELIVER_NO_MAILBOX:
    case DELIVER_RETRY:
    case DELIVER_UNKNOWN:
        log_event(LOG_LEVEL_WARNING, "lmtp.later",
                  "<%s> from <%s> to <%s>: not stored, the sender shall try again", id, from,
                  to->address);
        return;
    }
}

typedef struct {
    const LmtpMessage *message;
    const Letter *letter;
    const LmtpRecipient *recipients;
    unsigned count;
} Envelope;

/* Fills letter and trace of each recipient's item. */
static void score(const Postbox *postbox, const Envelope *envelope, Item *items)
{
    g_autoptr(SpamAsk) ask =
        postbox->scorer ? spam_scorer_ask(postbox->scorer, envelope->message->bytes,
                                          envelope->message->size, envelope->letter->message)
                        : NULL;
    for (unsigned i = 0; i < envelope->count; i++) {
        const LmtpRecipient *to = &envelope->recipients[i];
        SpamAnswer answer = {.score = -1};
        if (ask)
            answer = spam_ask_answer(ask, to->account);
        items[i].letter = *envelope->letter;
        items[i].letter.spam_score = answer.score;
        items[i].letter.junk = answer.junk;
        items[i].trace = format_trace(postbox, envelope->message->from, to->address,
                                      answer.lines ? answer.lines : "");
        g_free(answer.lines);
    }
}

static void deliver(const LmtpMessage *message, const LmtpRecipient *recipients, unsigned count,
                    LmtpStored *results, void *data)
{
    Postbox *postbox = data;
    const char *from = message->from;
    g_autoptr(Letter) letter = letter_new(message->bytes, message->size);
    g_autofree Item *items = g_new0(Item, count);
    Digest identity = message_identity(message->bytes, message->size);
    score(postbox, &(Envelope){message, letter, recipients, count}, items);
    for (unsigned i = 0; i < count; i++) {
        items[i].key = deliver_key(letter, &identity, recipients[i].address, from);
        items[i].delivery = (Delivery){.letter = &items[i].letter,
                                       .account = recipients[i].account,
                                       .folder = recipients[i].detail,
                                       .key = items[i].key,
                                       .trace = items[i].trace};
    }
    post(postbox, items, count);
    for (unsigned i = 0; i < count; i++) {
        results[i] = stored_of(items[i].delivered.result);
        log_delivery(letter, from, &recipients[i], &items[i].delivered);
        postbox->answered[items[i].delivered.result]++;
        g_free(items[i].key);
        g_free(items[i].trace);
    }
}

/* ---------------------------------------------------------------- life */

static void close_db(void *db)
{
    db_close(db);
}

Postbox *postbox_new(const PostboxConfig *config)
{
    Postbox *postbox = g_new0(Postbox, 1);
    postbox->db = config->db;
    postbox->db.steady = true; /* a delivery looks up by index, however empty the store was */
    postbox->clock = config->clock;
    postbox->host_name = g_strdup(config->host_name);
    postbox->scorer = config->scorer;
    postbox->readers = g_ptr_array_new_with_free_func(close_db);
    g_mutex_init(&postbox->lock);
    g_cond_init(&postbox->changed);
    g_queue_init(&postbox->waiting);
    postbox->house = (LmtpHouse){
        .recipient = recipient,
        .deliver = deliver,
        .data = postbox,
        .host_name = postbox->host_name,
        .message_bytes_max = config->message_bytes_max,
        .starttls = config->starttls,
    };
    return postbox;
}

void postbox_free(Postbox *postbox)
{
    if (!postbox)
        return;
    MUST(g_queue_is_empty(&postbox->waiting) && !postbox->led);
    db_close(postbox->writer);
    g_ptr_array_unref(postbox->readers);
    g_mutex_clear(&postbox->lock);
    g_cond_clear(&postbox->changed);
    g_free(postbox->host_name);
    g_free(postbox);
}

void postbox_counts(const Postbox *postbox, PostboxCounts *ret)
{
    *ret = (PostboxCounts){
        .stored = postbox->answered[DELIVER_STORED],
        .duplicate = postbox->answered[DELIVER_DUPLICATE],
        .no_account = postbox->answered[DELIVER_NO_ACCOUNT],
        .over_quota = postbox->answered[DELIVER_OVER_QUOTA],
        .later = postbox->answered[DELIVER_RETRY] + postbox->answered[DELIVER_UNKNOWN],
    };
}

const LmtpHouse *postbox_house(const Postbox *postbox)
{
    return &postbox->house;
}
