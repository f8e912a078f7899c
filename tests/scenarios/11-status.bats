# bats file_tags=serial
load common
bats_require_minimum_version 1.5.0

# How the array is: status and drives.
setup() {
	fresh_home
	array_of_three
	mkdir in
	head -c 3000000 /dev/urandom >in/noise
	"$MRMR" put in
}

state_of() {
	"$MRMR" --json drives 2>/dev/null | jq -r "select(.name == \"$1\") | .state"
}

# Flips a byte in the middle of some block of a drive.
damage_a_block() {
	local block
	block=$(find "$1/.mrmr/blocks" -name '*.blob' | head -n 1)
	chmod u+w "$block"
	printf '\377\376' | dd of="$block" bs=1 seek=1000 conv=notrunc status=none
}

@test "all is well: state optimal, exit 0, no action" {
	run --separate-stderr "$MRMR" status
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	[ "${lines[1]}" = "state:    optimal" ]
	[ "${lines[2]}" = "status:   Everything can be read, and the loss of any 1 drive would lose nothing." ]
	[[ "$output" != *"action:"* ]]
	[ "$(grep -c '^  d[123] *optimal ' <<<"$output")" -eq 3 ]
	run "$MRMR" drives
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ "${lines[0]}" == "d1  optimal  both "* ]]
}

@test "a drive absent: degraded, exit 20, and what to do about it" {
	mv d2 away
	run --separate-stderr "$MRMR" status
	[ "$status" -eq 20 ]
	[ "${lines[1]}" = "state:    degraded" ]
	[[ "$output" == *"d2 is absent: "* ]]
	[[ "$output" == *"the loss of one more drive would lose data."* ]]
	[[ "$output" == *"action:   Bring d2 back"*"mrmr rebuild d2"* ]]
	run "$MRMR" drives
	[ "$status" -eq 0 ]
	[ "$(state_of d2)" = absent ]
	[ "$(state_of d1)" = optimal ]
}

@test "an empty folder in place of a drive is an absent drive" {
	mv d2 away
	mkdir d2
	[ "$(state_of d2)" = absent ]
	[ -z "$(ls -A d2)" ]
}

@test "more drives absent than parity: failed, and how much cannot be read" {
	mv d1 away1
	mv d2 away2
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"state:    failed"* ]]
	[[ "$output" == *" of data cannot be read with the drives at hand"* ]]
	[[ "$output" != *"mrmr rebuild"* ]]
	run bash -c '"$MRMR" --json status 2>/dev/null | jq -r "select(.message_type == \"status\") | .state, (.bytes_lost > 1000000), .absent"'
	[ "$output" = "failed
true
2" ]
}

@test "a drive that missed a put is stale until a command that writes" {
	mv d2 away
	echo more >in/more
	"$MRMR" put in
	mv away d2
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d2 is stale: lacks 1 journal segment."* ]]
	[ "$(state_of d2)" = stale ]
	"$MRMR" rebuild
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[ "$(state_of d2)" = optimal ]
}

