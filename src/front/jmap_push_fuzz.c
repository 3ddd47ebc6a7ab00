/* jmap_push_fuzz: any JSON as the arguments of PushSubscription/set and /get, on a store in memory.
 *
 * Besides memory errors it looks for broken promises: an answer or an error, never both; the
 * account's count of subscriptions is right.
 */
#include <stdint.h>

#include "base/must.h"
#include "db/migrate.h"
#include "front/jmap_push.h"
#include "model/account.h"

static int64_t number(Db *db, const DbSql *sql)
{
    int64_t value = -1;
    MUST(db_begin(db, DB_READ, NULL) && db_query_int(db, sql, DB_NO_ARGS, &value, NULL) > 0);
    db_rollback(db);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const DbSql counted = {"SELECT subscribers FROM account", NULL},
                       there = {"SELECT count(*) FROM push_subscription", NULL};
    static Db *db;
    static int64_t account;
    unsigned applied;
    if (!db) {
        db = db_open(&(DbConfig){.kind = DB_SQLITE, .path = ":memory:"}, NULL);
        MUST(db && migrate_upgrade(db, &applied, NULL));
        MUST(account_add(db, "ada@example.org", "", 0, &account, NULL));
    }
    JmapPush push = {.db = db, .account = account, .objects_max = 50};
    json_t *arguments = json_loadb((const char *)bytes, size, JSON_DECODE_ANY, NULL);
    if (!arguments)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        json_t *error = NULL;
        json_t *response = i ? jmap_push_get(&push, arguments, &error)
                             : jmap_push_set(&push, arguments, NULL, &error);
        MUST(!response == (error != NULL));
        json_decref(response);
        json_decref(error);
    }
    json_decref(arguments);
    MUST(number(db, &counted) == number(db, &there));
    return 0;
}
