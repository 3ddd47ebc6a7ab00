#!/usr/bin/env python3
"""tidy_test: each rule of tidy.py finds a planted offence, and a clean tree has none."""
import os
import tempfile
import unittest

import tidy

MESON = {'meson.build': "executable('rota', 'src/app/main.c')\n",
         'src/base/meson.build': "sources += files('must.c')\n",
         'src/model/meson.build': "sources += files('deliver.c')\n",
         'src/roster/meson.build': "sources += files('task.c')\n"}
CLEAN = {
    **MESON,
    'src/app/main.c': '/* main: the program. */\n#include "model/deliver.h"\n\n'
                      'int main(void)\n{\n    deliver_mail(1);\n    return 0;\n}\n',
    'src/base/must.h': '/* must.h: a word. */\nvoid must_fail(const char *text);\n',
    'src/base/must.c': '/* must: a word. */\n#include "base/must.h"\n\n'
                       'void must_fail(const char *text)\n{\n    (void)text;\n}\n',
    'src/model/deliver.h': '/* deliver.h: mail. */\nvoid deliver_mail(int a);\n',
    'src/model/deliver.c': '/* deliver: mail. */\n#include "base/must.h"\n#include "roster/task.h"\n\n'
                           'static const char SQL[] = "INSERT INTO email"\n    " (id) VALUES ($1)";\n\n'
                           'void deliver_mail(int a)\n{\n    must_fail(SQL + a);\n    task_add();\n}\n',
    'src/roster/task.h': '/* task.h: a task. */\nvoid task_add(void);\n',
    'src/roster/task.c': '/* task: a task. */\n#include "roster/task.h"\n\nvoid task_add(void)\n{\n}\n',
}


def long_function(lines, name='long_one'):
    return f'static void {name}(void)\n{{\n' + '    ;\n' * (lines - 3) + '}\n'


