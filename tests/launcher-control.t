#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The control socket of a running Guest, and the verbs that call it: list,
# pause, resume, stats, stop.  Its clients here are mostly ill-mannered: half
# messages and endless ones, crowds, silence, and other users.
#
# There is no module: tests/launcher/fake-module.c answers in its place.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Fake qw(:DEFAULT spent limit_files);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use JSON::PP qw(decode_json);
use POSIX ();
use Socket qw(SOCK_STREAM);
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = fake_dir();
$SIG{PIPE} = 'IGNORE';
# (A socket's address is short, and TMPDIR may not be.)
my $home = tempdir('lguest-XXXXXX', DIR => '/tmp', CLEANUP => 1);
$ENV{XDG_RUNTIME_DIR} = $home;

sub verb {
	my (@words) = @_;
	my $out = `LD_PRELOAD= $LGUEST @words 2>$dir/verb.err </dev/null`;
	return ($? & 127 ? -($? & 127) : $? >> 8, $out, slurp("$dir/verb.err"));
}

sub says {
	my ($what, $words, $status, $out, $err) = @_;
	my ($s, $o, $e) = verb($words);
	my $good = ok($s == $status && $o =~ $out && $e =~ $err, $what);
	diag("lguest $words\nstatus $s\nstdout: $o\nstderr: $e") if !$good;
}

my $none = qr/\A\z/;
my $path = "$home/lguest/web.sock";

sub client {
	return IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path);
}

