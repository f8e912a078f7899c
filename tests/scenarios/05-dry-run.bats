# bats file_tags=serial
# -n: every command that changes something says what it would do, and writes nothing to any drive,
# config, key file or target.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in
	head -c 200000 /dev/urandom >in/noise
}

make_array() {
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
}

# Names, modes, times and contents of everything but the state folder.
everything() {
	find . -path ./state -prune -o -printf '%p %m %T@ %l\n' | sort
	find . -path ./state -prune -o -type f -exec sha256sum {} + | sort
}

# The options, with -n, say $1 and change nothing.
rehearse() {
	local want=$1
	shift
	everything >"$BATS_RUN_TMPDIR/before.$BATS_TEST_NUMBER"
	run "$MRMR" "$@" -n
	[ "$status" -eq 0 ] || { echo "$*: $status: $output"; return 1; }
	[[ "$output" == *"$want"* ]] || { echo "$*: $output"; return 1; }
	everything | diff "$BATS_RUN_TMPDIR/before.$BATS_TEST_NUMBER" - || { echo "$*"; return 1; }
}

@test "every command that has -n changes nothing with it" {
	rehearse "would create an array: 3 drives, parity 1" init --key-file key d1 d2 d3
	make_array
	echo more >in/more
	head -c 100000 /dev/urandom >in/noise2
	rehearse "files: 2 new, 0 changed, 1 unmodified" put in
	rehearse "would restore 1 file" get latest --to out
	rehearse "would add drive d4" add d4
	rehearse "would set d1.role=data" set d1.role=data
	rehearse "would disable drive d3" disable d3
	rehearse "would move" drain d3
	mv d2 d2.away
	rehearse "would remove drive d2" remove --lost d2
	mv d2.away d2
	rehearse "no damage found" scrub
	rehearse "would " key add --key-file key2
	MRMR_NEW_PASSPHRASE=x rehearse "would " key add
	rehearse "would" key recovery
	slot=$("$MRMR" --json key list | jq -r 'select(.kind == "recovery") | .id')
	rehearse "would remove" key remove "$slot"
	rehearse "would re-create 0 objects" rebuild
	rehearse "would change nothing" rebalance
}

@test "passwd -n changes nothing" {
	"$MRMR" init --parity 1 d1 d2 d3
	MRMR_NEW_PASSPHRASE=another rehearse "would" key passwd
	"$MRMR" status
}

@test "get -n into what is there already, with --delete and --overwrite: it stays" {
	make_array
	mkdir -p "out$PWD/in"
	echo mine >"out$PWD/in/noise"
	echo other >"out$PWD/in/other"
	rehearse "would restore 1 file" get latest --to out --delete --overwrite always
}

@test "scrub -n finds damage, and exits 22 since it repairs none" {
	make_array
	printf x | dd of="$(find d1 -name '*.blob' | head -n 1)" bs=1 seek=999 conv=notrunc status=none
	everything >"$BATS_RUN_TMPDIR/before"
	run "$MRMR" scrub -n
	[ "$status" -eq 22 ]
	everything | diff "$BATS_RUN_TMPDIR/before" -
}

@test "rebuild -n of a lost drive, onto a new one or into free space" {
	make_array
	rm -r d2
	rehearse "would re-create " rebuild d2
	[[ "$output" != *"would re-create 0 "* ]]
	rehearse "would re-create " rebuild d2 --onto d4
	run "$MRMR" rebuild -n d1
	[ "$status" -eq 2 ]
	run "$MRMR" rebuild -n d2 --onto nowhere
	[ "$status" -eq 2 ]
	run "$MRMR" rebuild -n d2 --onto d3
	[ "$status" -eq 2 ]
}

@test "recover -n looks only" {
	make_array
	rm -r config state
	mkdir state
	rehearse "would be" recover d1 d2 d3
	[ ! -e config ]
	rm -r d?/.mrmr/journal state/*
	rehearse "would be" recover --scan d1 d2 d3
	[ ! -e config ]
}

@test "init -n refuses what init refuses" {
	run "$MRMR" init -n --key-file key d1 nowhere
	[ "$status" -eq 2 ]
	run "$MRMR" init -n --key-file key --parity 2 d1 d2
	[ "$status" -eq 2 ]
	make_array
	run "$MRMR" init -n --key-file key2 d4
	[ "$status" -eq 1 ]
	rm -r config
	run "$MRMR" init -n --key-file key2 d1 d4
	[ "$status" -eq 1 ]
	[[ "$output" == *"it is already marked as a drive"* ]]
}
