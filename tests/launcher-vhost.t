#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices that another process serves, without a module: a disk of the real
# qemu-storage-daemon, a share of the real virtiofsd, and a back end that
# misbehaves in every answer that it gives. The drivers are in
# tests/launcher/vhost.c.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake;
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);

my $top = abs_path(dirname(__FILE__) . '/..');
my $dir = fake_dir('vhost.c');
chmod 0755, $dir;
$ENV{XDG_RUNTIME_DIR} = $dir;
my @no_console = ('--console', 'none');
my $none = qr/\A\z/;
my $server = '/usr/lib/qemu/virtiofsd';
for ('qemu-storage-daemon', 'qemu-img', $server) {
	die "$_ is missing: build/packages test\n" if !`sh -c 'command -v $_'`;
}

sub ends {
	my ($what, $status, $out, $err, %how) = @_;
	my $limit = delete $how{limit} // 60;
	my $as = $how{as} ? "$how{as}." : '';
	my $begin = time;
	my $s = finish(start(%how), 60) // 'timeout';
	my $took = time - $begin;
	my ($o, $e) = map { slurp("$dir/$as$_") } 'out', 'err';
	my $good = ok($s eq $status && $o =~ $out && $e =~ $err && $took < $limit, $what);
	$_ = substr $_, 0, 2000 for $o, $e;
	diag("status $s after $took s\nstdout: $o\nstderr: $e") if !$good;
}

# Until somebody listens at this socket. (Its name is there earlier.)
sub wait_for_socket {
	my ($socket) = @_;
	my $end = time + 20;
	sleep .01 while time < $end &&
		slurp('/proc/net/unix') !~ /^\S+: \S+ \S+ 00010000 .* \Q$socket\E$/m;
}

# --- A disk of qemu-storage-daemon ------------------------------------------------

my @daemons;
END { kill 'KILL', @daemons; }

sub serve_image {
	my ($image, $format, $writable) = @_;
	my $socket = "$dir/disk.sock";
	unlink $socket;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		exec 'qemu-storage-daemon', '--blockdev',
			"driver=$format,node-name=d,read-only=" . ($writable ? 'off' : 'on') .
			",file.driver=file,file.filename=$image", '--export',
			"vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=$socket,writable=" .
			($writable ? 'on' : 'off');
		die "exec: $!";
	}
	push @daemons, $pid;
	wait_for_socket($socket);
	return ($pid, $socket);
}

sub stop_daemon {
	my ($pid) = @_;
	@daemons = grep { $_ != $pid } @daemons;
	kill 'TERM', $pid;
	return finish($pid, 20);
}

for my $format ('raw', 'qcow2') {
	my $image = "$dir/disk.$format";
	system('qemu-img', 'create', '-q', '-f', $format, $image, '64M') == 0 or die 'qemu-img';
	my ($pid, $socket) = serve_image($image, $format, 1);
	my %disk = (options => [@no_console, '--vhost-disk', $socket]);
	ends("$format: a hundred places written, flushed and read", 0, qr/\A
type\ 2\ queues\ 1\ sectors\ 131072\ flush\ 1\ ro\ 0\n
flush\ 0\n
bad\ 0\n
beyond\ the\ end\ 1\n
at\ the\ first\ place\ 0\n\z/x, $none, guest => 'uses-disk', %disk);
	ends("$format: the same by a Launcher that is not locked up", 0, qr/^bad 0\n/m, $none,
	     guest => 'uses-disk', options => [@{$disk{options}}, '--sandbox', 'off']);
	# What another process sees of it at once.
	my $seen = sub {
		my $text = `qemu-io -r -U -f $format -c 'read -v 2560 16' $image 2>&1`;
		return $text =~ /67 12 00 00/;		# 4711
	};
	ok(!$seen->(), "$format: nothing there yet");
	ends("$format: a driver that does not flush", 0, qr/\Awrite 0\n\z/, $none,
	     guest => 'does-not-flush', %disk);
	ok($seen->(), "$format: what it wrote is in the image");
	ends("$format: thirty resets in each of five lives", 0,
	     qr/\A(life \d bad 0\n){5}\z/, $none, guest => 'resets-disk', %disk);
	ends("$format: fifty resets while a request is on its way", 0,
	     qr/\Aresets bad 0, then 0\n\z/, $none, guest => 'resets-early', %disk);
	my $guest = start(guest => 'waits-for-end', %disk);
	ok(wait_for('out', qr/ready 0/), "$format: a disk in use");
	kill 'KILL', $pid;
	is(finish($guest, 20), 0, '... whose daemon is killed: the Guest lives');
	like(slurp("$dir/out"), qr/^told, status 4[bf]\nfeatures refused\n\z/m, '... and is told');
	like(slurp("$dir/err"), qr/\Alguest: vhost-disk 0: its back end has closed the connection; the device is stopped\n\z/,
	     '... and so is the user, once');
	finish($pid, 5);
	($pid, $socket) = serve_image($image, $format, 0);
	ends("$format: a disk that may only be read", 0, qr/ro 1\nwrite 1\n\z/, $none,
	     guest => 'writes-to-read-only', %disk);
	is(stop_daemon($pid), 0, '... and its daemon ends well');
	like(`qemu-img check -f $format $image 2>&1`, qr/No errors|does not support checks/,
	     '... and the image is whole');
}

