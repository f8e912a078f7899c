# Groups are widened, drives evened out, domains healed; a full array takes more once it has one more drive.

load common
load kill
bats_require_minimum_version 1.5.0

setup() {
	prepare
}

teardown() {
	clean_up
}

make_array() { # parity drive...
	local parity=$1 drive
	shift
	"$MRMR" -q init --key-file key --parity "$parity" --block-size 64K "$@"
	# Folders of one file system have the same room always; with limits the emptiest comes first.
	for drive; do
		"$MRMR" -q set "$drive.max=100M"
	done
}

# Each leaves a block with a copy.
small_puts() { # how many
	local i
	rm -f "$in"/[1-6]
	for ((i = 0; i < $1; i++)); do
		head -c $((3000 + 150 * i)) /dev/urandom >"$in/small-$i"
		"$MRMR" -q put "$in"
	done
}

parity_bytes() {
	find d? -path '*/parity/*' -name '*.blob' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

blocks() {
	find d? -path '*/blocks/*' -name '*.blob' | sort
}

of_summary() { # field command...
	local field=$1
	shift
	"$MRMR" --json "$@" | jq -r "select(.message_type == \"summary\") | .$field"
}

# The last snapshot, whichever one of the drives is away.
any_one_may_go() {
	local lost
	for lost in "$@"; do
		mv "$lost" "$work/away"
		rm -rf out state/*/table.sqlite*
		"$MRMR" -q get latest --to out 2>said || { cat said; return 1; }
		diff -r "$in" "out$in" || return 1
		mv "$work/away" "$lost"
	done
}

@test "what small puts left is joined: less parity, no block moved, and a second run does nothing" {
	make_array 1 d1 d2 d3 d4
	small_puts 10
	before=$(parity_bytes)
	blocks >"$work/blocks"
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	[[ "$output" == *"joined "*" groups into "* ]]
	[ "$(parity_bytes)" -lt $((before * 7 / 10)) ]
	blocks | diff "$work/blocks" -
	any_one_may_go d1 d2 d3 d4
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	[ "$output" = "nothing to rebalance" ]
	run "$MRMR" -q rebalance
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "at a limit it ends with 4, and the next run goes on from there" {
	make_array 1 d1 d2 d3 d4
	small_puts 10
	run "$MRMR" rebalance --max-time 0s
	[ "$status" -eq 4 ]
	[ "$(of_summary groups_joined rebalance -n)" -ge 8 ]
	run "$MRMR" --json rebalance --max-bytes 20K
	[ "$status" -eq 4 ]
	[ "$(jq -r 'select(.message_type == "summary") | .bytes_read + .bytes_written <= 20480' <<<"$output")" = true ]
	[ "$(jq -r 'select(.message_type == "summary") | .work_remains' <<<"$output")" = true ]
	code=4 runs=0
	while [ "$code" -eq 4 ] && [ "$runs" -lt 20 ]; do
		code=0
		"$MRMR" -q rebalance --max-bytes 20K || code=$?
		runs=$((runs + 1))
	done
	[ "$code" -eq 0 ]
	[ "$(of_summary groups_joined rebalance)" -eq 0 ]
	any_one_may_go d1 d2 d3 d4
}

@test "what a put owed is paid within the limits, a part at a time" {
	local code=4 runs=0
	make_array 1 d1 d2
	mv d2 "$work/away"
	head -c 400000 /dev/urandom >"$in/large"
	"$MRMR" -q put "$in" 2>said || [ $? -eq 20 ]
	mv "$work/away" d2
	run "$MRMR" rebalance -n
	[ "$status" -eq 0 ]
	[[ "$output" == *"would make "*" parity objects that are owed"* ]]
	run "$MRMR" rebalance --max-bytes 0
	[ "$status" -eq 4 ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	while [ "$code" -eq 4 ] && [ "$runs" -lt 20 ]; do
		code=0
		"$MRMR" --json rebalance --max-bytes 300K >said || code=$?
		[ "$(jq 'select(.message_type == "summary") | .bytes_read + .bytes_written <= 307200' said)" = true ]
		runs=$((runs + 1))
	done
	[ "$code" -eq 0 ]
	[ "$runs" -gt 1 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	any_one_may_go d1 d2
}

@test "too much of a group in one domain moves to another, once there is one" {
	make_array 1 d1 d2
	"$MRMR" -q set d1.domain=shelf d2.domain=shelf
	"$MRMR" -q put "$in"
	"$MRMR" -q add d3 --domain cellar
	"$MRMR" -q add d4 --domain cellar
	run "$MRMR" --json status
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	[[ "$output" == *"moved "* ]]
	# The shelf burns.
	mv d1 d2 "$work"
	rm -rf out state/*/table.sqlite*
	"$MRMR" -q get latest --to out 2>said
	diff -r "$in" "out$in"
	mv "$work/d1" "$work/d2" .
	[ "$(of_summary objects_moved rebalance)" -eq 0 ]
}

@test "a full array takes more as soon as it has one more drive, and no block moves" {
	make_array 1 d1 d2 d3
	"$MRMR" -q set d1.max=1500K d2.max=1500K d3.max=1500K
	head -c 2000000 /dev/urandom >"$in/much"
	"$MRMR" -q put "$in"
	head -c 700000 /dev/urandom >"$in/more"
	run "$MRMR" put "$in"
	[ "$status" -eq 25 ]
	rm "$in/more"
	"$MRMR" -q add d4
	"$MRMR" -q set d4.max=1500K
	blocks | grep -v '^d4' >"$work/blocks"
	head -c 900000 /dev/urandom >"$in/new"
	run "$MRMR" put "$in"
	[ "$status" -eq 0 ]
	blocks >"$work/after"
	[ "$(grep -vxFf "$work/after" "$work/blocks" | wc -l)" -eq 0 ]
	[ "$(blocks | grep -c '^d4')" -ge 10 ]
	any_one_may_go d1 d2 d3 d4
	run "$MRMR" status
	[ "$status" -eq 0 ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "two hosts rebalance at once: all of it is protected, and the next run makes it one" {
	make_array 1 d1 d2 d3 d4
	small_puts 12
	other() {
		MRMR_CONFIG_DIR=$PWD/config-b MRMR_STATE_DIR=$PWD/state-b "$MRMR" "$@"
	}
	other -q recover d1 d2 d3 d4
	"$MRMR" rebalance >said.a 2>&1 &
	a=$!
	other rebalance >said.b 2>&1 &
	b=$!
	wait $a || { cat said.a; return 1; }
	wait $b || { cat said.b; return 1; }
	any_one_may_go d1 d2 d3 d4
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	any_one_may_go d1 d2 d3 d4
	run other rebalance
	[ "$status" -eq 0 ]
	[ "$output" = "nothing to rebalance" ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	run other status
	[ "$status" -eq 0 ]
}

# What stood before stands, with any one drive gone as well.
earlier() {
	local lost
	for lost in d1 d2 d3 d4; do
		mv "$lost" "$work/away"
		same "$first" "$work/first" || { echo "without $lost"; return 1; }
		mv "$work/away" "$lost"
	done
}

# bats test_tags=plain
@test "killed at any moment, and then a drive lost: nothing is lost" {
	make_array 1 d1 d2 d3 d4 # so that there is always something to join
	small_puts 3
	put_first
	keep
	kill_every=$((kill_every * 2))
	sweep no_damage "$MRMR" rebalance
}

# bats test_tags=plain
@test "killed while a full array is widened, and then a drive lost: nothing is lost" {
	make_array 1 d1 d2 d3
	"$MRMR" -q set d1.max=700K d2.max=700K d3.max=700K
	head -c 900000 /dev/urandom >"$in/much"
	put_first
	"$MRMR" -q add d4
	head -c 150000 /dev/urandom >"$in/new"
	cp -a "$in" "$work/in.new"
	keep
	both_are_there() {
		same latest "$work/in.new" || return 1
		no_damage
	}
	kill_every=$((kill_every * 9))
	sweep both_are_there "$MRMR" put "$in"
}
