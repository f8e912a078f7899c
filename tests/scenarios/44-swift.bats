# One array of folders and a container of OpenStack Swift, a real one on loopback.

load common
load server
bats_require_minimum_version 1.5.0

setup_file() {
	export AT=$BATS_FILE_TMPDIR/server
	start_server swift "$AT"
}

teardown_file() {
	"$servers/swift.sh" stop "$AT"
}

setup() {
	fresh_home
	needs_server
	unset "${!OS_@}" "${!ST_@}"
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	export ST_USER=test:tester ST_KEY
	ST_KEY=$(cat "$AT/key")
	auth=http://127.0.0.1:$PORT/auth/v1.0
	url=swift+${auth}?container=box$BATS_TEST_NUMBER
	mkdir d1 d2 in
	head -c 400000 /dev/urandom >in/a
	echo letter >in/b
}

teardown() {
	[ -n "$MISSING" ] || "$servers/swift.sh" mend "$AT"
}

array() {
	"$MRMR" init --key-file key --block-size 64K --mkdir "$@"
}

# swift_ask METHOD PATH [HEADER]...: with the rights of the account's owner.
swift_ask() {
	local method=$1 path=$2 token headers=()
	shift 2
	token=$(curl -fsS -D - -o /dev/null -H "X-Auth-User: test:tester" -H "X-Auth-Key: $ST_KEY" "$auth" |
		tr -d '\r' | sed -n 's/^X-Auth-Token: //p')
	for header in "$@"; do
		headers+=(-H "$header")
	done
	curl -fsS -X "$method" -H "X-Auth-Token: $token" "${headers[@]}" \
		"http://127.0.0.1:$PORT/v1/AUTH_test/$path"
}

compare() {
	rm -rf out
	"$MRMR" get latest --to out
	rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/" >differences
	run ! grep . differences
}

objects() {
	find "$AT/data" -name '*.data' | wc -l
}

# until_stored COUNT PID: while the process runs, the server has so many objects.
until_stored() {
	while [ "$(objects)" -lt "$1" ]; do
		kill -0 "$2"
		sleep 0.02
	done
}

@test "a container is a drive like any other: put, get without a folder, scrub, drain" {
	array d1 "cloud=$url&prefix=my/archive"
	"$MRMR" put in
	"$MRMR" scrub
	mv d1 away
	compare
	mv away d1
	swift_ask GET "box$BATS_TEST_NUMBER" >names
	grep -q '^my/archive/.mrmr/config.json$' names
	run ! grep -v '^my/archive/.mrmr/' names
	"$MRMR" add d2
	"$MRMR" drain cloud
	"$MRMR" remove cloud
	rm -rf d1
	compare
}

@test "what is damaged or gone in the container is found and repaired" {
	array d1 "cloud=$url"
	"$MRMR" put in
	swift_ask GET "box$BATS_TEST_NUMBER?prefix=.mrmr/" | grep -E '/(blocks|parity)/' >names
	swift_ask DELETE "box$BATS_TEST_NUMBER/$(sed -n 1p names)"
	swift_ask PUT "box$BATS_TEST_NUMBER/$(sed -n 2p names)" 'Content-Length: 0'
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	"$MRMR" scrub
	mv d1 away
	compare
}

@test "by TLS; a storage without it, another authority and another name are refused" {
	local tls at
	tls=$((PORT + 5))
	"$servers/swift.sh" tls "$AT" "$tls"
	at="/auth/v1.0?container=box$BATS_TEST_NUMBER"
	array d1 "cloud=swift://localhost:$tls$at" -o ca="$AT/ca.pem" -o user=secure:tester
	"$MRMR" put in
	mv d1 away
	compare
	mv away d1
	run -1 "$MRMR" add --mkdir "x=swift://localhost:$tls$at" -o ca="$AT/ca.pem"
	[[ "$output" == *'log-in is encrypted'* ]]
	run -1 "$MRMR" add --mkdir "x=swift://localhost:$tls$at" -o user=secure:tester
	[[ "$output" == *certificate* ]]
	run -1 "$MRMR" add --mkdir "x=swift://127.0.0.2:$tls$at" -o ca="$AT/ca.pem" -o user=secure:tester
}

