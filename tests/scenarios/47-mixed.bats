# One array over unlike places: a folder, SSH, S3, WebDAV over TLS and a share, with parity 2. All of
# them are real servers on loopback. MRMR_MIXED_MB: how much is stored, 60 MB without it.
# bats file_tags=plain

load common
bats_require_minimum_version 1.5.0

servers=$BATS_TEST_DIRNAME/../servers
all='sshd swift apache smbd'

setup_file() {
	local name port said rc
	. "$servers/lib.sh"
	# Not below the folder of bats, which others may not enter: some servers are others.
	SERVERS=$(mktemp -d "${TMPDIR:-/tmp}/mrmr-mixed.XXXXXX")
	export SERVERS
	chmod 755 "$SERVERS"
	export MISSING=
	for name in $all; do
		port=$(claim_ports)
		said=$("$servers/$name.sh" start "$SERVERS/$name" "$port" 2>&1) && rc=0 || rc=$?
		echo "$said"
		if [ "$rc" -eq 77 ] && [ "${CI:-}" != 1 ]; then
			MISSING=$said
			return
		fi
		[ "$rc" -eq 0 ]
	done
}

teardown_file() {
	local name
	for name in $all; do
		"$servers/$name.sh" stop "$SERVERS/$name"
	done
	rm -rf --one-file-system "$SERVERS"
}

setup() {
	fresh_home
	[ -z "$MISSING" ] || skip "$MISSING"
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state MRMR_KEY_FILE=$PWD/key
}

teardown() {
	[ -n "$MISSING" ] || serve
}

halt() {
	case $1 in
	smbd) "$servers/smbd.sh" halt "$SERVERS/smbd" ;;
	apache) "$servers/apache.sh" kill "$SERVERS/apache" ;;
	esac
	echo "$1" >>halted
}

# All that were halted.
serve() {
	local name
	while read -r name; do
		case $name in
		smbd) "$servers/smbd.sh" resume "$SERVERS/smbd" ;;
		apache) "$servers/apache.sh" again "$SERVERS/apache" ;;
		esac
	done < <(cat halted 2>/dev/null)
	rm -f halted
}

# What add, rebuild and recover are told of a place NAME on a server: its URL, and its options.
file_of() { # KIND
	case $1 in
	ssh) echo "$SERVERS/sshd/place.env" ;;
	s3) echo "$SERVERS/swift/place-s3.env" ;;
	dav) echo "$SERVERS/apache/place.env" ;;
	share) echo "$SERVERS/smbd/place.env" ;;
	esac
}

url_of() { # KIND NAME
	local url
	url=$(sed -n 's/^MRMR_PLACE_URL=//p' "$(file_of "$1")")
	case $url in
	*'{}'*) echo "${url//'{}'/$2}" ;;
	*'?'*) echo "${url%%\?*}/$2?${url#*\?}" ;;
	*) echo "$url/$2" ;;
	esac
}

options_of() { # KIND: into the array "options"
	local pair
	options=()
	while IFS= read -r pair; do
		options+=(-o "$pair")
	done < <(sed -n 's/^MRMR_PLACE_OPTIONS=//p' "$(file_of "$1")" |
		jq -r 'to_entries[] | "\(.key)=\(.value)"')
}

# make_array NAME [MORE...]: d1 and a drive on each kind of server, on places called NAME.
make_array() {
	local kind
	mkdir d1
	"$MRMR" init --key-file key --parity 0 "${@:2}" d1 >recovery 2>&1
	for kind in ssh s3 dav share; do
		options_of "$kind"
		"$MRMR" add --mkdir "${options[@]}" "$kind=$(url_of "$kind" "$1")"
	done
	"$MRMR" set parity=2
}

# Real files: programs, texts, links. MB at most.
fill_in() {
	local file mb=${1:-60} bytes=0
	mkdir in
	while read -r size file; do
		bytes=$((bytes + size))
		[ "$bytes" -le $((mb * 1000000)) ] || break
		echo "$file"
	done < <(find /usr/lib/python3 /usr/share /usr/bin -xdev -type f -printf '%s %p\n' 2>/dev/null |
		awk '$1 < 8000000' | sort -k2) | rsync -aH --files-from=- / in/
	ln -s usr in/link
	truncate -s 3M in/sparse
}

same() {
	rsync -aAXHcn --delete --itemize-changes in/ "$1$PWD/in/" >changes
	cat changes
	[ ! -s changes ]
}

