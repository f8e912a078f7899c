# Drives taken out of use and back, emptied and forgotten.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir in away
	local i
	for i in 1 2 3 4 5 6; do
		head -c 100000 /dev/urandom >"in/$i"
	done
}

teardown() {
	[ -z "${put:-}" ] || kill -KILL "$put" 2>/dev/null || true
}

make_array() { # drives option...
	local i drives=()
	for ((i = 1; i <= $1; i++)); do
		mkdir "d$i"
		drives+=("d$i")
	done
	shift
	"$MRMR" init --key-file key --block-size 64K "$@" "${drives[@]}"
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in
}

compare() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out
	run rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/"
	[ "$output" = "" ]
}

# Any so many of these drives may be lost.
any_may_go() { # how-many drive...
	local m=$1 first second
	shift
	for first in "$@"; do
		[ "$m" -eq 1 ] && set -- "$first"
		for second in "$@"; do
			[ "$m" -eq 1 ] || [[ "$first" < "$second" ]] || continue
			mv "$first" away
			[ "$m" -eq 1 ] || mv "$second" away
			compare
			mv away/* .
		done
	done
}

state_of() { # drive
	"$MRMR" --json drives | jq -r "select(.name == \"$1\") | .state"
}

blobs() { # drive
	find "$1" -name '*.blob' -not -path '*/quarantine/*' | wc -l
}

optimal() {
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"state:    optimal"* ]]
}

clean() {
	run "$MRMR" scrub
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" != *"in no snapshot"* ]]
}

# ---- disable, enable ----

# bats test_tags=plain
@test "a disabled drive is not opened by any command, and is caught up when it is enabled" {
	make_array 4 --parity 1
	"$MRMR" disable d2
	[ "$(state_of d2)" = disabled ]
	find d2 -type f -exec stat -c '%n %Z %Y' {} + | sort >before
	for command in "status" "drives" "snapshots" "put in" "get latest --to out"; do
		run strace -f -qq -o trace -e trace=%file "$MRMR" $command
		run grep -c "\"[^\"]*/d2[/\"]" trace
		[ "$output" = 0 ]
	done
	rm in/1 in/2
	head -c 200000 /dev/urandom >in/7
	"$MRMR" put in
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	find d2 -type f -exec stat -c '%n %Z %Y' {} + | sort | diff before -
	compare
	run "$MRMR" enable d2
	[ "$status" -eq 0 ]
	optimal
	[ "$(state_of d2)" = optimal ]
	# All journals are there.
	[ "$(find d2/.mrmr/journal -type f | wc -l)" -eq "$(find d1/.mrmr/journal -type f | wc -l)" ]
	any_may_go 1 d1 d2 d3 d4
	clean
}

@test "a disabled drive counts as one of those that are away: exit 0 from put, 20 from status" {
	make_array 4 --parity 1
	"$MRMR" disable d3
	head -c 100000 /dev/urandom >in/7
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"drive d3 is left out: disabled"* ]]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d3 is disabled: it counts as one of the drives that are away. Since 20"* ]]
	[[ "$output" == *'`mrmr enable d3` takes it back.'* ]]
	# What it holds is there still: all may be read.
	compare
}

@test "keys that were changed while a drive was disabled are changed there when it is enabled" {
	make_array 3 --parity 1
	"$MRMR" disable d2
	slot=$("$MRMR" --json key list | jq -r 'select(.kind == "recovery") | .id')
	"$MRMR" key recovery
	[ -n "$(find d2/.mrmr/keys -name "$slot*")" ]
	"$MRMR" enable d2
	[ -z "$(find d2/.mrmr/keys -name "$slot*")" ]
	[ "$(ls d2/.mrmr/keys)" = "$(ls d1/.mrmr/keys)" ]
	optimal
}

