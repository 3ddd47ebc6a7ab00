/* imip_archive_test: calendar files as others wrote them, also those that broke other programs,
 * come as invitations: each is decided, nothing else is disturbed, and what was taken in can be
 * read.
 */
#include "support.h"
#include "duty_support.h"
#include "imip_support.h"

#define ADA    "ada@example.org"
#define BOB    "bob@example.com"
#define PEOPLE "\r\nORGANIZER:mailto:" BOB "\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:" ADA "\r\n"

static const DutySettings plain = {.scheduling = true,
                                   .scheduling_auto_add = true,
                                   .scheduling_max_size = 512 * 1024,
                                   .scheduling_max_recipients = 10};

/* The file as a message of Bob's to Ada: its own people, if there are any, come after these. */
static char *as_message(const char *text, const char *method)
{
    static const char *const kinds[] = {"BEGIN:VEVENT", "BEGIN:VTODO", "BEGIN:VJOURNAL"};
    g_autofree char *said = g_strdup_printf("BEGIN:VCALENDAR\r\nMETHOD:%s", method);
    g_auto(GStrv) pieces = g_strsplit(text, "BEGIN:VCALENDAR", 2);
    char *all = g_strjoinv(said, pieces);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *with = g_strconcat(kinds[i], PEOPLE, NULL);
        g_auto(GStrv) parts = g_strsplit(all, kinds[i], -1);
        g_free(all);
        all = g_strjoinv(with, parts);
    }
    return all;
}

static unsigned deliver_file(Db *db, int64_t account, const char *path)
{
    g_autofree char *text = NULL;
    gsize size;
    assert_true(g_file_get_contents(path, &text, &size, NULL));
    if (g_str_has_suffix(path, ".eml")) {
        g_autoptr(Letter) letter = letter_new(text, size);
        Delivery delivery = {.letter = letter, .account = account, .key = path};
        Delivered delivered;
        assert_true(deliver_many(db, &delivery, 1, &delivered, NULL));
        return letter->message->calendar != NULL;
    }
    static const char *const methods[] = {"CANCEL", "REPLY"};
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autofree char *message = as_message(text, methods[i]);
        imip_deliver(db, account, i == 1 ? ADA : BOB, methods[i], message);
    }
    return G_N_ELEMENTS(methods);
}

/* ---- what is accepted comes back as it was */

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines as they stand, folded as they are, in the order of their letters, without METHOD,
 * alarms, and bounds (some files do not close theirs). Lines of a component come before the
 * components in it, so order is no matter. */
static char *lines_of(const char *text)
{
    g_auto(GStrv) all = g_strsplit(text, "\n", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    bool alarm = false, method = false;
    for (char **line = all; *line && g_ascii_strncasecmp(*line, "END:VCALENDAR", 13) != 0; line++) {
        g_strchomp(*line);
        bool folded = **line == ' ' || **line == '\t';
        method = folded ? method : g_ascii_strncasecmp(*line, "METHOD", 6) == 0;
        alarm |= g_ascii_strcasecmp(*line, "BEGIN:VALARM") == 0;
        bool bound = g_ascii_strncasecmp(*line, "BEGIN:", 6) == 0 ||
                     g_ascii_strncasecmp(*line, "END:", 4) == 0;
        if (**line && !alarm && !method && !bound)
            g_ptr_array_add(kept, *line);
        alarm &= g_ascii_strcasecmp(*line, "END:VALARM") != 0;
    }
    g_ptr_array_sort(kept, by_text);
    g_ptr_array_add(kept, NULL);
    return g_strjoinv("\n", (char **)kept->pdata);
}

/* Each file as a REQUEST: what was added is the file, to the line. */
static unsigned request_file(DutyLane *lane, Db *db, int64_t account, const char *path,
                             unsigned *added)
{
    g_autofree char *text = NULL;
    gsize size;
    assert_true(g_file_get_contents(path, &text, &size, NULL));
    g_autofree char *message = as_message(text, "REQUEST");
    int64_t email = imip_deliver(db, account, BOB, "REQUEST", message);
    duty_lane_work(lane, IMIP_ROLE, 50);
    g_autofree char *sql = g_strdup_printf(
        "SELECT count(*) FROM imip_in WHERE outcome = 'added' AND email = %d", (int)email);
    if (model_count(db, sql) == 0)
        return 1;
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(Icalendar) facts = icalendar_parse(message, strlen(message), NULL, NULL);
    g_autoptr(GPtrArray) had = calendar_object_by_uid(db, account, facts->uid, NULL);
    db_rollback(db);
    assert_int_equal(had->len, 1);
    const char *data = g_bytes_get_data(((CalendarObject *)had->pdata[0])->data, &size);
    g_autofree char *stored = g_strndup(data, size);
    g_autofree char *got = lines_of(stored), *want = lines_of(message);
    size_t same = 0;
    while (got[same] && got[same] == want[same])
        same++;
    if (got[same] != want[same])
        fail_msg("%s: got \"%.200s\", want \"%.200s\"", path, got + same, want + same);
    (*added)++;
    return 1;
}

static void check_objects(Db *db, int64_t account)
{
    assert_true(db_begin(db, DB_READ, NULL));
    CalendarAsk ask = {
        .calendar = 0, .from = INT64_MIN, .to = INT64_MAX, .limit = 10000, .with_data = true};
    g_autoptr(GPtrArray) calendars = calendar_list(db, account, NULL);
    unsigned count = 0;
    for (guint i = 0; i < calendars->len; i++) {
        ask.calendar = ((const Calendar *)calendars->pdata[i])->id;
        g_autoptr(GPtrArray) objects = calendar_object_list(db, account, &ask, NULL);
        for (guint k = 0; k < objects->len; k++, count++) {
            const CalendarObject *object = objects->pdata[k];
            gsize size;
            const char *data = g_bytes_get_data(object->data, &size);
            g_autoptr(GError) error = NULL;
            g_autoptr(Icalendar) read = icalendar_parse(data, size, NULL, &error);
            if (!read || strcmp(read->uid, object->uid) != 0)
                fail_msg("%s: %s", object->uid, error ? error->message : "another UID");
        }
    }
    db_rollback(db);
    print_message("# %u objects were taken in\n", count);
    assert_true(count > 100);
}

static void archive(void **state)
{
    TestStore *store = *state;
    g_autofree char *folder = test_archive("ical");
    if (!folder)
        return;
    int64_t account = model_account(store->db, ADA, 0);
    g_autofree char *path = g_build_filename(folder, "dev", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned letters = 0, added = 0;
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &plain);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        if (g_str_has_suffix(name, ".ics"))
            letters += request_file(&lane, store->db, account, file, &added);
        if (g_str_has_suffix(name, ".ics") || g_str_has_suffix(name, ".eml"))
            letters += deliver_file(store->db, account, file);
    }
    print_message("# %u were added, and are as they came\n", added);
    assert_true(added > 100);
    duty_lane_work(&lane, IMIP_ROLE, 500);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM imip_in"), letters);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM imip_in WHERE outcome = ''"), 0);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM dead_letter"), 0);
    print_message("# %u letters\n", letters);
    check_objects(store->db, account);
    model_check(store->db);
    duty_lane_clear(&lane);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(archive)};
    return test_on_both_stores("imip_archive", tests, G_N_ELEMENTS(tests));
}
