# Drives lost (T-05): every set of at most m drives costs nothing, every set of m + 1 costs exactly
# the files that are named, and when the drives are back everything is whole again.

load common
bats_require_minimum_version 1.5.0

# An array of $1 drives with parity $2, two snapshots, and a copy of what the newest holds.
make_array() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	local i places=()
	for ((i = 1; i <= $1; i++)); do
		mkdir "d$i"
		places+=("d$i")
	done
	"$MRMR" init --key-file key --parity "$2" --block-size 64K "${places[@]}"
	export MRMR_KEY_FILE=$PWD/key
	mkdir in away
	for ((i = 0; i < 20; i++)); do
		head -c $((i * 2500)) /dev/urandom >"in/$i"
	done
	"$MRMR" put in
	rm in/3
	head -c 5000 /dev/urandom >>in/7
	"$MRMR" put in
}

# Every set of exactly $2 of $1 drives, as "d1 d4".
sets() {
	local mask i set count
	trap - DEBUG # a shell of its own: bats need not remember the line of each command
	for ((mask = 1; mask < 1 << $1; mask++)); do
		set= count=0
		for ((i = 0; i < $1; i++)); do
			((mask >> i & 1)) || continue
			set+=" d$((i + 1))"
			((count += 1))
		done
		[ "$count" -ne "$2" ] || echo "$set"
	done
}

restore() {
	rm -rf out state/*/table.sqlite*
	code=0
	"$MRMR" get latest --to out >said 2>errors || code=$?
}

# Any $2 of $1 drives may be lost; of sets of one more, at most every $3-th is tried.
every_loss() {
	local set lost cases=0
	for ((lost = 1; lost <= $2; lost++)); do
		while read -r set; do
			mv $set away/
			restore
			[ "$code" -eq 0 ] || { echo "lost:$set"; cat errors; return 1; }
			diff -r in "out$PWD/in" || { echo "lost:$set"; return 1; }
			[ "$(grep -c 'reconstructed from parity' errors)" -le 1 ]
			mv away/* .
			cases=$((cases + 1))
		done < <(sets "$1" "$lost")
	done
	echo "# $cases sets of at most $2 of $1 drives" >&3
}

every_loss_beyond() {
	local set missing named cases=0 hurt=0
	while read -r set; do
		mv $set away/
		restore
		diff -rq in "out$PWD/in" >differences || true
		missing=$(sed -n 's/^Only in in: //p' differences | sort)
		named=$(sed -n 's|^mrmr: warning: .*/in/\([0-9]*\): LOST.*|\1|p' errors | sort)
		[ "$missing" = "$named" ] || { echo "lost:$set"; cat errors; return 1; }
		run grep -v '^Only in in: ' differences
		[ "$output" = "" ]
		if [ "$missing" = "" ]; then
			[ "$code" -eq 0 ]
		else
			[ "$code" -eq 21 ]
			hurt=$((hurt + 1))
		fi
		mv away/* .
		cases=$((cases + 1))
	done < <(sets "$1" "$(($2 + 1))")
	echo "# $cases sets of $(($2 + 1)) of $1 drives, files lost in $hurt of them" >&3
	[ "$hurt" -gt 0 ]
	restore
	[ "$code" -eq 0 ]
	diff -r in "out$PWD/in"
}

@test "4 drives with parity 1" {
	make_array 4 1
	every_loss 4 1
	every_loss_beyond 4 1
}

@test "5 drives with parity 2" {
	make_array 5 2
	every_loss 5 2
	every_loss_beyond 5 2
}

# bats test_tags=plain
@test "6 drives with parity 2" {
	make_array 6 2
	every_loss 6 2
}

# bats test_tags=plain
@test "8 drives with parity 3" {
	make_array 8 3
	every_loss 8 3
}

@test "ls, cat, snapshots and whereis work with m drives lost, exit 0, and status says 20" {
	make_array 5 2
	mv d2 d5 away
	rm -rf state/*/table.sqlite*
	run --separate-stderr "$MRMR" ls "latest:$PWD/in"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 19 ]
	[ "$(grep -c 'd2 is left out' <<<"$stderr")" -eq 1 ]
	[ "$(grep -c 'd5 is left out' <<<"$stderr")" -eq 1 ]
	for file in in/*; do
		"$MRMR" cat "latest:$PWD/$file" 2>errors | cmp - "$file"
		[ "$(grep -c 'reconstructed from parity' errors)" -le 1 ]
	done
	run "$MRMR" snapshots
	[ "$status" -eq 0 ]
	run "$MRMR" whereis "latest:$PWD/in/7"
	[ "$status" -eq 0 ]
	run "$MRMR" status
	[ "$status" -eq 20 ]
}

# Bytes that the command read from objects on drives.
bytes_read() {
	strace -f -qq -e trace=openat,close,read,pread64 \
		-o calls "$@" >said
	awk '
	/ openat\(/ && / = [0-9]+$/ { drive[$NF] = /\.blob"/ }
	/ (read|pread64)\(/ && / = [0-9]+$/ {
		match($0, /\([0-9]+/)
		if (drive[substr($0, RSTART + 1, RLENGTH - 1)]) n += $NF
	}
	END { print n + 0 }' calls
}

@test "a small file of a lost drive is read by ranges of other objects, never whole ones" {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	local i holder whole damaged
	mkdir d1 d2 d3 d4 d5 in away
	"$MRMR" init --key-file key --parity 2 d1 d2 d3 d4 d5
	export MRMR_KEY_FILE=$PWD/key
	head -c 9000000 /dev/urandom >in/noise
	for ((i = 0; i < 5; i++)); do
		head -c 20000 /dev/urandom >"in/$i"
	done
	"$MRMR" put in
	holder=$("$MRMR" --json whereis "latest:$PWD/in/3" | jq -r 'select(.block) | .drive')
	whole=$(bytes_read "$MRMR" cat "latest:$PWD/in/3")
	cmp said in/3
	mv "$holder" away
	damaged=$(bytes_read "$MRMR" cat "latest:$PWD/in/3" 2>/dev/null)
	cmp said in/3
	echo "# $whole bytes read from its block, $damaged from two others" >&3
	[ "$whole" -gt 20000 ]
	[ "$damaged" -le $((2 * whole)) ]
	[ "$damaged" -lt 600000 ]
}
