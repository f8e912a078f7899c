# Nothing outside the target of "get" changes, whatever waits in it.

load common

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
