#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Drivers that lie: each device meets the same lies about rings, configuration
# space and status, the cases D01 to D09 of what a hostile Guest can do to devices
# (the others are where their device is: the names of their tests begin with D10 to
# D20). The device breaks, or the lie is none; the user is told at most once; after a
# reset the device works; and a Launcher that has heard all lies several times has as
# many files, threads and memory as after the first time.
#
# There is no module: see tests/launcher/fake-module.c; the Guest is
# tests/launcher/hostile.c. SAMPLE makes the rounds fewer. KINDS selects devices.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake;
use Test::More;
use Time::HiRes qw(sleep time);

my $top = abs_path(dirname(__FILE__) . '/..');
my $dir = fake_dir('hostile.c');
$ENV{XDG_RUNTIME_DIR} = $dir;
my $sample = $ENV{SAMPLE};
my $sanitized = $LGUEST ne "$top/host/launcher/lguest";

# --- The devices ---------------------------------------------------------------

my $image = "$dir/image";
open my $out, '>', $image or die "image: $!";
print $out "\x11" x (1 << 20);
close $out;
mkdir "$dir/peer";
symlink "$top/tests/launcher/peer", "$dir/peer/passt";
mkdir "$dir/share";
my @alone = map { ("--$_", 'none') } qw(console rng balloon);

# What the Launcher is started with; kind: as the Guest knows it; outside: another
# process serves it, and may die of a lie, which breaks the device.
my %devices = (
	console => { kind => 'console', stdin => '/dev/zero', queues => 6,
		     options => [@alone[2 .. 5], '--port', 'test,to=null'] },
	rng => { kind => 'rng', queues => 1, options => [@alone[0, 1, 4, 5], '--rng', 'rate=1G'] },
	balloon => { kind => 'balloon', queues => 4, options => [@alone[0 .. 3]] },
	net => { kind => 'net', queues => 2, options => [@alone, '--net', 'user'] },
	vsock => { kind => 'vsock', queues => 3, options => [@alone, '--vsock', "$dir/v"] },
	'disk with io_uring' => { kind => 'disk', queues => 2,
		options => [@alone, '--disk', "$image,queues=2,engine=uring"] },
	'disk with threads' => { kind => 'disk', queues => 2,
		options => [@alone, '--disk', "$image,queues=2,engine=threads"] },
	'vhost-disk' => { kind => 'disk', queues => 1, outside => 1, serve => \&serve_image,
		options => [@alone, '--vhost-disk', "$dir/disk.sock"] },
	share => { kind => 'share', queues => 2, outside => 1,
		options => [@alone, '--share', "$dir/share"] },
);

# A disk of the real qemu-storage-daemon, started again if it has died of something.
my $daemon;
END { local $?; kill 'KILL', $daemon if $daemon }
sub serve_image {
	return if $daemon && waitpid($daemon, POSIX::WNOHANG()) == 0;
	unlink "$dir/disk.sock";
	$daemon = fork // die "fork: $!";
	if (!$daemon) {
		open STDERR, '>', "$dir/daemon.err";
		exec 'qemu-storage-daemon', '--blockdev',
			"driver=raw,node-name=d,read-only=off,file.driver=file,file.filename=$image",
			'--export', 'vhost-user-blk,id=e,node-name=d,addr.type=unix,' .
			"addr.path=$dir/disk.sock,writable=on";
		die "exec: $!";
	}
	my $end = time + 20;
	sleep .01 while time < $end &&
		slurp('/proc/net/unix') !~ /^\S+: \S+ \S+ 00010000 .* \Q$dir\E\/disk.sock$/m;
}

# Runs one Guest; its status, what it says, and what both say.  (Standard output is that
# of a console that lies.)
sub run {
	my ($device, $guest, %env) = @_;
	$device->{serve}->() if $device->{serve};
	my $pid = start(guest => $guest, options => $device->{options}, stdin => $device->{stdin},
		setup => sub {
			@ENV{keys %env} = values %env;
			$ENV{KIND} = $device->{kind};
			$ENV{OUTSIDE} = 1 if $device->{outside};
			$ENV{PATH} = "$dir/peer:$ENV{PATH}";
			@ENV{'PEER', 'LOG'} = ('echo', "$dir/log");
		});
	my $status = finish($pid, 600) // 'timeout';
	my $err = slurp("$dir/err");
	return ($status, join('', map { "$_\n" } $err =~ /^= (.*)$/mg), $err);
}

# --- Lies in rings ------------------------------------------------------------------
#
# A few of them in each life of a Launcher, because a device complains eight times.

my %lie_of = (
	'self loop' => qr/has a chain that loops/,
	'loop of a whole table' => qr/has a chain that loops/,
	'link beyond' => qr/links beyond its table/,
	'loop of 32768' => qr/has an impossible size/,
	'table of 32768' => qr/has an odd indirect table/,
	'counter jumps' => qr/has a counter that jumps/,
	'head beyond' => qr/links beyond its table/,
	'outside' => qr/has a buffer outside of memory/,
	'table with next' => qr/has a forbidden indirect table/,
	'nested table' => qr/has a forbidden indirect table/,
	'table that was not agreed' => qr/has a forbidden indirect table/,
	'table outside' => qr/has a table outside of memory/,
	'written before read' => qr/reads after it writes/,
	'size 3' => qr/has an impossible size/,
	'not ready' => qr/is not ready/,
	'odd used ring' => qr/has a table at an odd address/,
	'used ring in a device page' => qr/has a table outside of memory/,
);

