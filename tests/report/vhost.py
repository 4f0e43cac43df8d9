#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What stands of vhost-user, from what was run: each message and feature with the test that proves it, what the
peers measured, how many attacks were survived, how long the fuzzers have searched. Runs the suites hostile, fuzz
and peer first, unless it is told to take what their last run left.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOG = BUILD / "meson-logs" / "testlog.json"
FUZZ_TOTALS = ROOT / "tests" / "fuzz" / "totals.json"
SUITES = ("hostile", "fuzz", "peer")
# what tests/peer/lib.sh prints: RESULT name value unit
RESULT = re.compile(r"^RESULT (\S+) (\S+) (\S+)", re.M)
# cmocka's last word on a test program
PASSED = re.compile(r"^\[  PASSED  \] (\d+) test", re.M)


def run_suites():
    suites = [word for suite in SUITES for word in ("--suite", suite)]
    LOG.unlink(missing_ok=True)
    subprocess.run(["meson", "test", "-C", BUILD, "--no-rebuild", *suites], check=False, stdout=sys.stderr)


def read_log():
    if not LOG.exists():
        sys.exit(f"report: {LOG} is not there: run without --last")
    tests = [json.loads(line) for line in LOG.read_text().splitlines() if line]
    return [{"suite": test["name"].split(" / ")[0].split(":")[-1], "name": test["name"].split(" / ")[-1],
             "result": test["result"], "seconds": round(test["duration"], 1),
             "output": (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")} for test in tests]


def matrix():
    said = subprocess.run([BUILD / "src" / "vhost" / "vhost_matrix", "--json"], check=True, capture_output=True)
    return json.loads(said.stdout)


def measured(tests):
    return [{"test": test["name"], "what": what.removeprefix(test["name"] + "/"), "value": float(value), "unit": unit}
            for test in tests if test["suite"] == "peer"
            for what, value, unit in RESULT.findall(test["output"])]


def attacks(tests):
    return [{"test": test["name"], "survived": sum(map(int, PASSED.findall(test["output"]))),
             "result": test["result"]} for test in tests if test["suite"] == "hostile"]


def outcome(tests):
    return [{key: test[key] for key in ("suite", "name", "result", "seconds")} for test in tests]


def collect():
    tests = read_log()
    return {
        "matrix": matrix(),
        "measured": measured(tests),
        "hostile": attacks(tests),
        "fuzz": json.loads(FUZZ_TOTALS.read_text()) if FUZZ_TOTALS.exists() else {},
        "tests": outcome(tests),
    }


def table(title, columns, rows):
    widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(len(columns))]
    print(f"\n{title}\n")
    for row in [columns, ["-" * width for width in widths], *rows]:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def messages_table(title, rows):
    table(title, ["id", "message", "needs", "served", "proved by"],
          [[row["request"], row["name"], row["needs"], "yes" if row["served"] else "no",
            row["tests"] if row["served"] else row["why"]] for row in rows])


def print_report(report):
    messages_table("messages of the front-end", report["matrix"]["requests"])
    messages_table("messages of the back-end", report["matrix"]["backend_requests"])
    table("protocol features", ["bit", "feature", "provided by", "note"],
          [[row["bit"], row["name"].removeprefix("VHOST_USER_PROTOCOL_F_"), row["provider"], row["why"]]
           for row in report["matrix"]["protocol_features"]])
    table("measured with real peers", ["test", "what", "value", "unit"],
          [[row["test"], row["what"], f"{row['value']:.10g}", row["unit"]] for row in report["measured"]])
    table("hostile cases", ["test", "survived", "result"],
          [[row["test"], row["survived"], row["result"]] for row in report["hostile"]])
    print(f"\n  {sum(row['survived'] for row in report['hostile'])} in all")
    table("fuzzers, in total", ["target", "executions", "hours", "coverage", "findings"],
          [[name, row["executions"], f"{row['seconds'] / 3600:.2f}", row["coverage"], row["findings"]]
           for name, row in sorted(report["fuzz"].items())])
    table("suites", ["suite", "test", "result", "seconds"],
          [[row["suite"], row["name"], row["result"], row["seconds"]] for row in report["tests"]])


def main():
    parser = argparse.ArgumentParser(prog="./dev report vhost", description=__doc__)
    parser.add_argument("--last", action="store_true", help="take what the last run of the tests left")
    parser.add_argument("--json", type=Path, help="write everything there")
    options = parser.parse_args()
    if not options.last:
        run_suites()
    report = collect()
    print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
        print(f"\neverything: {options.json}")
    return 0 if all(row["result"] in ("OK", "SKIP", "EXPECTEDFAIL") for row in report["tests"]) else 1


if __name__ == "__main__":
    sys.exit(main())
