#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The work that a Guest can cause is bounded. QEMU counts instructions here
# (-icount: a nanosecond is one), so that the figures do not depend on how
# busy this machine is. The processor is one without fast REP STOSB, of which
# QEMU counts each byte: a page would be cleared in 4096 instructions.
#
# 1. Each kind of exit, in the state that costs most: the instructions until
#    the Guest runs again.
# 2. The longest time for which a Guest keeps the Host from running something
#    more urgent, as cyclictest sees it with a real-time thread, on a
#    preemptible Host, while hostile Guests come and go. (The kernel's page
#    allocator gives back, in one go and with interrupts off, what a CPU has
#    kept of the pages that a process freed: an ordinary process causes that,
#    too, and "ordinary" tells how much it is. With the sysctl that bounds it
#    the rest can be seen.)
# 3. The memory of the module: what the page tables of a Guest take is charged
#    to the Launcher's memory cgroup, is not more than the limit, and is
#    what debugfs tells.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $exit_limit = 100_000;		# instructions, for the worst exit
my $stretch_limit = 1_000_000;		# ... without preemption
my $tables = 8192;			# shadow_limit's default
my $loops = $ENV{SAMPLE} ? 1000 : 10_000;
my @guests = $ENV{SAMPLE} ? qw(a11-exhaust a12-teardown) :
	qw(a01-frames a08-roots a11-exhaust a12-teardown a16-addresses
	b09-endless b18-stubborn b20-opcodes c01-random-calls
	c06-scribbling c07-timer c09-notify c10-flood c13-reboots);
my ($cyclictest) = grep { -x } map { "$_/cyclictest" }
	split(/:/, $ENV{PATH}), '/usr/bin';
BAIL_OUT('there is no cyclictest: run build/packages test')
	unless $cyclictest;

my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
# Arguments: how many measurements, and the Guests.
loops=$1
shift
stats=/sys/kernel/debug/lguest/stats
launch() {
	exec lguest run --kernel /evil/$1 --memory 32M --console none \
		--append "$2" < /dev/null
}
(launch bounds '')
echo "=== bounds $?"

mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/one
(
	read -r self rest < /proc/self/stat
	echo $self > /sys/fs/cgroup/one/cgroup.procs
	launch spin-full '' > /tmp/full
) &
until grep -q spinning /tmp/full; do usleep 20000; done
usleep 20000
charged() { awk '/^kernel / { print $2 }' /sys/fs/cgroup/one/memory.stat; }
echo "=== memory $(charged)" \
	"$(awk '/^shadow_pages/ { print $2 }' $stats)"
kill $!
wait $!
usleep 20000
echo "=== memory-after $(charged)" \
	"$(awk '/^shadow_pages/ { print $2 }' $stats)"

latency() {
	cyclictest -q -m -p 99 -i 300 -l $loops -t 1 |
		sed -n "s/^T:.*Max: *\([0-9]*\).*/=== latency $1 \1/p"
}
# processes that take a lot of pages, and give them back
ordinary() {
	while :; do
		dd if=/dev/zero of=/tmp/file bs=1M count=48 2> /dev/null
		rm /tmp/file
	done
}
ordinary & load=$!
latency ordinary
echo 4000 > /proc/sys/vm/percpu_pagelist_high_fraction
latency none
kill $load
wait $load
for g in "$@"; do
	(
		trap 'kill $!; exit' TERM
		while :; do
			launch $g 'seed=7 rounds=9' > /dev/null 2>&1 &
			wait $!
		done
	) &
	load=$!
	latency $g
	kill $load
	wait $load
done
dmesg | grep -E 'WARN|BUG|Oops|stall|lockup' || true
END
my $dir = cases();
my $result = try_host('--icount', '--cpu', 'max,erms=off', '--timeout', 3000,
	'--memory', 768,
	'--append', 'preempt=full', '--add', "$dir:/evil",
	'--add', "$cyclictest:/bin/cyclictest", '--add', $job, '--', 'job',
	$loops, @guests);
my $out = $result->{out};
is $result->{status}, 0, 'the Host goes through all of it' or diag($out);

# --- Each exit -----------------------------------------------------------------
my %exit = $out =~ /^ *bound (\S+) (\d+)$/mg;
like $out, qr/^=== bounds 0$/m, 'all kinds of exits were measured'
	or diag($out);
# The Launcher, too, has its say in these.
delete @exit{qw(print notify)};
my ($worst) = sort { $exit{$b} <=> $exit{$a} } keys %exit;
for my $name (sort { $exit{$a} <=> $exit{$b} } keys %exit) {
	cmp_ok $exit{$name}, '<=', $exit_limit,
		"$name takes $exit{$name} instructions, at most $exit_limit";
}

# --- Without preemption --------------------------------------------------------
my %latency = $out =~ /^=== latency (\S+) (\d+)$/mg;
note(sprintf 'the same by ordinary processes, without the sysctl: %d',
     1000 * (delete $latency{ordinary} // 0));
for my $guest ('none', @guests) {
	my $longest = ($latency{$guest} // 1e9) * 1000;
	cmp_ok $longest, '<=', $stretch_limit,
		"$guest: an urgent thread waits for $longest instructions, " .
		"at most $stretch_limit";
}
my ($longest) = sort { $b <=> $a } @latency{grep { $_ ne 'none' }
	keys %latency};

# --- Memory --------------------------------------------------------------------
my ($charged, $pages) = $out =~ /^=== memory (\d+) (\d+)$/m;
my ($charged1, $pages1) = $out =~ /^=== memory-after (\d+) (\d+)$/m;
is $pages, $tables, 'a greedy Guest gets as many tables as the limit says';
cmp_ok $charged // 0, '>=', $tables * 4096,
	'its page tables are charged to the cgroup of its Launcher';
cmp_ok $charged // 1e12, '<', $tables * 4096 * 1.25,
	'... and not much more than those';
is $pages1, 0, 'afterwards there are none';
cmp_ok $charged1 // 1e12, '<', 4 << 20, '... and nothing is charged';
unlike $out, qr/WARN|BUG|Oops|stall|lockup/, 'nothing in the log of the Host';

tell('the longest exit, in instructions',
	sprintf '%d (%s)', $exit{$worst // ''} // 0, $worst // '?');
tell('the longest stretch without preemption, in instructions',
	sprintf '%d', ($longest // 0) * 1000);
tell("kernel memory of a Guest that takes all it can get, in KiB",
	sprintf '%d', ($charged // 0) / 1024);
diag($out) unless Test::More->builder->is_passing;
done_testing;
