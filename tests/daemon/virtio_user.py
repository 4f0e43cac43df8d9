#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two ginnelds, a guest behind each, joined by virtio-user here and vhost-user there."""

import os
import resource
import signal
import struct
import time

from contextlib import contextmanager

from daemon import Daemon, main
from front_end import FrontEnd
from traffic import PATIENCE, WINDOW, Traffic

GUEST = """
create vhost-user socket @/guest.sock server
set interface state VirtualEthernet0/0/0 up
set interface l2 bridge VirtualEthernet0/0/0 7
"""
DRIVER = GUEST + """
create virtio-user socket {link} {options}
set interface state VirtioUser0/0/0 up
set interface l2 bridge VirtioUser0/0/0 7
"""
DEVICE = GUEST + """
create vhost-user socket {link} {options}
set interface state VirtualEthernet0/0/1 up
set interface l2 bridge VirtualEthernet0/0/1 7
"""


class Link(Traffic):
    """Traffic between guests of two daemons, of which some may be lost where a daemon was."""

    def __init__(self, *daemons):
        super().__init__()
        self.daemons = daemons
        self.lost = 0
        self.given_up = [0, 0]  # frames that are waited for no more, however many arrived
        self.ends = [self.connect(i) for i in range(2)]

    def connect(self, i):
        end = FrontEnd(self.daemons[i].dir / "guest.sock")
        end.start()
        return end

    def step(self):
        for i, end in enumerate(self.ends):
            for frame in end.receive():
                number, = struct.unpack_from("<I", frame, 14)
                assert number >= self.got[i], f"end {i} got frame {number} after {self.got[i]}"
                assert len(frame) == 60 + number % 1000, (len(frame), number)
                self.lost += number - self.got[i]
                self.got[i] = number + 1
            while self.sent[i] - max(self.got[1 - i], self.given_up[i]) < WINDOW and end.send(self.frame(i)):
                self.sent[i] += 1

    def until_shouting(self, condition, what):
        """Each end goes on sending, whether or not its frames arrive."""
        def met():
            for i in range(2):
                self.given_up[i] = max(self.given_up[i], self.sent[i] - WINDOW + 1)
            return condition()
        self.until(met, what)

    def flows_at_last(self):
        """What was on its way may be gone: until both hear each other again."""
        aim = [n + 3 * WINDOW for n in self.got]
        self.until_shouting(lambda: all(n >= a for n, a in zip(self.got, aim)), "frames flow again")


@contextmanager
def link(driver_listens=False, options="", device_options=""):
    """The driver's daemon and the device's, and traffic between them."""
    role = {True: "server", False: ""}
    with Daemon() as place:
        path = place.dir / "link.sock"
        driver = DRIVER.format(link=path, options=f"{role[driver_listens]} {options}")
        device = DEVICE.format(link=path, options=f"{role[not driver_listens]} {device_options}")
        with Daemon(device) as b, Daemon(driver) as a:
            yield a, b, Link(a, b)


def port(daemon):
    return daemon.ask("show", "virtio-user")[0]


def has(daemon, name):
    return any(name in text for text in port(daemon)["feature_names"])


def runs(daemon):
    return port(daemon)["state"] == "running"


def wait(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.01)


def frames_go_both_ways_over_every_kind_of_ring_in_both_roles():
    for driver_listens in (False, True):
        for options in ("", "in-order", "packed", "packed in-order", "packed queue-size 200", "queue-size 16"):
            with link(driver_listens, options) as (a, b, traffic):
                wait(lambda: runs(a), "the back-end runs")
                assert has(a, "RING_PACKED") == ("packed" in options), port(a)
                assert has(a, "IN_ORDER") == ("in-order" in options), port(a)
                # a window of frames, and those of a turn that has not given its buffers back, must fit
                if options == "queue-size 16":
                    traffic.flows_at_last()
                else:
                    traffic.flows()
                    assert traffic.lost == 0, (options, a.ask("show", "errors"), b.ask("show", "errors"))
                assert port(a)["connections"] == 1 and port(a)["protocol_errors"] == 0, port(a)
                assert a.end() == 0 and b.end() == 0


def without_mergeable_buffers_and_offloads_frames_go_too():
    for mask in ("0", "8000", "1", "20000000"):
        with link(options=f"feature-mask 0x{mask}") as (a, _, traffic):
            wait(lambda: runs(a), "the back-end runs")
            traffic.flows_at_last()


def the_back_end_has_the_last_word_about_queues_and_features():
    with link(options="queues 4 packed") as (a, b, traffic):
        wait(lambda: runs(a), "the back-end runs")
        assert len(port(a)["virtqueues"]) == 8 and len(port(a)["rx_placement"]) == 4, port(a)
        traffic.flows_at_last()
    with link(options="queues 4 packed queue-size 100", device_options="feature-mask 0x100008000") as (a, b, traffic):
        wait(lambda: runs(a), "the back-end runs")
        assert not has(a, "RING_PACKED"), port(a)
        assert {q["qsz"] for q in port(a)["virtqueues"]} == {64}, port(a)
        traffic.flows_at_last()
        assert b.ask("show", "vhost-user")[1]["connected"]


def a_back_end_without_version_1_is_refused_with_the_reason():
    with link(device_options="feature-mask 0x8000") as (a, _, traffic):
        wait(lambda: port(a)["why"], "a reason")
        assert "VIRTIO_F_VERSION_1" in port(a)["why"] and not runs(a), port(a)


