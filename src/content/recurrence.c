/* recurrence: a series as its instances.
 *
 * How it fits: calendar-query and free-busy ask for a range, alarm.c walks from an instant on,
 * model/calendar.c asks for the bounds. Rules, RDATEs and DTSTART are merged by wall time in the
 * series' zone; what an EXDATE or a RECURRENCE-ID names is left out, and overrides are given by
 * themselves. A name is compared as an instant, since programs write it in another zone than the
 * series' own; a date that names an instance with a time means that day.
 *
 * DTSTART is an instance always, though RFC 5545 leaves open what a DTSTART that its rule does not
 * give means: that is what people see in their programs. Failures: none. Known weak points: a rule
 * for less than a day on an all-day series is passed over; EXRULE is not read (RFC 5545 dropped
 * it).
 */
#include "content/recurrence.h"

#include <string.h>

#include "base/limits_calendar.h"
#include "base/must.h"

#include "content/civil.h"

/* What floating times may be off from UTC, either way. */
#define FLOATING_SECONDS (15 * 3600)

typedef struct {
    RuleWalk walk;
    bool has_head;
    int64_t head;
    int64_t until, judged_from; /* walls from the second on are judged as instants by the first */
} Source;

typedef struct {
    int64_t wall;
    const IcalendarDate *date; /* NULL: DTSTART */
} Single;

struct RecurrenceWalk {
    const Icalendar *object;
    RecurrenceAsk ask;
    const IcalendarItem *master; /* NULL: overrides alone */
    const Zone *zone;            /* of the master */
    GHashTable *gone;      /* instants that EXDATEs and RECURRENCE-IDs name; gaps that were given */
    GHashTable *gone_days; /* days that they name */
    GArray *singles;       /* of Single, by time */
    Source *sources;
    unsigned source_count, next_item, next_single, given, passed;
    int64_t last_wall;
    bool any, cut;
};

static void name_gone(RecurrenceWalk *walk, const IcalendarTime *time)
{
    if (time->is_date && !walk->master->start.is_date)
        g_hash_table_add(walk->gone_days,
                         g_memdup2(&(gint64){civil_floor(time->wall, CIVIL_DAY)}, sizeof(gint64)));
    else
        g_hash_table_add(walk->gone, g_memdup2(&(gint64){icalendar_utc(time, walk->ask.floating)},
                                               sizeof(gint64)));
}

static int compare_singles(gconstpointer a, gconstpointer b)
{
    const Single *x = a, *y = b;
    return x->wall < y->wall ? -1 : x->wall > y->wall;
}

static void add_singles(RecurrenceWalk *walk)
{
    const IcalendarItem *master = walk->master;
    Single single = {.wall = master->start.wall};
    g_array_append_val(walk->singles, single);
    for (unsigned i = 0; i < master->dates->len; i++) {
        single.date = &g_array_index(master->dates, IcalendarDate, i);
        single.wall =
            zone_to_wall(walk->zone, icalendar_utc(&single.date->start, walk->ask.floating));
        g_array_append_val(walk->singles, single);
    }
    g_array_sort(walk->singles, compare_singles);
}

/* A rule's end is an instant. Its wall time says little near a change of the clock: there the walk
 * goes on for a day, and what it gives is judged as instants. */
static bool is_instant(const RecurrenceWalk *walk, const Rule *rule)
{
    return rule->has_until && rule->until_is_utc && !walk->master->start.is_date;
}

/* The last wall time that a rule gives, in the series' zone. */
static int64_t until_of(const RecurrenceWalk *walk, const Rule *rule)
{
    if (!rule->has_until)
        return INT64_MAX;
    if (!rule->until_is_utc)
        return rule->until;
    if (walk->master->start.is_date)
        return (civil_floor(rule->until, CIVIL_DAY) + 1) * CIVIL_DAY - 1;
    return zone_to_wall(walk->zone, rule->until) + CIVIL_DAY;
}

