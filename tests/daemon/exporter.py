#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginnel-exporter scraped as Prometheus does it. tests/peer/exporter lets promtool judge the text."""

import http.client
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from daemon import Daemon, main
from traffic import PORTS, Traffic

A, B = "VirtualEthernet0/0/0", "VirtualEthernet0/0/1"
PROGRAM = Path(os.environ["GINNEL_BIN"]) / "ginnel-exporter"
PATIENCE = 60


class Exporter:
    def __init__(self, api, *options):
        self.process = subprocess.Popen([PROGRAM, "--api-socket", api, "--port", "0", *options],
                                        stderr=subprocess.PIPE, text=True)
        self.said = self.process.stderr.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", self.said)
        assert match, self.said
        self.port = int(match[1])

    def get(self, path="/metrics", method="GET", **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        c.request(method, path, headers=headers)
        answer = c.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()

    def sample(self, name, **labels):
        want = ",".join(f'{k}="{v}"' for k, v in labels.items())
        line = f"{name}{{{want}}} " if labels else f"{name} "
        for row in self.get()[2].splitlines():
            if row.startswith(line):
                return float(row[len(line):])
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(20) == 0, self.process.returncode


def counters_are_those_of_show_interface():
    with Daemon(PORTS) as d, Exporter(d.api) as e:
        traffic = Traffic(d)
        traffic.flows()
        shown = d.ask("show", "interface", A)[0]["counters"]
        assert e.sample("ginnel_interface_receive_packets_total", interface=A) >= shown["rx packets"] > 0
        assert e.sample("ginnel_up") == 1
        assert e.sample("ginnel_stage_packets_total", worker="0", stage="bridge-forward") > 0


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def drops_have_their_reason():
    with Daemon(PORTS) as d, Exporter(d.api) as e:
        traffic = Traffic(d)
        until(lambda: e.sample("ginnel_interface_up", interface=B) == 1, "it is up")
        d.run("set", "interface", "state", B, "down")
        assert traffic.ends[0].send(bytes.fromhex("ffffffffffff525400000001" "88b5").ljust(60, b"\0"))
        until(lambda: e.sample("ginnel_interface_drops_total", interface=B, reason="tx-down") == 1, "the drop is told")
        until(lambda: e.sample("ginnel_interface_up", interface=B) == 0, "it is down")


def openmetrics_is_told_to_who_asks_for_it():
    with Daemon(PORTS) as d, Exporter(d.api) as e:
        status, kind, text = e.get(Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        assert status == 200 and kind.startswith("application/openmetrics-text"), kind
        assert text.endswith("# EOF\n") and "# TYPE ginnel_interface_receive_packets counter\n" in text
        assert e.get()[1].startswith("text/plain") and "# EOF" not in e.get()[2]
        assert e.get("/")[0] == 200 and e.get("/x")[0] == 404 and e.get(method="POST")[0] == 405


def a_daemon_that_is_away_is_told_and_the_next_one_found():
    with Daemon(PORTS) as d, Exporter(d.api) as e:
        assert e.sample("ginnel_up") == 1
        d.end()
        until(lambda: e.sample("ginnel_up") == 0, "it is away")
        d.begin()
        until(lambda: e.sample("ginnel_up") == 1, "the next one is found")
        until(lambda: e.sample("ginnel_interface_up", interface=A) == 1, "with its ports")


def it_gives_its_rights_away():
    with Daemon(PORTS) as d, Exporter(d.api) as e:
        e.get()
        status = Path(f"/proc/{e.process.pid}/status").read_text()
        assert re.search(r"^CapEff:\s*0+$", status, re.M) and re.search(r"^Seccomp:\s*2$", status, re.M), status


def mistakes_are_answered_with_the_mend():
    for words, says in ((["--port", "x"], "port"), (["--listen", "nowhere"], "127.0.0.1"), (["more"], "more")):
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and says in done.stderr, done


if __name__ == "__main__":
    if not PROGRAM.exists():
        sys.exit(77)
    main([counters_are_those_of_show_interface, drops_have_their_reason, openmetrics_is_told_to_who_asks_for_it, a_daemon_that_is_away_is_told_and_the_next_one_found,
          it_gives_its_rights_away, mistakes_are_answered_with_the_mend])
