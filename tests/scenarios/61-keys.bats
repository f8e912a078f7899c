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

@test "a passphrase's slot with any parameter changed, or below the floor, opens nothing" {
	MRMR_NEW_PASSPHRASE=right "$MRMR" key add
	slot_id=$("$MRMR" --json key list | jq -r 'select(.kind == "passphrase") | .id')
	cp d1/.mrmr/keys/"$slot_id"-*.json slot
	unset MRMR_KEY_FILE
	cases=0
	for edit in '.kdf.passes += 1' '.kdf.passes = 1' '.kdf.passes = 65' '.kdf.memory_bytes += 1024' \
		'.kdf.memory_bytes += 1' '.kdf.memory_bytes = 33554432' '.kdf.memory_bytes = 2199023255552' \
		'.kdf.salt |= if test("^0") then sub("^."; "1") else sub("^."; "0") end' '.kdf.alg = "argon2i"' \
		'.kdf.alg = "none"' 'del(.kdf)' 'del(.kdf.salt)' '.kdf += {more: 1}' '.kdf = []' \
		'.format = 0' '.format = 2' '.kind = "recovery"' '.epoch = 2'; do
		plant "$edit"
		echo "$edit"
		MRMR_PASSPHRASE=right run "$MRMR" cat latest:letter
		[ "$status" -eq 12 ]
		[ "${lines[0]}" = "mrmr: wrong passphrase or key" ]
		cases=$((cases + 1))
	done
	by_recovery_key | cmp - letter
	plant .
	MRMR_PASSPHRASE=right "$MRMR" cat latest:letter | cmp - letter
	echo "# $cases changes of a passphrase's slot" >&3
}

@test "every wrong secret of every kind: refused, nothing changed" {
	MRMR_NEW_PASSPHRASE=right "$MRMR" key add
	other=$(tr 0-9 1-90 <<<"$recovery")
	echo "mrmr-key-1 $(printf '%064d' 7)" >wrong
	echo "mrmr-key-1 1234" >short
	head -c 100 /dev/urandom >noise
	cp key open
	chmod 600 wrong short noise
	chmod 644 open
	everything >before
	for file in wrong short noise open nowhere .; do
		echo "$file"
		MRMR_KEY_FILE=$file run "$MRMR" put letter
		[ "$status" -eq 12 ]
	done
	for secret in Right 'right ' rightright "$other" "${recovery%?}" "${recovery}0" x; do
		echo "$secret"
		MRMR_KEY_FILE= MRMR_PASSPHRASE=$secret run "$MRMR" put letter
		[ "$status" -eq 12 ]
		[ "${lines[0]}" = "mrmr: wrong passphrase or key" ]
	done
	everything | diff before -
	spaced=$(tr 'A-Z-' 'a-z ' <<<"$recovery")
	MRMR_KEY_FILE= MRMR_PASSPHRASE=$spaced "$MRMR" cat latest:letter | cmp - letter
	MRMR_KEY_FILE= MRMR_PASSPHRASE=right "$MRMR" cat latest:letter | cmp - letter
}
