#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A configuration file: at the start, applied, refused, confirmed or not, read again, and kept by a successor."""

import re
import signal
import time
from pathlib import Path

from daemon import Daemon, main
from traffic import PATIENCE, Traffic

NET = """
interfaces:
  vm1: {vhost-user: {socket: @/a.sock, server: true}, bridge: 7}
  vm2: {vhost-user: {socket: @/b.sock, server: true}, bridge: 7}
  other: {vhost-user: {socket: @/c.sock, server: true}, mtu: 1500, state: down}
"""
OTHERS = """
  x: {vhost-user: {socket: @/x.sock, server: true}, xconnect: y}
  y: {vhost-user: {socket: @/y.sock, server: true}, xconnect: x}
bridges:
  8: {mac-age: 1, learn: false}
addresses:
- {mac: "02:00:00:00:00:09", bd-id: 7, interface: vm1, static: true}
"""
ROUTER = """
interfaces:
  loop10: {loopback: {}, bridge: {bd-id: 10, bvi: true}, address: [10.77.0.1/24, "fd77::1/64"]}
  loop20: {loopback: {}, bridge: {bd-id: 20, bvi: true}, address: [10.78.0.1/24], proxy-arp: true}
  vrf: {loopback: {}, table: 5, address: [10.77.0.1/24]}
tables:
  5: {}
routes:
- {prefix: 0.0.0.0/0, next-hop: 10.77.0.9}
- {prefix: 10.99.0.0/16, drop: true}
- {prefix: 10.98.0.0/16, table: 5, next-hop: 10.77.0.2, interface: vrf}
neighbors:
- {interface: loop10, address: 10.77.0.9, mac: "02:00:00:00:00:09", static: true}
"""
GATEWAY = """
interfaces:
  vm1: {vhost-user: {socket: @/a.sock, server: true}, bridge: 1}
  loop0: {loopback: {}, bridge: {bd-id: 1, bvi: true}, address: [10.0.0.1/24, "fd00::1/64"], dns-server: true,
    dhcp-server: 10.0.0.100-10.0.0.199, dhcp-static: [{mac: "02:00:00:00:00:01", address: 10.0.0.50}]}
  uplink: {vhost-user: {socket: @/b.sock, server: true}, address: [192.0.2.2/24]}
  far: {vxlan: {src: 192.0.2.2, dst: 192.0.2.9, vni: 7}, bridge: 1}
routes:
- {prefix: 0.0.0.0/0, next-hop: 192.0.2.1}
nat44:
  addresses: [192.0.2.2]
  interfaces:
  - {in: loop0, out: uplink}
  static:
  - {proto: tcp, local: 10.0.0.50, local-port: 80, external: 192.0.2.2, external-port: 8080}
dns:
  upstream: [192.0.2.53]
"""


def write(daemon, text):
    path = daemon.dir / "net.yaml"
    path.write_text(text.replace("@", str(daemon.dir)))
    return path


def names(daemon):
    return {i["name"]: i["state"] for i in daemon.ask("show", "interface") if i["name"] != "local0"}


def changes(daemon, *command):
    return [f'{c["op"]} {c["place"]}' for c in daemon.ask("config", *command)["changes"]]


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.01)


def a_file_becomes_true_and_can_be_written_back():
    with Daemon() as d:
        path = write(d, NET + OTHERS)
        planned = changes(d, "apply", path, "dry-run")
        assert names(d) == {}, names(d)
        assert changes(d, "diff", path) == planned
        assert changes(d, "apply", path) == planned
        assert names(d) == {"vm1": "up", "vm2": "up", "other": "down", "x": "up", "y": "up"}, names(d)
        assert changes(d, "apply", path) == []
        status, text, _ = d.run("config", "apply", path)
        assert (status, text) == (0, "no changes\n"), text
        d.run("set", "interface", "mtu", "1400", "vm1")
        d.run("create", "vhost-user", "socket", d.dir / "more.sock", "server")
        assert changes(d, "diff", path) == [
            "- interfaces vm1 mtu", "- interfaces VirtualEthernet0/0/0 vhost-user"], changes(d, "diff", path)
        saved = d.dir / "saved.yaml"
        assert d.ask("config", "save", saved) == str(saved)
        assert changes(d, "diff", saved) == []
        write(d, "{}")
        changes(d, "apply", path)
        assert names(d) == {} and not list(d.dir.glob("[abxy].sock"))
        changes(d, "apply", saved)
        assert names(d)["VirtualEthernet0/0/0"] == "down" and names(d)["vm1"] == "up"
        assert d.ask("config", "show")["interfaces"]["vm1"]["mtu"] == 1400
        changes(d, "rollback", "2")
        assert d.ask("config", "show")["interfaces"]["vm1"]["mtu"] == 1400


