#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The figures of the book are true, and stay so: tests/bench counts what each
# operation takes on the kernel alone and in a Guest. None may take more than
# its limit, or 3 % more than is stored in tests/figures; nor may one need
# more of what is dear on a real processor than we have promised.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use JSON::PP;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $errors = scratch() . '/errors';
my $json = `$TOP/tests/bench --native --lguest --check --json 2> $errors`;
my $status = $? >> 8;
my $said = slurp($errors);
diag($_) for $said =~ /^bench: (.* than stored.*|REGRESSION.*)$/mg;
is $status, 0, 'no operation is more than 3 % above what is stored'
	or diag($said);
my $data = eval { decode_json($json) } // {};
my ($alone, $guest) = @{$data->{instructions} // {}}{qw(native lguest)};
for my $row (sort keys %{$data->{targets}}) {
	my $ratio = ($guest->{$row} // 1e9) / ($alone->{$row} || 1);

	cmp_ok $ratio, '<=', $data->{targets}{$row},
		sprintf '%s takes %.3f times as many instructions in a Guest',
		$row, $ratio;
}
is scalar(keys %{$data->{targets}}), 17, 'those are all that have a limit';

# What is dear on a real processor, and how often an operation needs it
my $dear = $data->{privileged}{lguest} // {};
my @promises = (
	['getpid', 'cr3', 2.01], ['getpid', 'msr', 0], ['getpid', 'exits', .01],
	['read_zero', 'cr3', 2.01], ['yield', 'cr3', 2.01],
	['signal', 'exits', .02],
	['touch_fault', 'exits', 1.2], ['touch_parallel', 'exits', 1.2],
	['floating_point', 'exits', .01],
);
for (@promises) {
	my ($row, $what, $most) = @$_;
	my $n = $dear->{$row}{$what} // 1e9;

	cmp_ok $n, '<=', $most, sprintf '%s: %.3f %s', $row, $n,
		{ cr3 => 'loads of CR3', msr => 'accesses to MSRs',
		  exits => 'full exits' }->{$what};
}
done_testing;
