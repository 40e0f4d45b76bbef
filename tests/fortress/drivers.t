#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Hostile drivers: the cases D01 to D20 of what a Guest can do to devices and to the
# Launcher. They are spread over the tests of the Launcher, which boot nothing; a
# line there whose name begins with "D10: " is part of case D10. A case passes if it
# has such lines, if all of them are ok, and if the tests that they are in came to
# their end.
#
# In `make test` these tests have run already, and have left their results in the
# directory FORTRESS_CASES. Those that have not are run here.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/launcher/lguest');

my %what = (
	D01 => 'chains that loop', D02 => 'counters that jump', D03 => 'addresses outside of memory',
	D04 => 'indirect tables', D05 => 'the order and the size of buffers',
	D06 => 'where queues are, and how large', D07 => 'buffers over what is in use',
	D08 => 'the configuration space', D09 => 'the status, and resets in flight',
	D10 => 'requests to a disk', D11 => 'discards and zeroes', D12 => 'names, statuses, missing parts',
	D13 => 'frames', D14 => 'a Guest that does not receive', D15 => 'files of a share',
	D16 => 'the wire between programs', D17 => 'pages that are given back',
	D18 => 'random numbers, ports of the console', D19 => 'kernels, initrds, bombs',
	D20 => 'a Launcher that was taken over',
);
my @tests = grep { slurp($_) =~ /^use Cases;/m } sort glob "$TOP/tests/*.t";
my $records = $ENV{FORTRESS_CASES};
my $own = scratch() . '/cases';
mkdir $own;

my (%lines, %bad, %in);
for my $test (@tests) {
	my ($name) = $test =~ m{([^/]+)$};
	my $record = read_record($records, $name);
	if (!$record) {
		local $ENV{FORTRESS_CASES} = $own;
		system("'$^X' '$test' > $own/log 2>&1") == 0 or diag(complaints("$own/log"));
		$record = read_record($own, $name);
	}
	ok $record && $record =~ /^end$/m, "$name comes to its end, and all is well";
	for ($record =~ /^((?:not )?ok D\d\d)$/mg) {
		my ($ok, $case) = /(.*) (D\d\d)/;
		$lines{$case}++;
		$in{$case}{$name} = 1;
		$bad{$case}++ if $ok ne 'ok';
	}
}
my $passed = 0;
for my $case (sort keys %what) {
	my $good = $lines{$case} && !$bad{$case} &&
		!grep { (read_record($own, $_) || read_record($records, $_)) !~ /^end$/m }
			keys %{$in{$case} // {}};
	ok $good, "$case: $what{$case}, " . ($lines{$case} // 'no') . ' lines';
	$passed++ if $good;
}
is_deeply [grep { !$what{$_} } keys %lines], [], 'there are no others';
tell('hostile drivers, D01 to D20: cases passed', "$passed of " . keys %what);
done_testing;

# What a test has left, if it is whole.
sub read_record {
	my ($directory, $name) = @_;
	return '' if !defined $directory || !-e "$directory/$name";
	my $text = slurp("$directory/$name");
	return $text =~ /^(end|failed)$/m ? $text : '';
}

sub complaints {
	return substr join('', map { "$_\n" } grep { !/^ok/ } split /\n/, slurp($_[0])), -2000;
}
