#!/usr/bin/env python3
"""Makes db/schema.c from the numbered migrations: embed_schema.py OUTPUT FILE..."""
import os
import sys


def main():
    output, files = sys.argv[1], sys.argv[2:]
    lines = ['#include "db/schema.h"', "", "const SchemaFile schema_files[] = {"]
    for number, path in enumerate(files, start=1):
        name = os.path.basename(path).removesuffix(".sql")
        if int(name.split("-")[0]) != number:
            sys.exit(f"{path}: migration {number} was expected here")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines.append(f'    {{.name = "{name}", .text =')
        for line in text.splitlines():
            escaped = line.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'        "{escaped}\\n"')
        lines.append("    },")
    lines += ["};", f"const unsigned schema_file_count = {len(files)};", ""]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


main()
