/* queue_node.h: what the programs that measure the queue share: a role with an empty handler, a
 * node that has joined, and a worker for a lane.
 *
 * Calling sequence: queue_store_open (migrates), queue_node_join, queue_worker_new …, worker_free,
 * queue_node_leave. What fails ends the program with a message.
 */
#ifndef ROTA_BENCHES_QUEUE_NODE_H
#define ROTA_BENCHES_QUEUE_NODE_H

#include "roster/worker.h"

/* The role of all tasks. Its handler may be replaced before a worker is made. */
extern Role queue_role;
#define QUEUE_ROLE "bench"

/* Another handle on the store; the first call makes the schema. */
Db *queue_store_open(const DbConfig *config);
/* The node, in the thread that calls; the lease outlasts any run, so no heartbeat is needed.
 * `shards`: NULL: one shard of all nodes; or the items of the role's line, NULL at the end. */
Node *queue_node_join(Db *db, int64_t node_id, const char *const *shards);
void queue_node_leave(Node *node);
Worker *queue_worker_new(Node *node, Db *db, unsigned batch, uint64_t seed);
/* Adds the tasks `from` to `to`, `batch` in a transaction; due at once (0) or at `due_at`. */
void queue_enqueue(Db *db, int from, int to, int batch, int64_t due_at);
double queue_seconds_since(int64_t start_us);
G_NORETURN void queue_die(const char *what, const GError *error);

#endif
