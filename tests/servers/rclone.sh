#!/usr/bin/env bash
# A folder as a remote of rclone, which the driver serves itself: nothing runs here. Needs: rclone.
#
# usage: rclone.sh start DIR PORT | stop DIR
set -u
. "$(dirname "$0")/lib.sh"

start() {
	need rclone rclone
	printf '[box]\ntype = alias\nremote = %s/data\n' "$DIR" >"$DIR/rclone.conf"
	echo "RCLONE_CONFIG=$DIR/rclone.conf" >>"$DIR/place.env"
	place KIND rclone
	place URL 'rclone:box:{}'
	place OPTIONS '{}'
}

server "$@"