# Rings that are wrong: some never reach the back end; of the others it may die, and
# the Launcher does not.
for (['ring-outside', qr/table outside of memory; the device is stopped/],
     ['ring-bus', qr/table outside of memory; the device is stopped/],
     ['loop'], ['outside'], ['bus'], ['counter'], ['no-status']) {
	my ($lie, $message) = @$_;
	my ($pid, $socket) = serve_image("$dir/disk.raw", 'raw', 1);
	ends("a ring that lies to the disk: $lie", 0,
	     $message ? qr/\Atold\nthen 0\n\z/ : qr/\A(told|silence)\n(then 0|features refused)\n\z/,
	     $message ? qr/\Alguest: vhost-disk 0: queue 0 has a $message\n\z/ :
	     qr/\A(lguest: vhost-disk 0: its back end [^\n]*\n)?\z/,
	     guest => 'lies-to-disk', options => [@no_console, '--vhost-disk', $socket],
	     setup => sub { $ENV{LIE} = $lie });
	kill 'KILL', $pid;
	finish($pid, 5);
}
ends('nobody listens', 1, $none, qr/\Alguest: vhost-disk: cannot connect with \S*nobody: No such file[^\n]*\n\z/,
     guest => 'quiet', options => ['--vhost-disk', "$dir/nobody"]);

# --- A back end that is not well ---------------------------------------------------------

my $ill = "$dir/back-end";
system('gcc', '-O2', '-o', $ill, "$top/tests/launcher/back-end.c") == 0 or die 'gcc';
my %number = (features => 1, accept => 2, memory => 5, size => 8, place => 9, base => 10,
	      back => 11, kick => 12, protocol => 15, enable => 18, config => 24);

sub ill {
	my ($what, $when, $how, $status, $out, $err, %more) = @_;
	unlink "$dir/ill.sock";
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDOUT, '>', "$dir/ill.out" or die;
		exec $ill, "$dir/ill.sock", $number{$when} // 0, $how;
		die "exec: $!";
	}
	wait_for_socket("$dir/ill.sock");
	ends("$when $how: $what", $status, $out, $err, guest => 'asks-disk', limit => 15,
	     options => [@no_console, '--vhost-disk', "$dir/ill.sock"], %more);
	kill 'KILL', $pid;
	finish($pid, 5);
	return slurp("$dir/ill.out");
}

