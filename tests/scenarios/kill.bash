# Commands that get a signal before their calls that change files (T-01): every call of every thread,
# counted by tests/preload/kill.c; every MRMR_KILL_EVERYth of them in the normal run. An array is
# prepared once; before each point it is put back in place, so that the state folder stays the same one.
kill_every=${MRMR_KILL_EVERY:-3} # fresh_home unsets the other

# Leaves us in a folder that holds everything that may change.
prepare() {
	fresh_home
	work=$(mktemp -d -p /dev/shm mrmr-kill.XXXXXX 2>/dev/null || mktemp -d) || return 1
	mkdir "$work/now" "$work/in"
	cd "$work/now" || return 1
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	in=$work/in first=
	preload kill
	mkdir d1 d2 d3 d4
	local i
	for i in 1 2 3 4 5 6; do
		head -c 9000 /dev/urandom >"$in/$i"
	done
}

array_of_four() {
	"$MRMR" -q init --key-file key --parity 1 --block-size 64K d1 d2 d3 d4
}

# The snapshot that must never suffer.
put_first() {
	"$MRMR" put "$in" >"$work/said"
	first=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' "$work/said")
	cp -a "$in" "$work/first"
}

clean_up() {
	cd / && rm -rf "$work"
}

# What now stands is what every point begins with.
keep() {
	cp -a "$work/now" "$work/kept"
	state=$(find "$PWD/state" -mindepth 1 -maxdepth 1 2>/dev/null || true)
}

# All but the state folder itself, whose inode is a part of the writer's identity.
put_back() {
	find "$work/now" -mindepth 1 ! -path "$work/now/state" ! -path "${state:-none}" -delete
	cp -a "$work/kept/." "$work/now"
}

same() { # snapshot folder
	rm -rf "$work/out"
	"$MRMR" get "$1" --to "$work/out" >"$work/said.get" 2>&1 || { cat "$work/said.get"; return 1; }
	diff -r --no-dereference "$2" "$work/out$in"
}

no_damage() {
	local code=0 left id
	"$MRMR" scrub >"$work/said" 2>&1 || code=$?
	[ "$code" -eq 0 ] || { cat "$work/said"; return 1; }
	# What the killed run left half-written is gone by now.
	id=$(sed -n 's/.*"array_id": "\([0-9a-f]*\)".*/\1/p' config/default.json)
	left=$(find d? config state/*.* "state/$id" -name '*.tmp' -o -path '*/~tmp/*' 2>/dev/null || true)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}

# ---- what tests may say anew ----

# The signal, and what a command that it ends exits with.
signal=9 ended=137

# What stood before stands.
earlier() {
	same "$first" "$work/first"
}

# The same command again.
again() {
	"$@"
}

# ---- the sweep ----

killed_at() { # n command...
	local n=$1
	shift
	LD_PRELOAD=$shim KILL_AT=$n KILL_SIGNAL=$signal KILL_SAID=$work/call "$@" >"$work/said" 2>&1
}

one_point() { # check command...
	local check=$1 code=0
	shift
	earlier || { echo "the first snapshot"; return 1; }
	again "$@" >"$work/said" 2>&1 || code=$?
	[ "$code" -eq 0 ] || [ "$code" -eq 23 ] || { echo "again: exit $code"; cat "$work/said"; return 1; }
	"$check" || { echo "the result"; return 1; }
	earlier || { echo "the first snapshot, afterwards"; return 1; }
}

# usage: sweep CHECK COMMAND...: CHECK is run after the command succeeded at last.
sweep() {
	local check=$1 every=$kill_every points=0 n code total
	shift
	set +T # bats remembers the line of each command of each function: an eighth of the time
	put_back
	killed_at 0 "$@" || [ $? -eq 23 ] || { cat "$work/said"; return 1; }
	total=$(cat "$work/call")
	for ((n = 1; n <= total; n += every)); do
		put_back
		code=0
		killed_at "$n" "$@" 2>/dev/null || code=$?
		# Threads may make a call less than when they were counted; and what is nearly done may end
		# before it looks whether it is to stop.
		[ "$code" -ne 0 ] && [ "$code" -ne 23 ] || continue
		[ "$code" -eq "$ended" ] || { cat "$work/said"; echo "call $n: exit $code"; return 1; }
		points=$((points + 1))
		# Every other time with the table to be made anew.
		[ $((points % 2)) -eq 0 ] || rm -rf state/*/table.sqlite*
		one_point "$check" "$@" || { echo "killed before call $n: $(cat "$work/call")"; return 1; }
	done
	if [ "$signal" -ne 9 ]; then
		echo "# ended $points times in $total calls: $BATS_TEST_DESCRIPTION" >&3
	else
		echo "# $points kill points in $total calls: $BATS_TEST_DESCRIPTION" >&3
	fi
	[ "$signal" -ne 9 ] || [ "$points" -ge $((total / every - 5)) ]
	[ "$points" -ge $((total / every < 20 ? 3 : 10)) ]
}
