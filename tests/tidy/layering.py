#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the #include lines of src/ against the layering table, which is written down once: in ARCHITECTURE.md."""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# | `port/` | one file per kind of port ... | base os wire ctl |
ROW = re.compile(r"^\| `(\w+)/` \|.*\| ([\w ]+|—) \|$")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def layering_table():
    rows = {}
    for line in (TOP / "ARCHITECTURE.md").read_text().splitlines():
        match = ROW.match(line)
        if match:
            rows[match[1]] = set(match[2].replace("—", "").split())
    if not rows:
        sys.exit("no layering table found in ARCHITECTURE.md")
    if "prog" in rows:
        rows["prog"] = set(rows) - {"prog"}
    return rows


def wrong_includes(rows):
    for path in sorted((TOP / "src").rglob("*.[ch]")):
        room = path.relative_to(TOP / "src").parts[0]
        if room not in rows:
            yield f"{path.relative_to(TOP)}: folder {room}/ has no row in ARCHITECTURE.md"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            where = f"{path.relative_to(TOP)}:{number}"
            target = match[1].split("/")[0]
            if "/" not in match[1]:
                yield f"{where}: write the folder too: {match[1]}"
            elif target not in rows[room] | {room}:
                yield f"{where}: {room}/ may not include {match[1]}"


def empty_rows(rows):
    for room in rows:
        if not list((TOP / "src" / room).glob("*.[ch]")):
            yield f"ARCHITECTURE.md: {room}/ has a row but no code"


def main():
    rows = layering_table()
    complaints = list(wrong_includes(rows)) + list(empty_rows(rows))
    print("\n".join(complaints) or f"{len(rows)} rooms, every include points downwards")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