@test "a real Keystone v3: by password, by application credential, and what is wrong is named" {
	local v3 token user at
	"$servers/swift.sh" keystone "$AT"
	v3=http://127.0.0.1:$((PORT + 6))/v3
	at="swift+$v3?container=box$BATS_TEST_NUMBER"
	array d1 "cloud=$at" -o user=admin -o project=admin -o region=one -o key=file:"$AT/password"
	"$MRMR" put in
	mv d1 away
	compare
	mv away d1
	run -2 "$MRMR" add "x=$at" -o user=admin -o project=admin -o region=two -o key=file:"$AT/password"
	[[ "$output" == *'no public object store'*two* ]]
	run -1 "$MRMR" add "x=$at" -o user=admin -o project=admin -o key=file:"$AT/key"
	[[ "$output" == *'drive x: log in: the server answers 401'* ]]
	# What a dashboard does: a credential for this program alone.
	token=$(curl -fsS -D - -o user.json -H 'Content-Type: application/json' "$v3/auth/tokens" -d "$(jq -n \
		--arg p "$(cat "$AT/password")" '{id: "default"} as $d | {auth: {identity: {methods: ["password"],
		password: {user: {name: "admin", domain: $d, password: $p}}},
		scope: {project: {name: "admin", domain: $d}}}}')" | tr -d '\r' | sed -n 's/^X-Subject-Token: //p')
	user=$(jq -r .token.user.id user.json)
	curl -fsS -H "X-Auth-Token: $token" -H 'Content-Type: application/json' -o made.json \
		"$v3/users/$user/application_credentials" -d '{"application_credential": {"name": "mrmr"}}'
	(umask 077 && jq -r .application_credential.secret made.json >secret)
	"$MRMR" set cloud.user= cloud.project= cloud.key="file:$PWD/secret" \
		cloud.application_credential="$(jq -r .application_credential.id made.json)"
	run -0 "$MRMR" put in
	[[ "$output" != *cloud* ]]
}

@test "tokens that are forgotten in the middle of a put are renewed" {
	local before
	array d1 d2 "cloud=$url"
	"$MRMR" set cloud.limit-upload=1M
	head -c 3000000 /dev/urandom >in/large
	before=$(objects)
	"$MRMR" put in >said 2>&1 &
	until_stored $((before + 3)) $!
	while_stopped $! "$servers/swift.sh" revoke "$AT"
	wait $!
	run ! grep 'left out' said
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 away
	compare
}

@test "a wrong key: init makes nothing; later the drive is left out and named" {
	ST_KEY=wrong run "$MRMR" init --key-file key --mkdir d1 "cloud=$url"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cloud"*"401"* ]]
	[ ! -e config ]
	rm -f key
	array d1 d2 "cloud=$url"
	ST_KEY=wrong run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"cloud is left out"*"401"* ]]
	ST_KEY=wrong run "$MRMR" status
	[ "$status" -eq 20 ]
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
	ST_USER=test:reader ST_KEY=reading run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"cloud is left out"*"403"* ]]
}

@test "a container at its quota is full: what it can't take goes elsewhere" {
	swift_ask PUT "box$BATS_TEST_NUMBER" 'X-Container-Meta-Quota-Bytes: 1000000'
	array d1 d2 "cloud=$url"
	"$MRMR" status --json >status
	jq -e '.drives[] | select(.name == "cloud") | .free_bytes > 0 and .free_bytes < 1000000' status
	head -c 4000000 /dev/urandom >in/large
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 away
	compare
	mv away d1
	mv d2 away
	compare
	mv away d2
	swift_ask POST "box$BATS_TEST_NUMBER" 'X-Container-Meta-Quota-Bytes: 1'
	head -c 400000 /dev/urandom >in/more
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *"cloud"*"413"* ]]
	run "$MRMR" status
	[ "$status" -eq 20 ]
	compare
	swift_ask POST "box$BATS_TEST_NUMBER" 'X-Remove-Container-Meta-Quota-Bytes: x'
	"$MRMR" put in
	run "$MRMR" status
	[ "$status" -eq 0 ]
}

@test "servers that are down in the middle of a put or a get delay it; nothing fails" {
	local before
	array d1 "cloud=$url"
	"$MRMR" set cloud.limit-upload=2M cloud.limit-download=2M
	head -c 3000000 /dev/urandom >in/large
	before=$(objects)
	"$MRMR" put in >said 2>&1 &
	until_stored $((before + 3)) $!
	while_stopped $! "$servers/swift.sh" break "$AT" object
	sleep 0.5
	kill -0 $!
	"$servers/swift.sh" mend "$AT"
	wait $! || { cat said; false; }
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 away
	"$MRMR" get latest --to out >said 2>&1 &
	until [ -d out ]; do kill -0 $!; done
	while_stopped $! "$servers/swift.sh" break "$AT" object
	sleep 0.5
	kill -0 $!
	"$servers/swift.sh" mend "$AT"
	wait $!
	rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/" >differences
	run ! grep . differences
}

@test "no key of a drive is in a command line, environment, file, message or object" {
	local canary=$ST_KEY
	unset ST_KEY
	array d1 >said 2>&1
	"$MRMR" add --mkdir -o user=test:tester -o "key=file:$AT/key" "cloud=$url" >>said 2>&1
	head -c 3000000 /dev/urandom >in/large
	"$MRMR" -v put in >>said 2>&1 &
	while tr '\0' '\n' </proc/$!/cmdline >>seen 2>/dev/null && cat /proc/$!/environ >>seen 2>/dev/null; do
		sleep 0.05
	done
	wait $!
	"$MRMR" --json status >>said 2>&1
	grep -q put seen
	run ! grep -rlF -e "$canary" said seen config state d1
	run ! grep -rlF -e "$canary" "$AT/data"
}
