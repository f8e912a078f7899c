# Options of drives on the command line, and what is refused there.

load common

setup() {
	fresh_home
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3
}

make_array() {
	"$MRMR" init --key-file key --block-size 64K "$@"
	export MRMR_KEY_FILE=$PWD/key
}

options_of() {
	jq -c ".drives[] | select(.name == \"$1\") | .options // {}" config/default.json
}

@test "an option is for all drives whose kind has it, with a name for that one" {
	make_array -o connections=3 -o d2.limit-upload=1M -o d2.connections=1 d1 d2
	[ "$(options_of d1)" = '{"connections":"3"}' ]
	[ "$(options_of d2)" = '{"connections":"1","limit-upload":"1M"}' ]
	"$MRMR" add -o other.connections=2 -o limit-download=2M other=d3
	[ "$(options_of other)" = '{"connections":"2","limit-download":"2M"}' ]
}

@test "an option that is for no drive given is refused, and nothing is made" {
	run "$MRMR" init --key-file key -o region=r d1 d2
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: -o region: a drive of this kind has no such property" ]
	run "$MRMR" init --key-file key -o d9.connections=2 d1 d2
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: -o d9.connections: no drive of that name is given" ]
	run "$MRMR" init --key-file key -o conections=2 d1 d2
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: init: -o: conections: a drive has no property 'conections'" ]
	[ ! -e key ]
	[ ! -e d1/.mrmr ]
	[ ! -e config ]
	make_array d1 d2
	run "$MRMR" add -o region=r d3
	[ "$status" -eq 2 ]
	run "$MRMR" add -o d1.connections=2 d3
	[ "$status" -eq 2 ]
	[ ! -e d3/.mrmr ]
	rm -r config
	run "$MRMR" recover -o region=r d1 d2
	[ "$status" -eq 2 ]
}

@test "an option of one drive for which its kind has no use is refused" {
	run "$MRMR" init --key-file key -o d1.region=r d1 d2
	[ "$status" -eq 2 ]
	[[ "${lines[0]}" == "mrmr: drive d1: options: a drive of this kind has no property 'region'" ]]
	[ ! -e d1/.mrmr ]
}

@test "a secret as it is is refused on every command line, and not repeated" {
	for command in "init --key-file key d1 d2" "add d3" "rebuild" "recover d1"; do
		for option in password secret_key key nas.password token; do
			run "$MRMR" $command -o $option=hunter2
			[ "$status" -eq 2 ]
			[[ "${lines[0]}" == *"a secret is given as env:NAME, file:PATH or command:CMD, not as it is" ]]
			[[ "$output" != *hunter2* ]]
		done
	done
	[ ! -e d1/.mrmr ]
}

@test "a password in a URL is refused, and not repeated" {
	kinds=" $("$MRMR" version | sed -n 's/^drives: //p') "
	for scheme in webdav:webdavs sftp:sftp s3:s3+http smb:smb ftp:ftps swift:swift; do
		[[ "$kinds" == *" ${scheme%:*} "* ]] || continue
		run "$MRMR" init --key-file key "nas=${scheme#*:}://me:hunter2@127.0.0.1:1/a" d1
		[ "$status" -eq 2 ]
		[[ "$output" != *hunter2* ]]
		[[ "$output" == *"-o password=file:PATH"* ]]
	done
	[ ! -e d1/.mrmr ]
}

@test "what is found out about a server can be taken away, and not given" {
	make_array d1 d2
	run "$MRMR" set d1.conditional-put=yes
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "mrmr: d1.conditional-put: mrmr finds that out itself" ]
	"$MRMR" set d1.conditional-put=
}

@test "where libcurl is missing, folders are used as ever, and a server tells what it lacks" {
	make_array d1 d2
	mkdir libraries
	echo 'no library' >libraries/libcurl.so.4
	export LD_LIBRARY_PATH=$PWD/libraries
	echo letter >letter
	"$MRMR" put letter
	"$MRMR" get latest --to out
	cmp letter "out$PWD/letter"
	for url in webdav://127.0.0.1:1/a ftp://127.0.0.1:1/a s3+http://127.0.0.1:1/bucket; do
		run "$MRMR" add "$url"
		[ "$status" -eq 1 ]
		[[ "${lines[0]}" == "mrmr: load libcurl.so.4: "* ]]
		[ "${#lines[@]}" -eq 1 ]
	done
}
