# Damage of every kind of object: read around, found and repaired by scrub, the bad bytes kept.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in away
	head -c 900000 /dev/urandom >in/noise
	seq 1 3000 >in/numbers
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3 d4
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
	# A second key file makes a second slot; small and mirrored puts make other kinds of groups.
	"$MRMR" key add --key-file key2
	echo small >in/small
	"$MRMR" put in
	head -c 20000 /dev/urandom >in/middle
	"$MRMR" put in
}

compare() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out 2>errors
	diff -r in "out$PWD/in"
}

# One object of each kind on the drive, named from its root.
objects_of() {
	(
		cd "$1"
		find .mrmr/blocks -name '*.blob' | sort | head -n 2
		find .mrmr/parity -name '*.blob' | sort | head -n 2
		find .mrmr/journal -type f | sort | head -n 1
		find .mrmr/journal -type f | sort | tail -n 1
		find .mrmr/keys -type f | sort
		echo .mrmr/config.json
	)
}

flip() {
	local size at
	size=$(stat -c %s "$1")
	at=$((size / 3))
	printf "\\x$(printf %x $((0x$(xxd -s $at -l 1 -p "$1") ^ 0x10)))" |
		dd of="$1" bs=1 seek=$at conv=notrunc status=none
}

cut_off() {
	truncate -s $(($(stat -c %s "$1") - 7)) "$1"
}

empty() {
	truncate -s 0 "$1"
}

lengthen() {
	echo more >>"$1"
}

delete() {
	rm "$1"
}

# Every object of drive d2 in turn, hurt by $1: nothing is lost meanwhile, and afterwards the object is
# what it was. Its bad bytes lie in quarantine, if there were any.
every_object() {
	local hurt=$1 object kept cases=0
	while read -r object; do
		rm -rf kept
		cp -a "d2/$object" kept
		before=$(find d2/.mrmr/quarantine -type f 2>/dev/null | wc -l)
		"$hurt" "d2/$object"
		[ ! -e "d2/$object" ] || cp -a "d2/$object" hurt
		compare
		run "$MRMR" scrub
		[ "$status" -eq 23 ] || { echo "$hurt $object: exit $status: $output"; return 1; }
		[[ "$output" == *"drive d2: "*" 1 damaged, 1 repaired"* ]]
		cmp kept "d2/$object" || { echo "$hurt $object: not what it was"; return 1; }
		if [ -e hurt ]; then
			after=$(find d2/.mrmr/quarantine -type f | wc -l)
			[ "$after" -eq $((before + 1)) ] || { echo "$hurt $object: quarantine"; return 1; }
			find d2/.mrmr/quarantine -type f -exec cmp -s {} hurt \; -print | grep -q .
			rm hurt
		fi
		cases=$((cases + 1))
	done < <(objects_of d2)
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	echo "# $cases objects" >&3
	[ "$cases" -ge 9 ]
}

@test "a flipped bit in any kind of object is found, repaired, and kept in quarantine" {
	every_object flip
}

@test "a cut object is" {
	every_object cut_off
}

@test "an object with bytes behind its end is" {
	every_object lengthen
}

@test "an emptied object is" {
	every_object empty
}

@test "a missing object is put back on the same drive under the same name" {
	every_object delete
}