static void add_sources(RecurrenceWalk *walk, int64_t from)
{
    const IcalendarItem *master = walk->master;
    walk->sources = g_new0(Source, MAX(master->rules->len, 1));
    for (unsigned i = 0; i < master->rules->len; i++) {
        const Rule *rule = &g_array_index(master->rules, Rule, i);
        if (master->start.is_date && rule->frequency < RULE_DAILY)
            continue;
        Source *source = &walk->sources[walk->source_count++];
        rule_walk_begin(&source->walk, rule,
                        &(RuleStart){.start = master->start.wall,
                                     .until = until_of(walk, rule),
                                     .is_date = master->start.is_date});
        source->until = is_instant(walk, rule) ? rule->until : INT64_MAX;
        source->judged_from =
            is_instant(walk, rule) ? zone_to_wall(walk->zone, rule->until) - CIVIL_DAY : INT64_MAX;
        rule_walk_seek(&source->walk, from);
        source->has_head = rule_walk_next(&source->walk, &source->head);
    }
}

RecurrenceWalk *recurrence_new(const Icalendar *object, const RecurrenceAsk *ask)
{
    RecurrenceWalk *walk = g_new0(RecurrenceWalk, 1);
    walk->object = object;
    walk->ask = *ask;
    walk->ask.max = ask->max ? ask->max : RECURRENCE_EXPANSIONS_MAX;
    walk->singles = g_array_new(FALSE, FALSE, sizeof(Single));
    walk->gone = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    walk->gone_days = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    walk->next_item = object->has_master;
    if (!object->has_master)
        return walk;
    walk->master = object->items->pdata[0];
    if (!walk->master->start.set)
        return walk;
    walk->zone = walk->master->start.zone ? walk->master->start.zone : ask->floating;
    for (unsigned i = 0; i < walk->master->excepted->len; i++)
        name_gone(walk, &g_array_index(walk->master->excepted, IcalendarTime, i));
    for (unsigned i = 1; i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        name_gone(walk, &item->recurrence);
    }
    /* What is out of the years that are known is not sought. */
    int64_t from = CLAMP(ask->from, civil_min() + CIVIL_DAY, civil_max() - CIVIL_DAY);
    add_singles(walk);
    add_sources(walk, zone_to_wall(walk->zone, from));
    return walk;
}

void recurrence_free(RecurrenceWalk *walk)
{
    if (!walk)
        return;
    g_hash_table_unref(walk->gone);
    g_hash_table_unref(walk->gone_days);
    g_array_unref(walk->singles);
    g_free(walk->sources);
    g_free(walk);
}

bool recurrence_is_cut(const RecurrenceWalk *walk)
{
    bool cut = walk->cut;
    for (unsigned i = 0; i < walk->source_count; i++)
        cut |= rule_walk_is_cut(&walk->sources[i].walk);
    return cut;
}

/* Of an item that stands at a wall time in a zone. One that a gap leaves out means the time an hour
 * later (RFC 5545 section 3.3.5): from that its length and its alarms count. */
static void fill(Instance *ret, const IcalendarItem *item, int64_t wall, const Zone *zone,
                 const IcalendarSpan *length)
{
    ret->item = item;
    ret->zone = zone;
    ret->start = zone_to_utc(zone, wall);
    ret->wall = zone_to_wall(zone, ret->start);
    ret->end = MAX(icalendar_later(ret->wall, zone, length), ret->start);
    ret->end_wall = zone_to_wall(zone, ret->end);
}

static bool next_override(RecurrenceWalk *walk, Instance *ret)
{
    if (walk->next_item >= walk->object->items->len)
        return false;
    const IcalendarItem *item = walk->object->items->pdata[walk->next_item++];
    *ret = (Instance){.item = item, .timeless = !item->start.set};
    if (item->start.set)
        fill(ret, item, item->start.wall, item->start.zone ? item->start.zone : walk->ask.floating,
             &item->length);
    ret->recurrence = icalendar_utc(&item->recurrence, walk->ask.floating);
    return true;
}

