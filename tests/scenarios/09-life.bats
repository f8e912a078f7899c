# The whole life of a small array, as it is typed: also run by valgrind and the sanitizers.

load common

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 in in/folder in/empty
	seq 1 20000 >in/folder/numbers
	head -c 90000 /dev/urandom >in/noise
	ln in/noise in/twin
	ln -s folder/numbers in/link
	truncate -s 1M in/hole
}

compare() { # snapshot
	rm -rf out
	"$MRMR" get "$1" --to out
	run rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/"
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
}

# bats test_tags=valgrind
@test "made, filled, looked at, damaged, a drive lost and rebuilt, found again: all is there" {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3 >said
	grep -q '^recovery key: ' said
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in >said
	echo more >>in/folder/numbers
	"$MRMR" put in >said
	id=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' said)
	"$MRMR" snapshots | grep -q "${id:0:8}"
	"$MRMR" ls -R "$id" | grep -q folder/numbers
	"$MRMR" cat "$id:$PWD/in/folder/numbers" | cmp - in/folder/numbers
	"$MRMR" whereis "$id:$PWD/in/noise" | grep -q d2

	rm -r d2
	compare latest
	run "$MRMR" status
	[ "$status" -eq 20 ]
	mkdir d4
	"$MRMR" rebuild d2 --onto d4
	damaged=$(find d1/.mrmr -name '*.blob' | head -n 1)
	truncate -s -1 "$damaged"
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]

	rm -r state config
	"$MRMR" recover d1 d4
	compare "$id"
}
