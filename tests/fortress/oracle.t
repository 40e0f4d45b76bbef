#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The shadow page tables against a model of the processor's page walks, after
# each of a million random updates, flushes and accesses of a Guest's, with
# three seeds; on Hosts with four levels of page tables and with five, with
# and without page-table isolation. SAMPLE=1: a few thousand. OPERATIONS,
# SEEDS: as you like. A failure names seed and step, and comes again.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $operations = $ENV{OPERATIONS} // ($ENV{SAMPLE} ? 5_000 : 1_000_000);
my @seeds = split ' ', $ENV{SEEDS} // '1 2 3';
my $evil = evil();
my $job = spew(scratch() . '/job', <<'END_OF_JOB', 0755);
#!/bin/sh
shadow=/sys/kernel/debug/lguest/shadow
operations=$1
shift
echo "levels $(grep -c la57 /proc/cpuinfo)"
echo "mode $(stat -c %a $shadow)"
echo '=== idle'
cat $shadow
echo '=== running'
lguest run --kernel /evil/spin-3 --memory 32M --console none \
	< /dev/null > /dev/null 2>&1 &
guest=$!
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; cat $shadow; done
kill -STOP $guest
echo '=== stopped'
sleep 1
cat $shadow
kill -CONT $guest
kill $guest
wait $guest
echo "=== ended $?"
for seed in "$@"; do
	echo "=== seed-$seed"
	oracle $operations $seed 2>&1
	echo "status $?"
done
echo '=== forge'
oracle forge 3000 $1 2>&1
echo '=== after'
cat /sys/kernel/debug/lguest/stats $shadow
rmmod lg && echo unloaded
dmesg | sed '1,/lg: loading/d' | grep -E 'WARNING|BUG|Oops|stall|lockup'
END_OF_JOB

my %sum;
sub oracle {
	my ($name, $operations, $seeds, @options) = @_;
	my $result = try_host(@options, '--timeout',
		300 + @$seeds * $operations / 200, '--add',
		"$evil/oracle:/bin/oracle", '--add', "$evil:/evil",
		'--add', $job, '--', 'job', $operations, @$seeds);
	(my $text = $result->{out}) =~ tr/\r//d;
	my %part = $text =~ /^=== (\S+).*?\n(.*?)(?=^=== |\z)/msg;
	subtest $name => sub { look_at($text, \%part, $operations, $seeds) }
		or diag(substr $text, -4000);
	return \%part;
}

sub look_at {
	my ($text, $part, $operations, $seeds) = @_;
	for my $seed (@$seeds) {
		my $said = $part->{"seed-$seed"} // '';
		like $said, qr/^status 0$/m,
			"seed $seed: shadow and model agree";
		my %n = $said =~ /^(\w+) (\d+)$/mg;
		is +($n{updates} // 0) + ($n{flushes} // 0) +
			($n{accesses} // 0), $operations,
			"seed $seed: ... after each of $operations steps";
		cmp_ok $n{$_} // 0, '>', 0, "seed $seed: there are $_"
			for qw(stale born faults);
		$sum{$_} += $n{$_} // 0 for keys %n;
		note("seed $seed: $_ $n{$_}") for sort keys %n;
	}
	my $forge = $part->{forge} // '';
	is scalar(() = $forge =~ /^forgery \d: noticed$/mg), 8,
		'each kind of forgery is noticed';
	unlike $forge, qr/missed/, '... and none is missed';
	like $text, qr/^mode 400$/m, 'the shadow is for root to see';
	is $part->{idle}, '', 'without a machine there is none';
	like $part->{running} // '', qr/^machine \d+ busy$/m,
		'a vCPU that runs is busy';
	like $part->{stopped} // '',
		qr/^machine \d+ levels \d.*^0k ffffffff80\w+ \w+ \d+$/ms,
		'one that stands still shows its leaves';
	like $text, qr/^=== ended 143$/m, 'which does it no harm';
	my $after = $part->{after} // '';
	like $after, qr/^$_ 0$/m, "afterwards there are no $_"
		for qw(machines shadow_pages frames);
	like $after, qr/^unloaded\n\z/m,
		'the module goes, and nothing is in the log';
}

my $few = $ENV{SAMPLE} ? 2_000 : int($operations / 10);
oracle('4 levels', $operations, \@seeds);
my $five = oracle('5 levels, KASLR', $few, [@seeds[0, 1]], '--bzimage');
like $five->{stopped} // '', qr/levels 5/, 'those are five levels';
oracle('PTI, no FSGSBASE', $few, [$seeds[-1]], '--cpu', 'Nehalem',
	'--append', 'pti=on') unless $ENV{SAMPLE};
tell("random $_", $sum{$_} // 0) for qw(updates flushes accesses);
tell('translations compared with the model', $sum{compared} // 0);
done_testing;
