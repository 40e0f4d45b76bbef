#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What happens around a Guest when the world goes wrong: signals, stops and
# kills, a CPU that goes, a Host that sleeps, memory that is short, a console
# that nobody reads, a clock that jumps, a module that somebody pulls out.
# In each case the Guest goes on with all its memory as it was, or the
# Launcher ends as its manual says; and afterwards the Host is as before.
# The numbers are those of the project's list of faults.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $evil = evil();
my @in_guest = map { $_ eq '--add' ? '--add-guest' : $_ }
	programs(qw(registers random-memory));
my $seed = $ENV{SEED} // 4_711;
my $kills = $ENV{SAMPLE} ? 30 : 300;
my $operations = $ENV{SAMPLE} ? 4000 : 20000;
my $patience = $ENV{SAMPLE} ? 120 : 600;				# seconds
$patience *= 6 if ($ENV{LGUEST_HOST} // '') eq 'debug';	# as build/try counts
my $swap = spew(scratch() . '/swap', "\0" x (128 << 20));

# --- In the Host -------------------------------------------------------------
my $library = <<'END';
# A Linux Guest whose program knows what its memory must hold.
launch() {
	linux "random-memory $operations $seed; registers"
}
start() {
	launch > /tmp/guest 2>&1 &
	guest=$!
	while alive && ! grep -q '^machines 1' $stats; do sleep 0.1; done
}
alive() { kill -0 $guest 2> /dev/null; }
finish() {
	wait $guest
	echo "guest: status $?, programs $(grep -c '^1\.\.' /tmp/guest)," \
		"complaints $(grep -c '^not ok\|^Bail' /tmp/guest)," \
		"times $times"
	grep '^not ok\|^Bail\|lguest:' /tmp/guest | head -5
	none_left
}
# A case: a Guest runs, and the function is called again and again.
survive() {	# survive NAME FUNCTION
	echo "=== $1"
	times=0
	start
	end=$(($(cut -d. -f1 /proc/uptime) + patience))
	while alive; do
		$2 2>&1
		times=$((times + 1))
		[ $(cut -d. -f1 /proc/uptime) -lt $end ] && continue
		echo "no end after $patience s"
		kill -9 $guest
		break
	done
	finish
}
small() {	# small NAME: a micro-Guest in the background
	micro /evil/$1 > /tmp/micro 2>&1 &
	guest=$!
}
END

my $cases = <<'END';
#!/bin/sh
seed=$1 kills=$2 operations=$3 patience=$4
. /library.sh
. /faults.sh
mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkswap /dev/vda > /dev/null && swapon /dev/vda
times=0
for n in 1 2 3; do start; wait $guest; done	# for the caches that stay
forget_unreferenced
before=$(free_memory)

echo '=== F1'
n=0 ended=0
while [ $n -lt $kills ]; do
	random 11; small spin-$((r + 1))
	random 300; usleep $((r * 1000))
	kill -9 $guest; wait $guest
	[ $? -eq 137 ] && ended=$((ended + 1))
	none_left
	n=$((n + 1))
done
echo "killed $ended"

echo '=== F2'
for s in ILL TRAP ABRT BUS FPE SEGV SYS XCPU VTALRM PROF ALRM USR2 \
		IO PWR STKFLT; do
	small spin-3
	until grep -q spinning /tmp/micro; do sleep 0.1; done
	kill -$s $guest
	wait $guest
	echo "$s $?"
	none_left
done

halted() { kill -STOP $guest; sleep 3; kill -CONT $guest; sleep 1; }
survive F3 halted
signalled() { kill -$s $guest; usleep 1000; }
storm() {
	for s in WINCH CHLD URG CONT USR1 PIPE XFSZ CHLD; do
		signalled 2> /dev/null
	done
}
survive F4 storm

echo '=== F5'
guest_runs() {
	(linux "$1") > /tmp/guest 2>&1
}
mkdir /sys/fs/cgroup/small
echo 40M > /sys/fs/cgroup/small/memory.max
echo 0 > /sys/fs/cgroup/small/memory.swap.max
(
	read -r self rest < /proc/self/stat
	echo $self > /sys/fs/cgroup/small/cgroup.procs
	guest_runs 'head -c 40000000 /dev/zero | tail -c 40000000 | wc -c'
	echo "small $?"
)
none_left
grep -h '^oom_kill ' /sys/fs/cgroup/small/memory.events
sleep 1
rmdir /sys/fs/cgroup/small

echo '=== F8'
echo 'user:x:1000:4242::/:/bin/sh' >> /etc/passwd
echo 'group:x:4242:' >> /etc/group
echo 'others:x:4243:' >> /etc/group
chgrp 4242 /dev/lguest; chmod 660 /dev/lguest
(ulimit -l 0; as_user user:group lguest run --kernel /evil/hello \
	--memory 32M --console none < /dev/null 2>&1; echo "locked $?")
as_user user:others lguest run --kernel /evil/hello --memory 32M \
	--console none < /dev/null 2>&1
echo "group $?"
mv /dev/lguest /dev/elsewhere
lguest run --kernel /evil/hello --memory 32M --console none < /dev/null 2>&1
echo "device $?"
mv /dev/elsewhere /dev/lguest
for n in 4 5 6 7 8 9 10 11 12; do
	sh -c "ulimit -n $n; exec lguest run --kernel /evil/hello \
		--memory 32M" < /dev/null > /tmp/text 2>&1
	echo "files $n $? $(grep -c . /tmp/text)"
done
for n in 8 24 40; do
	(ulimit -v $((n * 1024)); lguest run --kernel /evil/hello \
		--memory 32M < /dev/null) > /tmp/text 2>&1
	echo "space $n $? $(grep -c . /tmp/text)"
done
none_left

echo '=== F17'
times=0
((launch); echo "head $?" >&2) 2> /tmp/err | head -n 1 > /dev/null
cat /tmp/err
none_left
((launch); echo "full $?" >&2) 2> /tmp/err | (sleep 8; cat > /tmp/guest)
grep full /tmp/err
echo "late: $(grep -c '^1\.\.' /tmp/guest) $(grep -c '^not ok' /tmp/guest)"

# The kernel's own rehearsals: all tasks are frozen, devices and CPUs stopped,
# and after a second all comes back, since there is nobody here to wake us.
nap() {
	echo $1 > /sys/power/pm_test
	echo $2 > /sys/power/state
	sleep 1
}
naps() { nap devices freeze; nap core mem; }
echo 1 > /sys/module/suspend/parameters/pm_test_delay
[ -e /sys/power/pm_test ] && survive F19 naps
echo "naps $(dmesg | grep -c 'PM: suspend exit')"
echo none > /sys/power/pm_test

unplug() {
	echo 0 > /sys/devices/system/cpu/cpu1/online
	usleep 200000
	echo 1 > /sys/devices/system/cpu/cpu1/online
	usleep 200000
}
survive F20 unplug

pull() {
	if rmmod lg 2> /dev/null; then
		# Its machine may be gone, and the process about to be.
		sleep $((patience / 120))
		alive && echo 'it went'
		insmod /lg.ko
	fi
	sleep 0.2
}
survive F21 pull
exec 7<> /dev/lguest
rmmod lg 2> /dev/null && echo 'it went'
exec 7>&-
rmmod lg && insmod /lg.ko && echo 'it went when it should'

jump() {
	now=$(date +%s)
	date -s @$((now + 86400)) > /dev/null; sleep 0.5
	date -s @$((now - 86400)) > /dev/null; sleep 0.5
	date -s @$now > /dev/null
	for c in $(cat $clock/available_clocksource); do
		echo $c > $clock/current_clocksource; sleep 0.2
	done
}
clock=/sys/devices/system/clocksource/clocksource0
was=$(cat $clock/current_clocksource)
survive F23 jump
echo "$was" > $clock/current_clocksource

echo 1 > /sys/kernel/mm/ksm/run
echo force > /sys/kernel/mm/transparent_hugepage/shmem_enabled
shuffle() {
	echo 1 > /proc/sys/vm/compact_memory
	echo 3 > /proc/sys/vm/drop_caches
	sleep 0.2
}
survive F25 shuffle
echo 2 > /sys/kernel/mm/ksm/run
echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled

mkdir /sys/fs/cgroup/swapped
echo 0 > /sys/fs/cgroup/swapped/cgroup.procs
swap_out() {
	echo 2M > /sys/fs/cgroup/swapped/memory.reclaim
	sleep 0.5
} 2> /dev/null
survive F26 swap_out
echo "swapped out: $(awk '/^pswpout/ { print $2 }' /proc/vmstat)"
echo 0 > /sys/fs/cgroup/cgroup.procs
rmdir /sys/fs/cgroup/swapped

# Each page of the Guest's memory in turn is called bad, softly.
offline() {
	random 16384
	set -- $(sed -n 's/^\([0-9a-f]*\)-.*memfd:lguest.*/\1/p' \
		/proc/$guest/maps)
	[ -n "$1" ] || return
	frame=$(dd if=/proc/$guest/pagemap bs=8 count=1 2> /dev/null \
		skip=$((0x$1 / 4096 + r)) | hexdump -e '1/8 "%d"')
	frame=$((frame & 0x7fffffffffffff))
	[ $frame -gt 256 ] || return
	printf '0x%x' $((frame * 4096)) > \
		/sys/devices/system/memory/${how}_offline_page
} 2> /dev/null
how=soft
[ -e /sys/devices/system/memory/soft_offline_page ] && survive F27 offline
echo '=== F27-hard'
times=0 how=hard
start
sleep 2
for i in 1 2 3 4 5; do alive && offline; times=$((times + 1)); done
finish

echo '=== F31'
ended=0
for i in $(seq 20); do
	small reboot
	usleep $((200000 + i * 17919))
	kill -TERM $guest
	for n in $(seq 100); do
		kill -0 $guest || break
		usleep 100000
	done 2> /dev/null
	kill -KILL $guest 2> /dev/null
	wait $guest
	[ $? != 143 ] || ended=$((ended + 1))
done
echo "reboots: $ended of 20 ended by the first signal"
none_left

echo '=== F32'
guest_runs 'head -c 200000000 /dev/zero | tail -c 100000000 | wc -c; echo survived'
echo "oom $? $(grep -c '^survived' /tmp/guest)"
guest_runs 'echo c > /proc/sysrq-trigger; echo went on'
echo "crash $?"
: > /tmp/guest
linux 'echo bombing; b() { b | b & }; b; sleep 1000' > /tmp/guest 2>&1 &
guest=$!
sleep 15
begin=$(date +%s)
kill -TERM $guest
wait $guest
echo "bomb $? $(grep -c bombing /tmp/guest) $(($(date +%s) - begin))"
none_left

load() { sleep 1; }
for i in 1 2 3 4; do nice -n -10 yes > /dev/null & hogs="$hogs $!"; done
survive F33 load
kill $hogs

cp /bin/lguest /tmp/launcher
launcher=/tmp/launcher
replaced() { rm -f /tmp/launcher; cp /bin/busybox /tmp/launcher; sleep 1; }
survive F34 replaced
launcher=
rm -f /tmp/launcher /tmp/guest

echo '=== after'
cat $stats
swapoff /dev/vda
echo "memory: $before $(free_memory)"
unreferenced
rmmod lg && echo 'unloaded'
echo '=== log'
complaints
END
my @files = ('--add', spew(scratch() . '/faults.sh', $library),
	'--add', spew(scratch() . '/job', $cases, 0755));
my $result = try_host('--with-guest', '--smp', 2, '--memory', 768,
	'--disk', $swap,
	'--timeout', $ENV{SAMPLE} ? 1200 : 3600,
	'--add', "$evil:/evil", @in_guest, library(), @files,
	'--', 'job', $seed, $kills, $operations,
	$patience);
(my $text = $result->{out}) =~ tr/\r//d;
my %part = $text =~ /^=== (\S+)\n(.*?)(?=^=== |\z)/msg;
is $result->{status}, 0, 'the Host goes through all of it';

# --- What is seen --------------------------------------------------------------
my ($faults, %survived) = 0;
sub survives {
	my ($case, $good, $name) = @_;
	my ($fault) = $case =~ /^(F\d+)/;
	$survived{$fault} = ($survived{$fault} // 1) && $good;
	return ok $good, "$case: $name";
}
sub goes_on {
	my ($case, $name) = @_;
	my $text = $part{$case} // '';
	my ($times) = $text =~ /^guest: status 0, programs 2, complaints 0, times (\d+)$/m;
	$faults += $times // 0;
	survives($case, defined $times && $text !~ /^left|^it went$/m,
		"$name: the Guest goes on (" . ($times // 0) . ' times)')
		or diag($text);
}
sub says {
	my ($case, $name, @patterns) = @_;
	my $text = $part{$case} // '';
	for (@patterns) {
		$faults++;
		survives($case, scalar($text =~ $_), $name) or diag($text);
	}
	survives($case, $text !~ /^left/m, 'nothing is left');
}
says('F1', "killed at $kills random moments", qr/^killed $kills$/m);
my %number = (ILL => 4, TRAP => 5, ABRT => 6, BUS => 7, FPE => 8, USR2 => 12,
	SEGV => 11, ALRM => 14, STKFLT => 16, XCPU => 24,
	VTALRM => 26, PROF => 27, IO => 29, PWR => 30, SYS => 31);
says('F2', "ended by SIG$_", qr/^$_ @{[128 + $number{$_}]}$/m)
	for sort keys %number;
goes_on('F3', 'stopped and continued');
goes_on('F4', 'eight signals that mean nothing');
says('F5', 'more memory than its cgroup may have',
	qr/^small 137$/m, qr/^oom_kill [1-9]/m);
says('F8', 'no locked memory is needed', qr/^hello.*\nlocked 0$/m);
says('F8', 'not in the group', qr/^lguest: .*group lguest.*\ngroup 1$/m);
says('F8', 'no device', qr/^lguest: .*loaded.*\ndevice 1$/m);
for (($part{F8} // '') =~ /^((?:files|space) .*)$/mg) {
	survives('F8', scalar(/^\w+ \d+ (?:0|1) [1-9]\d*$/),
		 "limits: $_ (status 0 or 1, and a line)");
	$faults++;
}
says('F17', 'the reader of the console goes', qr/^lguest: standard output is gone.*\nhead 0$/m);
says('F17', 'the reader of the console is late', qr/^full 0\nlate: 2 0$/m);
SKIP: {
	skip 'F19: this kernel has no rehearsals', 1 unless exists $part{F19};
	goes_on('F19', 'the Host rehearses to suspend');
	note($_) for ($part{F19} // '') =~ /^(naps \d+)$/mg;
}
goes_on('F20', 'a CPU goes and comes');
goes_on('F21', 'rmmod while it is in use');
survives('F21', scalar(($part{F21} // q{}) =~ /^it went when it should$/m),
	 'it goes when it is not');
goes_on('F23', 'the clock of the Host jumps a day, and changes its source');
goes_on('F25', 'pages are merged, made huge and moved');
goes_on('F26', 'memory is taken back');
note($_) for ($part{F26} // '') =~ /^(swapped out.*)$/mg;
SKIP: {
	skip 'F27: pages cannot be taken offline here', 1
		unless exists $part{F27};
	goes_on('F27', 'pages are called bad, softly');
}
my $hard = $part{'F27-hard'} // '';
survives('F27', $hard =~ /^guest: status (?:0|135|1)\b/m && $hard !~ /^left/m,
	 'bad pages: the Guest goes on, or the Launcher gets a SIGBUS');
note($_) for $hard =~ /^(guest:.*)$/mg;
says('F31', 'a Guest that reboots for ever', qr/^reboots: 20 of 20 /m);
says('F32', 'no memory in the Guest', qr/^oom 0 1$/m);
says('F32', 'a crash in the Guest', qr/^crash [03]$/m);
says('F32', 'a fork bomb in the Guest', qr/^bomb 143 \d [0-5]$/m);
goes_on('F33', 'a Host that is busy');
goes_on('F34', 'the Launcher is replaced while it runs');

like $part{after} // '', qr/^$_ 0$/m, "afterwards there are no $_"
	for qw(machines frames shadow_pages audit_failures);
memory_is_back($part{after} // '', 1024);
like $part{after} // '', qr/^unloaded$/m, 'the module goes';
log_is_clean($part{log});
# Those of other files, and of devices that there are not yet.
note("$_") for 'F6, F7: other tests, which make allocations fail',
	'F22: host.t', 'F24: host-ends.t',
	'F9 to F13: there is no disk yet', 'F14, F15: ... no network',
	'F16: ... no shared directory', 'F18: ... no control socket',
	'F28: launcher-loader.t', 'F29, F30: ... no snapshot';
tell('faults survived', sprintf '%d of %d, injected %d times',
	scalar(grep { $survived{$_} } keys %survived),
	scalar keys %survived, $faults);
diag(substr $text, -6000) unless Test::More->builder->is_passing;
done_testing;
