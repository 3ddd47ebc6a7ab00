#!/usr/bin/env python3
"""terminal_svg: what a program prints on a terminal, as a picture for the documents.

    rota status | tools/terminal_svg.py TITLE >docs/status.svg

Reads text with the few colours that rota uses (bold, faint, red, yellow, green); draws each line as
text, so that it can be searched and copied, in a fixed width whatever the reader's fonts are.
"""
import html
import re
import sys

CHAR, LINE, PAD, TOP = 7.8, 17, 14, 40
STYLES = {"1": "font-weight:bold;fill:#e8eaed", "2": "fill:#80868b", "31": "fill:#f28b82", "32": "fill:#81c995",
          "33": "fill:#fdd663", "36": "fill:#8ab4f8"}


def spans(line):
    """(column, text, style) of each piece of a line."""
    column, style = 0, ""
    for piece in re.split(r"(\x1b\[[0-9;]*[A-Za-z])", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)([A-Za-z])", piece)
        if code:
            if code[2] == "m":
                style = ";".join(STYLES[part] for part in code[1].split(";") if part in STYLES)
        elif piece:
            yield column, piece, style
            column += len(piece)


def main():
    lines = [line.rstrip("\r") for line in sys.stdin.read().rstrip("\n").split("\n")]
    width = max(sum(len(text) for _, text, _ in spans(line)) for line in lines) * CHAR + 2 * PAD
    height = len(lines) * LINE + TOP + PAD
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
          f'viewBox="0 0 {width:.0f} {height}">')
    print('<rect width="100%" height="100%" rx="8" fill="#202124"/>')
    print('<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13" fill="#bdc1c6" '
          'xml:space="preserve">')
    print(f'<text x="{PAD}" y="24" fill="#80868b">$ {html.escape(sys.argv[1])}</text>')
    for number, line in enumerate(lines):
        for column, text, style in spans(line):
            if text.strip():
                print(f'<text x="{PAD + column * CHAR:.1f}" y="{TOP + (number + 1) * LINE - 4}" '
                      f'textLength="{len(text) * CHAR:.1f}"' + (f' style="{style}"' if style else "") +
                      f'>{html.escape(text)}</text>')
    print('</g>\n</svg>')


if __name__ == "__main__":
    main()
