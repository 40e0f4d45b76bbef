#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The Host takes the Guest's memory away while the Guest uses it: all of it
# is paged out to a swap device again and again, and what is in memory is
# moved about. The programs in the Guest check what they read.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my @programs = programs('memory', 'registers');
my (undef, $pageout) = programs('pageout');
my $disk = scratch() . '/swap';
open my $file, '>', $disk or die;
truncate $file, 256 << 20 or die;
close $file;
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
mkswap /dev/vda > /dev/null && swapon /dev/vda || echo 'no swap'
lguest run --kernel /guest/bzImage --initrd /guest/initrd --stats \
	--append 'quiet run="memory; registers"' < /dev/null > /tmp/out 2>&1 &
guest=$!
pageout $guest 200
wait $guest
echo "=== status $?"
cat /tmp/out
grep -E '^(pswpout|pswpin|compact_success|pgmigrate_success) ' /proc/vmstat
sed 's/^/total /' /sys/kernel/debug/lguest/stats
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup'
END
my $result = try_host('--with-guest', '--smp', 2, '--module', 'virtio_blk',
	'--disk', $disk, '--timeout', 600,
	(map { $_ eq '--add' ? '--add-guest' : $_ } @programs),
	'--add', $pageout, '--add', $job, '--', 'job');
(my $text = $result->{out}) =~ tr/\r//d;
my ($tap) = $text =~ /^((?:# |ok |not ok |1\.\.).*)^init: exit/ms;
unlike $tap // 'not ok', qr/^not ok/m, 'no check in the Guest fails';
my @plans = ($tap // q()) =~ /^1[.][.]\d+$/mg;
is scalar @plans, 2, "both programs end";
like $text, qr/^=== status 0$/m, 'the Guest ends with power-off';
my ($rounds) = $text =~ /^paged out (\d+) times/m;
cmp_ok $rounds // 0, '>', 3, 'its memory was paged out several times';
my ($out) = $text =~ /^pswpout (\d+)/m;
cmp_ok $out // 0, '>', 1000, 'and went to the swap device';
like $text, qr/^total frames 0$/m, 'no page is in use at the end';
unlike $text, qr/WARNING|BUG|Oops|stall|lockup/,
	'nothing in the log of the Host';
note($_) for $text =~ /^((?!total)\w+ +\d+)$/mg;
diag($text) unless Test::More->builder->is_passing;
done_testing;
