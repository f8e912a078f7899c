# bats file_tags=serial
load common
bats_require_minimum_version 1.5.0

# Key slots: key list, add, remove, passwd, recovery. A key file opens the array unless a test is
# about passphrases.
setup() {
	fresh_home
	array_of_three
	echo "the only copy" >letter
	"$MRMR" put letter
}

slot() { # the only one of a kind
	"$MRMR" --json key list | jq -r "select(.kind == \"$1\" and (.removed | not)) | .id"
}

add_key_file() { # prints its slot
	"$MRMR" key add --key-file "$1" | sed 's/slot \([0-9a-f]*\) .*/\1/'
}

slots_on() {
	find "$1/.mrmr/keys" -name '*.json' -printf '%f\n' | sort
}

opens_with_passphrase() {
	MRMR_KEY_FILE= MRMR_PASSPHRASE=$1 "$MRMR" cat latest:letter
}

@test "key list tells id, kind and age of every slot, and needs no key" {
	mv key elsewhere
	unset MRMR_PASSPHRASE MRMR_KEY_FILE
	run --separate-stderr "$MRMR" key list </dev/null
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[ "${#lines[@]}" -eq 2 ]
	[[ "$output" =~ [0-9a-f]{32}\ \ key-file\ \ \ *20[0-9-]+\ [0-9:]+ ]]
	[[ "$output" == *"  recovery  "* ]]
	run "$MRMR" --json key list
	[ "$(jq -r '.message_type, .known' <<<"$output" | sort -u | tr '\n' ' ')" = "slot true " ]
	[ "$(jq -r '.created | fromdate | type' <<<"$output" | sort -u)" = number ]
}

@test "key list --expect-head asks for the key after all" {
	run "$MRMR" --expect-head "$(printf '%064d' 0)" key list
	[ "$status" -eq 26 ]
	head=$("$MRMR" put letter | sed -n 's/^head //p')
	run "$MRMR" --expect-head "$head" key list
	[ "$status" -eq 0 ]
	MRMR_KEY_FILE= MRMR_PASSPHRASE=wrong run "$MRMR" --expect-head "$head" key list
	[ "$status" -eq 12 ]
}

@test "key add: a new passphrase opens the array beside the old key" {
	MRMR_NEW_PASSPHRASE='a second way in' run "$MRMR" key add
	[ "$status" -eq 0 ]
	[[ "$output" =~ ^slot\ [0-9a-f]{32}\ \(passphrase\)\ added$ ]]
	[ "$("$MRMR" key list | wc -l)" -eq 3 ]
	[ "$(opens_with_passphrase 'a second way in')" = "the only copy" ]
	[ "$("$MRMR" cat latest:letter)" = "the only copy" ]
	run opens_with_passphrase 'a third way in'
	[ "$status" -eq 12 ]
	[ "$(slots_on d1)" = "$(slots_on d3)" ]
	[ "$(slots_on d1 | wc -l)" -eq 3 ]
}

@test "key add --key-file: a new key file, never over an existing one" {
	run "$MRMR" key add --key-file key2
	[ "$status" -eq 0 ]
	[ "$(stat -c %a key2)" = 600 ]
	[ "$(MRMR_KEY_FILE=$PWD/key2 "$MRMR" cat latest:letter)" = "the only copy" ]
	cp key2 before
	run "$MRMR" key add --key-file key2
	[ "$status" -eq 1 ]
	cmp key2 before
	[ "$("$MRMR" key list | wc -l)" -eq 3 ]
}

@test "key add -n and the others change nothing" {
	slots_on d1 >before
	"$MRMR" key add -n
	"$MRMR" key add -n --key-file key2
	"$MRMR" key recovery -n
	"$MRMR" key remove -n "$(slot recovery)"
	slots_on d1 | diff before -
	[ ! -e key2 ]
}

@test "key remove: that slot opens nothing any more, on any drive" {
	old=$(add_key_file key2)
	run "$MRMR" key remove "${old:0:10}"
	[ "$status" -eq 0 ]
	[ "$output" = "slot $old (key-file) removed" ]
	MRMR_KEY_FILE=$PWD/key2 run "$MRMR" cat latest:letter
	[ "$status" -eq 12 ]
	[ "$("$MRMR" cat latest:letter)" = "the only copy" ]
	run ! grep -rl "$old" d1 d2 d3 state --include='*.json'
}

@test "key remove of a slot that does not exist: exit 1" {
	for word in ffffffff '' "$(slot recovery)0"; do
		run "$MRMR" key remove "$word"
		[ "$status" -eq 1 ]
		[ "${lines[0]}" = "mrmr: slot $word: there is none" ]
	done
}

