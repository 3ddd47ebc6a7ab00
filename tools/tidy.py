#!/usr/bin/env python3
"""tidy: holds the rules of the house that no compiler holds.

Run as `tools/tidy.py [ROOT]`; prints one line for each offence (rule, place, what was found) and
exits with 1 if there is one.
tools/tidy_test.py plants an offence of each rule and sees that it is found.

What may stay as it is for a time stands in tools/tidy-exceptions.txt, one line each:

    RULE | PLACE | LIMIT | REASON

PLACE is a path, or path:name for a function. LIMIT is the number that a limited rule may reach there
("-" for a rule without one). It may only shrink: an exception that is not needed, or wider than
needed, is an offence itself.

The C is read with comments and strings blanked out, by braces and parentheses; it needs no
preprocessor because the code style (.clang-format) is uniform. Weak point: a function that a macro
defines is not seen.
"""
import os
import re
import sys
import tomllib

FILE_LINES = 600      # a file that a reader holds in the head
HEADER_LINES = 160
FUNCTION_LINES = 70
PARAMETERS = 6
COLUMNS = {'.c': 100, '.h': 100, '.py': 120, '.sh': 120}

# Who may include what. "roster/task.h" lets one header through; "/" after a folder is implied.
INCLUDES = {
    'base': ['base'],
    'content': ['base', 'content'],
    'remote': ['base', 'content', 'remote'],
    'db': ['base', 'db'],
    'roster': ['base', 'db', 'roster'],
    'model': ['base', 'content', 'db', 'model', 'roster/task.h', 'roster/shard.h'],
    'duty': ['base', 'content', 'remote', 'model', 'duty', 'roster/handler.h'],
    'front': ['base', 'content', 'model', 'front', 'roster/report.h', 'roster/load.h', 'roster/health.h',
              'roster/task_admin.h', 'roster/wish.h', 'roster/adoption.h', 'roster/member.h', 'roster/plan.h',
              'roster/audit.h', 'roster/round.h', 'roster/task.h'],
    'app': ['base', 'content', 'remote', 'db', 'roster', 'model', 'duty', 'front', 'app'],
}
INCLUDES_MORE = {
    'src/duty/duty.c': ['roster/role.h'],
    'src/duty/duty.h': ['roster/role.h'],
}
# A library that one folder alone may see.
LIBRARIES = {'sqlite3.h': 'db', 'libpq-fe.h': 'db', 'gmime/': 'content'}

SQL_FOLDERS = ('db', 'roster', 'model')
SQL = re.compile(r'^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET|DELETE\s+FROM\s'
                 r'|WITH\s+\w+.*\sAS\s*\(|CREATE\s+(TABLE|INDEX|UNIQUE)|ALTER\s+TABLE|DROP\s+TABLE)')
# What PostgreSQL has and those that speak its protocol do not; docs/decisions/0009-cluster-store.md.
SQL_LONELY = re.compile(r'\b(pg_(try_)?advisory\w*|LOCK TABLE|CREATE (TEMP|TEMPORARY|UNLOGGED|EXTENSION|TRIGGER)'
                        r'|(BIG|SMALL)?SERIAL|LANGUAGE plpgsql|INHERITS|TABLESAMPLE)\b')
EMAIL_INSERT = re.compile(r'INSERT\s+(OR\s+\w+\s+)?INTO\s+email\s*\(', re.I)
# One verb, delivery, in two files: the door and its queue of inserts.
EMAIL_INSERT_AT = ('src/model/deliver.c', 'src/model/deliver_batch.c')

LOG_CALL = re.compile(r'\blog_event\s*\(')
# worker.c and node.c are edges; so are the files that they are written in: how a run ends, a
# heartbeat, a look at the store. What they call returns its errors.
LOG_PLACES = ('src/front/', 'src/app/', 'src/base/', 'src/roster/worker.c', 'src/roster/worker_end.c',
              'src/roster/node.c', 'src/roster/node_beat.c', 'src/roster/node_poll.c')
