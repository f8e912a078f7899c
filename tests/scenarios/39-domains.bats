# What fails together: what one such failure would destroy, and how it is healed.

load common
load kill
bats_require_minimum_version 1.5.0

setup() {
	prepare
}

teardown() {
	clean_up
}

# parity drive...: with limits, so that the emptiest comes first, as on disks of their own.
make_array() {
	local parity=$1 drive
	shift
	"$MRMR" -q init --key-file key --parity "$parity" --block-size 64K "$@" 2>said
	for drive; do
		"$MRMR" -q set "$drive.max=100M" "$drive.domain=shelf"
	done
}

# A drive more, elsewhere.
add() { # name domain [max]
	"$MRMR" -q add "$1" --mkdir --domain "$2"
	"$MRMR" -q set "$1.max=${3:-100M}"
}

# A file each, and a block each.
small_puts() { # from to
	local i
	rm -f "$in"/[1-6]
	for ((i = $1; i < $2; i++)); do
		head -c $((18000 + 900 * i)) /dev/urandom >"$in/small-$i"
		"$MRMR" -q put "$in"
	done
}

groups() { # most per domain
	"$MRMR" --json drives | "${PYTHON:-python3}" "$BATS_TEST_DIRNAME/crowded.py" state/*/table.sqlite "$1"
}

crowded() { # most per domain
	groups "$1" | grep -c ' crowded ' || true
}

of_summary() { # field command...
	local field=$1
	shift
	"$MRMR" --json "$@" 2>/dev/null | jq -r "select(.message_type == \"summary\") | .$field"
}

of_status() { # filter
	"$MRMR" --json status 2>/dev/null | jq -r "select(.message_type == \"status\") | $1"
}

of_domain() { # domain field
	of_status ".shared_domains[] | select(.domain == \"$1\") | .$2"
}

burn() { # drive...
	mkdir -p "$work/away"
	mv "$@" "$work/away"
	rm -rf out state/*/table.sqlite*
}

