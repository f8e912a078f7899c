# SIGINT and SIGTERM at any moment: exit 130 or 143, nothing half-committed, and the same command goes
# on from there. What a killed put leaves is swept.

load common
load kill

setup() {
	prepare
	kill_every=$((kill_every * 2))
	get_every=$((kill_every > 6 ? kill_every / 5 : 2)) # there are fewer calls
	case $BATS_TEST_DESCRIPTION in
	*SIGTERM*) signal=15 ended=143 ;;
	*) signal=2 ended=130 ;;
	esac
}

teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true
	clean_up
}

interrupted_at() { # n command...: exits with 130 or 143
	local code=0
	killed_at "$@" 2>/dev/null || code=$?
	[ "$code" -eq "$ended" ] || { cat "$work/said"; return 1; }
	grep -qx 'mrmr: interrupted' "$work/said"
}

calls_of() { # command...
	killed_at 0 "$@"
	cat "$work/call"
}

stored_bytes() {
	find d? -path '*/.mrmr/[bp]*' -name '*.blob' -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'
}

@test "a put, by SIGINT" {
	array_of_four
	put_first
	head -c 70000 /dev/urandom >"$in/new"
	keep
	latest_is_in() {
		same latest "$in"
		no_damage
	}
	sweep latest_is_in "$MRMR" put "$in"
}

@test "a scrub that repairs, by SIGTERM" {
	array_of_four
	head -c 1500000 /dev/urandom >"$in/more"
	put_first
	for blob in $(find d2 -name '*.blob'); do
		printf x | dd of="$blob" bs=1 seek=9 conv=notrunc status=none
	done
	keep
	sweep no_damage "$MRMR" scrub
}

@test "a drain, by SIGINT" {
	array_of_four
	head -c 700000 /dev/urandom >"$in/more"
	put_first
	keep
	drained() {
		[ -z "$(find d2 -name '*.blob')" ] || return 1
		no_damage
	}
	sweep drained "$MRMR" drain d2
}

@test "a rebuild, by SIGINT" {
	array_of_four
	head -c 1500000 /dev/urandom >"$in/more"
	put_first
	kill_every=$((kill_every * 4))
	rm -r d2
	mkdir n2
	keep
	again() {
		"$@" || ! "$MRMR" drives | grep -q '^ *d2 '
	}
	sweep no_damage "$MRMR" rebuild d2 --onto n2
}

@test "a get, by SIGTERM: only whole files are there, and what was there stays" {
	array_of_four
	put_first
	keep
	there="$work/there$in"
	mkdir -p "$there"
	calls=$(calls_of "$MRMR" get latest --to "$work/there")
	[ "$calls" -gt 20 ]
	ended_early=0
	for ((n = 1; n <= calls; n += get_every)); do
		rm -rf "$work/there"
		mkdir -p "$there"
		echo "mine" >"$there/1"
		code=0
		killed_at "$n" "$MRMR" get latest --to "$work/there" --overwrite never 2>/dev/null || code=$?
		[ "$code" -eq 0 ] || [ "$code" -eq 143 ]
		[ "$(cat "$there/1")" = mine ]
		for file in "$there"/*; do
			[ "$file" = "$there/1" ] || cmp "$file" "$work/first/${file##*/}"
		done
		[ "$code" -eq 0 ] || ended_early=$((ended_early + 1))
	done
	[ "$ended_early" -ge 5 ]
	"$MRMR" get latest --to "$work/there"
	diff -r "$work/first" "$there"
}

@test "a get that is killed is made whole by the next one" {
	array_of_four
	put_first
	signal=9 ended=137
	there="$work/there$in"
	calls=$(calls_of "$MRMR" get latest --to "$work/there")
	for ((n = 1; n <= calls; n += get_every)); do
		rm -rf "$work/there"
		mkdir -p "$there"
		echo "mine" >"$there/1"
		killed_at "$n" "$MRMR" get latest --to "$work/there" 2>/dev/null || [ $? -eq 137 ]
		# What was there is as it was, or is the one that was asked for.
		[ "$(cat "$there/1")" = mine ] || cmp "$there/1" "$work/first/1"
		"$MRMR" -q get latest --to "$work/there"
		# At most a temporary name is left, of the moment before a rename.
		run rsync -aAXHcn --delete --exclude '.mrmr-*.tmp' --itemize-changes "$work/first/" "$there/"
		[ "$status" -eq 0 ]
		echo "killed before call $n, $(cat "$work/call"): $output"
		[ "$output" = "" ]
	done
}

