# Putting while drives are away, and paying what is owed when they are back.

load common

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in
	head -c 300000 /dev/urandom >in/old
}

make_array() { # parity drive...
	local parity=$1
	shift
	"$MRMR" init --key-file key --parity "$parity" --block-size 64K "$@"
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	head -c 300000 /dev/urandom >in/new
}

compare() {
	rm -rf out
	"$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

@test "one of four drives away: a warning, exit 0, and the snapshot survives what was promised" {
	make_array 1 d1 d2 d3 d4
	mv d2 away
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"d2 is left out: absent"* ]]
	compare
	mv away d2
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
	for lost in d1 d2 d3 d4; do
		mv "$lost" away
		compare
		mv away "$lost"
	done
}

@test "rows that could not be made are made by the next command that writes" {
	make_array 2 d1 d2 d3
	mv d3 away
	run "$MRMR" put in
	[ "$status" -eq 20 ]
	mv away d3
	run "$MRMR" status
	[ "$status" -eq 20 ]
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 away
	mv d2 away2
	compare
}

@test "every command that writes pays what is owed: rows, segments and deletions" {
	local command
	make_array 2 d1 d2 d3
	while read -r command; do
		mv d3 away
		head -c 100000 /dev/urandom >in/new
		run "$MRMR" put in
		[ "$status" -eq 20 ]
		mv away d3
		run "$MRMR" status
		[ "$status" -eq 20 ]
		[[ "$output" == *"owed: no drive has"* ]]
		[[ "$output" == *"d3 is stale"* ]]
		"$MRMR" $command
		run "$MRMR" status
		echo "$command: $output"
		[ "$status" -eq 0 ]
	done <<-END
		scrub
		set d1.reserve=1M
		key add --key-file key2
		rebuild
		put in
		add d4
	END
	rm -r d1 d4
	compare
}

@test "any m drives away: exit 0 and a warning each; one more: all is stored, exit 20" {
	mkdir d5 away
	make_array 2 d1 d2 d3 d4 d5
	local set code
	while read -r code set; do
		head -c 200000 /dev/urandom >in/new
		mv $set away
		run "$MRMR" put in
		echo "$set: $output"
		[ "$status" -eq "$code" ]
		[ "$(grep -c 'is left out: absent' <<<"$output")" -eq "$(wc -w <<<"$set")" ]
		mv away/* .
		"$MRMR" put in
		run "$MRMR" status
		[ "$status" -eq 0 ]
		compare
	done <<-END
		0 d1
		0 d2 d5
		0 d3 d4
		20 d1 d2 d3
		20 d1 d2 d4 d5
	END
}

# What was stored in between did not wait for the drives that were away.
@test "a snapshot made with m drives away survives that these never come back" {
	mkdir d5
	make_array 2 d1 d2 d3 d4 d5
	mkdir gone
	mv d2 d4 gone
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	compare
	rm -r gone
	"$MRMR" rebuild d2
	"$MRMR" rebuild d4
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 d5 "$BATS_TEST_TMPDIR/home"
	compare
}

@test "one of two drives away: all is stored, and exit 20 says that the journal is on one drive only" {
	make_array 1 d1 d2
	mv d2 away
	run "$MRMR" put in
	[ "$status" -eq 20 ]
	compare
	mv away d2
	"$MRMR" put in
	mv d1 away
	compare
}

@test "no drive at hand: exit 24, and nothing is committed" {
	make_array 1 d1 d2 d3
	mkdir gone
	mv d1 d2 d3 gone
	run "$MRMR" put in
	[ "$status" -eq 24 ]
	mv gone/* .
	run "$MRMR" snapshots
	[ "${#lines[@]}" -eq 1 ]
}

@test "after a loss beyond parity the next put stores anew what was lost" {
	make_array 1 d1 d2 d3 d4
	"$MRMR" put in
	rm -r d1 d2
	mkdir n1 n2
	run "$MRMR" rebuild d1 --onto n1
	run "$MRMR" rebuild d2 --onto n2
	"$MRMR" put in
	compare
	run "$MRMR" status
	[ "$status" -eq 0 ]
}
