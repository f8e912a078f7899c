# bats file_tags=plain
# Drives that are not what they should be, before each command (T-06): one line per case tells the exit
# code and which drives may have changed afterwards. d2 is the one in question.

load common
load kill
bats_require_minimum_version 1.5.0

setup_file() {
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR prepare
	array_of_four 2>/dev/null
	head -c 250000 /dev/urandom >"$in/long" # something of every group on every drive
	put_first
	cp -a d2 "$work/long-ago"
	local i
	for i in 1 2 3 4 5 6 7 8; do # more than a tier: that journal is compacted since
		more
	done
	cp -a d2 "$work/old"
	more
	mkdir "$work/o1" "$work/o2" "$work/other"
	MRMR_CONFIG_DIR=$work/other/config MRMR_STATE_DIR=$work/other/state MRMR_KEY_FILE= \
		"$MRMR" -q init --key-file "$work/other/key" --block-size 64K "$work/o1" "$work/o2" 2>/dev/null
	keep
	mv "$work/kept" "$work/sound"
	export work in state kill_every HOME MRMR_CONFIG_DIR MRMR_STATE_DIR MRMR_KEY_FILE MRMR_PASSPHRASE
	: >"$work/count"
}

teardown_file() {
	echo "# $(wc -l <"$work/count") cases" >&3
	clean_up
}

setup() {
	cd "$work/now"
	rm -rf "$work/kept" "$work/d1" "$work/d2"
	cp -a "$work/sound" "$work/kept"
	put_back
}

more() {
	head -c 20000 /dev/urandom >"$in/more"
	"$MRMR" -q put "$in"
}

# All bytes of drives; of $1 alone.
bytes_of() {
	find -L "${@:-.}" -path '*/d[1-4]*' -type f ! -path '*/out/*' -exec sha256sum {} + 2>/dev/null |
		sort -k 2
}

# The one line that says what is wrong, and below it the next step. Where the command went on without
# the drive, a warning says so instead.
says() { # regular expression
	local errors warnings
	errors=$(grep '^mrmr: ' <<<"$stderr" | grep -v '^mrmr: warning: ' || true)
	warnings=$(grep '^mrmr: warning: drive d2 is left out: ' <<<"$stderr" || true)
	case $status in
	0 | 20 | 21 | 22 | 23)
		[ -z "$errors" ] || return 1
		[ "$1" = "" ] || [[ "$warnings" =~ $1 ]] || return 1
		[ "$(wc -l <<<"$warnings")" -eq 1 ]
		;;
	*)
		[ "$(wc -l <<<"$errors")" -eq 1 ] || return 1
		[[ "$errors" =~ ${2:-$1} ]]
		;;
	esac
}

one_case() { # command, exit code, what may change, what is said, what is said by an error if another thing
	rm -rf out
	run --separate-stderr "$MRMR" $1
	echo "$1: exit $status"
	echo "$output"
	echo "$stderr"
	[ "$status" -eq "$2" ] || return 1
	says "$4" "${5:-}" || return 1
	bytes_of >"$work/after"
	case $3 in
	nothing) cmp "$work/before" "$work/after" || return 1 ;;
	others) diff <(grep ' ./d2' "$work/before") <(grep ' ./d2' "$work/after") || return 1 ;;
	all) ;;
	*) return 1 ;;
	esac
	# What was read is what was stored, if all of it could be.
	[ ! -e out ] || [ "$status" -eq 21 ] || diff -r "$in" "out$in" || return 1
	echo "$BATS_TEST_DESCRIPTION: $1" >>"$work/count"
}

# usage: cases SAID <<END. Begins with what stands now. A line: command | code | changes | error.
cases() {
	local said=$1 command code changes error
	rm -rf "$work/kept"
	keep
	bytes_of >"$work/before"
	while IFS='|' read -r command code changes error; do
		error=$(sed 's/^ *//' <<<"$error")
		one_case "$(eval echo "$command")" "$code" "${changes// /}" "$said" "$error" || return 1
		[ "${changes// /}" = nothing ] || put_back
	done
}

# Once all is as it should be again, everything is well by itself.
well() {
	"$MRMR" put "$in"
	run "$MRMR" status
	echo "$output"
	[ "$status" -eq 0 ]
	mv d1 "$work/d1"
	same latest "$in"
	rm -rf "$work/d1"
}

# Of the cases of another test with the same outcome.
short() {
	sed -n 2,6p <<<"$1"
}

# ---- the place holds something else ----

refused='
	get latest --to out | 0  | nothing
	status              | 20 | nothing
	put $in             | 26 | nothing
	scrub               | 26 | nothing
	rebuild             | 26 | nothing
	rebuild d2          | 26 | nothing
	drain d4            | 26 | nothing
	enable d2           | 26 | nothing'

@test "a drive of another array" {
	mv d2 "$work/d2"
	cp -a "$work/o2" d2
	cases "foreign: .*/d2 belongs to another array" <<<"${refused:1}"
	rm -r d2
	mv "$work/d2" d2
	well
}

