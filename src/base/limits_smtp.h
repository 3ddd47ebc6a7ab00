/* limits_smtp.h: the limits of mail that we hand to a relay, each with its reason.
 */
#ifndef ROTA_BASE_LIMITS_SMTP_H
#define ROTA_BASE_LIMITS_SMTP_H

/* a relay is the operator's own, and near */
#define SMTP_CONNECT_MS 10000
/* one mail, from the connection to the last answer: a relay that asks others before it answers
 * takes some seconds. Nothing is in flight longer */
#define SMTP_WHOLE_MS 30000
/* of an answer that is kept for people */
#define SMTP_ANSWER_BYTES_MAX 400
/* what was refused for now is tried again after a wait that doubles from the first to the second,
 * and given up after the third: as mail servers do (RFC 5321 section 4.5.4.1), but that nobody
 * needs an invitation after two days */
#define SMTP_RETRY_MIN_MS (60 * 1000)
#define SMTP_RETRY_MAX_MS (2 * 3600 * 1000)
#define SMTP_GIVE_UP_MS   (2 * 24 * 3600 * (int64_t)1000)

#endif