/* The override that holds from its own instance on, and stands nearest before an instant. */
static const IcalendarItem *find_future(const RecurrenceWalk *walk, int64_t instant)
{
    const IcalendarItem *found = NULL;
    int64_t best = INT64_MIN;
    for (unsigned i = 1; i < walk->object->items->len; i++) {
        const IcalendarItem *item = walk->object->items->pdata[i];
        if (!item->and_future || !item->start.set)
            continue;
        int64_t at = icalendar_utc(&item->recurrence, walk->ask.floating);
        if (at <= instant && at >= best) {
            found = item;
            best = at;
        }
    }
    return found;
}

/* The next wall time of all sources, each once; NULL in *ret_date where it is no RDATE. */
static bool next_wall(RecurrenceWalk *walk, int64_t *ret_wall, const IcalendarDate **ret_date)
{
    for (;;) {
        Source *first = NULL;
        const Single *single = walk->next_single < walk->singles->len
                                   ? &g_array_index(walk->singles, Single, walk->next_single)
                                   : NULL;
        for (unsigned i = 0; i < walk->source_count; i++)
            if (walk->sources[i].has_head && (!first || walk->sources[i].head < first->head))
                first = &walk->sources[i];
        if (!first && !single)
            return false;
        int64_t wall;
        *ret_date = NULL;
        if (single && (!first || single->wall <= first->head)) {
            wall = single->wall;
            *ret_date = single->date;
            walk->next_single++;
        } else {
            wall = first->head;
            first->has_head = rule_walk_next(&first->walk, &first->head);
            if (wall >= first->judged_from && zone_to_utc(walk->zone, wall) > first->until)
                continue;
        }
        if (walk->any && wall == walk->last_wall)
            continue;
        walk->any = true;
        walk->last_wall = *ret_wall = wall;
        return true;
    }
}

static bool is_gone(RecurrenceWalk *walk, int64_t wall, int64_t instant)
{
    gint64 day = civil_floor(wall, CIVIL_DAY), at = instant;
    return g_hash_table_contains(walk->gone, &at) ||
           (g_hash_table_size(walk->gone_days) && g_hash_table_contains(walk->gone_days, &day));
}

static bool next_of_series(RecurrenceWalk *walk, Instance *ret)
{
    const IcalendarDate *date;
    int64_t wall;
    while (next_wall(walk, &wall, &date)) {
        int64_t instant = zone_to_utc(walk->zone, wall);
        bool passes = is_gone(walk, wall, instant) || instant < walk->ask.from;
        /* A day that an EXDATE names may have each of its seconds in the series. */
        if (passes ? ++walk->passed > RULE_STEPS_MAX : walk->given == walk->ask.max) {
            walk->cut = true;
            return false;
        }
        if (passes)
            continue;
        walk->given++;
        /* Left out by a gap, it is an hour later, where the series may have one already. */
        if (zone_to_wall(walk->zone, instant) != wall)
            g_hash_table_add(walk->gone, g_memdup2(&(gint64){instant}, sizeof(gint64)));
        *ret = (Instance){.in_order = true, .recurrence = instant};
        const IcalendarItem *future = find_future(walk, instant);
        const IcalendarItem *item = future ? future : walk->master;
        const Zone *zone = walk->zone;
        if (future) {
            int64_t named = icalendar_utc(&future->recurrence, walk->ask.floating);
            wall += future->start.wall - zone_to_wall(walk->zone, named);
            zone = future->start.zone ? future->start.zone : walk->ask.floating;
        }
        fill(ret, item, wall, zone, date && date->has_length ? &date->length : &item->length);
        return true;
    }
    return false;
}

bool recurrence_next(RecurrenceWalk *walk, Instance *ret)
{
    if (next_override(walk, ret))
        return true;
    if (!walk->master)
        return false;
    if (walk->master->start.set)
        return next_of_series(walk, ret);
    *ret = (Instance){.item = walk->master, .timeless = true};
    return walk->given++ == 0;
}