rise() {
	mv "$work/away"/d* .
	rm -rf state/*/table.sqlite*
}

restores_all() {
	"$MRMR" -q get latest --to out 2>said || { cat said; return 1; }
	[ -z "$(rsync -aAXHcn --delete --itemize-changes "$in/" "out$in/" | tee differs)" ] ||
		{ cat differs; return 1; }
}

# What status said of it is what is gone, in blocks and bytes, and in files that are not restored.
loses_what_was_told() { # domain drive...
	local domain=$1 blocks bytes code=0
	shift
	blocks=$(of_domain "$domain" blocks_lost)
	bytes=$(of_domain "$domain" bytes_lost)
	echo "$domain: $blocks blocks, $bytes bytes"
	burn "$@"
	[ "$(of_status .bytes_lost)" -eq "$bytes" ] || return 1
	"$MRMR" get latest --to out >said 2>&1 || code=$?
	[ "$code" -eq $((blocks > 0 ? 21 : 0)) ] || { cat said; return 1; }
	[ "$(find "out$in" -name 'small-*' | wc -l)" -eq $((files - blocks)) ] || return 1
	rise
	told=$((told + blocks))
}

@test "status tells what each failure would destroy: that is what is lost when it happens" {
	make_array 1 d1 d2 d3 d4
	files=12 told=0
	small_puts 0 10
	# Some of the pairs of drives that hold a block and its copy: which ones these are, the drives decide.
	for pairs in "d1 d2 d3 d4" "d1 d3 d2 d4" "d1 d4 d2 d3"; do
		read -r a b c d <<<"$pairs"
		"$MRMR" -q set "$a.domain=shelf" "$b.domain=shelf" "$c.domain=cellar" "$d.domain=cellar"
		[ "$(crowded 1)" -eq 0 ] || break
	done
	small_puts 10 "$files"
	loses_what_was_told shelf "$a" "$b"
	loses_what_was_told cellar "$c" "$d"
	[ "$told" -gt 0 ]
	[ "$told" -lt "$files" ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[[ "$output" == *"$a, $b are on shelf: its failure would destroy "*" of data, "*" block"* ]]
	[[ "$output" == *'`mrmr rebalance` spreads that over other domains'* ]]
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[[ "$output" == *"$a, $b are on shelf: its failure would lose nothing"* ]]
	[[ "$output" == *"$c, $d are on cellar: its failure would lose nothing"* ]]
	[[ "$output" != *"rebalance"* ]]
}

@test "a drive in a new domain heals all groups: what is moved is what was told, and nothing of others" {
	mkdir d5
	make_array 2 d1 d2 d3 d4 d5
	"$MRMR" -q set width=4
	head -c 900000 /dev/urandom >"$in/much"
	"$MRMR" -q put "$in"
	run "$MRMR" status
	[[ "$output" == *'`mrmr add` a drive elsewhere, then `mrmr rebalance`'* ]]
	"$MRMR" -q set d4.domain=attic d5.domain=attic
	add d6 cellar
	before=$(groups 2)
	violated=$(crowded 2)
	[ "$violated" -gt 0 ]
	[ "$violated" -lt "$(wc -l <<<"$before")" ]
	told=$("$MRMR" --json rebalance -n | jq -c 'select(.message_type == "summary") | [.bytes_moved, .bytes_read, .bytes_written, .objects_moved]')
	# As few as there can be: those beyond two.
	[ "$(jq '.[3]' <<<"$told")" -eq "$(awk '{ n += $3 } END { print n }' <<<"$before")" ]
	done=$("$MRMR" --json rebalance | jq -c 'select(.message_type == "summary") | [.bytes_moved, .bytes_read, .bytes_written, .objects_moved]')
	[ "$done" = "$told" ]
	[ "$(crowded 2)" -eq 0 ]
	# Half of the groups and more are as they were, object by object.
	grep ' spread ' <<<"$before" >spread
	groups 2 | grep -Fxf spread | diff spread -
	[ "$(of_summary objects_moved rebalance)" -eq 0 ]
	for place in "d1 d2 d3" "d4 d5" d6; do
		burn $place
		restores_all
		rise
	done
}

# Three on a shelf, and one elsewhere: no group of three can be spread.
@test "what is put after that keeps the rule at once; what is too wide is split, and its data stay where they are" {
	make_array 1 d1 d2 d3
	head -c 400000 /dev/urandom >"$in/much"
	"$MRMR" -q put "$in"
	add d4 cellar
	violated=$(crowded 1)
	[ "$violated" -gt 0 ]
	head -c 200000 /dev/urandom >"$in/more"
	"$MRMR" -q put "$in"
	[ "$(crowded 1)" -eq "$violated" ]
	find d? -path '*/blocks/*' -name '*.blob' | sort >blocks
	fields='[.groups_split, .bytes_read, .bytes_written, .groups_crowded]'
	told=$("$MRMR" --json rebalance -n | jq -c "select(.message_type == \"summary\") | $fields")
	[ "$("$MRMR" --json rebalance | jq -c "select(.message_type == \"summary\") | $fields")" = "$told" ]
	[ "$(jq '.[0] > 0 and .[3] == 0' <<<"$told")" = true ]
	[ "$(crowded 1)" -eq 0 ]
	find d? -path '*/blocks/*' -name '*.blob' | sort | diff blocks -
	for place in "d1 d2 d3" d4; do
		burn $place
		restores_all
		rise
	done
	run --separate-stderr "$MRMR" rebalance
	[ "$status" -eq 0 ]
	[ "$output" = "nothing to rebalance" ]
}

@test "where there is no room for all of it what fits is done, the rest is told, and a second run does nothing" {
	make_array 1 d1 d2 d3
	head -c 700000 /dev/urandom >"$in/much"
	"$MRMR" -q put "$in"
	add d4 cellar 600K
	violated=$(crowded 1)
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	[[ "$output" == *" with more in one domain than may be lost there: "* ]]
	left=$(crowded 1)
	[ "$left" -gt 0 ]
	[ "$left" -lt "$violated" ]
	[ "$(of_summary groups_split rebalance)" -eq 0 ]
	[ "$(of_summary groups_crowded rebalance)" -eq "$left" ]
	[ "$(of_summary bytes_written rebalance)" -eq 0 ]
	run "$MRMR" status
	[[ "$output" == *'`mrmr add` a drive elsewhere, then `mrmr rebalance`'* ]]
	"$MRMR" -q set d4.max=100M
	run "$MRMR" rebalance
	[ "$status" -eq 0 ]
	[ "$(crowded 1)" -eq 0 ]
}

@test "within limits it goes on from run to run until all is healed" {
	make_array 1 d1 d2 d3
	head -c 500000 /dev/urandom >"$in/much"
	"$MRMR" -q put "$in"
	add d4 cellar
	code=4 runs=0
	while [ "$code" -eq 4 ] && [ "$runs" -lt 20 ]; do
		code=0
		"$MRMR" --json rebalance --max-bytes 400K >said || code=$?
		[ "$(jq -r 'select(.message_type == "summary") | .bytes_read + .bytes_written <= 409600' said)" = true ]
		runs=$((runs + 1))
	done
	[ "$code" -eq 0 ]
	[ "$runs" -gt 2 ]
	[ "$(crowded 1)" -eq 0 ]
	burn d1 d2 d3
	restores_all
}

# bats test_tags=plain
@test "killed while groups are spread and split: nothing is lost, and the next run heals the rest" {
	make_array 1 d1 d2 d3
	head -c 100000 /dev/urandom >"$in/more"
	put_first
	head -c 20000 /dev/urandom >"$in/one" # a block and a copy
	"$MRMR" -q put "$in"
	add d4 cellar
	keep
	healed() {
		[ "$(crowded 1)" -eq 0 ] || { echo "not all"; return 1; }
		burn d1 d2 d3
		restores_all || return 1
		rise
	}
	kill_every=$((kill_every * 10))
	sweep healed "$MRMR" rebalance
}
