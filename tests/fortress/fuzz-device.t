#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# An ordinary user who may open /dev/lguest does to it, and to all files
# that come out of it, what nobody would do on purpose: a million random
# calls by three threads, in forked and executed processes, from processes
# that got the files sent to them, while Guests run and their memory is
# taken away. SAMPLE=1: a hundred thousand. CALLS, SEED: as you like.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko');

my $calls = $ENV{CALLS} // ($ENV{SAMPLE} ? 100_000 : 1_000_000);
my $seed = $ENV{SEED} // 20_260_101;
my $ldts = $ENV{SAMPLE} ? 20 : 200;
my $fuzz = evil() . '/fuzz';
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
calls=$1 seed=$2 ldts=$3
chgrp 4242 /dev/lguest
chmod 660 /dev/lguest
. /library.sh
part() {
	echo "=== $1"
	shift
	dmesg -c > /dev/null
	"$@" 2>&1
	echo "status $?"
	echo "log lines $(dmesg | grep -vc 'hrtimer: interrupt took')"
	dmesg -c | grep -v 'hrtimer: interrupt took' | head -40
}
part memory fuzz 4242 memory
part ldt fuzz 4242 ldt $ldts
# Memory that is merged, compacted and made huge, meanwhile.
echo 1 > /sys/kernel/mm/ksm/run
echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled
fuzz 4242 1 3000 > /dev/null	# for the caches that stay
forget_unreferenced
before=$(free_memory)
while :; do echo 1 > /proc/sys/vm/compact_memory; sleep 1; done &
compactor=$!
part random fuzz 4242 $seed $calls
kill $compactor
echo '=== after'
cat $stats
echo 2 > /sys/kernel/mm/ksm/run
echo "memory: $before $(free_memory)"
echo "taint: $(cat /proc/sys/kernel/tainted)"
rmmod lg && echo unloaded
unreferenced
END

my $result = try_host('--smp', 2, '--memory', 768,
	'--timeout', 600 + $calls / 200, '--add', "$fuzz:/fuzz",
	library(), '--add', $job, '--', 'job', $calls, $seed, $ldts);
(my $text = $result->{out}) =~ tr/\r//d;
my %part = $text =~ /^=== (\w+)\n(.*?)(?=^=== |\z)/msg;
is $result->{status}, 0, 'the Host goes through all of it';

sub quiet {
	my ($name, $most) = @_;
	my $text = $part{$name} // '';
	like $text, qr/^status 0$/m, "$name: comes to its end";
	my ($lines) = $text =~ /^log lines (\d+)$/m;
	cmp_ok $lines // 1e9, '<=', $most, "$name: the Host's log is quiet";
	my @bad = grep { /WARNING|BUG|Oops|stall|lockup|Bad page|error/ }
		split /\n/, $text =~ s/.*^log lines//msr;
	is "@bad", '', "$name: ... and has nothing to complain of";
}

# --- Odd sizes of memory ---------------------------------------------------
my $memory = $part{memory} // '';
like $memory, qr/^without the group: Permission denied$/m,
	'who is not in the group may not open the device';
like $memory, qr/^with the group: open$/m, 'who is in it may';
is scalar(() = $memory =~ /^memory /mg), 82, 'all sizes are answered';
# 768 MB of memory, less what the kernel does not count.
my @taken = $memory =~ /^memory (2\^.*): taken$/mg;
is "@taken", join(' ', map { ("2^$_", "2^$_ less a page") } 23 .. 29),
	'those that are not more than the Host has are taken, no others';
quiet('memory', 0);

# --- An LDT in the middle ----------------------------------------------------
is scalar(() = ($part{ldt} // '') =~
	  /^ldt: the Launcher has made itself an LDT$/mg), $ldts,
	"$ldts times an LDT comes while a Guest runs, and ends it";
quiet('ldt', 0);

# --- Random calls ------------------------------------------------------------
my %n = ($part{random} // '') =~ /^(\w+) (\d+)$/mg;
note("kind $_") for ($part{random} // '') =~ /^kind (.*)$/mg;
cmp_ok $n{calls} // 0, '>=', $calls, "$calls random calls";
note("$_ $n{$_}") for grep { exists $n{$_} } qw(seed calls rounds entered
						deaths);
my %good = ($part{random} // '') =~ /^kind (\w+) \d+ good (\d+)/mg;
for my $kind (qw(open setup run set_state get_state set_memory irqfd doorbell
		 get_stats mmap fork exec clone_vm scm_rights descriptor
		 odd_memory pidfd_getfd)) {
	cmp_ok $good{$kind} // 0, '>', 0, "$kind: not all are refused";
}
for my $kind (qw(unknown_ioctl near_ioctl compat_ioctl)) {
	is $good{$kind} // 1, 0, "$kind: all are refused";
}
cmp_ok $n{entered} // 0, '>', $calls / 1000, 'Guests ran meanwhile';
is $n{stuck} // -1, 0, 'every process came to its end';
is $n{spoilt} // -1, 0, 'no register of a caller was spoilt';
is $n{elsewhere} // -1, 0, 'no other process could run or see a Guest';
quiet('random', 10);

# --- Afterwards ----------------------------------------------------------------
my $after = $part{after} // '';
like $after, qr/^$_ 0$/m, "afterwards there are no $_"
	for qw(machines frames shadow_pages audit_failures);
memory_is_back($after, 1024);
like $after, qr/^unloaded$/m, 'the module goes';
tell('random calls', sprintf '%d, %d of them with a Guest entered',
	$n{calls} // 0, $n{entered} // 0);
diag(substr $text, -6000) unless Test::More->builder->is_passing;
done_testing;
