# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# lib - the switch, and what the peer tests ask of guests that it connects. In the run directory:
#   switch         the daemon's name as a process, startup its command file, api its control socket
#   port0, port1…  the vhost-user sockets; port N is VirtualEthernet0/0/N
# A test with a second switch says whose command it is by `of=2` before it: switch2, startup2, api2.
#
# What a test measured it prints as a line of its own, see result(). Everything else is for people.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/lib.sh"

# startup_write PORTS [ROLE]...: that many ports in bridge domain 1; ROLE of ginneld's side of each socket, server or
# client, the last one of all that follow; $port_options are added to each
startup_write() {
	local port ports=$1 role=server
	shift
	for ((port = 0; port < ports; port++)); do
		role=${1:-$role}
		[ $# = 0 ] || shift
		port_write $port "${role/client/}" "${port_options:-}"
	done >"$run/startup"
}

# port_write PORT [OPTION]...: the commands that make it
port_write() {
	echo "create vhost-user socket $run/port$1 ${*:2}"
	echo "set interface state VirtualEthernet0/0/$1 up"
	echo "set interface l2 bridge VirtualEthernet0/0/$1 1"
}

# switch_begin [OPTION]...: starts ginneld with the startup file that is there
# shellcheck disable=SC2120
switch_begin() {
	process_start "switch${of:-}" "${as_user[@]}" "$(readable "$build/bin/ginneld")" \
		--api-socket "$run/api${of:-}" --startup "$run/startup${of:-}" "$@"
	wait_until 30 switch_answers || fail "ginneld does not answer"
}

switch_answers() {
	process_runs "switch${of:-}" || fail "ginneld ended"
	ginnel show version >/dev/null 2>&1
}

# switch_start PORTS [ROLE]...
switch_start() {
	startup_write "$@"
	switch_begin
}

ginnel() {
	"$build/bin/ginnel" --api-socket "${api:-$run/api${of:-}}" "$@"
}

# up NAME...: `ginnel up` with guests of these names, by the user who runs the switch elsewhere; its daemon is the process
# switch. Then NAME's socket is $run/up/NAME.sock, and port 0 of the functions below is the first of them.
up() {
	local program said
	program=$(readable "$build/bin/ginnel")
	readable "$build/bin/ginneld" >/dev/null
	api=$run/up/api.sock ifaces=("$@")
	said=$("${as_user[@]}" "$program" --api-socket "$api" up "$@" 2>&1) || fail "ginnel up: $said"
	ginnel --json show version | jq .pid >"$run/switch.pid"
	echo "$said"
}

# counter PORT NAME: e.g. counter 0 "rx packets"; of a port of another kind if $kind says so, or a name in $ifaces
kind=VirtualEthernet0/0
ifaces=()
iface() {
	echo "${ifaces[$1]:-$kind/$1}"
}

counter() {
	ginnel --json show interface "$(iface "$1")" | jq -r --arg name "$2" '.[0].counters[$name]'
}

# counters_save TAG, counter_since TAG PORT NAME: what was counted between
counters_save() {
	ginnel --json show interface >"$run/counters.$1"
}

counter_since() {
	local before
	before=$(jq -r --arg port "$(iface "$2")" --arg name "$3" \
		'.[] | select(.name == $port).counters[$name]' "$run/counters.$1")
	echo $(($(counter "$2" "$3") - before))
}

# expect WHAT LEFT OPERATOR RIGHT: numbers, as test compares them
expect() {
	test "$2" "$3" "$4" || fail "$1: $2, expected $3 $4"
}

# result WHAT VALUE UNIT: prints "RESULT TEST/WHAT VALUE UNIT", which a report can take apart at its blanks. TEST is the
# script's name; WHAT has lower-case letters, digits, and dashes or slashes between, and comes once in a run; VALUE is a
# decimal number; UNIT is one word, e.g. ms, packets, MB/s.
result() {
	echo "RESULT $(basename "$0")/$1 $2 $3"
}

# median NUMBER...
median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# --- between guests ---

# guest_at NAME PORT [OPTION VALUE]...: a guest at that port, 10.0.0.PORT+1
guest_at() {
	local name=$1 port=$2
	shift 2
	guest_start "$name" --socket "$run/port$port" --mac "52:54:00:00:00:0$((port + 1))" \
		--ip "10.0.0.$((port + 1))/24" "$@"
}

# reach FROM IP: until an echo comes back
reach() {
	guest_run "$1" "ping -c 1 -W 1 $2" >/dev/null
}

# ping_all FROM IP [BYTES]: ten echoes, none lost; prints the round-trip line
ping_all() {
	local said
	wait_until "$(accel_scale 10)" reach "$1" "$2" || fail "$1 does not reach $2"
	said=$(guest_run "$1" "ping -c 10 -i 0.05 -W 5 -s ${3:-56} $2") || fail "ping $1 to $2, ${3:-56} bytes: $said"
	[[ $said = *"10 packets received"* ]] || fail "ping $1 to $2, ${3:-56} bytes: $said"
	echo "ping $1 to $2, ${3:-56} bytes: $(tail -n 1 <<<"$said")"
}

# echoes_start FROM IP: FROM asks every 10 ms and notes when each answer came
echoes_start() {
	guest_run "$1" "ping -i 0.01 $2 | while read -r line; do
			read -r up idle </proc/uptime
			case \$line in *from*) echo \$up ;; esac
		done >/tmp/echoes &"
}

