#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A Guest boots to its userland, says what it is told to, and ends in every
# way in which a machine can end: power-off, reboot, panic.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

# --- One command in a Guest --------------------------------------------------
my $guest = try_guest('--timeout', 300, '--', 'sh', '-c',
	'echo to stdout; echo to stderr >&2; uname -sm; seq 1 20000; exit 7');
is $guest->{status}, 7, 'a command in a Guest: its status';
my @lines = split /\n/, $guest->{out};
is shift @lines, 'to stdout', '... its output';
is shift @lines, 'Linux x86_64', '... on a Linux';
is_deeply \@lines, [1 .. 20000], '... and a hundred kilobytes more of it';
is $guest->{err}, "to stderr\n", '... and its errors';

# --- The ends of a Guest -------------------------------------------------------
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
launch() {
	lguest run --kernel /guest/bzImage --initrd /guest/initrd "$@"
}
report() {
	echo "=== $1 $?"
	cat /tmp/text
}

launch --append 'quiet run="echo shell reached"' < /dev/null > /tmp/text 2>&1
report poweroff

# The second life begins when the first one was told to end it.
mkfifo /tmp/console
sleep 600 > /tmp/console &
keeper=$!
launch --append 'quiet run="echo life; read word; echo word: $word; $word -f; sleep 60"' \
	< /tmp/console > /tmp/text 2>&1 &
launcher=$!
lives() {
	until [ "$(grep -c '^life' /tmp/text)" -ge "$1" ]; do
		kill -0 $launcher 2> /dev/null || return
		sleep 0.2
	done
}
lives 1
echo reboot > /tmp/console
lives 2
echo poweroff > /tmp/console
wait $launcher
report reboot
kill $keeper

launch --append 'quiet rdinit=/bin/false' < /dev/null > /tmp/text 2>&1
report panic
launch --append 'quiet panic=-1 rdinit=/bin/false' < /dev/null > /tmp/text 2>&1
report panic-and-reboot
lguest run --kernel /guest/bzImage --append 'quiet' < /dev/null > /tmp/text 2>&1
report no-initrd
# (What comes before the Guest has opened its console, its driver drops.)
: > /tmp/text
(
	until grep -q '^ready' /tmp/text; do sleep 0.2; done
	printf 'one\ntwo\n'
) | launch --append 'quiet run="echo ready; cat; echo the end"' > /tmp/text 2>&1
report piped
launch --memory 1G --append 'quiet run="free -m"' < /dev/null > /tmp/text 2>&1
report large
launch --memory 32M --append 'quiet run="echo small"' < /dev/null > /tmp/text 2>&1
report tiny
launch --stats --append 'quiet run="echo counted"' < /dev/null > /tmp/text 2>&1
report counters
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup' > /tmp/text
report dmesg
echo '=== end 0'
END

my $host = try_host('--with-guest', '--memory', 2048, '--timeout', 900,
	'--add', $job, '--', 'job');
is $host->{status}, 0, 'the Host launches Guests';
my %seen = $host->{out} =~ /^=== (\S+) (\d+\n.*?)(?=^=== |\z)/msg;

sub ends {
	my ($name, $status, $pattern, $what) = @_;
	my ($is, $text) = split /\n/, $seen{$name} // "nothing\n", 2;
	$text =~ tr/\r//d;
	is $is, $status, "$what: status $status";
	like $text, $pattern, "$what: says so";
	return $text;
}

ends('poweroff', 0, qr/^shell reached$/m, 'power-off');
my $text = ends('reboot', 0, qr/^word: reboot\n.*^word: poweroff$/ms,
		'one reboot, then power-off');
is scalar(() = $text =~ /^life$/mg), 2, '... which makes two lives';
ends('panic', 3, qr/panicked: Attempted to kill init/, 'panic');
ends('panic-and-reboot', 3, qr/panicked: Attempted to kill init/,
     'panic, with the wish to reboot');
ends('no-initrd', 3, qr/panicked: VFS/, 'no initrd, nothing to mount');
ends('piped', 0, qr/^two\n.*^the end$/ms, 'a pipe that ends');
ends('large', 0, qr/^Mem:\s+(9\d\d|10\d\d)\s/m, 'a gigabyte of memory');
ends('tiny', 0, qr/^small$/m, '32 megabytes of memory');
$text = ends('counters', 0, qr/^exits +[1-9]\d* *$/m, 'counters');
like $text, qr/^hypercalls +[1-9]/m, '... of hypercalls too';
ends('dmesg', 1, qr/\A\z/, 'nothing in the log of the Host');
done_testing;