def a_router_is_configured_and_changed_in_part():
    with Daemon() as d:
        path = write(d, ROUTER)
        changes(d, "apply", path)
        assert changes(d, "diff", path) == []
        routes = d.ask("show", "ip", "fib")[0]["routes"]
        write(d, ROUTER.replace("10.99.0.0/16, drop: true", "10.97.0.0/16, drop: true").replace(
            "10.77.0.1/24, ", "10.77.0.1/24, 10.77.1.1/24, ").replace(", proxy-arp: true", ""))
        assert sorted(changes(d, "apply", path)) == [
            "+ interfaces loop10 address", "+ routes", "- interfaces loop20 proxy-arp", "- routes"]
        assert d.ask("show", "ip", "fib")[0]["routes"] == routes + 3
        write(d, "{}")
        changes(d, "apply", path)
        assert names(d) == {} and d.ask("config", "show") == {}


def a_gateway_is_said_in_a_file_too():
    with Daemon() as d:
        path = write(d, GATEWAY)
        changes(d, "apply", path)
        assert changes(d, "diff", path) == []
        assert {s["interface"]: s["side"] for s in d.ask("show", "nat44", "interfaces")} == {"loop0": "in", "uplink": "out"}
        assert d.ask("show", "nat44", "static", "mappings")[0]["external"] == "192.0.2.2:8080"
        assert d.ask("show", "dhcp", "server")[0]["static"] == [{"mac": "02:00:00:00:00:01", "address": "10.0.0.50"}]
        assert d.ask("show", "vxlan", "tunnel")[0]["interface"] == "far"
        assert "192.0.2.53" in d.ask("show", "dns")["servers"]
        path = write(d, GATEWAY.replace("192.0.2.53", "192.0.2.54").replace("8080", "8081"))
        assert changes(d, "apply", path) == ["- dns upstream", "- nat44 static", "+ nat44 static", "+ dns upstream"]
        write(d, "{}")
        changes(d, "apply", path)
        assert names(d) == {} and d.ask("show", "nat44", "addresses") == []


ALL_ELSE = """
interfaces:
  vm1: {vhost-user: {socket: @/a.sock, server: true}, xconnect: {to: vm2, lossless: true}, netem: {delay: 1000, loss: "0.5"}}
  vm2: {vhost-user: {socket: @/b.sock, server: true}}
  trunk: {vhost-user: {socket: @/c.sock, server: true}}
  office: {sub-interface: {interface: trunk, sub-id: 100, exact-match: true}, address: [10.1.0.1/24, "fd01::1/64"],
    ra-suppress: false}
  lab: {sub-interface: {interface: trunk, sub-id: 7, dot1q: 200}, tag-rewrite: {pop: 1}, bridge: 1}
  loop0: {loopback: {}, bridge: {bd-id: 1, bvi: true}, address: ["fd02::1/64"], ra-suppress: true}
nat44:
  timeout-udp: 30
  timeout-tcp-established: 600
"""


def everything_else_is_said_in_a_file_too():
    with Daemon() as d:
        path = write(d, ALL_ELSE)
        changes(d, "apply", path)
        assert changes(d, "diff", path) == []
        assert d.ask("show", "netem")[0]["delay"] == 1000
        timeouts = d.ask("show", "nat44", "timeouts")
        assert (timeouts["udp"], timeouts["tcp-established"], timeouts["icmp"]) == (30, 600, 60), timeouts
        tells = {i["interface"]: i.get("router-advertisements") for i in d.ask("show", "interface", "addr")}
        assert tells["office"] and not tells["loop0"], tells
        rewritten = {i["interface"]: i["tag_rewrite"]["pop"] for i in d.ask("show", "sub-interfaces")}
        assert rewritten == {"office": 0, "lab": 1}, rewritten
        d.run("set", "nat44", "timeout", "icmp", "10", "udp", "300")
        assert sorted(changes(d, "diff", path)) == ["+ nat44 timeout-udp", "- nat44 timeout-icmp"]
        path = write(d, ALL_ELSE.replace(", ra-suppress: true", "").replace(
            'netem: {delay: 1000, loss: "0.5"}', "mtu: 1500").replace(", tag-rewrite: {pop: 1}", ""))
        assert sorted(changes(d, "apply", path)) == [
            "+ interfaces vm1 mtu", "+ nat44 timeout-udp", "- interfaces lab tag-rewrite", "- interfaces loop0 ra-suppress",
            "- interfaces vm1 netem", "- nat44 timeout-icmp"]
        tells = {i["interface"]: i.get("router-advertisements") for i in d.ask("show", "interface", "addr")}
        assert tells["loop0"] and d.ask("show", "netem") == [], tells
        # a parent that goes takes its sub-interfaces along, with all that was said about them
        assert d.run("delete", "vhost-user", "trunk")[0] == 0
        assert set(d.ask("config", "show")["interfaces"]) == {"vm1", "vm2", "loop0"}
        changes(d, "apply", path)
        assert changes(d, "diff", path) == [] and names(d)["office"] == "up"
        write(d, "{}")
        changes(d, "apply", path)
        assert names(d) == {} and d.ask("config", "show") == {}