my $line = sub { qr/\Alguest: vhost-disk 0: its back end $_[0]\n\z/ };
my @faults = (
	[ dies => qr/has closed the connection/ ], [ short => qr/sends an answer of an odd size/ ],
	[ long => qr/sends an answer of an odd size/ ], [ other => qr/answers another question/ ],
	[ unflagged => qr/answers another question/ ], [ version => qr/answers another question/ ],
	[ huge => qr/sends an answer of an odd size/ ], [ 'half-dies' => qr/has closed the connection/ ],
);
for my $fault (@faults) {
	my ($how, $words) = @$fault;
	ill('the Launcher does not start', 'features', $how, 1, $none, $line->($words));
	ill('the Launcher does not start', 'config', $how, 1, $none, $line->($words));
	ill('no features for the driver', 'memory', $how, 0, qr/\Afeatures refused\n\z/, $line->($words));
	ill('the device breaks', 'kick', $how, 0,
	    qr/\Aasked\nbroken, and told\nagain\nfeatures refused\n\z/, $line->(qr/$words; the device is stopped/));
}
ill('the Launcher does not start', 'features', 'nothing', 1, $none, $line->(qr/is too old/));
ill('the Launcher does not start', 'protocol', 'nothing', 1, $none, $line->(qr/is too old/));
ill('only what we know is offered', 'features', 'everything', 0, qr/\Afeatures 130006676\ncontent\n\z/, $none,
    guest => 'is-content');
ill('answers in pieces and with files are answers', 'memory', $_, 0, qr/content\n\z/, $none,
    guest => 'is-content') for 'slow', 'files';
ill('an answer too many is one to the next question', 'memory', 'chatty', 0, qr/content\n\z/,
    $line->(qr/answers another question; the device is stopped/), guest => 'is-content');
ill('the Launcher does not start', 'config', 'empty', 1, $none, $line->(qr/has an odd configuration/));
ill('no features for the driver', $_, 'refuses', 0, qr/\Afeatures refused\n\z/, $line->(qr/does not obey/))
	for 'accept', 'memory';
ill('the device breaks', $_, 'refuses', 0, qr/\Aasked\nbroken, and told\n/,
    $line->(qr/does not obey; the device is stopped/)) for 'size', 'place', 'base', 'kick', 'enable';
ill('the Launcher gives up', 'features', $_, 1, $none, $line->(qr/does not answer/))
	for 'silent', 'half', 'drip';
ill('the driver is refused', 'memory', 'silent', 0, qr/\Afeatures refused\n\z/, $line->(qr/does not answer/));
ill('the device breaks', 'kick', 'silent', 0, qr/\Aasked\nbroken, and told\n/,
    $line->(qr/does not answer; the device is stopped/));

# A reset, with a back end that does not give the queue back.
for my $how ('silent', 'dies', 'short', 'huge', 'other') {
	my $begin = time;
	ill('the reset comes to its end', 'back', $how, 0, qr/\Agiving up\nstatus 0\n\z/,
	    qr/\Alguest: vhost-disk 0: its back end [^\n]*\n\z/, guest => 'gives-up-disk');
}
{
	# While a vCPU waits for that, the other devices have time for their users.
	unlink "$dir/ill.sock";
	my $pid = fork // die "fork: $!";
	exec $ill, "$dir/ill.sock", $number{back}, 'silent' if !$pid;
	wait_for_socket("$dir/ill.sock");
	my $guest = start(guest => 'gives-up-disk',
			  options => [@no_console, '--vhost-disk', "$dir/ill.sock", '--name', 'v']);
	ok(wait_for('out', qr/giving up/), 'a Guest waits for a silent back end');
	sleep .3;
	my $begin = time;
	is(system("LD_PRELOAD= $LGUEST balloon v 4M >$dir/verb.out 2>&1 </dev/null"), 0,
	   '... and its balloon is inflated')
		or diag(slurp("$dir/verb.out"));
	my $took = time - $begin;
	cmp_ok($took, '<', 2, sprintf '... in %.1f s', $took);
	unlike(slurp("$dir/out"), qr/status/, '... before the wait is over');
	is(finish($guest, 20), 0, '... which it is in the end');
	kill 'KILL', $pid;
	finish($pid, 5);
}
{
	# The same at the end of the Launcher, which is in a hurry then.
	my $begin;
	unlink "$dir/ill.sock";
	my $pid = fork // die "fork: $!";
	exec $ill, "$dir/ill.sock", $number{back}, 'silent' if !$pid;
	wait_for_socket("$dir/ill.sock");
	my $guest = start(guest => 'sleeps-with-disk', options => [@no_console, '--vhost-disk', "$dir/ill.sock"]);
	ok(wait_for('out', qr/asleep/), 'a Guest with a silent back end');
	$begin = time;
	kill 'TERM', $guest;
	is(finish($guest, 20), 143, '... can be ended');
	my $took = time - $begin;
	cmp_ok($took, '<', 9, sprintf '... in %.1f s', $took);
	kill 'KILL', $pid;
	finish($pid, 5);
}
{
	my $text = ill('the memory cannot be resized', 'memory', 'abuses', 0, qr/content\n\z/, qr//,
		       guest => 'is-content');
	like($text, qr/^offered 67108864, guest 0, offset 0\nshrink -1 grow -1 unseal -1\n/,
	     '... and only RAM is offered');
}

