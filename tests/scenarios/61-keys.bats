# Wrong keys, edited slots and objects under names of another kind.

# bats file_tags=serial
load common

setup() {
	fresh_home
	array_of_three
	head -c 200000 /dev/urandom >letter
	"$MRMR" put letter
	recovery=$(sed -n 's/^recovery key: //p' recovery)
}

everything() {
	find d1 d2 d3 config state -type f -exec sha256sum {} + | sort -k 2
}

by_recovery_key() {
	MRMR_KEY_FILE= MRMR_PASSPHRASE=$recovery "$MRMR" cat latest:letter
}

# Puts a slot, changed by jq, on all drives in place of the key file's.
plant() {
	local drive name
	jq "$1" slot >planted
	name=$slot_id-$(sha256sum planted | cut -c1-64).json
	for drive in d1 d2 d3; do
		find $drive/.mrmr/keys -name "$slot_id-*" -delete
		cp planted "$drive/.mrmr/keys/$name"
	done
	rm -rf state
}

take_slot() {
	slot_id=$("$MRMR" --json key list | jq -r 'select(.kind == "key-file") | .id')
	cp d1/.mrmr/keys/"$slot_id"-*.json slot
}

@test "a wrong passphrase, key file or recovery key: one wording, exit 12, nothing changed" {
	MRMR_NEW_PASSPHRASE=right "$MRMR" key add
	mkdir other
	MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 \
		"$MRMR" init --key-file key2 other >r2 2>&1
	other=$(sed -n 's/^recovery key: //p' r2)
	[ -n "$other" ]
	everything >before
	MRMR_KEY_FILE= MRMR_PASSPHRASE=wrong run "$MRMR" put letter
	[ "$status" -eq 12 ]
	said=$output
	MRMR_KEY_FILE= MRMR_PASSPHRASE=wronger run "$MRMR" put letter
	[ "$status" -eq 12 ]
	[ "$output" = "$said" ]
	MRMR_KEY_FILE= MRMR_PASSPHRASE=$other run "$MRMR" put letter
	[ "$status" -eq 12 ]
	[ "$output" = "$said" ]
	MRMR_KEY_FILE=$PWD/key2 run "$MRMR" put letter
	[ "$status" -eq 12 ]
	everything | diff before -
}

@test "a slot with any member changed opens nothing, and the others still do" {
	take_slot
	[ -s slot ]
	plant .
	"$MRMR" cat latest:letter | cmp - letter
	for member in $(jq -r 'keys[]' slot); do
		plant "if (.$member | type) == \"number\" then .$member += 1
			else .$member |= (tostring | if test(\"^0\") then sub(\"^.\"; \"1\")
				else sub(\"^.\"; \"0\") end) end"
		cmp -s slot planted && return 1
		echo "member $member"
		run "$MRMR" cat latest:letter
		[ "$status" -eq 12 ]
		by_recovery_key | cmp - letter
	done
}

@test "a slot with a member nobody knows opens nothing" {
	take_slot
	plant '. + {unknown: 1}'
	run "$MRMR" cat latest:letter
	[ "$status" -eq 12 ]
	by_recovery_key | cmp - letter
}

@test "an object under the name of another kind does no harm" {
	block=$(find d?/.mrmr/blocks -type f | head -n 1)
	segment=$(find d1/.mrmr/journal -type f | head -n 1)
	for drive in d1 d2 d3; do
		name=$(basename "$segment" | sed 's/-[0-9a-f]*$//')
		sum=$(sha256sum "$block" | cut -c1-64)
		cp "$block" "$(dirname "${segment/d1/$drive}")/$name-$sum"
		sum=$(sha256sum "$segment" | cut -c1-64)
		mkdir -p "$drive/.mrmr/blocks/${sum:0:2}"
		cp "$segment" "$drive/.mrmr/blocks/${sum:0:2}/$sum.blob"
	done
	"$MRMR" cat latest:letter | cmp - letter
	rm -rf state
	"$MRMR" cat latest:letter | cmp - letter
	by_recovery_key | cmp - letter
}
