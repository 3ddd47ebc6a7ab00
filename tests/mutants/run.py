#!/usr/bin/env python3
"""run: takes each guard of mutants.toml out, in a copy of the tree, and sees that its tests fail.

    tests/mutants/run.py [WORD...]      only mutants whose name or file has one of the words

The copy is var/mutants/tree; it is built there, incrementally. First the tests must pass as the tree is. A
mutant is caught when each of its tests fails; one that does not build, or whose test does not end, is not.
Exit status 0 only if all are caught. Unit tests run on SQLite, where $ROTA_TEST_PG is not needed.
"""
import filecmp
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
TREE = os.path.join(ROOT, 'var', 'mutants', 'tree')
SECONDS = 400  # of one test; a hanging one is no proof
SIM_SEEDS_WELL = 3
SKIP = re.compile(r'^(build|var$|__pycache__$|\.git$|\.cache$|\.pytest_cache$)')


def run(command, seconds=SECONDS):
    """Exit status and output; None: it did not end."""
    environment = {name: value for name, value in os.environ.items() if name != 'ROTA_TEST_PG'}
    environment['CMOCKA_MESSAGE_OUTPUT'] = 'STDOUT'
    try:
        done = subprocess.run(command, cwd=TREE, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, errors='replace')
    except subprocess.TimeoutExpired:
        return None, 'did not end'
    return done.returncode, done.stdout


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def files_of(root):
    """The files of a tree, but for what is built."""
    found = set()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not SKIP.match(name)]
        found.update(os.path.relpath(os.path.join(folder, name), root) for name in names)
    return found


def copy_tree():
    """A file that is the same keeps its time, so that little is built."""
    names = files_of(ROOT)
    for name in names:
        source, target = os.path.join(ROOT, name), os.path.join(TREE, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.isfile(target) or not filecmp.cmp(source, target, shallow=False):
            shutil.copy(source, target)
    for name in files_of(TREE) - names:
        os.unlink(os.path.join(TREE, name))


def target_of(test):
    kind, name = test.split()[:2]
    return {'sim': 'tests/sim/sim', 'unit': name, 'model': None, 'faults': 'rota'}[kind]


def command_of(test, well=False):
    kind, *words = test.split()
    if kind == 'sim':
        return ['build/tests/sim/sim', '--first', '--seeds', str(SIM_SEEDS_WELL) if well else words[0]]
    if kind == 'unit':
        return ['build/' + words[0]]
    if kind == 'faults':
        return ['/usr/bin/python3', 'tests/faults/faults.py', '--part', 'faults', *words]
    return ['tests/model/run.sh', '-D', words[0], words[1]]


def build(tests):
    targets = sorted({target_of(test) for test in tests} - {None})
    if not targets:
        return True, ''
    status, output = run(['ninja', '-C', 'build', *targets], 1200)
    return status == 0, output


def reason_of(test, output):
    """The line that says what broke."""
    kind = test.split()[0]
    for line in output.splitlines():
        if kind == 'sim' and (line.startswith('seed ') or 'bug:' in line or line.startswith('promise 8')):
            return line.split(': ', 1)[-1]
        if kind == 'unit' and ('ERROR' in line or '[  FAILED  ]' in line or 'bug:' in line):
            return line.strip()
        if kind == 'faults' and line.startswith('BROKEN'):
            return line
        if kind == 'model' and line.startswith('pan:1'):
            return line
    return output.strip().splitlines()[-1] if output.strip() else ''


def apply(mutant):
    """{path: original text}; raises ValueError if a guard is not where the list says."""
    originals = {}
    try:
        for change in [mutant, *mutant.get('also', [])]:
            path = os.path.join(TREE, change['file'])
            text = read(path)
            if change['old'] not in text:
                raise ValueError(f"{change['file']} does not have the text of the guard")
            originals.setdefault(path, text)
            write(path, text.replace(change['old'], change['new']))
    except (ValueError, OSError):
        restore(originals)
        raise
    return originals


def restore(originals):
    for path, text in originals.items():
        write(path, text)


def try_mutant(mutant):
    """[(test, caught, what was seen)]"""
    try:
        originals = apply(mutant)
    except (ValueError, OSError) as error:
        return [('list', False, str(error))]
    try:
        built, output = build(mutant['tests'])
        if not built:
            errors = [line for line in output.splitlines() if 'error' in line]
            return [('build', False, (errors or output.splitlines())[0])]
        seen = []
        for test in mutant['tests']:
            status, output = run(command_of(test))
            # A test of the model says by 2 that it could not be run; the others count their failures.
            wrong = (0, 2, 126, 127) if test.startswith('model') else (0, 126, 127)
            caught = status is not None and status not in wrong
            text = 'passed' if status == 0 else reason_of(test, output) if caught else output[-200:]
            seen.append((test, caught, text))
        return seen
    finally:
        restore(originals)


def check_well(mutants):
    """The tests pass where nothing is taken out."""
    tests = sorted({test for mutant in mutants for test in mutant['tests'] if not test.startswith('model')})
    built, output = build(tests)
    if not built:
        print(output[-2000:])
        sys.exit('the tree does not build')
    commands = {tuple(command_of(test, well=True)) for test in tests}
    for command in sorted(commands):
        status, output = run(list(command))
        if status != 0:
            print(output[-2000:])
            sys.exit(f'{" ".join(command)} fails with every guard in its place')


def main():
    with open(os.path.join(ROOT, 'tests', 'mutants', 'mutants.toml'), 'rb') as file:
        mutants = tomllib.load(file)['mutant']
    words = sys.argv[1:]
    if words:
        mutants = [m for m in mutants if any(word in m['name'] or word in m['file'] for word in words)]
    if not mutants:
        sys.exit('no mutant has such a name')
    os.makedirs(TREE, exist_ok=True)
    copy_tree()
    if not os.path.isfile(os.path.join(TREE, 'build', 'build.ninja')):
        status, output = run(['meson', 'setup', 'build', '-Dwerror=false'], 1200)
        if status != 0:
            sys.exit(output[-2000:])
    check_well(mutants)
    missed = 0
    for mutant in mutants:
        began = time.monotonic()
        seen = try_mutant(mutant)
        caught = all(result for _, result, _ in seen)
        missed += not caught
        promise = mutant['promise'] or '-'
        print(f'{"caught" if caught else "MISSED"}  {promise}  {mutant["name"]}  ({time.monotonic() - began:.0f} s)')
        for test, result, text in seen:
            print(f'        {"" if result else "NOT "}by {test}: {text[:150]}', flush=True)
    print(f'{len(mutants)} mutants, {missed} missed')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
