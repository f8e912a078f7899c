# Scrub, rebuild, add and key commands, killed at any moment.

load common
load kill

setup() {
	prepare
}

@test "a scrub that repairs is killed anywhere, and repairs when run again" {
	for blob in $(find d2 -name '*.blob') d2/.mrmr/config.json; do
		printf x | dd of="$blob" bs=1 seek=9 conv=notrunc status=none
	done
	rm d4/.mrmr/journal/*/1-1-*
	keep
	sweep no_damage "$MRMR" scrub
}

@test "a rebuild is killed anywhere, and goes on when run again" {
	"$MRMR" get latest --to out
	local lost
	lost=$(find d? -name '*.blob' | head -1)
	export lost=${lost%%/*}
	rm -r "$lost"
	mkdir "$lost"
	keep
	rebuilt() {
		[ -n "$(find n2 -name '*.blob')" ]
	}
	put_back() {
		local part
		for part in config state key d1 d2 d3 d4; do
			rsync -ac --delete "kept/$part" .
		done
		rm -rf n2
		mkdir n2
	}
	# Once it ended, the old name is gone: the second run is the one that ends it.
	again() {
		"$@" || ! "$MRMR" drives | grep -q "^ *$lost "
	}
	sweep rebuilt "$MRMR" rebuild "$lost" --onto n2
}

@test "adding a drive is killed anywhere" {
	keep
	put_back() {
		local part
		for part in config state key d1 d2 d3 d4; do
			rsync -ac --delete "kept/$part" .
		done
		rm -rf d5
		mkdir d5
	}
	# When the kill came after the commit, the drive is there.
	again() {
		"$@" || "$MRMR" drives | grep -q '^d5 '
	}
	sweep no_damage "$MRMR" add d5
}

@test "adding a key is killed anywhere" {
	keep
	# A key file of the run that was killed is never overwritten.
	again() {
		rm -f key2
		"$@"
	}
	opens() {
		MRMR_KEY_FILE=$PWD/key2 "$MRMR" snapshots >/dev/null
		rm key2
	}
	rm -f key2
	sweep opens "$MRMR" key add --key-file key2
}
