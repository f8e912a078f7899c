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
