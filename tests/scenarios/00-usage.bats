# bats file_tags=serial
load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
}

@test "a line that makes no sense: exit 2, one line why, one line where to read" {
	run --separate-stderr "$MRMR"
	[ "$status" -eq 2 ]
	[ "$output" = "" ]
	[ "$stderr" = "mrmr: no command given
See \`mrmr help\`." ]
	run --separate-stderr "$MRMR" pt x
	[ "$status" -eq 2 ]
	[ "$stderr" = "mrmr: no command 'pt'
See \`mrmr help\`." ]
	run --separate-stderr "$MRMR" version --fast
	[ "$status" -eq 2 ]
	[ "$stderr" = "mrmr: version: no option '--fast'
See \`mrmr help version\`." ]
	run --separate-stderr "$MRMR" version 1
	[ "$status" -eq 2 ]
	[ "$stderr" = "mrmr: version: one argument too many: '1'
See \`mrmr help version\`." ]
}

@test "a command of later versions: exit 2 and a line that says so" {
	for command in find diff tag forget prune export import stats mount serve sync \
		writer; do
		run --separate-stderr "$MRMR" $command anything --option
		[ "$status" -eq 2 ]
		[ "${stderr_lines[0]}" = "mrmr: this build has no command \`$command\` yet" ]
		"$MRMR" help >overview
		run ! grep -q "^  $command " overview
	done
}

@test "an option of later versions: exit 2, a line that says so, and help does not know it" {
	while read -r command option value; do
		run --separate-stderr "$MRMR" $command $option $value anything
		[ "$status" -eq 2 ]
		[ "$output" = "" ]
		[ "${stderr_lines[0]}" = "mrmr: $command: $option: this build has it not" ]
		"$MRMR" help "$command" >text
		run ! grep -q -e "$option " text
	done <<-END
		add --again
		put --iexclude x
		put --exclude-file x
		put --exclude-if-present x
		put --exclude-larger-than 1M
		put --files-from x
		put --files-from-raw x
		put --stdin-filename x
		put --stdin-from-command x
	END
	run "$MRMR" add --layout plain d1
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: add: --layout plain: this build has it not" ]
	run "$MRMR" key rotate
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: this build has no command \`key rotate\` yet" ]
}

@test "help names every command, and help of each is what --help prints" {
	run "$MRMR" help
	[ "$status" -eq 0 ]
	[[ "$output" == "usage: mrmr "* ]]
	[ "$("$MRMR" --help)" = "$output" ]
	[ "$("$MRMR" -h)" = "$output" ]
	[ "$(commands_of_the_table | wc -l)" -ge 2 ]
	while read -r command; do
		run "$MRMR" help $command
		[ "$status" -eq 0 ]
		[[ "$output" == "usage: mrmr $command"* ]]
		[ "$("$MRMR" $command --help)" = "$output" ]
	done < <(commands_of_the_table)
}

@test "no line of help is wider than 80 columns" {
	while read -r command; do
		run "$MRMR" help $command
		for line in "${lines[@]}"; do
			[ "${#line}" -le 80 ] || { echo "$line"; false; }
		done
	done < <(commands_of_the_table; echo)
}

@test "help of an unknown command is an error" {
	run "$MRMR" help nonsense
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: no command 'nonsense'" ]
}

@test "version names the program and its libraries, also as JSON" {
	run "$MRMR" version
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" =~ ^mrmr\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	for library in libsodium libcrypto libzstd sqlite jansson libisal; do
		[[ "$output" == *"$library "[0-9]* ]]
	done
	[[ "$output" == *$'\n'"drives: file"* ]]
	[ "$("$MRMR" --version)" = "$output" ]
	run "$MRMR" --json version
	[ "$(jq -r .message_type <<<"$output")" = version ]
	[ "mrmr $(jq -r .version <<<"$output")" = "$("$MRMR" version | head -n 1)" ]
	[ "$(jq -r .libraries.libsodium <<<"$output")" != null ]
	[ "$(jq -r '.drives[0]' <<<"$output")" = file ]
}

@test "with --json an error is an object on stdout as well as a line on stderr" {
	run --separate-stderr "$MRMR" --json version 1
	[ "$status" -eq 2 ]
	[ "$(jq -r '.message_type, .exit_code' <<<"$output")" = "error
2" ]
	[ "${stderr_lines[0]}" = "mrmr: version: one argument too many: '1'" ]
}

@test "a global option may come from the environment" {
	MRMR_JSON=1 run "$MRMR" version
	[ "$(jq -r .message_type <<<"$output")" = version ]
	MRMR_JSON=0 run "$MRMR" version
	[[ "$output" == "mrmr "* ]]
	MRMR_JSON=perhaps run "$MRMR" version
	[ "$status" -eq 2 ]
}

@test "a reader that goes away is no error to speak of" {
	run bash -c '"$MRMR" version 2>&1 >&3 3>&- | cat; exit ${PIPESTATUS[0]}' 3> >(:)
	[ "$output" = "" ]
}

@test "results that cannot be written are an error" {
	run bash -c '"$MRMR" version >/dev/full'
	[ "$status" -eq 25 ]
	[ "$output" = "mrmr: write the results: No space left on device" ]
}

@test "bash completes commands, options and their words" {
	"$MRMR" help --completion bash >mrmr.bash
	cat >try <<'TRY'
source ./mrmr.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_mrmr
printf '%s\n' "${COMPREPLY[@]}"
TRY
	[ "$(bash try mrmr ver)" = version ]
	[ "$(bash try mrmr --vers)" = --version ]
	[ "$(bash try mrmr -q hel)" = help ]
	[ "$(bash try mrmr help --comp)" = --completion ]
	[ "$(bash try mrmr help --completion '' | tr '\n' ' ')" = "bash zsh fish " ]
	[ "$(bash try mrmr help --completion z)" = zsh ]
	touch some-file
	[ "$(bash try mrmr version some)" = some-file ]
}

@test "fish completes commands, options and their words" {
	command -v fish >/dev/null || skip "no fish here"
	"$MRMR" help --completion fish >mrmr.fish
	try() {
		fish -c "source mrmr.fish; complete -C '$1'" | cut -f 1 | tr '\n' ' '
	}
	[ "$(try 'mrmr ver')" = "version " ]
	[ "$(try 'mrmr -q hel')" = "help " ]
	[ "$(try 'mrmr key ')" = "add list passwd recovery remove " ]
	[ "$(try 'mrmr init --level raid')" = "raid0 raid1 raid4 raid5 raid6 " ]
	[ "$(try 'mrmr add --ro')" = "--role " ]
	[ "$(try 'mrmr key add --ro')" = "" ]
}

@test "zsh loads its completions" {
	command -v zsh >/dev/null || skip "no zsh here"
	"$MRMR" help --completion zsh >_mrmr
	zsh -f -c 'fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D
		autoload +X _mrmr && [[ $_comps[mrmr] == _mrmr ]]'
}

@test "completions of zsh and fish name every option of every command" {
	"$MRMR" help --completion zsh >mrmr.zsh
	"$MRMR" help --completion fish >mrmr.fish
	while read -r command; do
		while read -r option; do
			grep -q -- "--$option\[" mrmr.zsh
			grep -q -- " -l $option " mrmr.fish
		done < <("$MRMR" help $command | sed -n 's/^  .*--\([a-z-]*\).*/\1/p')
	done < <(commands_of_the_table)
}
