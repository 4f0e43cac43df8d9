#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hot path's instructions per sent frame, against the accepted counts in limits.json.

usage: check.py TURN_COST COUNTED_WITH [--accept]

COUNTED_WITH names what the counts depend on: compiler, processor family, optimisation. With another than limits.json
was written with there is nothing to compare: the check is skipped. --accept writes what is counted into limits.json;
to go over to another compiler, remove that first."""

import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LIMITS = Path(__file__).with_name("limits.json")
TURNS = 64
TOLERANCE = 0.03
TOP_CASES, TOP_FUNCTIONS = 2, 8  # told of those that became too dear: ./dev test shows 40 lines of a failure
FUNCTION_LEAST = 0.5  # instructions per frame of a function worth keeping
SKIP = 77
# Glibc chooses memcpy and its like by what the processor can do, and valgrind shows it the host's. Without these it
# takes the plain SSE2 ones, which every x86-64 has: so the count is the same on any.
HWCAPS = "AVX2 AVX AVX512F AVX512VL AVX512BW AVX_Fast_Unaligned_Load ERMS FSRM RTM SSSE3 SSE4_1 SSE4_2 BMI2"
ENVIRONMENT = dict(os.environ, GLIBC_TUNABLES="glibc.cpu.hwcaps=" + ",".join(f"-{cap}" for cap in HWCAPS.split()))

FUNCTION = re.compile(r"^fn=\((\d+)\)(?: (.+))?$")
COST = re.compile(r"^(?:[+-]?\d+|\*) (\d+)$")


def self_costs(text):
    """Function name -> instructions of its own, from callgrind's file."""
    names, costs, name, inclusive = {}, collections.Counter(), None, False
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            names.setdefault(match[1], match[2])
            name = names[match[1]]
        elif line.startswith("cfn="):  # names callees too
            called = FUNCTION.match(line[1:])
            names.setdefault(called[1], called[2])
        elif line.startswith("calls="):
            inclusive = True  # the next line is what the call cost: counted where it is spent
        elif match := COST.match(line):
            if not inclusive:
                costs[name] += int(match[1])
            inclusive = False
    return costs


def count(program, case):
    """Function name -> instructions per sent frame."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "callgrind.out"
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=counted_turn*", f"--callgrind-out-file={out}",
             program, case, str(TURNS)], env=ENVIRONMENT, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{case}: {run.stderr}")
        frames, costs = int(run.stdout), self_costs(out.read_text())
        if not costs:
            sys.exit(f"{case}: nothing was counted: is there a counted_turn() in {program}?")
        return {name: cost / frames for name, cost in costs.items()}


def count_all(program):
    cases = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(cases, pool.map(lambda case: count(program, case), cases)))


def verdict(counted, accepted):
    """What the table says, and whether that is a failure."""
    if accepted is None:
        return "no limit yet: ./dev cost --accept", True
    if counted > accepted * (1 + TOLERANCE):
        return f"too many: at most {TOLERANCE:+.0%}", True
    if counted < accepted * (1 - TOLERANCE):
        return "lower the limit: ./dev cost --accept", False
    return "", False


def print_growth(case, functions, before):
    """The functions that grew most since the limit was accepted."""
    growth = {name: cost - before.get(name, 0) for name, cost in functions.items()}
    dearest = sorted(growth, key=lambda name: (-growth[name], name))[:TOP_FUNCTIONS]
    print(f"\n{case:<28} {'accepted':>9} {'now':>9} {'change':>8}")
    for name in (name for name in dearest if growth[name] >= FUNCTION_LEAST):
        print(f"  {name:<26} {before.get(name, 0):9.1f} {functions[name]:9.1f} {growth[name]:+8.1f}")


def compare(counts, limits):
    """Prints the table. Returns the cases that became too dear, the worst first."""
    dear = {}
    print(f"{'instructions per sent frame':<28} {'accepted':>9} {'now':>9} {'change':>8}")
    for case, functions in counts.items():
        counted, accepted = sum(functions.values()), limits["accepted"].get(case)
        text, failed = verdict(counted, accepted)
        before, change = (f"{accepted:.1f}", f"{round(counted / accepted - 1, 3) + 0:+.1%}") if accepted else ("-", "-")
        print(f"{case:<28} {before:>9} {counted:9.1f} {change:>8}  {text}".rstrip())
        if failed:
            dear[case] = counted / accepted if accepted else 0
    return sorted(dear, key=dear.get, reverse=True)


def check(counts, limits):
    dear = compare(counts, limits)
    for case in dear[:TOP_CASES]:
        print_growth(case, counts[case], limits["functions"].get(case, {}))
    if dear:
        print("\nIf it is worth that, accept it and say why in the commit: ./dev cost --accept")
    return 1 if dear else 0


def as_json(limits):
    """One line per case, so that a difference can be read."""
    parts = [f' "counted_with": {json.dumps(limits["counted_with"])}']
    for key in ("accepted", "functions"):
        rows = ",\n".join(f"  {json.dumps(case)}: {json.dumps(value)}" for case, value in limits[key].items())
        parts.append(f' "{key}": {{\n{rows}\n }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def accept(counts, counted_with):
    limits = {"counted_with": counted_with, "accepted": {}, "functions": {}}
    for case, functions in counts.items():
        limits["accepted"][case] = round(sum(functions.values()), 1)
        limits["functions"][case] = {
            name: round(cost, 1) for name, cost in sorted(functions.items()) if cost >= FUNCTION_LEAST}
    LIMITS.write_text(as_json(limits))
    print(f"\naccepted: tests/cost/{LIMITS.name}")


def main():
    program, counted_with, *options = sys.argv[1:]
    limits = json.loads(LIMITS.read_text()) if LIMITS.exists() else {"accepted": {}, "functions": {}}
    accepting = "--accept" in options
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed; ./dev test --suite cost installs it")
        return SKIP
    if limits.get("counted_with", counted_with) != counted_with:
        print(f"skipped: {LIMITS.name} was counted with {limits['counted_with']}; this is {counted_with}")
        return SKIP
    counts = count_all(program)
    if accepting:
        compare(counts, limits)
        accept(counts, counted_with)
        return 0
    return check(counts, limits)


if __name__ == "__main__":
    sys.exit(main())