class Tidy(unittest.TestCase):
    def found(self, changes, exceptions=None):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **changes}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
                    file.write(text)
            if exceptions is not None:
                os.makedirs(os.path.join(root, 'tools'), exist_ok=True)
                with open(os.path.join(root, 'tools/tidy-exceptions.txt'), 'w', encoding='utf-8') as file:
                    file.write(exceptions)
            return tidy.offences(root)

    def task(self, more):
        return {'src/roster/task.c': CLEAN['src/roster/task.c'] + more}

    def expect(self, changes, *want):
        got = self.found(changes)
        self.assertEqual([line.rsplit(' ', 0)[0][:len(w)] for line, w in zip(got, want)], list(want), got)
        self.assertEqual(len(got), len(want), got)

    def test_clean(self):
        self.assertEqual(self.found({}), [])

    def test_rules(self):
        include = CLEAN['src/model/deliver.c']
        log = '/* x */\nstatic void f(void)\n{\n    log_event(1);\n}\n'
        two_slashes = 'static int x; // 12 "quoted'
        cases = [
            ('lower includes upper', {'src/base/must.h': '/* x */\n#include "model/deliver.h"\n'
                                      'void must_fail(const char *text);\n'},
             'include-table src/base/must.h:2 base/ may not include "model/deliver.h"'),
            ('model sees one roster header only',
             {'src/model/deliver.c': include.replace('roster/task.h', 'roster/node.h'),
              'src/roster/node.h': '/* x */\n'},
             'include-table src/model/deliver.c:3 model/ may not include "roster/node.h"'),
            ('no folder', {'src/model/deliver.c': include.replace('base/must.h', 'must.h')},
             'include-table src/model/deliver.c:2'),
            ('library of another folder',
             {'src/model/deliver.c': include.replace('#include "base/must.h"',
                                                     '#include <sqlite3.h>\n#include "base/must.h"')},
             'include-table src/model/deliver.c:2 <sqlite3.h> belongs to db/'),
            ('tenth folder', {'src/util/a.c': '/* x */\n', 'src/util/meson.build': "files('a.c')\n"},
             'folders-known src/util/a.c'),
            ('file too long', self.task('/* */\n' * 600), 'file-lines src/roster/task.c has 606 lines'),
            ('header too long', {'src/roster/task.h': CLEAN['src/roster/task.h'] + '\n' * 160},
             'header-lines src/roster/task.h has 162 lines'),
            ('function too long', self.task(long_function(71)),
             'function-lines src/roster/task.c:long_one has 71 lines'),
            ('seven parameters',
             self.task('static int f(int a, int b, int (*c)(int, int), int d, int e, int f, int g)\n{\n}\n'),
             'function-parameters src/roster/task.c:f has 7 parameters'),
            ('wide line', self.task('/* ' + 'x ' * 60 + '*/\n'), 'columns src/roster/task.c'),
            ('unfinished', self.task('/* TO' 'DO later */\n'), 'unfinished src/roster/task.c:7 "TO' 'DO"'),
            ('dead source', {'src/roster/old.c': '/* x */\n'}, 'dead-file src/roster/old.c'),
            ('dead header', {'src/roster/old.h': '/* x */\n'}, 'dead-file src/roster/old.h'),
            ('nobody calls', self.task('void task_lost(void)\n{\n}\n'),
             'single-use src/roster/task.c:task_lost'),
            ('called in its own file only', self.task('void task_lost(void)\n{\n    task_lost();\n}\n'),
             'single-use src/roster/task.c:task_lost'),
            ('two of one name', {'src/db/task.c': '/* x */\n', 'src/db/meson.build': "files('task.c')\n"},
             'one-name src/roster/task.c has the name of src/db/task.c'),
            ('SQL in app',
             {'src/app/main.c': CLEAN['src/app/main.c'] + 'static const char *q = "SELECT 1 FROM email";\n'},
             'sql-place src/app/main.c:9 SQL outside'),
            ('SQL of one server alone', self.task('static const char *q = "SELECT pg_advisory_lock(1)";\n'),
             'sql-portable src/roster/task.c:7 "pg_advisory_lock"'),
            ('another inserts mail', self.task('static const char *q = "INSERT INTO email"\n    "(id)";\n'),
             'sql-place src/roster/task.c:7 only src/model/deliver.c'),
            ('logs below the edge', self.task('static void f(void)\n{\n    log_event(1);\n}\n'),
             'log-place src/roster/task.c:9 logs'),
            ('the second half of an edge logs, its neighbour does not',
             {'src/roster/worker_end.c': log, 'src/roster/worker_run.c': log,
              'src/roster/meson.build': MESON['src/roster/meson.build'] + "files('worker_end.c', 'worker_run.c')"},
             'log-place src/roster/worker_run.c:4 logs'),
            ('the second half of delivery inserts mail',
             {'src/model/deliver_batch.c': '/* x */\nstatic const char *q = "INSERT INTO email (id)";\n',
              'src/model/meson.build': "files('deliver.c', 'deliver_batch.c')"}),
            ('a header of tests names its neighbours as tests do',
             {'src/roster/box_test.h': '/* x */\n#include "support.h"\n',
              'src/roster/box_test.c': '/* x */\n#include "box_test.h"\n', 'tests/support.h': '/* x */\n',
              'src/roster/meson.build': MESON['src/roster/meson.build'] + "files('box_test.c')"}),
            ('sleeps', self.task('static void f(void)\n{\n    g_usleep(1);\n}\n'),
             'hidden-device src/roster/task.c:9 g_usleep'),
            ('own clock', self.task('static void f(void)\n{\n    g_get_real_time();\n}\n'),
             'hidden-device src/roster/task.c:9 g_get_real_time'),
            ('no opening comment', {'src/base/must.h': 'void must_fail(const char *text);\n'},
             'opening-comment src/base/must.h'),
            ('a document names what is not there',
             {'docs/a.md': 'see `base/must.c`, src/base/must.h and `roster/old.c`\n'},
             'named-files docs/a.md:1 names roster/old.c'),
            ('a guard that moved',
             {'tests/mutants/mutants.toml': '[[mutant]]\nname = "a"\nfile = "src/base/must.c"\nold = "(void)text;"\n'
                                            '[[mutant]]\nname = "b"\nfile = "src/base/must.c"\nold = "gone"\n'},
             'guard-there src/base/must.c does not have the guard of the mutant "b"'),
            ('path of a workplace', {'docs/a.md': 'see /wo' 'rk/main/x\n'}, 'workplace-path docs/a.md:1'),
            ('strings and comments are not code',
             self.task(two_slashes + '\nstatic const char *s = "log_event( g_usleep(";\n/* log_event(1) */\n'
                       "static char c = '{';\n")),
        ]
        for name, changes, *want in cases:
            with self.subTest(name):
                self.expect(changes, *want)

    def test_uses_of_a_function(self):
        header = '/* task.h: a task. */\nvoid task_add(void);\nvoid task_lost(void);\n'
        body = 'void task_lost(void)\n{\n}\n'
        cases = [
            ('inline in a header', header + 'static inline void f(void)\n{\n    task_lost();\n}\n', None),
            ('macro in a header', header + '#define TASK_X() \\\n    task_lost()\n', None),
            ('g_autoptr', header + 'G_DEFINE_AUTOPTR_CLEANUP_FUNC(Task, task_lost)\n',
             CLEAN['src/model/deliver.c'] + 'static void f(void)\n{\n    g_autoptr(Task) a = 0;\n}\n'),
            ('a call', header, CLEAN['src/model/deliver.c'] + 'static void f(void)\n{\n    task_lost();\n}\n'),
        ]
        for name, text, user in cases:
            with self.subTest(name):
                changes = {'src/roster/task.h': text, **self.task(body)}
                self.assertEqual(self.found({**changes, **({'src/model/deliver.c': user} if user else {})}), [])

    def test_exceptions(self):
        long = self.task(long_function(75))
        line = 'function-lines | src/roster/task.c:long_one | %s | it is a table\n'
        self.assertEqual(self.found(long, line % 75), [])
        for limit, word in ((80, 'needs less'), (72, 'grew beyond')):
            got = self.found(long, line % limit)
            self.assertEqual(len(got), 1, got)
            self.assertIn(word, got[0])
        got = self.found({}, line % 75)
        self.assertEqual(len(got), 1, got)
        self.assertIn('is not needed', got[0])
        got = self.found({}, 'function-lines | src/roster/task.c:long_one | 75 |\n')
        self.assertIn('is not "RULE | PLACE | LIMIT | REASON"', got[0])
        lost = self.task('void task_lost(void)\n{\n}\n')
        self.assertEqual(self.found(lost, 'single-use | src/roster/task.c:task_lost | - | the next part\n'), [])


if __name__ == '__main__':
    unittest.main()