# What no file has to say, and why.
RUNS_AND_ENDS = "does something once, and leaves nothing"
FORGETS = "forgets what was counted or learned"
ASKS = "asks"
LOOKS_ON = "looks on for a while: no configuration, and it ends with the program"
NO_CONFIGURATION = {
    "help": ASKS, "print": ASKS, "why": ASKS, "statistics": ASKS, "ping": ASKS, "show": ASKS,
    "exec": "the commands of the file are noted one by one",
    "config": "it is the configuration", "handover": RUNS_AND_ENDS,
    "clear": FORGETS, "l2fib.flush-mac": FORGETS,
    "pcap.trace": LOOKS_ON, "trace": LOOKS_ON,
}


def each_command_that_changes_something_can_be_said_in_a_file():
    rules = (Path(__file__).resolve().parents[2] / "src/prog/config_rules.c").read_text()
    known = set(re.findall(r'(?:\.method = |PORT\(|PORT_END\(|SWITCH\(|\.undo = |, )"([a-z0-9_.-]+)"', rules))
    known |= {f"set.bridge-domain.{word}" for word in known}
    with Daemon() as d:
        methods = {row["method"] for row in d.ask("show", "commands")}
    excused = {m for m in methods for prefix in NO_CONFIGURATION if m == prefix or m.startswith(prefix + ".")}
    assert not methods - known - excused, (
        "these have no rule in config_rules.c, and no reason here why not", sorted(methods - known - excused))
    both = excused & known - {"clear.l2fib"}
    assert not both, ("these have a rule, and need no excuse", sorted(both))


def a_mistake_changes_nothing_and_says_where_and_what():
    with Daemon() as d:
        path = write(d, NET)
        changes(d, "apply", path)
        write(d, NET + "  vm3: {vhost-user: @/d.sock, mtuu: 3}\n")
        status, _, err = d.run("config", "apply", path)
        assert status == 1 and "net.yaml:6: interfaces vm3 mtuu: nothing is known of that: there are" in err, err
        # a mistake that only shows when it is done
        write(d, NET + "  vm3: {vhost-user: {socket: @/no/such/folder.sock, server: true}}\n")
        status, _, err = d.run("config", "apply", path)
        assert status == 1 and "nothing is changed: interfaces vm3 vhost-user: " in err, err
        assert names(d) == {"vm1": "up", "vm2": "up", "other": "down"}, names(d)
        assert changes(d, "diff", write(d, NET)) == []


def guests_that_stay_lose_no_packet_while_the_rest_changes():
    with Daemon() as d:
        path = write(d, NET)
        changes(d, "apply", path)
        traffic = Traffic(d)
        traffic.flows()
        for _ in range(20):
            write(d, NET + OTHERS)
            assert len(changes(d, "apply", path)) >= 8
            traffic.flows()
            write(d, NET)
            assert len(changes(d, "apply", path)) >= 4
            traffic.flows()
        assert d.ask("show", "errors") == [], d.ask("show", "errors")
        print(f"40 changes of configuration, {sum(traffic.got)} frames, none lost")


def without_a_word_of_confirmation_it_goes_back():
    with Daemon() as d:
        path = write(d, NET)
        changes(d, "apply", path)
        write(d, "{}")
        status, out, _ = d.run("config", "apply", path, "confirm", "1")
        assert status == 0 and out.endswith("goes back in 1 s unless: config confirm\n"), out
        assert names(d) == {}
        wait_for(lambda: len(names(d)) == 3, "the configuration goes back")
        assert "nobody confirmed" in d.log(), d.log()
        d.run("config", "apply", path, "confirm", "1000")
        assert d.run("config", "confirm")[0] == 0
        assert d.run("config", "confirm")[0] == 1


def a_daemon_begins_with_its_file_and_reads_it_again_at_sighup():
    with Daemon() as d:
        path = write(d, NET)
        d.end()
        d.process = d.begin("--config", path)
        with d:
            assert len(names(d)) == 3
            write(d, NET.replace("1500", "1600"))
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: d.ask("show", "interface", "other")[0]["mtu"] == 1600, "the file is read again")
            write(d, NET + "nonsense: 1\n")
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "net.yaml:6: nonsense: nothing is known of that" in d.log(), "the mistake is told")
            assert len(names(d)) == 3 and d.end() == 0
            wrong = d.begin("--config", path)
            assert wrong.wait(PATIENCE) != 0 and "nonsense" in d.log()


def a_successor_knows_what_was_configured():
    with Daemon() as d:
        path = write(d, NET)
        changes(d, "apply", path)
        old, d.process = d.process, d.begin("--replace")
        assert old.wait(PATIENCE) == 0, d.log()
        assert changes(d, "apply", path) == []
        assert len(changes(d, "rollback")) > 0 and names(d) == {}


if __name__ == "__main__":
    main([
        a_file_becomes_true_and_can_be_written_back,
        a_router_is_configured_and_changed_in_part,
        a_gateway_is_said_in_a_file_too,
        everything_else_is_said_in_a_file_too,
        each_command_that_changes_something_can_be_said_in_a_file,
        a_mistake_changes_nothing_and_says_where_and_what,
        guests_that_stay_lose_no_packet_while_the_rest_changes,
        without_a_word_of_confirmation_it_goes_back,
        a_daemon_begins_with_its_file_and_reads_it_again_at_sighup,
        a_successor_knows_what_was_configured,
    ])
