# SPDX-License-Identifier: Apache-2.0
"""
Guest to host, through ginneld's ports to the kernel and through the kernel's own bridge. The guest is a network namespace
whose interface is a tap of a ginneld that plays its virtual machine monitor; on both roads it is the same one:

    guest, tap -- monitor -- vhost-user -- ginneld -- TAP -- host                        ours
                                                   \\- AF_XDP or host interface ==cable== host
    guest, tap -- monitor -- tap -- the kernel's bridge -- host                          the kernel's, without vhost
                                                        \\==cable== host
"""

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from functools import partial

from devices import Unavailable
from process import BIN, Program, connects, wait_for
from samples import interleave, print_missing, ratio, ratio_text, spread, spread_text, table

GUEST, WIRE, HOST = (f"gnl-{name}-{os.getpid()}" for name in ("guest", "wire", "host"))
ADDRESS = "10.99.0.1"
SECONDS = 1
KEYS = ("gbps_out", "gbps_in", "rtt_us")

ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.99.0.1", 7))
print("ready", flush=True)
while True:
    data, who = s.recvfrom(100)
    s.sendto(data, who)
"""

ASK = """
import socket, statistics, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("10.99.0.1", 7))
took = []
for _ in range(3000):
    begun = time.perf_counter()
    s.send(b"x")
    s.recv(100)
    took.append(time.perf_counter() - begun)
