/* dav_fuzz: any bytes as a body of CalDAV, on a store in memory with a calendar that has two
 * events.
 *
 * The first byte says the method, the rest is the body. Besides memory errors it looks for broken
 * promises: an XML that is taken has no DTD, no entity, and is no deeper than the limit; an answer
 * of ours that says it is XML is XML; what PUT takes comes back as it was.
 */
#include <libxml/parser.h>
#include <stdint.h>
#include <string.h>

#include "base/limits_dav.h"
#include "base/must.h"
#include "db/migrate.h"
#include "front/dav.h"
#include "front/dav_xml.h"
#include "model/account.h"

#define ADA "ada@example.org"

static const char event[] =
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:%s\r\n"
    "DTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\n"
    "RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:T\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

typedef struct {
    Db *db;
    int64_t account;
    HttpHouse house;
    struct DavSettings settings;
} Fuzz;

static const char *no_field(const char *name, void *data)
{
    (void)data;
    return strcmp(name, "Depth") == 0 ? "1" : NULL;
}

static unsigned ask(Fuzz *fuzz, void (*run)(HttpCall *), const char *object, GBytes *body,
                    GBytes **ret)
{
    g_auto(HttpAnswer) answer;
    char *segments[] = {"dav", "calendars", ADA, "default", object ? g_strdup(object) : NULL, NULL};
    HttpRequest request = {.method = "REPORT", .header = no_field};
    HttpCall call = {.house = &fuzz->house,
                     .request = &request,
                     .segments = segments,
                     .db = fuzz->db,
                     .answer = &answer,
                     .person = ADA,
                     .account = fuzz->account};
    request.body = g_bytes_get_data(body, &request.body_size);
    http_answer_init(&answer);
    run(&call);
    g_free(segments[4]);
    if (answer.type && g_str_has_prefix(answer.type, "application/xml")) {
        xmlDoc *document = xmlReadMemory(answer.body->str, (int)answer.body->len, NULL, "UTF-8",
                                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_HUGE);
        MUST(document);
        xmlFreeDoc(document);
    }
    if (ret)
        *ret = answer.bytes ? g_bytes_ref(answer.bytes) : NULL;
    return answer.status;
}

static void check_tree(const xmlNode *node, unsigned depth)
{
    MUST(depth <= DAV_XML_DEPTH_MAX);
    for (const xmlNode *each = node->children; each; each = each->next) {
        MUST(each->type != XML_ENTITY_REF_NODE && each->type != XML_DTD_NODE);
        if (each->type == XML_ELEMENT_NODE)
            check_tree(each, depth + 1);
    }
}

static Fuzz *start(void)
{
    static Fuzz fuzz = {.settings = {.zone = "UTC", .scheduling = true}};
    static const char *const uids[] = {"one", "two"};
    unsigned applied;
    if (fuzz.db)
        return &fuzz;
    fuzz.house = (HttpHouse){.dav = &fuzz.settings, .clock = clock_real()};
    fuzz.db = db_open(&(DbConfig){.kind = DB_SQLITE, .path = ":memory:"}, NULL);
    MUST(fuzz.db && migrate_upgrade(fuzz.db, &applied, NULL));
    MUST(account_add(fuzz.db, ADA, "", 0, &fuzz.account, NULL));
    MUST(db_begin(fuzz.db, DB_WRITE, NULL) && calendar_ensure(fuzz.db, fuzz.account, NULL, NULL) &&
         db_commit(fuzz.db, NULL) == DB_DONE);
    for (unsigned i = 0; i < G_N_ELEMENTS(uids); i++) {
        char *text = g_strdup_printf(event, uids[i]);
        g_autoptr(GBytes) body = g_bytes_new_take(text, strlen(text));
        MUST(ask(&fuzz, dav_run_put, uids[i], body, NULL) == 201);
    }
    return &fuzz;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const runs[])(HttpCall *) = {dav_run_propfind, dav_run_report, dav_run_proppatch,
                                               dav_run_mkcalendar};
    static const char multiget[] =
        "<C:calendar-multiget xmlns:D='DAV:' xmlns:C='" NS_CALDAV
        "'><D:prop><C:calendar-data/></D:prop><D:href>/dav/calendars/" ADA
        "/default/fuzz</D:href></C:calendar-multiget>";
    Fuzz *fuzz = start();
    if (size == 0)
        return 0;
    unsigned which = bytes[0] % (G_N_ELEMENTS(runs) + 1);
    g_autoptr(GBytes) body = g_bytes_new(bytes + 1, size - 1);
    if (which < G_N_ELEMENTS(runs)) {
        g_autoptr(xmlDoc) document = dav_xml_parse(bytes + 1, size - 1, NULL);
        if (document)
            check_tree(xmlDocGetRootElement(document), 1);
        ask(fuzz, runs[which], NULL, body, NULL);
        return 0;
    }
    g_autoptr(GBytes) back = NULL;
    g_autoptr(GBytes) asked = g_bytes_new_static(multiget, strlen(multiget));
    if (ask(fuzz, dav_run_put, "fuzz", body, NULL) >= 300)
        return 0;
    ask(fuzz, dav_run_report, NULL, asked, NULL);
    MUST(ask(fuzz, dav_run_get, "fuzz", body, &back) == 200 && g_bytes_equal(back, body));
    MUST(ask(fuzz, dav_run_delete, "fuzz", body, NULL) == 204);
    return 0;
}
