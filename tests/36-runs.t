#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A program that touches page after page: its kernel is told of the faults by
# the Switcher, one exit fills in each page, and the walks are short. A
# micro-Guest forces that, and what the Switcher leaves to the Host; a program
# in Linux shows that it pays. The Host's counters tell which way was taken.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $cases = cases();
my (undef, $bench) = programs('bench');
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
echo '=== micro'
lguest run --kernel /evil/a19-runs --memory 32M --stats --append seed=7 \
	< /dev/null 2>&1
for run in 'bench nothing' 'bench -r 5 -o touch_fault'; do
	echo "=== ${run##* }"
	lguest run --kernel /guest/bzImage --initrd /guest/initrd --stats \
		--append "quiet run=\"$run\"" < /dev/null 2>&1
done
echo '=== sum'
cat /sys/kernel/debug/lguest/stats
END
my $result = try_host('--with-guest', '--add-guest', $bench,
	'--add', "$cases:/evil", '--add', $job, '--', 'job');
(my $text = $result->{out}) =~ tr/\r//d;
my %part = $text =~ /^=== (\w+)\n(.*?)(?=^=== |\z)/msg;
my %count;
for my $part (keys %part) {
	$count{$part} = { $part{$part} =~ /^(\w+) +(\d+)$/mg };
}

# 200 faults of a run, of which the Host sees the first; and a few others
unlike $part{micro} // '', qr/^not ok/m, 'the micro-Guest is content';
like $part{micro} // '', qr/^1\.\.\d/m, '... to its end';
my $micro = $count{micro};
cmp_ok $micro->{direct_faults} // 0, '>=', 199,
	'the Switcher gives it the faults of its run';
cmp_ok $micro->{reflected} // 0, '>=', 6,
	'... and the Host those that begin one, or are no part of it';
cmp_ok $micro->{short_walks} // 0, '>=', 190, 'the walks are short';
cmp_ok $micro->{fills} // 0, '>', $micro->{short_walks} // 0,
	'... except for the first in each table';

# What a program adds to a boot that touches 128 pages, and again, 100 times
my $pages = 5 * 20 * 128;
my %more = map { $_ => ($count{touch_fault}{$_} // 0) -
	($count{nothing}{$_} // 0) } keys %{$count{touch_fault}};
like $part{touch_fault} // '', qr/^touch_fault\t20\t/m, 'so does a program in Linux';
cmp_ok $more{direct_faults}, '>', 0.9 * $pages,
	'... and the Switcher gives its faults to Linux';
cmp_ok $more{reflected}, '<', 0.1 * $pages, '... without the Host';
cmp_ok $more{exits}, '<', 1.2 * $pages, '... at one exit for each page';
cmp_ok $more{short_walks}, '>', 0.9 * $pages, '... and by short walks';

for (qw(direct_faults short_walks reflected)) {
	is $count{sum}{$_}, $micro->{$_} + $count{nothing}{$_} + $count{touch_fault}{$_},
		"$_ in debugfs is the sum of all Guests";
}
note("$_: boot $count{nothing}{$_}, $pages pages $more{$_}")
	for qw(exits fills prefills direct_faults reflected short_walks);
diag($text) unless Test::More->builder->is_passing;
done_testing;
