#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The shadow audit. A program in the Guest does a million random mmap,
# munmap, mprotect, mremap, madvise, fork and touch operations, and checks
# what it reads; meanwhile the Host compares its shadow tables with the
# Guest's tables, leaf by leaf, at every Nth exit from Guest user.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $operations = $ENV{AUDIT_OPERATIONS} // 1000000;
my $every = $ENV{AUDIT_EVERY} // 500;
my (undef, $program) = programs('random-memory');
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
lguest run --kernel /guest/bzImage --initrd /guest/initrd --stats \
	--append "quiet run=\"random-memory $1 $2\"" < /dev/null 2>&1
echo "=== status $?"
sed 's/^/total /' /sys/kernel/debug/lguest/stats
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup'
END
my $result = try_host('--with-guest', '--lg', "audit=$every", '--timeout',
	1500, '--add-guest', $program, '--add', $job, '--', 'job',
	$operations, 20);
(my $text = $result->{out}) =~ tr/\r//d;
my ($tap) = $text =~ /^((?:# |ok |not ok |1\.\.).*)^init: exit/ms;
repeat_tap("$operations random operations on memory", $tap // '');
like $text, qr/^=== status 0$/m, 'the Guest ends with power-off';
my ($audited) = $text =~ /^audited\s+(\d+)/m;
my ($failures) = $text =~ /^audit.failures\s+(\d+)/m;
cmp_ok $audited // 0, '>', 0, 'shadow leaves were compared';
is $failures, 0, 'and every one of them agreed';
like $text, qr/^total audited [1-9]/m, 'the Host counts them, too';
like $text, qr/^total audit_failures 0$/m, '... and no failure';
unlike $text, qr/WARNING|BUG|Oops|stall|lockup/,
	'nothing in the log of the Host';
note($_) for $text =~ /^((?!total)\w+ +\d+)$/mg;
diag($text) unless Test::More->builder->is_passing;
done_testing;