@test "two of five unlike places gone: everything comes back; they are brought up to date when they return" {
	make_array mixed-a
	fill_in "${MRMR_MIXED_MB:-60}"
	"$MRMR" --json -v put in >said 2>told
	# What moved is counted, each way and everywhere. (One of them has no block of the only group.)
	cat said told
	jq -es 'map(select(.message_type == "summary"))[0].traffic | map({key: .name, value: .}) |
		from_entries | length == 5 and .d1.bytes_written > 0 and .d1.bytes_up == null and
		([.ssh, .s3, .dav, .share] | all(.bytes_written > 0 and .bytes_up >= .bytes_written and
			.bytes_down >= .bytes_read and .calls_failed == 0)) and
		([.ssh, .s3, .dav] | all(.requests >= .objects_written and .connections > 0)) and
		.share.requests == null and .share.calls > .share.objects_written' said
	for name in ssh s3 dav; do
		grep -qE "^drive $name: [0-9]+ requests, [0-9.]+ [KM]iB up, [0-9.]+ .?i?B down, [0-9]+ con" told
	done
	grep -qE '^drive share: [0-9]+ calls, [0-9.]+ [KM]iB up' told
	run -1 grep "^drive d1" told
	run -0 "$MRMR" drives
	[ "${#lines[@]}" -eq 5 ]
	[[ $output != *degraded* ]]
	halt smbd
	halt apache
	rm -rf state/*/table.sqlite*
	run -0 "$MRMR" get latest --to out
	[[ $output == *'drive dav is left out'* ]]
	[[ $output == *'drive share is left out'* ]]
	same out
	rm -rf out
	run -20 "$MRMR" status
	[[ $output == *degraded* ]]
	run -0 --separate-stderr "$MRMR" --json drives
	[ "$(jq -r 'select(.state == "absent") | .name' <<<"$output" | sort | xargs)" = 'dav share' ]
	# What is stored meanwhile is owed to them.
	head -c 2000000 /dev/urandom >in/meanwhile
	run "$MRMR" put in
	[ "$status" -eq 0 ] || [ "$status" -eq 20 ]
	serve
	run -0 "$MRMR" rebalance
	run -0 "$MRMR" put in
	run -0 "$MRMR" scrub
	[[ $output == *'no damage found'* ]]
	[ "$(grep -c '^drive .* 0 damaged' <<<"$output")" -eq 5 ]
	run -0 "$MRMR" status
	# Now two others.
	mv d1 away
	options_of ssh
	"$MRMR" disable ssh
	run -0 "$MRMR" get latest --to out
	same out
}

@test "a drive is made anew on another kind of place, byte for byte" {
	make_array mixed-b --block-size 256K # so many that each drive has some
	fill_in 12
	run -0 "$MRMR" put in
	(cd "$SERVERS/sshd/data/mixed-b/.mrmr" && find blocks parity journal keys -type f -print0 | sort -z |
		xargs -0 sha256sum) >before
	[ -s before ]
	mv "$SERVERS/sshd/data/mixed-b" "$SERVERS/gone"
	options_of s3
	run -0 "$MRMR" rebuild ssh --onto "cloud=$(url_of s3 mixed-new)" --mkdir "${options[@]}"
	run -0 "$MRMR" drives
	[[ $output != *ssh* ]]
	[[ $output == *cloud* ]]
	run -0 "$MRMR" scrub
	[[ $output == *'no damage found'* ]]
	# This server keeps each object as a file.
	find "$SERVERS/swift/data" -name '*.data' -print0 | xargs -0 sha256sum | cut -c1-64 |
		sort -u >there
	sed -n 's/^\([0-9a-f]*\)  \(blocks\|parity\)\/.*/\1/p' before | sort -u >objects
	[ -s objects ]
	[ -z "$(comm -23 objects there)" ]
	mv d1 away
	rm -rf state/*/table.sqlite*
	run -0 "$MRMR" get latest --to out
	same out
}

@test "on a new machine, one URL brings back the array over all kinds of places" {
	make_array mixed-c
	fill_in 6
	run -0 "$MRMR" put in
	rm -rf config state d1
	options_of ssh
	run -0 "$MRMR" recover "${options[@]}" "$(url_of ssh mixed-c)"
	# Where the secrets are is not believed of the journals.
	secrets=()
	for kind in s3 dav share; do
		[[ $output == *"drive $kind: where its secrets are"* ]]
		options_of "$kind"
		for option in "${options[@]}"; do
			case $option in
			*=file:*) secrets+=("$kind.$option") ;;
			esac
		done
	done
	"$MRMR" set "${secrets[@]}"
	"$MRMR" rebalance
	run -0 "$MRMR" get latest --to out
	same out
	run "$MRMR" drives
	for name in ssh s3 dav share; do
		[[ $output == *"$name "*optimal* ]]
	done
}
