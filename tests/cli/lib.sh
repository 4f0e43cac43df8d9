# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lib - a daemon with the example commands in a directory of its own, and how to say what is wrong.
#
# Sourced with the arguments GINNEL EXAMPLE_SERVER; $ginnel is then a function that talks to that daemon.
set -euo pipefail

program=$(readlink -f "$1")
server=$(readlink -f "$2")
dir=$(mktemp -d /tmp/ginnel-cli.XXXXXX)
socket=$dir/api.sock
server_pid=
export XDG_STATE_HOME=$dir/state NO_COLOR=1

clean_up() {
	[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap clean_up EXIT

# wait_for WHAT COMMAND...: until the command succeeds, ten seconds at most
wait_for() {
	local what=$1 try
	shift
	for ((try = 0; try < 200; try++)); do
		"$@" && return
		sleep 0.05
	done
	fail "waited too long for $what"
}

fail() {
	echo "FAIL: $*"
	exit 1
}

# equal WHAT GOT WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}

start_server() {
	"$server" "$socket" &
	server_pid=$!
	wait_for "the daemon" test -S "$socket"
}

stop_server() {
	kill "$server_pid"
	wait "$server_pid" || true
	server_pid=
	rm -f "$socket"
}

ginnel() {
	"$program" --api-socket "$socket" "$@"
}
