/* member.h: a node's lease: join, renew, give back, look at all.
 *
 * One effective life for a node-id: the incarnation only grows, over the whole cluster, and a
 * transaction fenced with one that has no row any more cannot commit. Lease times are compared by
 * the store's clock alone (rota_now()). A node trusts ITSELF only until its own monotonic clock at
 * the sending of its last confirmed heartbeat + lease − LEASE_MARGIN_MS: past that it starts
 * nothing irreversible. An unknown outcome of a renewal means "not renewed" until the next one is
 * confirmed.
 *
 * Expiry removes the row. Tasks need no release of their own: a task whose owner has no row is free
 * (task.h), so that a node that held a million tasks is taken over as fast as one that held none.
 *
 * Not promised: that two lives never RUN at once, only that one of them can write.
 *
 * Calling sequence: all functions with a Db run inside the caller's transaction; what they mean for
 * the Member counts from member_confirm, after that transaction is DB_DONE: sent = monotonic now →
 * db_begin → member_join | member_renew (…) → db_commit → DB_DONE: member_confirm(sent) A Member
 * belongs to one thread, but for `trusted_until_us` and `incarnation`, which others read (atomic).
 */
#ifndef ROTA_ROSTER_MEMBER_H
#define ROTA_ROSTER_MEMBER_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "db/db.h"
#include "roster/table.h"

typedef struct {
    int64_t node;
    int64_t lease_ms;
    _Atomic int64_t incarnation;      /* 0: not joined */
    _Atomic int64_t trusted_until_us; /* monotonic; 0: no trust */
    char *host;                       /* owned */
    int64_t pid;
    char *version;   /* owned */
    int64_t pending; /* the incarnation that the last join wrote, confirmed or not */
    /* who holds the id, and until when, as the last refused join saw it */
    int64_t rival, rival_lease;
    bool rival_is_dead; /* set by the caller: for a whole lease, by its own monotonic clock, that
                           has not been renewed */
} Member;

/* host and version are copied. */
Member *member_new(int64_t node, int64_t lease_ms, const char *host, int64_t pid,
                   const char *version);
void member_free(Member *member);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Member, member_free)

/* Takes the node's row with a new incarnation. ERROR_CONFLICT: another living incarnation holds the
 * id, and the text says "node 3 is already running on host H, pid P". A row whose lease has run out
 * is taken over; so is one that an earlier join of this Member wrote without hearing of it, and one
 * of a rival that is dead and has the lease that the last refusal saw: after a step back of the
 * store's clock it would run for long. The row carries `table` as this node's proposal. */
bool member_join(Member *member, Db *db, const RoleTable *table, GError **error);

/* What a heartbeat hears: all by one statement, so that an idle node costs the store little. */
typedef struct {
    bool drain, reload; /* an operator wishes it; seen until member_clear_wish */
    int64_t now;        /* store's clock */
    int64_t epoch;      /* of the table in force */
    /* Of the neighbours; after a look, of all. */
    int64_t expired; /* other members whose lease has run out: call member_expire */
    /* After a look; else as nothing. */
    bool
        agreed; /* all members propose the same table, and it is not in force: call adoption_step */
    int64_t fingerprint; /* changes when the set of members that work changes */
    int64_t members;     /* rows, this one too */
} MemberPulse;

/* Renews the lease, and writes `health` (JSON; NULL: as it was). `look`: at all members, which
 * costs as much as there are. ERROR_CONFLICT: the lease was taken: member_forget, then join anew.
 */
bool member_renew(Member *member, Db *db, const char *health, bool look, MemberPulse *ret_pulse,
                  GError **error);
/* Shall a node's heartbeat number `beat` look at all, of `members` (0: not known) that there were
 * at its last look? Of any cluster MEMBER_LOOKS do, within the time of one heartbeat. */
bool member_should_look(const Member *member, int64_t beat, int64_t members);
/* The transaction that was begun at `sent_us` (monotonic) is done. */
void member_confirm(Member *member, int64_t sent_us);
/* Not joined any more. */
void member_forget(Member *member);

bool member_propose(const Member *member, Db *db, const RoleTable *table, GError **error);
bool member_set_state(const Member *member, Db *db, const char *state,
                      GError **error); /* 'up', 'draining' */
bool member_clear_wish(const Member *member, Db *db, GError **error);
/* Gives the lease back and removes the row. */
bool member_leave(const Member *member, Db *db, GError **error);
/* Gives the lease back, and leaves a row that says "drained" for people to see, until the node
 * joins again or a day has passed. */
bool member_leave_drained(const Member *member, Db *db, GError **error);

/* True while it may start something irreversible. Any thread. */
bool member_trusts(const Member *member, const Clock *clock);

/* Removes the rows whose lease has run out; returns how many, -1 on error. `ret_nodes` (may be
 * NULL) gets their ids as int64 appended. */
int member_expire(Db *db, GArray *ret_nodes, GError **error);

typedef struct {
    int64_t node, incarnation, pid, started_at, lease_until;
    char *host, *version, *state, *wish, *proposed_table, *proposed_digest, *health;
    bool living; /* its lease has not run out by the store's clock */
} MemberRow;
/* All members by node, as MemberRow with a free function set; owned by the caller. Inside the
 * caller's transaction. */
GPtrArray *member_list(Db *db, GError **error);
/* An operator's wish for a node: "drain", "reload", "" ; node 0: all. Rows touched, -1 on error.
 * Inside the caller's transaction. */
int64_t member_set_wish(Db *db, int64_t node, const char *wish, GError **error);

#endif
