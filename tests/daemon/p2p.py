#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginnel-p2p as a user runs it: ports by options, by a list and while it runs; what waits, what is refused."""

import array
import json
import os
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from daemon import main
from front_end import (GET_FEATURES, GET_VRING_BASE, RECEIVE, SEND, SET_FEATURES, SET_MEM_TABLE, SET_OWNER, SET_VRING_BASE,
                       SET_VRING_KICK, SET_VRING_NUM, SIZE, UADDR, VERSION_1, FrontEnd)

SET_PROTOCOL_FEATURES, SET_BACKEND_REQ_FD, GET_CONFIG = 16, 21, 24
MAC, STATUS, PROTOCOL_FEATURES = 1 << 5, 1 << 16, 1 << 30
PROTOCOL_BACKEND_REQ, PROTOCOL_CONFIG = 1 << 5, 1 << 9
CONFIG_CHANGE_MSG = 2
BIN = Path(os.environ["GINNEL_BIN"])
PATIENCE = 60
FRAME = bytes.fromhex("0180c2000002" "525400000001" "8809") + bytes(range(60))  # LACP: no bridge would pass it

THE_LIST = """-- two normal ports with at most 4 data spaces
net0 = p2p:create(0, "ds-max=4")
net1 = p2p:create(0, "ds-max=4")
-- normal port with 4 data spaces and MAC address
net0 = p2p:create(0, "ds-max=4", "mac=11:22:33:44:55:66")
"""


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.002)


