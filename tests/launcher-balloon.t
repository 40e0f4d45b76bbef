#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The balloon: memory that really goes back to the Host, statistics, the verb
# that asks for both, and Guests that give away what is not theirs, or what
# they need.  There is no module: see tests/launcher/fake-module.c; the Guests are
# in tests/launcher/balloon.c.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake;
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = fake_dir('balloon.c');
$ENV{XDG_RUNTIME_DIR} = $dir;
my @alone = ('--console', 'none', '--rng', 'none', '--name', 'b');

sub says {
	my ($what, $guest, $expected, $complaints, %o) = @_;
	my $pid = start(guest => $guest, %o, options => [@alone, @{$o{options} // []}]);
	my $status = finish($pid) // 'timeout';
	my ($out, $err) = map { slurp("$dir/$_") } 'out', 'err';
	my $good = ok($status eq 0 && $out =~ $expected && $err =~ $complaints, $what);
	diag("status $status\nstdout: $out\nstderr: $err") if !$good;
}

my $none = qr/\A\z/;
my $broken = qr/lguest: balloon 0: [^\n]*; the device is stopped\n/;

# --- Memory ---------------------------------------------------------------------

says('inflate and deflate', 'bal-inflates', qr/\A
inflate:\ 0\n
the\ Host\ has\ 1024\ KB\ more\n
the\ page\ before:\ 1,\ behind:\ 1\n
zeroes:\ 1\n
deflate:\ 0\n
used\ again:\ 1,\ KB:\ 1024\n
in\ the\ balloon\ already:\ 0\ 0\n
nothing:\ 0\n
4096:\ 0\n\z/x, $none);
says('free pages', 'bal-reports', qr/\A
reported:\ 0\n
the\ Host\ has\ 4096\ KB\ more\n
the\ others:\ 1\ 1\n
not\ at\ a\ page:\ 0\n
1\ 1\ 1\n
within\ a\ page:\ 0\ 1\n
to\ be\ read\ only:\ 0\ 1\n\z/x, $none);
says('a driver that wants no statistics, and one that wants nothing', 'bal-plain', qr/\A
reported:\ 0\n
the\ Host\ has\ 2048\ KB\ more\n
no\ feature:\ 0\n
well\ again:\ 0\n\z/x, qr/\Alguest: balloon 0: queue 2 belongs to no feature; the device is stopped\n\z/);

# --- Lies -----------------------------------------------------------------------

says('D17: pages that are none', 'bal-lies', qr/\A
the\ first\ page\ outside:\ 1,\ well\ again:\ 0\n
a\ device\ page:\ 1,\ well\ again:\ 0\n
the\ last\ page\ there\ is:\ 1,\ well\ again:\ 0\n
half\ a\ number:\ 1,\ well\ again:\ 0\n
a\ list\ that\ is\ too\ long:\ 1,\ well\ again:\ 0\n
a\ list\ outside:\ 1,\ well\ again:\ 0\n
a\ report\ outside:\ -1\n
device\ pages:\ 1\n\z/x, qr/\A(?:$broken){7}\z/);
says('D17: its rings, its page tables, and all of its memory', 'bal-own',
     qr/\Aits own ring\npage tables: 0\nall: well again: 0\n\z/, qr/\A(?:$broken){0,5}\z/);
says("D17: a mad Guest, seed $_", 'bal-mad', qr/\Asane again: 0\n\z/,
     qr/\A(?:lguest: balloon 0: [^\n]*\n){0,8}\z/, seed => $_) for 1 .. 3;
{
	pipe my $r, my $w;
	my $pid = start(guest => 'bal-in-flight', stdout => $w, options => ['--rng', 'none']);
	close $w;
	sleep 1;
	local $/;
	my $text = <$r> // '';
	is(finish($pid), 0, 'D17: pages of which the console is writing');
	is(length $text, 8 * 0x20000 + 4, '... all bytes come');
	like($text, qr/\A[xy\0]*end\n\z/, 'D17: each byte is one that was there');
	is(slurp("$dir/err"), '', '... and nobody complains');
}

# --- From outside -----------------------------------------------------------------

sub verb {
	my (@words) = @_;
	my $out = `LD_PRELOAD= $LGUEST balloon @words 2>$dir/verb.err </dev/null`;
	my $status = $? >> 8;
	return ($status, { $out =~ /^(\S+) +(\d+)$/mg }, slurp("$dir/verb.err"));
}

sub until_out { ok(wait_for('out', $_[0]), "the Guest says $_[1]") }

{
	my $pid = start(guest => 'bal-obeys', options => [@alone, '--balloon', '8M']);
	until_out(qr/\Atarget 2048 actual 0 length 8\n/, 'what it was asked for from the start');
	my ($status, $says, $err) = verb('b');
	is_deeply([$status, @$says{qw(target actual returned)}, $err], [0, 8 << 20, 0, 0, ''],
		  'a question');
	($status, $says) = verb('b', '16M');
	is_deeply([$status, $says->{target}], [0, 16 << 20], 'a new target');
	until_out(qr/^target 4096\n/m, 'so');
	my $end = time + 10;
	do { ($status, $says) = verb('b') } while $says->{actual} == 0 && time < $end;
	is($says->{actual}, (16 << 20) - 4096, '... and has nearly reached it');
	($status, $says) = verb('b', '4G');
	until_out(qr/^target 1048576\n/m, 'what is more than it has');
	$end = time + 10;
	do { ($status, $says) = verb('b') } while $says->{actual} < 32 << 20 && time < $end;
	is($says->{actual}, 64 << 20, 'it claims more than it has, and is not believed');
	verb('b', '0');
	is(finish($pid), 0, 'done');
}
{
	my $pid = start(guest => 'bal-tells', options => \@alone);
	until_out(qr/ready/, 'its first numbers');
	for my $n (1 .. 3) {
		my ($status, $says) = verb('b');
		is_deeply([$status, @$says{qw(free-memory swap-in)}, scalar keys %$says],
			  [0, 2000 + $n, 7, 6], "answer $n, without tags that nobody knows");
	}
	my ($status, $says) = verb('b');
	until_out(qr/silent/, 'no more');
	my $begin = time;
	($status, $says) = verb('b');
	is_deeply([$status, $says->{'free-memory'}], [0, 2003], 'what it said last');
	cmp_ok(time - $begin, '<', 3, '... after a short while, for others want to be answered, too');
	verb('b', '4096');
	until_out(qr/the second returns the first: 0\n/, 'so');
	is(finish($pid), 0, 'done');
	is(slurp("$dir/err"), '', '... and nobody complains');
}
says('reboot: fresh memory, the same target', 'bal-reboots',
     qr/\A(?:life \d: target 1024, mark 0\n){3}\z/, $none, options => ['--balloon', '4M']);
{
	my $pid = start(guest => 'sleeps', options => ['--balloon', 'none', '--name', 'b']);
	wait_for('out', qr/asleep/);
	my ($status, undef, $err) = verb('b', '4M');
	is($status, 1, 'a Guest without a balloon');
	like($err, qr/\Alguest: b: the Guest has no balloon\n\z/, '... has none to inflate');
	kill 'TERM', $pid;
	finish($pid);
}
for ('', 'b x', 'b 4M 4M', '-b', 'b -4M') {
	my ($status, undef, $err) = verb($_);
	is($status, 2, "lguest balloon $_");
	like($err, qr/\Alguest: usage: lguest balloon NAME \[SIZE\]\n\z/, '... is a mistake');
}
done_testing;
