# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# lib - processes and guests for the demo and the peer tests. Source it, call run_begin, and
# guests_ready before the first guest.
#
# Everything lives in one run directory, $run, made for this run:
#   $run/NAME.pid      the processes that we started; only these are ever ended
#   $run/NAME.log      what they printed; for a guest, its console
#   $run/NAME.console  the same console as a socket, for people
#   $run/NAME.agent    the socket through which guest_run reaches into a guest
#   $run/NAME.qmp      the socket through which guest_qmp commands its QEMU
# As root, the switch and the guests run as nobody: neither needs more.
set -euo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source-path=SCRIPTDIR
. "$root/tests/guest/packages.sh"
# shellcheck disable=SC2034
build=${GINNEL_BUILD:-$root/build}
image=$root/build/guest
run=
as_user=()
at_end=() # commands for run_end

# run_begin: ends and removes at exit what was started since
run_begin() {
	run=$(mktemp -d "${TMPDIR:-/tmp}/ginnel.XXXXXX")
	exec {stdout}>&1 {stderr}>&2
	trap run_end EXIT
	trap 'exit 130' INT TERM HUP
	user_choose
}

run_end() {
	local status=$? pidfile command
	trap - EXIT
	exec >&"$stdout" # what failed may have been talking to a file
	exec 2>&"$stderr"
	for pidfile in "$run"/*.pid; do
		[ -e "$pidfile" ] || continue
		process_stop "$(basename "$pidfile" .pid)" KILL
	done
	for command in "${at_end[@]}"; do
		eval "$command"
	done
	if [ "$status" != 0 ] && [ "$status" != 77 ]; then
		logs_show >&2
	fi
	rm -rf "$run"
	exit "$status"
}

logs_show() {
	local log
	for log in "$run"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}"
		tail -n "${GINNEL_LOG_LINES:-20}" "$log" | tr -d '\r'
	done
}

# The switch and QEMU need no privilege but the KVM device.
user_choose() {
	[ "$(id -u)" = 0 ] || return 0
	local group=()
	[ -e /dev/kvm ] && group=(--groups "$(stat -c %g /dev/kvm)")
	as_user=(setpriv --reuid 65534 --regid 65534 "${group[@]:---clear-groups}" --no-new-privs)
	chown 65534:65534 "$run"
}

# readable FILE: FILE, or a copy, if the user above has no way into this tree
readable() {
	if [ ${#as_user[@]} = 0 ] || "${as_user[@]}" test -r "$1"; then
		echo "$1"
		return
	fi
	[ -e "$run/${1##*/}" ] || install -o 65534 "$1" "$run/${1##*/}"
	echo "$run/${1##*/}"
}

# wait_until SECONDS COMMAND...: poll until it succeeds
wait_until() {
	local deadline=$((SECONDS + $1)) late=0
	shift
	until "$@"; do
		# a machine that was paused is late at once, so that alone proves nothing
		[ $SECONDS -le $deadline ] || late=$((late + 1))
		if [ $late -gt 10 ]; then
			echo "timeout: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

now_ms() {
	date +%s%3N
}

# --- processes, by name ---

# process_start NAME COMMAND...
process_start() {
	local name=$1
	shift
	setsid "$@" </dev/null >>"$run/$name.log" 2>&1 {stdout}>&- {stderr}>&- &
	echo $! >"$run/$name.pid"
	disown # no job messages when it ends
}

process_pid() {
	cat "$run/$1.pid"
}

process_runs() {
	local pid state
	# a bare return in an exit trap would return the trap's status
	pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
	state=$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null) || return 1
	[ "$state" != Z ]
}

process_gone() {
	! process_runs "$1"
}

# process_stop NAME [SIGNAL]: with its children; returns when it is gone
process_stop() {
	process_runs "$1" && kill "-${2:-TERM}" -- "-$(process_pid "$1")" 2>/dev/null
	if ! wait_until 10 process_gone "$1"; then
		kill -KILL -- "-$(process_pid "$1")" || true
		wait_until 10 process_gone "$1" || true
	fi
	rm -f "$run/$1.pid"
}

