#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Launcher from the opening of /dev/lguest on: run loop, endings, signals,
# bus, virtqueues, console and terminal.  There is no module: a preloaded
# library (tests/launcher/fake-module.c) answers in its place, and its "Guests"
# are C functions, most of them ill-mannered.
#
# Needs a C compiler.  LGUEST names another binary, such as one that was built
# with sanitizers.

use strict;
use warnings;
no warnings 'portable';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Fake;
use IO::Poll qw(POLLIN);
use POSIX qw(:sys_wait_h :termios_h setsid);
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = fake_dir();
$ENV{XDG_RUNTIME_DIR} = $dir;

# --- Running ----------------------------------------------------------------------

sub ends {
	my ($what, $status, $out, $err, @how) = @_;
	my $s = finish(start(@how)) // 'timeout';
	my ($o, $e) = map { slurp("$dir/$_") } 'out', 'err';
	my $good = ok($s eq $status && $o =~ $out && $e =~ $err, $what);
	$_ = substr $_, 0, 2000 for $o, $e;
	diag("status $s\nstdout: $o\nstderr: $e") if !$good;
}

my $none = qr/\A\z/;

# --- Endings -------------------------------------------------------------------------

ends('power off', 0, qr/\Ahello, world\n\z/, $none, guest => 'hello');
ends('panic, with unprintable words', 3, $none,
     qr/\Alguest: the Guest panicked: VFS: no root\.\[2J\.\n\z/, guest => 'panics');
ends('panic, with words that do not end', 3, $none,
     qr/\Alguest: the Guest panicked: x{200,256}\n\z/, guest => 'panics-at-length');
ends('killed', 4, $none, qr/\Alguest: the Host killed the Guest: bad page table\n\z/,
     guest => 'dies');
ends('a reason that nobody knows', 1, $none, qr/\Alguest: .*reason 77\n\z/, guest => 'confuses');
ends('LGUEST_RUN fails', 1, $none,
     qr/\Alguest: cannot run the Guest: Operation not permitted\n\z/, guest => 'fails');
ends('reboot: each life gets fresh memory', 0,
     qr/\A(life \d, memory fresh\n){4}\z/, $none, guest => 'reboots');
ends('--stats', 0, $none, qr/^exits +4711\nhypercalls +0\n(.*\n)*borrows_ahead +0\n\z/,
     guest => 'quiet', options => ['--stats']);

ends('old module', 1, $none, qr/interface version 2, and lguest needs 1/,
     guest => 'hello', fail => 'version');
ends('no memory', 1, $none, qr/does not accept the Guest's memory: Cannot allocate memory/,
     guest => 'hello', fail => 'memory');
ends('no vCPU', 1, $none, qr/cannot make vCPU 0: Cannot allocate/, guest => 'hello', fail => 'vcpu');
ends('no interrupt', 1, $none, qr/cannot connect the console with the Guest/,
     guest => 'hello', fail => 'irqfd');
ends('no doorbell', 1, $none, qr/cannot start queue 1 of the console: Cannot allocate/,
     guest => 'talks', fail => 'doorbell');
ends('no registers', 1, $none, qr/does not accept the first registers: Invalid/,
     guest => 'hello', fail => 'state');

{
	open my $out, '>', "$dir/initrd";
	print $out "initrd!\n";
	close $out;
	ends('what the Guest finds', 0, qr/\A
rip\ ffffffff81000000\ cr3\ 1000000\ user\ 0\ rflags\ 2\ rsp\ 0\n
loader\ ff\ version\ 20f\n
e820\ 0\ 9fc00\ 1\n
e820\ 100000\ 7f00000\ 1\n
command\ line:\ console=hvc0\ quiet\n
initrd:\ initrd!\n
memory\ 8020000\ bus\ 32\n
device\ 0\ type\ 3\ queues\ 2\n
device\ 1\ type\ 4\ queues\ 1\n
device\ 2\ type\ 5\ queues\ 4\n\z/x, $none, guest => 'looks',
	     options => ['--append', 'quiet', '--memory', '128M', '--initrd', "$dir/initrd"]);
	ends('... without a console', 0, qr/command line: \n(?!.*device 0)/s, $none,
	     guest => 'looks', options => [map { ("--$_", 'none') } qw(console rng balloon)]);
}

# --- Signals ---------------------------------------------------------------------------

for my $signal (qw(INT TERM HUP QUIT)) {
	my $pid = start(guest => 'sleeps');
	wait_for('out', qr/asleep/);
	kill $signal, $pid;
	my $number = POSIX->can("SIG$signal")->();
	is(finish($pid, 10), 128 + $number, "SIG$signal ends a sleeping Guest");
	is(slurp("$dir/err"), '', '... without a word');
}
{
	my $pid = start(guest => 'sleeps', setup => sub { $SIG{HUP} = 'IGNORE' });
	wait_for('out', qr/asleep/);
	kill 'HUP', $pid;
	sleep .3;
	is(waitpid($pid, WNOHANG), 0, 'SIGHUP is ignored after nohup');
	kill 'TERM', $pid;
	is(finish($pid, 10), 143, '... and SIGTERM is not');
}
{
	my $pid = start(guest => 'sleeps');
	wait_for('out', qr/asleep/);
	kill 'TSTP', $pid;
	my $end = time + 10;
	my $state = '';
	while ($state ne 'T' && time < $end) {
		($state) = slurp("/proc/$pid/stat") =~ /^\d+ \(.*\) (\S)/;
		sleep .01;
	}
	is($state, 'T', 'SIGTSTP stops it');
	kill 'CONT', $pid;
	sleep .1;
	kill 'TERM', $pid;
	is(finish($pid, 10), 143, '... and it continues');
}

# --- Input and output through pipes ---------------------------------------------------------

ends('twenty lines through the console', 0,
     qr/\A@{[join '', map { "line $_\n" } 0 .. 19]}\z/, $none, guest => 'talks');
# (The end of the input is a Ctrl-D.)
ends('an empty input: the Guest runs on', 0, qr/\Aready\n\x04\nsilence\n\z/, $none, guest => 'echoes');
{
	my $text = join '', map { "line $_ of the input\x01x\n" } 1 .. 2000;
	open my $out, '>', "$dir/input";
	print $out $text;
	close $out;
	ends('40 KB from a file, with escape keys in it', 0, qr/\Aready\n\Q$text\E\x04\nsilence\n\z/,
	     $none, guest => 'echoes', stdin => "$dir/input");
	pipe my $r, my $w;
	my $pid = start(guest => 'echoes', stdin => $r);
	close $r;
	$w->autoflush(1);
	print $w substr $text, 0, 5000;
	sleep .2;
	print $w substr $text, 5000;
	close $w;
	is(finish($pid), 0, 'the same from a pipe');
	ok(slurp("$dir/out") eq "ready\n$text\x04\nsilence\n", '... and nothing is lost');
}
{
	pipe my $r, my $w;
	my $pid = start(guest => 'prints-a-lot', stdout => $w);
	close $w;
	read $r, my $text, 6;
	close $r;
	is(finish($pid), 0, 'a reader that goes away does not end the Guest');
	like(slurp("$dir/err"), qr/\Alguest: standard output is gone: Broken pipe\n\z/,
	     '... and is mentioned once');
}
ends('output to a full disk', 0, qr//, qr/\Alguest: standard output is gone: No space[^\n]*\n\z/,
     guest => 'prints-a-lot', stdout => '/dev/full');
{
	pipe my $r, my $w;
	my $pid = start(guest => 'prints-a-lot', stdout => $w);
	sleep 1;
	kill 'TERM', $pid;
	is(finish($pid, 10), 143, 'SIGTERM while nobody reads the output');
}

# --- A terminal ---------------------------------------------------------------------------------

sub set_size {
	my ($master, $rows, $columns) = @_;
	my $size = pack 'S4', $rows, $columns, 0, 0;
	ioctl $master, 0x5414, $size;				# TIOCSWINSZ
}

sub terminal {
	open my $master, '+<', '/dev/ptmx' or return;
	my ($unlocked, $number) = (pack('i', 0)) x 2;
	ioctl $master, 0x40045431, $unlocked or return;		# TIOCSPTLCK
	ioctl $master, 0x80045430, $number or return;		# TIOCGPTN
	my $path = '/dev/pts/' . unpack 'i', $number;
	open my $slave, '+<', $path or return;
	set_size($master, 25, 80);
	return ($master, $slave, $path);
}

sub mode_of {
	my ($slave) = @_;
	my $t = POSIX::Termios->new;
	$t->getattr(fileno $slave);
	return join ',', $t->getiflag, $t->getoflag, $t->getcflag, $t->getlflag;
}

# Reads from the terminal until something matches; all that was read.
sub expect {
	my ($master, $what) = @_;
	my ($all, $end) = ('', time + 20);
	my $poll = IO::Poll->new;
	$poll->mask($master => POLLIN);
	while ($all !~ $what && time < $end) {
		next if !$poll->poll(.1);
		sysread $master, $all, 4096, length $all or last;
	}
	return $all;
}

# The Launcher in a session of its own, as a shell would start it.
sub start_on {
	my ($path, %o) = @_;
	return start(%o, setup => sub {
		setsid();
		open my $tty, '+<', $path or die "$path: $!";
		ioctl $tty, 0x540e, 0;				# TIOCSCTTY
		open STDIN, '<&', $tty;
		open STDOUT, '>&', $tty;
	}, stdin => \*STDIN, stdout => \*STDOUT);
}

SKIP: {
	my ($master, $slave, $path) = terminal();
	skip 'no pseudo-terminals here', 1 if !$slave;
	my $before = mode_of($slave);
	my ($pid, $seen);

	$pid = start_on($path, guest => 'spells');
	like(expect($master, qr/ready/), qr/ready/, 'a console on a terminal');
	syswrite $master, "a";		# its echo shows that it listens
	$seen = expect($master, qr/<61>/);
	isnt(mode_of($slave), $before, 'the terminal is raw');
	syswrite $master, "\x03\x1a\x1c\r\x01\x01\x01b\x01!";
	$seen = expect($master, qr/<21>/);
	$seen =~ s/[^<>0-9a-f]//g;
	is($seen, '<03><1a><1c><0d><01><01><62><01><21>',
	   'control keys go to the Guest, Ctrl-a Ctrl-a is one Ctrl-a');
	is(finish($pid, 10), 0, 'power off');
	is(mode_of($slave), $before, '... restores the terminal');

	$pid = start_on($path, guest => 'spells');
	expect($master, qr/ready/);
	syswrite $master, "a";
	expect($master, qr/<61>/);
	syswrite $master, "\x01";
	sleep .1;
	syswrite $master, 'x';
	is(finish($pid, 10), 130, 'Ctrl-a x');
	is(mode_of($slave), $before, '... restores the terminal');

	for my $signal (qw(TERM HUP INT QUIT SEGV ABRT BUS USR2 ALRM)) {
		$pid = start_on($path, guest => 'spells');
		expect($master, qr/ready/);
		syswrite $master, "a";
		expect($master, qr/<61>/);
		kill $signal, $pid;
		my $number = POSIX->can("SIG$signal")->();
		my $status = finish($pid, 10) // 'timeout';
		ok($status == 128 + $number || $status == -$number, "SIG$signal: status $status");
		is(mode_of($slave), $before, '... restores the terminal');
	}

	$pid = start_on($path, guest => 'spells');
	expect($master, qr/ready/);
	syswrite $master, "a";
	expect($master, qr/<61>/);
	my $raw = mode_of($slave);
	kill 'TSTP', $pid;
	sleep .3;
	is(mode_of($slave), $before, 'SIGTSTP restores the terminal');
	kill 'CONT', $pid;
	my $end = time + 5;
	sleep .01 while mode_of($slave) ne $raw && time < $end;
	is(mode_of($slave), $raw, '... and SIGCONT makes it raw again');
	syswrite $master, '!';
	is(finish($pid, 10), 0, '... and the Guest goes on');
	is(mode_of($slave), $before, '... and restores the terminal');

	$pid = start_on($path, guest => 'measures');
	like(expect($master, qr/size \d+x\d+/), qr/size 80x25/, 'the size of the window');
	set_size($master, 50, 132);
	like(expect($master, qr/size \d+x\d+/), qr/size 132x50/, '... and its change');
	is(finish($pid, 10), 0, '... and power off');

	$pid = start_on($path, guest => 'sleeps');
	expect($master, qr/asleep/);
	is(mode_of($slave), $before, 'no raw mode while no driver listens');
	syswrite $master, "\x03";
	is(finish($pid, 10), 130, '... so that Ctrl-C works');

	$pid = start_on($path, guest => 'breaks');
	expect($master, qr/listening/);
	ok(wait_for('err', qr/the device is stopped/), 'a console that breaks while it listens');
	$end = time + 5;
	sleep .01 while mode_of($slave) ne $before && time < $end;
	is(mode_of($slave), $before, '... lets go of the terminal');
	syswrite $master, "\x03";
	is(finish($pid, 10), 130, '... so that Ctrl-C works');

	$pid = start_on($path, guest => 'spells');
	expect($master, qr/ready/);
	close $slave;
	close $master;
	my $status = finish($pid, 10) // 'timeout';
	is($status, 129, 'a terminal that hangs up ends the Guest');
}

# --- Guests that lie -------------------------------------------------------------------------------

ends('27 lies: each breaks the device, and a reset mends it', 0,
     qr/\A([\w-]+: and well again\n){27}\z/,
     qr/\A(lguest: console 0: [^\n]*; the device is stopped\n){7}lguest: [^\n]*last complaint\)\n\z/,
     guest => 'lies');
