# A real tree, the source of Linux: stored, edited, stored again, and restored at both moments, with
# the local table gone in between and two drives lost.

# bats file_tags=plain
load common

setup() {
	tarball=$(ls /usr/src/linux-source-*.tar.xz 2>/dev/null | tail -n 1)
	[ -n "$tarball" ] || skip "no /usr/src/linux-source-*.tar.xz (package linux-source)"
	fresh_home
	# Some 5 GB: in memory where there is so much, since this is no test of the disk.
	work=$(mktemp -d "$(roomy_folder)/mrmr-real.XXXXXX")
	cd "$work"
	export MRMR_CONFIG_DIR=$PWD/config MRMR_STATE_DIR=$PWD/state
	mkdir d1 d2 d3 d4 d5 now out away
	"$MRMR" init --key-file key --parity 2 d1 d2 d3 d4 d5
	export MRMR_KEY_FILE=$PWD/key
	tar -xf "$tarball" -C now
}

teardown() {
	[ -z "${work:-}" ] || rm -rf "$work"
}

roomy_folder() {
	local free
	free=$(df --output=avail -BG /dev/shm 2>/dev/null | tail -n 1 | tr -dc 0-9)
	if [ "${free:-0}" -ge 8 ]; then echo /dev/shm; else echo "$BATS_TEST_TMPDIR"; fi
}

# About 5 % of the files get longer, some change their metadata, move, go, or come.
edit() {
	local root
	root=$(echo now/*)
	find "$root/drivers/net" -name '*.c' -print0 | xargs -0 sed -i '1i/* edited */'
	find "$root/arch" -name '*.S' -exec sh -c 'for f; do echo "/* more */" >>"$f"; done' _ {} +
	chmod -R g+w "$root/lib"
	mv "$root/sound" "$root/noise"
	rm -r "$root/samples"
	ln -s ../nowhere "$root/fs/dangling"
	ln "$root/COPYING" "$root/LICENCE"
	head -c 3000000 /dev/urandom >"$root/blob"
	truncate -s 1G "$root/sparse"
}

restores_as() { # snapshot folder
	rm -rf out
	"$MRMR" get "$1" --to out
	run rsync -aAXHcn --delete --itemize-changes "$2/" "out$work/now/"
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
}

@test "the source of Linux comes back as it was at both moments, with the table gone and two drives lost" {
	cp -a now then
	"$MRMR" put now
	edit
	rm -rf state/*/table.sqlite*
	"$MRMR" put now
	rm -rf state/*/table.sqlite*
	mv d2 d5 away/
	restores_as latest now
	restores_as latest~1 then
	run "$MRMR" status
	[ "$status" -eq 20 ]
	mv away/d2 away/d5 .
	run "$MRMR" scrub
	[ "$status" -eq 0 ]
}
