# SPDX-License-Identifier: Apache-2.0
"""The switches that are measured. Each one is started by `with`, has the sockets of its ports, and says whether the
guests have to listen there."""

import json
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from process import BIN, BUILD, SWITCH_CPU, Program, connects, wait_for


class Unavailable(Exception):
    """Why a device cannot be measured on this machine."""


class Ginneld(Program):
    """The daemon with vhost-user server sockets: in one bridge domain, or in pairs of a cross-connect."""

    guests_listen = False

    def __init__(self, scratch, ports=2, options=("--poll",), cpus=(SWITCH_CPU,), xconnect=False, more=""):
        scratch = Path(scratch)
        self.api = scratch / "api.sock"
        self.sockets = [scratch / f"p{i}.sock" for i in range(ports)]
        names = [f"VirtualEthernet0/0/{i}" for i in range(ports)]
        lines = [line for name, path in zip(names, self.sockets) for line in (
            f"create vhost-user socket {path} server", f"set interface state {name} up")]
        lines += [f"set interface l2 xconnect {name} {names[i ^ 1]}" if xconnect else
                  f"set interface l2 bridge {name} 1" for i, name in enumerate(names)]
        startup = scratch / "startup"
        startup.write_text("\n".join(lines) + "\n" + more)
        super().__init__(scratch, "ginneld", [
            BIN / "ginneld", "--api-socket", self.api, "--startup", startup,
            "--cpu", ",".join(map(str, cpus)), "--workers", len(cpus), *options])

    def wait_ready(self):
        wait_for("ginneld's control socket", lambda: self.alive() and connects(self.api))

    def ask(self, *command):
        out = subprocess.run([BIN / "ginnel", "--api-socket", self.api, "--json", *command],
                             check=True, capture_output=True, text=True).stdout
        return json.loads(out) if out.strip() else None

    def clocks_per_packet(self, worker=0):
        """Of the worker's time, all stages together, for each packet that came in: some stages saw few of them."""
        stages = self.ask("show", "runtime")[worker]["stages"]
        most = max((stage["vectors"] for stage in stages), default=0)
        return sum(stage["clocks"] * stage["vectors"] for stage in stages) / max(1, most)


# for bridge(): it learns as many addresses as any measurement has, and not what is usual
LEARN_ALL = {"more": "set bridge-domain learn-limit 1 262144\n"}


def bridge(scratch, **how):
    return Ginneld(scratch, **how)


def xconnect(scratch, **how):
    manual = subprocess.run([BIN / "ginneld", "--print-man"], check=True, capture_output=True, text=True).stdout
    if "xconnect" not in manual:
        raise Unavailable("this ginneld has no `set interface l2 xconnect`")
    return Ginneld(scratch, xconnect=True, **how)


class Router(Program):
    """ginneld that routes between its two ports; networks as `generator --help` says, so many routes in all."""

    guests_listen = False

    def __init__(self, scratch, family=4, routes=1, nat=False, options=("--poll",)):
        scratch = Path(scratch)
        self.api = scratch / "api.sock"
        self.sockets = [scratch / f"p{i}.sock" for i in range(2)]
        lines = []
        for i, path in enumerate(self.sockets):
            name = f"VirtualEthernet0/0/{i}"
            own, guest = (f"fd10:{i}::1/64", f"fd10:{i}::2") if family == 6 else (f"10.{i}.0.1/24", f"10.{i}.0.2")
            lines += [f"create vhost-user socket {path} server hwaddr 02:1{i}:00:00:00:00",
                      f"set interface state {name} up", f"set interface ip address {name} {own}",
                      f"set ip neighbor {name} {guest} 02:0{i}:00:00:00:00 static",
                      self.routes(family, i, routes) + f" via {guest} {name}"]
        if nat:
            lines += ["ip route add 10.64.0.0/16 via 10.0.0.2 VirtualEthernet0/0/0",
                      "set interface nat44 in VirtualEthernet0/0/0 out VirtualEthernet0/0/1",
                      "nat44 add address 192.0.2.1"]
        startup = scratch / "startup"
        startup.write_text("\n".join(lines) + "\n")
        super().__init__(scratch, "ginneld", [
            BIN / "ginneld", "--api-socket", self.api, "--startup", startup, "--cpu", SWITCH_CPU, *options])

    @staticmethod
    def routes(family, port, routes):
        """One covers all that the generator sends to; more are its networks, half of them behind each port."""
        net = f"201{port}::" if family == 6 else f"{16 + 8 * port}.0.0.0"
        if routes == 1:
            return f"ip route add {net}/{16 if family == 6 else 5}"
        return f"ip route add {net}/{48 if family == 6 else 24} count {routes // 2}"

    wait_ready = Ginneld.wait_ready
    ask = Ginneld.ask
    clocks_per_packet = Ginneld.clocks_per_packet


class Cable(Program):
    """ginnel-p2p with its two sockets; it has one worker and no options to bind it."""

    guests_listen = False

    def __init__(self, scratch, options=()):
        scratch = Path(scratch)
        self.api = scratch / "api.sock"
        self.sockets = [scratch / f"p{i}.sock" for i in range(2)]
        super().__init__(scratch, "cable", [
            "taskset", "-c", SWITCH_CPU, BIN / "ginnel-p2p", "--size", 1024, "--stats-socket", self.api,
            *[word for path in self.sockets for word in ("--socket-path", path)], *options])

    def wait_ready(self):
        wait_for("ginnel-p2p's control socket", lambda: self.alive() and connects(self.api))

    def ask(self, *command):
        out = subprocess.run([BIN / "ginnel", "--api-socket", self.api, "--json", *command],
                             check=True, capture_output=True, text=True).stdout
        return json.loads(out) if out.strip() else None

    def clocks_per_packet(self):
        return sum(stage["clocks"] for stage in self.ask("show", "runtime")[0]["stages"])