for (['self-loop', qr/chain that loops/], ['far-link', qr/beyond its table/],
     ['outside', qr/buffer outside of memory/], ['backwards', qr/reads after it writes/],
     ['indirect-odd', qr/odd indirect table/], ['indirect-large', qr/odd indirect table/],
     ['indirect-outside', qr/table outside/], ['indirect-nested', qr/forbidden indirect/],
     ['indirect-own', qr/forbidden indirect|chain that loops/],
     ['indirect-unagreed', qr/forbidden indirect/], ['counter-jumps', qr/counter that jumps/],
     ['size-3', qr/impossible size/], ['not-ready', qr/is not ready/],
     ['ring-odd', qr/odd address/], ['ring-outside', qr/table outside/],
     ['features-change', qr/features changed/]) {
	my ($lie, $expect) = @$_;
	ends("the lie $lie is called by its name", 0, qr/\A$lie: and well again\n\z/,
	     qr/\Alguest: console 0: [^\n]*$expect[^\n]*\n\z/, guest => 'lies',
	     setup => sub { $ENV{LIE} = $lie });
}
ends('odd but allowed', 0,
     qr/\Ain one, in pieces, in a table\n@{[join '', map { "$_\n" } 0 .. 23]}still here\n\z/,
     qr/\A(lguest: console 0: [^\n]*\n){4}\z/, guest => 'odd');
ends("a mad Guest, seed $_", 0, qr/\nsane again\n\z/,
     qr/\A(lguest: console 0: [^\n]*\n){0,8}\z/, guest => 'mad', seed => $_,
     options => ['--rng', 'none', '--balloon', 'none']) for 1 .. 5;

done_testing();