@test "key remove of the only slot left is refused" {
	"$MRMR" key remove "$(slot recovery)"
	run "$MRMR" key remove "$(slot key-file)"
	[ "$status" -eq 2 ]
	[[ "$output" == *"it is the only key slot"* ]]
	[ "$("$MRMR" cat latest:letter)" = "the only copy" ]
}

@test "there are 16 slots at most; an id that is not unique is refused" {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
		"$MRMR" key add --key-file key2
		rm key2
	done
	run "$MRMR" key add --key-file key2
	[ "$status" -eq 2 ]
	[[ "$output" == *"there are 16 key slots"* ]]
	[ ! -e key2 ]
	# 16 ids that all begin differently come once in 10^6 runs.
	twice=$("$MRMR" key list | cut -c1 | sort | uniq -d | head -n 1)
	run "$MRMR" key remove "$twice"
	[ "$status" -eq 2 ]
	[[ "$output" == *"ids begin so"* ]]
}

@test "key passwd: the new passphrase opens, the old one does not" {
	MRMR_NEW_PASSPHRASE='old one' "$MRMR" key add
	old=$(slot passphrase)
	unset MRMR_KEY_FILE
	MRMR_PASSPHRASE='old one' MRMR_NEW_PASSPHRASE='new one' run "$MRMR" key passwd
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "slot "*" (passphrase) added" ]]
	[ "${lines[1]}" = "slot $old (passphrase) removed" ]
	[ "$(opens_with_passphrase 'new one')" = "the only copy" ]
	run opens_with_passphrase 'old one'
	[ "$status" -eq 12 ]
	[ "$("$MRMR" key list | wc -l)" -eq 3 ]
}

@test "key passwd with a wrong passphrase, or none of its kind: nothing changes" {
	MRMR_NEW_PASSPHRASE='old one' "$MRMR" key add
	slots_on d1 >before
	MRMR_KEY_FILE= MRMR_PASSPHRASE=wrong MRMR_NEW_PASSPHRASE=new run "$MRMR" key passwd
	[ "$status" -eq 12 ]
	MRMR_NEW_PASSPHRASE=new run "$MRMR" key passwd
	[ "$status" -eq 2 ]
	[[ "$output" == *"not opened by a passphrase, but by a key file"*"mrmr key add"* ]]
	MRMR_KEY_FILE= MRMR_PASSPHRASE='old one' MRMR_NEW_PASSPHRASE= run "$MRMR" key passwd
	[ "$status" -eq 2 ]
	slots_on d1 | diff before -
}

@test "key recovery: a new recovery key opens, the old one does not" {
	old=$(sed -n 's/^recovery key: //p' recovery)
	[ "$(opens_with_passphrase "$old")" = "the only copy" ]
	run "$MRMR" key recovery
	[ "$status" -eq 0 ]
	new=$(sed -n 's/^recovery key: //p' <<<"$output")
	[ "$(opens_with_passphrase "$new")" = "the only copy" ]
	run opens_with_passphrase "$old"
	[ "$status" -eq 12 ]
	[ "$("$MRMR" --json key list | jq -r .kind | grep -c recovery)" -eq 1 ]
}

@test "key recovery whose key nobody could read leaves the old one valid" {
	old=$(sed -n 's/^recovery key: //p' recovery)
	run bash -c '"$MRMR" key recovery >/dev/full'
	[ "$status" -eq 25 ]
	[ "$(opens_with_passphrase "$old")" = "the only copy" ]
}

