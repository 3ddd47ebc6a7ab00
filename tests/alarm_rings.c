/* alarm_rings: when the alarms of events ring, for the oracle of tests/system/alarm_oracle.py.
 *
 * How it fits: a question is a line "ZONE FROM TO STEPS SIZE" (UTC seconds; the zone of what has
 * none), then SIZE bytes of iCalendar; the answer is a line "TIME UID INSTANCE REPEAT" for each
 * ring after FROM and not after TO, by time, and a line ".". It is found in one look, and its first
 * STEPS times also as the role finds them, each from the one before: what differs ends the program.
 *
 * Failures: a question that cannot be read, an object that is refused, a difference: it says so and
 * exits with 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "content/alarm.h"

#define INSTANCES 200000

typedef struct {
    const Zone *zone;
    int64_t from, to;
    unsigned steps;
    char *bytes;
    size_t size;
} Question;

static bool read_question(Question *ret)
{
    char name[100];
    int got = scanf("%99s %" SCNd64 " %" SCNd64 " %u %zu", name, &ret->from, &ret->to, &ret->steps,
                    &ret->size);
    if (got == EOF)
        return false;
    MUST(got == 5 && ret->size < 1000000 && getchar() == '\n');
    ret->zone = zone_find(name);
    ret->bytes = g_malloc(ret->size + 1);
    MUST(ret->zone && fread(ret->bytes, 1, ret->size, stdin) == ret->size);
    return true;
}

static AlarmAsk ask_of(const Question *question)
{
    static const char *const ada[] = {"ada@example.org", NULL};
    return (AlarmAsk){
        .floating = question->zone, .addresses = ada, .after = question->from, .max = INSTANCES};
}

/* From each time to the next, as calendar-alerts goes. */
static void walk(const Icalendar *object, const Question *question, const GArray *rings)
{
    AlarmAsk ask = ask_of(question);
    ask.now = question->from;
    unsigned at = 0;
    for (unsigned step = 0; step < question->steps; step++) {
        g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
        for (unsigned i = 0; i < answer.due->len; i++, at++)
            MUST(at < rings->len && g_array_index(answer.due, AlarmRing, i).at ==
                                        g_array_index(rings, AlarmRing, at).at);
        if (answer.next > question->to) {
            MUST(at == rings->len);
            return;
        }
        ask.after = ask.now;
        ask.now = answer.next;
    }
}

int main(void)
{
    Question question;
    while (read_question(&question)) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Icalendar) object = icalendar_parse(question.bytes, question.size, NULL, &error);
        if (!object) {
            fprintf(stderr, "%s\n%.*s", error->message, (int)question.size, question.bytes);
            return EXIT_FAILURE;
        }
        AlarmAsk ask = ask_of(&question);
        ask.now = question.to;
        g_auto(AlarmAnswer) answer = alarm_find(object, &ask);
        MUST(!answer.cut);
        for (unsigned i = 0; i < answer.due->len; i++) {
            const AlarmRing *ring = &g_array_index(answer.due, AlarmRing, i);
            printf("%" PRId64 " %s %" PRId64 " %u\n", ring->at, ring->alarm->uid,
                   ring->alarm->is_absolute ? 0 : ring->instance.recurrence, ring->repeat);
        }
        printf(".\n");
        walk(object, &question, answer.due);
        zone_unref(question.zone);
        g_free(question.bytes);
    }
    return EXIT_SUCCESS;
}
