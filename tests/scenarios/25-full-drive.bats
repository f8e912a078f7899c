# Drives that fill up: what was meant for them goes elsewhere, or the put ends with 25 and no snapshot.

load common

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in away
	head -c 300000 /dev/urandom >in/old
}

teardown() {
	local place
	for place in "$BATS_TEST_TMPDIR"/[dn]?; do
		! mountpoint -q "$place" || umount "$place"
	done
}

# A small file system of its own at each of the places: small OPTIONS PLACE...
small() {
	local place options=$1
	shift
	for place in "$@"; do
		mount -t tmpfs -o "$options" none "$place" 2>/dev/null ||
			skip "only root can mount a small file system"
	done
}

make_array() { # parity drive...
	local parity=$1
	shift
	"$MRMR" init --key-file key --parity "$parity" --block-size 64K "$@"
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
}

compare() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

any_one_may_go() {
	local lost
	for lost in "$@"; do
		mv "$lost" away
		compare
		mv "away/$lost" .
	done
}

@test "a drive at its max gets nothing more, and the others take what it would have got" {
	make_array 1 d1 d2 d3 d4
	"$MRMR" set d4.max=400K
	head -c 3000000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	[ "$(du -sb d4/.mrmr | cut -f 1)" -le 409600 ]
	[ "$(du -sb d1/.mrmr | cut -f 1)" -gt 800000 ]
	any_one_may_go d1 d2 d3 d4
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

@test "a drive that is full by its file system gets nothing more" {
	small size=800k d4
	make_array 1 d1 d2 d3 d4
	head -c 4000000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	compare
	for lost in d1 d2 d3; do
		mv "$lost" away
		compare
		mv "away/$lost" .
	done
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

# Its file system has room for bytes, but for no more files: that shows when it is written to.
@test "a drive that turns out to be full is left alone, named, and its objects are placed anew" {
	small size=8m,nr_inodes=40 d4
	make_array 1 d1 d2 d3 d4
	head -c 3000000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"d4"*"No space left on device"*"not written to any more in this run"* ]]
	compare
	for lost in d1 d2 d3; do
		mv "$lost" away
		compare
		mv "away/$lost" .
	done
	umount d4
	compare
}

@test "drives too few for a wide group: it is made narrower, and all its rows are there" {
	make_array 2 d1 d2 d3 d4
	"$MRMR" set d4.max=400K
	head -c 2000000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	for set in "d1 d2" "d1 d3" "d2 d3" "d3 d4"; do
		mv $set away
		compare
		mv away/* .
	done
}

@test "too few drives with room for parity: exit 25, no snapshot, and all that was there before" {
	make_array 1 d1 d2 d3 d4
	cp -a in before
	"$MRMR" set d2.max=600K d3.max=600K d4.max=600K
	head -c 4000000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 25 ]
	[[ "$output" == *"no room"* ]]
	[[ "$output" != *"saved"* ]]
	run "$MRMR" snapshots
	[ "${#lines[@]}" -eq 1 ]
	rm -rf out
	"$MRMR" get latest --to out
	diff -r before "out$PWD/in"
	run "$MRMR" status
	[ "$status" -eq 0 ]
	# With room again the same put succeeds, and does not store again what it had stored.
	"$MRMR" set d2.max=8M d3.max=8M d4.max=8M
	used=$(du -sb d? | awk '{ n += $1 } END { print n }')
	"$MRMR" put in
	[ "$(du -sb d? | awk '{ n += $1 } END { print n }')" -lt $((used + 5600000)) ]
	any_one_may_go d1 d2 d3 d4
}

@test "every drive full: reading works, and a put that needs no block still makes its snapshot" {
	small size=1500k d1 d2 d3 d4
	make_array 1 d1 d2 d3 d4
	head -c 8000000 /dev/urandom >in/new
	run "$MRMR" put in
	[ "$status" -eq 25 ]
	rm in/new
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	echo few >in/few
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	compare
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

@test "a lost drive that the others have no room for: what fits is rebuilt, the rest waits, exit 25" {
	make_array 1 d1 d2 d3 d4
	head -c 3000000 /dev/urandom >in/new
	"$MRMR" put in
	rm -r d4
	"$MRMR" set d1.max=1200K d2.max=1200K d3.max=1200K
	run "$MRMR" rebuild d4
	[ "$status" -eq 25 ]
	[[ "$output" == *"wait"*"for space"* ]]
	compare
	run "$MRMR" status
	[ "$status" -eq 20 ]
	# A new drive takes the rest.
	mkdir n4
	"$MRMR" add n4
	run "$MRMR" rebuild d4
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	any_one_may_go d1 d2 d3 n4
}

@test "a new drive that is too small takes what it has room for, and the others the rest" {
	mkdir n4
	small size=1500k n4
	make_array 1 d1 d2 d3 d4
	head -c 6000000 /dev/urandom >in/new
	"$MRMR" put in
	# The new drive takes the place of the lost one, its reserve too.
	"$MRMR" set d4.reserve=400K
	rm -r d4
	run "$MRMR" rebuild d4 --onto n4
	[ "$status" -eq 0 ]
	[ "$(find n4 -name '*.blob' | wc -l)" -gt 2 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	umount n4
	compare
}

# That it is full shows only when it is written to.
@test "a new drive that turns out to be full half-way is no end of the rebuild" {
	mkdir n4
	small size=20m,nr_inodes=50 n4
	make_array 1 d1 d2 d3 d4
	head -c 4000000 /dev/urandom >in/new
	"$MRMR" put in
	rm -r d4
	run "$MRMR" rebuild d4 --onto n4
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"n4"*"No space left on device"* ]]
	"$MRMR" put in
	umount n4
	compare
}
