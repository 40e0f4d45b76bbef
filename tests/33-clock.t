#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Ten seconds by the Guest's clock are ten seconds by the Host's, within one
# percent. The Host looks at its own clock whenever the Guest says a line.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my (undef, $stamp) = programs('stamp');
my (undef, $clocks) = programs('clocks');
my $result = try_host('--with-guest', '--smp', 2, '--timeout', 300,
	'--add', $stamp, '--add-guest', $clocks, '--', 'sh', '-c',
	q(lguest run --kernel /guest/bzImage --initrd /guest/initrd ) .
	q(--append 'quiet run="clocks span 10"' < /dev/null | stamp));
is $result->{status}, 0, 'the Guest runs';
my ($host0, $guest0) = $result->{out} =~ /^(\d+) .*span begin (\d+)/m;
my ($host1, $guest1) = $result->{out} =~ /^(\d+) .*span end (\d+)/m;
SKIP: {
	ok defined $host0 && defined $host1, 'both ends of the span were seen'
		or skip 'no span', 1;
	my $host = ($host1 - $host0) / 1e9;
	my $guest = ($guest1 - $guest0) / 1e9;
	note(sprintf '%.4f s by the Guest, %.4f s by the Host', $guest, $host);
	ok abs($guest / $host - 1) < 0.01, 'they agree within 1 %';
}
done_testing;
