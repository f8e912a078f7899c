# Disable, enable, drain and remove, killed at any moment; and then a drive is lost.

# bats file_tags=plain
load common
load kill

setup() {
	prepare
	array_of_four
	put_first
	turn=0
	may_go=(d1 d3 d4)
}

teardown() {
	clean_up
}

# With another drive gone each time.
earlier() {
	local gone=${may_go[turn++ % ${#may_go[@]}]} code=0
	[ -e "$gone" ] || { same "$first" "$work/first"; return; }
	mv "$gone" "$work/gone"
	same "$first" "$work/first" || code=1
	mv "$work/gone" "$gone"
	[ "$code" -eq 0 ] || echo "without $gone"
	return "$code"
}

state_is() { # drive state
	local is
	is=$("$MRMR" --json drives | jq -r "select(.name == \"$1\") | .state")
	[ "$is" = "$2" ] || { echo "$1 is '$is'"; return 1; }
}

@test "a disable" {
	may_go=(d2)
	keep
	disabled() {
		state_is d2 disabled
	}
	sweep disabled "$MRMR" disable d2
}

@test "an enable, of a drive that missed things" {
	may_go=(d2)
	"$MRMR" disable d2
	echo more >"$in/more"
	"$MRMR" put "$in" >"$work/said"
	rm "$in/more"
	"$MRMR" key recovery >"$work/said" 2>&1
	keep
	enabled() {
		state_is d2 optimal || return 1
		no_damage
	}
	sweep enabled "$MRMR" enable d2
}

@test "a drain" {
	keep
	drained() {
		state_is d2 draining || return 1
		[ -z "$(find d2 -name '*.blob')" ] || { find d2 -name '*.blob'; return 1; }
		no_damage
	}
	sweep drained "$MRMR" drain d2
}

@test "a remove" {
	"$MRMR" drain d2 >"$work/said" 2>&1
	keep
	removed() {
		[ -z "$(find d2 -type f)" ] || { find d2 -type f; return 1; }
		no_damage || return 1
		"$MRMR" add d2 >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
		state_is d2 optimal
	}
	sweep removed "$MRMR" remove d2
}

@test "a remove --lost" {
	may_go=(d2)
	mv d2 "$work"
	keep
	rebuilt() {
		"$MRMR" rebuild >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
		no_damage
	}
	sweep rebuilt "$MRMR" remove --lost d2
}
