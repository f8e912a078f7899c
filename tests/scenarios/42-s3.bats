# One array of folders and a bucket of an S3 server, a real one on loopback.

load common
load server
bats_require_minimum_version 1.5.0

setup_file() {
	export AT=$BATS_FILE_TMPDIR/server
	start_server radosgw "$AT"
}

teardown_file() {
	"$servers/radosgw.sh" stop "$AT"
}

setup() {
	fresh_home
	needs_server
	s3_login
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
	server=127.0.0.1:$PORT
	url=s3+http://$server/bucket$BATS_TEST_NUMBER
	mkdir d1 d2 in
	head -c 400000 /dev/urandom >in/a
	echo letter >in/b
}

teardown() {
	[ -n "$MISSING" ] || "$servers/radosgw.sh" mend "$AT"
}

array() {
	"$MRMR" init --key-file key --block-size 64K --mkdir "$@"
}

# ask METHOD PATH [OPTION]...: of the bucket, by another program.
ask() {
	local method=$1 path=$2
	shift 2
	curl -fsS -X "$method" --aws-sigv4 aws:amz:us-east-1:s3 --user "AKTEST:$(cat "$AT/secret_key")" \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" "http://$server/bucket$BATS_TEST_NUMBER$path"
}

keys() { # [prefix, encoded]
	ask GET "?list-type=2&prefix=${1:-}" | grep -o '<Key>[^<]*' | cut -c6-
}

compare() {
	rm -rf out
	"$MRMR" get latest --to out
	rsync -aAXHcn --delete --itemize-changes in/ "out$PWD/in/" >differences
	run ! grep . differences
}

@test "a bucket is a drive like any other: put, get without a folder, scrub, drain" {
	array d1 "cloud=$url/my/archive"
	"$MRMR" put in
	"$MRMR" scrub
	mv d1 away
	compare
	mv away d1
	keys >names
	grep -qx 'my/archive/.mrmr/config.json' names
	run ! grep -v '^my/archive/.mrmr/' names
	"$MRMR" add d2
	"$MRMR" drain cloud
	"$MRMR" remove cloud
	rm -rf d1
	compare
}

@test "what is damaged or gone in the bucket is found and repaired" {
	array d1 "cloud=$url"
	"$MRMR" put in
	keys .mrmr%2Fblocks >names
	ask DELETE "/$(sed -n 1p names)"
	ask PUT "/$(sed -n 2p names)" --data-binary 'other bytes' -o /dev/null
	run "$MRMR" scrub
	[ "$status" -eq 23 ]
	"$MRMR" scrub
	mv d1 away
	compare
}

@test "joining shows what the server does, and the config keeps it" {
	array d1 "cloud=$url"
	jq -e '.drives[] | select(.name == "cloud") | .options."conditional-put" == "yes" and
		.options.etag == "md5" and .options.checksum == "none"' config/default.json
	keys >names
	run ! grep -v '^.mrmr/' names
}

@test "buckets of one account fail together, whichever keys it has; those of two accounts do not" {
	array d1 "cloud=$url"
	printf '%s\n' AK2ND >id
	cp "$AT/second_key" secret
	chmod 600 id secret
	"$MRMR" add --mkdir -o access_key=file:id -o secret_key=file:secret "same=${url}b" 2>said
	grep 'cloud and same are both on s3 .* account test and fail together' said
	cp "$AT/small_key" secret2
	"$MRMR" add --mkdir -o access_key=file:"$AT/small_access" -o secret_key=file:secret2 "other=${url}c" 2>said
	run ! grep 'fail together' said
	# Other keys, and the same account.
	"$MRMR" set cloud.access_key=file:id cloud.secret_key=file:secret
	"$MRMR" --json drives >drives
	[ "$(jq -r 'select(.name == "cloud" or .name == "same") | .domain' drives | sort -u)" = \
		"s3 $server account test" ]
	[ "$(jq -r 'select(.name == "other") | .domain' drives)" = "s3 $server account small" ]
	# One that is not told is any of them.
	"$MRMR" set cloud.account=
	[ "$("$MRMR" --json drives | jq -r 'select(.name == "cloud") | .domain')" = "s3 $server" ]
	run "$MRMR" set cloud.account=other
	[ "$status" -eq 2 ]
}

