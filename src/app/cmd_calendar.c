/* cmd_calendar: what rings next in an account's calendars.
 *
 * How it fits: model/calendar_alert knows which objects ring first, content/alarm when; so that the
 * list is what calendar-alerts will do, calendar.alarms.minimum-interval and all. Times are in the
 * zone of the calendar, else of server.time-zone; --json has them in UTC too.
 *
 * Failures: no such account (1), the store's. Known weak point: an object that was cut at
 * calendar.max-recurrence-expansions shows what it has up to there.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "content/alarm.h"
#include "content/civil.h"
#include "model/calendar_alert.h"
#include "model/invitation.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

#define COUNT     20
#define COUNT_MAX 1000

static char *option_account;
static gint option_count = COUNT;

/* A line of the list. */
typedef struct {
    int64_t at, starts; /* UTC seconds */
    bool timeless;
    char *when, *zone, *uid, *summary, *alarm, *calendar;
    const char *action;
    unsigned repeat;
} Coming;

typedef struct {
    Db *db;
    int64_t account, now;
    const Settings *settings;
    GPtrArray *addresses; /* ended by NULL */
    GPtrArray *list;      /* of Coming, by time */
} Look;

static void coming_free(gpointer data)
{
    Coming *coming = data;
    g_free(coming->when);
    g_free(coming->zone);
    g_free(coming->uid);
    g_free(coming->summary);
    g_free(coming->alarm);
    g_free(coming->calendar);
    g_free(coming);
}

static char *format_wall(const Zone *zone, int64_t at)
{
    int64_t wall = zone_to_wall(zone, at), day = civil_floor(wall, CIVIL_DAY);
    int64_t of_day = wall - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    return g_strdup_printf("%04d-%02d-%02d %02d:%02d:%02d", date.year, date.month, date.day,
                           (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
}

static int by_time(gconstpointer a, gconstpointer b)
{
    const Coming *x = *(Coming *const *)a, *y = *(Coming *const *)b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void add(Look *look, const Calendar *calendar, const Zone *zone,
                const CalendarObject *object, const AlarmRing *ring)
{
    static const char *const actions[] = {
        [ALARM_DISPLAY] = "shown", [ALARM_EMAIL] = "mail", [ALARM_AUDIO] = "sound"};
    Coming *coming = g_new0(Coming, 1);
    *coming = (Coming){.at = ring->at,
                       .starts = ring->instance.start,
                       .timeless = ring->instance.timeless,
                       .when = format_wall(zone, ring->at),
                       .zone = g_strdup(zone_name(zone)),
                       .uid = g_strdup(object->uid),
                       .summary = g_strdup(ring->instance.item->summary),
                       .alarm = g_strdup(ring->alarm->uid),
                       .calendar = g_strdup(*calendar->title ? calendar->title : calendar->name),
                       .action = actions[ring->alarm->action],
                       .repeat = ring->repeat};
    g_ptr_array_add(look->list, coming);
}

/* The next rings of one object, at most as many as are asked for. */
static void walk(Look *look, const Calendar *calendar, const CalendarObject *object)
{
    const DutySettings *duty = &look->settings->duty;
    g_autoptr(Icalendar) parsed = calendar_object_parse(object);
    if (!parsed)
        return;
    const Zone *zone = calendar_zone(calendar, look->settings->time_zone);
    AlarmAsk ask = {.floating = zone,
                    .addresses = (const char *const *)look->addresses->pdata,
                    .after = MAX(look->now, object->alerted_at / 1000),
                    .max = (unsigned)duty->calendar_max_expansions};
    AlarmChoice choice = {
        .interval = duty->alarm_interval_ms / 1000,
        .last = {
            [ALARM_MAILED] = object->mailed_at / 1000, [ALARM_SHOWN] = object->shown_at / 1000}};
    ask.now = ask.after;
    for (int found = 0; found < option_count;) {
        g_auto(AlarmAnswer) answer = alarm_find(parsed, &ask);
        choice.now = ask.now;
        alarm_choose(&answer, &choice);
        for (unsigned i = 0; i < answer.due->len; i++, found++)
            add(look, calendar, zone, object, &g_array_index(answer.due, AlarmRing, i));
        if (answer.next == INT64_MAX)
            break;
        ask.after = ask.now;
        ask.now = answer.next;
        for (unsigned way = 0; way < ALARM_WAYS; way++)
            ask.quiet_until[way] = choice.last[way] + choice.interval;
    }
    zone_unref(zone);
}

static bool look_at_all(Look *look, GError **error)
{
    g_autoptr(GArray) ids =
        calendar_alert_coming(look->db, look->account, (unsigned)option_count, error);
    if (!ids || !(look->addresses = imip_addresses(look->db, look->account, error)))
        return false;
    g_ptr_array_add(look->addresses, NULL);
    for (guint i = 0; i < ids->len; i++) {
        g_autoptr(CalendarObject) object =
            calendar_object_get(look->db, look->account, g_array_index(ids, int64_t, i), error);
        g_autoptr(Calendar) calendar =
            object ? calendar_get(look->db, look->account, object->calendar, error) : NULL;
        if (!calendar)
            return false;
        walk(look, calendar, object);
    }
    g_ptr_array_sort(look->list, by_time);
    if (look->list->len > (guint)option_count)
        g_ptr_array_set_size(look->list, option_count);
    return true;
}

static void print_table(const GPtrArray *list)
{
    g_autoptr(UiTable) table = ui_table_new("rings", "zone", "as", "calendar", "~event", NULL);
    for (guint i = 0; i < list->len; i++) {
        const Coming *one = list->pdata[i];
        g_autofree char *zone = ui_safe(one->zone), *calendar = ui_safe(one->calendar),
                        *event = ui_safe(*one->summary ? one->summary : one->uid);
        ui_table_add(table, one->when, zone, one->action, calendar, event, NULL);
    }
    ui_table_print(table, stdout);
    if (!list->len)
        fprintf(stderr, "nothing rings\n");
}

static json_t *coming_json(const Coming *one)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I}", "at",
                     (json_int_t)one->at * 1000, "when", one->when, "zone", one->zone, "action",
                     one->action, "calendar", one->calendar, "uid", one->uid, "summary",
                     one->summary, "starts_at",
                     one->timeless ? json_null() : json_integer(one->starts * 1000), "alarm",
                     one->alarm, "repeat", (json_int_t)one->repeat);
}

