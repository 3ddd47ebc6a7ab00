/* crash.h: the last words of a process that the system ends for a mistake of ours.
 *
 * After crash_install, SIGSEGV, SIGBUS, SIGFPE and SIGILL print what happened, the fields of the
 * thread's log context (node, role, shard, task, account: base/log.h) and the return addresses on
 * standard error; then the signal takes its course, so that a core file is written where the system
 * writes one. MUST says the same for itself.
 *
 * Once, before threads start. Nothing under ASan and TSan, which have better words.
 */
#ifndef ROTA_BASE_CRASH_H
#define ROTA_BASE_CRASH_H

void crash_install(void);

#endif
