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
