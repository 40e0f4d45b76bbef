#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The device with random numbers: what it gives, how much of it in a second, and
# what it makes of requests that are too large or too small.  There is no module:
# see tests/launcher/fake-module.c; the Guests are in tests/launcher/rng.c.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake qw(:DEFAULT limit_files);
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = fake_dir('rng.c');
$ENV{XDG_RUNTIME_DIR} = $dir;

# Status, standard output and standard error of a Guest.
sub run {
	my ($guest, @options) = @_;
	my $pid = start(guest => $guest, options => ['--console', 'none', '--balloon', 'none',
						     @options]);
	my $status = finish($pid) // 'timeout';
	return ($status, slurp("$dir/out"), slurp("$dir/err"));
}

sub says {
	my ($what, $guest, $expected, $complaints, @options) = @_;
	my ($status, $out, $err) = run($guest, @options);
	my $good = ok($status eq 0 && $out =~ $expected && $err =~ $complaints, $what);
	diag("status $status\nstdout: $out\nstderr: $err") if !$good;
}

my $none = qr/\A\z/;

says('random bytes, and no more than a page at a time', 'rng-reads', qr/\A
64:\ 64,\ more\ than\ 20\ values:\ 1\n
again:\ 64,\ the\ same:\ 0\n
1:\ 1,\ behind\ it:\ 0\n
8192:\ 4096,\ all\ values:\ 1,\ behind\ it:\ 1\n\z/x, $none);

# One portion more than the rate, at most: the first is there at once.
for (['64K', 65536], ['8K', 8192], ['1M', 1 << 20]) {
	my ($rate, $bytes) = @$_;
	my $begin = time;
	my ($status, $out, $err) = run('rng-greedy', '--rng', "rate=$rate");
	my ($total, $seconds) = $out =~ /^total (\d+) in ([\d.]+) s/;
	is($status, 0, "D18: requests of a gigabyte in a loop, rate=$rate");
	cmp_ok($total // 1e9, '<=', $bytes * (($seconds // 0) + .2),
	       'D18: they never get more than the rate');
	cmp_ok($total // 0, '>=', $bytes, '... and half of it at least on a busy machine');
	note $out;
}
says('D18: empty requests, and one that can only be read', 'rng-odd', qr/\A
nothing\ to\ write\ to:\ 0\n
empty\ requests\ within\ the\ rate:\ 1\n
and\ a\ good\ one:\ 32\n
outside:\ -1\n
well\ again:\ 32\n\z/x,
     qr/\Alguest: rng 0: queue 0 has a buffer outside of memory; the device is stopped\n\z/,
     '--rng', '8K');
{
	my ($status, $out, $err) = run('rng-resets', '--rng', '8K');
	my ($total) = $out =~ /^total (\d+)/;
	cmp_ok($total // 1e9, '<=', 8192 * 2.6, 'a reset brings no new portion');
	cmp_ok($total // 0, '>', 0, '... but the device works');
	is("$status$err", '0', '... and nobody complains');
}
says('reboot', 'rng-reboots', qr/\A(life \d: 16\n){3}\z/, $none);
{
	my $begin = time;
	says('power off with requests on their way', 'rng-leaves', $none, $none, '--rng', '1K');
	cmp_ok(time - $begin, '<', 5, '... does not wait for them');
}

{
	my $pid = start(guest => 'rng-rests', options => ['--console', 'none', '--balloon', 'none']);
	my $served = sub { grep { slurp($_) =~ /^rng 0$/ } glob "/proc/$pid/task/*/comm" };
	my $end;
	wait_for('out', qr/^first/);
	is($served->(), 1, 'a thread throws the dice');
	$end = time + 4;
	sleep .05 while $served->() && time < $end;
	is($served->(), 0, '... ends while nobody wants them thrown');
	limit_files($pid, 12);
	ok(wait_for('err', qr/^lguest: rng 0: queue 0 has to wait: Too many open files$/m),
	   '... the next throw waits if there is nothing to make a thread of');
	limit_files($pid, 1000);
	wait_for('out', qr/^second/m);
	is($served->(), 1, '... and another one is there when somebody does');
	is(finish($pid), 0, '... also after a reset, and leaves when nothing is thrown');
	is(slurp("$dir/out"), join('', map { "$_: 64\n" } 'first', 'second', 'after a reset'),
	   '... and no throw is lost');
	like(slurp("$dir/err"), qr/\A(lguest: rng 0: queue 0 has to wait: [^\n]*\n)+\z/,
	     '... and nothing else is said');
}

for (['rate=1023', qr/from 1K to 1G/], ['rate=2G', qr/from 1K to 1G/], ['rate=x', qr/not a size/],
     ['rate', qr/needs a value/], ['rate=1K,speed=1', qr/'speed=1' is not known/]) {
	my ($setting, $problem) = @$_;
	my $pid = start(guest => 'hello', options => ['--rng', $setting]);
	is(finish($pid), 2, "--rng $setting");
	like(slurp("$dir/err"), qr/\Alguest: --rng \Q$setting\E: [^\n]*$problem[^\n]*\n\z/,
	     '... is a mistake');
}
done_testing;
