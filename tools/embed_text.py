#!/usr/bin/env python3
"""Makes a C file of a text file, as one string: embed_text.py OUTPUT NAME FILE."""
import sys


def main():
    output, name, path = sys.argv[1:]
    lines = [f"extern const char {name}[];", f"const char {name}[] ="]
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            escaped = line.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'    "{escaped}\\n"')
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + ";\n")


main()
