# bats file_tags=serial
# Arrays that earlier versions made (tests/golden/make): this one opens, restores, verifies, repairs and
# goes on with all of them, for ever.

load common

golden=$BATS_TEST_DIRNAME/../golden
source "$golden/make"

setup() {
	fresh_home
	unset MRMR_PASSPHRASE
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
}

# An own copy of one of them, found by its drives.
take() {
	rm -rf d? config state out key expected.* passphrase recovery
	cp -r "$1"/* .
	chmod 600 key
}

restores() { # each snapshot as it was expected
	local expected
	rm -rf state/*/table.sqlite*
	for expected in expected.*; do
		rm -rf out
		"$MRMR" get "${expected#*.}" --to out || return 1
		listing out/tmp/mrmr-golden/in | diff "$expected" - || return 1
	done
}

each_golden() { # the function to try on every array
	local array count=0
	for array in "$golden"/*/; do
		take "$array"
		"$1" || { echo "$array"; return 1; }
		count=$((count + 1))
	done
	[ "$count" -ge 1 ]
}

restore_from_all_and_from_any_two() {
	local lost
	"$MRMR" recover d1 d2 d3 || return 1
	"$MRMR" scrub || return 1
	restores || return 1
	for lost in d1 d2 d3; do
		mv "$lost" away
		restores || return 1
		mv away "$lost"
	done
}

@test "every golden array is found by its drives, is whole, and restores, with any drive lost too" {
	each_golden restore_from_all_and_from_any_two
}

open_by_every_key() {
	"$MRMR" recover d1 d2 d3 || return 1
	MRMR_KEY_FILE='' MRMR_PASSPHRASE=$(cat passphrase) "$MRMR" ls latest || return 1
	MRMR_KEY_FILE='' MRMR_PASSPHRASE=$(cat recovery) "$MRMR" ls latest || return 1
}

@test "every golden array opens by its key file, passphrase and recovery key" {
	each_golden open_by_every_key
}

go_on() {
	"$MRMR" recover d1 d2 d3 || return 1
	mkdir -p new
	head -c 30000 /dev/urandom >new/noise
	"$MRMR" put new || return 1
	rm -rf d2
	mkdir d4
	"$MRMR" rebuild d2 --onto d4 || return 1
	"$MRMR" scrub || return 1
	restores || return 1
	"$MRMR" cat latest:new/noise | cmp - new/noise
}

@test "every golden array is put into, rebuilt and scrubbed, and restores as before" {
	each_golden go_on
}

found_in_blocks() {
	rm -r d?/.mrmr/journal
	"$MRMR" recover --scan d1 d2 d3 || return 1
	"$MRMR" snapshots >listed
	[ -s listed ]
}

@test "every golden array is found again without its journals" {
	each_golden found_in_blocks
}

read_by_reader() {
	local expected
	for expected in expected.*; do
		/usr/bin/python3 "$BATS_TEST_DIRNAME/../reader.py" cat d1 d3 -- "${expected#*.}" \
			/tmp/mrmr-golden/in/folder/numbers | sha256sum | cut -c 1-64 >sum
		grep -q "^$(cat sum)  folder/numbers$" "$expected" || return 1
	done
}

@test "the reader of mrmr-format(5) reads every golden array" {
	each_golden read_by_reader
}
