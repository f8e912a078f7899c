# Lost drives rebuilt: onto new drives, into free space, one, two, and stopped half-way.

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

# Any two of the drives that are left may be lost.
any_two_may_go() {
	local first second drives=(d?)
	for first in "${drives[@]}"; do
		for second in "${drives[@]}"; do
			[[ "$first" < "$second" ]] || continue
			mv "$first" "$second" away
			compare
			mv away/* .
		done
	done
}

optimal() {
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"state:    optimal"* ]]
}

# Groups that took every drive cannot stay as wide as they are.
@test "into free space, every group is narrowed until any m drives may be lost again" {
	make_array 5 --parity 2 --width 5
	rm -r d1
	run "$MRMR" rebuild d1
	[ "$status" -eq 0 ]
	optimal
	any_two_may_go
	# And once more: three drives hold three copies.
	rm -r d2
	"$MRMR" rebuild d2
	optimal
	any_two_may_go
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}

@test "blocks stay where they are when their group is narrowed" {
	make_array 5 --parity 2 --width 5
	rm -r d1
	find d? -path '*/blocks/*' -name '*.blob' | sort >before
	"$MRMR" rebuild d1
	find d? -path '*/blocks/*' -name '*.blob' | sort >after
	run comm -23 before after
	[ "$output" = "" ]
}

@test "with fewer drives left than parity asks: exit 0 with a warning, status tells what is owed, and a new drive takes it" {
	make_array 3 --parity 2
	rm -r d1
	run "$MRMR" rebuild d1
	[ "$status" -eq 0 ]
	[[ "$output" == *"owed: no drive can take more now"* ]]
	compare
	run "$MRMR" status
	[ "$status" -eq 20 ]
	[[ "$output" == *"mrmr add"* ]]
	run "$MRMR" put in
	[ "$status" -eq 20 ]
	mkdir d4
	"$MRMR" add d4
	run "$MRMR" rebuild
	[ "$status" -eq 0 ]
	optimal
	any_two_may_go
}

@test "a rebuild that has ended can be given again" {
	make_array 4 --parity 1
	rm -r d2
	mkdir n2
	"$MRMR" rebuild d2 --onto n2
	for onto in n2 n2=n2; do
		run "$MRMR" rebuild d2 --onto "$onto"
		[ "$status" -eq 0 ]
		[[ "$output" == *"was rebuilt before"* ]]
	done
	mkdir n3
	run "$MRMR" rebuild d2 --onto n2=n3
	[ "$status" -eq 2 ]
	[[ "$output" == *"two drives named n2"* ]]
	run "$MRMR" rebuild d9
	[ "$status" -eq 2 ]
	run "$MRMR" rebuild d1
	[ "$status" -eq 2 ]
	[[ "$output" == *"is here and works"* ]]
	optimal
}

@test "two lost drives onto new ones, in either order" {
	local order
	for order in "1 2" "2 1"; do
		rm -rf d? n? config state key
		make_array 5 --parity 2
		rm -r d1 d2
		mkdir n1 n2
		set -- $order
		run "$MRMR" rebuild "d$1" --onto "n$1"
		[ "$status" -eq 0 ]
		run "$MRMR" rebuild "d$2" --onto "n$2"
		[ "$status" -eq 0 ]
		optimal
		mv n1 d1
		mv n2 d2
		mv d3 d4 away
		# They lie elsewhere now, but are the same drives.
		sed -i "s|/n1\"|/d1\"|; s|/n2\"|/d2\"|" config/default.json
		compare
		mv away/* .
	done
}

@test "two lost drives rebuilt at the same time" {
	make_array 5 --parity 2
	rm -r d1 d2
	mkdir n1 n2
	"$MRMR" rebuild d1 --onto n1 &
	local first=$!
	"$MRMR" rebuild d2 --onto n2
	wait "$first"
	"$MRMR" put in
	optimal
	run "$MRMR" drives
	[[ "$output" == *n1*optimal* ]]
	[[ "$output" == *n2*optimal* ]]
	mv d3 d4 away
	compare
}

@test "two lost drives into free space" {
	make_array 5 --parity 2
	rm -r d2 d4
	"$MRMR" rebuild d4
	"$MRMR" rebuild d2
	optimal
	any_two_may_go
}

@test "a member is no new drive: refused, and nothing is declared lost" {
	make_array 5 --parity 2
	mv d1 d2 away
	mkdir n1
	run "$MRMR" rebuild d1 --onto d3
	[ "$status" -eq 2 ]
	[[ "$output" == *"d3 is a member already"* ]]
	"$MRMR" rebuild d1 --onto n1
	run "$MRMR" rebuild d2 --onto n1
	[ "$status" -eq 2 ]
	mv away/d2 .
	"$MRMR" put in
	optimal
}

@test "a drive that was declared lost is refused when it is back, by name" {
	make_array 4 --parity 1
	mv d3 away
	"$MRMR" rebuild d3
	mv away/d3 .
	mkdir d9
	run "$MRMR" add d3
	[ "$status" -ne 0 ]
	optimal
	compare
}

# Killed before a rename of some finished object; each thread counts its own.
kill_half_way() { # drive option...
	local killed
	cp -a d? config state home
	for killed in 6 9 12 15 18; do
		rm -rf d? n? config state
		cp -a home/* .
		[ "$#" -eq 1 ] || mkdir n1
		find d? -name '*.blob' | sort >survivors
		run strace -f -qq -o /dev/null -e trace=renameat2 -e signal=none \
			-e inject=renameat2:signal=KILL:when="$killed" "$MRMR" rebuild "$@"
		find d? n? -name '*.blob' 2>/dev/null | sort | comm -13 survivors - >made
		[ "$(wc -l <made)" -le 5 ] || break
	done
	[ "$status" -eq 137 ]
	[ "$(wc -l <made)" -gt 5 ]
}

# Everything that the two runs stored was stored once: no object is made twice.
go_on() { # drive option...
	local before
	before=$(wc -l <made)
	xargs -r stat -c '%i %n' <made | sort >inodes
	run --separate-stderr "$MRMR" --json rebuild "$@"
	[ "$status" -eq 0 ]
	# What was there is there still, and is the same file.
	xargs -r stat -c '%i %n' <made | sort | diff inodes -
	summary=$(jq -c 'select(.message_type == "summary")' <<<"$output")
	# A group that was done before the kill need not be looked at again.
	[ "$(jq .objects_found <<<"$summary")" -le "$before" ]
	find d? n? -name '*.blob' 2>/dev/null | sort | comm -13 survivors - | comm -13 made - >more
	[ "$(jq .objects <<<"$summary")" -eq "$(wc -l <more)" ]
	[ "$(jq .bytes_written <<<"$summary")" -eq "$(xargs -r stat -c %s <more | awk '{ n += $1 } END { print n + 0 }')" ]
	echo "# $before objects made before the kill, $(wc -l <more) after it" >&3
	optimal
	compare
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
	[[ "$output" != *"in no snapshot"* ]]
}

@test "a rebuild onto a new drive, killed half-way, goes on and repeats nothing" {
	head -c 3000000 /dev/urandom >in/much
	make_array 5 --parity 2
	rm -r d1
	kill_half_way d1 --onto n1
	go_on d1 --onto n1
}

@test "a rebuild into free space, killed half-way, goes on and repeats nothing" {
	head -c 3000000 /dev/urandom >in/much
	make_array 5 --parity 2
	rm -r d1
	kill_half_way d1
	go_on d1
}

@test "-n tells what would be made and changes nothing" {
	make_array 4 --parity 1
	mv d2 away
	find d? config -type f -exec sha256sum {} + | sort >before
	run "$MRMR" rebuild -n d2
	[ "$status" -eq 0 ]
	[[ "$output" == *"would re-create"* ]]
	find d? config -type f -exec sha256sum {} + | sort | diff before -
	mv away/d2 .
	optimal
}
