#!/usr/bin/env python3
"""Makes a C file of the page's files, as they are and packed: embed_files.py OUTPUT HEADER FILE..."""
import gzip
import hashlib
import os
import sys

TYPES = {'.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
         '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml'}


def array(name, data):
    lines = [f'static const unsigned char {name}[] = {{']
    for at in range(0, len(data), 20):
        lines.append('    ' + ''.join(f'{byte},' for byte in data[at:at + 20]))
    return lines + ['};']


def main():
    output, header, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    lines, rows = [f'#include "{header}"', ''], []
    for number, path in enumerate(paths):
        with open(path, 'rb') as file:
            plain = file.read()
        # Without a time in it, so that two builds are the same.
        packed = gzip.compress(plain, 9, mtime=0)
        lines += array(f'plain_{number}', plain) + array(f'packed_{number}', packed)
        etag = hashlib.sha256(plain).hexdigest()[:20]
        rows.append(f'    {{"{os.path.basename(path)}", "{TYPES[os.path.splitext(path)[1]]}", "{etag}",'
                    f' plain_{number}, sizeof plain_{number}, packed_{number}, sizeof packed_{number}}},')
    lines += ['const PageFile page_files[] = {'] + rows + ['};']
    lines += ['const size_t page_file_count = sizeof page_files / sizeof page_files[0];', '']
    with open(output, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines))


if __name__ == '__main__':
    main()
