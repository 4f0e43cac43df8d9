#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a user asks who wants to know where packets go: show topology, show errors, show runtime, why, trace."""

import re

from daemon import Daemon, main
from front_end import FrontEnd
from traffic import PORTS, WIRE, Traffic

A, B, C = (f"VirtualEthernet0/0/{n}" for n in range(3))
BROADCAST = bytes.fromhex("ffffffffffff52540000000188b5").ljust(60, b"\0")


def topology_tells_domains_and_who_is_missing():
    with Daemon(PORTS) as d:
        end = FrontEnd(d.dir / "a.sock")
        end.start()
        text = d.run("show", "topology")[1]
        assert re.search(rf"^bridge domain 7\n  {A} +vhost-user +up\n  {B} +vhost-user +up, nobody connected\n"
                         rf"nowhere\n  {C} +vhost-user +down\n", text, re.M), text
        places = {i["name"]: (i["place"], i.get("bridge")) for i in d.ask("show", "topology")}
        assert places == {A: ("bridge", 7), B: ("bridge", 7), C: ("nowhere", None)}, places


def topology_tells_wires():
    with Daemon(WIRE) as d:
        text = d.run("show", "topology")[1]
        assert f"  {A} > {B}: vhost-user" in text and f"  {B} > {A}: vhost-user" in text, text
        assert f'"{A}" -> "{B}";' in d.run("show", "topology", "dot")[1]


ROUTED = """
create loopback interface
set interface l2 bridge loop0 7 bvi
set interface ip address loop0 10.0.0.1/24
set interface ip address loop0 fd00::1/64
create loopback interface
set interface ip address loop1 192.0.2.2/24
ip route add 0.0.0.0/0 via 192.0.2.1
create vxlan tunnel src 192.0.2.2 dst 192.0.2.9 vni 7
"""


def topology_tells_addresses_gateways_and_tunnels():
    with Daemon(ROUTED) as d:
        text = d.run("show", "topology")[1]
        assert re.search(r"^bridge domain 7\n  loop0 .*\n      10\.0\.0\.1/24, fd00::1/64\n", text, re.M), text
        assert re.search(r"^router\n  loop1 .*\n      192\.0\.2\.2/24\n      routes via 192\.0\.2\.1\n", text, re.M), text
        assert "      from 192.0.2.2 to 192.0.2.9, vni 7\n" in text, text
        by_name = {i["name"]: i for i in d.ask("show", "topology")}
        assert by_name["loop1"]["gateways"] == ["192.0.2.1"] and "gateways" not in by_name["loop0"], by_name
        assert by_name["vxlan_tunnel0"]["tunnel"] == {"src": "192.0.2.2", "dst": "192.0.2.9", "vni": 7}
        dot = d.run("show", "topology", "dot")[1]
        for edge in ('"loop0" -> "router" [dir=both];', '"loop1" -> "192.0.2.1";',
                     '"vxlan_tunnel0" -> "192.0.2.9" [dir=both, style=dashed, label="vni 7"];'):
            assert edge in dot, (edge, dot)
        assert 'loopback, down\\n10.0.0.1/24' in dot, dot


def topology_for_graphviz_has_a_node_for_each_interface_and_an_edge_for_each_member():
    with Daemon(PORTS) as d:
        dot = d.run("show", "topology", "dot")[1]
        assert dot.startswith("digraph ginnel {\n") and dot.endswith("}\n")
        assert all(f'"{name}" [shape=box' in dot for name in (A, B, C)), dot
        assert all(f'"{name}" -> "bridge domain 7"' in dot for name in (A, B)) and f'"{C}" ->' not in dot, dot


def errors_tell_stage_reason_and_interface():
    with Daemon(PORTS) as d:
        end = FrontEnd(d.dir / "a.sock")
        end.start()
        assert end.send(BROADCAST)
        while not (rows := d.ask("show", "errors", "verbose")):
            end.receive()
        assert rows == [{"count": 1, "node": "port-output", "reason": "tx-no-peer", "severity": "error",
                         "text": "no peer connected or its queue does not run", "interfaces": {B: 1}}], rows
        text = d.run("show", "errors")[1]
        assert re.search(r"^ +1 +port-output +tx-no-peer: no peer connected.* error$", text, re.M), text


def runtime_tells_each_stage():
    with Daemon(PORTS) as d:
        Traffic(d).flows()
        stages = {s["name"]: s for s in d.ask("show", "runtime")[0]["stages"]}
        assert set(stages) == {"port-input", "ethernet-input", "bridge-forward", "port-output"}, stages
        assert all(s["calls"] > 0 and s["vectors"] >= s["calls"] and s["clocks"] > 0 for s in stages.values()), stages
        assert re.search(r"^Name +State +Calls +Vectors +Suspends +Clocks +Vectors/Call$",
                         d.run("show", "runtime")[1], re.M)


def why_and_trace_agree():
    with Daemon(PORTS) as d:
        end = FrontEnd(d.dir / "a.sock")
        end.start()
        assert d.run("trace", "add", "vhost-user-input", "1")[0] == 0
        assert end.send(BROADCAST)
        while not (packets := d.ask("show", "trace")[0]["packets"]):
            end.receive()
        why = d.ask("why", "from", A, "src", "52:54:00:00:00:01")
        for packet in packets[0], why["packets"][0]:
            assert [s["stage"] for s in packet["stages"]] == ["ethernet-input", "bridge-forward", "port-output"], packet
            assert packet["outputs"][0]["interface"] == B and packet["outputs"][0]["drop"] == "tx-no-peer", packet
        assert d.ask("show", "interface", A)[0]["counters"]["rx packets"] == 1


if __name__ == "__main__":
    main([topology_tells_domains_and_who_is_missing, topology_tells_wires,
          topology_tells_addresses_gateways_and_tunnels,
          topology_for_graphviz_has_a_node_for_each_interface_and_an_edge_for_each_member,
          errors_tell_stage_reason_and_interface, runtime_tells_each_stage, why_and_trace_agree])
