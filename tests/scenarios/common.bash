# jq compiles its library at each start, which takes five times as long as the command that is asked.
jq() {
	gojq "$@"
}

# No leak checker works below it.
strace() {
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 command strace "$@"
}

# preload NAME: $shim is that library of tests/preload, whichever build of mrmr is tested. None of them
# is built for a sanitizer.
preload() {
	local folder
	for folder in "$(dirname "$MRMR")" "$(dirname "$MRMR")/.."; do
		shim=$folder/tests/preload/$1.so
		[ ! -e "$shim" ] || return 0
	done
	shim=$BATS_FILE_TMPDIR/$1.so
	cc -D_GNU_SOURCE -O2 -fPIC -shared -o "$shim" "$BATS_TEST_DIRNAME/../preload/$1.c"
}

# Every scenario works in a folder of its own and knows nothing of the user who runs it.
fresh_home() {
	local name
	for name in $(compgen -e MRMR_) NO_COLOR; do
		unset "$name"
	done
	export HOME=$BATS_TEST_TMPDIR/home XDG_CONFIG_HOME= XDG_STATE_HOME=
	export MRMR_PASSPHRASE='correct horse battery staple'
	mkdir -p "$HOME"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# All rows of the command table, one name per line.
commands_of_the_table() {
	"$MRMR" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\( [a-z]\+\)\?\)  .*/\1/p'
}

# An array on the folders d1, d2 and d3, opened by a key file: that costs no slow derivation.
array_of_three() {
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	mkdir d1 d2 d3
	"$MRMR" init --key-file key "$@" d1 d2 d3 >recovery 2>&1 || cat recovery
}
