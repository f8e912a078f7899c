# The level of an array that holds data, changed: up, down, copies; what it moves, what it costs, what it
# refuses, and what the drives bear at every step.

# bats file_tags=plain
load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=
	mkdir in away
	head -c 2500000 /dev/urandom >in/noise
	seq 1 3000 >in/numbers
	ln -s noise in/link
	chmod 640 in/numbers
}

# An array on $1 drives d1, d2, ... with these options, and a put.
make_array() {
	local i drives=()
	count=$1
	for ((i = 1; i <= count; i++)); do
		mkdir "d$i"
		drives+=("d$i")
	done
	shift
	"$MRMR" -q init --key-file key --block-size 64K "$@" "${drives[@]}" 2>/dev/null
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" -q put in
}

sum_of() { # blocks or parity: bytes on all drives
	find d?/.mrmr/"$1" -name '*.blob' -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'
}

blocks_now() {
	find d?/.mrmr/blocks -name '*.blob' -printf '%p %s %i\n' | sort
}

policy() { # field
	"$MRMR" --json status 2>/dev/null | jq -r "select(.message_type == \"status\") | .$1"
}

restores() {
	rm -rf out
	"$MRMR" -q get latest --to out
	[ -z "$(rsync -aXHcn --delete --itemize-changes in/ "out$PWD/in/")" ]
}