print(statistics.median(took) * 1e6)
"""


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


class Namespaces:
    def __enter__(self):
        for name in (GUEST, WIRE, HOST):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for name in (GUEST, WIRE, HOST):
            ip("netns", "del", name)


class Daemon(Program):
    def __init__(self, scratch, name, lines):
        self.api = scratch / f"{name}.api"
        startup = scratch / f"{name}.startup"
        startup.write_text("\n".join(lines) + "\n")
        super().__init__(scratch, name, [BIN / "ginneld", "--api-socket", self.api, "--startup", startup])

    def wait_ready(self):
        wait_for("ginneld's control socket", lambda: self.alive() and connects(self.api))

    def ask(self, *words):
        out = subprocess.run([BIN / "ginnel", "--api-socket", self.api, "--json", *words], check=True,
                             capture_output=True, text=True).stdout
        return json.loads(out)

    def wait_all(self, count):
        """Until so many interfaces, without local0, are there and up."""
        def there():
            found = [i for i in self.ask("show", "topology") if i["state"] == "up" and i.get("connected", True)]
            return len(found) >= count
        try:
            wait_for(f"{count} interfaces", there)
        except TimeoutError as e:
            raise Unavailable(f"{e}: {self.log_path.read_text()[-300:]}") from e


def monitor(scratch, other, name):
    return Daemon(scratch, "monitor", [
        f"create tap id 9 host-ns {GUEST} host-if-name eth0 host-ip4-addr 10.99.0.2/24", other,
        "set interface state tap9 up", f"set interface state {name} up",
        f"set interface l2 xconnect tap9 {name}", f"set interface l2 xconnect {name} tap9"])


def cable(queue_end=WIRE):
    ip("-n", HOST, "link", "add", "eth0", "type", "veth", "peer", "name", "cable", "netns", queue_end)
    ip("-n", queue_end, "link", "set", "cable", "up")
    ip("-n", HOST, "addr", "add", f"{ADDRESS}/24", "dev", "eth0")
    ip("-n", HOST, "link", "set", "eth0", "up")


def ours(stack, scratch, port, name, with_cable):
    """port: the command that makes it. Returns the namespace that is the host."""
    if with_cable:
        cable()
    use = [line for i in (name, "VirtualEthernet0/0/0")
           for line in (f"set interface state {i} up", f"set interface l2 bridge {i} 1")]
    daemon = stack.enter_context(Daemon(scratch, "ginneld", [
        f"create vhost-user socket {scratch}/guest server", port, *use]))
    vm = stack.enter_context(monitor(scratch, f"create virtio-user socket {scratch}/guest", "VirtioUser0/0/0"))
    vm.wait_all(2)
    daemon.wait_all(2)
    return HOST


def kernel(stack, scratch, with_cable):
    ip("-n", WIRE, "link", "add", "br0", "type", "bridge", "forward_delay", 0)
    ip("-n", WIRE, "link", "set", "br0", "up")
    if with_cable:
        cable()
        ip("-n", WIRE, "link", "set", "cable", "master", "br0")
    else:
        ip("-n", WIRE, "addr", "add", f"{ADDRESS}/24", "dev", "br0")
    vm = stack.enter_context(monitor(scratch, f"create tap id 1 host-ns {WIRE} host-bridge br0", "tap1"))
    vm.wait_all(2)
    return HOST if with_cable else WIRE


def inside(namespace, *words):
    return ["ip", "netns", "exec", namespace, *map(str, words)]


def begin(stack, namespace, ready, *words):
    """A program that has said that it is ready."""
    process = stack.enter_context(subprocess.Popen(inside(namespace, *words), stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    while ready not in (line := process.stdout.readline()):
        assert line, f"{words} ended"


def iperf(host, *options):
    with ExitStack() as stack:
        begin(stack, host, "Server listening", "iperf3", "-s", "-1", "--forceflush")
        out = subprocess.run(inside(GUEST, "iperf3", "-c", ADDRESS, "-t", SECONDS, "--json", *options), check=True,
                             capture_output=True, text=True).stdout
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9


def round_trip(host):
    with ExitStack() as stack:
        begin(stack, host, "ready", "python3", "-c", ECHO)
        return float(subprocess.run(inside(GUEST, "python3", "-c", ASK), check=True, capture_output=True,
                                    text=True).stdout)


def run(make):
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch, Namespaces(), ExitStack() as stack:
        host = make(stack, type(BIN)(scratch))
        return {"rtt_us": round_trip(host), "gbps_out": iperf(host), "gbps_in": iperf(host, "-R")}


# name -> (how, which of the kernel's it is beside)
BRIDGE, BRIDGE_CABLE = "kernel bridge, host at it", "kernel bridge, cable"
WAYS = {
    BRIDGE: (partial(kernel, with_cable=False), None),
    "TAP": (partial(ours, port=f"create tap id 1 host-ns {HOST} host-if-name eth0 host-ip4-addr {ADDRESS}/24",
                    name="tap1", with_cable=False), BRIDGE),
    BRIDGE_CABLE: (partial(kernel, with_cable=True), None),
    "AF_XDP": (partial(ours, port=f"create interface af_xdp host-if cable name xdp netns {WIRE}", name="xdp",
                       with_cable=True), BRIDGE_CABLE),
    "host-interface": (partial(ours, port=f"create host-interface name cable host-ns {WIRE}", name="host-cable",
                               with_cable=True), BRIDGE_CABLE),
}


def measure(options, progress):
    if not shutil.which("iperf3"):
        raise SystemExit("bench: apt install iperf3")
    ways = {name: way for name, way in WAYS.items() if not options.case or any(text in name for text in options.case)}
    samples, missing = interleave("uplink", {name: partial(run, how) for name, (how, _) in ways.items()},
                                  options.repeat, progress)
    return {"samples": samples, "missing": missing,
            "devices": {name: {key: spread(list_, key) for key in KEYS} for name, list_ in samples.items()},
            "to_kernel": {name: {key: ratio(list_, samples.get(WAYS[name][1]), key) for key in KEYS}
                          for name, list_ in samples.items()}}


def print_table(result):
    print("\nGuest and host, one TCP connection each way and one datagram at a time: median (least-most), and beside the "
          "kernel's bridge (of the medians / median of the rounds').\n")
    rows = []
    for name, d in result["devices"].items():
        r = result["to_kernel"][name]
        rows.append([name, *(cell for key in KEYS for cell in (spread_text(d[key], 1 if key == "rtt_us" else 2),
                                                               ratio_text(r[key])))])
    table(["", "Gbit/s to the host", "ratio", "Gbit/s to the guest", "ratio", "round trip, us", "ratio"], rows)
    print_missing(result["missing"])