@test "key, add and init commands, by SIGINT, are as before or done" {
	array_of_four
	put_first
	mkdir d5
	keep
	for command in "key add --key-file key2" "key recovery" "add d5"; do
		put_back
		calls=$(calls_of "$MRMR" $command)
		for ((n = 1; n <= calls; n += 12)); do
			put_back
			code=0
			killed_at "$n" "$MRMR" $command 2>/dev/null || code=$?
			[ "$code" -eq 0 ] || [ "$code" -eq 130 ]
			same "$first" "$work/first"
			no_damage
		done
	done
}

@test "what an interrupted put has stored is not stored again" {
	array_of_four
	head -c 6000000 /dev/urandom >"$in/large"
	keep
	"$MRMR" put "$in"
	whole=$(stored_bytes)
	put_back
	calls=$(calls_of "$MRMR" put "$in")
	for share in 4 2; do
		put_back
		interrupted_at $((calls / share)) "$MRMR" put "$in"
		first_bytes=$(stored_bytes)
		[ "$first_bytes" -gt $((whole / share / 2)) ]
		"$MRMR" --json put "$in" >"$work/said"
		second_bytes=$(jq 'select(.message_type == "summary") | .bytes_stored' "$work/said")
		echo "whole $whole, first $first_bytes, second $second_bytes, in all $(stored_bytes)"
		# A few groups were in flight.
		[ "$second_bytes" -lt $((whole - first_bytes + whole / 10)) ]
		[ "$(stored_bytes)" -lt $((whole + whole / 10)) ]
		same latest "$in"
	done
}

# ---- what a killed put leaves ----

# Blocks that no journal names.
kill_a_put() {
	array_of_four
	put_first
	head -c 3000000 /dev/urandom >"$in/large"
	keep
	signal=9 ended=137
	calls=$(calls_of "$MRMR" put "$in")
	put_back
	clean=$(stored_bytes)
	killed_at $((calls / 2)) "$MRMR" put "$in" 2>/dev/null || [ $? -eq 137 ]
	[ "$(stored_bytes)" -gt "$clean" ]
}

swept() {
	jq -r 'select(.message_type == "summary") | "\(.orphans > 0) \(.swept > 0)"' "$work/said"
}

@test "orphans are deleted when they were seen twice, the grace apart" {
	kill_a_put
	"$MRMR" --json scrub --grace 2s >"$work/said"
	[ "$(swept)" = "true false" ]
	"$MRMR" --json scrub --grace 10m >"$work/said"
	[ "$(swept)" = "true false" ]
	sleep 2.1
	"$MRMR" --json scrub --no-repair --grace 2s >"$work/said"
	[ "$(stored_bytes)" -gt "$clean" ]
	"$MRMR" --json scrub >"$work/said"
	[ "$(swept)" = "true false" ]
	"$MRMR" --json scrub --grace 2s >"$work/said"
	[ "$(swept)" = "true true" ]
	[ "$(stored_bytes)" -eq "$clean" ]
	same "$first" "$work/first"
	"$MRMR" --json scrub >"$work/said"
	[ "$(swept)" = "false false" ]
}

@test "--grace 0 deletes orphans at once, if there is a single writer" {
	kill_a_put
	cp -a state state.2
	"$MRMR" --json scrub --grace 0 >"$work/said"
	[ "$(swept)" = "true true" ]
	[ "$(stored_bytes)" -eq "$clean" ]
	"$MRMR" put "$in"
	same latest "$in"
	echo other >"$in/other"
	MRMR_STATE_DIR=$PWD/state.2 "$MRMR" put "$in"
	run "$MRMR" scrub --grace 0
	[ "$status" -eq 2 ]
	[[ "$output" == *"2 writers have a journal in the array"* ]]
}

@test "nothing is swept from under a put that runs, nor from under another host's" {
	kill_a_put
	cp -a state state.2
	"$MRMR" --json scrub --grace 1s >"$work/said"
	MRMR_STATE_DIR=$PWD/state.2 "$MRMR" --json scrub --grace 1s >"$work/said"
	[ "$(swept)" = "true false" ]
	LD_PRELOAD=$shim KILL_AT=$((calls / 2)) KILL_SIGNAL=19 "$MRMR" put "$in" >"$work/put.said" 2>&1 3>&- &
	pid=$!
	while ! grep -q '^State:.T' /proc/$pid/status; do
		kill -0 "$pid" || { cat "$work/put.said"; return 1; }
		sleep 0.05
	done
	sleep 1.1
	for state in state state.2; do
		MRMR_STATE_DIR=$PWD/$state "$MRMR" --json scrub --grace 1s >"$work/said"
		[ "$(swept)" = "true false" ]
	done
	kill -CONT $pid
	wait $pid
	pid=
	same latest "$in"
	no_damage
}
