# Two hosts, each with a config and a state of its own, put into one array at the same time.

load common

setup() {
	fresh_home
	array_of_three
	mkdir in-a in-b
}

on() { # host, then the command
	local host=$1
	shift
	MRMR_CONFIG_DIR=$PWD/config-$host MRMR_STATE_DIR=$PWD/state-$host "$MRMR" "$@"
}

puts_of() {
	local i
	for i in 1 2 3 4; do
		head -c 300000 /dev/urandom >"in-$1/noise-$i"
		echo "$1 $i" >"in-$1/letter-$i"
		on "$1" put --host "$1" --series "of-$1" "in-$1" || return 1
	done
}

both_at_once() {
	local a b
	puts_of a >said-a 2>&1 &
	a=$!
	puts_of b >said-b 2>&1 &
	b=$!
	wait $a || { cat said-a; return 1; }
	wait $b || { cat said-b; return 1; }
}

ids_on() {
	on "$1" --json snapshots | jq -r 'select(.message_type == "snapshot") | .id' | sort
}

@test "both hosts' snapshots are complete on both, also from a table made anew" {
	mv config config-a
	mv state state-a
	on b recover d1 d2 d3
	both_at_once
	for host in a b; do
		for series in a b; do
			on $host get latest --series of-$series --host $series --to "out-$host-$series"
			run rsync -aAXHcn --delete -i "in-$series/" "out-$host-$series$PWD/in-$series/"
			[ "$status" -eq 0 ]
			[ "$output" = "" ]
		done
	done
	ids_on a >ids
	[ "$(wc -l <ids)" -eq 8 ]
	rm state-b/*/table.sqlite*
	ids_on b | diff ids -
	run on a scrub
	[ "$status" -eq 0 ]
	for host in a b; do
		run on $host status
		[ "$status" -eq 0 ]
		[[ "$output" == *optimal* ]]
	done
}

@test "both put in loops while one of them scrubs and the other looks: nothing is missed, nothing damaged" {
	mv config config-a
	mv state state-a
	on b recover d1 d2 d3
	echo "before all" >in-a/first
	on a -q put --host a --series of-a in-a
	loop_of() {
		local i
		for ((i = 0; i < 12; i++)); do
			head -c 80000 /dev/urandom >"in-$1/noise-$i"
			echo "$1 $i" >"in-$1/letter"
			on "$1" put --host "$1" --series "of-$1" "in-$1" || return 1
		done
	}
	loop_of a >said-a 2>&1 &
	a=$!
	loop_of b >said-b 2>&1 &
	b=$!
	scrubs=0
	while kill -0 $a 2>/dev/null || kill -0 $b 2>/dev/null; do
		run on b scrub
		echo "$output"
		[ "$status" -eq 0 ]
		on a status >/dev/null || [ $? -eq 20 ] # a commit was on its way to some drive
		on a -q get latest --host a --to out.then
		scrubs=$((scrubs + 1))
	done
	wait $a || { cat said-a; return 1; }
	wait $b || { cat said-b; return 1; }
	[ "$scrubs" -ge 2 ]
	[ "$(cat said-a said-b | grep -c warning)" -eq 0 ]
	for host in a b; do
		for series in a b; do
			on $host -q get latest --series of-$series --host $series --to "out-$host-$series"
			diff -r "in-$series" "out-$host-$series$PWD/in-$series"
		done
		rm state-$host/*/table.sqlite*
		[ "$(ids_on $host | wc -l)" -eq 25 ]
	done
	run on a scrub --no-repair
	[ "$status" -eq 0 ]
}

@test "one host adds a drive and changes keys while the other puts: both agree afterwards" {
	mv config config-a
	mv state state-a
	on b recover d1 d2 d3
	mkdir d4
	puts_of b >said-b 2>&1 &
	b=$!
	on a add d4
	on a key add --key-file key2
	on a set d2.max=1G
	wait $b || { cat said-b; return 1; }
	on a put --host a --series of-a in-a
	for host in a b; do
		[ "$(on $host --json drives 2>/dev/null | jq -r 'select(.name) | "\(.name) \(.max_bytes)"' |
			tr '\n' ' ')" = "d1 0 d2 1073741824 d3 0 d4 0 " ]
		[ "$(on $host key list | wc -l)" -eq 3 ]
	done
	# Host b has no way to the new drive, and says so.
	run on b put --host b --series of-b in-b
	[ "$status" -eq 0 ]
	[[ "$output" == *"drive d4 is left out: absent: this host's config has no way to it"* ]]
	MRMR_KEY_FILE=$PWD/key2 on b -q get latest --series of-b --host b --to out-b 2>/dev/null
	diff -r in-b "out-b$PWD/in-b"
}

# Whatever drive is away, on either host, from a table made anew.
all_is_there() { # without which drives...
	local lost host
	for lost in "$@"; do
		mv "$lost" away
		for host in a b; do
			rm -rf out state-b/*/table.sqlite*
			on b -q get latest --series "of-$host" --host "$host" --to out 2>said ||
				{ cat said; echo "without $lost"; return 1; }
			diff -r "in-$host" "out$PWD/in-$host" || return 1
		done
		mv away "$lost"
	done
}

at_once() { # a command of host a, as one word, and one of host b
	local a b code
	on a -q $1 >said-a 2>&1 &
	a=$!
	on b -q $2 >said-b 2>&1 &
	b=$!
	wait $a || { code=$?; [ $code -eq 20 ] || { echo "a: $code"; cat said-a; return 1; }; }
	wait $b || { code=$?; [ $code -eq 20 ] || { echo "b: $code"; cat said-b; return 1; }; }
}

@test "one joins, splits, empties a drive, while the other stores, joins, changes parity: nothing is less protected" {
	rm -rf config state d1 d2 d3 key
	mkdir d1 d2 d3 d4 d5
	"$MRMR" -q init --key-file key --parity 1 --block-size 64K d1 d2 d3 d4 d5
	mv config config-a
	mv state state-a
	on b -q recover d1 d2 d3 d4 d5
	for i in 1 2 3 4; do
		for host in a b; do
			head -c $((4000 + 100 * i)) /dev/urandom >"in-$host/small-$i"
			on $host -q put --host $host --series of-$host in-$host
		done
	done
	head -c 300000 /dev/urandom >in-a/wide
	on a -q put --host a --series of-a in-a
	head -c 90000 /dev/urandom >in-b/more
	at_once rebalance "put --host b --series of-b in-b"
	all_is_there d1 d4
	at_once "set parity=2" rebalance
	all_is_there d2 d5
	at_once "drain d3" "rebalance"
	head -c 70000 /dev/urandom >in-b/last
	at_once "set parity=1" "put --host b --series of-b in-b"
	all_is_there d1 d2 d4 d5
	on a -q rebalance
	run on b rebalance
	[ "$status" -eq 0 ]
	[ "$output" = "nothing to rebalance" ]
	all_is_there d1 d2 d4 d5
	for host in a b; do
		run on $host scrub
		[ "$status" -eq 0 ]
		run on $host status
		[ "$status" -eq 0 ]
	done
}
