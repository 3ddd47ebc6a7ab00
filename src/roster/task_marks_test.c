/* When a lane goes by its floors, and when it leaves them. What they find is tried by task_test. */
#include "support.h"

#include "base/clock.h"
#include "roster/task_marks.h"

#define SLOW  20000 /* us of a claim */
#define QUICK 200

static ClockManual now;

static TaskMarks *marks_new(void)
{
    clock_manual_init(&now, 0);
    clock_manual_advance(&now, 3600 * INT64_C(1000000));
    return task_marks_new(&now.clock);
}

static void claims(TaskMarks *marks, unsigned count, int64_t us)
{
    for (unsigned i = 0; i < count; i++) {
        int64_t begin = task_marks_begin(marks);
        clock_manual_advance(&now, us);
        task_marks_note(marks, 1, begin);
    }
}

static void quick_claims_need_none(void **state)
{
    (void)state;
    g_autoptr(TaskMarks) marks = marks_new();
    for (unsigned i = 0; i < 100; i++) {
        claims(marks, 2, SLOW);
        claims(marks, 1, QUICK);
        assert_false(task_marks_are_used(marks));
    }
}

static void slow_claims_try_them(void **state)
{
    (void)state;
    g_autoptr(TaskMarks) marks = marks_new();
    claims(marks, 3, SLOW);
    assert_true(task_marks_are_used(marks));
    claims(marks, 1, SLOW); /* learns them */
    claims(marks, 2, QUICK);
    assert_true(task_marks_are_used(marks));
    claims(marks, 100, SLOW); /* a busy hour is no reason to leave them */
    assert_true(task_marks_are_used(marks));
    clock_manual_advance(&now, 300 * INT64_C(1000000)); /* the snapshot may be gone */
    assert_false(task_marks_are_used(marks));
}

static void busy_machine_leaves_them(void **state)
{
    (void)state;
    g_autoptr(TaskMarks) marks = marks_new();
    claims(marks, 3, SLOW);
    claims(marks, 3, SLOW * 3 / 4);
    assert_false(task_marks_are_used(marks));
    claims(marks, 100, SLOW);
    assert_false(task_marks_are_used(marks));
    clock_manual_advance(&now, 60 * INT64_C(1000000));
    claims(marks, 1, SLOW);
    assert_true(task_marks_are_used(marks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_claims_need_none),
        cmocka_unit_test(slow_claims_try_them),
        cmocka_unit_test(busy_machine_leaves_them),
    };
    return cmocka_run_group_tests_name("task_marks", tests, NULL, NULL);
}
