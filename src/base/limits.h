/* limits.h: every limit has a name and a reason.
 *
 * What can be set by an operator has its default here and its range in app/settings.
 */
#ifndef ROTA_BASE_LIMITS_H
#define ROTA_BASE_LIMITS_H

/* settings */
/* a role table of 2^31 nodes in ranges is short; more is a wrong file */
#define SETTINGS_BYTES_MAX (4 * 1024 * 1024)
/* nested arrays and tables; recursion must end before the stack does */
#define SETTINGS_DEPTH_MAX 64
/* problems that one check prints; a wrong file has thousands */
#define SETTINGS_PROBLEMS_MAX 200

/* roster */
/* slots of the key space; durable, never changes */
#define BUCKETS 1024
/* a shard owns whole buckets, so more would be empty */
#define SHARDS_MAX  BUCKETS
#define NODE_ID_MAX 2147483647 /* what operators' tools hold in 32 bits */
/* items in one shard; ranges make more needless */
#define SHARD_RANGES_MAX 4096
#define LEASE_MS         6000
#define HEARTBEAT_MS     2000
#define MEMBER_LOOKS     8 /* nodes that look at all members in one heartbeat's time */
/* what a node gives away of its lease for clock drift and scheduling */
#define LEASE_MARGIN_MS 500
/* what a stop waits for running tasks by default; init systems kill after 90 s */
#define NODE_STOP_MS   10000
#define TASK_BATCH_MAX 1000
/* lanes of one node, see task_claim; more threads than any machine uses well */
#define TASK_LANES_MAX         1024
#define TASK_KEY_BYTES_MAX     255
#define TASK_PAYLOAD_BYTES_MAX 1024 /* a few ids, never content */
#define TASK_ERROR_BYTES_MAX   2048 /* of an error's end, kept with the task */
/* from here it runs alone: one death may be any of a batch */
#define TASK_DEATHS_SUSPECT 2
/* incarnations that died with a task before it counts as poison */
#define TASK_DEATHS_MAX 3
/* roles of the operator's own: their lanes and the ten's are below TASK_LANES_MAX */
#define CUSTOM_ROLES_MAX     20
#define CUSTOM_LANES_MAX     16
#define CUSTOM_WORDS_MAX     256 /* of a command, of its environment */
#define CUSTOM_PAGE_ACCOUNTS 500 /* that one transaction enqueues tasks for */
/* a report counts so far, a few milliseconds; then it says "at least" */
#define REPORT_COUNT_MAX 10000
#define REPORT_TASKS_MAX 10000 /* of one list: more than a person reads */
#define LOAD_REPORT_DAYS 3     /* whose loads count for `rota plan` and `rota audit` */
#define LOAD_TOPS_MAX    100   /* hot keys that are looked at; of all shards */
#define LOAD_KEYS        8  /* of a shard, told apart between heartbeats; a fifth of it is found */
#define LOAD_KEY_BYTES   24 /* an account's number has 20 digits at most */

/* of cluster.name: what fits a line of a message */
#define CLUSTER_NAME_BYTES_MAX 100
/* a node's clock that is further from the store's is said to be wrong; NTP keeps it far below */
#define CLOCK_OFF_MS 5000
/* between attempts to reach the store, of one process; the longest leaves a lease several */
#define CONNECT_PAUSE_MIN_MS 100
#define CONNECT_PAUSE_MAX_MS 1000

