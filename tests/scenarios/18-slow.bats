#!/usr/bin/env bats
# A drive that is slow or hangs, as tests/preload/slow.c makes one: put and get end all the same.

load common

setup() {
	fresh_home
	preload slow
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir d1 d2 d3 d4 in
	"$MRMR" init --key-file key --parity 1 --block-size 1M d1 d2 d3 d4 >recovery 2>&1
	for i in 1 2 3 4 5 6; do
		head -c 1000000 /dev/urandom >"in/f$i"
	done
}

# slow CALLS MS FOLDER COMMAND...
slow() {
	local calls=$1 ms=$2 folder=$3
	shift 3
	SLOW_CALLS=$calls SLOW_MS=$ms SLOW_BELOW=$PWD/$folder LD_PRELOAD=$shim "$@"
}

# What the command took, in milliseconds, is in $took; what it wrote in out.txt and err.txt.
timed() {
	local began
	began=$(date +%s%3N)
	status=0
	"$@" >out.txt 2>err.txt || status=$?
	took=$(($(date +%s%3N) - began))
}

@test "get: a drive that hangs is named once, and everything is restored" {
	"$MRMR" put in
	timed slow read 0 d2/.mrmr/blocks timeout 60 "$MRMR" get latest --to out
	cat err.txt
	[ "$status" -eq 0 ]
	diff -r in "out$PWD/in"
	[ "$(grep -c 'd2' err.txt)" -eq 1 ]
	grep 'drive d2: no answer in' err.txt
	# On a busy machine others may seem to stall for a moment, too: each is named once, and nothing else is told.
	run grep -v 'drive d[134]: no answer in' err.txt
	[ "${#lines[@]}" -eq 1 ]
	run uniq -d <(sed 's/: no answer.*//' err.txt | sort)
	[ "$output" = "" ]
	[ "$took" -lt 20000 ]
}

@test "get: a drive that takes 300 ms for each read costs a small factor, not its time" {
	"$MRMR" put in
	timed "$MRMR" get latest --to out1
	[ "$status" -eq 0 ]
	local without=$took
	timed slow read 300 d2 timeout 60 "$MRMR" get latest --to out2
	cat err.txt
	echo "without $without ms, with $took ms"
	[ "$status" -eq 0 ]
	diff -r in "out2$PWD/in"
	# 1.5 MB lie there: 6 frames one after the other would take 2 s more than opening does.
	[ "$took" -lt $((2 * without + 4000)) ]
	run "$MRMR" --json drives
	# Reads that were left behind may have told nothing; those of scrub are waited for.
	slow read 300 d2 timeout 60 "$MRMR" -q scrub --drive d2
	run "$MRMR" --json drives
	rate() { jq -r "select(.name == \"$1\") | .read_bytes_per_second" <<<"$output"; }
	echo "d1 $(rate d1), d2 $(rate d2)"
	[ "$(rate d2)" -gt 0 ]
	[ "$(rate d2)" -lt $(($(rate d1) / 4)) ]
}

@test "put --ack enough: a drive whose writes hang is passed over, and what is put survives any loss" {
	timed slow write 0 d3 timeout 60 "$MRMR" put --ack enough in
	cat err.txt
	[ "$status" -eq 0 ]
	[ "$took" -lt 30000 ]
	grep 'drive d3: slower than the others: not waited for' err.txt
	for d in d1 d2 d3 d4; do
		mv "$d" away
		rm -rf out state/*/table.sqlite*
		"$MRMR" get latest --to out
		diff -r in "out$PWD/in"
		mv away "$d"
	done
	# Nor does what is tidied up at the end of a put ask anything of it.
	for i in 1 2 3 4 5 6 7 8; do
		head -c 50000 /dev/urandom >in/small$i
		[ $i -eq 8 ] || "$MRMR" -q put in/small$i
	done
	timed slow write 0 d3 timeout 60 "$MRMR" put --ack enough in
	cat err.txt
	[ "$status" -eq 0 ]
	[ "$took" -lt 30000 ]
	echo more >in/more
	"$MRMR" put in
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "drives -v tells how fast each drive is" {
	"$MRMR" put in
	"$MRMR" get latest --to out
	run "$MRMR" drives -v
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c '[0-9] ms .*/s read .*/s written' <<<"$output")" -eq 4 ]
	run "$MRMR" --json drives
	[ "$(jq -r 'select(.read_bytes_per_second > 0 and .write_bytes_per_second > 0 and .distance == 0) | .name' <<<"$output" | wc -l)" -eq 4 ]
	# It is this host's view alone, and losing it costs nothing.
	for junk in '' '[]' '{"x": 1}' "{\"$(jq -r .drive_id <<<"$output" | head -1)\": {\"answers\": -1}}"; do
		printf %s "$junk" >"$(echo state/*/)paces.json"
		"$MRMR" drives -v
	done
}

@test "put --ack: anything but all and enough is a usage error" {
	run "$MRMR" put --ack some in
	[ "$status" -eq 2 ]
}
