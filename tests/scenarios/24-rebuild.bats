# Lost drives rebuilt: onto new drives, into free space, one, two, and stopped half-way.

load common

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
	[[ "$output" == *"parity objects are owed: no drive can take them now"* ]]
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
	run "$MRMR" rebuild d2 --onto n2
	[ "$status" -eq 0 ]
	[[ "$output" == *"was rebuilt before"* ]]
	run "$MRMR" rebuild d9
	[ "$status" -eq 2 ]
	run "$MRMR" rebuild d1
	[ "$status" -eq 2 ]
	[[ "$output" == *"is here and works"* ]]
	optimal
}