# Hidden devices beyond base/banned.h, and where they may be met.
DEVICES = {
    r'g_usleep|nanosleep|clock_nanosleep': (),
    r'g_get_monotonic_time|g_get_real_time|clock_gettime|gettimeofday|g_date_time_new_now\w*':
        ('src/base/clock.c', 'src/base/log.c'),
    r'getrandom|arc4random\w*|g_random_\w+|g_rand_new|lrand48|mrand48': ('src/base/rand.c',),
}
UNFINISHED = re.compile(r'\b(?:FIX' r'ME|TO' r'DO|X' r'XX)\b')
WORKPLACE = re.compile(r'(?<![\w.])/(?:wo' r'rk/(?:main|shared)|ro' r'ot/\w'
                       r'|tmp/(?:w' r't|ro' r'ta-)[\w/])|/home/[a-z]\w*/')

# What a document calls a file of ours: it begins with one of our folders.
NAMED_FILE = (r'((?:src/)?(?:' + '|'.join(INCLUDES) + r'|tests|tools|docs|benches|examples|man|debian)'
              r'/[\w./-]*\w\.(?:c|h|py|sh|sql|md|toml|pml|txt|[158]))\b')

TEXT = ('.c', '.h', '.py', '.sh', '.sql', '.md', '.toml', '.build', '.txt', '.pml', '.1', '.5', '.8',
        '.yml')
SKIP = re.compile(r'^(build|var$|__pycache__$|node_modules$|\.git$|\.pytest_cache$|\.cache$)')


def blank(text, strings=True):
    """The text with comments (and strings) replaced by spaces; line breaks stay."""
    out, i, n = [], 0, len(text)
    while i < n:
        two = text[i:i + 2]
        if two == '/*':
            end = text.find('*/', i + 2)
            end = n if end < 0 else end + 2
        elif two == '//':
            end = text.find('\n', i)
            end = n if end < 0 else end
        elif text[i] in '"\'':
            end = i + 1
            while end < n and text[end] != text[i] and text[end] != '\n':
                end += 2 if text[end] == '\\' else 1
            end = min(end + 1, n)
            if not strings or text[i] == "'":
                out.append(text[i:end])
                i = end
                continue
        else:
            out.append(text[i])
            i += 1
            continue
        out.append(re.sub(r'[^\n]', ' ', text[i:end]))
        i = end
    return ''.join(out)


DIRECTIVE = r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*'
INCLUDE = r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]'


class Function:
    def __init__(self, name, line, lines, parameters, static):
        self.name, self.line, self.lines = name, line, lines
        self.parameters, self.static = parameters, static


def parameters_of(arguments):
    depth, count, text = 0, 0, arguments.strip()
    if text in ('', 'void'):
        return 0
    for char in text:
        depth += (char in '([{') - (char in ')]}')
        count += char == ',' and depth == 0
    return count + 1


def functions_of(code):
    """The function definitions of blanked C code, in order."""
    found, depth, start, begin, head = [], 0, 0, 0, None
    code = re.sub(DIRECTIVE, lambda m: re.sub(r'[^\n]', ' ', m[0]), code, flags=re.M)
    for match in re.finditer(r"'(?:\\.|[^'\\])'|[{};]", code):
        char = match[0]
        if char == '{':
            if depth == 0:
                head, begin = code[start:match.start()], start
            depth += 1
        elif char == '}':
            depth -= 1
            if depth == 0:
                function = function_of(code, head, begin, match.start())
                if function:
                    found.append(function)
                start = match.end()
        elif char == ';' and depth == 0:
            start = match.end()
    return found


def function_of(code, head, begin, end):
    text = re.sub(r'__attribute__\s*\(\(.*?\)\)', '', head, flags=re.S)
    match = re.search(r'(\w+)\s*\(', text)
    if not match or '=' in text or re.match(r'\s*(typedef|struct|union|enum)\b[^(]*$', text):
        return None
    depth = 0
    for i in range(match.end() - 1, len(text)):
        depth += (text[i] == '(') - (text[i] == ')')
        if depth == 0:
            break
    first = begin + len(head) - len(head.lstrip())
    line = code.count('\n', 0, first) + 1
    last = code.count('\n', 0, end) + 1
    return Function(match[1], line, last - line + 1, parameters_of(text[match.end():i]),
                    bool(re.search(r'\bstatic\b', text[:match.start()])))


