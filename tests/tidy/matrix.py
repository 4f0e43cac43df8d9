#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds doc/vhost-user.md against the tables it is printed from, and the tests they name against the tests there are.

usage: matrix.py VHOST_MATRIX [--write]"""

import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DOCUMENT = TOP / "doc/vhost-user.md"
BEGIN = "<!-- printed by vhost_matrix: begin -->\n"
END = "<!-- printed by vhost_matrix: end -->\n"
TEST = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def existing_tests():
    files = [*(TOP / "src/vhost").glob("*_test.c"), *(TOP / "tests/hostile").glob("*_test.c")]
    return {name for path in files for name in TEST.findall(path.read_text())}


def missing_tests(matrix):
    existing = existing_tests()
    for row in matrix["requests"] + matrix["backend_requests"]:
        for name in row["tests"].split():
            if name not in existing:
                yield f"src/vhost/matrix.c: {row['name']}: there is no test {name}"


def with_table(text, table):
    head, rest = text.split(BEGIN)
    return head + BEGIN + table + rest[rest.index(END):]


def main():
    program = sys.argv[1]
    matrix = json.loads(run(program, "--json"))
    complaints = list(missing_tests(matrix))
    text = DOCUMENT.read_text()
    wanted = with_table(text, run(program))
    if "--write" in sys.argv:
        DOCUMENT.write_text(wanted)
    elif text != wanted:
        complaints.append("doc/vhost-user.md is not what the tables say: run tests/tidy/matrix.py "
                          "build/src/vhost/vhost_matrix --write")
    served = sum(row["served"] for row in matrix["requests"] + matrix["backend_requests"])
    print("\n".join(complaints) or f"{served} messages are served, and the document says so")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