class Testpmd(Program):
    """DPDK's testpmd in interactive mode, one forwarding core; line-buffered, so that its answers can be read."""

    guests_listen = False

    def __init__(self, scratch, name, cpu, vdevs, options=()):
        if not shutil.which("dpdk-testpmd"):
            raise Unavailable("there is no dpdk-testpmd: apt-get install dpdk-dev librte-net-vhost23")
        vdev_words = [word for vdev in vdevs for word in ("--vdev", vdev)]
        super().__init__(scratch, name, [
            "stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"1@0,2@{cpu}", "--in-memory", "--single-file-segments",
            "-m", "256", "--no-pci", f"--file-prefix={name}", "--no-telemetry", *vdev_words,
            "--", "-i", "--total-num-mbufs=16384", "--no-mlockall", *options])

    def wait_ready(self):
        wait_for("testpmd's prompt", lambda: self.alive() and "testpmd>" in self.text(), 60)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def text(self):
        self.log.flush()
        return self.log_path.read_text()

    def received(self):
        """RX packets of all ports so far, and when they were read."""
        before = self.text().count("##########################")
        self.say("show port stats all")
        ports = self.process.args.count("--vdev")
        # a statistics block is framed by two lines of #, the first of which also holds the title
        wait_for("testpmd's counters",
                 lambda: self.text().count("##########################") >= before + 2 * ports)
        counts = re.findall(r"RX-packets: (\d+)", self.text())[-ports:]
        return sum(int(n) for n in counts), time.monotonic()


class Wire(Testpmd):
    """testpmd forwarding from each vhost-user port to the next, looking at nothing."""

    def __init__(self, scratch, gso=False):
        self.sockets = [Path(scratch) / f"p{i}.sock" for i in range(2)]
        # without these two a large frame is refused, or loses what says that it is one
        offload = ",tso=1,legacy-ol-flags=1" if gso else ""
        super().__init__(scratch, "wire", SWITCH_CPU,
                         [f"net_vhost{i},iface={path}{offload}" for i, path in enumerate(self.sockets)],
                         ["--forward-mode=io"])

    def wait_ready(self):
        super().wait_ready()
        self.say("start")


class Ovs:
    """OVS-DPDK with the NORMAL action, in a run directory of its own."""

    guests_listen = True
    places = (BUILD / "ovs/usr", Path("/usr"))

    def __init__(self, scratch):
        self.usr = next((usr for usr in self.places if (usr / "lib/openvswitch-switch-dpdk").exists()), None)
        if not self.usr:
            raise Unavailable("there is no OVS-DPDK: apt-get install openvswitch-switch-dpdk")
        self.scratch = Path(scratch)
        self.env = {f"OVS_{name}DIR": str(scratch) for name in ("RUN", "LOG", "DB", "SYSCONF")}
        self.sockets = [self.scratch / f"p{i}.sock" for i in range(2)]

    def vsctl(self, *words):
        return subprocess.run([self.usr / "bin/ovs-vsctl", f"--db=unix:{self.scratch}/db", "--timeout=30", *words],
                              capture_output=True, text=True)

    def configure(self, *words):
        done = self.vsctl(*words)
        if done.returncode != 0:
            raise RuntimeError(f"ovs-vsctl {words[0]}: {done.stderr}")

    def start(self):
        subprocess.run([self.usr / "bin/ovsdb-tool", "create", self.scratch / "conf",
                        self.usr / "share/openvswitch/vswitch.ovsschema"], check=True)
        db = self.programs.enter_context(Program(self.scratch, "ovsdb", [
            self.usr / "sbin/ovsdb-server", self.scratch / "conf", f"--remote=punix:{self.scratch}/db"], self.env))
        wait_for("ovsdb-server", lambda: db.alive() and self.vsctl("--no-wait", "init").returncode == 0)
        config = {"dpdk-init": "true", "dpdk-lcore-mask": "0x1", "pmd-cpu-mask": hex(1 << SWITCH_CPU),
                  "dpdk-socket-mem": "512",
                  "dpdk-extra": '"--in-memory --no-pci --no-telemetry --single-file-segments"'}
        self.configure("--no-wait", "set", "Open_vSwitch", ".",
                       *(f"other_config:{key}={value}" for key, value in config.items()))
        # in a network namespace, where it may make the devices that a bridge has besides its ports
        self.switch = self.programs.enter_context(Program(self.scratch, "ovs", [
            "unshare", "--net", self.usr / "lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
            f"unix:{self.scratch}/db"], self.env))
        self.switch.workers = "pmd-c"
        self.configure("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        for i, path in enumerate(self.sockets):
            self.configure("add-port", "br0", f"p{i}", "--", "set", "interface", f"p{i}",
                           "type=dpdkvhostuserclient", f"options:vhost-server-path={path}")
        self.switch.alive()

    def __enter__(self):
        with ExitStack() as self.programs:
            self.start()
            self.programs = self.programs.pop_all()
        return self

    def __exit__(self, *how):
        self.programs.__exit__(*how)

    def prefer_workers(self):
        self.switch.prefer_workers()