# echoes_end FROM: prints the longest time without an answer, in ms
echoes_end() {
	guest_run "$1" "killall ping
		cut -d' ' -f1 /proc/uptime >>/tmp/echoes
		awk 'NR > 1 && \$1 - last > gap { gap = \$1 - last } { last = \$1 } END { print int(gap * 1000 + 0.5) }' \
			/tmp/echoes"
}

# file_offer GUEST MIB: makes a file of noise and serves it over HTTP; its checksum
file_offer() {
	guest_run "$1" "[ -e /tmp/httpd ] || { httpd -h /www && touch /tmp/httpd; }
		dd if=/dev/urandom of=/www/file bs=1M count=$2 2>/dev/null && md5sum </www/file"
}

# file_fetch GUEST IP: prints checksum, then how long it took in ms
file_fetch() {
	guest_run "$1" -t "$(accel_scale 60)" "
		uptime_ms() { tr -d . </proc/uptime | sed 's/ .*/0/'; }
		begin=\$(uptime_ms)
		wget -q -O /tmp/file http://$2/file || exit
		end=\$(uptime_ms)
		md5sum </tmp/file && echo \$((end - begin)) && rm /tmp/file"
}

# file_move FROM IP TO MIB [WHAT]: over TCP, from the guest that has address IP; checksums must agree. WHAT names the
# throughput as a result.
file_move() {
	local sum got ms rate
	sum=$(file_offer "$1" "$4") || fail "$1 offers no file"
	{ read -r got && read -r ms; } < <(file_fetch "$3" "$2") || fail "$3 cannot fetch from $1"
	[ "$sum" = "$got" ] || fail "file from $1 to $3 arrived changed"
	[ "$ms" -gt 0 ] || ms=10
	rate=$(($4 * 1049 / ms)).$(($4 * 10486 / ms % 10))
	echo "file $1 to $3: $4 MiB in $ms ms, $rate MB/s"
	[ -z "${5:-}" ] || result "$5" "$rate" MB/s
}

# features_expect GUEST BIT=VALUE[,BIT=VALUE]... [eth0]: that the options of the virtio device took
features_expect() {
	local bits wanted want
	bits=$(guest_run "$1" "cat /sys/class/net/${3:-eth0}/device/features")
	IFS=, read -ra wanted <<<"$2"
	for want in "${wanted[@]}"; do
		expect "feature ${want%=*} of $1" "${bits:${want%=*}:1}" = "${want#*=}"
	done
}

# --- guests without settings of their own ---

# dhcp NAME: as any distribution's guest does; prints its address
dhcp() {
	guest_run "$1" "cat >/tmp/dhcp.sh <<'END'
#!/bin/sh
[ \$1 = bound ] || exit 0
ip addr add \$ip/\$mask dev \$interface
ip route add default via \$router
echo nameserver \$dns >/etc/resolv.conf
echo \$ip >/tmp/address
END
		chmod +x /tmp/dhcp.sh; mkdir -p /etc; ip link set eth0 up
		udhcpc -i eth0 -n -q -t 20 -T 1 -s /tmp/dhcp.sh" >"$run/$1.dhcp" 2>&1 ||
		fail "$1 got no address: $(cat "$run/$1.dhcp")"
	guest_run "$1" "cat /tmp/address"
}

# http_serve KIB: a file of noise at the host's loopback, on port $http
http_serve() {
	mkdir "$run/www"
	head -c $(($1 * 1024)) /dev/urandom >"$run/www/file"
	chmod -R a+rX "$run/www"
	process_start http "${as_user[@]}" /usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory "$run/www" 0
	wait_until 10 log_has http "Serving HTTP on" || fail "no HTTP server"
	http=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$run/http.log")
}

# http_fetch NAME: the guest takes that file from the host, and it is whole; prints how many ms that took
http_fetch() {
	local said start
	start=$(now_ms)
	said=$(guest_run "$1" -t "$(accel_scale 60)" \
		"wget -q -O /tmp/file http://10.0.2.2:$http/file && sha256sum /tmp/file") ||
		fail "$1 cannot fetch from the host: $said"
	[[ $said = *"$(sha256sum <"$run/www/file" | cut -d' ' -f1)"* ]] || fail "$1 got another file: $said"
	echo $(($(now_ms) - start))
}