# Each with the next one of its drive, of whatever kind.
@test "swapped objects are found and put back" {
	local objects i
	mapfile -t objects < <(objects_of d3)
	for ((i = 1; i < ${#objects[@]}; i++)); do
		a=d3/${objects[i - 1]} b=d3/${objects[i]}
		sha256sum "$a" "$b" >sums
		mv "$a" other
		mv "$b" "$a"
		mv other "$b"
		compare
		run "$MRMR" scrub
		[ "$status" -eq 23 ] || { echo "$a $b: $status: $output"; return 1; }
		[[ "$output" == *"drive d3: "*" 2 damaged, 2 repaired"* ]]
		sha256sum --quiet -c sums
	done
}

# Objects of the one group that holds a file: its block first, then members and rows.
group_of() {
	"$MRMR" --json whereis "latest:$PWD/in/$1" 2>/dev/null | jq -r '
		select(.block) | .groups[] |
		(.members[] | "\(.drive)/.mrmr/blocks/\(.block[0:2])/\(.block).blob"),
		(.rows[] | "\(.drive)/.mrmr/parity/\(.parity[0:2])/\(.parity).blob")'
}

@test "reading finds damage, names object and drive, and goes round it: exit 0" {
	block=$(group_of middle | head -n 1)
	printf '\377\376\375' | dd of="$block" bs=1 seek=700 conv=notrunc status=none
	rm -rf state/*/table.sqlite*
	run --separate-stderr bash -c '"$MRMR" cat "latest:$PWD/in/middle" | cmp - in/middle'
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	[[ "$stderr" == *"drive ${block%%/*}: "*"${block##*/}"*"reading around it"* ]]
	# It wrote nothing: scrub does.
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	"$MRMR" cat "latest:$PWD/in/middle" 2>errors | cmp - in/middle
	[ ! -s errors ]
}

@test "--no-repair finds and counts, and changes nothing" {
	flip "$(group_of middle | head -n 1)"
	find d? -type f -exec sha256sum {} + | sort >before
	run "$MRMR" scrub --no-repair
	[ "$status" -eq 22 ]
	[[ "$output" == *" 1 damaged, 0 repaired"* ]]
	find d? -type f -exec sha256sum {} + | sort | diff before -
	run "$MRMR" scrub -n
	[ "$status" -eq 22 ]
	find d? -type f -exec sha256sum {} + | sort | diff before -
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
}

@test "damage is counted for the drive that has it, in drives and in status" {
	damaged=$(group_of middle | head -n 1)
	drive=${damaged%%/*}
	flip "$damaged"
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	run bash -c '"$MRMR" --json drives | jq -r "select(.damaged_ever > 0) | [.name, .damaged_ever,
		.repaired_ever, .errors] | join(\" \")"'
	[ "$output" = "$drive 1 1 0" ]
	# What cannot be repaired stays an error in status.
	for object in $(group_of middle); do
		flip "$object"
	done
	run "$MRMR" scrub
	[ "$status" -eq 22 ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"$drive is degraded"* || "$output" == *"$drive "*" 1 "* ]]
}

@test "more objects of a group damaged than it has rows: exit 22, the files named exactly, the others whole" {
	cp -a d1 d2 d3 d4 away
	for object in $(group_of middle); do
		flip "$object"
	done
	rm -rf out state/*/table.sqlite*
	run "$MRMR" get latest --to out
	[ "$status" -eq 21 ]
	[[ "$output" == *"in/middle: LOST"* ]]
	[ "$(grep -c ': LOST' <<<"$output")" -eq 1 ]
	run diff -r in "out$PWD/in"
	[ "$output" = "Only in in: middle" ]
	run "$MRMR" scrub --no-repair
	[ "$status" -eq 22 ]
	# The good bytes come back: everything is whole again.
	rm -r d?
	mv away/d? .
	compare
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "with parity 2, two damaged objects of a group are repaired, and none is made of the other" {
	rm -r d? config state key key2
	mkdir d1 d2 d3 d4 d5
	MRMR_KEY_FILE= "$MRMR" init --key-file key --parity 2 --block-size 64K d1 d2 d3 d4 d5
	"$MRMR" put in
	mapfile -t objects < <(group_of noise | head -n 4)
	for ((i = 0; i < 4; i++)); do
		for ((j = i + 1; j < 4; j++)); do
			sha256sum "${objects[i]}" "${objects[j]}" >sums
			flip "${objects[i]}"
			printf xyz | dd of="${objects[j]}" bs=1 seek=5000 conv=notrunc status=none
			compare
			run "$MRMR" scrub
			[ "$status" -eq 23 ]
			sha256sum --quiet -c sums
		done
	done
}

@test "with parity 2, a drive lost and another one damaged all over: read around, scrubbed, rebuilt" {
	local object
	rm -r d? config state key key2
	mkdir d1 d2 d3 d4 d5 n4
	MRMR_KEY_FILE= "$MRMR" init --key-file key --parity 2 --block-size 64K d1 d2 d3 d4 d5
	"$MRMR" put in
	rm -r d4
	for object in $(find d1 -name '*.blob'); do
		flip "$object"
	done
	compare
	# A rebuild uses nothing that was not verified.
	"$MRMR" rebuild d4 --onto n4
	find n4 -name '*.blob' -printf '%f %p\n' | while read -r name path; do
		[ "$(sha256sum <"$path" | cut -c 1-64)" = "${name%.blob}" ]
	done
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d2 d5 away
	compare
}

@test "a drive of which every block is damaged is repaired whole" {
	(cd d3 && find .mrmr -name '*.blob' -exec sha256sum {} +) >sums
	for object in $(find d3 -name '*.blob'); do
		flip "$object"
	done
	compare
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	(cd d3 && sha256sum --quiet -c ../sums)
	[ "$(find d3/.mrmr/quarantine -type f | wc -l)" -eq "$(wc -l <sums)" ]
}
