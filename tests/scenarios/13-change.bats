# bats file_tags=serial
load common
bats_require_minimum_version 1.5.0

# Changing an array: add and set.
setup() {
	fresh_home
	array_of_three
	echo "the only copy" >letter
}

put_noise() {
	head -c "$1" /dev/urandom >noise
	"$MRMR" put noise
}

drive() { # NAME FIELD
	"$MRMR" --json drives 2>/dev/null | jq -r "select(.name == \"$1\") | .$2"
}

policy() { # FIELD
	"$MRMR" --json status 2>/dev/null | jq -r "select(.message_type == \"status\") | .$1"
}

# ---- add ----

@test "add: the drive is there, up to date, and used by the next put" {
	"$MRMR" put letter
	mkdir d4
	run --separate-stderr "$MRMR" add d4
	[ "$status" -eq 0 ]
	[ "$output" = "drive d4 added" ]
	run "$MRMR" status
	[ "$status" -eq 0 ]
	[ "$(drive d4 state)" = optimal ]
	[ "$(drive d4 url)" = "$PWD/d4" ]
	diff <(ls d1/.mrmr/keys) <(ls d4/.mrmr/keys)
	diff <(cd d1/.mrmr/journal && find . -type f | sort) <(cd d4/.mrmr/journal && find . -type f | sort)
	# All are equally empty: each put takes two of the four, whichever it is the turn of.
	for _ in {1..20}; do
		put_noise 2000000
		[ "$(drive d4 used_bytes)" -eq 0 ] || break
	done
	[ "$(drive d4 used_bytes)" -gt 0 ]
	rm state/*/table.sqlite
	mv d1 away
	"$MRMR" cat latest:noise | cmp - noise
}

@test "add with a name and all properties" {
	run "$MRMR" add --role parity --domain shelf --reserve 1M --max 2G --mkdir -o connections=3 usb.1=d4
	[ "$status" -eq 0 ]
	[ "$(stat -c %a d4)" = 700 ]
	[ "$(drive usb.1 'role, .domain, .reserve_bytes, .max_bytes, .removable' | tr '\n' ' ')" = \
		"parity shelf 1048576 2147483648 false " ]
	[ "$(jq -r '.drives[] | select(.name == "usb.1") | .options.connections' config/default.json)" = 3 ]
}

@test "add of a place that is not there: exit 2, nothing made" {
	run "$MRMR" add d4
	[ "$status" -eq 2 ]
	[[ "${lines[0]}" == *"$PWD/d4 is not there (--mkdir creates it)" ]]
	[ ! -e d4 ]
	[ "$("$MRMR" drives | wc -l)" -eq 3 ]
}

@test "add of a drive of this or another array: exit 1, nothing changed" {
	run "$MRMR" add again=d1
	[ "$status" -eq 1 ]
	[[ "$output" == *"already marked as a drive"* ]]
	mkdir other
	(
		export MRMR_CONFIG_DIR=$PWD/config2 MRMR_STATE_DIR=$PWD/state2
		"$MRMR" init --key-file key2 other
	)
	cp other/.mrmr/config.json before
	run "$MRMR" add other
	[ "$status" -eq 1 ]
	cmp other/.mrmr/config.json before
	[ "$("$MRMR" drives | wc -l)" -eq 3 ]
}

@test "add of a name that is taken, and of a role that makes no sense: exit 2" {
	mkdir d4
	run "$MRMR" add d1=d4
	[ "$status" -eq 2 ]
	run "$MRMR" add --removable --role parity d4
	[ "$status" -eq 2 ]
	[ -z "$(ls -A d4)" ]
}

@test "add without a name takes the last part of the path, made unique" {
	mkdir -p far/d1
	run --separate-stderr "$MRMR" add far/d1
	[ "$output" = "drive d1-2 added" ]
}

@test "add -n says what would be, and changes nothing" {
	mkdir d4
	run "$MRMR" add -n d4
	[ "$status" -eq 0 ]
	[ "$output" = "would add drive d4" ]
	[ -z "$(ls -A d4)" ]
	run "$MRMR" add -n d5
	[ "$status" -eq 2 ]
	run "$MRMR" add -n --mkdir d5
	[ "$status" -eq 0 ]
	[ ! -e d5 ]
	[ "$("$MRMR" drives | wc -l)" -eq 3 ]
}

@test "add warns once of a drive that fails together with another" {
	[ -n "$(drive d1 domain)" ] || skip "this host does not tell disks apart"
	mkdir d4
	run --separate-stderr "$MRMR" add d4
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "mrmr: warning: d1 and d4 are both on "*" and fail together"* ]]
	mkdir d5
	run --separate-stderr "$MRMR" add --domain elsewhere d5
	[ "$stderr" = "" ]
}

# ---- set ----

@test "set changes properties of drives, for every host" {
	run "$MRMR" set d1.role=parity d2.reserve=5M d2.max=1G d3.domain=cellar d3.removable=yes
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "set d1.role=parity" ]
	rm state/*/table.sqlite
	[ "$(drive d1 role)" = parity ]
	[ "$(drive d2 'reserve_bytes, .max_bytes' | tr '\n' ' ')" = "5242880 1073741824 " ]
	[ "$(drive d3 'domain, .removable' | tr '\n' ' ')" = "cellar true " ]
	put_noise 3000000
	[ -z "$(find d1/.mrmr/blocks -name '*.blob')" ]
	[ -z "$(find d3/.mrmr/parity -name '*.blob' 2>/dev/null)" ]
	"$MRMR" set d1.role=both d3.removable=no d3.domain=
	[ "$(drive d1 role)" = both ]
	[ "$(drive d3 removable)" = false ]
}

