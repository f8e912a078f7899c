# Commands killed before every kind of call that changes something (T-01). An array is prepared
# once; before each point it is put back in place, so that the state folder stays the same one.

prepare() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 in
	local i
	for i in 1 2 3 4 5 6; do
		head -c 9000 /dev/urandom >"in/$i"
	done
	"$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3 d4
	export MRMR_KEY_FILE=$PWD/key
	"$MRMR" put in >said
	first=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' said)
	cp -a in first
}

# What now stands is what every point begins with.
keep() {
	mkdir kept
	cp -a d? config state key kept/
}

put_back() {
	local part
	for part in config state key d1 d2 d3 d4; do
		rsync -ac --delete "kept/$part" .
	done
}

same() { # snapshot folder
	rm -rf out
	"$MRMR" get "$1" --to out >said.get 2>&1 || { cat said.get; return 1; }
	diff -r "$2" "out$PWD/in"
}

# The same command again. Tests may say more.
again() {
	"$@"
}

# usage: sweep CHECK COMMAND...: CHECK is run after the command succeeded at last. Kills before
# call 1, 2, 3 and so on of each kind, in growing steps; prints and counts the points.
sweep() {
	local check=$1 call n code
	points=0
	shift
	for call in write pwrite64 fsync fdatasync rename renameat2 unlink unlinkat mkdirat ftruncate \
		openat openat2; do
		for ((n = 1; ; n += 1 + n / ${MRMR_KILL_STEP:-6})); do
			put_back
			code=0
			strace -f -qq -o /dev/null -e trace=$call -e signal=none \
				-e inject=$call:signal=KILL:when=$n "$@" >said 2>/dev/null || code=$?
			[ "$code" -eq 137 ] || break
			points=$((points + 1))
			same "$first" first || { echo "$call $n: the first snapshot"; return 1; }
			code=0
			again "$@" >said 2>&1 || code=$?
			if [ "$code" -ne 0 ] && [ "$code" -ne 23 ]; then
				echo "$call $n: again: exit code $code"
				cat said
				return 1
			fi
			"$check" || { echo "$call $n: the result"; return 1; }
			same "$first" first || { echo "$call $n: the first snapshot, after"; return 1; }
		done
	done
	echo "# $points points of: ${*##*/}" >&3
	[ "$points" -ge 20 ]
}

no_damage() {
	local code=0
	"$MRMR" scrub >said 2>&1 || code=$?
	[ "$code" -eq 0 ] || { cat said; return 1; }
}
