# Drives that were away and are back.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	mkdir in away
	local i
	for i in 1 2 3 4; do
		head -c 200000 /dev/urandom >"in/$i"
	done
}

teardown() {
	[ -z "${put:-}" ] || kill -KILL "$put" 2>/dev/null || true
}

compare() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out
	run rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/"
	[ "$output" = "" ]
}

# Any one of the three drives may be lost.
any_may_go() {
	local drive
	for drive in d1 d2 d3; do
		mv "$drive" away
		compare
		mv "away/$drive" .
	done
}

of_drive() { # drive field
	"$MRMR" --json drives 2>/dev/null | jq -r "select(.name == \"$1\") | .$2"
}

blobs() {
	find "$1" -name '*.blob' -not -path '*/quarantine/*' | sort
}

optimal() {
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(of_drive d2 state)" = optimal ]
	[ "$(of_drive d2 was_away)" = false ]
}

# An array of which d2 is away, and some command saw that.
without_d2() {
	array_of_three --parity 1 --block-size 64K
	"$MRMR" put in
	mv d2 away
	run "$MRMR" status
	[ "$status" -eq 20 ]
	blobs away/d2 >had
	[ "$(wc -l <had)" -ge 4 ]
}

# One object missing, one too short, one with another byte.
change_d2() {
	rm "$(sed -n 1p had)"
	truncate -s -1 "$(sed -n 2p had)"
	printf '\377\376' | dd of="$(sed -n 3p had)" bs=1 seek=100 conv=notrunc status=none
}

# How often the drives' blocks were listed or read.
touched() { # command...
	strace -f -qq -o trace -e trace=openat "$@" >/dev/null
	grep -c '/\.mrmr/\(blocks\|parity\)\|"\(blocks\|parity\)' trace || true
}

@test "what was changed on a drive while it was away is told by the next put, and scrub mends it" {
	without_d2
	change_d2
	mv away/d2 .
	# Owed nothing, it is as good as before, as far as is known.
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[[ "$output" == *"d2 is here again: it was away, and nobody has looked through it yet; the next command that writes does."* ]]
	[ "$(of_drive d2 was_away)" = true ]
	run --separate-stderr "$MRMR" put in
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"drive d2 was away: 3 objects missing or damaged there, 0 put back: "*'`mrmr scrub --drive d2`'* ]]
	[ "$(of_drive d2 state)" = degraded ]
	[ "$(of_drive d2 errors)" -eq 3 ]
	[ "$(of_drive d2 was_away)" = false ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d2 is degraded: 3 damaged objects."* ]]
	# Told once.
	run "$MRMR" put in
	[[ "$output" != *"was away"* ]]
	compare
	run "$MRMR" scrub --drive d2
	[ "$status" -eq 23 ]
	optimal
	any_may_go
}

