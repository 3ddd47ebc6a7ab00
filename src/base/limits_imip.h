/* limits_imip.h: the limits of invitations by mail, each with its reason.
 */
#ifndef ROTA_BASE_LIMITS_IMIP_H
#define ROTA_BASE_LIMITS_IMIP_H

/* of one CANCEL or REPLY: each may need its series to be expanded, some 5 ms at worst */
#define ITIP_INSTANCES_MAX 200
/* addresses of one account, its own and its aliases, that count as its owner's */
#define IMIP_OWN_MAX 100
/* letters that one transaction decides on: a millisecond or two each */
#define IMIP_BATCH_LETTERS 16
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