@test "the marker of another array" {
	cp "$work/o2/.mrmr/config.json" d2/.mrmr
	cases "foreign: .*/d2 belongs to another array" <<<"${refused:1}"
	cp "$work/sound/d2/.mrmr/config.json" d2/.mrmr
	well
}

@test "a copy of another drive of the array" {
	mv d2 "$work/d2"
	cp -a d1 d2
	cases "duplicate: .*/d1 and .*/d2 are the same drive" <<<"${refused:1}"
	rm -r d2
	mv "$work/d2" d2
	well
}

@test "the marker of another drive of the array" {
	cp d1/.mrmr/config.json d2/.mrmr
	cases "duplicate: .*/d1 and .*/d2 are the same drive" < <(short "$refused")
	cp "$work/sound/d2/.mrmr/config.json" d2/.mrmr
	well
}

@test "another name of another drive's place" {
	mv d2 "$work/d2"
	ln -s d1 d2
	cases "duplicate: .*/d1 and .*/d2 are the same drive" < <(short "$refused")
	rm d2
	mv "$work/d2" d2
	well
}

@test "a drive that changed places with another one" {
	mv d1 x
	mv d2 d1
	mv x d2
	cases "foreign: .*/d2 holds another drive of this array" <<-'END'
		get latest --to out | 21 | nothing
		status              | 20 | nothing
		put $in             | 26 | nothing | drive d1 is foreign: .*/d1 holds another drive of this array
		scrub               | 26 | nothing | drive d1 is foreign
		rebuild             | 26 | nothing | drive d1 is foreign
		rebuild d2          | 26 | nothing | drive d1 is foreign
		drain d4            | 26 | nothing | drive d1 is foreign
		enable d2           | 26 | nothing | drive d1 is foreign
	END
	mv d1 x
	mv d2 d1
	mv x d2
	well
}

# ---- it is not there ----

away='
	get latest --to out | 0  | nothing
	status              | 20 | nothing
	put $in             | 0  | others
	scrub               | 0  | others
	scrub --drive d2    | 24 | nothing | drive d2 is absent
	rebuild             | 20 | others
	rebuild d2          | 0  | others
	drain d4            | 0  | others
	drain d2            | 24 | nothing | drive d2 is absent
	enable d2           | 24 | nothing | drive d2 is absent'

@test "an empty mount point" {
	mv d2 "$work/d2"
	mkdir d2
	cases "absent: no marker at .*/d2 \(not mounted\?\)" <<<"${away:1}"
	rmdir d2
	mv "$work/d2" d2
	well
}

@test "no place at all" {
	mv d2 "$work/d2"
	cases "absent: open folder .*/d2: No such file or directory" < <(short "$away")
	mv "$work/d2" d2
	well
}

@test "a file in its place" {
	mv d2 "$work/d2"
	echo "no folder" >d2
	cases "(absent|unreachable): .*/d2.*Not a directory" < <(short "$away")
	rm d2
	mv "$work/d2" d2
	well
}

