#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What QEMU, libvirt and service managers expect of every back-end program:

    backend_program.py PROGRAM TYPE [OPTION...]

The options are what this program cannot do without; @ in them is a scratch directory, with a file `disk` in it.
"""

import grp
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from daemon import main
from front_end import FrontEnd

PROGRAM, TYPE, OPTIONS = Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]
PATIENCE = 60
# How long "as quickly as possible" may take on a machine that has other things to do, under sanitizers.
PROMPT = 5
NOBODY = 65534
TWO_QUEUES = ["--queues=2"] if sys.argv[2] == "block" else []  # a network device has them in pairs
GET_FEATURES = 1


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.005)


class Backend:
    """The program in a directory of its own. Options are those of this run; @ is the directory."""

    def __init__(self, *options, fds=(), env=None, prefix=(), user=None, plain=False):
        self.scratch = tempfile.TemporaryDirectory(prefix="gnl")
        self.dir = Path(self.scratch.name)
        with open(self.dir / "disk", "wb") as disk:
            disk.truncate(1 << 20)
        self.path = self.dir / "vhost.sock"
        if user is not None:
            os.chown(self.dir, user, user)
            os.chown(self.dir / "disk", user, user)
        own = [] if plain else OPTIONS
        arguments = [str(o).replace("@", str(self.dir)) for o in (*own, *options)]
        self.log_path = self.dir / "log"
        credentials = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [*prefix, PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=fds, env=dict(os.environ, **(env or {})), **credentials)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self.scratch.cleanup()

    def log(self):
        return self.log_path.read_text()

    def is_ready(self):
        """In its sandbox, with its socket made."""
        wait_until(lambda: "sandbox " in self.log() or self.process.poll() is not None, "it says what its sandbox is")
        assert self.process.poll() is None, self.log()
        return self

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(str(self.path))
        return s

    def status(self, field):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return re.search(rf"^{field}:\s*(.*)$", text, re.MULTILINE)[1]

    def ends(self, patience=PATIENCE):
        return self.process.wait(patience)


def serves(s):
    """A front-end gets an answer; the features offered."""
    s.settimeout(PATIENCE)
    s.sendall(struct.pack("<III", GET_FEATURES, 1, 0))
    answer = b""
    while len(answer) < 20:
        more = s.recv(20 - len(answer))
        assert more, "the program has closed the connection"
        answer += more
    request, _, size, features = struct.unpack("<IIIQ", answer)
    assert (request, size) == (GET_FEATURES, 8), answer
    assert features & 1 << 32, f"features {features:#x}: no VERSION_1"
    return features


def run(*options, **how):
    """To its end: status, standard output and standard error together."""
    with Backend(*options, **how) as b:
        status = b.ends()
        return status, b.log()


def listener_at(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen()
    return s


# --- what it says and ends ---

def capabilities_are_printed_whatever_else_is_said():
    for options in ([], ["--no-such-option"], ["--fd", "99", "--socket-path", "/nowhere/x"], ["--help"], OPTIONS):
        with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
            done = subprocess.run([PROGRAM, *options, "--print-capabilities"], capture_output=True, text=True,
                                  timeout=PATIENCE, cwd=scratch)
            assert done.returncode == 0 and done.stderr == "", done
            assert os.listdir(scratch) == []
            told = json.loads(done.stdout)
            assert told["type"] == TYPE, told
            assert set(told) <= {"type", "features"}, told
            # vhost-user.json knows features of a disk, and none of a network device
            assert set(told.get("features", [])) <= ({"read-only", "blk-file"} if TYPE == "block" else set()), told


def help_and_version_end_well_and_name_every_option():
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and done.stderr == "", done
    for option in ("socket-path", "fd", "print-capabilities", "help", "version", "socket-mode", "socket-group", "client",
                   "reconnect", "queue-size", "queues", "poll", "log-level", "stats-socket", "sandbox"):
        assert f"--{option} " in done.stdout or f"--{option}\n" in done.stdout, option
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and re.fullmatch(rf"{PROGRAM.name} \d+\.\d+\.\d+\n", done.stdout), done


def the_manual_page_has_every_option_of_the_help():
    told = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=PATIENCE).stdout
    page = subprocess.run([PROGRAM, "--print-man"], capture_output=True, text=True, timeout=PATIENCE)
    assert page.returncode == 0 and f".Nm {PROGRAM.name}\n" in page.stdout, page
    options = re.findall(r"^ .{4,5}--([a-z-]+)", told, re.MULTILINE)
    assert len(options) >= 15, options
    for option in options:
        assert re.search(rf"^\.It .*Fl \\-{option}( |$)", page.stdout, re.MULTILINE), option


def mistakes_end_it_at_once_with_a_word_on_the_mend():
    a, b = socket.socketpair()
    wrong = [(["--socket-path=@/s", f"--fd={b.fileno()}"], "either --socket-path or --fd"),
             (["--socket-path=" + "x" * 120], "1 to 107 bytes"), (["--fd=x"], "number of a descriptor"),
             (["--fd=999"], "number of a descriptor"), (["--socket-path=@/s", "--socket-mode=999"], "0660"),
             (["--socket-path=@/s", "--socket-group=no-such-group"], "a group that exists"),
             (["--socket-path=@/s", "--queue-size=100"], "power of two"),
             (["--socket-path=@/s", "--queues=0"], "from 1 to"), (["--socket-path=@/s", "--poll=x"], "a number"),
             (["--socket-path=@/s", "--sandbox=half"], "full, basic or none"),
             (["--socket-path=@/s", "--log-level=loud"], "debug"), (["--socket-path=@/s", "--no-such-option"], "--help"),
             (["--socket-path=@/s", "word"], "--help"), ([f"--fd={b.fileno()}", "--client"], "--socket-path"),
             (["--socket-path=@/s", "--reconnect=100"], "--client"),
             ([f"--fd={b.fileno()}", "--socket-mode=0660"], "whoever listens")]
    for options, words in wrong:
        status, log = run(*options, fds=[b.fileno()])
        assert status == 2 and words in log, (options, status, log)
    a.close()
    b.close()


def what_keeps_it_from_starting_is_said_with_the_mend():
    pipe, stream = os.pipe(), socket.socket(socket.AF_UNIX)
    wrong = [(["--socket-path=@/no/such.sock"], "create its directory"), (["--socket-path=@/disk"], "not a socket"),
             ([f"--fd={pipe[0]}"], "not a unix stream socket"), ([f"--fd={stream.fileno()}"], "neither listens"),
             (["--socket-path=@/s", "--stats-socket=@/disk"], "not a socket")]
    for options, words in wrong:
        status, log = run(*options, fds=[pipe[0], stream.fileno()])
        assert status == 1 and words in log, (options, status, log)
        assert "Traceback" not in log
    os.close(pipe[0])
    os.close(pipe[1])


# --- the socket ---

def a_front_end_is_served_at_a_path_and_so_is_the_next():
    with Backend("--socket-path=@/vhost.sock") as b:
        b.is_ready()
        offered = set()
        for _ in range(5):  # a guest that reboots
            with b.connect() as s:
                offered.add(serves(s))
        assert len(offered) == 1, offered
        b.process.terminate()
        assert b.ends() == 0, b.log()
        assert not b.path.exists()


def a_second_front_end_waits_for_the_first():
    with Backend("--socket-path=@/vhost.sock") as b:
        b.is_ready()
        first, second = b.connect(), b.connect()
        serves(first)
        first.close()
        serves(second)
        second.close()


def a_stale_socket_is_replaced_and_a_live_one_is_not():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        path = Path(scratch) / "s"
        live = listener_at(path)
        status, log = run(f"--socket-path={path}")
        assert status == 1 and "in use" in log, log
        live.close()
        with Backend(f"--socket-path={path}") as b:
            b.path = path
            serves(b.is_ready().connect())


def a_connected_descriptor_is_served_and_its_end_is_the_programs():
    ours, theirs = socket.socketpair()
    with Backend(f"--fd={theirs.fileno()}", fds=[theirs.fileno()]) as b:
        theirs.close()
        serves(ours)
        ours.close()
        assert b.ends() == 0, b.log()


def a_listening_descriptor_serves_one_after_the_other_and_its_file_stays():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        listener = listener_at(Path(scratch) / "s")
        with Backend(f"--fd={listener.fileno()}", fds=[listener.fileno()]) as b:
            b.path = Path(scratch) / "s"
            for _ in range(3):
                with b.connect() as s:
                    serves(s)
            b.process.terminate()
            assert b.ends() == 0, b.log()
            assert b.path.is_socket()


def a_service_manager_passes_the_socket_and_hears_of_start_and_end():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        listener = listener_at(Path(scratch) / "s")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(f"{scratch}/notify")
        notify.settimeout(PATIENCE)
        launch = ["bash", "-c", f'export LISTEN_PID=$$; exec "$@" 3<&{listener.fileno()}', "bash"]
        env = {"NOTIFY_SOCKET": f"{scratch}/notify", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "vhost"}
        with Backend(fds=[listener.fileno()], env=env, prefix=launch) as b:
            b.path = Path(scratch) / "s"
            assert notify.recv(100) == b"READY=1"
            with b.connect() as s:
                serves(s)
                b.process.terminate()
                assert notify.recv(100) == b"STOPPING=1"
            assert b.ends() == 0, b.log()
            assert b.path.is_socket()


def sockets_for_another_process_are_not_taken():
    if SOCKETS_NEEDED:
        status, log = run(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
        assert status == 2 and "--socket-path" in log, log


def a_guest_that_reboots_finds_its_queues_again():
    with Backend("--socket-path=@/vhost.sock", *TWO_QUEUES) as b:
        b.is_ready()
        for _ in range(5):
            guest = FrontEnd(b.path)
            guest.start()
            assert guest.is_connected(), b.log()
            guest.close()
        b.process.terminate()
        assert b.ends() == 0, b.log()


def memory_that_is_cut_short_ends_one_connection_and_nothing_else():
    if PROGRAM.name == "example_backend":
        return  # it never looks at memory
    others = ["--socket-path=@/other.sock"] if TYPE == "net" else []
    with Backend("--socket-path=@/vhost.sock", *others, *TWO_QUEUES) as b:
        b.is_ready()
        ends = [FrontEnd(b.path), *[FrontEnd(b.dir / "other.sock") for _ in others]]
        for end in ends:
            end.start()
        os.ftruncate(ends[0].memfd, 0)
        for ring in ends[0].rings:
            os.eventfd_write(ring.kick, 1)
        wait_until(lambda: not ends[0].is_connected(), "the connection is closed")
        assert all(end.is_connected() for end in ends[1:]), b.log()
        ends[0].close()
        with b.connect() as s:
            serves(s)
        b.process.terminate()
        assert b.ends() == 0, b.log()


def the_socket_file_gets_its_mode_and_its_group():
    group = grp.getgrgid(NOBODY).gr_name if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name
    with Backend("--socket-path=@/vhost.sock", "--socket-mode=0660", f"--socket-group={group}") as b:
        stat = b.is_ready().path.stat()
        assert stat.st_mode & 0o777 == 0o660, oct(stat.st_mode)
        assert stat.st_gid == grp.getgrnam(group).gr_gid
    with Backend("--socket-path=@/vhost.sock") as b:
        assert b.is_ready().path.stat().st_mode & 0o777 == 0o600


def a_client_connects_and_comes_again():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        path = Path(scratch) / "s"
        with Backend(f"--socket-path={path}", "--client", "--reconnect=20") as b:
            b.is_ready()
            for _ in range(2):  # the front-end is started later, and again
                listener = listener_at(path)
                listener.settimeout(PATIENCE)
                for _ in range(2):
                    s, _ = listener.accept()
                    serves(s)
                    s.close()
                listener.close()
                path.unlink()
            b.process.terminate()
            assert b.ends() == 0, b.log()


# --- the process ---

def a_signal_ends_it_promptly_with_and_without_a_front_end():
    for sig in (signal.SIGTERM, signal.SIGINT):
        for connected in (False, True):
            with Backend("--socket-path=@/vhost.sock") as b:
                b.is_ready()
                if connected:
                    s = b.connect()
                    serves(s)
                b.process.send_signal(sig)
                assert b.ends(PROMPT) == 0, b.log()
                assert not b.path.exists()


def it_can_be_started_again_at_once_however_it_ended():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        disk = Path(scratch) / "disk"
        disk.write_bytes(bytes(1 << 20))
        for sig in [signal.SIGTERM, signal.SIGKILL] * 4:
            options = [o.replace("@/disk", str(disk)) for o in OPTIONS]
            with Backend(*options, f"--socket-path={scratch}/vhost.sock", plain=True) as b:
                b.path = Path(scratch) / "vhost.sock"
                serves(b.is_ready().connect())
                b.process.send_signal(sig)
                b.ends()


def it_stays_in_the_foreground():
    with Backend("--socket-path=@/vhost.sock") as b:
        b.is_ready()
        assert b.status("PPid") == str(os.getpid())
        assert os.getpgid(b.process.pid) == os.getpgid(0)  # no session or group of its own
        children = Path(f"/proc/{b.process.pid}/task/{b.process.pid}/children")
        assert not children.exists() or children.read_text() == "", children.read_text()


def descriptors_that_nobody_named_are_closed():
    left, right = os.pipe()
    with Backend("--socket-path=@/vhost.sock", fds=[right]) as b:
        b.is_ready()
        os.close(right)
        os.set_blocking(left, False)
        assert os.read(left, 1) == b"", "somebody still holds the pipe"
    os.close(left)


def each_sandbox_is_what_its_name_says():
    for level, wanted in (("full", {"NoNewPrivs": "1", "Seccomp": "2"}), ("basic", {"NoNewPrivs": "1", "Seccomp": "0"}),
                          ("none", {"NoNewPrivs": "0", "Seccomp": "0"})):
        with Backend("--socket-path=@/vhost.sock", f"--sandbox={level}") as b:
            b.is_ready()
            with b.connect() as s:
                serves(s)
            told = [line for line in b.log().splitlines() if "sandbox " in line]
            assert len(told) == 1 and f"sandbox {level}" in told[0], b.log()
            tasks = list(Path(f"/proc/{b.process.pid}/task").iterdir())
            for task in tasks:
                text = (task / "status").read_text()
                if "iou-" in text.split("\n", 1)[0]:
                    continue
                for field, value in wanted.items():
                    assert f"{field}:\t{value}\n" in text, (level, field, text)
                for field in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                    assert level == "none" or f"{field}:\t{0:016x}\n" in text, (level, field, text)
            b.process.terminate()
            assert b.ends() == 0, b.log()


def an_unprivileged_user_may_do_all_of_this():
    if os.geteuid() != 0:
        return  # that is what happened all the time
    with Backend("--socket-path=@/vhost.sock", "--stats-socket=@/stats.sock", user=NOBODY) as b:
        b.is_ready()
        assert b.status("Uid").split()[0] == str(NOBODY)
        with b.connect() as s:
            serves(s)
        b.process.terminate()
        assert b.ends() == 0, b.log()
        assert not list(b.dir.glob("*.sock"))


def the_shell_talks_to_it():
    with Backend("--socket-path=@/vhost.sock", "--stats-socket=@/stats.sock") as b:
        b.is_ready()
        ginnel = [Path(os.environ["GINNEL_BIN"]) / "ginnel", "--api-socket", b.dir / "stats.sock"]
        done = subprocess.run([*ginnel, "--json", "show", "version"], capture_output=True, text=True, timeout=PATIENCE)
        told = json.loads(done.stdout)
        assert told["program"] == PROGRAM.name and told["pid"] == b.process.pid, done
        rows = json.loads(subprocess.run([*ginnel, "--json", "show", "commands"], capture_output=True, text=True,
                                         timeout=PATIENCE).stdout)
        for row in [r["command"] for r in rows]:
            words = row.split("[")[0].split()
            if words[0] == "show" and "<" not in row.split("[")[0]:
                done = subprocess.run([*ginnel, *words], capture_output=True, text=True, timeout=PATIENCE)
                assert done.returncode == 0 and done.stderr == "", (row, done)
        done = subprocess.run([*ginnel, "exec", "/etc/passwd"], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and "denied" in done.stderr, done  # and the program lives
        with b.connect() as s:
            serves(s)
        b.process.terminate()
        assert b.ends() == 0, b.log()
        assert not list(b.dir.glob("*.sock"))


def example_only_a_forbidden_call_dies():
    if PROGRAM.name != "example_backend":
        return
    with Backend("--socket-path=@/vhost.sock", "--sin=socket") as b:
        b.is_ready().connect()
        assert b.ends() == -signal.SIGSYS, b.log()
    with Backend("--socket-path=@/vhost.sock", "--sin=open") as b:
        b.is_ready().connect()
        wait_until(lambda: "sinned and lives" in b.log(), "the example goes on")
        assert "cannot open a file: Permission denied" in b.log(), b.log()
    with Backend("--socket-path=@/vhost.sock", "--sin=socket", "--sandbox=basic") as b:
        b.is_ready().connect()
        wait_until(lambda: "sinned and lives" in b.log(), "the example goes on")


# A program may make its ports later.
SOCKETS_NEEDED = subprocess.run(
    ["timeout", "--preserve-status", "2", PROGRAM, *[o.replace("@", "/nowhere") for o in OPTIONS]],
    capture_output=True).returncode == 2

if __name__ == "__main__":
    main([capabilities_are_printed_whatever_else_is_said, help_and_version_end_well_and_name_every_option,
          the_manual_page_has_every_option_of_the_help, mistakes_end_it_at_once_with_a_word_on_the_mend,
          what_keeps_it_from_starting_is_said_with_the_mend, a_front_end_is_served_at_a_path_and_so_is_the_next,
          a_second_front_end_waits_for_the_first, a_stale_socket_is_replaced_and_a_live_one_is_not,
          a_connected_descriptor_is_served_and_its_end_is_the_programs,
          a_listening_descriptor_serves_one_after_the_other_and_its_file_stays,
          a_service_manager_passes_the_socket_and_hears_of_start_and_end, sockets_for_another_process_are_not_taken,
          a_guest_that_reboots_finds_its_queues_again, memory_that_is_cut_short_ends_one_connection_and_nothing_else,
          the_socket_file_gets_its_mode_and_its_group, a_client_connects_and_comes_again,
          a_signal_ends_it_promptly_with_and_without_a_front_end, it_can_be_started_again_at_once_however_it_ended,
          it_stays_in_the_foreground,
          descriptors_that_nobody_named_are_closed, each_sandbox_is_what_its_name_says,
          an_unprivileged_user_may_do_all_of_this, the_shell_talks_to_it, example_only_a_forbidden_call_dies])
