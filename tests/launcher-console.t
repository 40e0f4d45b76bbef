#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where a console can be: sockets, pseudo-terminals, files; clients that come
# late, do not read, flood, or go; logs and full disks; ports beside the console,
# and drivers that speak nonsense about them; `lguest attach`.  (What a console on
# our own terminal does is in launcher-machine.t.)
#
# There is no module: see tests/Fake.pm; the Guests are in
# tests/launcher/console.c.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake qw(:DEFAULT spent limit_files);
use IO::Poll qw(POLLIN);
use IO::Socket::UNIX;
use JSON::PP qw(decode_json);
use POSIX qw(:termios_h setsid);
use Socket qw(SOCK_STREAM SHUT_WR);
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = fake_dir('console.c');
$SIG{PIPE} = 'IGNORE';
$ENV{XDG_RUNTIME_DIR} = $dir;
my $path = "$dir/console";
my $none = qr/\A\z/;

# A client of the socket, as soon as there is one.
sub client {
	my ($where) = @_;
	my $end = time + 60;
	while (time < $end) {
		my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $where // $path);
		return $socket if $socket;
		sleep .01;
	}
	return;
}

# Reads until something matches or @limit is over; all that was read, with what was
# read before.
sub expect {
	my ($from, $what, $limit, $all) = @_;
	my $end = time + ($limit // 20);
	$all //= '';
	my $poll = IO::Poll->new;
	$poll->mask($from => POLLIN);
	while ($all !~ $what && time < $end) {
		next if !$poll->poll(.1);
		sysread $from, $all, 65536, length $all or last;
	}
	return $all;
}

# All that comes until the other end closes.
sub rest {
	my ($from, $limit) = @_;
	return expect($from, qr/(?!)/, $limit);
}

sub ends {
	my ($what, $pid, $status, $out, $err) = @_;
	my $s = finish($pid, 30) // 'timeout';
	my ($o, $e) = map { slurp("$dir/$_") } 'out', 'err';
	my $good = ok($s eq $status && $o =~ $out && $e =~ $err, $what);
	diag("status $s\nstdout: $o\nstderr: $e") if !$good;
}

sub at { return (options => ['--console', "to=$_[0]", @_[1 .. $#_]]) }

# --- Usage ----------------------------------------------------------------------

ends("--console $_", start(guest => 'hello', options => ['--console', $_]), 2, $none,
     qr/must be stdio, null, pty, file:PATH, socket:PATH or none/)
	for 'socket:', 'tty', 'pty:x', 'to=file:', 'stdio2';
ends("--port $_", start(guest => 'hello', options => ['--port', $_]), 2, $none,
     qr/needs (to=null|a name)/)
	for 'x', 'x,to=stdio', 'to=null', 'a/b,to=null', 'name=,to=pty';
ends('a port without a console',
     start(guest => 'hello', options => ['--console', 'none', '--port', 'x,to=null']), 1, $none,
     qr/\Alguest: there is no console for a port\n\z/);
ends('two ports of one name', start(guest => 'hello',
     options => ['--port', 'x,to=null', '--port', 'x,to=null']), 1, $none,
     qr/\Alguest: port x: is there twice\n\z/);
ends('eight ports', start(guest => 'hello',
     options => [map { ('--port', "p$_,to=null") } 1 .. 8]), 1, $none,
     qr/\Alguest: port p8: the console has no room for it\n\z/);

# --- Files ------------------------------------------------------------------------

my $lines = join '', map { "line $_\n" } 0 .. 19;

ends('a console in a file', start(guest => 'talks', at("file:$dir/file")), 0, $none, $none);
is(slurp("$dir/file"), $lines, '... has all of it');
is((stat "$dir/file")[2] & 0777, 0600, '... and is for its user alone');
ends('the same file again', start(guest => 'talks', at("file:$dir/file")), 0, $none, $none);
is(slurp("$dir/file"), "$lines$lines", '... has grown');
ends('nowhere', start(guest => 'talks', at('null')), 0, $none, $none);
ends('a log beside standard output', start(guest => 'talks', at("stdio,log=$dir/log")), 0,
     qr/\A\Q$lines\E\z/, $none);
is(slurp("$dir/log"), $lines, '... has the same');
ends('a log on a full disk', start(guest => 'talks', at('stdio,log=/dev/full')), 0,
     qr/\A\Q$lines\E\z/, qr/\Alguest: console: its log loses words: No space left on device\n\z/);
ends('a file on a full disk', start(guest => 'talks', at('file:/dev/full')), 0,
     $none, qr/\Alguest: console: its file loses words: No space left on device\n\z/);
ends('a log that cannot be', start(guest => 'talks', at('stdio,log=/nowhere/log')), 1, $none,
     qr/\Alguest: console: cannot open \/nowhere\/log: No such file/);

# --- A socket -----------------------------------------------------------------------

{
	my $pid = start(guest => 'spells', at("socket:$path"));
	my $c = client();
	like(expect($c, qr/ready\n/), qr/\Aready\n\z/, 'a client of the socket');
	is((stat $path)[2] & 0777, 0600, '... which is for its user alone');
	syswrite $c, "a\x01x\x03";
	is(expect($c, qr/<03>/), '<61><01><78><03>', 'no key of a client is special');
	my $second = client();
	is(rest($second), "lguest: somebody else is connected\r\n", 'a second client is told to wait');
	syswrite $c, 'b';
	is(expect($c, qr/<62>/), '<62>', '... and the first does not notice');
	close $c;
	sleep .2;
	$c = client();
	is(expect($c, qr/<62>/), "ready\n<61><01><78><03><62>", 'the next client sees what was before');
	syswrite $c, '!';
	is(rest($c), '<21>', '... and all of the rest');
	ends('power off', $pid, 0, $none, $none);
	ok(-S $path, 'the cage has left the socket behind');
	$pid = start(guest => 'spells', at("socket:$path"));
	my $other = start(guest => 'hello', as => 'two', at("socket:$path")) if wait_client();
	is(finish($other, 10), 1, 'a socket that is in use is not taken');
	like(slurp("$dir/two.err"), qr/\Alguest: console: cannot listen at \Q$path\E: it is in use/,
	     '... with a reason');
	syswrite client(), '!';
	ends('a socket that was left behind is used again', $pid, 0, $none, $none);
	unlink $path;
	ends('without the cage', start(guest => 'quiet', at("socket:$path", '--sandbox', 'off')), 0,
	     $none, $none);
	ok(!-e $path, '... nothing is left behind');
}

# A client that leaves again, to see that the Launcher is up.
sub wait_client {
	my $c = client() or return 0;
	expect($c, qr/ready/);
	return 1;
}

for my $what ('a file', 'a directory') {
	my $there = "$dir/there";
	if ($what eq 'a file') {
		open my $out, '>', $there or die;
		print $out "precious\n";
	} else {
		unlink $there;
		mkdir $there;
	}
	ends("$what in place of the socket", start(guest => 'hello', at("socket:$there")), 1, $none,
	     qr/cannot listen at .*: it is in use, or no socket of ours/);
	is(slurp($there), "precious\n", '... stays') if $what eq 'a file';
}
ends('a path that is too long', start(guest => 'hello', at('socket:/' . 'x' x 200)), 1, $none,
     qr/too long for a socket/);

{
	my $pid = start(guest => 'con-long', at("socket:$path,log=$dir/long"));
	ok(wait_for('out', qr/printed/), 'a Guest prints 180 KB while nobody looks');
	my $c = client();
	my $text = expect($c, qr/00019999\n\z/);
	is(length $text, 65536, 'who comes late sees the last 64 KB');
	my ($first) = $text =~ /\n(\d{8})\n/;
	is($text =~ s/\A.*?\n//r, join('', map { sprintf "%08d\n", $_ } $first .. 19999),
	   '... without a gap');
	is(-s "$dir/long", 180000, 'the log has everything');
	syswrite $c, 'k';
	is(rest($c), "key k\n", 'keys still arrive');
	ends('power off', $pid, 0, qr/printed/, $none);
}

sub memory_of {
	my ($pid) = @_;
	return slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m ? $1 : 0;
}

{
	my $pid = start(guest => 'con-floods', at("socket:$path"));
	my $c = client();
	syswrite $c, 'x';
	my $start = time;
	ok(wait_for('out', qr/printed/), 'a client that does not read does not stop the Guest');
	my $took = time - $start;
	cmp_ok($took, '>', 1.5, sprintf '... for more than two seconds (%.1f)', $took);
	ends('... and is let go', $pid, 0, qr/printed/,
	     qr/\Alguest: console: its client does not read, and is let go\n\z/);
}
{
	my $pid = start(guest => 'con-floods', at("socket:$path"));
	my $c = client();
	syswrite $c, 'x';
	my ($all, $end) = ('', time + 60);
	while (length $all < 2 << 20 && time < $end) {
		sysread $c, $all, 30000, length $all or last;
		sleep .01;
	}
	is(length $all, 2 << 20, 'one that reads slowly gets all of it');
	is($all, join('', map { sprintf "%1023d\n", $_ } 0 .. 2047), '... in order');
	ends('... and is not let go', $pid, 0, qr/printed/, $none);
}
{
	my $pid = start(guest => 'sleeps', at("socket:$path"));
	wait_for('out', qr/asleep/);
	my $c = client();
	$c->blocking(0);
	my $sent = 0;
	for (1 .. 200) {
		my $n = syswrite $c, 'x' x 65536;
		$sent += $n // 0;
		sleep .005 if !$n;
	}
	cmp_ok($sent, '<', 2 << 20, "a flood to a Guest that has no driver stands still ($sent bytes)");
	cmp_ok(memory_of($pid), '<', 16 << 10, '... and takes no memory');
	kill 'TERM', $pid;
	ends('... nor keeps it from ending', $pid, 143, qr/asleep/, $none);
}
{
	my $pid = start(guest => 'spells', at("socket:$path"));
	expect(client(), qr/ready/);		# both threads are there
	sleep .2;
	limit_files($pid, 3);
	my $c = client();
	sleep .3;
	my $before = spent($pid);
	is(expect($c, qr/./, 1), '', 'a client for whom there is no file waits');
	cmp_ok(spent($pid) - $before, '<', .2, '... and the console does not spin');
	limit_files($pid, 1000);
	like(expect($c, qr/ready/), qr/ready/, '... until there is one');
	syswrite $c, '!';
	ends('... and then it is a client like any other', $pid, 0, $none, $none);
}
{
	my $pid = start(guest => 'spells', at("socket:$path"));
	my $c = client();
	expect($c, qr/ready/);
	syswrite $c, '123!';
	close $c;
	ends('the last words of a client that goes are heard', $pid, 0, $none, $none);
}
{
	my $pid = start(guest => 'con-lives', at("socket:$path"));
	my $c = client();
	my $all;
	for my $life (1 .. 3) {
		$all = expect($c, qr/life $life\n/, 20, $all);
		like($all, qr/life $life\n/, "a client in life $life");
		syswrite $c, $life;
		$all = expect($c, qr/key $life\n/, 20, $all);
		like($all, qr/key $life\n/, '... is heard');
	}
	is($all . rest($c), join('', map { "life $_\nkey $_\n" } 1 .. 3),
	   '... and there is nothing else');
	ends('power off after two reboots', $pid, 0, $none, $none);
}
{
	my $pid = start(guest => 'con-lives', at("socket:$path"));
	my $c;
	for my $life (1 .. 3) {
		$c = client();
		expect($c, qr/life $life\n/);
		syswrite $c, $life;
		expect($c, qr/key $life\n/);
		close $c;
		sleep .2;
	}
	ends('a new client in each life', $pid, 0, $none, $none);
}

# --- A size ---------------------------------------------------------------------------

# One line of answer of the control socket.
sub ask {
	my ($text) = @_;
	my $c = client("$dir/lguest/web.sock") or return {};
	syswrite $c, "$text\n";
	return decode_json(expect($c, qr/\n/) || '{}');
}

{
	my $pid = start(guest => 'con-sizes', options => ['--console', "socket:$path", '--name', 'web']);
	wait_for('out', qr/ready/);
	ok(!ask(qq({"command": "resize", "columns": $_}))->{ok}, "no size: $_")
		for '0, "rows": 1', '1', '65536, "rows": 1', '"80", "rows": 25', '-1, "rows": 3';
	ok(ask('{"command": "resize", "columns": 132, "rows": 43}')->{ok}, 'a size for the window');
	ends('... arrives in the configuration', $pid, 0, qr/\Aoffered 1\nready\nsize 132x43\n\z/, $none);
	$pid = start(guest => 'sleeps', options => ['--console', 'none', '--name', 'web']);
	wait_for('out', qr/asleep/);
	is(ask('{"command": "resize", "columns": 132, "rows": 43}')->{error},
	   'the Guest has no console', '... but not without a console');
	kill 'TERM', $pid;
	finish($pid);
}

# --- Ports --------------------------------------------------------------------------

my $port = "$dir/port";
my @ports = ('--console', "socket:$path", '--port', "org.test.0,to=socket:$port,log=$dir/port.log",
	     '--name', 'web');
{
	my $pid = start(guest => 'con-ports', options => \@ports);
	ok(wait_for('out', qr/met\n/), 'a driver that knows of ports');
	is(join(' ', sort split /\n/, slurp("$dir/out")),
	   '0 add 1 0 console 1 0 open 0 1 add 1 1 name org.test.0 1 open 0 met',
	   '... is told of them, and that nobody is there');
	my $c = client();
	is(expect($c, qr/console\n/), "console\n", 'the console is the console');
	my $p = client($port);
	syswrite $p, 'hello';
	is(expect($p, qr/hello/), 'hello', 'the port is another line');
	ok(ask('{"command": "resize", "columns": 100, "rows": 50}')->{ok}, 'a size for the window');
	syswrite $p, 'bye!';
	is(rest($p), 'bye!', '... and it ends');
	ends('power off', $pid, 0, qr/^0 resize 100x50\n(.*\n)*1 open 1\ndone\n\z/m, $none);
	is(slurp("$dir/port.log"), 'hellobye!', 'a port has a log, too');
}
{
	my $pid = start(guest => 'con-sums', options => \@ports);
	my $p = client($port);
	my ($text, $sum) = ('', 0);
	$text .= chr(($_ * 7 + ($_ >> 8)) & 255) for 0 .. (1 << 20) - 1;
	$sum = ($sum * 31 + $_) & 0xffffffff for unpack 'C*', $text;
	$p->blocking(1);
	for (my $at = 0; $at < length $text;) {
		$at += syswrite($p, $text, 100000, $at) // last;
	}
	ends('a megabyte to the Guest, sent before it listens', $pid, 0,
	     qr/^1048576 bytes, sum $sum\n\z/m, $none);
}
{
	my $pid = start(guest => 'con-stream', options => \@ports);
	my $p = client($port);
	wait_for('out', qr/open/);
	sleep 3;			# longer than a console would wait
	my ($all, $want) = ('', '');
	1 while length $all < 1 << 20 && sysread $p, $all, 65536, length $all;
	for my $i (0 .. 255) {
		$want .= chr(($i + $_ * 7) & 255) for 0 .. 4095;
	}
	is(length $all, 1 << 20, 'a megabyte from the Guest to one who is late');
	ok($all eq $want, '... is the right one');
	ends('... and nobody is let go', $pid, 0, qr/^sent\n\z/m, $none);
}
{
	my $pid = start(guest => 'con-stream', options => \@ports);
	my $p = client($port);
	wait_for('out', qr/open/);
	sleep 1;
	kill 'TERM', $pid;
	ends('a port that waits for its client does not keep the Guest', $pid, 143, qr/open/, $none);
}
{
	my $pid = start(guest => 'spells', options => \@ports);
	my $c = client();
	is(expect($c, qr/ready\n/), "ready\n", 'a driver that knows nothing of ports has a console');
	syswrite $c, '!';
	is(rest($c), '<21>', '... that works');
	ends('... to the end', $pid, 0, $none, $none);
}
for my $seed (1 .. 4) {
	my $pid = start(guest => 'con-evil', seed => $seed, options => \@ports);
	ends("D18: 3000 messages that make no sense, seed $seed", $pid, 0, qr/^1 name org.test.0\n1 open 0\nsane again\n\z/m, $none);
}
{
	my $pid = start(guest => 'con-deaf', options => \@ports);
	wait_for('out', qr/deaf/);
	my $c = client();
	my $p = client($port);
	is(rest($c), join('', map { "line $_\n" } 0 .. 29),
	   'a Guest that gives no buffers can print');
	ends('... and end', $pid, 0, qr/\Adeaf\n\z/, $none);
}

# --- A pseudo-terminal -------------------------------------------------------------------

sub raw_line {
	my ($name) = @_;
	sysopen my $line, $name, POSIX::O_RDWR | POSIX::O_NOCTTY or return;
	return $line;
}

{
	my $pid = start(guest => 'spells', at('pty'));
	wait_for('err', qr/is at \S+\n/);
	my ($name) = slurp("$dir/err") =~ /\Alguest: console: is at (\/dev\/pts\/\d+)\n\z/;
	ok($name, 'a pseudo-terminal, and its name') or diag(slurp("$dir/err"));
	sleep .5;
	for my $round (1 .. 2) {
		my $line = raw_line($name) or last;
		like(expect($line, qr/ready\n/), qr/\Aready\n/, "round $round: who comes late sees it");
		syswrite $line, "\x03\r";
		like(expect($line, qr/<0d>\z/), qr/<03><0d>\z/, '... and is heard, raw');
		close $line;
		sleep .5;
	}
	my $line = raw_line($name);
	syswrite $line, '!' if $line;
	ends('... and once more, which ends it', $pid, 0, $none, qr/is at/);
}

# --- lguest attach ----------------------------------------------------------------------

sub terminal {
	open my $master, '+<', '/dev/ptmx' or return;
	my ($unlocked, $number) = (pack('i', 0)) x 2;
	ioctl $master, 0x40045431, $unlocked or return;		# TIOCSPTLCK
	ioctl $master, 0x80045430, $number or return;		# TIOCGPTN
	my $name = '/dev/pts/' . unpack 'i', $number;
	open my $slave, '+<', $name or return;
	return ($master, $slave, $name);
}

sub mode_of {
	my ($slave) = @_;
	my $t = POSIX::Termios->new;
	$t->getattr(fileno $slave);
	return join ',', $t->getiflag, $t->getoflag, $t->getcflag, $t->getlflag;
}

sub attach {
	my ($tty, $where) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	setsid();
	open my $t, '+<', $tty or die;
	ioctl $t, 0x540e, 0;					# TIOCSCTTY
	open STDIN, '<&', $t;
	open STDOUT, '>&', $t;
	open STDERR, '>', "$dir/attach.err";
	exec $LGUEST, 'attach', $where // $path;
}

# A client that has gone may be there for a moment longer, for the Launcher.
sub verb {
	my ($words, $input) = @_;
	my $out;
	for (1 .. 50) {
		$out = `$input | $LGUEST $words 2>$dir/attach.err`;
		last if $out !~ /somebody else is connected/;
		sleep .1;
	}
	return ($? >> 8, $out, slurp("$dir/attach.err"));
}

unlink $path;
is_deeply([(verb('attach', 'true'))[0, 2]], [2, "lguest: usage: lguest attach NAME|PATH\n"],
	  'attach to nothing');
is_deeply([(verb("attach $path", 'true'))[0, 2]],
	  [1, "lguest: cannot attach to $path: No such file or directory\n"], 'attach to nobody');
is((verb('attach ./' . 'x' x 200, 'true'))[0], 1, 'attach to a path that is too long');
like((verb('attach nobody', 'true'))[2], qr/no Guest named nobody is running/, 'attach to a name that nobody has');
is((verb('attach ' . 'x' x 200, 'true'))[0], 1, '... that nobody can have');
{
	my $pid = start(guest => 'spells', options => ['--console', 'null', '--name', 'web']);
	sleep .3;
	like((verb('attach web', 'true'))[2], qr/console of web is at no socket; see --console/, '... of a Guest without a socket');
	kill 'TERM', $pid;
	finish($pid);
}
{
	my $pid = start(guest => 'spells', at("socket:$path"));
	client() && sleep .3;
	my ($status, $out, $err) = verb("attach $path", 'printf "a\001d!"');
	is($status, 0, 'attach with a pipe ends when the Guest does');
	is($out, "ready\n<61><01><64><21>", '... has no escape key');
	is($err, '', '... and says nothing');
	ends('power off', $pid, 0, $none, $none);
}
{
	my $pid = start(guest => 'con-ports', options => \@ports);
	client($port) && sleep .3;
	open my $big, '>', "$dir/big";
	print $big map { sprintf "%07d\n", $_ } 1 .. 250_000;
	print $big '!';
	close $big;
	my ($status, $out) = verb("attach $port", "cat $dir/big");
	is($status, 0, 'attach with two megabytes');
	ok($out eq slurp("$dir/big"), '... that all come back') or diag(length $out, ": ", substr $out, 0, 200);
	ends('power off', $pid, 0, qr/done/, $none);
}
SKIP: {
	my ($master, $slave, $name) = terminal();
	skip 'no pseudo-terminals here', 1 if !$slave;
	my $before = mode_of($slave);
	my $guest = start(guest => 'spells', at("socket:$path"));
	client() && sleep .3;
	my $pid = attach($name);
	like(expect($master, qr/ready/), qr/ready/, 'attach on a terminal');
	is(slurp("$dir/attach.err"), "lguest: attached; Ctrl-a d detaches\n", '... names its key');
	isnt(mode_of($slave), $before, '... and is raw');
	syswrite $master, "\x03\x01\x01\x01b";
	like(expect($master, qr/<62>/), qr/<03><01><01><62>\z/, 'keys arrive, Ctrl-a Ctrl-a is one');
	syswrite $master, "\x01d";
	is(finish($pid, 10), 0, 'Ctrl-a d');
	is(slurp("$dir/attach.err"), "lguest: attached; Ctrl-a d detaches\nlguest: detached\n", '... says so');
	is(mode_of($slave), $before, '... and restores the terminal');
	for my $signal (qw(TERM HUP INT QUIT SEGV)) {
		sleep .1;
		$pid = attach($name);
		expect($master, qr/ready/);
		kill $signal, $pid;
		is(finish($pid, 10), -POSIX->can("SIG$signal")->(), "SIG$signal ends it");
		is(mode_of($slave), $before, '... and restores the terminal');
	}
	sleep .1;
	$pid = attach($name);
	expect($master, qr/ready/);
	syswrite $master, '!';
	is(finish($pid, 10), 0, 'the end of the Guest ends it');
	like(slurp("$dir/attach.err"), qr/the other end has closed\n\z/, '... with a reason');
	is(mode_of($slave), $before, '... and restores the terminal');
	ends('power off', $guest, 0, $none, $none);
	undef $pid;

	# By name, with the size of the window, and with a new one.
	for my $sizes ([[33, 77]], [[33, 77], [50, 132]]) {
		$guest = start(guest => 'con-ports', options => \@ports);
		wait_for('out', qr/met/);
		my $set = sub { ioctl $slave, 0x5414, pack 'S4', @_, 0, 0 };	# TIOCSWINSZ
		my ($x, $y);
		for my $size (@$sizes) {
			($y, $x) = @$size;
			$set->($y, $x);
			$pid //= attach($name, 'web');
			like(expect($master, qr/console/), qr/console/, 'attach to a Guest by its name') if $y == 33;
			sleep .5;
		}
		my $p = client($port);
		syswrite $p, '!';
		ends("... which is told the size of the window, $x by $y", $guest, 0, qr/^0 resize ${x}x$y$/m, $none);
		is(finish($pid, 10), 0, '... and the end of which ends the visit');
		undef $pid;
	}
}

done_testing();
