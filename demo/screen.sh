# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# screen - how the demo looks: steps that count their seconds, and the closing picture. Plain text
# without colour or motion when nobody watches, or when NO_COLOR says so; ASCII without UTF-8.
# It fits into 80 columns. The run directory is that of tests/guest/lib.sh.
# shellcheck disable=SC2034,SC2154

bold='' dim='' red='' green='' cyan='' yellow='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' cyan=$'\e[36m' yellow=$'\e[33m' plain=$'\e[0m'
fi
tick=ok cross=FAILED
line=- bar='|' corner=(+ + + +) tee=('>' '<') arrow='->'
frames=('|' '/' '-' "\\")
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
*[Uu][Tt][Ff]*8*)
	tick=✓ cross=✗
	line=─ bar=│ corner=(┌ ┐ └ ┘) tee=(├ ┤) arrow=→
	frames=(⠋ ⠙ ⠹ ⠸ ⠼ ⠴ ⠦ ⠧ ⠇ ⠏)
	;;
esac

spinner=

# step TITLE COMMAND...: what the command prints goes to a log; the variable note, if it sets it, is shown
step() {
	local begin
	begin=$(now_ms) title=$1 note=
	shift
	step_show "$begin" &
	spinner=$!
	disown
	"$@" >>"$run/demo.log" 2>&1
	step_end
	printf '  %s%s%s %-31s %s%5s s%s  %s\n' "$green" "$tick" "$plain" "$title" \
		"$dim" "$(tenths $(($(now_ms) - begin)))" "$plain" "$note"
	title=
}

# on a terminal the line turns until the step ends; elsewhere it is said once, if the step takes long
step_show() {
	local tick=0
	if [ ! -t 1 ]; then
		sleep 2 >/dev/null 2>&1 # holds no pipe open when the step is over
		echo "  ... $title"
		return
	fi
	while :; do
		printf '\r  %s%s%s %-31s %s%5s s%s' "$cyan" "${frames[tick++ % ${#frames[@]}]}" "$plain" "$title" \
			"$dim" "$(tenths $(($(now_ms) - $1)))" "$plain"
		sleep 0.1 >/dev/null 2>&1
	done
}

step_end() {
	[ -z "$spinner" ] || kill "$spinner" 2>/dev/null || true
	spinner=
	[ ! -t 1 ] || printf '\r\e[K'
}

# for run_end: a step that did not come to its end
step_broken() {
	[ -n "${title:-}" ] || return 0
	step_end
	printf '  %s%s %s%s\n' "$red" "$cross" "$title" "$plain"
}

# tenths THOUSANDTHS: 1234 is 1.2
tenths() {
	echo "$(($1 / 1000)).$(($1 / 100 % 10))"
}

heading() {
	printf '\n  %s%s%s\n' "$bold" "$1" "$plain"
}

# rule N: a line that long
rule() {
	local i
	for ((i = 0; i < $1; i++)); do
		printf '%s' "$line"
	done
}

# box_row LEFT MIDDLE RIGHT [LINK]: one row of the three boxes; a link joins them
box_row() {
	local gap='    ' left=$bar right=$bar
	[ -z "${4:-}" ] || gap=$cyan$(rule 4)$plain left=${tee[0]} right=${tee[1]}
	printf '  %s %s%-17s%s %s%s%s %s%-22s%s %s%s%s %s%-17s%s %s\n' "$bar" "$bold" "$1" "$plain" "$left" \
		"$gap" "$right" "$yellow" "$2" "$plain" "$left" "$gap" "$right" "$bold" "$3" "$plain" "$bar"
}

# box_edge 0 or 2: the upper or the lower one
box_edge() {
	local guest switch
	guest=${corner[$1]}$(rule 19)${corner[$1 + 1]} switch=${corner[$1]}$(rule 24)${corner[$1 + 1]}
	printf '  %s    %s    %s\n' "$guest" "$switch" "$guest"
}
