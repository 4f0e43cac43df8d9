#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each pitfall in doc/pitfalls.md names tests that exist and are run."""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "doc" / "pitfalls.md"
# | what | where | `tests/x_test.c:a_test`, `tests/fuzz/target.c`, `tests/daemon/x.py:a_test` |
ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \|$")
PROOF = re.compile(r"^`([\w/]+\.(?:c|py))(?::(\w+))?`$")


def complaint(proof):
    """What is wrong with one of the last column's names; None: nothing."""
    match = PROOF.match(proof)
    if not match:
        return "is not `FILE.c:TEST`, `FILE.py:TEST` or `tests/fuzz/TARGET.c`"
    path, test = TOP / match[1], match[2]
    if not path.is_file():
        return "is no file"
    text = path.read_text()
    if test is None:
        return None if "LLVMFuzzerTestOneInput" in text else "is no fuzzer"
    if path.suffix == ".py":
        runs = f"def {test}()" in text and re.search(rf"main\(\[.*\b{test}\b", text, re.DOTALL)
        return None if runs else "is no test, or is not run"
    runs = f"TEST({test})" in text and f"cmocka_unit_test({test})" in text
    return None if runs else "is no test, or is not run"


def main():
    rows = [match for match in map(ROW.match, PAGE.read_text().splitlines()) if match and match[1] != "pitfall"]
    complaints = [f"doc/pitfalls.md: {proof} {wrong}"
                  for row in rows for proof in row[3].split(", ") if (wrong := complaint(proof))]
    print("\n".join(complaints) or f"{len(rows)} pitfalls, each with its tests")
    return 1 if complaints or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