@test "a drive that was away loses removed slots and gets new ones when it is back" {
	old=$(add_key_file key2)
	mv d2 away
	run "$MRMR" key remove "$old"
	[ "$status" -eq 0 ]
	[[ "$output" == *"stays on drive d2"* ]]
	"$MRMR" key add --key-file key3
	mv away d2
	rm state/*/table.sqlite
	run "$MRMR" key list
	[[ "$output" == *"$old"* ]]
	"$MRMR" put letter
	[ "$(slots_on d2)" = "$(slots_on d1)" ]
	run ! grep -rl "$old" d1 d2 d3 state --include='*.json'
	[ "$(MRMR_KEY_FILE=$PWD/key3 "$MRMR" cat latest:letter)" = "the only copy" ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "scrub puts back a slot that a drive lost, and never one that was removed" {
	old=$(add_key_file key2)
	cp d1/.mrmr/keys/"$old"-*.json planted
	name=$(basename d1/.mrmr/keys/"$old"-*.json)
	"$MRMR" key remove "$old"
	cp planted "d2/.mrmr/keys/$name"
	rm d3/.mrmr/keys/"$(slot recovery)"-*.json
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	[ "$(slots_on d3)" = "$(slots_on d1)" ]
	[ ! -e "d1/.mrmr/keys/$name" ]
}

@test "a slot that no journal knows is named so, and spreads to no other drive" {
	(
		export MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2
		mkdir other
		"$MRMR" init --key-file key2 other
	)
	mine=$(jq -r .array_id config/default.json)
	theirs=$(find other/.mrmr/keys -name '*.json' | head -n 1)
	id=$(basename "$theirs" | cut -c1-32)
	sed "s/\"array_id\": \"[0-9a-f]*\"/\"array_id\": \"$mine\"/" "$theirs" >planted
	grep -q "$mine" planted
	name=$id-$(sha256sum planted | cut -c1-64).json
	cp planted "d2/.mrmr/keys/$name"
	run "$MRMR" key list
	[ "$(grep -c "^$id .*no journal knows it" <<<"$output")" -eq 1 ]
	mv d3 away
	"$MRMR" put letter
	mv away d3
	echo changed >letter
	"$MRMR" put letter
	"$MRMR" scrub
	[ ! -e "d1/.mrmr/keys/$name" ]
	[ ! -e "d3/.mrmr/keys/$name" ]
}

# ---- what opens nothing any more, what is made anew ----

@test "a removed slot that a drive brings back opens nothing while the journals are known" {
	old=$(add_key_file key2)
	mv d2 away
	"$MRMR" key remove "$old"
	mv away d2
	[ -e d2/.mrmr/keys/"$old"-*.json ]
	MRMR_KEY_FILE=$PWD/key2 run "$MRMR" cat latest:letter
	[ "$status" -eq 12 ]
	[ "${lines[0]}" = "mrmr: wrong passphrase or key" ]
	"$MRMR" scrub
	run ! grep -rl "$old" d1 d2 d3 --include='*.json'
}

@test "a passphrase that is changed to itself still opens, whatever slots come back" {
	MRMR_NEW_PASSPHRASE=same "$MRMR" key add
	mv d2 away
	MRMR_KEY_FILE= MRMR_PASSPHRASE=same MRMR_NEW_PASSPHRASE=same "$MRMR" key passwd
	mv away d2
	[ "$(opens_with_passphrase same)" = "the only copy" ]
}

# A slot like those of the time when the floor was the default, in the place of the passphrase's.
make_cheap() {
	local id name
	id=$(slot passphrase)
	MRMR_PASSPHRASE=old /usr/bin/python3 -B "$BATS_TEST_DIRNAME/cheap_slot.py" d1/.mrmr/keys/"$id"-*.json >cheap
	name=$id-$(sha256sum cheap | cut -c1-64).json
	for place in d1 d2 d3 state/*; do
		rm "$place"/.mrmr/keys/"$id"-*.json
		cp cheap "$place/.mrmr/keys/$name"
	done
}

cost() {
	"$MRMR" --json key list | jq -r 'select(.kind == "passphrase") | "\(.kdf_passes) \(.kdf_memory_bytes)"'
}

@test "a slot that is cheaper than those of today is made anew by a command that writes" {
	MRMR_NEW_PASSPHRASE=old "$MRMR" key add
	make_cheap
	[ "$(cost)" = "2 67108864" ]
	[ "$(opens_with_passphrase old)" = "the only copy" ]
	MRMR_KEY_FILE= MRMR_PASSPHRASE=old "$MRMR" put -n letter
	[ "$(cost)" = "2 67108864" ]
	MRMR_KEY_FILE= MRMR_PASSPHRASE=old run "$MRMR" -v put letter
	[ "$status" -eq 0 ]
	[[ "$output" == *"key slot was made anew"* ]]
	[ "$(cost)" = "3 134217728" ]
	[ "$(slots_on d1)" = "$(slots_on d3)" ]
	[ "$(slots_on d1 | wc -l)" -eq 3 ]
	[ "$(opens_with_passphrase old)" = "the only copy" ]
	MRMR_KEY_FILE= MRMR_PASSPHRASE=old run "$MRMR" -v put letter
	[[ "$output" != *"made anew"* ]]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "a slot that cannot be made anew keeps opening" {
	MRMR_NEW_PASSPHRASE=old "$MRMR" key add
	make_cheap
	for _ in 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		"$MRMR" key add --key-file key2
		rm key2
	done
	MRMR_KEY_FILE= MRMR_PASSPHRASE=old run "$MRMR" put letter
	[ "$status" -eq 0 ]
	[[ "$output" == *"warning: make the passphrase's key slot anew: there are 16 key slots"* ]]
	[ "$(opens_with_passphrase old)" = "the only copy" ]
}