def whoever_is_killed_comes_back():
    for driver_listens in (False, True):
        for options in ("", "packed queues 2"):
            with link(driver_listens, options) as (a, b, traffic):
                wait(lambda: runs(a), "the back-end runs")
                traffic.flows_at_last()
                for i, daemon in ((0, a), (1, b), (1, b), (0, a)):
                    daemon.process.kill()
                    daemon.process.wait()
                    daemon.process = daemon.begin()
                    daemon.__enter__()
                    traffic.ends[i] = traffic.connect(i)
                    wait(lambda: runs(a), "the back-end runs again")
                    traffic.flows_at_last()
                assert a.end() == 0 and b.end() == 0


def a_back_end_that_stands_still_costs_frames_and_nothing_else():
    with link() as (a, b, traffic):
        wait(lambda: runs(a), "the back-end runs")
        traffic.flows_at_last()
        os.kill(b.process.pid, signal.SIGSTOP)
        try:
            traffic.until_shouting(lambda: "tx-no-buffer" in str(a.ask("show", "errors")), "drops")
        finally:
            os.kill(b.process.pid, signal.SIGCONT)
        traffic.flows_at_last()
        assert port(a)["connections"] == 1, port(a)


def a_successor_of_either_side_connects_anew():
    for driver_listens in (False, True):
        with link(driver_listens, "packed renumber 0 hwaddr 02:fe:00:00:00:09") as (a, b, traffic):
            wait(lambda: runs(a), "the back-end runs")
            traffic.flows_at_last()
            for daemon in (a, b, a):
                old, new = daemon.process, daemon.begin("--replace")
                traffic.until(lambda: old.poll() is not None or new.poll() is not None, "one of the two ends")
                assert old.poll() == 0, daemon.log()
                daemon.process = new
                wait(lambda: runs(a), "the back-end runs again")
                traffic.flows_at_last()
            interfaces = {i["name"]: i for i in a.ask("show", "interface")}
            assert interfaces["VirtioUser0/0/0"]["mac"] == "02:fe:00:00:00:09", interfaces
            assert has(a, "RING_PACKED"), port(a)


def a_successor_that_fails_costs_frames_and_nothing_else():
    for driver_listens in (False, True):
        with link(driver_listens) as (a, _, traffic):
            wait(lambda: runs(a), "the back-end runs")
            for limit in (12, 14, 16):  # descriptors, too few to take over
                new = a.begin("--replace", preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
                traffic.until_shouting(lambda: new.poll() is not None or a.process.poll() is not None, "one ends")
                assert new.poll() == 1, a.log()
                wait(lambda: runs(a), "the back-end runs again")
                traffic.flows_at_last()


def a_port_that_has_no_back_end_says_so():
    with Daemon() as d:
        assert d.run("create", "virtio-user", "socket", str(d.dir / "none.sock"))[1] == "VirtioUser0/0/0\n"
        shown = port(d)
        assert shown["state"] == "connecting" and "no back-end listens" in shown["why"], shown
        assert "no back-end listens" in d.run("show", "virtio-user", "VirtioUser0/0/0")[1]
        assert d.run("create", "virtio-user", "socket", str(d.dir / "own.sock"), "server", "mode", "0600")[0] == 0
        assert (d.dir / "own.sock").stat().st_mode & 0o777 == 0o600
        assert d.ask("show", "virtio-user", "VirtioUser0/0/1")[0]["state"] == "listening"
        assert d.run("delete", "virtio-user", "VirtioUser0/0/1")[0] == 0
        assert not (d.dir / "own.sock").exists()
        assert d.run("delete", "virtio-user", "sw_if_index", "1")[0] == 0
        assert [i["name"] for i in d.ask("show", "interface")] == ["local0"]


def mistakes_are_answered_with_the_mend():
    with Daemon(GUEST) as d:
        create = ["create", "virtio-user", "socket", str(d.dir / "x.sock")]
        for more, words in ((["queues", "9"], "choose 1 to 8"), (["queues", "0"], "choose 1 to 8"),
                            (["queue-size", "1"], "choose 2 to 4096"), (["queue-size", "5000"], "choose 2 to 4096"),
                            (["queue-size", "100"], "power of two")):
            status, _, err = d.run(*create, *more)
            assert status == 1 and words in err, (more, status, err)
        status, _, err = d.run(*create[:3], "/" + "x" * 120)
        assert status == 1 and "at most 107" in err, err
        assert d.run(*create, "renumber", "3")[0] == 0
        status, _, err = d.run(*create, "renumber", "3")
        assert status == 1 and "another number" in err, err
        for command in (["delete", "virtio-user", "VirtualEthernet0/0/0"], ["show", "virtio-user", "local0"]):
            status, _, err = d.run(*command)
            assert status == 1 and "see show virtio-user" in err, (command, err)
        names = {i["name"] for i in d.ask("show", "interface")}
        assert names == {"local0", "VirtualEthernet0/0/0", "VirtioUser0/0/3"}, names


if __name__ == "__main__":
    main([frames_go_both_ways_over_every_kind_of_ring_in_both_roles,
          without_mergeable_buffers_and_offloads_frames_go_too,
          the_back_end_has_the_last_word_about_queues_and_features,
          a_back_end_without_version_1_is_refused_with_the_reason, whoever_is_killed_comes_back,
          a_back_end_that_stands_still_costs_frames_and_nothing_else, a_successor_of_either_side_connects_anew,
          a_successor_that_fails_costs_frames_and_nothing_else,
          a_port_that_has_no_back_end_says_so, mistakes_are_answered_with_the_mend])
