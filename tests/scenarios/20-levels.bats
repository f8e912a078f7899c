# bats file_tags=serial
# Redundancy as numbers: parity, copies, RAID levels; what they store, what they bear, what is refused.

load common

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir in away
	head -c 1000000 /dev/urandom >in/noise
	seq 1 2000 >in/numbers
}

# A new array of $1 drives d1, d2, ... with these options, and a put.
make_array() {
	local i drives=()
	rm -rf d? d?? config state key
	for ((i = 1; i <= $1; i++)); do
		mkdir "d$i"
		drives+=("d$i")
	done
	shift
	MRMR_KEY_FILE= "$MRMR" init --key-file key --block-size 64K "$@" "${drives[@]}"
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" --json put in >said
	stored=$(jq -r 'select(.message_type == "summary") | .bytes_stored' said)
}

compare() {
	rm -rf out state/*/table.sqlite*
	"$MRMR" get latest --to out
	diff -r in "out$PWD/in"
}

status_says() { # field value
	[ "$("$MRMR" --json status | jq -r ".$1")" = "$2" ]
}

@test "parity m: status promises m, and the first m as well as the last m drives may be lost" {
	local m i
	for m in 0 1 2 4 9 16; do
		make_array 17 --parity "$m"
		status_says parity "$m"
		status_says spare "$m"
		status_says state optimal
		[ "$m" -gt 0 ] || continue
		for ((i = 1; i <= m; i++)); do
			mv "d$i" away
		done
		compare
		mv away/* .
		for ((i = 0; i < m; i++)); do
			mv "d$((17 - i))" away
		done
		compare
		mv away/* .
	done
}

@test "with parity 0 nothing is stored twice, and the loss of a drive is told" {
	make_array 4 --parity 0
	[ "$(find d? -name '*.blob' | wc -l)" -eq "$(find d?/.mrmr/blocks -name '*.blob' | wc -l)" ]
	[ "$stored" -lt 1100000 ]
	mv d1 away
	run "$MRMR" get latest --to out
	[ "$status" -eq 21 ]
	mv away/d1 .
	compare
}

@test "copies N: every block lies on N drives, as it is" {
	local n
	for n in 2 3 5; do
		make_array 5 --copies "$n"
		status_says copies true
		status_says parity $((n - 1))
		run bash -c "find d? -name '*.blob' -printf '%f\n' | sort | uniq -c |
			awk '{ print \$1 }' | sort -u"
		[ "$output" = "$n" ]
		find d? -name '*.blob' -printf '%p %f\n' | while read -r path name; do
			[ "$(sha256sum <"$path" | cut -c 1-64)" = "${name%.blob}" ]
		done
	done
	mv d1 d2 d4 d5 away
	compare
}

# What 1,000,000 bytes of noise and little else take, within 12 %: padding and lists.
about() { # times a hundredth
	echo "stored $stored of $1 %"
	[ "$stored" -gt $((1000000 * $1 / 100)) ]
	[ "$stored" -lt $((1120000 * $1 / 100)) ]
}

@test "a RAID level is a number, and takes what its number says" {
	make_array 4 --level raid0
	status_says parity 0
	about 100
	make_array 4 --level raid1
	status_says parity 3
	status_says copies true
	about 400
	make_array 4 --level raid5
	status_says parity 1
	about 133
	make_array 4 --level raid6
	status_says parity 2
	about 200
	make_array 5 --level raid4
	status_says parity 1
	about 125
}

@test "raid4 has all parity on the last drive, raid5 and raid6 have it everywhere" {
	local d
	# All share one file system with whatever else runs: where the last seems to have less room than the
	# others, these may have rows, too.
	for _ in 1 2 3; do
		make_array 5 --level raid4
		[ -n "$(find d[1-4]/.mrmr/parity -name '*.blob')" ] || break
	done
	[ -z "$(find d[1-4]/.mrmr/parity -name '*.blob')" ]
	[ -z "$(find d5/.mrmr/blocks -name '*.blob')" ]
	[ "$("$MRMR" --json drives | jq -r 'select(.name == "d5") | .role')" = parity ]
	head -c 4000000 /dev/urandom >in/noise # some twenty groups
	for level in raid5 raid6; do
		make_array 4 --level "$level"
		for d in d1 d2 d3 d4; do
			[ -n "$(find $d/.mrmr/parity -name '*.blob')" ]
			[ -n "$(find $d/.mrmr/blocks -name '*.blob')" ]
		done
	done
}

@test "without a level: parity 1 with two or more drives, 0 with one and a warning" {
	make_array 2
	status_says parity 1
	mkdir e1
	export MRMR_CONFIG_DIR=$PWD/config2
	run "$MRMR" init --key-file key2 e1
	[ "$status" -eq 0 ]
	[[ "$output" == *"one drive has no redundancy"* ]]
	MRMR_KEY_FILE=$PWD/key2 status_says parity 0
}

@test "what cannot be is refused with the reason: exit 2, and nothing is created" {
	local options reason
	mkdir d1 d2 d3
	while IFS='|' read -r options reason; do
		run "$MRMR" init --key-file key $options d1 d2 d3
		echo "$options: $output"
		[ "$status" -eq 2 ]
		[[ "${lines[0]}" == "mrmr: "*"$reason"* ]]
		[ -z "$(ls -A d1 d2 d3 | grep -v ':$\|^$')" ]
		[ ! -e config ]
		[ ! -e state ]
		[ ! -e key ]
	done <<-END
		--level raid2|Hamming
		--level raid3|every byte
		--level raid7|not one of
		--level 5|not one of
		--parity 3|at most 2
		--parity 17|from 0 to 16
		--parity -1|from 0 to 16
		--parity two|from 0 to 16
		--copies 0|from 1 to 17
		--copies 4|at most 2
		--parity 1 --copies 2|exclude each other
		--level raid5 --parity 1|exclude each other
		--width 1|no room for data
		--level raid6 --width 2|no room for data
	END
	for options in raid4 raid5 "raid6"; do
		run "$MRMR" init --key-file key --level "$options" d1
		[ "$status" -eq 2 ]
		[[ "$output" == *"1 drive"*"cannot carry parity"* ]]
	done
	[ ! -e config ]
}

@test "set refuses a parity that the drives cannot carry" {
	mkdir d1 d2 d3
	"$MRMR" init --key-file key d1 d2 d3
	export MRMR_KEY_FILE=$PWD/key
	run "$MRMR" set parity=3
	[ "$status" -eq 2 ]
	[[ "$output" == *"3 drives cannot carry parity 3: at most 2"* ]]
	run "$MRMR" set copies=4
	[ "$status" -eq 2 ]
	"$MRMR" set parity=2
	status_says parity 2
	"$MRMR" set copies=2
	status_says parity 1
}
