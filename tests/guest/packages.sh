# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# packages - install what a script needs, once, and only what is missing.

# packages_missing NAME...: those of the Debian packages that are not installed
packages_missing() {
	local name
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
	done
}

# as_root COMMAND...: run it with the rights that installing packages takes
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "neither root nor sudo: $*" >&2
		return 1
	fi
}

# packages_need NAME...: 0 when all are installed afterwards
packages_need() {
	local missing log
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}" >&2
	log=$(mktemp)
	if as_root apt-get -q update >"$log" 2>&1 &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
			install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
		rm -f "$log"
		return 0
	fi
	tail -n 20 "$log" >&2
	rm -f "$log"
	return 1
}
