# SPDX-License-Identifier: Apache-2.0
"""The programs a benchmark runs: started here, ended here, each with its output in a file of its own."""

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
BIN = TOP / "build" / "bin"


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

    def __init__(self, scratch, name, command):
        self.log_path = Path(scratch) / f"{name}.log"
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True)

    def __enter__(self):
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
            if "worker" in (task / "comm").read_text():
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(1))

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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


class Ginneld(Program):
    """The daemon with `ports` vhost-user server sockets in one bridge domain."""

    def __init__(self, scratch, ports, cpu=1, options=()):
        scratch = Path(scratch)
        self.api = scratch / "api.sock"
        self.sockets = [scratch / f"p{i}.sock" for i in range(ports)]
        startup = scratch / "startup"
        startup.write_text("".join(
            f"create vhost-user socket {path} server\n"
            f"set interface state VirtualEthernet0/0/{i} up\n"
            f"set interface l2 bridge VirtualEthernet0/0/{i} 1\n" for i, path in enumerate(self.sockets)))
        super().__init__(scratch, "ginneld", [
            BIN / "ginneld", "--api-socket", self.api, "--startup", startup, "--cpu", cpu, *options])

    def ready(self):
        wait_for("ginneld's control socket", lambda: self.alive() and connects(self.api))
        return self

    def ask(self, *command):
        out = subprocess.run([BIN / "ginnel", "--api-socket", self.api, "--json", *command],
                             check=True, capture_output=True, text=True).stdout
        return json.loads(out)


class Testpmd(Program):
    """DPDK's testpmd in interactive mode, one forwarding core; line-buffered, so that its answers can be read."""

    def __init__(self, scratch, name, cpu, vdevs, options=()):
        vdev_words = [word for vdev in vdevs for word in ("--vdev", vdev)]
        super().__init__(scratch, name, [
            "stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"1@0,2@{cpu}", "--in-memory", "--single-file-segments", "-m", "256",
            "--no-pci", f"--file-prefix={name}", "--no-telemetry", *vdev_words,
            "--", "-i", "--total-num-mbufs=16384", "--no-mlockall", *options])

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def text(self):
        self.log.flush()
        return self.log_path.read_text()

    def ready(self):
        wait_for("testpmd's prompt", lambda: self.alive() and "testpmd>" in self.text(), 60)
        return self

    def received(self):
        """RX packets of all ports so far, and when they were read."""
        before = self.text().count("##########################")
        self.say("show port stats all")
        ports = self.process.args.count("--vdev")
        # a statistics block is framed by two lines of #, the first of which also holds the title
        wait_for("testpmd's counters", lambda: self.text().count("##########################") >= before + 2 * ports)
        block = self.text()
        counts = re.findall(r"RX-packets: (\d+)", block)[-ports:]
        return sum(int(n) for n in counts), time.monotonic()
