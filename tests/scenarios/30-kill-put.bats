# Put, killed at any moment: the array is as before or after, and the same command succeeds.

# bats file_tags=plain
load common
load kill

setup() {
	prepare
	array_of_four
}

teardown() {
	clean_up
}

latest_is_in() {
	same latest "$in"
	no_damage
}

@test "the first put" {
	keep
	earlier() { :; }
	sweep latest_is_in "$MRMR" put "$in"
}

@test "a put of changes" {
	put_first
	head -c 70000 /dev/urandom >"$in/new"
	echo changed >>"$in/1"
	rm "$in/2"
	keep
	sweep latest_is_in "$MRMR" put "$in"
}

@test "a small put, which the journal carries" {
	put_first
	echo little >"$in/little"
	keep
	sweep latest_is_in "$MRMR" put "$in"
}

@test "an unchanged put" {
	put_first
	keep
	sweep latest_is_in "$MRMR" put "$in"
}

@test "a put that compacts the journal" {
	put_first
	local i
	for i in 1 2 3 4; do
		echo $i >"$in/little"
		"$MRMR" -q put "$in"
	done
	head -c 70000 /dev/urandom >"$in/new"
	keep
	"$MRMR" -q put "$in"
	[ -z "$(find d1/.mrmr/journal -name '1-1-*')" ]
	# Most of its calls are those of the tables that prove it.
	kill_every=$((kill_every * 3))
	sweep latest_is_in "$MRMR" put "$in"
}
