# Scrub and rebuild, killed at any moment.

# bats file_tags=plain
load common
load kill

setup() {
	prepare
	array_of_four
	put_first
}

teardown() {
	clean_up
}

@test "a scrub that repairs" {
	for blob in $(find d2 -name '*.blob') d2/.mrmr/config.json; do
		printf x | dd of="$blob" bs=1 seek=9 conv=notrunc status=none
	done
	rm d4/.mrmr/journal/*/1-1-*
	keep
	sweep no_damage "$MRMR" scrub
}

@test "a rebuild" {
	local lost
	lost=$(find d? -name '*.blob' | head -1)
	lost=${lost%%/*}
	rm -r "$lost"
	mkdir "$lost" n2
	keep
	rebuilt() {
		[ -n "$(find n2 -name '*.blob')" ] || return 1
		no_damage
	}
	sweep rebuilt "$MRMR" rebuild "$lost" --onto n2
}

# The state folder is put back to what it was before the put that d1 did not see: the next one, that
# only d1 sees, signs the same numbers again.
@test "a scrub that ends a fork" {
	cp -a state "$work/old"
	mv d1 "$work"
	echo one >"$in/one"
	"$MRMR" put "$in" >"$work/said"
	one=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' "$work/said")
	cp -a "$in" "$work/in.one"
	find state/* -mindepth 1 -delete
	cp -a "$work"/old/*/. state/*/
	mv d2 d3 d4 "$work"
	mv "$work/d1" .
	rm "$in/one"
	echo two >"$in/two"
	"$MRMR" put "$in" >"$work/said" || [ $? -eq 20 ]
	two=$(sed -n 's/^snapshot \(.*\) saved$/\1/p' "$work/said")
	cp -a "$in" "$work/in.two"
	mv "$work"/d[234] .
	keep
	both_are_there() {
		same "$one" "$work/in.one" || return 1
		same "$two" "$work/in.two" || return 1
		no_damage
	}
	sweep both_are_there "$MRMR" scrub
}

@test "a recover" {
	rm -r state config d3
	keep
	earlier() {
		[ ! -e config/default.json ] || same "$first" "$work/first"
	}
	again() {
		[ -e config/default.json ] || "$@"
	}
	sweep no_damage "$MRMR" recover d1 d2 d4
}
