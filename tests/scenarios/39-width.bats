# The width of groups, changed while the array holds data.

# bats file_tags=plain
load common
load kill
bats_require_minimum_version 1.5.0

setup() {
	prepare
	mkdir d5 d6
	head -c 600000 /dev/urandom >"$in/long"
}

teardown() {
	clean_up
}

make_array() { # option...
	"$MRMR" -q init --key-file key --block-size 64K "$@" d1 d2 d3 d4 d5 d6 2>said
}

blocks_now() {
	find d? -path '*/blocks/*' -name '*.blob' -printf '%p %i\n' | sort
}

rows() {
	find d? -path '*/parity/*' -name '*.blob' | wc -l
}

work_of() { # a summary: its numbers
	jq -c 'select(.message_type == "summary") | [.bytes_read, .bytes_written, .rows_made, .rows_dropped,
		.groups_split, .groups_made, .groups_joined]' "$1"
}

any_one_may_go() {
	local lost
	for lost in d1 d3 d6; do
		mv "$lost" "$work/away"
		rm -rf out state/*/table.sqlite*
		"$MRMR" -q get latest --to out 2>said || { cat said; return 1; }
		[ -z "$(rsync -aXHcn --delete --itemize-changes "$in/" "out$in/")" ] || return 1
		mv "$work/away" "$lost"
	done
}

# A change that does exactly what -n said, moves no block, and does nothing more when it is given again.
change() { # width
	local before
	before=$(blocks_now)
	"$MRMR" --json set -n "width=$1" >planned
	"$MRMR" --json set "width=$1" >done
	[ "$(work_of planned)" = "$(work_of done)" ] || { work_of planned; work_of done; return 1; }
	echo "# width $1: $(work_of done)" >&3
	[ "$(work_of done)" != "[0,0,0,0,0,0,0]" ]
	[ "$(blocks_now)" = "$before" ]
	[ "$("$MRMR" --json set "width=$1" | work_of /dev/stdin)" = "[0,0,0,0,0,0,0]" ]
}

@test "wider: groups are joined and take less parity; narrower: they are split; no block moves" {
	make_array --parity 1 --width 3
	"$MRMR" -q put "$in"
	narrow=$(rows)
	change 6
	[ "$(rows)" -lt "$narrow" ]
	any_one_may_go
	change 3
	# Two blocks share a row, at most.
	[ $((2 * $(rows))) -ge "$(blocks_now | wc -l)" ]
	any_one_may_go
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "narrower than there is room for: exit 25, and nothing is changed" {
	make_array --parity 1 --width 6
	"$MRMR" -q put "$in"
	for i in 1 2 3 4 5 6; do
		used=$("$MRMR" --json drives | jq "select(.name == \"d$i\") | .used_bytes")
		"$MRMR" -q set "d$i.max=$((used + 2 * 65536 + 20000))"
	done
	find d? -name '*.blob' | sort >before
	run "$MRMR" set width=2
	echo "$output"
	[ "$status" -eq 25 ]
	[[ "$output" == *"width 2 does not fit: "* ]]
	find d? -name '*.blob' | sort | diff before -
	# New data has the width that it had.
	[ "$("$MRMR" --json set width=6 | work_of /dev/stdin)" = "[0,0,0,0,0,0,0]" ]
}

@test "T-16: wider, killed at any moment" {
	make_array --parity 1 --width 3
	put_first
	keep
	kill_every=$((kill_every * 8))
	result() {
		any_one_may_go
		no_damage
	}
	sweep result "$MRMR" set width=6
}

@test "T-16: narrower, killed at any moment" {
	make_array --parity 1 --width 6
	put_first
	keep
	kill_every=$((kill_every * 9))
	result() {
		any_one_may_go
		no_damage
	}
	sweep result "$MRMR" set width=3
}