int64_t recurrence_reach(const Icalendar *object)
{
    int64_t reach = 0;
    const IcalendarItem *master = object->items->pdata[0];
    for (unsigned i = 0; i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        int64_t length = item->length.days * CIVIL_DAY + item->length.seconds;
        int64_t shift = item->and_future ? item->recurrence.wall - item->start.wall : 0;
        reach = MAX(reach, length + ABS(shift) + CIVIL_DAY);
    }
    for (unsigned i = 0; i < master->dates->len; i++) {
        const IcalendarDate *date = &g_array_index(master->dates, IcalendarDate, i);
        reach = MAX(reach, date->length.days * CIVIL_DAY + date->length.seconds + CIVIL_DAY);
    }
    return reach;
}

static int compare_starts(gconstpointer a, gconstpointer b)
{
    const Instance *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static bool overlaps(const Instance *instance, int64_t from, int64_t to)
{
    if (instance->timeless)
        return true;
    if (instance->end == instance->start)
        return instance->start >= from && instance->start < to;
    return instance->start < to && instance->end > from;
}

GArray *recurrence_between(const Icalendar *object, const RecurrenceAsk *ask, int64_t to,
                           bool *ret_cut)
{
    int64_t reach = recurrence_reach(object);
    RecurrenceAsk wide = *ask;
    wide.from = ask->from > INT64_MIN + reach ? ask->from - reach : INT64_MIN;
    g_autoptr(RecurrenceWalk) walk = recurrence_new(object, &wide);
    GArray *found = g_array_new(FALSE, FALSE, sizeof(Instance));
    Instance instance;
    while (recurrence_next(walk, &instance)) {
        if (instance.in_order && instance.recurrence > to &&
            instance.recurrence - to > reach) /* no shift brings one back */
            break;
        if (overlaps(&instance, ask->from, to))
            g_array_append_val(found, instance);
    }
    if (ret_cut)
        *ret_cut = recurrence_is_cut(walk);
    g_array_sort(found, compare_starts);
    return found;
}

/* A rule that nothing ends. */
static bool is_endless(const IcalendarItem *master)
{
    for (unsigned i = 0; i < master->rules->len; i++) {
        const Rule *rule = &g_array_index(master->rules, Rule, i);
        if (!rule->has_until && !rule->count)
            return true;
    }
    return false;
}

RecurrenceBounds recurrence_bounds(const Icalendar *object, unsigned max)
{
    RecurrenceBounds bounds = {.first = INT64_MAX, .last = INT64_MIN};
    const IcalendarItem *master = object->items->pdata[0];
    bool endless = object->has_master && is_endless(master), timeless = false, floats = false;
    bool shifts = false;
    RecurrenceAsk ask = {.floating = zone_utc(), .from = INT64_MIN, .max = endless ? 1 : max};
    bounds.recurs =
        object->items->len > 1 || !object->has_master || master->rules->len || master->dates->len;
    g_autoptr(RecurrenceWalk) walk = recurrence_new(object, &ask);
    Instance instance;
    for (unsigned i = 0; i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        floats |= item->start.set && !item->start.zone;
        shifts |= item->and_future;
    }
    while (recurrence_next(walk, &instance)) {
        timeless |= instance.timeless;
        bounds.first = MIN(bounds.first, instance.start);
        bounds.last = MAX(bounds.last, instance.end);
    }
    if (bounds.first > bounds.last || timeless)
        return (RecurrenceBounds){INT64_MIN, INT64_MAX, bounds.recurs};
    bounds.first -= (shifts ? recurrence_reach(object) : 0) + (floats ? FLOATING_SECONDS : 0);
    bounds.last += floats ? FLOATING_SECONDS : 0;
    if (endless || recurrence_is_cut(walk))
        bounds.last = INT64_MAX;
    return bounds;
}
