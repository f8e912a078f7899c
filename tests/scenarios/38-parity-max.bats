# parity=max: room to spare holds more parity than is promised, and gives way to whatever needs it.

# bats file_tags=plain
load common
load kill
bats_require_minimum_version 1.5.0

setup() {
	prepare
	mkdir d5
	head -c 300000 /dev/urandom >"$in/long"
}

teardown() {
	clean_up
}

# Five drives of 1 MiB each.
make_array() { # option...
	local i
	"$MRMR" -q init --key-file key --block-size 64K --width 3 "$@" d1 d2 d3 d4 d5 2>said
	for i in 1 2 3 4 5; do
		"$MRMR" -q set "d$i.max=1M" "d$i.reserve=128K" 2>said
	done
}

status_of() { # field
	"$MRMR" --json status 2>said | jq -r "select(.message_type == \"status\") | .$1"
}

blocks_now() {
	find d? -path '*/blocks/*' -name '*.blob' | sort
}

work_of() { # a summary: its numbers
	jq -c 'select(.message_type == "summary") | [.bytes_read, .bytes_written, .rows_made, .rows_dropped,
		.groups_split, .groups_made, .extra_rows_made]' "$1"
}

restores() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" -q get latest --to out 2>said || { cat said; return 1; }
	[ -z "$(rsync -aXHcn --delete --itemize-changes "$in/" "out$in/")" ]
}

# Without these drives.
bears() {
	local code=0
	mv "$@" "$work"
	restores || code=1
	for d; do
		mv "$work/$d" .
	done
	return "$code"
}

@test "with room to spare more drives may be lost than is promised, and as much more fits" {
	make_array --parity max
	"$MRMR" -q put "$in"
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[[ "$output" == *"the loss of any 3 drives would lose nothing"* ]]
	[[ "$output" == *"extra, in room to spare: it gives way to data"* ]]
	[ "$(status_of parity)" -eq 1 ]
	[ "$(status_of parity_max)" = true ]
	[ "$(status_of extra_bytes)" -gt 300000 ]
	free=$(status_of capacity_free_bytes)
	bears d1 d2 d3
	bears d3 d4 d5
	"$MRMR" -q set parity=1
	[ "$(status_of extra_bytes)" -eq 0 ]
	[ "$(status_of parity_max)" = false ]
	[ "$(status_of capacity_free_bytes)" -ge $((free - 20000)) ]
	[ "$(status_of capacity_free_bytes)" -le $((free + 20000)) ]
}

@test "set parity=max makes what -n said, moves no block, and given again it does nothing" {
	make_array --parity 1
	"$MRMR" -q put "$in"
	before=$(blocks_now)
	"$MRMR" --json set -n parity=max >planned
	"$MRMR" --json set parity=max >done
	[ "$(work_of planned)" = "$(work_of done)" ]
	[ "$(jq 'select(.message_type == "summary") | .extra_rows_made' done)" -gt 5 ]
	[ "$(blocks_now)" = "$before" ]
	bears d2 d4
	[ "$("$MRMR" --json set parity=max | work_of /dev/stdin)" = "[0,0,0,0,0,0,0]" ]
	run "$MRMR" rebalance
	[ "$output" = "nothing to rebalance" ]
	# A number is a promise again.
	"$MRMR" -q set parity=2
	[ "$(status_of spare)" -eq 2 ]
	[ "$(status_of extra_bytes)" -eq 0 ]
	bears d1 d5
}

@test "a put takes the room, from the top, and only what it needs" {
	make_array --parity max
	"$MRMR" -q put "$in"
	first=$(status_of extra_bytes)
	head -c 2600000 /dev/urandom >"$in/longer"
	"$MRMR" -q put "$in"
	[ "$(status_of extra_bytes)" -lt "$first" ]
	[ "$(status_of spare)" -ge 1 ]
	bears d1
	bears d5
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	# What no parity 1 could hold either.
	head -c 1500000 /dev/urandom >"$work/longest"
	run "$MRMR" -q put "$work/longest"
	[ "$status" -eq 25 ]
	restores
}

@test "a drive is drained, added, lost and rebuilt: extra parity is in nobody's way" {
	make_array --parity max
	"$MRMR" -q put "$in"
	"$MRMR" --json drain -n d2 >planned
	"$MRMR" --json drain d2 >done
	for field in objects bytes_written groups_split; do
		[ "$(jq "select(.message_type == \"summary\") | .$field" planned)" -eq \
			"$(jq "select(.message_type == \"summary\") | .$field" done)" ]
	done
	"$MRMR" -q remove d2
	mkdir d6
	"$MRMR" -q add --max 1M d6 2>said
	"$MRMR" -q rebalance
	[ "$(status_of spare)" -ge 2 ]
	rm -rf d4
	"$MRMR" -q rebuild d4 2>said
	run "$MRMR" status
	[ "$status" -eq 0 ]
	bears d1
	bears d6
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "one drive has nothing to spare; with a second one there is parity 1" {
	run "$MRMR" init --key-file key --block-size 64K --parity max d1
	[ "$status" -eq 0 ]
	[[ "$output" == *"one drive has no redundancy"* ]]
	"$MRMR" -q put "$in"
	[ "$(status_of parity)" -eq 0 ]
	"$MRMR" -q add d2 2>said
	[ "$(status_of parity)" -eq 1 ]
	[ "$(status_of rows_owed)" -eq 0 ]
	bears d1
	bears d2
}

@test "T-16: to parity max, killed at any moment" {
	make_array --parity 1
	put_first
	keep
	kill_every=$((kill_every * 10))
	result() {
		[ "$(status_of spare)" -eq 3 ]
		bears d1 d2 d3
		no_damage
	}
	sweep result "$MRMR" set parity=max
}

@test "T-16: a put that takes the room, killed at any moment" {
	make_array --parity max
	put_first
	head -c 2600000 /dev/urandom >"$in/longer"
	keep
	kill_every=$((kill_every * 80))
	result() {
		[ "$(status_of spare)" -ge 1 ]
		bears d3
		no_damage
	}
	sweep result "$MRMR" put "$in"
}
