#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginneld is replaced while two front-ends keep sending: no disconnect, no frame lost, none twice, none out of order."""

import json
import os
import resource
import socket
import struct
import time

from daemon import Daemon, main
from front_end import GET_FEATURES, GET_VRING_BASE, RECEIVE, SEND, SET_FEATURES, VERSION_1, FrontEnd
from traffic import PATIENCE, PORTS, WIRE, Traffic

PING = b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}\n'


def replace(daemon, traffic, *options):
    """The exit statuses of the old one and of the new one."""
    old, new = daemon.process, daemon.begin("--replace", *options)
    traffic.until(lambda: old.poll() is not None or new.poll() is not None, "one of the two ends")
    if new.poll() is None:
        daemon.process = new
    return old.poll(), new.poll()


def counter(daemon, name, what):
    return next(i for i in daemon.ask("show", "interface") if i["name"] == name)["counters"][what]


def guests_notice_nothing_of_twenty_successors():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        traffic.flows()
        longest = 0
        for _ in range(20):
            old_pid = d.process.pid
            assert replace(d, traffic) == (0, None), d.log()
            traffic.flows()
            report = d.ask("show", "handover")
            assert report["from_pid"] == old_pid and report["ports"] == 3 and report["guests"] == 2, report
            assert report["packets_lost"] == 0 and report["left_behind"] == 0, report
            longest = max(longest, report["stood_still_ms"])
        print(f"forwarding stood still for {longest:.1f} ms at most, {sum(traffic.got)} frames")
        assert counter(d, "VirtualEthernet0/0/0", "rx packets") >= traffic.got[1]
        assert d.ask("show", "errors") == [], d.ask("show", "errors")
        assert [v["connections"] for v in d.ask("show", "vhost-user")] == [1, 1, 0]
        assert "front-end connected" in d.log() and d.log().count("front-end connected") == 2, d.log()
        assert d.log().count("took over 3 ports, 2 guests") == 20
        assert d.end() == 0
        assert not list(d.dir.glob("*.sock")), list(d.dir.iterdir())


def many_guests_with_many_rings_are_taken_over_at_once():
    startup = "".join(f"create vhost-user socket @/{n}.sock server\n" for n in range(16))
    with Daemon(startup) as d:
        ends = [FrontEnd(d.dir / f"{n}.sock", pairs=4) for n in range(16)]
        for end in ends:
            end.start()
        old, d.process = d.process, d.begin("--replace")
        assert old.wait(PATIENCE) == 0, d.log()
        report = d.ask("show", "handover")
        assert report["guests"] == 16, report
        print(f"forwarding stood still for {report['stood_still_ms']:.1f} ms")
        for vhost in d.ask("show", "vhost-user"):
            assert len(vhost["virtqueues"]) == 8, vhost
        assert all(end.is_connected() for end in ends)


def the_number_of_workers_may_change():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        traffic.flows()
        for workers in ("3", "1", "2"):
            assert replace(d, traffic, "--workers", workers) == (0, None), d.log()
            traffic.flows()


def nobody_at_the_control_socket_notices_either():
    with Daemon(PORTS) as d:
        patient = socket.socket(socket.AF_UNIX)
        patient.connect(str(d.api))
        patient.sendall(PING[:20])
        old, new = d.process, d.begin("--replace")
        while old.poll() is None:
            status, out, err = d.run("show", "version")
            assert status == 0, (status, out, err)
        d.process = new
        patient.sendall(PING[20:])
        assert b"pong" in patient.recv(1000)
        assert d.ask("show", "version")["pid"] == new.pid
        assert d.api.is_socket()