@test "enable puts back at once what a disabled drive lost meanwhile" {
	array_of_three --parity 1 --block-size 64K
	"$MRMR" put in
	"$MRMR" disable d2
	head -c 200000 /dev/urandom >in/more
	"$MRMR" put in
	blobs d2 >had
	change_d2
	run "$MRMR" enable d2
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"drive d2 was away: 3 objects missing or damaged there, all put back"* ]]
	blobs d2 | comm -23 had - >lost
	[ ! -s lost ]
	optimal
	any_may_go
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "rebuild and enable of a member put back what a drive lost while it was away, all of it" {
	local command
	for command in rebuild "enable d2"; do
		rm -rf d? away/* config state key
		without_d2
		rm -r away/d2/.mrmr/blocks/* away/d2/.mrmr/parity/*
		mv away/d2 .
		run "$MRMR" $command
		echo "$output"
		[ "$status" -eq 0 ]
		[[ "$output" == *"drive d2 was away: $(wc -l <had) objects missing or damaged there, all put back"* ]]
		optimal
		any_may_go
	done
}

@test "what only a drive that is away still could mend is told as left, and mended when that is back" {
	without_d2
	# What d2 lost needs d1, and d1 is away.
	change_d2
	mv d1 away
	mv away/d2 .
	run "$MRMR" enable d2
	echo "$output"
	[ "$status" -eq 0 ]
	# A block with copies does not need it.
	[[ "$output" == *"drive d2 was away: 3 objects missing or damaged there, "[012]" put back: "* ]]
	[ "$(of_drive d2 state)" = degraded ]
	mv away/d1 .
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	optimal
	any_may_go
}

@test "a drive that was never away is not looked through, one that was is once" {
	without_d2
	mv away/d2 .
	head -c 100 /dev/urandom >in/small
	[ "$(touched "$MRMR" snapshots)" -eq 0 ]
	[ "$(touched "$MRMR" put in)" -gt 0 ]
	head -c 100 /dev/urandom >in/small
	[ "$(touched "$MRMR" put in)" -eq 0 ]
	optimal
	# Whole, it is not spoken of; and nothing is told to the journal of that.
	mv d2 away
	"$MRMR" snapshots
	mv away/d2 .
	journal=$(find d1/.mrmr/journal -type f | wc -l)
	run "$MRMR" rebuild
	[[ "$output" != *"was away"* ]]
	[ "$(find d1/.mrmr/journal -type f | wc -l)" -eq "$journal" ]
	optimal
	run "$MRMR" -v rebuild
	[[ "$output" != *"was away"* ]]
	mv d2 away
	"$MRMR" snapshots
	mv away/d2 .
	run "$MRMR" -v rebuild
	[[ "$output" == *"drive d2 was away: it has all of its "*" objects, and of these "*" objects are read and right"* ]]
}

@test "a drive that missed puts of another host is looked through, though this host never saw it away" {
	array_of_three --parity 1 --block-size 64K
	"$MRMR" put in
	MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 "$MRMR" recover d1 d2 d3
	mv d2 away
	head -c 200000 /dev/urandom >in/more
	"$MRMR" put in
	blobs away/d2 >had
	change_d2
	mv away/d2 .
	export MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2
	run "$MRMR" enable d2
	echo "$output"
	[[ "$output" == *"drive d2 was away: 3 objects missing or damaged there, all put back"* ]]
	optimal
	any_may_go
}

# bats test_tags=plain
@test "a look that was killed is begun anew by the next command that writes; recovering until then" {
	without_d2
	change_d2
	mv away/d2 .
	cp -a d1 d2 d3 config state home
	local at killed=0 seen=0
	for at in 1 2 3 5 8; do
		rm -rf d? config state
		cp -a home/{d1,d2,d3,config,state} .
		# Files are put in their place by these: what this host saw, journals, what is mended.
		run strace -f -qq -o /dev/null -e trace=rename,renameat,renameat2,linkat \
			-e signal=none \
			-e inject=rename,renameat,renameat2,linkat:signal=KILL:when=$at \
			"$MRMR" enable d2
		[ "$status" -eq 137 ] || continue
		killed=$((killed + 1))
		[ "$(of_drive d2 state)" != recovering ] || seen=$((seen + 1))
		"$MRMR" enable d2
		optimal
		any_may_go
	done
	[ "$killed" -ge 3 ]
	[ "$seen" -ge 1 ]
}

@test "blocks superseded while a drive was absent are removed, and its state ends optimal" {
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir d1 d2 d3 d4 d5
	"$MRMR" init --key-file key --block-size 64K --parity 2 --width 5 d1 d2 d3 d4 d5
	head -c 1000000 /dev/urandom >in/much
	"$MRMR" put in
	mv d2 away
	# Every group is split: rows on d2 are superseded.
	rm -r d5
	"$MRMR" rebuild d5
	owed=$(of_drive d2 owed_deletions)
	[ "$owed" -gt 0 ]
	before=$(blobs away/d2 | wc -l)
	mv away/d2 .
	[ "$(of_drive d2 state)" = stale ]
	run "$MRMR" enable d2
	[[ "$output" != *"was away"* ]]
	[ "$(blobs d2 | wc -l)" -ge $((before - owed)) ]
	# A row that was owed for want of drives may come to it.
	[ "$(blobs d2 | wc -l)" -le $((before - owed + 1)) ]
	optimal
	any_may_go
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ "$output" != *"in no snapshot"* ]]
}

# ---- states ----

# In drives and in status: the state, why, and since when.
stands() { # drive state why
	local command filter='if .message_type == "status" then .drives[] else . end'
	for command in drives status; do
		"$MRMR" --json $command 2>/dev/null \
			| jq -c "$filter | select(.name == \"$1\") | [.state, .remark, .since]" >is
		cat is
		[ "$(jq -r '.[0]' is)" = "$2" ]
		[[ "$(jq -r '.[1]' is)" == $3 ]]
		[[ ! "$(jq -r '.[2]' is)" < "$began" ]]
		[[ ! "$(date -u +%Y-%m-%dT%H:%M:%SZ)" < "$(jq -r '.[2]' is)" ]]
	done
}

@test "each of the eight states of a drive, with its reason and its time" {
	began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	array_of_three --parity 1 --block-size 64K
	mkdir d4
	"$MRMR" add d4
	"$MRMR" put in
	stands d2 optimal ""
	"$MRMR" disable d2
	stands d2 disabled "it counts as one of the drives that are away"
	local at
	for at in 4 6 8 5 7 9 10 11 12 3 2 13 14; do
		run strace -f -qq -o /dev/null -e trace=rename,renameat,renameat2 -e signal=none \
			-e inject=rename,renameat,renameat2:signal=KILL:when=$at "$MRMR" enable d2
		[ "$(of_drive d2 state)" != recovering ] || break
		"$MRMR" disable d2
	done
	stands d2 recovering "it was away and is being looked through"
	"$MRMR" enable d2
	stands d2 optimal ""
	mv d2 away
	stands d2 absent "*d2: No such file or directory"
	head -c 100000 /dev/urandom >in/more
	"$MRMR" put in
	rm "$(blobs away/d2 | head -n 1)"
	mv away/d2 .
	stands d2 stale "lacks * journal segment*"
	"$MRMR" put in
	stands d2 degraded "1 damaged object"
	run "$MRMR" scrub
	stands d2 optimal ""
	mv d2 away
	cp -a d3 d2
	stands d2 failed "foreign: *d2 holds another drive of this array"
	rm -r d2
	mv away/d2 .
	"$MRMR" drain d2
	stands d2 draining "it holds nothing any more"
}

@test "a drive is disabled and recovered while a put of another process runs" {
	array_of_three --parity 1 --block-size 64K
	mkdir d4
	"$MRMR" add d4
	head -c 3000000 /dev/urandom >in/much
	# So slow that four commands end before it does, however long one takes here; then it is let go.
	local one_ms
	one_ms=$(date +%s%3N)
	"$MRMR" snapshots
	one_ms=$(($(date +%s%3N) - one_ms))
	env ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" strace -D -f -qq -o /dev/null -e trace=renameat2 \
		-e signal=none -e inject=renameat2:delay_enter=$((200000 + one_ms * 600)) "$MRMR" put in >said 2>&1 3>&- &
	put=$! # mrmr itself
	until [ -n "$(find d?/.mrmr -path '*~tmp/*')" ]; do
		kill -0 "$put"
		sleep 0.02
	done
	"$MRMR" disable d2
	[ "$(of_drive d2 state)" = disabled ]
	"$MRMR" enable d2
	[ "$(of_drive d2 state)" = optimal ]
	kill -0 "$put"
	kill "$(awk '/^TracerPid:/ && $2 { print $2 }' "/proc/$put/status")"
	wait "$put" && code=0 || code=$?
	put=
	cat said
	[ "$code" -eq 0 ]
	optimal
	any_may_go
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}
