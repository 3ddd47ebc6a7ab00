/* jmap_fuzz: any JSON as a whole request, on a store in memory with an account that has a mail.
 *
 * Besides memory errors it looks for broken promises: a problem or an answer, never both; as many
 * responses as calls, each with its call's id.
 */
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "content/message.h"
#include "db/migrate.h"
#include "front/jmap.h"
#include "model/account.h"
#include "model/deliver.h"

static const char mail[] =
    "From: ada@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    "--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n--b--\r\n";

static void deliver_one(Db *db, int64_t account)
{
    g_autoptr(Letter) letter = letter_new(mail, strlen(mail));
    Delivery delivery = {.account = account, .letter = letter, .key = "k"};
    Delivered result;
    MUST(deliver_many(db, &delivery, 1, &result, NULL));
}

static void check(json_t *request, json_t *answer)
{
    json_t *calls = json_object_get(request, "methodCalls"), *response;
    json_t *responses = json_object_get(answer, "methodResponses");
    size_t i;
    MUST(json_array_size(calls) == json_array_size(responses));
    json_array_foreach(responses, i, response)
        MUST(json_equal(json_array_get(response, 2), json_array_get(json_array_get(calls, i), 2)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static Db *db;
    static int64_t account;
    unsigned applied;
    const char *problem = NULL, *detail = NULL;
    if (!db) {
        message_library_init();
        db = db_open(&(DbConfig){.kind = DB_SQLITE, .path = ":memory:"}, NULL);
        MUST(db && migrate_upgrade(db, &applied, NULL));
        MUST(account_add(db, "ada@example.org", "", 0, &account, NULL));
        deliver_one(db, account);
    }
    json_t *request = json_loadb((const char *)bytes, size, JSON_DECODE_ANY, NULL);
    if (!request)
        return 0;
    JmapCall call = {.db = db, .account = account, .person = "ada@example.org"};
    json_t *answer = jmap_run(&call, request, &problem, &detail);
    MUST(!answer == (problem != NULL));
    if (answer)
        check(request, answer);
    json_decref(answer);
    json_decref(request);
    return 0;
}
