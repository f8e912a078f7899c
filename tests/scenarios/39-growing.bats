# The story that mrmr-array(7) tells, on a small tree.

load common
bats_require_minimum_version 1.5.0

setup() {
	fresh_home
	work=$(mktemp -d) || return 1
	mkdir -p "$work/tree/part"
	local i
	for i in 1 2 3 4; do
		head -c 1200000 /dev/urandom >"$work/tree/part/$i"
	done
	for i in 1 2 3 4 5 6 7 8; do
		head -c 2600000 /dev/urandom >"$work/tree/$i"
	done
	cd "$work"
}

teardown() {
	cd / && rm -rf "$work"
}

@test "an array grows from one drive to six and bears what it promises at every step" {
	TMPDIR=$work "$BATS_TEST_DIRNAME/../grow" "$work/tree" "$work/tree/part" 100 1M
}