# bats test_tags=plain
@test "what was superseded while a drive was disabled is deleted when it is enabled" {
	head -c 2000000 /dev/urandom >in/much
	make_array 5 --parity 2 --width 5
	"$MRMR" disable d1
	# Every group is split: rows on d1 are superseded.
	rm -r d5
	"$MRMR" rebuild d5
	owed=$("$MRMR" --json drives | jq 'select(.name == "d1") | .owed_deletions')
	[ "$owed" -gt 0 ]
	before=$(blobs d1)
	cp -a d? config state home
	# Cut off after it counts again: what is owed is paid by the next command that writes.
	for at in 1 2 3 4 5 6 7 8 9 10 12 14 16; do
		rm -rf d? config state
		cp -a home/{d1,d2,d3,d4,config,state} .
		run strace -f -qq -o /dev/null -e trace=unlinkat -e signal=none \
			-e inject=unlinkat:signal=KILL:when=$at "$MRMR" enable d1
		[ "$status" -eq 137 ]
		[ "$(state_of d1)" = disabled ] || break
	done
	[ "$(state_of d1)" = recovering ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d1 is recovering: being brought up to date. Since 20"* ]]
	# A row that was owed for want of drives may come to d1.
	made=$("$MRMR" --json rebuild | jq 'select(.message_type == "summary") | .objects')
	[ "$(blobs d1)" -ge $((before - owed)) ]
	[ "$(blobs d1)" -le $((before - owed + made)) ]
	optimal
	[ "$(state_of d1)" = optimal ]
	any_may_go 2 d1 d2 d3 d4
	clean
	rm -rf d? config state
	cp -a home/{d1,d2,d3,d4,config,state} .
	"$MRMR" enable d1
	optimal
	[ "$(blobs d1)" -ge $((before - owed)) ]
	[ "$(blobs d1)" -le $((before - owed + made)) ]
	any_may_go 2 d1 d2 d3 d4
}

@test "disable is refused when something could not be read, or too many drives would be away" {
	make_array 4 --parity 1
	mv d1 away
	run "$MRMR" disable d2
	[ "$status" -eq 26 ]
	[[ "$output" == *"drive d2 is needed: without it "*" of data could not be read"* ]]
	# The one that is away may be.
	run "$MRMR" disable d1
	[ "$status" -eq 0 ]
	mv away/d1 .
	run "$MRMR" disable d2
	[ "$status" -eq 26 ]
	"$MRMR" enable d1
	"$MRMR" disable d2
	run "$MRMR" disable d2
	[ "$status" -eq 0 ]
	[[ "$output" == *"was disabled before"* ]]
	run "$MRMR" disable nothing
	[ "$status" -eq 2 ]
}

@test "disable without parity is refused" {
	make_array 2 --parity 0
	run "$MRMR" disable d1
	[ "$status" -eq 26 ]
	optimal
}

@test "enable of a drive that is not there, or is another one: exit 24 and 26, and it stays disabled" {
	make_array 4 --parity 1
	"$MRMR" disable d2
	mv d2 away
	run "$MRMR" enable d2
	[ "$status" -eq 24 ]
	[ "$(state_of d2)" = disabled ]
	mkdir d2
	run "$MRMR" enable d2
	[ "$status" -eq 24 ]
	rmdir d2
	cp -a d3 d2
	run "$MRMR" enable d2
	[ "$status" -eq 26 ]
	[ "$(state_of d2)" = disabled ]
	rm -r d2
	mv away/d2 .
	"$MRMR" enable d2
	optimal
	run "$MRMR" enable d2
	[ "$status" -eq 0 ]
	[[ "$output" == *"is in use"* ]]
}

@test "a drive that was disabled and is an older copy: enable is refused with 26" {
	make_array 3 --parity 1
	cp -a d2 away/old
	head -c 100000 /dev/urandom >in/7
	"$MRMR" put in
	"$MRMR" disable d2
	rm -r d2
	mv away/old d2
	run "$MRMR" enable d2
	[ "$status" -eq 26 ]
	[[ "$output" == *ROLLBACK* ]]
	[ "$(state_of d2)" = disabled ]
	compare
}

@test "a disabled drive can be rebuilt onto another one" {
	make_array 4 --parity 1
	"$MRMR" disable d2
	mkdir n2
	"$MRMR" rebuild d2 --onto n2
	optimal
	rm -r d2
	any_may_go 1 d1 d3 d4 n2
}

# bats test_tags=plain
@test "another host learns that a drive was disabled, and that it was enabled" {
	make_array 4 --parity 1
	MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 "$MRMR" recover d1 d2 d3 d4
	"$MRMR" disable d2
	export MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2
	[ "$(state_of d2)" = disabled ]
	run strace -f -qq -o trace -e trace=%file "$MRMR" snapshots
	run grep -c "\"[^\"]*/d2[/\"]" trace
	[ "$output" = 0 ]
	MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state "$MRMR" enable d2
	[ "$(state_of d2)" = optimal ]
	"$MRMR" put in
	optimal
}

# ---- since when ----

@test "since when and why a drive is not optimal, in status and drives, as text and as JSON" {
	make_array 5 --parity 2
	began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	"$MRMR" disable d2
	mv d3 away
	"$MRMR" drives
	sleep 1.1
	for command in drives status; do
		filter='if .message_type == "status" then .drives[] else . end'
		"$MRMR" --json $command | jq -c "$filter | [.name, .state, .since, .remark]" >list
		cat list
		run jq -r 'select(.[0] == "d2") | .[1]' list
		[ "$output" = disabled ]
		run jq -r 'select(.[0] == "d2") | .[2]' list
		[[ ! "$output" < "$began" ]]
		run jq -r 'select(.[0] == "d3") | .[1]' list
		[ "$output" = absent ]
		run jq -r 'select(.[0] == "d3") | .[3]' list
		[ -n "$output" ]
		# The same at every look.
		run jq -r 'select(.[0] == "d3") | .[2]' list
		[[ ! "$output" < "$began" ]]
		[ "${absent_since:-$output}" = "$output" ]
		absent_since=$output
	done
	run "$MRMR" drives
	[[ "$output" == *"d3"*"absent"*"(since 20"* ]]
	# Journals tell when it was disabled, on any host; absent is what each sees by itself.
	rm -r state
	run --separate-stderr "$MRMR" --json drives
	[ "$(jq -r 'select(.name == "d2") | .since' <<<"$output")" \
		= "$(jq -r 'select(.[0] == "d2") | .[2]' list)" ]
}

# ---- drain ----

@test "drain: everything is moved, and any m of the others may be lost afterwards" {
	make_array 5 --parity 1 --width 4
	[ "$(blobs d2)" -gt 0 ]
	run "$MRMR" drain d2
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *'drive d2 holds nothing any more: `mrmr remove d2` forgets it'* ]]
	[ "$(blobs d2)" -eq 0 ]
	[ "$(state_of d2)" = draining ]
	optimal
	compare
	any_may_go 1 d1 d3 d4 d5
	# It takes nothing new.
	head -c 300000 /dev/urandom >in/7
	"$MRMR" put in
	[ "$(blobs d2)" -eq 0 ]
	clean
}

