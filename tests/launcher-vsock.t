#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Connections between programs of the Host and the Guest: who calls whom, bytes
# that all arrive, credit, ends, and Guests and programs that do not keep to the
# rules.  There is no module: see tests/launcher/fake-module.c; the Guests are in
# tests/launcher/vsock.c.  The programs of the Host are processes of this test.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake qw(:DEFAULT spent limit_files);
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM SHUT_WR);
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = fake_dir('vsock.c');
$ENV{XDG_RUNTIME_DIR} = $dir;
$SIG{PIPE} = 'IGNORE';
my $path = "$dir/v";
my @options = ('--console', 'none', '--rng', 'none', '--balloon', 'none', '--vsock', $path);

sub says {
	my ($what, $guest, $expected, $complaints, %o) = @_;
	my $pid = start(guest => $guest, %o, options => [@options]);
	my $status = finish($pid, 100) // 'timeout';
	my ($out, $err) = map { slurp("$dir/$_") } 'out', 'err';
	my $good = ok($status eq 0 && $out =~ $expected && $err =~ $complaints, $what);
	$_ = substr $_, 0, 2000 for $out, $err;
	diag("status $status\nstdout: $out\nstderr: $err") if !$good;
}

my $none = qr/\A\z/;

# --- Programs of the Host -------------------------------------------------------

# The program at a port; each connection is given to the function.
my @programs;
sub program {
	my ($port, $serve) = @_;
	my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => "${path}_$port",
					     Listen => 256) or die "$port: $!";
	my $pid = fork // die "fork: $!";
	if ($pid) {
		push @programs, $pid;
		return;
	}
	$serve->($listener);
	POSIX::_exit(0);
}
END { local $?; kill 'KILL', @programs; waitpid $_, 0 for @programs }

sub one_by_one {
	my ($serve) = @_;
	return sub { while (my $c = $_[0]->accept) { $serve->($c); close $c } };
}