@test "by TLS, and with the bucket in the name of the host: other authorities and other hosts are refused" {
	local tls
	tls=$((${server##*:} + 10)) # of those that were claimed
	"$servers/radosgw.sh" tls "$AT" "$tls"
	url=s3://s3.localhost:$tls/bucket$BATS_TEST_NUMBER/p
	run -1 "$MRMR" init --key-file key --mkdir d1 "cloud=$url" -o addressing=virtual
	[[ "$output" == *certificate* ]]
	array d1 "cloud=$url" -o addressing=virtual -o ca="$AT/ca.pem"
	"$MRMR" put in
	keys >names
	grep -qx 'p/.mrmr/config.json' names
	# The same bucket by its path.
	"$MRMR" set cloud.addressing=path
	"$MRMR" put in
	mv d1 away
	compare
	mv away d1
	"$MRMR" set cloud.addressing=virtual
	"$MRMR" scrub
	# A name that the certificate is not for.
	run -1 "$MRMR" add --mkdir "x=s3://127.0.0.2:$tls/other" -o ca="$AT/ca.pem"
	run -1 "$MRMR" add --mkdir "x=s3://localhost:$tls/other" -o addressing=virtual -o ca="$AT/ca.pem"
	[[ "$output" == *certificate* ]]
}

@test "a bucket that is missing is not made unless --mkdir says so" {
	run "$MRMR" init --key-file key d1 "cloud=$url"
	[ "$status" -eq 2 ]
	[[ "$output" == *cloud*"is not there"*--mkdir* ]]
	[ ! -e config ]
	run ask GET '?list-type=2'
	[ "$status" -ne 0 ]
	rm -f key
	array d1 "cloud=$url"
	ask GET '?list-type=2' -o /dev/null
}

@test "a wrong secret, an unknown key, no key and a wrong clock are named: init makes nothing, put goes on without" {
	local shim
	preload skew
	refused() { # what it says, variables...
		local said=$1
		shift
		rm -f key
		run env "$@" "$MRMR" init --key-file key --mkdir d1 "cloud=$url"
		[ "$status" -eq 1 ]
		[[ "$output" == *cloud*"$said"* ]]
		[ ! -e config ]
	}
	refused SignatureDoesNotMatch AWS_SECRET_ACCESS_KEY=wrong
	refused InvalidAccessKeyId AWS_ACCESS_KEY_ID=AKNOBODY
	refused 'no keys' -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY
	refused 'the clocks differ' LD_PRELOAD="$shim" SKEW_S=-7200
	rm -f key
	array d1 d2 "cloud=$url"
	AWS_SECRET_ACCESS_KEY=wrong run "$MRMR" put in
	[ "$status" -eq 0 ]
	[[ "$output" == *cloud*SignatureDoesNotMatch* ]]
	AWS_SECRET_ACCESS_KEY=wrong run "$MRMR" status
	[ "$status" -eq 20 ]
	"$MRMR" put in
	"$MRMR" status
}

@test "keys come from a profile; a file of them that others may read is refused" {
	mkdir "$HOME/.aws"
	printf '[default]\naws_access_key_id = no\naws_secret_access_key = no\n[work]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
		AKTEST "$AWS_SECRET_ACCESS_KEY" >"$HOME/.aws/credentials"
	printf '[profile work]\nregion = us-east-1\n' >"$HOME/.aws/config"
	chmod 644 "$HOME/.aws/credentials"
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	"$MRMR" init --key-file key --parity 0 d1
	run "$MRMR" add --mkdir -o profile=work "cloud=$url"
	[ "$status" -eq 1 ]
	[[ "$output" == *'.aws/credentials'*'chmod 600'* ]]
	chmod 600 "$HOME/.aws/credentials"
	"$MRMR" add --mkdir -o profile=work "cloud=$url"
	"$MRMR" put in
	"$MRMR" set cloud.profile=
	AWS_PROFILE=work "$MRMR" put in
	run "$MRMR" put in
	[[ "$output" == *cloud*InvalidAccessKeyId* ]]
}

@test "a server that goes away in the middle of a put: all is stored, and the drive catches up" {
	array d1 d2 "cloud=$url"
	"$MRMR" set cloud.limit-upload=1M
	head -c 3000000 /dev/urandom >in/large
	"$MRMR" put in >said 2>&1 &
	until [ "$(keys .mrmr%2Fblocks | wc -l)" -ge 4 ]; do
		kill -0 $!
		sleep 0.05
	done
	while_stopped $! "$servers/radosgw.sh" halt "$AT"
	wait $! || [ $? -eq 20 ]
	grep -q 'cloud' said
	compare
	"$servers/radosgw.sh" mend "$AT"
	"$MRMR" set cloud.limit-upload=
	"$MRMR" rebalance
	run "$MRMR" status
	[ "$status" -eq 0 ]
	mv d1 away
	compare
}

@test "a quota that is used up is no room: what the bucket can't take goes elsewhere" {
	export AWS_ACCESS_KEY_ID=AKSMALL AWS_SECRET_ACCESS_KEY
	AWS_SECRET_ACCESS_KEY=$(cat "$AT/small_key")
	array d1 d2 "cloud=$url"
	head -c 4000000 /dev/urandom >in/large
	run "$MRMR" put in
	[ "$status" -eq 0 ]
	mv d1 away
	compare
}

@test "the secret is seen nowhere: not in arguments, variables of the process, config, state, objects, output" {
	array d1 "cloud=$url"
	"$MRMR" set cloud.limit-upload=500K
	head -c 500000 /dev/urandom >in/more
	"$MRMR" -v --json put in >said 2>&1 &
	# It is mrmr by now, no shell, and has learned its secrets: an object is there.
	until [ -n "$(keys .mrmr%2Fblocks)" ]; do
		kill -0 $!
		sleep 0.02
	done
	tr '\0' '\n' <"/proc/$!/cmdline" >seen
	tr '\0' '\n' <"/proc/$!/environ" >>seen
	wait $!
	grep -qx put seen
	AWS_ACCESS_KEY_ID=AKNOBODY run "$MRMR" -v status
	printf '%s\n' "$output" >>said
	"$MRMR" -v --json drives >>said
	run ! grep -rlF "$AWS_SECRET_ACCESS_KEY" seen said config state d1
	grep -q AWS_SECRET_ACCESS_KEY seen
	for name in $(keys); do
		ask GET "/$name" >>objects
	done
	[ -s objects ]
	run ! grep -aqF "$AWS_SECRET_ACCESS_KEY" objects
}