static int next(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    if (!option_account)
        return command_misuse(context, "whose calendars? `-a ADDRESS` says it");
    if (option_count < 1 || option_count > COUNT_MAX)
        return command_misuse(context, "--count is from 1 to %d", COUNT_MAX);
    g_autoptr(Account) account = command_open_account(context, option_account, &db, &error);
    if (!account || !db_begin(db, DB_READ, &error))
        return command_fail(error);
    Look look = {.db = db,
                 .account = account->id,
                 .now = clock_wall_ms(context->clock) / 1000,
                 .settings = context->settings,
                 .list = g_ptr_array_new_with_free_func(coming_free)};
    g_autoptr(GPtrArray) list = look.list;
    bool good = look_at_all(&look, &error);
    g_clear_pointer(&look.addresses, g_ptr_array_unref);
    db_rollback(db);
    if (!good)
        return command_fail(error);
    if (!context->json) {
        print_table(list);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (guint i = 0; i < list->len; i++)
        json_array_append_new(all, coming_json(list->pdata[i]));
    ui_print_json(json_pack("{s:o}", "alarms", all));
    return EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account, "whose calendars", "ADDRESS"},
    {"count", 0, 0, G_OPTION_ARG_INT, &option_count, "how many, the earliest first (20)", "N"},
    {0},
};

const Command cmd_calendar_next = {
    .name = "calendar next",
    .usage = "-a ADDRESS",
    .summary = "shows what rings next in an account's calendars",
    .example = "rota calendar next -a ada@example.org\n"
               "rota calendar next -a ada@example.org --count 5 --json",
    .options = OPTIONS,
    .run = next,
};
