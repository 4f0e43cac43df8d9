# SPDX-License-Identifier: Apache-2.0
"""The programs a benchmark runs: started here, ended here, each with its output in a file of its own."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
BUILD = TOP / "build"
# another build's programs, to compare with
BIN = Path(os.environ.get("GINNEL_BIN", BUILD / "bin"))
GENERATOR_CPU, SWITCH_CPU = 0, 1


def wait_for(what, condition, timeout_s=20):
    """Polls until condition() is true; a benchmark that waits for nothing must say for what."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError(f"gave up after {timeout_s} s: {what}")


def connects(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class Program:
    """A child process in a scratch directory; leaving the `with` block ends it."""

    # in the names of threads that move packets
    workers = "worker"

    def __init__(self, scratch, name, command, env=None):
        self.scratch = Path(scratch)
        self.log_path = self.scratch / f"{name}.log"
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True,
            env=env and {**os.environ, **env})

    def wait_ready(self):
        """Until it serves."""

    def __enter__(self):
        try:
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.log.close()

    def alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.log_path.stem} ended early:\n{self.log_path.read_text()[-2000:]}")
        return True

    def prefer_workers(self):
        """The threads that move packets go before everything else on their core: steadier on a shared machine."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if self.workers in (task / "comm").read_text():
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(1))

    def cpu_seconds(self):
        """By the scheduler's clock: the counters in ticks miss whoever sleeps before the next one."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def own_memory_mb(self):
        """Resident memory without what is shared with guests: mappings of memfd and hugepage files."""
        total = 0
        guest = False
        for line in Path(f"/proc/{self.process.pid}/smaps").read_text().splitlines():
            if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
                guest = "/memfd:" in line or "hugepages" in line
            elif line.startswith("Rss:") and not guest:
                total += int(line.split()[1])
        return total / 1024


class Hugepages:
    """As many as the peers need while the benchmark runs, then as many as before."""

    path = Path("/proc/sys/vm/nr_hugepages")

    def __init__(self, wanted):
        self.wanted = wanted

    def __enter__(self):
        self.before = self.path.read_text()
        if int(self.before) < self.wanted:
            self.path.write_text(str(self.wanted))
        if int(self.path.read_text()) < self.wanted:
            self.path.write_text(self.before)
            raise SystemExit(f"bench: the peers need {self.wanted} hugepages and there are not so many to be had: "
                             "free some memory")

    def __exit__(self, *_):
        self.path.write_text(self.before)