@test "everything but its marker, which scrub puts back" {
	rm d2/.mrmr/config.json
	cases "absent: no marker at .*/d2 \(not mounted\?\)" <<-'END'
		get latest --to out | 0  | nothing
		status              | 20 | nothing
		put $in             | 0  | others
		scrub               | 23 | all
		rebuild             | 20 | others
		rebuild d2          | 0  | others
		drain d4            | 0  | others
		enable d2           | 24 | nothing | drive d2 is absent
	END
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

# ---- it is older than it was, or damaged ----

mended_by_scrub='
	get latest --to out | 0  | nothing
	status              | 20 | nothing
	put $in             | 26 | nothing
	scrub -n            | 22 | nothing
	scrub               | 23 | all
	rebuild             | 26 | nothing
	rebuild d2          | 0  | others
	drain d4            | 26 | nothing
	enable d2           | 26 | nothing'

@test "restored from a backup made one put ago" {
	rm -r d2
	cp -a "$work/old" d2
	cases "rolled back: ROLLBACK: it once held journal number" <<<"${mended_by_scrub:1}"
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "restored from a backup made long ago" {
	rm -r d2
	cp -a "$work/long-ago" d2
	cases "rolled back: ROLLBACK: it once held journal number" <<<"${mended_by_scrub:1}"
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "an older journal beside the blocks of today" {
	rm -r d2/.mrmr/journal
	cp -a "$work/old/.mrmr/journal" d2/.mrmr
	cases "rolled back: ROLLBACK: it once held journal number" <<<"${mended_by_scrub:1}"
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "no journal" {
	rm -r d2/.mrmr/journal
	cases "rolled back: ROLLBACK: it once held journal number .* now ends at 0" < <(short "$mended_by_scrub")
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "nothing but its marker" {
	find d2/.mrmr -type f ! -name config.json -delete
	cases "rolled back: ROLLBACK: it once held journal number .* now ends at 0" < <(short "$mended_by_scrub")
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "a damaged marker" {
	head -c 200 /dev/urandom >d2/.mrmr/config.json
	cases "foreign: its marker is damaged" <<<"${mended_by_scrub:1}"
	run "$MRMR" status
	[[ "$output" == *'See that it is d2 what lies at its place: then `mrmr scrub` mends its marker.'* ]]
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "a marker with another drive id, which nobody with the keys made" {
	id=$(jq -r .drive_id d2/.mrmr/config.json)
	sed -i "s/$id/$(tr 0-9a-f 1-9a-f0 <<<"$id")/" d2/.mrmr/config.json
	cases "foreign: .*/d2 has a damaged marker" < <(short "$mended_by_scrub")
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

@test "half of what it held" {
	find d2/.mrmr/blocks d2/.mrmr/parity -type f | sort | awk 'NR % 2' | xargs rm
	cases "" <<-'END'
		get latest --to out | 0  | nothing
		put $in             | 0  | all
		scrub -n            | 22 | nothing
		scrub               | 23 | all
		rebuild             | 0  | all
		rebuild d2          | 2  | nothing | drive d2 is here and works: scrub repairs what is damaged on it
		drain d4            | 0  | all
		drain d2            | 0  | all
		enable d2           | 0  | all
	END
	"$MRMR" scrub || [ $? -eq 23 ]
	well
}

# ---- it counts no more ----

@test "a drive that was declared lost is back before it is rebuilt" {
	mv d2 "$work/d2"
	"$MRMR" -q remove --lost d2
	mv "$work/d2" d2
	cases "" <<-'END'
		get latest --to out | 0  | nothing
		status              | 20 | nothing
		put $in             | 26 | nothing | drive d2 is refused: it was declared lost and counts no more
		scrub               | 26 | nothing | drive d2 is refused
		rebuild             | 26 | nothing | drive d2 is refused
		rebuild d2          | 26 | nothing | drive d2 is refused
		drain d4            | 26 | nothing | drive d2 is refused
		enable d2           | 26 | nothing | drive d2 is refused
	END
	mv d2 "$work/d2"
	"$MRMR" rebuild
	rm -r "$work/d2"
	well
}

# Its place is looked at no more.
@test "a drive that was declared lost is back after it was rebuilt" {
	mv d2 "$work/d2"
	"$MRMR" -q rebuild d2
	mv "$work/d2" d2
	cases "" <<-'END'
		get latest --to out | 0  | nothing
		status              | 0  | nothing
		put $in             | 0  | others
		scrub               | 0  | others
		rebuild             | 0  | others
		rebuild d2          | 0  | others
		drain d4            | 0  | others
		enable d2           | 2  | nothing | there is no drive named d2
		add d2              | 1  | nothing | it is already marked as a drive
	END
	well
}

@test "a drive that was removed while it was away is back" {
	"$MRMR" -q drain d2
	mv d2 "$work/d2"
	"$MRMR" -q remove d2
	mv "$work/d2" d2
	cases "" <<-'END'
		get latest --to out | 0  | nothing
		status              | 0  | nothing
		put $in             | 0  | others
		scrub               | 0  | others
		rebuild             | 0  | others
		rebuild d2          | 2  | nothing | there is no drive named d2
		drain d4            | 0  | others
		enable d2           | 2  | nothing | there is no drive named d2
	END
	well
}

disabled='
	get latest --to out | 0  | nothing
	status              | 20 | nothing
	put $in             | 0  | others
	scrub               | 0  | others
	rebuild             | 20 | others
	rebuild d2          | 0  | others
	drain d4            | 0  | others'

@test "a disabled drive, of which an old copy is at its place" {
	"$MRMR" -q disable d2
	rm -r d2
	cp -a "$work/old" d2
	cases "disabled: until .mrmr enable d2." <<-END
		${disabled:2}
		enable d2           | 26 | nothing | drive d2 is rolled back: ROLLBACK
	END
}

@test "a disabled drive, and one of another array is at its place" {
	"$MRMR" -q disable d2
	mv d2 "$work/d2"
	cp -a "$work/o2" d2
	cases "disabled: until .mrmr enable d2." <<-END
		${disabled:2}
		enable d2           | 26 | nothing | drive d2 is foreign: .*/d2 belongs to another array
	END
	rm -r d2
	mv "$work/d2" d2
	"$MRMR" enable d2
	well
}

# ---- it is this host that is not what it was ----

@test "the config of another array" {
	cp "$work/other/config/default.json" config/default.json
	cases "" <<-'END'
		get latest --to out | 12 | nothing | wrong passphrase or key
		status              | 12 | nothing | wrong passphrase or key
		put $in             | 12 | nothing | wrong passphrase or key
		scrub               | 12 | nothing | wrong passphrase or key
		rebuild             | 12 | nothing | wrong passphrase or key
		drain d2            | 12 | nothing | wrong passphrase or key
		enable d2           | 12 | nothing | wrong passphrase or key
	END
}
