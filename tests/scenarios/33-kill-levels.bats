# Changes of the level, killed or interrupted at any moment; then drives are lost, as many as could be lost
# before and after; then another command comes first, or the same one again.

# bats file_tags=plain
load common
load kill

setup() {
	prepare
	mkdir d5
	head -c 180000 /dev/urandom >"$in/long"
	turn=0
	"$MRMR" -q init --key-file key --parity "$(level_before)" --block-size 64K d1 d2 d3 d4 d5
	put_first
	# Every other call is more than it takes here: some 50 points of each, 300 in all.
	kill_every=$((kill_every * 5 / 2))
}

teardown() {
	clean_up
}

level_before() {
	sed -n 's/.* from parity \([0-9]\).*/\1/p' <<<"$BATS_TEST_DESCRIPTION"
}

lost_drives() { # m: so many, others each time
	local i
	for ((i = 0; i < $1; i++)); do
		echo "d$(((turn + i * (1 + turn % 2)) % 5 + 1))"
	done
}

# What stood before stands without $1 drives, whichever.
bears() {
	local lost code=0
	turn=$((turn + 1))
	lost=$(lost_drives "$1")
	[ "$1" -eq 0 ] || mv $lost "$work"
	same "$first" "$work/first" || code=1
	[ "$1" -eq 0 ] || for d in $lost; do mv "$work/$d" .; done
	[ "$code" -eq 0 ] || echo "without $lost"
	return "$code"
}

less() {
	echo $(($1 < $2 ? $1 : $2))
}

# usage: change FROM TO SETTING: parity in number before and after.
change() {
	local from=$1 to=$2
	keep
	earlier() {
		bears "$(less "$from" "$to")"
	}
	# Another command that writes first, every other time.
	again() {
		if [ $((turn % 2)) -eq 0 ]; then
			"$MRMR" put "$in" || return 1
		fi
		"$@"
	}
	level_is() {
		local spare
		spare=$("$MRMR" --json status | jq -r 'select(.message_type == "status") | .spare')
		[ "$spare" -eq "$to" ] || { "$MRMR" status; return 1; }
		bears "$to" || return 1
		no_damage
	}
	sweep level_is "$MRMR" set "$3"
}

@test "T-16: from parity 0 to 1" {
	change 0 1 parity=1
}

@test "T-16: from parity 1 to 3" {
	change 1 3 parity=3
}

@test "T-16: from parity 3 to 2" {
	change 3 2 parity=2
}

@test "T-16: from parity 2 to 0" {
	change 2 0 parity=0
}

@test "T-16: from parity 2 to 3 copies" {
	change 2 2 copies=3
}

@test "T-16: 3 copies, from parity 2 once, to parity 2" {
	"$MRMR" -q set copies=3
	change 2 2 parity=2
}

@test "T-16: in many batches, from parity 1 to 3" {
	head -c 1500000 /dev/urandom >"$in/many"
	rm -r "$work/first"
	put_first
	kill_every=$((kill_every * 10))
	change 1 3 parity=3
}

@test "T-16: by SIGINT, from parity 1 to 3" {
	signal=2 ended=130
	change 1 3 parity=3
}

@test "interrupted from parity 0 to 2, what was done is not done again" {
	local all
	head -c 3000000 /dev/urandom >"$in/more"
	"$MRMR" -q put "$in"
	all=$("$MRMR" --json set -n parity=2 | jq -r 'select(.message_type == "summary") | .bytes_written')
	keep
	killed_at 0 "$MRMR" set parity=2
	put_back
	local signal=2 total half
	total=$(cat "$work/call")
	killed_at $((total / 2)) "$MRMR" set parity=2 || [ $? -eq 130 ]
	grep -q interrupted "$work/said"
	half=$("$MRMR" --json set parity=2 | jq -r 'select(.message_type == "summary") | .bytes_written')
	echo "# $half of $all bytes were left to write" >&3
	[ "$half" -lt "$all" ]
	[ "$half" -gt 0 ]
	no_damage
}

@test "a drain that was cut off, then from parity 0 to 1: blocks on that drive are protected where they lie" {
	local n
	# Whose turn it is, is chance.
	for _ in {1..20}; do
		[ -z "$(find d5/.mrmr/blocks -name '*.blob' 2>/dev/null)" ] || break
		head -c 300000 /dev/urandom >"$in/more"
		"$MRMR" -q put "$in"
	done
	keep
	for ((n = 10; n < 200; n += 2)); do
		put_back
		killed_at "$n" "$MRMR" drain d5 2>/dev/null || [ $? -eq 137 ]
		[ "$("$MRMR" --json drives | jq -r 'select(.name == "d5") | .state')" != draining ] || break
	done
	[ "$("$MRMR" --json drives | jq -r 'select(.name == "d5") | .state')" = draining ]
	find d5/.mrmr/blocks -name '*.blob' | sort >"$work/there"
	[ -s "$work/there" ]
	"$MRMR" set parity=1
	find d5/.mrmr/blocks -name '*.blob' | sort | diff "$work/there" -
	for turn in 1 2 3 4 5; do
		bears 1
	done
	"$MRMR" drain d5
	[ -z "$(find d5/.mrmr/blocks d5/.mrmr/parity -name '*.blob')" ]
	bears 1
	no_damage
}
