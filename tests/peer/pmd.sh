# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# pmd - DPDK's testpmd with two ports, as peer of the switch: at its front-end's or at its back-end's end. The ports'
# numbers at the switch are in $ports. Sourced after lib.sh.

ports=() # the script's choice
enough=50000
pages=160
memory=(--no-huge --no-shconf -m 256)

# memory_choose: with hugepages where we may have some; gives them back at the end
memory_choose() {
	local free
	[ "$(id -u)" = 0 ] || return 0
	hugepages_add $pages || return 0
	at_end+=("hugepages_add -$pages")
	free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
	[ "$free" -lt $pages ] || memory=(--in-memory --single-file-segments -m 128)
}

# hugepages_add N: others may do so at the same time
hugepages_add() {
	echo $(($(cat /proc/sys/vm/nr_hugepages) + $1)) >/proc/sys/vm/nr_hugepages
}

# testpmd_start DRIVER SOCKET OPTIONS [ARGUMENT]...: a device of that driver at each of the two ports, its socket named
# by option SOCKET, with these options. Without an open standard input testpmd would end at once; a socket that it makes
# is for everybody in $run.
testpmd_start() {
	local port vdevs=()
	for port in "${ports[@]}"; do
		vdevs+=(--vdev "$1$port,$2=$run/port$port${3:+,$3}")
	done
	rm -f "$run"/pmd.{in,log}
	mkfifo "$run/pmd.in"
	# shellcheck disable=SC2016
	process_start pmd bash -c 'umask 0; exec "$@" 0<>"$0"' "$run/pmd.in" \
		dpdk-testpmd --lcores "1@0,2@$(($(nproc) - 1))" "${memory[@]}" --no-pci --no-telemetry \
		--file-prefix "ginnel$$" "${vdevs[@]}" -- --auto-start --total-num-mbufs=16384 "${@:4}"
}

# testpmd_stop: it waits for a line; a signal alone leaves it reading
testpmd_stop() {
	echo >"$run/pmd.in"
	wait_until 30 process_gone pmd || fail "testpmd does not end"
}

# forwarded INDEX RX|TX: packets, from testpmd's farewell
forwarded() {
	tr -s ' ' <"$run/pmd.log" | awk -v port="$1" -v want="$2-packets:" '
		/Forward statistics for port/ { here = $6 == port }
		here { for (i = 1; i < NF; i++) if ($i == want && !n++) print $(i + 1) }'
}

counted_enough() {
	process_runs pmd || fail "testpmd ended"
	[ "$(counter "${ports[0]}" "rx packets")" -ge $enough ] && [ "$(counter "${ports[1]}" "rx packets")" -ge $enough ]
}

# compare WHAT OURS THEIRS: a few rings' worth, $slack, may be on its way when testpmd stops; the largest difference is
# kept in $worst
compare() {
	local differ=$(($2 - $3))
	differ=${differ#-}
	expect "difference of $1, $2 to testpmd's $3" "$differ" -le "$slack"
	[ "$differ" -le "$worst" ] || worst=$differ
}

# totals_compare NAME QUEUE_SIZE: both sides have counted the same, once testpmd has ended
totals_compare() {
	local i sent took moved=0 worst=0 slack=$(($2 * 4))
	for i in 0 1; do
		sent=$(forwarded $i TX) took=$(forwarded $i RX)
		[ "$sent$took" ] || fail "$1: testpmd gives no statistics"
		compare "packets to ginneld" "$(counter "${ports[i]}" "rx packets")" "$sent"
		compare "packets from ginneld" "$(counter "${ports[i]}" "tx packets")" "$took"
		moved=$((moved + sent))
	done
	result "moved/$1" $moved packets
	result "differ/$1" "$worst" packets
}