@test "drain of an array whose groups took every drive: they are split, and m is kept" {
	make_array 5 --parity 2 --width 5
	run "$MRMR" drain d4
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(blobs d4)" -eq 0 ]
	optimal
	any_may_go 2 d1 d2 d3 d5
	clean
}

@test "drain without parity, and of copies" {
	local option
	for option in "--parity 0" "--copies 2"; do
		rm -rf d? config state key
		make_array 4 $option
		run "$MRMR" drain d1
		[ "$status" -eq 0 ]
		[ "$(blobs d1)" -eq 0 ]
		"$MRMR" remove d1
		rm -r d1
		optimal
		compare
		clean
	done
}

@test "drain while another drive is away, which is caught up when it is back" {
	make_array 6 --parity 2 --width 5
	mv d6 gone
	run "$MRMR" drain d2
	[ "$status" -eq 0 ]
	[ "$(blobs d2)" -eq 0 ]
	compare
	mv gone d6
	"$MRMR" put in
	optimal
	any_may_go 2 d1 d3 d4 d5 d6
	clean
}

@test "drain obeys roles: a parity drive takes rows alone, and is needed for them" {
	make_array 4 --level raid4
	"$MRMR" set d1.role=data d2.role=data d3.role=data
	run "$MRMR" drain d4
	[ "$status" -eq 2 ]
	[[ "$output" == *"without drive d4: "* ]]
	optimal
	run "$MRMR" drain d1
	[ "$status" -eq 0 ]
	[ "$(blobs d1)" -eq 0 ]
	[ -z "$(find d4 -path '*/blocks/*' -name '*.blob')" ]
	[ -z "$(find d2 d3 -path '*/parity/*' -name '*.blob')" ]
	optimal
	any_may_go 1 d2 d3 d4
	clean
}

