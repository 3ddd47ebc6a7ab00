/* child_private.h: what a Child and its guard say to each other, for child.c and child_guard.c
 * alone.
 */
#ifndef ROTA_BASE_CHILD_PRIVATE_H
#define ROTA_BASE_CHILD_PRIVATE_H

#include <stdint.h>

#define GUARD_WORD "--guard" /* argv[1] of a guard; then until_us, directory, the command */
#define GUARD_FD   3         /* its end of the socket */
/* For the command to heed SIGTERM when nobody may wait: with it and LEASE_MARGIN_MS a command is
 * gone before its tasks can be claimed elsewhere. */
#define CHILD_SHORT_MS 200

typedef enum {
    /* to the guard */
    GUARD_ALLOW, /* value: until, monotonic µs */
    GUARD_STOP,  /* value: grace in ms */
    /* from the guard */
    GUARD_STARTED, /* value: pid of the command */
    GUARD_FAILED,  /* value: a ChildEndKind * 1000 + errno; by the command's process before exec */
    GUARD_ENDED,   /* value: ChildEndKind; status, late, left, surviving */
} GuardVerb;

typedef struct {
    int32_t verb;
    int32_t status;
    int64_t value;
    uint8_t late, left, surviving, unused[5];
} GuardMessage;

#endif
