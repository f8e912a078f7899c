# The progress bar: on a terminal only, never wider than it, and gone at the end.

load common
bats_require_minimum_version 1.5.0

# One array for all tests, with enough in it for a bar to be drawn.
setup_file() {
	export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	fresh_home
	array_of_three
	mkdir in
	head -c 150000000 /dev/urandom >in/photos
	TERM=xterm on_terminal 80 "$MRMR" put in >put.drawn
	# Reads take so many us more than they do: enough to be watched on any machine. No leak
	# checker works below strace.
	cat >slowly <<'SLOWLY'
#!/bin/sh
us=$1
shift
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
exec strace -f --seccomp-bpf -qq -o /dev/null -e trace=pread64 -e signal=none \
	-e inject=pread64:delay_enter="$us" "$MRMR" "$@"
SLOWLY
	chmod +x slowly
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	export TERM=xterm MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
}

on_terminal() { # columns command...: what a terminal gets, one drawing per line
	script -qec "stty cols $1; ${*:2}" /dev/null </dev/null | tr '\r' '\n' | sed 's/\x1b\[K/<K>/g'
}

bars() {
	grep -E '^[a-z]+  [0-9.]+ %  \[=*>? *\]' drawn
}

longest() {
	bars | sed 's/<K>$//' | awk '{ print length }' | sort -n | tail -n 1
}

@test "put, get, scrub and rebuild draw a bar with share, rate and time left, and wipe it" {
	for command in "put in" "get latest --to out" "scrub" "rebuild d2 --onto n2"; do
		if [[ $command == rebuild* ]]; then
			rm -r d2
			mkdir n2
		fi
		if [ "$command" = "put in" ]; then
			cp put.drawn drawn
		else
			on_terminal 80 ./slowly 4000 $command >drawn
		fi
		echo "$command"
		head -n 4 drawn
		bars | grep -qE ' [0-9.]+ .?i?B/s  ETA [0-9]+s'
		[ "$(longest)" -lt 80 ]
		# Wiped, before what is said at the end.
		grep -qE '^<K>(files|restored|drive|rebuilt)' drawn
		[[ "$(tail -n 1 drawn)" != *%* ]]
	done
	grep -q '  photos<K>$' put.drawn
}

@test "narrow terminals get a shorter line, wide ones amounts and the slowest drive too" {
	on_terminal 40 ./slowly 4000 scrub >drawn
	bars
	[ "$(longest)" -lt 40 ]
	on_terminal 120 ./slowly 4000 scrub >drawn
	bars | grep -qE '[0-9.]+ MiB of [0-9.]+ MiB .*  slowest: (d1|d3|n2)  .*blob<K>$'
	[ "$(longest)" -lt 120 ]
}

@test "no bar in a pipe, with --no-progress, with -q, on a dumb terminal" {
	"$MRMR" scrub >drawn 2>&1
	on_terminal 80 "$MRMR" --no-progress scrub >>drawn
	TERM=dumb on_terminal 80 "$MRMR" scrub >>drawn
	MRMR_NO_PROGRESS=1 on_terminal 80 "$MRMR" scrub >>drawn
	grep -q 'no damage found' drawn
	run grep -E '%|<K>' drawn
	[ "$output" = "" ]
	[ "$(on_terminal 80 "$MRMR" -q scrub)" = "" ]
	run "$MRMR" -q scrub
	[ "$output" = "" ]
}

@test "with NO_COLOR the bar stays, and nothing is coloured, with or without" {
	NO_COLOR=1 on_terminal 80 ./slowly 4000 scrub >drawn
	bars | grep -q ETA
	NO_COLOR= on_terminal 80 "$MRMR" scrub >>drawn
	NO_COLOR= on_terminal 80 "$MRMR" status >>drawn
	run grep -P '\x1b' drawn
	[ "$output" = "" ]
}

@test "with --json a status line a second, each an object, and none with -q" {
	./slowly 25000 --json scrub >said
	cat said
	jq -es 'map(select(.message_type == "status")) | length > 0 and
		all(.action == "scrub" and .seconds >= 1 and .bytes_total >= .bytes_done and
		(.current | type) == "string") and any(.bytes_done > 0) and
		any(.slowest_drive == "d1" or .slowest_drive == "d3" or .slowest_drive == "n2")' said
	[ "$(jq -r .message_type said | tail -n 1)" = summary ]
	./slowly 8000 --json -q scrub >said
	[ "$(jq -r .message_type said | sort -u)" = summary ]
}

@test "set parity of a filled array draws a bar, and with --json a status line a second" {
	on_terminal 80 ./slowly 4000 set parity=2 >drawn
	bars | grep -qE ' [0-9.]+ .?i?B/s  ETA [0-9]+s'
	grep -qE '^<K>set parity=2' drawn
	"$MRMR" set parity=0
	./slowly 25000 --json set parity=1 >said
	jq -es 'map(select(.message_type == "status")) | length > 0 and
		all(.action == "set" and .bytes_total >= .bytes_done)' said
}

@test "while something moves to a remote drive, a line below the bar has its rate; both are wiped" {
	mkdir far near few far-config
	head -c 500000 /dev/urandom >few/noise
	export MRMR_CONFIG_DIR=$PWD/far-config MRMR_KEY_FILE=$PWD/far-key
	"$MRMR" init --key-file far-key --parity 0 --block-size 64K near >far-recovery 2>&1
	"$MRMR" add -o limit-upload=200K "far=exec:$BATS_TEST_DIRNAME/../servers/exec_folder.py $PWD/far"
	"$MRMR" set parity=1
	on_terminal 80 "$MRMR" put few | sed 's/\x1b\[A/<U>/g' >drawn
	cat drawn
	grep -qE '^far: [0-9.]+ [KM]iB/s up<K><U>$' drawn
	run grep -cE '^(near|<K><U>)' drawn
	[ "$output" = 1 ]
	grep -qE '^<K>files: ' drawn
	# The same in JSON, once a second.
	"$MRMR" set far.limit-upload=150K
	head -c 500000 /dev/urandom >few/more
	"$MRMR" --json put few >said
	cat said
	jq -es 'map(select(.message_type == "status").traffic) | length > 0 and
		all(length == 2) and (.[-1][1] | .name == "far" and .bytes_up > 50000 and
			.held_back_seconds > 0.3)' said
}