@test "drain reads around what is damaged on the drive" {
	make_array 5 --parity 1 --width 4
	for blob in $(find d3 -name '*.blob' | head -3); do
		printf xxxx | dd of="$blob" bs=1 seek=99 conv=notrunc status=none
	done
	run "$MRMR" drain d3
	[ "$status" -eq 0 ]
	[ "$(blobs d3)" -eq 0 ]
	"$MRMR" remove d3
	rm -r d3
	optimal
	any_may_go 1 d1 d2 d4 d5
	clean
}

@test "drain without parity of a damaged block: exit 21, and what is whole is moved" {
	make_array 3 --parity 0
	blob=$(find d1 -path '*/blocks/*' -name '*.blob' | head -1)
	printf xxxx | dd of="$blob" bs=1 seek=99 conv=notrunc status=none
	run "$MRMR" drain d1
	[ "$status" -eq 21 ]
	[ "$(blobs d1)" -eq 1 ]
	run "$MRMR" remove d1
	[ "$status" -eq 26 ]
}

@test "drain -n says how much, and changes nothing" {
	make_array 5 --parity 1 --width 4
	find d? config -type f -exec sha256sum {} + | sort >before
	objects=$("$MRMR" --json drives | jq 'select(.name == "d2") | .objects')
	bytes=$("$MRMR" --json drives | jq 'select(.name == "d2") | .used_bytes')
	run --separate-stderr "$MRMR" --json drain -n d2
	[ "$status" -eq 0 ]
	[ "$(jq .objects <<<"$output")" -eq "$objects" ]
	[ "$(jq .bytes <<<"$output")" -eq "$bytes" ]
	[ "$(jq .bytes_written <<<"$output")" -ge "$bytes" ]
	[ "$(jq .dry_run <<<"$output")" = true ]
	run "$MRMR" drain -n d2
	[[ "$output" == *"would move $objects objects"* ]]
	find d? config -type f -exec sha256sum {} + | sort | diff before -
	[ "$(state_of d2)" = optimal ]
	# It does what it said.
	run --separate-stderr "$MRMR" --json drain d2
	[ "$(jq 'select(.message_type == "summary") | .objects' <<<"$output")" -eq "$objects" ]
}

@test "drain is refused before it starts: too few drives 2, no room 25, away 24" {
	make_array 3 --parity 2
	find d? -type f | sort >before
	run "$MRMR" drain d1
	[ "$status" -eq 2 ]
	[[ "$output" == *"without drive d1: 2 drives cannot carry parity 2: at most 1"* ]]
	find d? -type f | sort | diff before -
	rm -rf d? config state key
	make_array 4 --parity 1
	for i in 1 2 3; do
		"$MRMR" set "d$i.max=450K"
	done
	find d? -type f -name '*.blob' | sort >before
	run "$MRMR" drain d4
	echo "$output"
	[ "$status" -eq 25 ]
	[[ "$output" == *"drive d4: the other drives have no room for "*" objects"* ]]
	find d? -type f -name '*.blob' | sort | diff before -
	[ "$(state_of d4)" = optimal ]
	mv d4 away
	run "$MRMR" drain d4
	[ "$status" -eq 24 ]
	[[ "$output" == *'`mrmr rebuild d4`'* ]]
}

# bats test_tags=plain
@test "a drain that was killed goes on, and repeats nothing that was finished" {
	head -c 2000000 /dev/urandom >in/much
	make_array 5 --parity 1 --width 4
	find d1 d3 d4 d5 -name '*.blob' | sort >before
	held=$("$MRMR" --json drives | jq 'select(.name == "d2") | .objects')
	# Each thread counts its own.
	for at in 3 4 5 6 7 8; do
		run strace -f -qq -o /dev/null -e trace=renameat2 -e signal=none \
			-e inject=renameat2:signal=KILL:when="$at" "$MRMR" drain d2
		[ "$status" -eq 137 ]
		find d1 d3 d4 d5 -name '*.blob' | sort | comm -13 before - >made
		[ "$(wc -l <made)" -lt 3 ] || break
	done
	[ "$status" -eq 137 ]
	[ "$(wc -l <made)" -ge 3 ]
	compare
	xargs -r stat -c '%i %n' <made | sort >inodes
	run --separate-stderr "$MRMR" --json drain d2
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	xargs -r stat -c '%i %n' <made | sort | diff inodes -
	find d1 d3 d4 d5 -name '*.blob' | sort | comm -13 before - >all
	# Each object has one copy: what was made before was not made again elsewhere.
	[ "$(wc -l <all)" -eq "$held" ]
	[ "$(blobs d2)" -eq 0 ]
	optimal
	any_may_go 1 d1 d3 d4 d5
	clean
}