# --- A share of virtiofsd -------------------------------------------------------------------

my $share = "$dir/a share, with a comma";
mkdir $share;
mkdir "$share/dir";
sub put { my ($name, $text) = @_; open my $out, '>', $name or die "$name: $!"; print $out $text; close $out; }
put("$share/hello", 'hello, world');
put("$dir/secret", 'secret');
symlink '../secret', "$share/out";
symlink '/etc/passwd', "$share/etc";
put("$share/dir/inner", 'inside');
mkfifo("$share/fifo", 0644);
system('mknod', "$share/zero", 'c', 1, 5);
put("$share/f$_", '') for 0 .. 2999;

# How the shares look to an ordinary user; root gets no more.
my $nobody = 65534;
mkdir "$dir/run";
chown $nobody, $nobody, "$dir/run", $share, glob("'$share/*'"), "$share/dir";
copy($LGUEST, "$dir/launcher") or die "copy: $!";
chmod 0755, "$dir/launcher";

sub quote { my ($name) = @_; $name =~ s/,/,,/g; return $name; }
my %as = ('root' => sub { },
	  'an ordinary user' => sub {
		$ENV{XDG_RUNTIME_DIR} = "$dir/run";
		$( = $nobody;
		$) = "$nobody $nobody 100 101";
		POSIX::setuid($nobody);
	  });