/* mail */
/* default of lmtp.max-message-size; Postfix' own default is 10 MB */
#define MESSAGE_BYTES_MAX (50 * 1024 * 1024)
#define MESSAGE_PARTS_MAX 1000
#define MESSAGE_DEPTH_MAX 32
/* of a Message-ID, as a row holds it: RFC 5322's line; PostgreSQL's index bears 2,704 */
#define MESSAGE_ID_BYTES_MAX     998
#define MESSAGE_HEADER_BYTES_MAX (256 * 1024)
/* text taken for search and spam from one message */
#define MESSAGE_TEXT_BYTES_MAX (4 * 1024 * 1024)
/* of one message, with what a store adds; a tsvector holds 1 MB */
#define WORDS_TERMS_BYTES_MAX 1000000
/* one write transaction of the index: about 30 ms, which a delivery may have to wait */
#define INDEX_BATCH_MESSAGES 400
/* of it, if a delivery waits; in a flood of mail one such slice each WRITER_YIELD_MS */
#define INDEX_SLICE_US    5000
#define INDEX_BATCH_BYTES (16 * 1024 * 1024)
/* read at once; most are of messages that need no bytes read */
#define INDEX_CHANGES_MAX      1000
#define QUERY_BYTES_MAX        4096 /* a query is typed by a person */
#define QUERY_NODES_MAX        256
#define QUERY_DEPTH_MAX        32
#define ADDRESS_BYTES_MAX      320 /* RFC 5321: 64 + 1 + 255 */
#define MAILBOX_NAME_BYTES_MAX 255
#define KEYWORDS_MAX           64
#define KEYWORD_BYTES_MAX      128
/* a command line; RFC 5321 asks for 512, SMTPUTF8 and parameters for more */
#define LMTP_LINE_BYTES_MAX 4096
#define LMTP_RECIPIENTS_MAX 1000
#define LMTP_SESSIONS_MAX   100
/* wrong commands since the last message; a mail server makes none */
#define LMTP_ERRORS_MAX 20
/* NOOP, RSET and their like since the last message; connection caches send a few */
#define LMTP_IDLE_COMMANDS_MAX 100
/* read of a message over its limit before we hang up on it */
#define LMTP_DISCARD_BYTES_MAX (256 * 1024 * 1024)

/* intake (import): messages that are made ready ahead of the writer, and their bytes */
#define INTAKE_SLOTS     512
#define INTAKE_BYTES_MAX (32 * 1024 * 1024)

/* purge: one page is one write transaction, for which a delivery may have to wait. It is smaller
 * than this where it takes longer than PURGE_PAGE_US. */
#define PURGE_PAGE_US     2000
#define PURGE_SHARE_FIRST 4 /* of 16: what a first page takes is not known */
#define PURGE_PAGE_ROWS   200
#define PURGE_PAGE_BLOBS  50
/* a row of the full text index costs as much to take out as to put in */
#define PURGE_PAGE_INDEX    20
#define PURGE_PAGE_MESSAGES 50
/* freeing the pages of one large blob takes time too */
#define PURGE_PAGE_BYTES (8 * 1024 * 1024)
/* given back to the file system at once; each may be filled with another's content first */
#define PURGE_GIVE_BACK_PAGES 200
#define PURGE_SUSPECTS        500  /* accounts whose index is counted by one statement */
#define PURGE_ACCOUNTS        1000 /* looked at by one statement */

/* newest messages of spam, and of ham, that a model learns from: 30 MB of features while it does */
#define SPAM_LEARN_MAX 5000
/* of the cluster's beside an account's own; without them a tenth of all other mail was lost, with
 * 250 none more than before */
#define SPAM_ANCHOR_MAX 500
/* messages that one run of bayes-training looks at; about a tenth of a second */
#define SPAM_BATCH_MESSAGES 200
#define SPAM_BATCH_BYTES    (8 * 1024 * 1024)
/* accounts with a model of their own that a node knows of: 16 bytes each */
#define SPAM_OWN_MAX 9000
/* of these, models that a node holds at once: 32 KB each */
#define SPAM_OWN_HELD_MAX 64
/* between two looks for a newer model, while mail comes */
#define SPAM_LOOK_MS 10000
/* between a person's click and the fold, so that many clicks are one fold */
#define SPAM_FOLD_MS 60000

/* store */
#define DB_ROWS_FETCH_MAX    10000 /* rows of one query that a caller may hold at once */
#define DB_STATEMENT_SECONDS 30
#define DB_IDLE_SECONDS      10 /* an open transaction's rest: a stopped process holds locks */
#define DB_VALUE_BYTES_MAX   (256 * 1024 * 1024) /* a text or blob; five of the largest message */
/* values of one statement; they are laid out on the stack */
#define DB_ARGS_MAX 128
/* wait for another writer before ERROR_RETRY; its longest transaction is far shorter */
#define DB_BUSY_MS 10000
/* background work writes when people have not for so long */
#define WRITER_QUIET_MS 5
/* or when it has waited so long: slow in a flood, never starved. Ten sessions that share their
 * commits all wait for one turn of the background: more than one a second would be among their
 * slowest 1 % */
#define WRITER_YIELD_MS 1000
/* while people write (WRITER_BUSY_TURNS in WRITER_BUSY_MS; a heartbeat alone is less), background
 * work rests after each turn WRITER_REST times as long as that took: of a hundred deliveries one
 * has to wait for it */
#define WRITER_BUSY_TURNS 4
#define WRITER_BUSY_MS    1000
#define WRITER_REST       100
/* but no longer than this */
#define WRITER_REST_MS 1000

#endif
