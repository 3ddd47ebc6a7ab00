/* limits_imip.h: the limits of invitations by mail, each with its reason.
 */
#ifndef ROTA_BASE_LIMITS_IMIP_H
#define ROTA_BASE_LIMITS_IMIP_H

/* of one CANCEL or REPLY: each may need its series to be expanded, some 5 ms at worst */
#define ITIP_INSTANCES_MAX 200
/* addresses of one account, its own and its aliases, that count as its owner's */
#define IMIP_OWN_MAX 100
/* letters that are read at once and decided in one transaction, a fifth of a millisecond each as a
 * rule; no further one is begun when so much has been read, or so much time is over */
#define IMIP_BATCH_LETTERS 64
#define IMIP_BATCH_BYTES   (8 * 1024 * 1024)
#define IMIP_SLICE_US      50000
/* where as many came at once, more are on their way: they are waited for, for so long, so often */
#define IMIP_GATHER_LETTERS 8
#define IMIP_GATHER_US      20000
#define IMIP_GATHERS_MAX    25
/* of the text/calendar part of a mail: the most that calendar.scheduling.inbound.max-size may be */
#define CALENDAR_PART_BYTES_MAX (4 * 1024 * 1024)
/* of what is shown of an event in the text of a mail, and in its subject */
#define IMIP_TEXT_BYTES_MAX    8000
#define IMIP_SUBJECT_BYTES_MAX 400
/* of the log: a method, an address (RFC 5321: 254), the reason */
#define IMIP_METHOD_BYTES_MAX  40
#define IMIP_ADDRESS_BYTES_MAX 320
#define IMIP_WHY_LETTERS_MAX   400
/* attendees that are named there */
#define IMIP_NAMES_MAX 50

#endif