def settings_survive_and_the_startup_file_is_not_run_again():
    with Daemon(PORTS) as d:
        d.run("set", "interface", "mtu", "9000", "VirtualEthernet0/0/0")
        d.run("create", "vhost-user", "socket", str(d.dir / "d.sock"), "server", "renumber", "42")
        d.run("delete", "vhost-user", "VirtualEthernet0/0/2")
        traffic = Traffic(d)
        traffic.flows()
        before = {words: d.ask(*words.split()) for words in ("show mode", "show bridge-domain 7 detail")}
        assert replace(d, traffic) == (0, None), d.log()
        for words, answer in before.items():
            assert d.ask(*words.split()) == answer, (words, answer, d.ask(*words.split()))
        interfaces = {i["name"]: i for i in d.ask("show", "interface")}
        assert sorted(interfaces) == ["VirtualEthernet0/0/0", "VirtualEthernet0/0/1", "VirtualEthernet0/0/42",
                                      "local0"], interfaces
        assert interfaces["VirtualEthernet0/0/0"]["mtu"] == 9000


def cross_connects_survive():
    with Daemon(WIRE) as d:
        traffic = Traffic(d)
        traffic.flows()
        before = d.ask("show", "mode")
        assert {"interface": "VirtualEthernet0/0/0", "mode": "l2 xconnect", "to": "VirtualEthernet0/0/1"} in before
        for _ in range(3):
            assert replace(d, traffic) == (0, None), d.log()
            traffic.flows()
            assert d.ask("show", "mode") == before
            assert d.ask("show", "handover")["packets_lost"] == 0
        assert d.ask("show", "errors") == [], d.ask("show", "errors")
        assert any(s["name"] == "l2-xconnect" for w in d.ask("show", "runtime") for s in w["stages"])


def a_lossless_wire_stays_as_it_was_set():
    with Daemon(WIRE.replace("Ethernet0/0/1\nset", "Ethernet0/0/1 lossless\nset")) as d:
        status, out, err = d.run("set", "netem", "VirtualEthernet0/0/0", "limit", "500", "seed", "7", "rate", "4000000")
        assert status == 0, (out, err)
        traffic = Traffic(d)
        traffic.flows()
        before = [d.ask("show", what) for what in ("mode", "netem")]
        assert before[0][1]["lossless"] and before[1][0]["seed"] == 7, before
        assert replace(d, traffic, "--spin", "0") == (0, None), d.log()
        traffic.flows()
        assert [d.ask("show", what) for what in ("mode", "netem")] == before


def a_successor_that_knows_no_cross_connects_is_refused_while_there_are_any():
    with Daemon(WIRE) as d:
        _, answer = ask_raw(d, 1)
        assert "version 2 is here and the successor reads up to 1" in answer["error"]["message"], answer
        for n in (0, 1):
            d.run("set", "interface", "l3", f"VirtualEthernet0/0/{n}")
        s, answer = ask_raw(d, 1)
        assert answer["result"]["version"] == 1, answer
        s.close()


def a_successor_that_is_killed_at_any_time_leaves_the_old_one_forwarding():
    """Unless it had taken over already: then it takes the guests with it, and nobody can help that."""
    n = 0
    while n < 24:
        with Daemon(PORTS) as d:
            traffic = Traffic(d)
            taken = False
            while n < 24 and not taken:
                new = d.begin("--replace")
                end = time.monotonic() + n / 6000
                while time.monotonic() < end:
                    traffic.step()
                new.kill()
                new.wait()
                n += 1
                d.process.poll()
                taken = "the successor has taken over" in d.log()
                if not taken:
                    traffic.flows()
                    assert d.process.poll() is None, d.log()


def a_successor_that_runs_out_of_descriptors_leaves_the_old_one_forwarding():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        for limit in range(14, 40, 5):
            new = d.begin("--replace", preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
            traffic.until(lambda: new.poll() is not None or d.process.poll() is not None, "one of the two ends")
            if new.poll() is None:
                break
            assert new.poll() == 1 and d.process.poll() is None, d.log()
            traffic.flows()
        assert limit > 20, d.log()


def ask_raw(daemon, version):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(daemon.api))
    s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "handover",
                          "params": {"version": version}}).encode() + b"\n")
    return s, json.loads(s.makefile().readline())