SKIP: {
	skip 'not root', 1 if $> != 0;
	for my $who (sort keys %as) {
		my %share = (setup => sub { $as{$who}->(); $ENV{TELL} = 1 },
			     as => 'run/share',
			     options => [@no_console, '--share', quote($share) . ',tag=mine']);
		local $Fake::LGUEST = "$dir/launcher";
		chown $who eq 'root' ? (0, 0) : ($nobody, $nobody), $share, glob("'$share/*'");
		unlink glob("'$share/new*'");
		ends("$who: a file is read and made, in three lives", 0, qr/\A(
type\ 26\ tag\ mine\ queues\ 2\n
hello:\ mode\ 100644\ uid\ 0\n
hello:\ hello,\ world\n
create\ new\d?:\ done\n){3}\z/x, $none, guest => 'uses-share', %share);
		is((stat "$share/new")[4], $who eq 'root' ? 0 : $nobody, '... and belongs to the user');
		unlink glob("'$share/new*'");
		ends("D15: $who, no way out", 0, qr/\A
\.\.:\ [^\n]+\n
\.\.\/secret:\ Invalid\ argument\n
\/etc\/passwd:\ Invalid\ argument\n
dir\/\.\.\/\.\.\/secret:\ Invalid\ argument\n
:\ (Invalid\ argument|No\ such\ file\ or\ directory)\n
hel:\ No\ such\ file\ or\ directory\n
x{20}:\ [^\n]+\n
x{20}:\ [^\n]+\n
etc:\ mode\ 120777\ uid\ \d+\n
open\ etc:\ [^\n]+\n
out:\ mode\ 120777\ uid\ \d+\n
open\ out:\ [^\n]+\n
zero:\ mode\ 2\d+\ uid\ \d+\n
open\ zero:\ Bad\ file\ descriptor\n
fifo:\ mode\ 1\d+\ uid\ \d+\n
open\ fifo:\ Bad\ file\ descriptor\n
mknod\ mem:\ Operation\ not\ permitted\n
mknod\ pipe:\ done\n
open\ no\ such\ node:\ [^\n]+\n
still\ there:\ hello:\ mode\ 100644\ uid\ 0\n
hello:\ hello,\ world\n\z/x, $none, guest => 'escapes-share', %share);
		unlink "$share/pipe", "$share/mem";
		ends("D15: $who, read-only", 0, qr/^hello: hello, world\ncreate new: Read-only file system\n/m, $none,
		     guest => 'uses-share', %share, options => [@no_console, '--share', quote($share) . ',ro']);
		ok(!-e "$share/new", '... and nothing was made');
		ends("D15: $who, three thousand files held", 0, qr/^open all\nhello: mode/m, $none,
		     guest => 'forgets-nothing', %share);
		ends("D15: $who, more files than there are", 0,
		     qr/^open some\nhello: mode[^\n]*\nhello: hello, world\n\z/m, $none,
		     guest => 'exhausts-files', %share, setup => sub {
			my $limit = pack 'Q2', (400) x 2;
			syscall(302, 0, 7, $limit, 0) == 0 or die "prlimit: $!";
			$share{setup}->();
		     });
		my $guest = start(guest => 'races-share', %share, setup => sub {
			$ENV{RACES} = $ENV{SAMPLE} ? 2000 : 30_000;
			$share{setup}->();
		});
		wait_for('run/share.out', qr/racing/);
		my $moves = 0;
		while (waitpid($guest, POSIX::WNOHANG()) == 0) {
			$moves += rename "$share/dir", "$dir/moved";
			symlink '..', "$share/dir";
			rename "$dir/moved", "$share/dir.new";
			rename "$share/dir.new", "$dir/again" if $moves % 3 == 0;
			unlink "$share/dir";
			rename -d "$dir/again" ? "$dir/again" : "$share/dir.new", "$share/dir";
		}
		is($? >> 8, 0, "D15: $who, $moves moves out of the share and back");
		like(slurp("$dir/run/share.out"), qr/\Aracing\ndirectories, files, 0 secrets\n\z/,
		     "D15: $who, ... show nothing that is outside");
		is(slurp("$dir/run/share.err"), '', '... and nobody complains');
		ends("D15: $who, a request that kills the server", 0, qr/\Acreate new: done\ntold\nfeatures refused\n\z/,
		     qr/\Alguest: share 0: its back end has closed the connection: [^\n]+; the device is stopped\n\z/,
		     guest => 'makes-twice', %share);
		unlink "$share/new";
	}
}
chown 0, 0, $share, glob("'$share/*'");
ends('no such directory', 1, $none, qr/\Alguest: share: cannot share \S*nowhere: No such file or directory\n\z/,
     guest => 'quiet', options => ['--share', "$dir/nowhere"]);
ends('a file', 1, $none, qr/\Alguest: share 0: its back end has closed the connection: cannot mount it[^\n]*\n\z/,
     guest => 'quiet', options => [@no_console, '--share', "$dir/secret"]);
ends('a long tag', 2, $none, qr/the tag has from 1 to 36 bytes/, guest => 'quiet',
     options => ['--share', "dir=$dir,tag=" . 'x' x 37]);
my @left = grep { -e "/proc/$_" } map { /^(\d+)\s/ ? $1 : () }
	grep { m{virtiofsd} && m{source=/tmp} } `ps -eo pid,args`;
sleep .5;
is(scalar(grep { -e "/proc/$_" } @left), 0, 'no server is left behind') or diag("@left");
done_testing;
