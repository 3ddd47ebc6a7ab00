/* must.h: the word for our own bugs.
 *
 * MUST(condition) states what the code around it relies on. It is always on, in release builds too:
 * a node that is wrong about itself stops, and its leases free themselves. It is never used for
 * what comes from outside (files, mail, network, settings, the store): that is error.h. What fails
 * prints the condition, file, line and the fields of the current log context (node, role, shard,
 * task, account), then aborts.
 *
 * Thread safety: any thread.
 */
#ifndef ROTA_BASE_MUST_H
#define ROTA_BASE_MUST_H

#include <stdbool.h>

#define MUST(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))

/* Prints and aborts; called by MUST only. */
void must_fail(const char *condition, const char *file, int line) __attribute__((noreturn, cold));

#endif
