#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The Host borrows many pages at once from the Launcher where a Guest walks
# through its memory, and one at a time where it does not: then it takes no
# memory that nobody has touched.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $pages = 512;
my @walks = ('stride=1', 'stride=2', 'stride=1 down=1');
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
pages=$1
shift
. /library.sh
options=--stats
walk() {
	echo "=== $1"
	(micro /evil/walker "$1 $2") 2>&1
	echo "status $?"
}
walk none pages=0
for how in "$@"; do walk "$how" pages=$pages; done
echo '=== linux'
# (Without a balloon it gives nothing back.)
(exec lguest run --balloon none --kernel /guest/bzImage --initrd /guest/initrd \
	--stats --append 'quiet run=true' < /dev/null) 2>&1
echo "status $?"
echo '=== end'
cat $stats
complaints
END
my $result = try_host('--with-guest', library('beside'), '--timeout', 300, '--add', $job,
	'--', 'job', $pages, @walks);
is $result->{status}, 0, 'the Host runs';
(my $text = $result->{out}) =~ tr/\r//d;
my %part = $text =~ /^=== (.*)\n((?s:.*?))(?=^=== |\z)/mg;
my %count = map { my $how = $_;
	$how => { $part{$how} =~ /^(\w+) +(\d+)$/mg } } keys %part;

like $part{$_} // '', qr/^ok 1 .*^ok 2 .*^status 0$/ms, "a walk: $_"
	for @walks;
# What each walk has more than none.
sub more {
	my ($how, $name) = @_;
	return $count{$how}{$name} - $count{none}{$name};
}
# The first of them are not taken at once, and a table or two may be touched.
my $most = $pages / 8 + 16;
my $up = more('stride=1', 'borrows');
cmp_ok $up, '<=', $most, "$pages pages, one after the other: few calls";
cmp_ok $up, '>=', $pages / 8, '... of eight pages at most';
cmp_ok more('stride=1', 'borrows_ahead'), '>=', $pages - $most,
	'... the others come along';
for my $how (@walks[1, 2]) {
	my $ahead = more($how, 'borrows_ahead');
	cmp_ok more($how, 'borrows'), '>=', $pages, "$how: a call for each page";
	cmp_ok $ahead, '<=', 8, '... and none comes along';
}
for my $how (@walks) {
	my $frames = more($how, 'frames');
	cmp_ok $frames, '>=', $pages, "$how: they are known";
	cmp_ok $frames, '<=', $pages + 16, '... and no others';
}
my %linux = %{$count{linux}};
like $part{linux}, qr/^status 0$/m, 'a Linux';
cmp_ok $linux{borrows} * 5, '<', $linux{borrows_ahead},
	'... gets most of its pages ahead';
is $linux{borrows} + $linux{borrows_ahead}, $linux{frames},
	'... and each page is counted once';
like $part{end}, qr/^frames 0$/m, 'no page is in use at the end';
like $part{end}, qr/^borrows_ahead [1-9]/m, 'debugfs has the counters';
like $part{end}, qr/^clean$/m, 'nothing in the log of the Host';
diag($text) unless Test::More->builder->is_passing;
done_testing;
