#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The parts of the house style a machine can see: sizes, licence tags, own header first, no way back to old names."""

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
FILE_LINES = 1000
FUNCTION_LINES = 70
PARAMETERS = 6
PRESCRIBED = {"on_request"}  # by a library: libmicrohttpd's handler of requests
SOURCES = ("*.c", "*.h", "*.py", "*.sh", "meson.build")
FUNCTION = re.compile(r"^[A-Za-z_][\w\s\*]*?\b(\w+)\(([^;]*)\)\s*$")


def tracked(*patterns):
    out = subprocess.run(
        ["git", "-C", TOP, "ls-files", "-co", "--exclude-standard", *patterns],
        check=True, capture_output=True, text=True).stdout
    return [TOP / name for name in out.splitlines() if (TOP / name).is_file()]


def licence(path, lines):
    if not any("SPDX-License-Identifier:" in line for line in lines[:3]):
        yield f"{path}: no SPDX-License-Identifier in the first three lines"


def length(path, lines):
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines, at most {FILE_LINES}: give a role its own file"


def own_header_first(path, lines):
    own = path.with_suffix(".h")
    if path.suffix != ".c" or not own.exists():
        return
    first = next((line for line in lines if line.startswith("#include")), "")
    want = f'#include "{own.relative_to(TOP / "src") if (TOP / "src") in own.parents else own.name}"'
    # a private header that includes the own one will do
    if first.strip() != want and not first.strip().endswith((f'/{own.name}"', 'private.h"')):
        yield f"{path}: the first include should be {want}"


def functions(path, lines):
    """A definition starts in column one and its body is a lone { in column one to a lone }."""
    if path.suffix not in (".c", ".h"):
        return
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            if i - start > FUNCTION_LINES:
                yield f"{path}:{start}: a function of {i - start} lines, at most {FUNCTION_LINES}"
            signature = " ".join(lines[max(0, start - 4):start])
            match = FUNCTION.search(signature.split(";")[-1].split("}")[-1].strip())
            if match and match[2].count(",") + 1 > PARAMETERS and match[1] not in PRESCRIBED:
                yield f"{path}:{start}: {match[1]}() takes more than {PARAMETERS} parameters"
            start = None


def main():
    complaints = []
    files = tracked(*SOURCES, "dev", ".ci/run")
    for path in files:
        lines = path.read_text().splitlines()
        for check in (licence, length, own_header_first, functions):
            complaints += check(path, lines)
    print("\n".join(str(c).replace(f"{TOP}/", "") for c in complaints) or f"{len(files)} files in style")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
