#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Where KVM may come, the entry point of SYSCALL is ours only while a Guest
# runs: an interrupt that reads LSTAR in the middle of a busy Guest finds the
# Host's. (KVM does that when its first guest starts, and keeps what it
# finds.) Elsewhere it is ours for as long as a vCPU lives on the CPU, and so
# we can also see that this look sees it.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $evil = evil();
my @programs = map { $_ eq '--add' ? '--add-guest' : $_ }
	programs(qw(registers));
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
entry() {	# the LSTAR of CPU 1, read by an interrupt from CPU 0
	taskset 1 dd if=/dev/cpu/1/msr iflag=skip_bytes skip=3221225602 \
		bs=8 count=1 2> /dev/null | od -An -tx8 | tr -d ' '
}
look() {	# look LEND: the entries that are seen beside a busy Guest
	insmod /lg.ko lend_entry=$1
	taskset 2 lguest run --kernel /evil/spin-3 --memory 32M \
		--console none < /dev/null > /tmp/guest 2>&1 &
	until grep -q spinning /tmp/guest; do sleep 0.1; done
	n=0
	while [ $n -lt 200 ]; do entry; n=$((n + 1)); done > /tmp/seen
	kill $!
	wait $!
	sort /tmp/seen | uniq -c | sed "s/^ */lend $1 /"
	lguest run --kernel /guest/bzImage --initrd /guest/initrd \
		--append 'quiet run="registers"' < /dev/null > /tmp/guest
	echo "programs $1 $? $(grep -c '^ok' /tmp/guest)" \
		"$(grep -c '^not ok' /tmp/guest)"
	entry | sed "s/^/after $1 /"
	rmmod lg
}
entry | sed 's/^/before /'
look 0
look 1
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup' || echo clean
END
my $result = try_host('--with-guest', '--smp', 2, '--lg', 'none', '--module',
	'msr', @programs, '--add', "$evil/spin-3:/evil/spin-3", '--add',
	$job, '--', 'job');
my $out = $result->{out};
is $result->{status}, 0, 'the Host goes through it';
my ($own) = $out =~ /^before ([0-9a-f]{16})$/m;
like $own // '', qr/^ffffffff/, 'the entry of SYSCALL is the kernel\'s';
my %seen = map { $_ => { reverse $out =~ /^lend $_ (\d+) (\w+)$/mg } } 0, 1;
ok((grep { /^ff(?:ff8000|0000000)/ } keys %{$seen{0}}),
   'as a rule it is ours while a vCPU lives there');
is join(' ', keys %{$seen{1}}), $own // '',
	'... but nobody sees that where it is lent';
is $seen{1}{$own // ''} // 0, 200, '... in 200 looks';
for my $lend (0, 1) {
	like $out, qr/^programs $lend 0 [1-9]\d* 0$/m,
		"lend_entry=$lend: a Guest's program keeps its registers";
	like $out, qr/^after $lend \Q$own\E$/m,
		'... and the Host gets its entry back';
}
like $out, qr/^clean$/m, 'nothing in the log of the Host';
diag($out) unless Test::More->builder->is_passing;
done_testing;