# One line of answer, or undef.
sub hear {
	my ($socket, $limit) = @_;
	my ($line, $rin) = ('', '');
	my $end = time + ($limit // 10);
	vec($rin, fileno $socket, 1) = 1;
	while ($line !~ /\n/) {
		my $left = $end - time;
		return undef if $left <= 0 || !select(my $r = $rin, undef, undef, $left);
		return undef if !sysread $socket, $line, 1, length $line;
	}
	return $line;
}

sub ask {
	my ($text) = @_;
	my $socket = client() or return undef;
	syswrite $socket, $text;
	return hear($socket);
}

# --- Nobody is there ------------------------------------------------------------

says('an empty list', 'list', 0, qr/\ANAME +PID STATE +MEMORY +SECONDS\n\z/, $none);
says("$_ of a Guest that is not there", "$_ web", 1, $none,
     qr/\Alguest: no Guest named web is running; 'lguest list' shows/)
	for qw(pause resume stats stop);
says("$_ without a name", $_, 2, $none, qr/\Alguest: usage: lguest $_ NAME\n\z/)
	for qw(pause resume stats stop);
says('a name with a slash', 'stop ../x', 1, $none, qr/'\.\.\/x' is no name/);
says('list and a word', 'list web', 2, $none, qr/nobody asked for 'web'/);
says("--name $_", "run --name '$_' --kernel x", 2, $none, qr/takes up to 48 letters/)
	for '', '.web', '-web', 'a/b', 'a b', 'x' x 49;

# --- A Guest with a name ----------------------------------------------------------

# (All low numbers of files are taken, for the sake of a limit below.)
my $pid = start(guest => 'ticks', options => ['--name', 'web'],
		setup => sub { POSIX::dup2(0, $_) for 3 .. 20 });
ok(wait_for('out', qr/tick/), 'a Guest runs');
is((stat $path)[2] & 0777, 0600, 'its socket is for its user alone');
is((stat "$home/lguest")[2] & 0777, 0700, '... and so is the directory');
says('list', 'list', 0, qr/^web +$pid running +64M +\d+\n\z/m, $none);
says('stats', 'stats web', 0, qr/\Aexits +4711\nhypercalls +0\n(.*\n){18}\z/, $none);
{
	my $info = decode_json(ask(qq({"command": "info"}\n)) // '{}');
	is_deeply([@$info{qw(name pid state memory vcpus)}],
		  ['web', $pid, 'running', 64 << 20, 1], 'info is an object of JSON');
}
finish(start(guest => 'hello', options => ['--name', 'web'], keep => 1, as => 'two'));
like(slurp("$dir/two.err"), qr/\Alguest: there is a Guest named web already\n\z/,
     'a second one cannot have the name');
ok(kill(0, $pid), '... and the first is not disturbed');

sub ticks { return () = slurp("$dir/out") =~ /tick/g }

says('pause', 'pause web', 0, $none, $none);
says('list says so', 'list', 0, qr/^web +$pid paused/m, $none);
{
	my $before = ticks();
	sleep .5;
	is(ticks(), $before, 'a paused Guest does nothing');
	says('pause again', 'pause web', 0, $none, $none);
	says('resume', 'resume web', 0, $none, $none);
	my $end = time + 10;
	sleep .05 while ticks() == $before && time < $end;
	cmp_ok(ticks(), '>', $before, 'a resumed one goes on');
}
for (1 .. 20) {
	verb('pause web');
	verb('resume web');
}
{
	my $before = ticks();
	my $end = time + 10;
	sleep .05 while ticks() == $before && time < $end;
	cmp_ok(ticks(), '>', $before, 'it goes on after twenty pauses');
}

# A process with as many files as it may have: clients wait, and nobody is busy.
{
	my $first = client();
	syswrite $first, qq({"command": "info"}\n);
	ok(hear($first), 'a client as long as there are files');
	limit_files($pid, 12);			# poll() wants as many as it is given
	my $late = client();
	syswrite $late, qq({"command": "info"}\n);
	sleep .2;
	my $before = spent($pid);
	is(hear($late, 1), undef, 'no more files: the next one waits');
	cmp_ok(spent($pid) - $before, '<', .2, '... and the Launcher does not spin');
	syswrite $first, qq({"command": "info"}\n);
	ok(hear($first), '... but answers who is there');
	limit_files($pid, 1000);
	ok(hear($late), 'files again: an answer');
}

# --- Clients of another kind ---------------------------------------------------------

my @odd = (
	['no JSON', "hello\n", qr/"ok":false,"error":"no JSON/],
	['an empty line', "\n", qr/"error":"no JSON/],
	['no command', "{}\n", qr/there is no command in it/],
	['an array', "[1, 2]\n", qr/there is no command in it/],
	['a command that is none', qq({"command": "fly"}\n), qr/no command 'fly'/],
	['a command that is a number', qq({"command": 7}\n), qr/no command in it/],
	['two commands', qq({"command": "info", "command": "stop"}\n), qr/no JSON: dupl/],
	['escapes', qq({"command": "a\\u001b[2J"}\n), qr/no command 'a\.\[2J'/],
	['a deep nest', ('[' x 4000) . "\n", qr/no JSON/],
);
for (@odd) {
	my ($what, $text, $answer) = @$_;
	like(ask($text) // 'silence', $answer, "$what is refused");
}
is(ask('x' x 5000), undef, 'an endless line is not read to its end');
is(ask("\0\n"), undef, 'a zero byte is no text');
{
	my $socket = client();
	syswrite $socket, $_ for '{"comm', 'and": ';
	sleep .1;
	syswrite $socket, qq("info"}\n{"command": "info"}\n{"command);
	like(hear($socket) // '', qr/"ok":true/, 'a line can come in pieces');
	like(hear($socket) // '', qr/"ok":true/, '... and two in one');
	close $socket;
}
{
	my $socket = client();
	my $sent = 0;
	$socket->blocking(0);
	for (1 .. 100_000) {
		my $n = syswrite $socket, qq({"command": "stats"}\n);
		last if !defined $n && $!{EPIPE};
		$sent++;
		select undef, undef, undef, .001 if !defined $n;
		last if $_ > 20_000 && !defined $n;
	}
	ok($sent, 'a client that never reads has asked a lot');
	says('the others are still answered', 'list', 0, qr/^web/m, $none);
}
{
	my @crowd = map { client() } 1 .. 200;
	sleep .5;
	close $_ for grep { $_ } @crowd;
	says('a crowd has come and gone', 'list', 0, qr/^web/m, $none);
	my @silent = grep { $_ } map { client() } 1 .. 8;
	sleep .3;
	my (undef, $out) = verb('stats web');
	close $_ for @silent;
	sleep .3;
	says('silent clients keep a place only while they are there', 'stats web', 0,
	     qr/^exits/, $none);
}
for (1 .. 1000) {
	my $socket = client() or next;
	syswrite $socket, qq({"command": "info"}\n);
	close $socket;
}
says('a thousand who did not wait for the answer', 'list', 0, qr/^web/m, $none);
{
	my @open = glob("/proc/$pid/fd/*");
	cmp_ok(scalar @open, '<', 58, 'and no descriptor was left: ' . @open);
}
SKIP: {
	skip 'needs root', 1 if $> != 0;
	chmod 0755, $home, "$home/lguest", $dir;
	chmod 0666, $path;
	my $child = fork // die "fork: $!";
	if (!$child) {
		$> = 65534;
		my $socket = client() or exit 3;
		syswrite $socket, qq({"command": "stop"}\n);
		exit(defined hear($socket) ? 4 : 0);
	}
	waitpid $child, 0;
	is($? >> 8, 0, 'another user is not answered, even if let in');
	chmod 0700, $home, "$home/lguest";
	chmod 0600, $path;
}
ok(kill(0, $pid), 'the Guest has not noticed any of this');

# --- The end -----------------------------------------------------------------------

says('stop', 'stop web', 0, $none, $none);
ok(!-e $path, '... returns when the Guest is gone');
is(finish($pid), 143, 'which ended as SIGTERM ends it');
is(slurp("$dir/err"), '', '... without complaint');

$pid = start(guest => 'ticks', options => ['--name', 'web']);
wait_for('out', qr/tick/);
kill 'KILL', $pid;
finish($pid);
ok(-e $path, 'a killed Launcher leaves its socket');
says('nobody listens there', 'stats web', 1, $none, qr/no Guest named web/);
says('and it is not listed', 'list', 0, qr/SECONDS\n\z/, $none);
$pid = start(guest => 'ticks', options => ['--name', 'web']);
ok(wait_for('out', qr/tick/), 'the name can be used again');
my $other = start(guest => 'ticks', options => ['--name', 'other'], as => 'other');
wait_for('other.out', qr/tick/);
kill 'KILL', $other;
finish($other);
ok(-e "$home/lguest/other.sock", 'another is killed');
$other = start(guest => 'ticks', options => ['--name', 'third'], as => 'third');
wait_for('third.out', qr/tick/);
ok(!-e "$home/lguest/other.sock", '... and the next one removes its socket');
ok(-e $path, '... but not that of who is alive');
says('... who answers', 'stats web', 0, qr/^exits/, $none);
verb('stop third');
finish($other);
verb('pause web');
says('a paused Guest can be stopped', 'stop web', 0, $none, $none);
is(finish($pid), 143, 'and it ends');

$pid = start(guest => 'reboots', options => ['--name', 'web']);
is(finish($pid), 0, 'a Guest with a name reboots');
ok(!-e $path, '... and its name is free at the end');

$pid = start(guest => 'ticks');
wait_for('out', qr/tick/);
says('a Guest without a name has one', 'list', 0, qr/^guest-$pid +$pid running/m, $none);
says('... by which it stops', "stop guest-$pid", 0, $none, $none);
finish($pid);

# --- No place for a socket -----------------------------------------------------------

{
	local $ENV{XDG_RUNTIME_DIR} = "$dir/nowhere/at-all";
	finish(start(guest => 'hello'));
	like(slurp("$dir/out"), qr/hello, world/, 'no directory: the Guest runs');
	like(slurp("$dir/err"), qr/\Alguest: cannot make a control socket: No such file[^\n]*\n\z/,
	     '... and it is said');
	is(finish(start(guest => 'hello', options => ['--name', 'web'])), 1,
	   'but not if it should have a name');
	mkdir "$dir/loose", 0700;
	symlink $home, "$dir/loose/lguest";
	$ENV{XDG_RUNTIME_DIR} = "$dir/loose";
	is(finish(start(guest => 'hello', options => ['--name', 'web'])), 1,
	   'a link in the place of the directory is not followed');
	unlink "$dir/loose/lguest";
	mkdir "$dir/loose/lguest";
	chmod 0777, "$dir/loose/lguest";
	is(finish(start(guest => 'hello', options => ['--name', 'web'])), 1,
	   'a directory that others may write to is not used');
	like(slurp("$dir/err"), qr/control socket: Operation not permitted/, '... and it is said');
}
done_testing;
