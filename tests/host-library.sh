# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests' jobs in a Host have in common. Try.pm brings it along as
# /library.sh; busybox's shell reads it there.
stats=/sys/kernel/debug/lguest/stats
# What a healthy kernel never says.
complaints='WARN|BUG|Oops|stall|lockup|Bad page|hung|leak'
# What the Host's log says of these since the module was loaded. (What a
# kernel says of itself when it boots is no complaint.)
complaints() {
	dmesg | sed '1,/lg: loading/d' | grep -E "$complaints" || echo clean
}

stat() {	# one of the module's counters
	awk -v name="$1" '$1 == name { print $2 }' $stats
}

now() {		# in ms
	awk '{ print int($1 * 1000) }' /proc/uptime
}

# In kB, when it has stopped changing: much is freed a little later. The
# free pages that each CPU keeps for itself may be tens of megabytes, and
# MemFree does not count them; empty slabs are given back.
free_memory() {
	last=0
	for i in 1 2 3 4 5 6 7 8 9 10; do
		sync
		echo 3 > /proc/sys/vm/drop_caches
		for slab in /sys/kernel/slab/*/shrink; do
			echo 1 > $slab
		done
		sleep 1
		free=$(awk '/^MemFree/ { s += $2 } /^ +count:/ { s += 4 * $2 }
			END { print s }' /proc/meminfo /proc/zoneinfo)
		[ $((free - last)) -gt 100 ] || break
		last=$free
	done
	echo $free
}

# On a Host that looks for lost memory: what is not referenced any more, by now or
# since forget_unreferenced. (What is younger than five seconds does not count yet,
# and what lies in a register now does not the second time.)
leaks=/sys/kernel/debug/kmemleak
unreferenced() {
	[ -e $leaks ] || return 0
	sleep 6
	echo scan > $leaks
	sleep 1
	echo scan > $leaks
	cat $leaks
	echo "unreferenced: $(grep -c '^unreferenced' $leaks)"
}
forget_unreferenced() {
	unreferenced > /dev/null
	[ ! -e $leaks ] || echo clear > $leaks
}

random() {	# sets r to a number below $1
	seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
	r=$(((seed >> 8) % $1))
}

none_left() {	# within a second
	for i in 1 2 3 4 5 6 7 8 9 10; do
		grep -q '^machines 0' $stats && return
		sleep 0.1
	done
	echo "left: $(head -1 $stats)"
}

as_user() {	# as_user USER:GROUP COMMAND...
	who=$1 program=$(which "$2")
	shift 2
	start-stop-daemon -S -c "$who" -x "$program" -- "$@"
}

# These two become the Launcher: call them with & or in parentheses. A Linux
# Guest that runs a command ($launcher may name another Launcher):
linux() {
	exec ${launcher:-lguest} run --kernel /guest/bzImage \
		--initrd /guest/initrd --append "quiet run=\"$1\"" < /dev/null
}

# ... and a micro-Guest: its file, and its command line if it has one. (More
# options of the Launcher are in $options.)
micro() {
	exec lguest run --kernel "$1" --memory 32M --console none --rng none \
		--balloon none ${options:-} --append "${2:-}" < /dev/null
}

# A canary (an ordinary process) and a witness (an ordinary Guest) live
# beside all that follows.
beside() {
	canary 64 > /tmp/canary.out 2>&1 &
	canary=$!
	micro /evil/witness > /tmp/witness.out 2>&1 &
	witness=$!
	n=0
	until grep -q 'witness 64' /tmp/witness.out; do
		n=$((n + 1))
		if [ $n = 600 ]; then
			echo 'the witness does not begin'
			cat /tmp/witness.out
			exit 1
		fi
		sleep 0.2
	done
	dmesg -c > /dev/null
}

# What must be the same before and after whatever is done to a Guest.
counts() {
	echo "$(stat machines) $(stat frames) $(stat shadow_pages)" \
		"$(cat /sys/module/lg/refcnt) $(ls /proc/$witness/fd | wc -l)" \
		"$(ls /proc/$witness/task | wc -l)"
}

# They get two seconds to become so again.
counts_are() {
	n=0
	while after=$(counts); [ "$after" != "$1" ]; do
		n=$((n + 1))
		if [ $n = 20 ]; then
			echo "+++ counts $1 -> $after"
			return
		fi
		sleep 0.1
	done
}

# Lines that begin with +++ tell of harm to the Host since the last call;
# what its log said is in /tmp/log.
harm() {
	dmesg -c > /tmp/log
	grep -E "$complaints" /tmp/log | sed 's/^/+++ log /'
	[ ! -s /tmp/canary.out ] || sed 's/^/+++ /' /tmp/canary.out
	tail -n 1 /tmp/witness.out | grep -q ' bad 0$' ||
		tail -n 1 /tmp/witness.out | sed 's/^/+++ /'
	kill -0 $witness 2> /dev/null || echo '+++ the witness is gone'
}

# The canary's and the witness's last words, and what is left of all.
beside_ends() {
	sleep 1
	kill -TERM $canary $witness
	wait $canary
	echo "=== end $?"
	cat /tmp/canary.out
	grep '^witness' /tmp/witness.out | tail -n 1
	wait $witness
	sleep 0.5
	cat $stats
	rmmod lg && echo unloaded
}
