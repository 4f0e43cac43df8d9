#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginneld as a program: start, end, startup file, and what it says to a user who made a mistake."""

import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path

from daemon import Daemon, main

TWO_PORTS = """
# two ports in one domain
create vhost-user socket @/a.sock server
create vhost-user socket @/b.sock server mode 0666
set interface state VirtualEthernet0/0/0 up
set int l2 bridge VirtualEthernet0/0/0 1
set int l2 bridge VirtualEthernet0/0/1 1
"""


def sigterm_ends_it_cleanly_and_removes_its_sockets():
    with Daemon(TWO_PORTS) as d:
        assert (d.dir / "a.sock").is_socket() and (d.dir / "b.sock").is_socket()
        assert d.end() == 0
        assert not list(d.dir.glob("*.sock")), list(d.dir.iterdir())


def a_startup_file_is_done_before_anybody_can_connect():
    with Daemon(TWO_PORTS) as d:
        ports = {i["name"]: i["state"] for i in d.ask("show", "interface")}
        assert ports == {"VirtualEthernet0/0/0": "up", "VirtualEthernet0/0/1": "down", "local0": "down"}, ports
        assert (d.dir / "b.sock").stat().st_mode & 0o777 == 0o666


def a_bad_startup_line_is_named_with_file_and_line():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        startup = Path(scratch) / "startup"
        startup.write_text("show version\nshow intterface\n")
        done = subprocess.run([Path(os.environ["GINNEL_BIN"]) / "ginneld", "--api-socket", f"{scratch}/api.sock",
                               "--startup", startup], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and f"{startup}:2" in done.stderr and "intterface" in done.stderr, done


def a_wrong_socket_path_is_answered_with_the_mend():
    with Daemon() as d:
        (d.dir / "file").write_text("")
        busy = socket.socket(socket.AF_UNIX)
        busy.bind(str(d.dir / "busy.sock"))
        busy.listen()
        for path, words in ((d.dir / ("x" * 120), "at most 107"), (d.dir / "busy.sock", "in use"),
                            (d.dir / "no/such.sock", "create its directory"), (d.dir / "file", "not a socket")):
            status, out, err = d.run("create", "vhost-user", "socket", str(path), "server")
            assert status == 1 and words in err, (path, status, out, err)
        assert [i["name"] for i in d.ask("show", "interface")] == ["local0"]


def a_stale_socket_is_replaced():
    with Daemon() as d:
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(d.dir / "stale.sock"))
        stale.close()
        status, out, _ = d.run("create", "vhost-user", "socket", str(d.dir / "stale.sock"), "server")
        assert status == 0 and out == "VirtualEthernet0/0/0\n", out


def a_mistyped_command_is_answered_with_what_was_expected():
    with Daemon() as d:
        status, _, err = d.run("create", "vhost-user", "soket", "/tmp/x")
        assert status == 2 and "socket" in err, (status, err)
        status, _, err = d.run("set", "interface", "state", "VirtualEthernet0/0/9", "up")
        assert status == 2 and "local0" in err, (status, err)


def local0_cannot_be_changed():
    with Daemon() as d:
        for command in (["set", "interface", "state", "local0", "up"],
                        ["set", "interface", "l2", "bridge", "local0", "1"]):
            status, _, err = d.run(*command)
            assert status == 1 and "local0" in err, (command, status, err)


def ports_come_and_go_and_names_are_used_again():
    with Daemon() as d:
        for _ in range(50):
            for name in "abc":
                assert d.run("create", "vhost", "socket", str(d.dir / f"{name}.sock"), "server")[0] == 0
            assert len(d.ask("show", "interface")) == 4
            d.run("set", "int", "l2", "bridge", "VirtualEthernet0/0/1", "7")
            for n in (1, 0, 2):
                assert d.run("delete", "vhost", f"VirtualEthernet0/0/{n}")[0] == 0
        assert [i["name"] for i in d.ask("show", "interface")] == ["local0"]
        fds = len(list(Path(f"/proc/{d.process.pid}/fd").iterdir()))
        assert fds < 20, f"{fds} descriptors are open"


def every_show_command_answers_as_text_and_as_json():
    with Daemon(TWO_PORTS) as d:
        rows = [row["command"] for row in d.ask("show", "commands")]
        shows = [row for row in rows if row.startswith("show ") and "<" not in row.split("[")[0]]
        assert len(shows) >= 10, rows
        for row in shows:
            words = row.split("[")[0].split()
            status, out, err = d.run(*words)
            assert status == 0 and err == "", (words, err)
            status, out, err = d.run("--json", *words)
            assert status == 0, (words, err)
            json.loads(out)


if __name__ == "__main__":
    main([sigterm_ends_it_cleanly_and_removes_its_sockets, a_startup_file_is_done_before_anybody_can_connect,
          a_bad_startup_line_is_named_with_file_and_line, a_wrong_socket_path_is_answered_with_the_mend,
          a_stale_socket_is_replaced, a_mistyped_command_is_answered_with_what_was_expected,
          local0_cannot_be_changed, ports_come_and_go_and_names_are_used_again,
          every_show_command_answers_as_text_and_as_json])