# log_has NAME TEXT; a process that died says nothing more
log_has() {
	grep -qaF -- "$2" "$run/$1.log" 2>/dev/null && return
	process_runs "$1" || fail "$1 ended"
	return 1
}

# --- guests ---

guests_ready() {
	"$root/tests/guest/image"
	accel_choose
}

# accel_choose: KVM only if a guest really boots with it; a device file alone proves little
accel_choose() {
	[ -z "${GINNEL_ACCEL:-}" ] || return 0
	GINNEL_ACCEL=kvm
	if ! { [ -e /dev/kvm ] && guest_start probe --memory 64 2>/dev/null &&
		(wait_until 5 log_has probe "GUEST READY") 2>/dev/null; }; then
		GINNEL_ACCEL=tcg
	fi
	process_stop probe KILL
	rm -f "$run"/probe.*
	export GINNEL_ACCEL
}

# accel_scale SECONDS: how long that may take; emulation is slow
accel_scale() {
	if [ "$GINNEL_ACCEL" = kvm ]; then
		echo "$1"
	else
		echo $(($1 * 5))
	fi
}

# guest_start NAME [OPTION VALUE]...
#   --socket PATH    vhost-user socket of its network interface; without, it has none
#   --role client    who opens the socket: QEMU is the client (and reconnects), or the server
#   --mac, --ip      of the interface, e.g. 52:54:00:00:00:01 and 10.0.0.1/24
#   --queues 1       queue pairs
#   --device ""      more options of the virtio device, e.g. mrg_rxbuf=off,csum=off
#   --nets ""        more interfaces, as words: SOCKET, or SOCKET and such options behind commas
#   --disk PATH      vhost-user socket of its disk, which QEMU connects to, again and again; without, it has none
#   --disk-device "" more options of the disk's virtio device
#   --stream PATH    unix stream socket of a network interface that QEMU itself is the device of; without, it has none
#   --stream-device  more options of that device
#   --kernel ""      newest: a newer kernel than Debian 12's, see image
#   --programs ""    of ours, as words, that it finds in its path
#   --memory 128     MiB
#   --cpus 1
#   --run FILE       commands to run after boot
#   --append ""      more of the kernel's command line
#   --incoming URI   it does not boot: another QEMU sends it there
guest_start() {
	local name=$1 net=() disk=() another vmlinux initrd programs
	local append="console=ttyS0 quiet panic=-1 reboot=t guest.name=$1"
	local -A guest=([role]=client [queues]=1 [memory]=128 [cpus]=1 [device]="" [socket]="" [ip]="" [run]=""
		[mac]=52:54:00:00:00:01 [incoming]="" [append]="" [disk]="" [disk-device]=""
		[nets]="" [id]=net [stream]="" [stream-device]="" [kernel]="" [programs]="")
	shift
	while [ $# -gt 0 ]; do
		guest[${1#--}]=$2
		shift 2
	done
	[ -z "${guest[socket]}" ] || mapfile -t net < <(guest_net guest)
	for another in ${guest[nets]}; do
		local -A more=([id]="net${#net[@]}" [socket]="${another%%,*}" [role]=client [queues]=1
			[device]="${another#"${another%%,*}"}" [mac]="${guest[mac]}")
		more[device]=${more[device]#,}
		mapfile -t -O ${#net[@]} net < <(guest_net more)
	done
	[ -z "${guest[disk]}" ] || disk=(-chardev "socket,id=disk,path=${guest[disk]},reconnect=1"
		-device "vhost-user-blk-pci,chardev=disk${guest[disk-device]:+,${guest[disk-device]}}")
	[ -z "${guest[stream]}" ] || net+=(-netdev "stream,id=stream,server=off,addr.type=unix,addr.path=${guest[stream]}"
		-device "virtio-net-pci,netdev=stream,mac=${guest[mac]}${guest[stream-device]:+,${guest[stream-device]}}")
	vmlinux=$image/vmlinux${guest[kernel]:+.${guest[kernel]}} initrd=$image/initrd${guest[kernel]:+.${guest[kernel]}}
	if [ -n "${guest[programs]}" ]; then
		read -ra programs <<<"${guest[programs]}"
		{ cat "$initrd" && programs_pack "${programs[@]}"; } >"$run/$name.initrd"
		initrd=$run/$name.initrd
	fi
	append+=" guest.ip=${guest[ip]} guest.run=$([ -z "${guest[run]}" ] || base64 -w 0 "${guest[run]}") ${guest[append]}"
	rm -f "$run/$name".{log,agent,console,qmp}
	"${as_user[@]}" touch "$run/$name.log" # QEMU writes it too
	process_start "$name" "${as_user[@]}" qemu-system-x86_64 \
		-nodefaults -no-user-config -display none -accel "$GINNEL_ACCEL" \
		-cpu "$([ "$GINNEL_ACCEL" = kvm ] && echo host || echo max)" -smp "${guest[cpus]}" \
		-machine "q35,memory-backend=memory" -m "${guest[memory]}" \
		-object "memory-backend-memfd,id=memory,size=${guest[memory]}M,share=on" \
		-kernel "$(readable "$vmlinux")" -initrd "$(readable "$initrd")" -append "$append" \
		-chardev "socket,id=console,path=$run/$name.console,server=on,wait=off,logfile=$run/$name.log,logappend=on" \
		-serial chardev:console -device virtio-serial-pci \
		-chardev "socket,id=agent,path=$run/$name.agent,server=on,wait=off" \
		-device virtserialport,chardev=agent -qmp "unix:$run/$name.qmp,server=on,wait=off" \
		${guest[incoming]:+-incoming "${guest[incoming]}"} "${net[@]}" "${disk[@]}"
}

# programs_pack PROGRAM...: an initramfs of these and the libraries they need
programs_pack() {
	local tree program library
	tree=$(mktemp -d)
	mkdir "$tree/bin"
	for program in "$@"; do
		cp "$build/bin/$program" "$tree/bin/"
		ldd "$build/bin/$program" | grep -o '/lib[^ ]*'
	done | sort -u | while read -r library; do
		install -D "$(readlink -f "$library")" "$tree$library"
	done
	(cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet)
	rm -rf "$tree"
}

# guest_net ARRAY: QEMU's arguments for the network interface, one in a line
guest_net() {
	local -n of=$1
	local id=${of[id]}
	local socket="socket,id=$id,path=${of[socket]}" device="virtio-net-pci,netdev=$id,mac=${of[mac]}"
	case ${of[role]} in
	client) socket+=",reconnect=1" ;;
	server) socket+=",server=on,wait=off" ;;
	esac
	[ "${of[queues]}" = 1 ] || device+=",mq=on"
	# emulated MSI-X makes QEMU 7.2 look for a vhost-user queue behind its own control queue,
	# which crashes it; KVM delivers interrupts without asking
	if [ "$GINNEL_ACCEL" = tcg ]; then
		device+=",vectors=0"
	elif [ "${of[queues]}" != 1 ]; then
		device+=",vectors=$((2 * of[queues] + 2))"
	fi
	printf '%s\n' -chardev "$socket" -netdev "vhost-user,id=$id,chardev=$id,queues=${of[queues]}" \
		-device "$device${of[device]:+,${of[device]}}"
}

# guest_wait NAME...: until they have booted
guest_wait() {
	local name
	for name in "$@"; do
		wait_until "$(accel_scale 20)" log_has "$name" "GUEST READY" || fail "guest $name does not boot"
	done
}

# guest_run NAME [-t SECONDS] COMMANDS: in the guest; their output and status
guest_run() {
	local name=$1 seconds
	seconds=$(accel_scale 20)
	shift
	if [ "$1" = -t ]; then
		seconds=$2
		shift 2
	fi
	"$root/tests/guest/ask" "$run/$name.agent" "$seconds" "$*"
}

# guest_qmp NAME COMMAND [NAME=VALUE]...: to its QEMU; prints the answer as JSON
guest_qmp() {
	"$root/tests/guest/qmp" "$run/$1.qmp" "${@:2}"
}