# Every $1 of the drives away, in turn.
bears() {
	local m=$1 set i cases=0
	for ((set = 0; set < 1 << count; set++)); do
		local gone=()
		for ((i = 0; i < count; i++)); do
			[ $((set >> i & 1)) -eq 0 ] || gone+=("d$((i + 1))")
		done
		[ ${#gone[@]} -eq "$m" ] || continue
		[ "$m" -eq 0 ] || mv "${gone[@]}" away
		restores || { echo "without ${gone[*]}"; return 1; }
		[ "$m" -eq 0 ] || mv away/* .
		cases=$((cases + 1))
	done
	echo "# $cases losses of $m drives of $count: $(policy parity) asked, spare $(policy spare)" >&3
	[ "$(policy spare)" = "$m" ]
}

work_of() { # a summary: its numbers
	jq -c 'select(.message_type == "summary") | [.bytes_read, .bytes_written, .rows_made, .rows_dropped,
		.groups_split, .groups_made, .rows_owed]' "$1"
}

# A change that moves exactly what -n said, and no data block.
change() {
	local before
	before=$(blocks_now)
	"$MRMR" --json set -n "$@" >planned 2>planned.err
	"$MRMR" --json set "$@" >done 2>done.err
	[ "$(work_of planned)" = "$(work_of done)" ] || { work_of planned; work_of done; return 1; }
	[ "$(blocks_now)" = "$before" ]
}

field() { # of what the last change said
	jq -r "select(.message_type == \"summary\") | .$1" done
}

# Rows take m/k of the data; blocks of unequal length, which a few groups cannot even out, and the
# tails of rows may cost $4 percent of it more.
costs() { # m k what percent
	local data rows
	data=$(sum_of blocks)
	rows=$(sum_of parity)
	echo "# $3: rows take $((rows * 1000 / data)) of 1000, ideal $(($1 * 1000 / $2))" >&3
	[ $((rows * $2 * 100)) -le $((data * $1 * (100 + $4))) ]
	[ $((rows * $2)) -ge $((data * $1)) ]
}

@test "parity 0, 1, 3, 2, 0, 2: the data stay where they are, and any m drives may be lost at every step" {
	local before
	make_array 5 --parity 0
	change parity=1
	[ "$(field bytes_written)" -eq "$(sum_of parity)" ]
	[ "$(field bytes_read)" -eq "$(sum_of blocks)" ]
	[ "$(field groups_split)" -eq 0 ]
	costs 1 4 "parity 0 to 1 on 5 drives" 25
	bears 1
	change parity=3
	[ "$(field groups_split)" -gt 0 ]
	[ "$(field bytes_read)" -eq "$(sum_of blocks)" ]
	costs 3 2 "parity 1 to 3 on 5 drives" 25
	bears 3
	before=$(sum_of parity)
	change parity=2
	[ "$(field 'bytes_read + .bytes_written')" = 0 ]
	[ "$(sum_of parity)" -lt "$before" ]
	bears 2
	change parity=0
	[ "$(field 'bytes_read + .bytes_written')" = 0 ]
	[ "$(sum_of parity)" -eq 0 ]
	bears 0
	change parity=2
	[ "$(field bytes_written)" -eq "$(sum_of parity)" ]
	costs 2 3 "parity 0 to 2 on 5 drives" 25
	bears 2
	"$MRMR" scrub
	# Nothing is left to do.
	change parity=2
	[ "$(field 'bytes_read + .bytes_written + .rows_dropped')" = 0 ]
}

@test "any level from any other costs what k and m say, copies included" {
	local m n
	make_array 6 --parity 0
	for m in 1 2 3 4 5 2 0 4; do
		change "parity=$m"
		[ "$(policy parity)" = "$m" ]
		[ "$m" -eq 0 ] || [ "$m" -lt "$(cat was 2>/dev/null || echo 0)" ] ||
			costs "$m" $((6 - m)) "parity $(cat was 2>/dev/null || echo 0) to $m on 6 drives" 25
		echo "$m" >was
		restores
	done
	for n in 2 6 3; do
		change "copies=$n"
		[ "$(sum_of parity)" -eq $(($(sum_of blocks) * (n - 1))) ]
		echo "# copies $n on 6 drives: rows take $(($(sum_of parity) * 1000 / $(sum_of blocks))) of 1000" >&3
		[ "$(policy copies)" = true ]
	done
	change parity=2
	costs 2 4 "copies 3 to parity 2 on 6 drives" 25
	mv d1 d4 away
	restores
}

@test "copies of a filled array are the block's own bytes under its own name, on N drives" {
	make_array 5 --parity 2
	change copies=3
	[ "$(field groups_split)" -gt 0 ]
	[ "$(find d? -name '*.blob' -printf '%f\n' | sort | uniq -c | awk '{ print $1 }' | sort -u)" = 3 ]
	find d? -name '*.blob' -printf '%p %f\n' | while read -r path name; do
		[ "$(sha256sum <"$path" | cut -c 1-64)" = "${name%.blob}" ]
	done
	bears 2
	change parity=1
	costs 1 4 "copies 3 to parity 1 on 5 drives" 25
	bears 1
	"$MRMR" scrub
}

@test "raid4 taken away and given back: all rows on the parity drive" {
	make_array 5 --level raid4
	costs 1 4 "raid4 on 5 drives" 25
	change parity=0
	[ "$(sum_of parity)" -eq 0 ]
	change parity=1
	costs 1 4 "raid4 given back on 5 drives" 25
	[ -z "$(find d[1-4]/.mrmr/parity -name '*.blob')" ]
	bears 1
}

@test "rows go only where roles and removable drives allow" {
	make_array 5 --parity 0
	"$MRMR" set d1.role=data d2.removable=yes d3.role=data
	change parity=1
	[ -z "$(find d[123]/.mrmr/parity -name '*.blob' 2>/dev/null)" ]
	bears 1
}

@test "a block is mirrored only where no partner is left for it" {
	make_array 1 --parity 0
	mkdir d2 d3
	count=3
	"$MRMR" add d2 2>/dev/null
	"$MRMR" add d3 2>/dev/null
	head -c 300000 /dev/urandom >in/more
	"$MRMR" -q put in
	change parity=1
	[ "$(field rows_made)" -eq "$(find d1/.mrmr/blocks -name '*.blob' | wc -l)" ]
	bears 1
}

@test "what does not fit is refused before anything is done: exit 25, and 2 for more than drives" {
	make_array 4 --parity 0
	for d in d1 d2 d3 d4; do
		"$MRMR" set "$d.max=1300K" "$d.reserve=1K"
	done
	blocks_now >before
	find d1/.mrmr/journal -type f | sort >before.journal
	run --separate-stderr "$MRMR" set parity=3
	[ "$status" -eq 25 ]
	echo "$stderr"
	[[ "${stderr_lines[0]}" == "mrmr: parity 3 does not fit: "*" more are needed, "*" are free on all drives, and "*": nothing was changed" ]]
	run "$MRMR" set -n copies=3
	[ "$status" -eq 25 ]
	run "$MRMR" set parity=4
	[ "$status" -eq 2 ]
	[ "$(policy parity)" = 0 ]
	blocks_now | diff before -
	find d1/.mrmr/journal -type f | sort | diff before.journal -
	[ "$(sum_of parity)" -eq 0 ]
	change parity=1
	bears 1
}

# Nothing is left over of one level when it is taken for the next.
@test "what just fits is made, level by level, of the room that the one before left" {
	make_array 4 --parity 0
	for d in d1 d2 d3 d4; do
		"$MRMR" -q set "$d.max=1420K" "$d.reserve=1K"
	done
	for level in parity=1 parity=2 copies=2 parity=1 copies=2; do
		change "$level"
		[ "$(field rows_owed)" -eq 0 ]
		restores
	done
	run "$MRMR" set parity=3
	[ "$status" -eq 25 ]
	[[ "$output" != *" 0 B more"* ]]
}

@test "with a drive away the new rows are owed, and the next put pays them" {
	make_array 5 --parity 1
	mv d3 away
	run --separate-stderr "$MRMR" set parity=2
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"parity objects are owed"* ]]
	mv away/d3 .
	seq 1 9 >>in/numbers
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	bears 2
	[ "$(policy state)" = optimal ]
}

@test "rows that bring back what is away stay until it is back" {
	make_array 5 --parity 2
	mv d1 d2 away
	run --separate-stderr "$MRMR" set parity=1
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"parity objects stay until the drives that are away are back"* ]]
	restores
	run --separate-stderr "$MRMR" set parity=0
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"parity objects stay until the drives that are away are back"* ]]
	restores
	mv away/* .
	seq 1 9 >>in/numbers
	"$MRMR" put in
	[ "$(sum_of parity)" -eq 0 ]
	bears 0
}

@test "a damaged block does not keep the others from being protected" {
	make_array 5 --parity 0
	blob=$(find d2/.mrmr/blocks -name '*.blob' | sort | head -1)
	cp "$blob" whole
	printf x | dd of="$blob" bs=1 seek=99 conv=notrunc status=none
	run --separate-stderr "$MRMR" set parity=1
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"its bytes do not match its name"* ]]
	cp whole "$blob"
	"$MRMR" set parity=1
	bears 1
}

@test "a width is for new data, whatever is stored" {
	make_array 5 --parity 1
	blocks_now >before
	change width=3
	blocks_now | diff before -
	head -c 500000 /dev/urandom >in/more
	"$MRMR" -q put in
	[ "$("$MRMR" --json whereis "latest:in/more" | jq -r '.groups[]? | .members | length' | sort -nu | tail -1)" = 2 ]
}

@test "a level set by one host is made good by another" {
	make_array 5 --parity 1
	mkdir config2 && cp config/default.json config2
	"$MRMR" set parity=2
	MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 "$MRMR" set parity=3
	seq 1 9 >>in/numbers
	"$MRMR" -q put in
	bears 3
	"$MRMR" scrub
}

second_host() {
	mkdir config2
	cp config/default.json config2
	second snapshots
}

second() {
	MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 "$MRMR" "$@"
}

spare_by_second() {
	second --json status 2>/dev/null | jq 'select(.message_type == "status") | .spare'
}

@test "two hosts that change the same groups at once lose nothing, and what they made twice goes" {
	make_array 5 --parity 1
	second_host
	"$MRMR" set parity=3 &
	second set parity=3
	wait $!
	# Whichever of them ended last, it has made what both owed.
	[ "$(policy spare)" -eq 3 ]
	[ "$(spare_by_second)" -eq 3 ]
	bears 3
	"$MRMR" rebalance
	bears 3
	costs 3 2 "parity 1 to 3 by two hosts" 15
	"$MRMR" scrub
}

# A command that stands still when its first segment is on d2, and goes on with resume().
stand_still() {
	local tries before
	preload slow
	before=$(find d2/.mrmr/journal -type f | wc -l)
	LD_PRELOAD=$shim SLOW_BELOW=$PWD/d1/.mrmr/journal SLOW_CALLS=write SLOW_MS=200 "$MRMR" "$@" \
		>said 2>&1 3>&- &
	stopped=$!
	for ((tries = 0; tries < 3000; tries++)); do
		[ "$(find d2/.mrmr/journal -type f | wc -l)" -eq "$before" ] || break
		sleep 0.01
	done
	kill -STOP $stopped
}

resume() {
	kill -CONT $stopped
	wait $stopped
}

@test "a lower parity that another host overrules meanwhile takes nothing from it, and says so" {
	make_array 5 --parity 2
	second_host
	stand_still set parity=1
	second set parity=3
	[ "$(spare_by_second)" -eq 3 ]
	resume
	[ "$(policy parity)" -eq 3 ]
	[ "$(policy spare)" -eq 3 ]
	grep "another host set parity 3 at the same time, and that holds" said
	bears 3
	"$MRMR" set parity=1
	bears 1
	"$MRMR" scrub
}

@test "a higher parity that another host sets meanwhile is made good by one that joins groups" {
	local i
	make_array 5 --parity 1
	for i in 1 2 3 4 5 6; do
		head -c $((9000 + i)) /dev/urandom >"in/small-$i"
		"$MRMR" -q put in
	done
	second_host
	stand_still rebalance
	second set parity=3
	resume
	cat said
	[ "$(policy spare)" -eq 3 ]
	bears 3
	"$MRMR" scrub
}