# bats test_tags=plain
@test "a drain that was stopped goes on as far as there is room, and ends once there is more" {
	head -c 2000000 /dev/urandom >in/much
	make_array 5 --parity 1 --width 3
	run strace -f -qq -o /dev/null -e trace=renameat2 -e signal=none \
		-e inject=renameat2:signal=KILL:when=3 "$MRMR" drain d2
	[ "$(state_of d2)" = draining ]
	# Room for one block on each of the others, and no more.
	for i in 1 3 4 5; do
		used=$("$MRMR" --json drives | jq "select(.name == \"d$i\") | .used_bytes")
		"$MRMR" -q set "d$i.max=$((used + 2 * 65536 + 70000))"
	done
	held=$("$MRMR" --json drives | jq 'select(.name == "d2") | .objects')
	run "$MRMR" drain -n d2
	[ "$status" -eq 25 ]
	[[ "$output" == *" would stay for want of space"* ]]
	run "$MRMR" drain d2
	echo "$output"
	[ "$status" -eq 25 ]
	[ "$(state_of d2)" = draining ]
	left=$("$MRMR" --json drives | jq 'select(.name == "d2") | .objects')
	[ "$left" -gt 0 ]
	[ "$left" -lt "$held" ]
	compare
	"$MRMR" -q set d1.max=0 d3.max=0 d4.max=0 d5.max=0
	run "$MRMR" drain d2
	[ "$status" -eq 0 ]
	[ "$(blobs d2)" -eq 0 ]
	any_may_go 1 d1 d4
	clean
}

# bats test_tags=plain
@test "a drain that is given up: enable keeps the drive" {
	make_array 5 --parity 1 --width 4
	head -c 2000000 /dev/urandom >in/much
	"$MRMR" put in
	run strace -f -qq -o /dev/null -e trace=renameat2 -e signal=none \
		-e inject=renameat2:signal=KILL:when=5 "$MRMR" drain d2
	[ "$(state_of d2)" = draining ]
	"$MRMR" enable d2
	optimal
	[ "$(state_of d2)" = optimal ]
	compare
	any_may_go 1 d1 d2 d3 d4 d5
}

@test "two drives drained one after the other, then two new ones in their place" {
	make_array 5 --parity 1 --width 3
	"$MRMR" drain d1
	"$MRMR" drain d2
	"$MRMR" remove d1
	"$MRMR" remove d2
	mkdir n1 n2
	"$MRMR" add n1
	"$MRMR" add n2
	head -c 300000 /dev/urandom >in/7
	"$MRMR" put in
	optimal
	any_may_go 1 d3 d4 d5 n1 n2
}

# ---- remove ----

@test "remove is refused while the drive holds something, and says what to do" {
	make_array 4 --parity 1
	run "$MRMR" remove d2
	[ "$status" -eq 26 ]
	[[ "$output" == *"drive d2 holds "*" objects that the array needs, "* ]]
	[[ "$output" == *'`mrmr drain d2` moves that to the others first.'* ]]
	optimal
	run "$MRMR" remove nothing
	[ "$status" -eq 2 ]
}

@test "remove is refused where the drives left could not keep the promise" {
	mkdir d1 d2 d3
	"$MRMR" init --key-file key --block-size 64K --parity 2 d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	run "$MRMR" remove d3
	[ "$status" -eq 2 ]
	[[ "$output" == *"without drive d3: 2 drives cannot carry parity 2"* ]]
	mkdir d4
	"$MRMR" add d4
	"$MRMR" set d1.journal=no
	run "$MRMR" remove d3
	[ "$status" -eq 2 ]
	[[ "$output" == *"journal"* ]]
	optimal
}

