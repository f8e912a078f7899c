# Nothing outside the target of "get" changes, whatever waits in it.

load common
load tree

setup() {
	fresh_home
	array_of_three
	mkdir -p in/folder outside
	echo stored >in/file
	echo stored >in/folder/inner
	echo stored >in/twin
	echo theirs >outside/file
	echo theirs >outside/inner
	chmod 600 outside/file
	touch -d '2001-02-03 04:05:06' outside/* outside
}

# Access times and link counts are not what a restore could spoil.
outside_is() {
	find outside -printf '%p %y %m %U %G %s %T@\n' | sort
	find outside -type f -exec sha256sum {} + | sort
}

restored() {
	diff -r --no-dereference in "out$PWD/in"
}

@test "links out of the target that wait in it are replaced, not followed" {
	"$MRMR" put in
	mkdir -p "out$PWD/in"
	ln -s "$PWD/outside/file" "out$PWD/in/file"
	ln -s "$PWD/outside" "out$PWD/in/folder"
	ln outside/file "out$PWD/in/twin"
	outside_is >before
	run "$MRMR" get latest --overwrite always --to out
	echo "$output"
	outside_is | diff before -
	[ "$status" -eq 0 ]
	restored
}

@test "a link out of the target in place of a parent folder is not followed" {
	"$MRMR" put in
	mkdir out
	ln -s "$PWD/outside" "out/$(cut -d/ -f2 <<<"$PWD")"
	outside_is >before
	run "$MRMR" get latest --to out
	outside_is | diff before -
}

@test "stored links that lead out of the target are restored as links" {
	ln -s "$PWD/outside" in/way-out
	ln -s ../../../../../../../../../etc in/up
	"$MRMR" put in
	outside_is >before
	"$MRMR" get latest --to out
	"$MRMR" get latest --overwrite always --to out
	outside_is | diff before -
	restored
}

@test "names of every byte come back" {
	for code in $(seq 1 255); do
		[ "$code" -eq 47 ] && continue
		name=$(printf "\\x$(printf %x "$code")x")
		echo "$code" >"in/$name"
	done
	[ "$(find in -type f -printf x | wc -c)" -eq 257 ]
	"$MRMR" put in
	"$MRMR" get latest --to out
	restored
}

@test "--no-privileged gives no set-uid bit and makes no device" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	cp /bin/true in/tool
	chmod 4755 in/tool
	mknod in/device c 1 3 || skip "may not make devices"
	"$MRMR" put in
	run "$MRMR" get latest --no-privileged --to out
	echo "$output"
	[ ! -e "out$PWD/in/device" ]
	[ ! -u "out$PWD/in/tool" ]
}

# Outside there is one of each kind; beside what can be seen, its ctimes must stay, which change
# with whatever is done to it. (That of "linked" goes with its link count.)
fill_outside() {
	mkdir -p outside/folder/deep
	for file in linked folder/inner folder/deep/x program; do echo theirs >"outside/$file"; done
	chmod 0751 outside/folder
	chmod 0755 outside/program
	setfacl -m u:1234:rwx outside/folder outside/folder/inner
	setfattr -n user.theirs -v x outside/folder/deep
	mkfifo outside/pipe
	sleep 0.01
}

outside_untouched() {
	find outside ! -name linked -printf '%p %C@\n' | sort >moved
	outside_is >>moved
	getfacl -R -n outside >>moved
	getfattr -R -d outside >>moved
	[ -e untouched ] || mv moved untouched
	[ ! -e moved ] || diff untouched moved
}

# A tree with one of each kind, metadata on everything.
fill_in() {
	mkdir -p in/folder/deep in/pipes
	for file in linked program folder/x folder/deep/x; do echo mine >"in/$file"; done
	ln in/linked in/twin2
	ln -s linked in/link
	mkfifo in/pipe
	chmod 4755 in/program
	chmod 1700 in/folder
	setfacl -m u:4321:rwx in/folder in/linked
	setfacl -d -m u:4321:r in/folder
	setfattr -n user.mine -v x in/folder in/folder/x in/folder/deep
	[ "$(id -u)" -ne 0 ] || chown -h 1234:1234 in/link in/program in/pipe in/folder
	touch -h -d '2001-02-03 04:05:06.7Z' in/link in/folder/x in/folder
}

# Names of the tree below the target, each a trap of one kind.
set_traps() { # kind
	rm -rf out
	mkdir -p "out$PWD/in"
	local path trap up=$PWD/outside
	for path in linked program link pipe folder twin2 file; do
		trap=out$PWD/in/$path
		case $1 in
		links) ln -s "$up/$(basename "$path")" "$trap" ;;
		folders) ln -s "$up/folder" "$trap" ;;
		nowhere) ln -s "$up/new-$path" "$trap" ;;
		relative) ln -s "$(realpath --relative-to "out$PWD/in" outside)/folder" "$trap" ;;
		hard) ln outside/linked "$trap" ;;
		pipes) mkfifo "$trap" ;;
		empty) mkdir "$trap" ;;
		esac
	done
	# And one below a folder that is really there.
	if [ "$1" != hard ]; then
		rm -rf "out$PWD/in/folder"
		mkdir "out$PWD/in/folder"
		ln -s "$up/folder/deep" "out$PWD/in/folder/deep"
		ln -s "$up/folder/inner" "out$PWD/in/folder/x"
	fi
}

@test "a target full of traps: nothing outside changes, by any policy, and what is replaced is right" {
	fill_outside
	fill_in
	"$MRMR" put in
	for kind in links folders nowhere relative hard pipes empty; do
		for how in "if-changed" "always" "if-newer" "never" "if-changed --delete"; do
			set_traps "$kind"
			outside_untouched
			code=0
			timeout 20 "$MRMR" get latest --overwrite $how --to out >said 2>&1 || code=$?
			echo "$kind, $how: exit $code"
			[ "$code" -le 1 ]
			outside_untouched
			[ ! -e outside/new-file ]
			[[ $how != if-changed* ]] || assert_same in "out$PWD/in"
		done
	done
}

@test "a target full of traps, for a normal user" {
	fill_outside
	fill_in
	"$MRMR" put in
	mkdir mine
	set_traps links
	mv out mine/out
	for_user mine d1 d2 d3 config state key
	outside_untouched
	run as_user "$MRMR" get latest --delete --to mine/out
	echo "$output"
	[ "$status" -eq 0 ]
	outside_untouched
	for file in file linked program folder/x folder/deep/x; do
		cmp "in/$file" "mine/out$PWD/in/$file"
	done
	[ ! -u "mine/out$PWD/in/program" ] || [ "$(id -u)" -ne 0 ]
}

# bats test_tags=plain
@test "a target whose folders are swapped for links all the time: nothing outside changes" {
	fill_outside
	for i in $(seq 20); do echo "$i" >"in/folder/file$i"; done
	"$MRMR" put in
	mkdir -p "out$PWD/in/folder"
	outside_untouched
	python3 -c '
import os, sys
folder, outside = sys.argv[1:]
while True:
    try:
        os.rename(folder, folder + ".away")
        os.symlink(outside, folder)
        os.unlink(folder)
        os.rename(folder + ".away", folder)
    except OSError:
        try:
            os.mkdir(folder)
        except OSError:
            pass' "out$PWD/in/folder" "$PWD/outside" &
	swapper=$!
	for ((i = 0; i < 60; i++)); do
		timeout 20 "$MRMR" get latest:in --overwrite always $([ $((i % 3)) -ne 0 ] || echo --delete) \
			--to "out$PWD/in" >said 2>&1 || [ $? -eq 1 ]
	done
	kill "$swapper"
	wait "$swapper" || true
	outside_untouched
	rm -rf out
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in"
}

@test "the target itself may be a link: that is the caller's own word" {
	mkdir real
	ln -s real out
	"$MRMR" put in
	"$MRMR" get latest --to out
	assert_same in "real$PWD/in"
}

@test "twins of one letter's case or one accent's form, and names like options, stay apart" {
	for name in CASE case Case $'caf\u00e9' $'cafe\u0301' -rf --to ... ' ' 'a ' ' a' '*' '$(id)' '~' \
		.mrmr-partial "$(printf '\xff%.0s' {1..255})" "$(printf 'n%.0s' {1..255})"; do
		echo "$name" >"in/$name"
	done
	[ "$(find in -maxdepth 1 -type f -printf x | wc -c)" -eq 19 ]
	"$MRMR" put in
	"$MRMR" get latest --to out
	assert_same in "out$PWD/in"
}

# bats test_tags=plain
@test "4,096 folders within each other come back, and go again by --delete" {
	python3 "$BATS_TEST_DIRNAME/deep.py" in 4096 1
	"$MRMR" put in
	"$MRMR" get latest --to out
	find in -printf '%P %y %m %s %T@ %l\n' | sort | sha256sum >before
	(cd "out$PWD" && find in -printf '%P %y %m %s %T@ %l\n' | sort | sha256sum) | diff before -
	rm -r in/d
	"$MRMR" put in
	"$MRMR" get latest --delete --to out
	assert_same in "out$PWD/in"
}