def one_that_asks_and_then_breaks_off_changes_nothing():
    def says_nothing(s):
        pass

    def says_nonsense(s):
        s.sendall(b"?")

    def says_go_and_leaves(s):
        s.sendall(b"g")

    def takes_the_parcel_and_leaves(s):
        s.sendall(b"g")
        socket.recv_fds(s, 16, 253)

    def takes_the_parcel_and_refuses(s):
        s.sendall(b"g")
        socket.recv_fds(s, 16, 253)
        s.sendall(b"n")

    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        for break_off in (says_nothing, says_nonsense, says_go_and_leaves, takes_the_parcel_and_leaves,
                          takes_the_parcel_and_refuses):
            s, answer = ask_raw(d, 1)
            assert answer["result"]["pid"] == d.process.pid, answer
            break_off(s)
            s.close()
            traffic.flows()
            assert d.process.poll() is None
        assert replace(d, traffic) == (0, None), d.log()
        traffic.flows()


def a_successor_that_hangs_costs_three_seconds_and_nothing_else():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        s, _ = ask_raw(d, 1)
        s.sendall(b"g")
        traffic.flows()
        s.settimeout(PATIENCE)
        word = b""
        while not word.endswith(b"k"):  # KEPT, behind the parcel
            word, _, _, _ = socket.recv_fds(s, 64, 253)
            assert word, d.log()


def an_older_successor_is_refused_before_anything_stops():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        _, answer = ask_raw(d, 0)
        assert "reads up to 0" in answer["error"]["message"], answer
        traffic.flows()
        status, _, err = d.run("handover", "0")
        assert status == 1 and "reads up to 0" in err, (status, err)


def without_a_daemon_a_replacement_starts_as_usual():
    with Daemon(PORTS, ["--replace"]) as d:
        assert len(d.ask("show", "interface")) == 4
        assert "took over" not in d.log()
        assert d.run("show", "handover")[1] == "this daemon took over from no other\n"


def a_front_end_in_the_middle_of_a_message_goes_on():
    with Daemon(PORTS) as d:
        end = FrontEnd(d.dir / "a.sock")
        half = struct.pack("<IIIQ", SET_FEATURES, 1, 8, VERSION_1)
        end.ask(GET_FEATURES)
        end.socket.sendall(half[:15])
        old, new = d.process, d.begin("--replace")
        assert old.wait(PATIENCE) == 0, d.log()
        d.process = new
        end.socket.sendall(half[15:])
        end.ask(GET_FEATURES)
        end.start()
        assert struct.unpack("<II", end.ask(GET_VRING_BASE, struct.pack("<II", RECEIVE, 0)))[1] == 0


def a_ring_is_called_by_the_successor_for_what_came_meanwhile():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        traffic.flows()
        assert replace(d, traffic) == (0, None), d.log()
        traffic.flows()
        assert os.eventfd_read(traffic.ends[0].rings[RECEIVE].call) > 0
        assert os.eventfd_read(traffic.ends[0].rings[SEND].call) > 0


if __name__ == "__main__":
    main([guests_notice_nothing_of_twenty_successors,
          many_guests_with_many_rings_are_taken_over_at_once,
          the_number_of_workers_may_change,
          nobody_at_the_control_socket_notices_either, settings_survive_and_the_startup_file_is_not_run_again,
          cross_connects_survive, a_lossless_wire_stays_as_it_was_set, a_successor_that_knows_no_cross_connects_is_refused_while_there_are_any,
          a_successor_that_is_killed_at_any_time_leaves_the_old_one_forwarding,
          a_successor_that_runs_out_of_descriptors_leaves_the_old_one_forwarding,
          one_that_asks_and_then_breaks_off_changes_nothing,
          a_successor_that_hangs_costs_three_seconds_and_nothing_else,
          an_older_successor_is_refused_before_anything_stops, without_a_daemon_a_replacement_starts_as_usual,
          a_front_end_in_the_middle_of_a_message_goes_on,
          a_ring_is_called_by_the_successor_for_what_came_meanwhile])