@test "a drive that was removed has no keys, no journal and no mark, and can be added as a new one" {
	make_array 5 --parity 1 --width 4
	"$MRMR" drain d2
	run "$MRMR" remove -n d2
	[ "$status" -eq 0 ]
	[ -e d2/.mrmr/config.json ]
	run "$MRMR" remove d2
	[ "$status" -eq 0 ]
	[ -z "$(find d2 -type f)" ]
	run grep -c '"d2"' config/default.json
	[ "$output" = 0 ]
	run "$MRMR" drives
	[[ "$output" != *d2* ]]
	optimal
	run "$MRMR" remove d2
	[ "$status" -eq 0 ]
	[ "$output" = "drive d2 was removed before" ]
	"$MRMR" add d2
	head -c 300000 /dev/urandom >in/7
	"$MRMR" put in
	[ "$(state_of d2)" = optimal ]
	optimal
	any_may_go 1 d1 d2 d3 d4 d5
	clean
}

@test "an empty drive that is away is forgotten, and its place can be added when it is back" {
	make_array 5 --parity 1 --width 4
	"$MRMR" drain d2
	mv d2 away
	run "$MRMR" remove d2
	[ "$status" -eq 0 ]
	[[ "$output" == *"its place keeps keys and journals"* ]]
	mv away/d2 .
	optimal
	"$MRMR" add d2
	"$MRMR" put in
	optimal
	clean
	[ "$(ls d2/.mrmr/keys)" = "$(ls d1/.mrmr/keys)" ]
}

@test "another host goes on after a drive was removed, and when its place is used again" {
	make_array 5 --parity 1 --width 4
	MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 "$MRMR" recover d1 d2 d3 d4 d5
	"$MRMR" drain d2
	"$MRMR" remove d2
	other() {
		MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2 "$MRMR" "$@"
	}
	run other status
	[ "$status" -eq 0 ]
	head -c 300000 /dev/urandom >in/7
	other put in
	"$MRMR" add d2
	run other put in
	[ "$status" -eq 0 ]
	# It has forgotten the way to the one that was removed.
	run grep -c '"d2"' config2/default.json
	[ "$output" = 0 ]
	"$MRMR" put in
	optimal
	compare
}

@test "remove --lost: refused for a drive that is here; else it counts no more, and rebuild re-creates it" {
	make_array 4 --parity 1
	run "$MRMR" remove --lost d2
	[ "$status" -eq 2 ]
	[[ "$output" == *"drive d2 is here and works"* ]]
	mv d2 gone
	run "$MRMR" remove --lost -n d2
	[ "$status" -eq 0 ]
	[ "$(state_of d2)" = absent ]
	run "$MRMR" remove --lost d2
	[ "$status" -eq 0 ]
	[[ "$output" == *'`mrmr rebuild` re-creates what can be re-created'* ]]
	[ "$(state_of d2)" = failed ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"d2 is failed: declared lost, not all of it re-created yet. Since 20"* ]]
	compare
	run "$MRMR" rebuild
	[ "$status" -eq 0 ]
	optimal
	any_may_go 1 d1 d3 d4
	# It is refused when it is back.
	mv gone d2
	run "$MRMR" add d2
	[ "$status" -eq 1 ]
	optimal
}

# ---- while others work ----

# bats test_tags=plain
@test "a put that runs while drives are drained and disabled ends well, and nothing is lost" {
	make_array 5 --parity 1 --width 4
	head -c 3000000 /dev/urandom >in/much
	strace -f -qq -o /dev/null -e trace=renameat2 -e signal=none \
		-e inject=renameat2:delay_enter=100000 "$MRMR" put in >said 2>&1 &
	put=$!
	sleep 1
	"$MRMR" drain d2
	"$MRMR" disable d3
	wait "$put" && code=0 || code=$?
	cat said
	[ "$code" -eq 0 ]
	compare
	"$MRMR" enable d3
	"$MRMR" drain d2
	"$MRMR" remove d2
	[ -z "$(find d2 -type f)" ]
	"$MRMR" put in
	optimal
	any_may_go 1 d1 d3 d4 d5
	clean
}

# bats test_tags=plain
@test "a get that runs while a drive is drained, disabled and enabled restores everything" {
	head -c 3000000 /dev/urandom >in/much
	make_array 5 --parity 1 --width 4
	strace -f -qq -o /dev/null -e trace=pread64,openat -e signal=none \
		-e inject=pread64:delay_enter=20000 "$MRMR" get latest --to running >said 2>&1 &
	local get=$!
	sleep 0.3
	"$MRMR" disable d3
	"$MRMR" enable d3
	"$MRMR" drain d2
	wait "$get"
	cat said
	run rsync -aAXHcn --delete --itemize-changes in/ "running$PWD/in/"
	[ "$output" = "" ]
}