# Gives everything back at once, to as many as there are.
sub echo {
	my ($listener) = @_;
	my $all = IO::Select->new($listener);
	for (;;) {
		for my $c ($all->can_read) {
			if ($c == $listener) {
				$all->add($listener->accept);
			} elsif (sysread $c, my $bytes, 65536) {
				syswrite $c, $bytes;
			} else {
				$all->remove($c);
				close $c;
			}
		}
	}
}
sub everything { my ($c) = @_; local $/; return scalar(<$c>) // '' }
sub note_down {
	my ($text) = @_;
	open my $file, '>', "$dir/noted.new" or die "noted: $!";
	print $file $text;
	close $file;
	rename "$dir/noted.new", "$dir/noted";
}
program(5000, \&echo);
program(5002, one_by_one(sub { sleep 3 }));			# does not read
program(5003, one_by_one(sub { syswrite $_[0], 'x' x 1_000_000 }));
program(5004, one_by_one(sub {				# reads slowly
	my ($c) = @_;
	sleep 2;
	my ($bytes, $n) = ('', 0);
	while (sysread $c, $bytes, 10_000) { $n += length $bytes; sleep .01 }
	note_down($n);
}));
program(5005, one_by_one(sub {				# says its part first
	my ($c) = @_;
	syswrite $c, 'x' x 1000;
	shutdown $c, SHUT_WR;
	note_down(everything($c));
}));
program(5006, one_by_one(sub { my ($c) = @_; print $c everything($c); $c->flush }));

sub noted {
	my $end = time + 20;
	sleep .05 while !-e "$dir/noted" && time < $end;
	my $text = slurp("$dir/noted");
	unlink "$dir/noted";
	return $text;
}

# --- The Guest calls ------------------------------------------------------------------

for my $seed (1, 2) {
	says("a megabyte there and back, seed $seed", 'vs-calls', qr/\A
cid\ 3\n
call:\ 1\n
sent:\ 1\ sum\ ([0-9a-f]+)\n
got\ 1048576\ sum\ \1\n
end:\ 3\n\z/x, $none, seed => $seed);
}
says('D16: nobody at a port, be it 0 or 2^32-1', 'vs-nobody', qr/\A
1:\ 3\ from\ 1\ to\ 5001\n
0:\ 3\ from\ 0\ to\ 2147483648\n
4294967295:\ 3\ from\ 4294967295\ to\ 4294967295\n
2147483648:\ 3\ from\ 2147483648\ to\ 0\n
5001:\ 3\ from\ 5001\ to\ 1\n\z/x, $none);
says('one direction ends', 'vs-half', qr/\A
call:\ 1\n
got\ 1000\ and\ the\ end,\ flags\ 2\n
end:\ 3\n\z/x, $none);
is(noted(), 'still here', '... and the other does not');
says('a Guest that leaves while its reader sleeps', 'vs-fills',
     qr/\Acall: 1\nsent (\d+)\nend: 3\ngone\n\z/, $none);
my ($sent) = slurp("$dir/out") =~ /^sent (\d+)/m;
is(noted(), $sent, '... and has sent ' . ($sent // 'nothing') . ' bytes, which all come');

# --- The Guest is called ----------------------------------------------------------------

sub caller_at {
	my ($line) = @_;
	my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or return;
	syswrite $socket, $line;
	return $socket;
}

# Reads @count bytes, or until a newline or the end.
sub hear {
	my ($socket, $count) = @_;
	my ($text, $end) = ('', time + 20);
	my $select = IO::Select->new($socket);
	while ($count ? length $text < $count : $text !~ /\n/) {
		return "$text (timeout)" if time > $end || !$select->can_read($end - time);
		sysread($socket, $text, $count ? $count - length $text : 1, length $text) or last;
	}
	return $text;
}

{
	my $pid = start(guest => 'vs-called', options => [@options]);
	ok(wait_for('out', qr/ready/), 'a Guest that is called');
	is((stat $path)[2] & 0777, 0600, 'its socket is for its user alone');
	my $c = caller_at("CONNECT 5000\nand more");
	like(hear($c), qr/\AOK 1\d{9}\n\z/, 'connected');
	is(hear($c, 8), 'and more', 'what followed the line is for the Guest');
	my $good = 0;
	for my $n (1 .. 100) {
		my $text = join '', map { chr(34 + int rand 90) } 1 .. 100 * $n;
		syswrite $c, $text;
		$good += hear($c, length $text) eq $text;
	}
	is($good, 100, 'half a megabyte there and back');
	close $c;
	$c = caller_at("CONNECT 5000\n");
	like(hear($c), qr/\AOK \d+\n\z/, 'again');
	shutdown $c, SHUT_WR;
	is(hear($c), '', 'the Guest hangs up when nothing more comes');
	for my $line ("CONNECT 5001\n", "CONNECT 0\n", "CONNECT 4294967295\n") {
		is(hear(caller_at($line)), '', "nobody there: $line");
	}
	like(slurp("$dir/out"), qr/^port 4294967295 from 1$/m, '... but the Guest was asked');
	for my $line ("CONNECT 4294967296\n", "CONNECT -1\n", "CONNECT \n", "CONNECT 5000 \n", "\n",
		      "connect 5000\n", "HELLO\n", 'x' x 100, "CONNECT 5000\0\n") {
		is(hear(caller_at($line)), '', 'no name of a port: ' . $line =~ s/[\n\0]/?/gr);
	}
	my @silent = map { caller_at('CONN') } 1 .. 150;
	my $late = caller_at("CONNECT 5000\n");
	is(hear($late), '', 'a crowd that does not say whom it wants takes all places');
	@silent = ();
	my $end = time + 10;
	my $answer = '';
	while ($answer !~ /OK/ && time < $end) {
		$c = caller_at("CONNECT 5000\n");
		$answer = hear($c);
	}
	like($answer, qr/\AOK/, '... until it leaves');
	syswrite $c, '!';
	is(finish($pid, 20), 0, 'the Guest ends');
	is(hear($c), '', '... and so does its connection');
	is(slurp("$dir/err"), '', '... and nobody complains');
}

# A process with as many files as it may have: callers wait, and nobody is busy.
{
	my $pid = start(guest => 'vs-called', options => [@options]);
	wait_for('out', qr/ready/);
	my $first = caller_at("CONNECT 5000\n");
	like(hear($first), qr/\AOK/, 'a caller as long as there are files');
	limit_files($pid, 3);
	my @late = map { caller_at("CONNECT 5000\n") } 1 .. 3;
	sleep .3;
	my $before = spent($pid);
	ok(!IO::Select->new(@late)->can_read(1), 'no more files: three callers wait');
	cmp_ok(spent($pid) - $before, '<', .2, '... and the wire does not spin');
	syswrite $first, 'still';
	is(hear($first, 5), 'still', '... but serves those who are there');
	limit_files($pid, 1000);
	like(hear($_), qr/\AOK/, 'files again: a caller is let in') for @late;
	syswrite $first, '!';
	is(finish($pid, 20), 0, 'the Guest ends');
	is(slurp("$dir/err"), '', '... and nobody complains');
}

# --- Who does not keep to the rules ------------------------------------------------------------

says('D16: nonsense', 'vs-nonsense', qr/\A
0:\ 3\n2:\ 3\n3:\ 0\n4:\ 3\n5:\ 3\n6:\ 3\n7:\ 3\n8:\ 3\n9:\ 3\n10:\ 3\n11:\ 3\n
type\ 2:\ 3\n
cid\ 77:\ 3\ from\ 77\n
from\ cid\ 77:\ 0\n
call:\ 1\nthe\ same\ again:\ 3\n
call:\ 1\na\ response:\ 3\n
call:\ 1\noperation\ 99:\ 3\n
call:\ 1\ndata\ after\ the\ end:\ 3\n
call:\ 1\ncredit:\ 6\ 65536\n\z/x, $none);
says('D16: lies about credit', 'vs-liar', qr/\A
call:\ 1\ntoo\ much:\ 3\n
call:\ 1\npassed\ on\ what\ never\ came:\ 1\n
holds\ 4\ GB:\ 1\n\z/x, $none);
says('D16: packets that are too short', 'vs-short',
     qr/\A(?:\d: 1\n){6}well again: 1\n\z/,
     qr/\A(?:lguest: vsock 0: a packet is not as long as it says; the device is stopped\n){6}\z/);
says('buffers without room', 'vs-small', qr/\Ano room: 1\ncall: 1\n\z/,
     qr/\Alguest: vsock 0: a buffer has no room for a packet; the device is stopped\n\z/);
says('D16: 200 calls', 'vs-crowd', qr/\A128 and 72\nagain: 1\n\z/, $none);
says('D16: a storm of calls', 'vs-storm', qr/\Aanswers: 1\nwell again: 1\n\z/, $none);
says("D16: a mad Guest, seed $_", 'vs-mad', qr/sane again: 1\n\z/,
     qr/\A(?:lguest: vsock 0: [^\n]*\n){0,8}\z/, seed => $_) for 1 .. 3;
{
	my @before = times;
	says('a Guest that does not listen', 'vs-deaf', qr/\Acall: 1\ngot 1000000\n\z/, $none);
	my @after = times;
	my $cpu = $after[2] + $after[3] - $before[2] - $before[3];
	cmp_ok($cpu, '<', 1.2, '... and nobody is busy in the meantime');
}
says('reboot', 'vs-reboots', qr/\A(?:life \d: 1\n){3}\z/, $none);

# --- The socket ------------------------------------------------------------------------------------

{
	my $pid = start(guest => 'vs-called', options => [@options]);
	wait_for('out', qr/ready/);
	finish(start(guest => 'hello', options => [@options], as => 'two'));
	like(slurp("$dir/two.err"), qr/\Alguest: cannot listen at \Q$path\E: Address already in use\n\z/,
	     'two Guests cannot have one path');
	kill 'KILL', $pid;
	finish($pid);
	says('what a killed Launcher leaves is no obstacle', 'vs-reboots', qr/\A(?:life \d: 1\n){3}\z/,
	     $none);
}
for (['cid=4', qr/which socket/], ['', qr/which socket/], ["$path,cid=2", qr/from 3 to/],
     ["$path,cid=4294967295", qr/from 3 to/], ['x' x 97, qr/too long/]) {
	my ($setting, $problem) = @$_;
	my $pid = start(guest => 'hello', options => ['--vsock', $setting]);
	is(finish($pid), 2, "--vsock " . substr $setting =~ s/\Q$dir\E//r, 0, 20);
	like(slurp("$dir/err"), qr/\Alguest: --vsock [^\n]*$problem[^\n]*\n\z/, '... is a mistake');
}
done_testing;