@test "set of several is all or nothing" {
	run "$MRMR" set d1.role=data d2.role=everything
	[ "$status" -eq 2 ]
	[[ "${lines[0]}" == "mrmr: d2.role: 'everything' is none of both, data and parity" ]]
	[ "$(drive d1 role)" = both ]
}

@test "set parity, copies and width of an array without data" {
	"$MRMR" set parity=2
	[ "$(policy 'parity, .copies' | tr '\n' ' ')" = "2 false " ]
	"$MRMR" set copies=2
	[ "$(policy 'parity, .copies' | tr '\n' ' ')" = "1 true " ]
	"$MRMR" set parity=1 width=2
	put_noise 3000000
	[ "$("$MRMR" --json whereis latest:noise | jq -r '.groups[]? | .members | length' | sort -u)" = 1 ]
	mv d2 away
	"$MRMR" cat latest:noise | cmp - noise
}

@test "set of more parity than the drives can carry is refused, with data or without" {
	run "$MRMR" set parity=3
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: 3 drives cannot carry parity 3: at most 2" ]
	run "$MRMR" set copies=4
	[ "$status" -eq 2 ]
	run "$MRMR" set width=1
	[ "$status" -eq 2 ]
	put_noise 3000000
	run "$MRMR" set parity=3
	[ "$status" -eq 2 ]
	[ "$(policy parity)" = 1 ]
}

@test "set chunk-profile and block-size count for new data, old data stay readable" {
	put_noise 3000000
	cp noise old
	"$MRMR" put old
	"$MRMR" set chunk-profile=fine block-size=1M
	put_noise 3000000
	"$MRMR" put old noise
	[ -z "$(find d?/.mrmr/blocks -newer old -name '*.blob' -size +1024k)" ]
	"$MRMR" cat latest:noise | cmp - noise
	"$MRMR" cat latest:old | cmp - old
	"$MRMR" set block-size=16M chunk-profile=default
	for bad in block-size=1K block-size=65M block-size=x chunk-profile=tiny; do
		run "$MRMR" set "$bad"
		[ "$status" -eq 2 ]
	done
}

@test "set NAME.journal=no: that drive gets no more of it, until it is to again" {
	run "$MRMR" set d1.journal=no d2.journal=no
	[ "$status" -eq 2 ]
	"$MRMR" set d2.journal=no
	find d2/.mrmr/journal -type f >before
	"$MRMR" put letter
	find d2/.mrmr/journal -type f | diff before -
	run "$MRMR" status
	[ "$status" -eq 0 ]
	"$MRMR" set d2.journal=yes
	diff <(cd d1/.mrmr/journal && find . -type f | sort) <(cd d2/.mrmr/journal && find . -type f | sort)
	run "$MRMR" status
	[ "$status" -eq 0 ]
	echo more >>letter
	"$MRMR" put letter
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

@test "set refuses roles that would break the promise" {
	run "$MRMR" set d1.role=data d2.role=data d3.role=data
	[ "$status" -eq 2 ]
	[[ "${lines[0]}" == *"parity 1 needs as many drives that may hold rows"* ]]
	run "$MRMR" set d1.role=parity d2.role=parity d3.role=parity
	[ "$status" -eq 2 ]
	run "$MRMR" set d1.removable=yes d2.removable=yes d3.removable=yes
	[ "$status" -eq 2 ]
}

@test "set NAME.OPTION goes to the config, and never takes a secret itself" {
	"$MRMR" set d1.connections=2 d1.limit-upload=1M
	[ "$(jq -c '.drives[] | select(.name == "d1") | .options' config/default.json)" = \
		'{"connections":"2","limit-upload":"1M"}' ]
	"$MRMR" set d1.limit-upload=
	[ "$(jq -c '.drives[] | select(.name == "d1") | .options' config/default.json)" = \
		'{"connections":"2"}' ]
	cp config/default.json before
	run "$MRMR" set d1.password=hunter2
	[ "$status" -eq 2 ]
	[[ "$output" != *hunter2* ]]
	[ "${lines[0]}" = "mrmr: d1.password: a secret is given as env:NAME, file:PATH or command:CMD, not as it is" ]
	run "$MRMR" set d1.password=env:D1_PASSWORD
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: d1.password: options: a drive of this kind has no property 'password'" ]
	run "$MRMR" set d1.rolle=data
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: d1.rolle: a drive has no property 'rolle'" ]
	cmp config/default.json before
}

@test "set of what does not exist: exit 2" {
	for bad in nothing=1 d9.role=data =1 parity d1.journal=perhaps d1.max=much parity=17 copies=0; do
		run "$MRMR" set "$bad"
		[ "$status" -eq 2 ]
	done
}

@test "set -n says what would be set, and changes nothing" {
	run "$MRMR" set -n parity=2 d1.role=data
	[ "$status" -eq 0 ]
	[ "$output" = "would set parity=2
would set d1.role=data" ]
	[ "$(policy parity)" = 1 ]
	[ "$(drive d1 role)" = both ]
	run "$MRMR" set -n parity=3
	[ "$status" -eq 2 ]
}