sub lies {
	my ($name) = @_;
	my $device = $devices{$name};
	my ($next, %told, %bad, $named) = (0);
	while (defined $next) {
		my ($status, $out, $err) = run($device, 'hostile-lies', FIRST => $next, COUNT => 7);
		my ($last) = $out =~ /^next (\d+)$/m;
		if ($status ne 0 || !defined $last && $out !~ /^end$/m) {
			$bad{all} .= "from $next on: status $status\n$err";
			last;
		}
		$last //= $device->{queues} * 1000;
		$bad{all} .= "$next again\n" if $last <= $next;
		while ($out =~ /^((?:not )?ok) (D\d\d) (.*)$/mg) {
			$told{$2}++;
			$bad{$2} .= "$3\n" if $1 ne 'ok';
		}
		while ($err =~ /^-- (D\d\d) (queue (\d+), (.*))\n((?:(?!-- ).*\n)*)/mg) {
			my ($case, $where, $queue, $lie, $text) = ($1, $2, $3, $4, $5);
			$text =~ s/^= .*\n//mg;
			$text =~ s/.* frames of the Guest were dropped, .*\n//;	# in the end
			my @lines = split /\n/, $text;
			my $words = $lie_of{$lie};
			$bad{$case} .= "$where: $text" if @lines > 1 ||
				grep { !/^lguest: [\w-]+ 0: .*(; the device is stopped|; it is dropped| the connection)/ }
				@lines;
			next if $device->{outside} || !$words || !@lines;
			$named++;
			$bad{$case} .= "$where: $text" if $text !~ $words;
		}
		$next = $out =~ /^end$/m ? undef : $last;
	}
	ok(!$bad{all}, "$name: all lies are told") or diag($bad{all});
	for my $case (map { "D0$_" } 1 .. 7) {
		ok($told{$case} && !$bad{$case}, "$case: $name, " . ($told{$case} // 0) . ' lies')
			or diag($bad{$case} // 'none');
	}
	cmp_ok($named // 0, '>=', 9 * $device->{queues} / 2, '... which are called by their names')
		if !$device->{outside};
}

# --- The rest ---------------------------------------------------------------------------

sub is_quiet {
	my ($err) = @_;
	my @lines = grep { !/^= / } split /\n/, $err;
	return @lines <= 9 && !grep { !/^lguest: / } @lines;
}

sub device {
	my ($name) = @_;
	my $device = $devices{$name};
	lies($name);

	my ($status, $out, $err) = run($device, 'hostile-page');
	my $good = $device->{outside} ? qr/\A\d+ accesses \(\d\)\n.*\n(works|does not work)\n\z/ :
		qr/\A\d+ accesses \(\d\)\nas on the first day\nworks\n\z/;
	ok($status eq 0 && $out =~ $good && is_quiet($err),
	   "D08: $name, accesses of all widths to the configuration, rings of all bells")
		or diag("status $status\n$err");

	($status, $out, $err) = run($device, 'hostile-status', SEED => 7);
	my $expected = "unknown bits\nDRIVER_OK twice: 1\nFEATURES_OK twice: 1\nother features: 1\n" .
		"reset: 1\nworks: 1\nfailed: 1\nrandom orders: 1\n200 resets: 1\n";
	ok($status eq 0 && $out eq $expected && is_quiet($err), "D09: $name, odd orders of the status")
		or diag("status $status\n$err");

	my $rounds = $sample ? 6 : 50;
	my $flying = 32 * $device->{queues};
	($status, $out, $err) = run($device, 'hostile-flights', ROUNDS => $rounds);
	ok($status eq 0 && is_quiet($err) &&
	   $out eq "$rounds resets with $flying requests on their way, 0 bytes touched, works\n",
	   "D09: $name, resets with requests on their way") or diag("status $status\n$err");

	$rounds = $sample ? 3 : 20;
	($status, $out, $err) = run($device, 'hostile-endures', ROUNDS => $rounds);
	my ($n, @means) = $out =~ /\A(\d+) lies, files (\d+) to (\d+), threads (\d+) to (\d+), KB (\d+) to (\d+)\n\z/;
	ok($status eq 0 && is_quiet($err) && $n, "$name: $rounds times all lies: " . ($n // 0))
		or diag("status $status\n$err");
	return if !$n;
	is("$means[1] $means[3]", "$means[0] $means[2]", '... cost no file and no thread');
	# (A sanitizer keeps what was freed.)
	cmp_ok($means[5] - $means[4], '<', 300, "... and no memory: $means[4] and $means[5] KB")
		if !$sanitized;
}

my @names = sort grep { $_ =~ ($ENV{KINDS} // '') } keys %devices;
device($_) for @names;
done_testing;
