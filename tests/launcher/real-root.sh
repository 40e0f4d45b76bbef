# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by a script in a Host, with the script's name and its first word: goes on
# in a root that is a mount of its own, as every installed system has, by starting
# the script once more with the word "inside". (No process can leave the first root
# of a kernel by pivot_root, and no user namespace is made below a mere chroot.)

real_root() {
	[ "$2" != inside ] || return 0
	mkdir /new
	mount -t tmpfs -o size=90% root /new
	for d in /*; do
		case $d in
		/new) ;;
		/proc|/sys|/dev|/tmp) mkdir "/new$d" ;;
		*) cp -a "$d" /new/ ;;
		esac
	done
	for d in proc sys dev; do
		mount --move "/$d" "/new/$d"
	done
	mount -t tmpfs tmp /new/tmp
	cd /new && mount --move . / && exec chroot . /bin/sh "$1" inside
	exit 1
}
