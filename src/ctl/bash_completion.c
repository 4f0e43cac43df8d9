/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/bash_completion.h"

static const char script[] =
	"_ginnel()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} word options=() i\n"
	"\tlocal with_value='^[[:space:]]+(--api-socket|--watch)'\n"
	"\twith_value+='([[:space:]]+|=)([^[:space:]]+)([[:space:]].*)$'\n"
	"\tlocal without='^[[:space:]]+--json([[:space:]].*)$'\n"
	"\tline=${line#\"${COMP_WORDS[0]}\"}\n"
	"\twhile :; do\n"
	"\t\tif [[ $line =~ $with_value ]]; then\n"
	"\t\t\t[[ ${BASH_REMATCH[1]} = --api-socket ]] && options=(--api-socket \"${BASH_REMATCH[3]}\")\n"
	"\t\t\tline=${BASH_REMATCH[4]}\n"
	"\t\telif [[ $line =~ $without ]]; then\n"
	"\t\t\tline=${BASH_REMATCH[1]}\n"
	"\t\telse\n"
	"\t\t\tbreak\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tword=${line##*[[:space:]]}\n"
	"\tif [[ $line =~ ^[[:space:]]+-[^[:space:]]*$ ]]; then\n"
	"\t\toptions=(--api-socket --json --watch --help --version)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"${options[*]}\" -- \"$word\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tmapfile -t COMPREPLY < <(ginnel \"${options[@]}\" --complete \"$line\" 2>/dev/null)\n"
	"\tif [[ $word = *:* && $COMP_WORDBREAKS = *:* ]]; then\n"
	"\t\tfor i in \"${!COMPREPLY[@]}\"; do\n"
	"\t\t\tCOMPREPLY[i]=${COMPREPLY[i]#\"${word%\"${word##*:}\"}\"}\n"
	"\t\tdone\n"
	"\tfi\n"
	"\t[[ ${COMPREPLY[0]-} = */ ]] && compopt -o nospace\n"
	"}\n"
	"complete -F _ginnel ginnel\n";

const char *bash_completion_script(void)
{
	return script;
}