class Cable:
    def __init__(self, *options, fds=()):
        self.scratch = tempfile.TemporaryDirectory(prefix="gnl")
        self.dir = Path(self.scratch.name)
        (self.dir / "ports.lua").write_text(THE_LIST)
        (self.dir / "captures").mkdir()
        self.log_path = self.dir / "log"
        options = [str(o).replace("@", str(self.dir)) for o in options]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [BIN / "ginnel-p2p", "--stats-socket", self.dir / "api", "--socket-dir", self.dir, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds)

    def __enter__(self):
        wait_until(lambda: "sandbox full" in self.log() or self.process.poll() is not None, "the sandbox")
        assert self.process.poll() is None, self.log()
        wait_until(lambda: socket.socket(socket.AF_UNIX).connect_ex(str(self.dir / "api")) == 0, "the control socket")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0, self.log()
        self.scratch.cleanup()

    def log(self):
        return self.log_path.read_text()

    def run(self, *command):
        done = subprocess.run([BIN / "ginnel", "--api-socket", self.dir / "api", *command], capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.returncode, (done.stdout + done.stderr).strip()

    def ask(self, *command):
        status, out = self.run("--json", *command)
        assert status == 0, (command, out)
        return json.loads(out) if out else None

    def ports(self):
        return {port["port"]: port for port in self.ask("show", "ports")}

    def refuses(self, words, *command):
        status, out = self.run(*command)
        assert status == 1 and words in out, (command, status, out)

    def rpc(self, method, **params):
        """The answer, and descriptors that come along."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.dir / "api"))
            s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
            text, fds = b"", array.array("i")
            while not text.endswith(b"\n"):
                more, cargo, _, _ = s.recvmsg(65536, 1024)
                assert more, text
                text += more
                for _, _, data in cargo:
                    fds.frombytes(data)
        return json.loads(text), list(fds)


def passes(a, b, frame=FRAME):
    """A frame goes from a to b."""
    assert a.send(frame)
    got = []
    wait_until(lambda: got.extend(b.receive()) or got, "the frame")
    assert got == [frame], got


def two(cable, *names):
    ends = [FrontEnd(cable.dir / f"{name}.sock") for name in names]
    for end in ends:
        end.start()
    return ends


def a_list_in_lua_runs_as_it_is_written():
    with Cable("--config=@/ports.lua") as c:
        ports = c.ports()
        assert set(ports) == {"net0", "net1"} and ports["net0"]["mac"] == "11:22:33:44:55:66", ports
        a, b = two(c, "net0", "net1")
        passes(a, b)
        passes(b, a)
        assert all(port["connected"] for port in c.ports().values())
        assert "l2 xconnect" not in c.log()


def a_list_with_a_mistake_is_refused_with_its_place():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        path = Path(scratch) / "ports.lua"
        for text, words in (("a = p2p:create(0, 'ds-max=99')", "ports.lua:1:"), (THE_LIST + "c = p2p:create(0)", "third"),
                            ("L4.default_loader:start({}, 'x -d ram')", "--register-ds ram=path:FILE")):
            path.write_text(text)
            done = subprocess.run([BIN / "ginnel-p2p", "--config", path, "--socket-dir", scratch], capture_output=True,
                                  text=True, timeout=PATIENCE)
            assert done.returncode == 1 and words in done.stderr, done
            assert [p.name for p in Path(scratch).iterdir()] == ["ports.lua"]


def frames_wait_for_whoever_is_not_there():
    with Cable("--port=net0,ds-max=4", "--port=net1") as c:
        a = two(c, "net0")[0]
        n = 0
        while a.send(FRAME + n.to_bytes(2, "big")):
            n += 1
        assert n == SIZE
        time.sleep(0.2)  # nothing comes back, however long it takes
        assert a.rings[SEND].take() == []
        b = two(c, "net1")[0]
        got = []
        wait_until(lambda: got.extend(b.receive()) or len(got) == n, "all frames")
        assert got == [FRAME + i.to_bytes(2, "big") for i in range(n)]
        # it leaves, and its port is there for the next
        b.close()
        wait_until(lambda: not c.ports()["net1"]["connected"], "b is gone")
        assert a.send(FRAME)
        b = two(c, "net1")[0]
        wait_until(lambda: b.receive() == [FRAME], "what waited")
        reasons = [row["reason"] for row in c.ask("show", "errors")]
        assert set(reasons) <= {"tx-waited"}, reasons


def ports_are_made_while_it_runs():
    with Cable("--port=net0") as c:
        status, path = c.run("create", "0", "ds-max=4", "mac=1:2:3:4:5:6")
        assert status == 0 and path == str(c.dir / "port1.sock"), path
        assert c.ports()["port1"]["mac"] == "01:02:03:04:05:06"
        a, b = two(c, "net0", "port1")
        passes(a, b)
        c.refuses("ENOMEM", "create", "0")
        assert c.run("delete", "port", "port1")[0] == 0
        c.refuses("EINVAL", "create", "1")
        c.refuses("from 1 to 80", "create", "0", "ds-max=81")
        c.refuses("from 1 to 80", "create", "0", '"ds-max=0"')
        c.refuses("11:22:33:44:55:66", "create", "0", "mac=11:22")
        assert not (c.dir / "port1.sock").exists()
        status, out = c.run("create", "0", "name", "again", '"ds-max=4",', '"colour=red"')
        assert status == 0, out
        assert "'colour=red' is not known" in c.log()
        passes(a, two(c, "again")[0])


def a_port_can_be_answered_with_its_connection():
    with Cable("--port=net0") as c:
        a = two(c, "net0")[0]
        for _ in range(3):  # its place and its address are free again
            answer, fds = c.rpc("create", type=0, fd=True, keys="ds-max=4 mac=2:0:0:0:0:9")
            assert answer["result"] == {"port": "port1", "socket": None} and len(fds) == 1, (answer, fds)
            b = FrontEnd(None, connected=socket.socket(fileno=fds[0]))
            b.start()
            assert c.ports()["port1"]["mac"] == "02:00:00:00:00:09"
            passes(a, b)
            passes(b, a)
            b.close()
            wait_until(lambda: set(c.ports()) == {"net0"}, "the port ends with its connection")


def queues_have_their_size():
    for size in ("0", "3", "300", "65536", "-1", "x"):
        done = subprocess.run([BIN / "ginnel-p2p", "--port=a", "--size", size], capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode != 0 and "a power of two from 1 to 32768" in done.stderr, (size, done)
    for options, most in (((), 256), (("--size=1024",), 1024), (("-s", "32768"), 32768), (("-s1",), 1)):
        with Cable("--port=a", *options) as c:
            end = FrontEnd(c.dir / "a.sock")
            end.say(SET_VRING_NUM, struct.pack("<II", 0, most))
            end.ask(GET_FEATURES)
            end.say(SET_VRING_NUM, struct.pack("<II", 0, 2 * most))
            wait_until(lambda: not end.is_connected(), "a larger queue is refused")


def share(end, n):
    """All of its memory, in n regions."""
    size = end.mem_len // 4096 // n * 4096
    regions = b"".join(struct.pack("<QQQQ", i * size, size, UADDR + i * size, i * size) for i in range(n))
    end.say(SET_MEM_TABLE, struct.pack("<II", n, 0) + regions, [end.memfd] * n)


def a_front_end_shares_as_many_objects_as_its_port_says():
    with Cable("--port=net0", "--port=net1,ds-max=3,colour=red") as c:
        assert "'colour=red' is not known" in c.log()
        for name, most in (("net0", 2), ("net1", 3)):
            end = FrontEnd(c.dir / f"{name}.sock")
            share(end, most)
            end.ask(GET_FEATURES)
            share(end, most + 1)
            wait_until(lambda: not end.is_connected(), "one more is refused")


def stop_ring(end, ring):
    return struct.unpack("<II", end.ask(GET_VRING_BASE, struct.pack("<II", ring.idx, 0)))[1]


def go_on(end, ring, base):
    end.say(SET_VRING_BASE, struct.pack("<II", ring.idx, base))
    end.say(SET_VRING_KICK, struct.pack("<Q", ring.idx), [ring.kick])


def come_again(end, path):
    """A front-end that died: the next has its memory, and knows nothing of its rings."""
    end.close()
    end.socket = socket.socket(socket.AF_UNIX)
    end.socket.connect(str(path))
    end.negotiate()
    for ring in end.rings:
        end.start_ring(ring)
    end.ask(GET_FEATURES)


def what_is_consumed_is_delivered_however_often_rings_go_and_come():
    with Cable("--port=net0", "--port=net1") as c:
        a, b = two(c, "net0", "net1")
        sent = consumed = delivered = 0

        def receive(most):
            nonlocal delivered
            for frame in b.rings[RECEIVE].take():
                assert frame == FRAME + delivered.to_bytes(4, "big"), (delivered, frame)
                delivered += 1
            for _ in range(most):
                b.rings[RECEIVE].offer(b"", True)

        for change in range(200):
            while a.rings[SEND].offer(FRAME + sent.to_bytes(4, "big"), False):
                sent += 1
            before = delivered
            receive(1 + change * 7 % 40)
            wait_until(lambda: receive(0) or delivered > before, "a frame moves between two changes")
            if change % 4 == 0:
                base = stop_ring(a, a.rings[SEND])
                consumed += len(a.rings[SEND].take())
                receive(0)
                assert base == a.rings[SEND].seen and consumed == delivered, (base, consumed, delivered)
                go_on(a, a.rings[SEND], base)
            elif change % 4 == 1:
                base = stop_ring(b, b.rings[RECEIVE])
                receive(0)
                assert base == b.rings[RECEIVE].seen == delivered & 0xffff
                go_on(b, b.rings[RECEIVE], base)
            else:
                come_again(*((a, c.dir / "net0.sock"), (b, c.dir / "net1.sock"))[change % 4 - 2])
            consumed += len(a.rings[SEND].take())
        wait_until(lambda: receive(100) or delivered == sent, "all frames")
        assert sent > 400, sent
        reasons = [row["reason"] for row in c.ask("show", "errors")]
        assert set(reasons) <= {"tx-waited"}, reasons


def only_registered_memory_is_accepted():
    memfd = os.memfd_create("known")
    with Cable("--port=net0", "--port=net1", "-d", f"ram=fd:{memfd}", fds=[memfd]) as c:
        known, other = FrontEnd(c.dir / "net0.sock"), FrontEnd(c.dir / "net1.sock")
        os.ftruncate(memfd, known.mem_len)
        known.memfd = memfd
        known.negotiate()
        known.ask(1)
        other.negotiate()
        wait_until(lambda: not other.is_connected(), "the other's memory is refused")
        assert known.is_connected()


def a_guest_that_breaks_its_ring_hurts_itself_alone():
    with Cable("--port=net0", "--port=net1") as c:
        a, b = two(c, "net0", "net1")
        passes(a, b)
        a.rings[SEND].avail[1] = (a.rings[SEND].avail[1] + 1000) & 0xffff
        os.eventfd_write(a.rings[SEND].kick, 1)
        wait_until(lambda: any(q.get("broken") for q in c.ask("show", "vhost-user", "net0")[0]["virtqueues"]), "it breaks")
        passes(b, a)
        a.close()
        a = two(c, "net0")[0]
        passes(a, b)


def at_a_fixed_rate_nobody_has_to_kick():
    with Cable("--port=net0", "--port=net1", "--poll=2000") as c:
        a, b = two(c, "net0", "net1")
        passes(a, b)
        for end in (a, b):
            for ring in end.rings:
                ring.kick = os.eventfd(0, os.EFD_NONBLOCK)  # nobody hears of it
        began, before = time.monotonic(), c.ask("show", "runtime")[0]["turns"]
        for _ in range(20):
            passes(a, b)
            passes(b, a)
        turns, passed = c.ask("show", "runtime")[0]["turns"] - before, time.monotonic() - began
        assert 0 < turns <= passed / 0.002 + 40 + 5, (turns, passed)  # with those that moved something
        flags = [ring.memory[ring.used_at] for end in (a, b) for ring in end.rings]
        assert flags == [1, 1, 1, 1], flags  # VRING_USED_F_NO_NOTIFY
        runtime = c.ask("show", "threads")[1]
        assert runtime["mode"] == "timer", runtime


def a_wire_can_be_made_worse():
    with Cable("--port=net0", "--port=net1") as c:
        a, b = two(c, "net0", "net1")
        c.refuses("from 0 to 100", "set", "netem", "net0", "loss", "101")
        c.refuses("jitter no more", "set", "netem", "net0", "delay", "10", "jitter", "11")
        assert c.run("set", "netem", "net0", "delay", "200000")[0] == 0
        assert c.ask("show", "netem")[0]["delay"] == 200000
        began = time.monotonic()
        passes(a, b)
        assert time.monotonic() - began >= 0.2
        passes(b, a)  # the way back is as it was
        assert c.run("set", "netem", "net0", "loss", "100%")[0] == 0
        for _ in range(10):
            assert a.send(FRAME)
        wait_until(lambda: {"netem-loss": 10}.items() <= c.ask("show", "interface", "net0")[0]["drops"].items(), "loss")
        assert c.run("set", "netem", "net0", "off")[0] == 0
        passes(a, b)


def a_worker_that_waits_for_a_receiver_sleeps():
    with Cable("--port=net0", "--port=net1") as c:
        a, b = FrontEnd(c.dir / "net0.sock"), FrontEnd(c.dir / "net1.sock")
        a.start()
        b.negotiate()
        for ring in b.rings:
            b.start_ring(ring)
        for i in range(20):
            assert a.send(FRAME + bytes([i]))
        wait_until(lambda: [r["reason"] for r in c.ask("show", "errors")] == ["tx-waited"], "it waits")
        time.sleep(0.1)
        before = c.ask("show", "runtime")[0]["turns"]
        time.sleep(0.5)
        assert c.ask("show", "runtime")[0]["turns"] - before < 100000
        for i in range(20):  # a buffer at a time, each of which wakes it
            b.rings[RECEIVE].offer(b"", True)
            got = []
            wait_until(lambda: got.extend(b.rings[RECEIVE].take()) or got, "the next frame")
            assert got == [FRAME + bytes([i])]


def configuration(guest):
    """Address and state of the link, as a driver reads them."""
    answer = guest.ask(GET_CONFIG, struct.pack("<III", 0, 8, 0) + bytes(8))
    return answer[12:18].hex(), struct.unpack_from("<H", answer, 18)[0] & 1


def the_link_is_up_while_the_other_end_is_there():
    with Cable("--port", "net0,mac=02:00:00:00:00:0a", "--port", "net1") as c:
        guest, (ours, theirs) = FrontEnd(c.dir / "net0.sock"), socket.socketpair()
        features = VERSION_1 | PROTOCOL_FEATURES | MAC | STATUS
        assert struct.unpack("<Q", guest.ask(GET_FEATURES))[0] & features == features
        guest.say(SET_OWNER)
        guest.say(SET_FEATURES, struct.pack("<Q", features))
        guest.say(SET_PROTOCOL_FEATURES, struct.pack("<Q", PROTOCOL_BACKEND_REQ | PROTOCOL_CONFIG))
        guest.say(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        guest.say(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, guest.mem_len, UADDR, 0), [guest.memfd])
        for ring in guest.rings:  # until one runs, a driver reads it anyway
            guest.start_ring(ring)
        assert configuration(guest) == ("02000000000a", 0)
        ours.settimeout(PATIENCE)
        for _ in range(2):
            other = FrontEnd(c.dir / "net1.sock")
            other.start()
            assert struct.unpack("<III", ours.recv(12))[0] == CONFIG_CHANGE_MSG
            assert configuration(guest) == ("02000000000a", 1)
            other.close()
            assert struct.unpack("<III", ours.recv(12))[0] == CONFIG_CHANGE_MSG
            assert configuration(guest) == ("02000000000a", 0)


def counters_are_read_from_memory():
    with Cable("--port", "net0", "--port", "net1") as c:
        a, b = two(c, "net0", "net1")
        for _ in range(10):
            passes(a, b)
        top = c.ask("top", "--once", "--interval", "0.1")
        names = {i["name"]: i for i in top["interfaces"]}
        assert {"net0", "net1"} <= set(names), top
        status, text = c.run("top", "--once", "--interval", "0.1")
        assert status == 0 and "net0" in text, text


def captures_go_to_their_directory_and_nowhere_else():
    with Cable("--port=a", "--port=b", "--capture-dir=@/captures") as c:
        a, b = two(c, "a", "b")
        c.refuses("Permission denied", "pcap", "trace", "rx", "file", str(c.dir / "a.pcapng"))
        status, out = c.run("pcap", "trace", "rx", "tx", "file", str(c.dir / "captures" / "a.pcapng"))
        assert status == 0, out
        passes(a, b)
        assert c.run("pcap", "trace", "off")[0] == 0
        assert FRAME in (c.dir / "captures" / "a.pcapng").read_bytes()
        passes(b, a)
    with Cable("--port=a", "--port=b") as c:
        c.refuses("Permission denied", "pcap", "trace", "rx", "file", str(c.dir / "captures" / "a.pcapng"))


def many_memory_objects_can_be_registered():
    memory = [os.memfd_create("ram") for _ in range(60)]
    options = [f"--register-ds=ram{i}=fd:{fd}" for i, fd in enumerate(memory)]
    with Cable("--port=a", "--port=b", *options, fds=memory) as c:
        guest = FrontEnd(c.dir / "a.sock")
        try:
            guest.start()
        except (AssertionError, OSError):
            pass
        wait_until(lambda: "not on the list" in c.log(), "the reason is said")
    for fd in memory:
        os.close(fd)


if __name__ == "__main__":
    main([a_list_in_lua_runs_as_it_is_written, a_list_with_a_mistake_is_refused_with_its_place,
          frames_wait_for_whoever_is_not_there, ports_are_made_while_it_runs,
          a_port_can_be_answered_with_its_connection, queues_have_their_size,
          a_front_end_shares_as_many_objects_as_its_port_says,
          what_is_consumed_is_delivered_however_often_rings_go_and_come, only_registered_memory_is_accepted,
          a_guest_that_breaks_its_ring_hurts_itself_alone, at_a_fixed_rate_nobody_has_to_kick,
          a_wire_can_be_made_worse, a_worker_that_waits_for_a_receiver_sleeps, counters_are_read_from_memory,
          the_link_is_up_while_the_other_end_is_there,
          captures_go_to_their_directory_and_nowhere_else,
          many_memory_objects_can_be_registered])
