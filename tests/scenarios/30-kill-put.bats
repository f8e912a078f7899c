# Put, killed at any moment: the array is as before or after, and the same command succeeds.

load common
load kill

setup() {
	prepare
}

latest_is_in() {
	same latest in
}

@test "a put that is killed anywhere leaves earlier snapshots whole, and succeeds when run again" {
	head -c 70000 /dev/urandom >in/new
	echo changed >>in/1
	rm in/2
	keep
	sweep latest_is_in "$MRMR" put in
}

@test "a small put, which the journal carries, is killed anywhere" {
	echo little >in/little
	keep
	sweep latest_is_in "$MRMR" put in
}

@test "an unchanged put is killed anywhere" {
	keep
	sweep latest_is_in "$MRMR" put in
}
