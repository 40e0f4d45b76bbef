#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fuzzers of the Launcher's code that reads what a stranger has written: rings, the
# bus, kernels, settings, the words of a Guest on an errand. Each runs for a minute, from what earlier runs have found to
# be worth keeping (tests/fuzz/corpus), with the address and the undefined-behaviour
# sanitizers; nothing may be found.
#
# FUZZ_SECONDS for longer; FUZZ_KEEP=1 adds what is new to the corpus.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

my $seconds = $ENV{FUZZ_SECONDS} // 60;
my $fuzz = "$TOP/tests/fuzz";
my $log = scratch() . '/make.log';
is system("make -s -C $fuzz > $log 2>&1"), 0, 'the fuzzers are built' or BAIL_OUT(slurp($log));

my %pid;
my @targets = sort map { m{([^/]+)$} } grep { -x } glob "$fuzz/out/*";
is scalar @targets, 5, 'there are five';
for my $target (@targets) {
	my $new = scratch() . "/$target";
	mkdir $new;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$new.log";
		open STDERR, '>&', \*STDOUT;
		exec "$fuzz/out/$target", "-max_total_time=$seconds", '-max_len=20000',
			'-rss_limit_mb=2048', '-timeout=25', '-print_final_stats=1',
			"-artifact_prefix=" . scratch() . "/$target-", $new, "$fuzz/corpus/$target";
		exit 125;
	}
	$pid{$pid} = $target;
	wait_one() if keys %pid == 2;
}
wait_one() while %pid;
done_testing;

sub wait_one {
	my $pid = wait;
	my $target = delete $pid{$pid} or return;
	my $status = $?;
	my $text = slurp(scratch() . "/$target.log");
	my ($runs) = $text =~ /number_of_executed_units: (\d+)/;

	is $status, 0, "$target: nothing is found"
		or diag(substr($text, -6000), map { "$_: " . unpack('H*', slurp($_)) . "\n" }
			glob scratch() . "/$target-*");
	cmp_ok $runs // 0, '>', 100 * $seconds, "$target: it was really run";
	tell("runs of the fuzzer of $target", $runs // 0);
	system("$fuzz/out/$target", '-merge=1', "$fuzz/corpus/$target", scratch() . "/$target")
		if $ENV{FUZZ_KEEP};
}