class Source:
    """One file, read once."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), 'rb') as file:
            self.text = file.read().decode('utf-8', 'replace')
        self.lines = self.text.split('\n')
        if self.lines and self.lines[-1] == '':
            self.lines.pop()
        self.is_c = path.endswith(('.c', '.h'))
        self.is_test = path.endswith(('_test.c', '_test.h', '_fuzz.c')) or path.startswith(('tests/', 'benches/'))
        parts = path.split('/')
        self.folder = parts[1] if parts[0] == 'src' and len(parts) > 2 else None
        if self.is_c:
            self.code = blank(self.text)
            self.with_strings = blank(self.text, strings=False)
            self.functions = functions_of(self.code)
            self.words = set(re.findall(r'\w+', self.code))

    def includes(self):
        for match in re.finditer(INCLUDE, self.with_strings, re.M):
            line = self.with_strings.count('\n', 0, match.start()) + 1
            yield line, match[1] == '"', match[2]

    def literals(self):
        """Neighbouring string literals joined, with the line of the first."""
        one = r'"(?:\\.|[^"\\\n])*"'
        for match in re.finditer(one + r'(?:\s*' + one + ')*', self.with_strings):
            text = ''.join(re.findall(r'"((?:\\.|[^"\\\n])*)"', match[0]))
            yield self.with_strings.count('\n', 0, match.start()) + 1, text


class Tree:
    def __init__(self, root):
        self.root = root
        paths = []
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not SKIP.match(name))
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), root)
                if name.endswith(TEXT) or path in ('run', 'test', 'bench', '.ci/run'):
                    paths.append(path)
        paths = [path for path in paths if not path.startswith('tests/data/')]
        self.files = [Source(root, path) for path in paths]
        self.c = [file for file in self.files if file.is_c]
        self.meson = [file for file in self.files if file.path.endswith('meson.build')]


# Each rule yields (place, number or None, what was found). Its name is its function's, with dashes.

def include_table(tree):
    for file in tree.c:
        if not file.folder or file.path.endswith(('_test.c', '_test.h', '_fuzz.c')):
            continue
        allowed = INCLUDES.get(file.folder, []) + INCLUDES_MORE.get(file.path, [])
        for line, ours, name in file.includes():
            if ours and '/' not in name:
                yield f'{file.path}:{line}', None, f'include "{name}" does not name its folder'
            elif ours and name not in allowed and name.split('/')[0] not in allowed:
                yield f'{file.path}:{line}', None, f'{file.folder}/ may not include "{name}"'
            for prefix, folder in LIBRARIES.items():
                if not ours and name.startswith(prefix) and file.folder != folder:
                    yield f'{file.path}:{line}', None, f'<{name}> belongs to {folder}/ alone'


def folders_known(tree):
    for file in tree.c:
        if file.path.startswith('src/') and file.folder not in INCLUDES:
            yield file.path, None, 'is in none of the nine folders'


def file_lines(tree):
    for file in tree.files:
        if file.path.endswith(('.c', '.py', '.sh', '.pml')) and len(file.lines) > FILE_LINES:
            yield file.path, len(file.lines), f'has {len(file.lines)} lines, limit {FILE_LINES}'


def header_lines(tree):
    for file in tree.c:
        if file.path.endswith('.h') and len(file.lines) > HEADER_LINES:
            yield file.path, len(file.lines), f'has {len(file.lines)} lines, limit {HEADER_LINES}'


def function_lines(tree):
    for file in tree.c:
        for function in file.functions:
            if function.lines > FUNCTION_LINES:
                yield (f'{file.path}:{function.name}', function.lines,
                       f'has {function.lines} lines, limit {FUNCTION_LINES} (line {function.line})')


def function_parameters(tree):
    for file in tree.c:
        for function in file.functions:
            if function.parameters > PARAMETERS:
                yield (f'{file.path}:{function.name}', function.parameters,
                       f'has {function.parameters} parameters, limit {PARAMETERS} (line {function.line})')


def columns(tree):
    for file in tree.files:
        limit = COLUMNS.get(os.path.splitext(file.path)[1])
        long = [i for i, line in enumerate(file.lines, 1)
                if limit and len(line.expandtabs(8)) > limit and re.search(r'\S\s+\S', line)]
        if long:
            some = ', '.join(map(str, long[:5])) + (', …' if len(long) > 5 else '')
            yield file.path, len(long), f'{len(long)} lines are longer than {limit} columns: {some}'


def unfinished(tree):
    for file in tree.files:
        for i, line in enumerate(file.lines, 1):
            match = UNFINISHED.search(line)
            if match and file.path.endswith(('.c', '.h', '.py', '.sh', '.sql', '.build', '.pml')):
                yield f'{file.path}:{i}', None, f'"{match[0]}": finish it, or make it an issue'


def dead_file(tree):
    built = {}
    for meson in tree.meson:
        folder = os.path.dirname(meson.path)
        for name in re.findall(r"'([^'\n]+\.[ch])'", meson.text):
            for base in (folder, ''):
                built[os.path.normpath(os.path.join(base, name))] = True
    included = {name for file in tree.c for _, ours, name in file.includes() if ours}
    named = '\n'.join(meson.text for meson in tree.meson)
    for file in tree.c:
        name = os.path.basename(file.path)
        if file.path.endswith('.c') and file.path not in built:
            yield file.path, None, 'is in no meson.build'
        if file.path.endswith('.h') and name not in named and not any(
                file.path.endswith('/' + other) for other in included):
            yield file.path, None, 'is included by no file'


def single_use(tree):
    """A function that others could call and none does: make it static, or delete it."""
    sources = [file for file in tree.c if file.path.endswith('.c')]
    for file in sources:
        if file.is_test:
            continue
        for function in file.functions:
            if function.static or function.name == 'main':
                continue
            if any(function.name in other.words for other in sources if other is not file):
                continue
            if any(used_by_header(function.name, header, sources, file) for header in tree.c):
                continue
            yield f'{file.path}:{function.name}', None, 'is not static, and no other file uses it'


def used_by_header(name, header, sources, own):
    if not header.path.endswith('.h') or name not in header.words:
        return False
    if any(re.search(r'\b%s\b' % name, body) for body in inline_bodies(header)):
        return True
    macros = re.findall(r'^[ \t]*#[ \t]*define(?:[^\n\\]|\\.|\\\n)*', header.code, re.M)
    if any(re.search(r'\b%s\b' % name, macro) for macro in macros):
        return True
    match = re.search(r'G_DEFINE_AUTO\w*\(\s*(\w+)\s*,\s*%s\b' % name, header.code)
    return bool(match) and any(
        re.search(r'\bg_auto(ptr|slist|list)?\(%s\)' % match[1], file.code) for file in sources if file is not own)


def inline_bodies(header):
    lines = header.code.split('\n')
    return ['\n'.join(lines[f.line - 1:f.line - 1 + f.lines]) for f in header.functions]


def one_name(tree):
    seen = {}
    for file in tree.c:
        name = os.path.basename(file.path)
        if name in seen:
            yield file.path, None, f'has the name of {seen[name]}'
        seen.setdefault(name, file.path)


def sql_place(tree):
    for file in tree.c:
        if file.is_test or not file.folder:
            continue
        for line, text in file.literals():
            if SQL.match(text) and file.folder not in SQL_FOLDERS:
                yield f'{file.path}:{line}', None, f'SQL outside db/, roster/, model/: {text[:40]}'
            if EMAIL_INSERT.search(text) and file.path not in EMAIL_INSERT_AT:
                yield f'{file.path}:{line}', None, f'only {EMAIL_INSERT_AT[0]} may insert into table email'


def sql_portable(tree):
    for file in tree.c:
        for line, text in file.literals() if file.folder in SQL_FOLDERS and not file.is_test else ():
            match = SQL_LONELY.search(text)
            if match:
                yield f'{file.path}:{line}', None, f'"{match[0]}" is PostgreSQL\'s alone'
    for file in tree.files:
        for i, line in enumerate(file.lines if file.path.endswith('.sql') else (), 1):
            match = SQL_LONELY.search(line.split('-- ')[0])
            if match and file.path.startswith('src/'):
                yield f'{file.path}:{i}', None, f'"{match[0]}" is PostgreSQL\'s alone'


def log_place(tree):
    for file in tree.c:
        if file.is_test or not file.folder or file.path.startswith(LOG_PLACES):
            continue
        for i, line in enumerate(file.code.split('\n'), 1):
            if LOG_CALL.search(line):
                yield f'{file.path}:{i}', None, 'logs; it must return the error'


def hidden_device(tree):
    for file in tree.c:
        if file.is_test or not file.folder:
            continue
        for names, places in DEVICES.items():
            for i, line in enumerate(file.code.split('\n'), 1):
                match = re.search(r'\b(%s)\s*\(' % names, line)
                if match and file.path not in places:
                    yield f'{file.path}:{i}', None, f'{match[1]} is a hidden device: hand it in'


def opening_comment(tree):
    for file in tree.c:
        if not file.text.lstrip().startswith('/*'):
            yield file.path, None, 'does not begin with a comment that says what it is for'


def named_files(tree):
    """A document sends its reader to files: they must be there. `front/lmtp.c` is short for src/front/lmtp.c."""
    for file in tree.files:
        if not file.path.endswith('.md'):
            continue
        for i, line in enumerate(file.lines, 1):
            for name in re.findall(r'(?<![\w./-])' + NAMED_FILE, line):
                if not any(os.path.exists(os.path.join(tree.root, folder, name))
                           for folder in ('', 'src', os.path.dirname(file.path))):
                    yield f'{file.path}:{i}', None, f'names {name}, which is not there'


def guard_there(tree):
    """A mutant takes a guard out: one that the list does not find any more is tested by nobody."""
    texts = {file.path: file.text for file in tree.files}
    for mutant in tomllib.loads(texts.get('tests/mutants/mutants.toml', '')).get('mutant', []):
        for change in [mutant, *mutant.get('also', [])]:
            if change['old'] not in texts.get(change['file'], ''):
                yield change['file'], None, f'does not have the guard of the mutant "{mutant["name"]}"'


def workplace_path(tree):
    for file in tree.files:
        for i, line in enumerate(file.lines, 1):
            match = WORKPLACE.search(line)
            if match:
                yield f'{file.path}:{i}', None, f'"{match[0]}" is a path of one machine'


RULES = [include_table, folders_known, file_lines, header_lines, function_lines, function_parameters, columns,
         unfinished, dead_file, single_use, one_name, sql_place, sql_portable, log_place, hidden_device,
         opening_comment, named_files, guard_there, workplace_path]


def exceptions_read(root):
    """{(rule, place): (limit or None, line)}, and what is wrong with the list."""
    path, known, wrong = os.path.join(root, 'tools', 'tidy-exceptions.txt'), {}, []
    if not os.path.exists(path):
        return known, wrong
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            if line.strip() == '' or line.startswith('#'):
                continue
            fields = [field.strip() for field in line.split('|', 3)]
            if len(fields) != 4 or not fields[3] or not re.match(r'^(-|\d+)$', fields[2]):
                wrong.append(f'exceptions tools/tidy-exceptions.txt:{number} '
                             'is not "RULE | PLACE | LIMIT | REASON"')
                continue
            known[fields[0], fields[1]] = (None if fields[2] == '-' else int(fields[2]), number)
    return known, wrong


def offences(root):
    tree = Tree(root)
    known, found = exceptions_read(root)
    used = set()
    for rule in RULES:
        name = rule.__name__.replace('_', '-')
        for place, number, text in rule(tree):
            # An exception without a limit names the file, whatever the line.
            key = next(((name, p) for p in (place, re.sub(r':\d+$', '', place)) if (name, p) in known), None)
            if key is None:
                found.append(f'{name} {place} {text}')
                continue
            used.add(key)
            limit, line = known[key]
            if number is not None and limit is not None and number != limit:
                verb = 'grew beyond' if number > limit else 'needs less than'
                found.append(f'exceptions tools/tidy-exceptions.txt:{line} {place} {verb} its exception: '
                             f'{number}, not {limit}')
    for key, (_, line) in known.items():
        if key not in used:
            found.append(f'exceptions tools/tidy-exceptions.txt:{line} {key[0]} {key[1]} is not needed: delete it')
    return found


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
    found = offences(os.path.normpath(root))
    for line in found:
        print(line)
    print(f'tidy: {len(found)} offences' if found else 'tidy: clean')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
