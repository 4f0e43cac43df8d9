#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Lets the fuzzers of build-fuzz/ search: several at once, for some minutes each. What they find lands in
build-fuzz/findings/, what is worth keeping in corpus/TARGET here, where every build replays it as a test.

totals.json sums up all runs there ever were: executions and seconds of CPU are totals, coverage is that of the last
run. Seconds of CPU, because a search that shares its machine with something else has done less than the clock says.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build-fuzz"
FINDINGS = BUILD / "findings"
RESULTS = HERE / "totals.json"
PROGRESS_S = 30
# By the clock, and a search may be stopped for a while: nothing real takes a second.
HANG_S = 900
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
OPTIONS = {
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "CMOCKA_TEST_ABORT": "1",
}


class Search:
    """One target's libFuzzer process."""

    def __init__(self, target, seconds):
        self.target = target
        self.binary = BUILD / "tests" / "fuzz" / target
        self.found = BUILD / "corpus" / target
        self.kept = HERE / "corpus" / target
        self.log = BUILD / "logs" / f"{target}.log"
        for folder in (self.found, self.kept, self.log.parent, FINDINGS):
            folder.mkdir(parents=True, exist_ok=True)
        self.seconds, self.used_s = seconds, 0
        self.findings_before = self.findings()
        self.process = self.start("-print_final_stats=1", f"-timeout={HANG_S}", f"-report_slow_units={HANG_S}",
                                  "-rss_limit_mb=1024", "-reload=0", self.found, self.kept)

    def start(self, *arguments):
        with open(self.log, "w") as log:
            return subprocess.Popen([self.binary, f"-artifact_prefix={FINDINGS}/{self.target}-", *arguments],
                                    stdout=log, stderr=log, cwd=BUILD, env={**OPTIONS, **os.environ})

    def done(self):
        """Asks it to stop when its CPU time is spent; whether it has stopped."""
        if self.process.poll() is not None:
            return True
        self.used_s = cpu_seconds(self.process.pid)
        if self.used_s >= self.seconds:
            self.process.send_signal(signal.SIGUSR1)
        return False

    def findings(self):
        return len(list(FINDINGS.glob(f"{self.target}-*")))

    def last(self, pattern):
        matches = re.findall(pattern, self.log.read_text(errors="replace"))
        return int(matches[-1]) if matches else 0

    def progress(self):
        runs, coverage, speed = (self.last(p) for p in (r"\n#(\d+)", r"cov: (\d+)", r"exec/s: (\d+)"))
        return f"{self.target}: {runs} runs, coverage {coverage}, {speed} a second"

    def finish(self):
        """Its row; what it found that is new is kept."""
        row = {
            "executions": self.last(r"number_of_executed_units: (\d+)"),
            "seconds": round(self.used_s),
            "coverage": self.last(r"cov: (\d+)"),
            "findings": self.findings() - self.findings_before,
        }
        if self.process.returncode != 0:
            print("\n".join(self.log.read_text(errors="replace").splitlines()[-60:]))
            row["findings"] = max(row["findings"], 1)
        # counters aside: a loop that ran once more is no news
        self.start("-merge=1", "-use_counters=0", self.kept, self.found).wait()
        return row


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def targets():
    return sorted(path.name for path in (BUILD / "tests" / "fuzz").iterdir()
                  if path.is_file() and os.access(path, os.X_OK))


def add_up(row, results):
    total = results.setdefault(row.pop("target"), {"executions": 0, "seconds": 0, "findings": 0})
    total["coverage"] = row["coverage"]
    for key in ("executions", "seconds", "findings"):
        total[key] += row[key]
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def search(names, seconds, jobs, results):
    waiting, running, findings, told = list(names), [], 0, time.monotonic()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(Search(waiting.pop(0), seconds))
        time.sleep(1)
        for s in [s for s in running if s.done()]:
            running.remove(s)
            row = s.finish()
            findings += row["findings"]
            add_up({"target": s.target, **row}, results)
        if time.monotonic() - told >= PROGRESS_S:
            told = time.monotonic()
            for s in running:
                print(s.progress(), flush=True)
    return findings


def table(results):
    print(f"\n{'target':<20}{'executions':>12}{'seconds':>10}{'coverage':>10}{'findings':>10}")
    for target, row in sorted(results.items()):
        print(f"{target:<20}{row['executions']:>12}{row['seconds']:>10}{row['coverage']:>10}{row['findings']:>10}")


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=" ".join(targets()))
    parser.add_argument("--minutes", type=float, default=1, help="of CPU time for each target (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at the same time (one for each CPU)")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(targets())
    if unknown:
        parser.error(f"no target {' '.join(sorted(unknown))}: there are {' '.join(targets())}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    findings = search(arguments.targets or targets(), int(arguments.minutes * 60), arguments.jobs, results)
    table(results)
    if findings:
        print(f"\n{findings} new in {FINDINGS}: run the target's binary with the file as its argument")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
