#!/usr/bin/env bash
# The SFTP of `rclone serve`: it has no fsync, its rename replaces, it answers out of order. Needs:
# rclone openssh-client. It looks at the folder each time: a file that two hosts name at once may else stay
# out of sight for minutes.
#
# usage: rclone-sftp.sh start DIR PORT | stop DIR
# The user is alice, with the password in DIR/password.
set -u
. "$(dirname "$0")/lib.sh"

start() {
	need rclone rclone
	need ssh-keygen openssh-client
	ssh-keygen -q -t ed25519 -N '' -f "$DIR/host_ed25519" -C host || die 'no host key'
	awk -v host="[127.0.0.1]:$PORT" '{ print host, $1, $2 }' "$DIR/host_ed25519.pub" \
		>"$DIR/known_hosts"
	secret password wonderland
	export RCLONE_CONFIG=$DIR/rclone.conf RCLONE_CACHE_DIR=$DIR/cache
	export RCLONE_USER=alice RCLONE_PASS=wonderland
	spawn rclone rclone serve sftp "$DIR/data" --addr "127.0.0.1:$PORT" --key "$DIR/host_ed25519" \
		--vfs-cache-mode off --dir-cache-time 0
	wait_for rclone answers "$PORT"
	place KIND sftp
	place URL "sftp://alice@127.0.0.1:$PORT/"
	place OPTIONS "{\"password\":\"file:$DIR/password\",\"known_hosts\":\"$DIR/known_hosts\"}"
}

server "$@"