@test "parity that no drive could take is owed until one can" {
	rm -r d1 d2 d3 config state key
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir d1 d2
	"$MRMR" init --key-file key d1 d2
	mv d2 away
	run "$MRMR" put in
	[ "$status" -eq 20 ]
	mv away d2
	rm state/*/table.sqlite
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"owed: no drive has"* ]]
	[[ "$output" == *"mrmr rebuild"* ]]
	"$MRMR" rebuild
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[[ "$output" == *"the loss of any 1 drive would lose nothing."* ]]
}

@test "damage that scrub could not repair is an error of its drive until it can" {
	holder=$("$MRMR" --json whereis latest:in/noise | jq -r '.groups[]?.rows[].drive' | head -n 1)
	damaged=$("$MRMR" --json whereis latest:in/noise | jq -r 'select(.block) | .drive' | head -n 1)
	damage_a_block "$damaged"
	mv "$holder" away
	run "$MRMR" scrub
	[ "$status" -eq 22 ]
	mv away "$holder"
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"$damaged is degraded: 1 damaged object."* ]]
	[[ "$output" == *"mrmr scrub --drive $damaged"* ]]
	# What is damaged counts as lost: no other drive may be.
	[[ "$output" == *"until the damage is repaired the loss of one more drive could lose data."* ]]
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[ "$(state_of "$damaged")" = optimal ]
}

@test "damage that parity cannot make up for is told before it is known to be beyond repair" {
	"$MRMR" -q set parity=0
	damaged=$("$MRMR" --json whereis latest:in/noise | jq -r 'select(.block) | .drive' | head -n 1)
	damage_a_block "$damaged"
	mkdir home/gone
	other=d1
	[ "$damaged" != d1 ] || other=d2
	mv "$other" home/gone
	run "$MRMR" scrub
	[ "$status" -eq 22 ]
	mv "home/gone/$other" .
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"Some of what is damaged may be beyond what the other drives can make up for"* ]]
	[[ "$output" != *"Everything can be read"* ]]
}

@test "damage beyond repair: failed until a put heals it, then all is well again" {
	block=$("$MRMR" --json whereis latest:in/noise | jq -r 'select(.block) | .drive' | head -n 1)
	row=$("$MRMR" --json whereis latest:in/noise | jq -r '.groups[]?.rows[].drive' | head -n 1)
	damage_a_block "$block"
	rm "$row"/.mrmr/parity/*/*.blob
	run "$MRMR" scrub
	[ "$status" -eq 22 ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"state:    failed"*"of data are beyond repair"*"mrmr put"* ]]
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	"$MRMR" cat latest:in/noise | cmp - in/noise
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	rm state/*/table.sqlite
	run "$MRMR" status
	[ "$status" -eq 0 ]
	for d in d1 d2 d3; do
		mv $d away
		"$MRMR" cat latest:in/noise | cmp - in/noise
		mv away $d
	done
}

@test "a small array whose every block is beyond repair is healed by a put too" {
	rm -r d1 d2 d3 config state key
	mkdir d1 d2
	"$MRMR" init --key-file key d1 d2
	"$MRMR" put in
	for object in $(find d1 d2 -name '*.blob'); do
		printf '\377\376' | dd of="$object" bs=1 seek=1000 conv=notrunc status=none
	done
	run "$MRMR" scrub
	[ "$status" -eq 22 ]
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 away
	"$MRMR" cat latest:in/noise | cmp - in/noise
}

@test "the wrong drive at a place is failed, and named as foreign" {
	mkdir other
	(
		export MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2
		"$MRMR" init --key-file key2 other
	)
	mv d2 away
	mv other d2
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d2 is failed: foreign: "* ]]
	[ "$(state_of d2)" = failed ]
}

@test "a drive put back to an older state is failed, and named as rolled back" {
	cp -a d2 older
	echo more >in/more
	"$MRMR" put in
	rm -r d2
	mv older d2
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d2 is failed: rolled back: ROLLBACK: "* ]]
	[[ "$output" == *"mrmr scrub"* ]]
	[ "$(state_of d2)" = failed ]
}

@test "drives that fail together are named, with what that would destroy" {
	domain=$("$MRMR" --json drives | jq -r 'select(.name == "d1") | .domain')
	[ -n "$domain" ] || skip "this host does not tell disks apart"
	run "$MRMR" status
	[[ "$output" == *"d1, d2, d3 are on $domain: its failure would destroy "*"MiB of data"* ]]
	run "$MRMR" --json status
	[ "$(jq -r '.shared_domains[].drives | join(" ")' <<<"$output")" = "d1 d2 d3" ]
	[ "$(jq -r '.shared_domains[].groups_lost' <<<"$output")" -ge 1 ]
}

@test "status tells what there is in all, and what a row less or more would leave" {
	"$MRMR" set d1.max=40M d2.max=40M d3.max=40M
	run "$MRMR" status
	[[ "$output" == *"they have "*" in all: "*" hold data, "*" parity"* ]]
	[[ "$output" == *"it would be "*" free) with parity 0, "*" free) with parity 2"* ]]
	[[ "$output" != *"can never be protected"* ]]
	run "$MRMR" --json status
	[ "$(jq -r '[.with_parity_less, .with_parity_more] | map(.parity) | join(" ")' \
		<<<"$output")" = "0 2" ]
	[ "$(jq -r '.with_parity_less.capacity_bytes > .capacity_bytes' <<<"$output")" = true ]
	[ "$(jq -r '.with_parity_more.capacity_bytes < .capacity_bytes' <<<"$output")" = true ]
	[ "$(jq -r '.raw_bytes >= .stored_bytes and .stored_bytes > .parity_bytes and .parity_bytes > 0' \
		<<<"$output")" = true ]
}

@test "status names space that can never be protected, and what would help" {
	"$MRMR" set d1.max=40M d2.max=40M d3.max=400M
	run "$MRMR" status
	[[ "$output" == *" can never be protected: too few other drives are as large"* ]]
	[[ "$output" == *"a further drive of "*" would make it usable, or parity 0"* ]]
	run "$MRMR" --json status
	[ "$(jq -r '.capacity_idle_bytes > 300000000' <<<"$output")" = true ]
	[ "$(jq -r '.help_drives' <<<"$output")" -eq 1 ]
	[ "$(jq -r '.help_drive_bytes > 300000000' <<<"$output")" = true ]
}

@test "status and drives as JSON have every field" {
	run "$MRMR" --json status
	[ "$(jq -r '.message_type, .state, .parity, .members, .rows_owed, .spare, .promise_kept' \
		<<<"$output" | tr '\n' ' ')" = "status optimal 1 3 0 1 true " ]
	[ "$(jq -r '.drives | map(.name) | join(" ")' <<<"$output")" = "d1 d2 d3" ]
	[ "$(jq -r '.capacity_bytes > .capacity_free_bytes' <<<"$output")" = true ]
	[ "$(jq -r '.drives[0] | .used_bytes > 0 and .free_bytes > 0 and .last_scrub == null' \
		<<<"$output")" = true ]
	"$MRMR" scrub
	run "$MRMR" --json drives
	[ "$(jq -r 'select(.name == "d1") | .last_scrub | fromdate | type' <<<"$output")" = number ]
	[ "$(jq -r 'select(.name == "d1") | .url' <<<"$output")" = "$PWD/d1" ]
}

@test "drives -v adds place and domain" {
	run "$MRMR" -v drives
	[[ "$output" == *"$PWD/d2"* ]]
	run "$MRMR" drives
	[[ "$output" != *"$PWD/d2"* ]]
}

@test "status writes nothing to any drive, and works without its table" {
	mv d2 away
	find d1 d3 -printf '%p %T@ %s\n' | sort >before
	rm state/*/table.sqlite
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"state:    degraded"* ]]
	find d1 d3 -printf '%p %T@ %s\n' | sort | diff before -
}

@test "drives on one file system share what is free there" {
	"$MRMR" drives --json >drives
	sum=$(jq -s 'map(.free_bytes) | add' drives)
	free=$(df --output=avail -B1 d1 | tail -n 1)
	[ "$sum" -le "$((free + 100000000))" ]
	[ "$sum" -ge "$((free / 2))" ]
}
