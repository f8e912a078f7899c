# Init, add and the key commands, killed at any moment.

# bats file_tags=plain
load common
load kill

setup() {
	prepare
}

teardown() {
	clean_up
}

# A key file that a command made before it was killed is never overwritten by the next.
without_key_file() {
	rm -f "$1"
	shift
	"$@"
}

@test "an init" {
	keep
	earlier() { :; }
	# From its commit on it is an array, whose config recover makes.
	again() {
		[ -e config/default.json ] && return
		cp key left 2>/dev/null || true
		without_key_file key "$@" && return
		cp left key
		"$MRMR" recover d1 d2 d3 d4
	}
	takes_a_put() {
		"$MRMR" put "$in" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
		same latest "$in"
		no_damage
	}
	sweep takes_a_put "$MRMR" init --key-file key --parity 1 --block-size 64K d1 d2 d3 d4
}

@test "an add" {
	array_of_four
	put_first
	mkdir d5
	keep
	# When the kill came after the commit, the drive is there.
	again() {
		"$@" || "$MRMR" drives | grep -q '^d5 '
	}
	sweep no_damage "$MRMR" add d5
}

@test "a key add" {
	array_of_four
	put_first
	keep
	again() {
		without_key_file key2 "$@"
	}
	opens() {
		MRMR_KEY_FILE=$PWD/key2 "$MRMR" snapshots >/dev/null
		no_damage
	}
	sweep opens "$MRMR" key add --key-file key2
}

# The last recovery key that was printed, before the kill or after it, opens.
@test "a key recovery" {
	array_of_four
	put_first
	keep
	opens() {
		local key
		key=$(sed -n 's/^recovery key: //p' "$work/said")
		MRMR_KEY_FILE= MRMR_PASSPHRASE=$key "$MRMR" snapshots >/dev/null || return 1
		[ "$("$MRMR" key list | grep -c recovery)" -eq 1 ] || return 1
		no_damage
	}
	sweep opens "$MRMR" key recovery
}

# Each point pays for Argon2 several times: there are fewer of them.
@test "a key passwd" {
	array_of_four
	MRMR_NEW_PASSPHRASE=before "$MRMR" key add
	put_first
	keep
	kill_every=$((kill_every * 6))
	by() { # passphrase command...
		MRMR_KEY_FILE= MRMR_PASSPHRASE=$1 MRMR_NEW_PASSPHRASE=after "${@:2}"
	}
	again() {
		"$@" || by after "$MRMR" snapshots
	}
	only_after_opens() {
		local code=0
		by after "$MRMR" snapshots >/dev/null || return 1
		by before "$MRMR" snapshots >/dev/null 2>&1 || code=$?
		[ "$code" -eq 12 ] || return 1
		no_damage
	}
	sweep only_after_opens by before "$MRMR" key passwd
}
