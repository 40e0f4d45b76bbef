#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The disk: every request, hostile ones too, what is durable when, what a failed
# fdatasync and a full file system do, locks, limits, and a reset with requests
# under way; all with io_uring and with threads.  There is no module: see
# tests/launcher/fake-module.c; the Guest is a script for tests/launcher/disk.c,
# which also counts and spoils the system calls of the Launcher.
#
# Needs a C compiler.  LGUEST names another binary, such as one that was built
# with sanitizers.

use strict;
use warnings;
use Cwd qw(abs_path);
use Fcntl qw(:DEFAULT :flock);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake qw($LGUEST make_kernel make_fake finish slurp);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);

# (Where O_DIRECT works, as it may not in /tmp.)
my $dir = tempdir('lguest-test-XXXXXX', DIR => '/var/tmp', CLEANUP => 1);
my $fake = make_fake("$dir/fake-module.so", 'disk.c');
my $kernel = make_kernel("$dir/vmlinux");

# --- Running -----------------------------------------------------------------

# A fresh image of @size bytes, all 0x11.
sub image {
	my ($size, $name) = @_;
	$name //= "$dir/image";
	unlink $name;
	open my $out, '>:raw', $name or die "$name: $!";
	print $out "\x11" x $size;
	close $out;
	return $name;
}

sub start {
	my ($disk, $script, %o) = @_;
	my $files = $o{files} // "$dir/run";
	unlink map { "$files.$_" } 'out', 'err';
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', "$files.out";
	open STDERR, '>', "$files.err";
	@ENV{qw(SCENARIO SCRIPT LD_PRELOAD)} = ('disk', $script, $fake);
	$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0';
	$ENV{$_} = $o{env}{$_} for keys %{$o{env} // {}};
	$ENV{XDG_RUNTIME_DIR} = $dir;
	my @command = ($LGUEST, 'run', '--kernel', $kernel, @{$o{options} // []},
		       (map { ("--$_", 'none') } qw(console rng balloon)),
		       map { ('--disk', $_) } ref $disk ? @$disk : $disk);
	unshift @command, @{$o{under}} if $o{under};
	exec @command;
	die "exec: $!";
}

# Runs a script: it prints these words, and says on standard error what matches.
sub says {
	my ($what, $disk, $script, $expect, %o) = @_;
	my $status = finish(start($disk, $script, %o)) // 'timeout';
	my ($out, $err) = map { slurp("$dir/run.$_") } 'out', 'err';
	my $wanted = join '', map { "$_\n" } split / *; */, $expect;
	my $good = ok($status eq ($o{status} // 0) &&
		      (ref $expect ? $out =~ $expect : $out eq $wanted) &&
		      $err =~ ($o{err} // qr/\A\z/), $what);
	diag("status $status\nstdout: $out\nstderr: " . substr $err, 0, 2000)
		if !$good;
	return $good;
}

sub wait_for {
	my ($name, $what) = @_;
	my $end = time + 30;
	sleep .01 while slurp($name) !~ $what && time < $end;
	return slurp($name) =~ $what;
}

# --- Settings ------------------------------------------------------------------

my $i = image(1 << 20);
for (['', 'needs the path'], ["$i,cache=none", 'cache is'],
     ["$i,discard=maybe", 'discard is'], ["$i,queues=0", 'queues is'],
     ["$i,queues=17", 'queues is'], ["$i,iops=0", 'iops is'],
     ["$i,bps=511", 'bps is'], ["$i,bps=fast", 'bps is'],
     ["$i,engine=steam", 'engine is'], ["$i,serial=" . 'x' x 21, '20 bytes'],
     ["$i,format=qcow2", 'not known']) {
	my ($disk, $wrong) = @$_;
	says("--disk $disk", $disk, '', '', status => 2,
	     err => qr/\Alguest: --disk [^\n]*: [^\n]*\Q$wrong\E[^\n]*\n\z/);
}
says('a file that is missing', "$dir/missing", '', '', status => 1,
     err => qr{\Alguest: disk \Q$dir\E/missing: No such file or directory\n\z});
says('a directory', $dir, '', '', status => 1, err => qr/neither a file nor a block device\n\z/);
POSIX::mkfifo("$dir/fifo", 0600);
says('a pipe', "$dir/fifo", '', '', status => 1, err => qr/neither a file nor a block device\n\z/);
says('an empty file', image(0, "$dir/empty"), '', '', status => 1, err => qr/is empty/);
says('less than a sector', image(511, "$dir/empty"), '', '', status => 1, err => qr/is empty/);
says('a tail is not part of the disk', image(1024 + 100, "$dir/tail"),
     'look; write 1 1 aa; write 2 1 bb; write 1 2 cc',
     'capacity 2 queues 1,1 wce 1 features 6a44; write 0; write 1; write 1',
     err => qr/\Alguest: [^\n]*the last 100 bytes are no whole sector[^\n]*\n\z/);
says('features of a disk', $i, 'look', 'capacity 2048 queues 1,1 wce 1 features 6a44');
says('... that is read-only', "$i,ro", 'look', 'capacity 2048 queues 1,1 wce 1 features 264');
says('... that writes through', "$i,cache=writethrough", 'look',
     'capacity 2048 queues 1,1 wce 0 features 6a44');
says('... without discard', "$i,discard=off", 'look',
     'capacity 2048 queues 1,1 wce 1 features 4a44');
says('... with several queues', "$i,queues=4", 'look',
     'capacity 2048 queues 4,4 wce 1 features 7a44');
says('two disks', [$i, image(4096, "$dir/second") . ',ro'], 'look', 
     'capacity 2048 queues 1,1 wce 1 features 6a44');
says('the format is never guessed', do {
	my $name = image(65536, "$dir/qcow2");
	open my $out, '+<', $name;
	print $out "QFI\xfb", pack 'N*', 3, 0, 0;
	close $out;
	$name;
}, 'read 1 1; look', 'read 0 11; capacity 128 queues 1,1 wce 1 features 6a44');
says('many queues: interrupts run out', [map { image(4096, "$dir/d$_") . ',queues=16' } 1 .. 4],
     '', '', status => 1, err => qr/cannot connect the disk with the Guest: No space left/);

# --- What holds for both engines -------------------------------------------------

sub common {
	my ($engine, %o) = @_;
	my $e = "engine=$engine";
	my $fresh = sub { image(1 << 20) . ",$e" };
	my $is = sub {
		my ($what, $at, $len, $byte) = @_;
		my $text = slurp("$dir/image");
		ok(length $text == 1 << 20 && substr($text, $at * 512, $len * 512) eq
		   chr($byte) x ($len * 512), "$e: $what");
	};

	for my $shape (0 .. 3) {
		says("$e: read and write, shape $shape", $fresh->(),
		     "shape $shape;write 8 2 0xaa;read 8 2;read 10 1;read 7 1;flush;" .
		     'write 2047 1 0xbb;read 2047 1',
		     'write 0;read 0 aa;read 0 11;read 0 11;flush 0;write 0;read 0 bb');
		$is->('... into the file', 8, 2, 0xaa);
		$is->('... up to its end', 2047, 1, 0xbb);
		says("$e: in pieces and interrupted, shape $shape", $fresh->(),
		     "pieces 1;shape $shape;write 8 20 0xaa;read 8 20;read 28 1;read 0 8",
		     'write 0;read 0 aa;read 0 11;read 0 11');
		$is->('... into the file', 8, 20, 0xaa);
	}
	says("$e: direct", image(1 << 20) . ",direct,$e",
	     'write 8 8 0xaa;read 8 8;directs;shape 1;write 3 2 0xbb;read 3 2;directs;shape 0;' .
	     'read 8 8;many 21 8;directs',
	     'write 0;read 0 aa;direct 2;write 0;read 0 bb;direct 0;read 0 aa;' .
	     'many: 21 written, 21 read, 0 wrong;direct 43');
	says("$e: 21 at a time", $fresh->(), 'many 21 97;' x 5,
	     join ';', ('many: 21 written, 21 read, 0 wrong') x 5);
	# More than a queue has places; what is read is there at once.
	says("$e: 80 at a time", $fresh->(), 'many 80 8;' x 3,
	     join ';', ('many: 80 written, 80 read, 0 wrong') x 3);
	says("$e: in two queues", $fresh->() . ',queues=2', 'many 21 97;' x 5,
	     join ';', ('many: 21 written, 21 read, 0 wrong') x 5);

	# sectors that are not there, and other numbers that lie
	my $last = 2047;
	says("D10: $e, beyond the end", $fresh->(), join(';', map { "any 1 $_;any 0 $_ 1" }
	     '2048 512', "$last 1024", '0x80000000000000 512', '0x7fffffffffffff 1024',
	     '0xffffffffffffffff 512', '0xfffffffffffffff8 8192', '0 511', '0 1', '7 513',
	     '0 1049088'), join ';', ('any 1') x 20);
	is(slurp("$dir/image"), "\x11" x (1 << 20), "D10: $e, nothing has changed, nothing grew");
	says("D12: $e, nothing to read or write is no error", $fresh->(),
	     'any 0 5 0 1;any 1 5 0;any 0 2048 0 1;any 0 2049 0 1', 'any 0;any 0;any 0;any 1');
	says("D10: $e, types that nobody knows", $fresh->(),
	     join(';', map { "any $_ 0 512 1" } 2, 3, 5, 9, 10, 12, 14, 15, 4294967295),
	     join ';', ('any 2') x 9);

	# the name
	for (['', '.' x 20], [',serial=disk-1', 'disk-1' . '.' x 14],
	     [',serial=' . 'n' x 20, 'n' x 20]) {
		my ($option, $name) = @$_;
		my $short = substr($name, 0, 1) . 'x' x 23;
		says("D12: $e, its name$option, in buffers of odd sizes", $fresh->() . $option,
		     'name 20;shape 1;name 20;shape 2;name 24;shape 0;name 1;name 0',
		     "name 0 ${name}xxxx 21;name 0 ${name}xxxx 21;name 0 ${name}xxxx 21;" .
		     "name 0 $short 2;name 0 " . 'x' x 24 . ' 1');
	}

	# discard and write zeroes
	my $text = sub { "ranges 11 $_[0];read 64 8;ranges 13 $_[1]" };
	says("$e: discard", $fresh->(), 'ranges 11 1 64 8 0;read 64 8;read 72 1;read 63 1',
	     'ranges 0;read 0 00;read 0 11;read 0 11');
	says("$e: discard of 16 ranges", $fresh->(), 'ranges 11 16 64 8 0;read 64 128;read 192 1',
	     'ranges 0;read 0 00;read 0 11');
	says("$e: write zeroes, with and without unmap", $fresh->(),
	     'ranges 13 1 64 8 0;ranges 13 2 80 3 1;read 64 8;read 80 6;read 72 8;read 86 1',
	     'ranges 0;ranges 0;read 0 00;read 0 00;read 0 11;read 0 11');
	says("D11: $e, ranges of nothing", $fresh->(),
	     'ranges 13 16 64 0 0;ranges 11 1 2048 0 0;read 64 8', 'ranges 0;ranges 0;read 0 11');
	says("D11: $e, bad ranges", $fresh->(), join(';',
	     '11 1 64 8 1', '11 1 64 8 2', '13 1 64 8 2', '13 1 64 8 0x80000001',
	     '11 0 0 0 0', '11 17 0 1 0', '13 17 0 1 0', '11 65535 0 1 0', '11 1 2048 1 0',
	     '11 1 2041 8 0', '13 1 0xffffffffffffffff 1 0', '13 1 0x80000000000000 8 0',
	     '13 1 0 0xffffffff 0', '13 1 0 2049 0', '13 2 2040 8 0') =~
	     s/(^|;)/$1ranges /gr, join ';', ('ranges 2') x 4, ('ranges 1') x 11);
	is(slurp("$dir/image"), "\x11" x (1 << 20), "D11: $e, nothing of them is done");
	says("D11: $e, a list that is cut off", $fresh->(), 'any 11 0 15;any 13 0 17;any 11 0 8;any 11 0 0;any 13 0 0',
	     'any 1;any 1;any 1;any 1;any 1');
	says("D11: $e, ranges that overlap", $fresh->(),
	     "overlaps $_ 8 64 8 0;read 64 15;read 79 1;read 63 1;overlaps $_ 16 64 8 0;read 64 23",
	     'ranges 0;read 0 00;read 0 11;read 0 11;ranges 0;read 0 00') for 11, 13;
	says("$e: no discard if it is off", $fresh->() . ',discard=off',
	     'ranges 11 1 64 8 0;read 64 8;ranges 13 1 64 8 1;read 64 8',
	     'ranges 2;read 0 11;ranges 0;read 0 00');
	image(1 << 20);
	my $before = (stat "$dir/image")[12];
	says("$e: a discard gives space back", "$dir/image,$e", 'ranges 11 1 0 2048 0', 'ranges 0');
	cmp_ok((stat "$dir/image")[12], '<', $before / 4, '... of the file');

	# read-only
	says("D11: $e, read-only", image(1 << 20) . ",ro,$e",
	     'read 8 2;write 8 2 0xaa;ranges 11 1 0 8 0;ranges 13 1 0 8 1;flush;read 8 2;name 20',
	     'read 0 11;write 1;ranges 2;ranges 1;flush 0;read 0 11;name 0 ' . '.' x 20 . 'xxxx 21');
	is(slurp("$dir/image"), "\x11" x (1 << 20), "D11: $e, read-only, and nothing is written");

	# chains that make no sense
	my $broken = qr/\A(lguest: disk 0: [^\n]*stopped\n)+\z/;
	says("D12: $e, no place for a status", $fresh->(), 'chain 0;start -1;chain 3;start -1;read 8 2',
	     'broken;broken;read 0 11', err => qr/\A(lguest: disk 0: queue 0 has a request[^\n]*\n){2}\z/);
	says("D12: $e, half a header, or none", $fresh->(), 'chain 1;chain 2;read 8 2',
	     'chain 1;chain 1;read 0 11');
	says("D10: $e, 8 GB to write", $fresh->(), 'chain 4;read 8 2', 'chain 1;read 0 11');
	says("D12: $e, 4 GB for a name", $fresh->(), 'chain 5;read 8 2;chain 7;start -1;read 8 2',
	     'chain 0;read 0 11;broken;read 0 11',
	     err => qr/\Alguest: disk 0: queue 0 has more than 4 GB in a chain; the device is stopped\n\z/);
	says("$e: data that are the ring", $fresh->(), 'chain 6;start -1;read 8 2',
	     qr/\A(broken\n)?read 0 11\n\z/, err => qr/\A(lguest: disk 0: [^\n]*\n)?\z/);
	says("D10: $e, a mad Guest, seed $_", $fresh->(), 'mad 3000;read 2046 1', qr/\Asane again\nread 0 /,
	     env => { SEED => $_ }, err => qr/\A(lguest: disk[^\n]*\n){0,12}\z/) for 1 .. 3;

	# what is durable when
	says("$e: a write back, and its flush", $fresh->(),
	     'write 0 8 1;syncs;flush;syncs;read 0 8;syncs', 'write 0;syncs 0;flush 0;syncs 1;read 0 01;syncs 0');
	my $plain = 0xffff & ~(1 << 9 | 1 << 11);
	says("$e: without FLUSH each write is durable", $fresh->(),
	     "start $plain;write 0 8 1;syncs;ranges 13 1 8 8 0;syncs;ranges 11 1 8 8 0;syncs;read 0 1;syncs",
	     'write 0;syncs 1;ranges 0;syncs 1;ranges 0;syncs 1;read 0 01;syncs 0');
	says("$e: WCE decides, and can change", $fresh->(),
	     'wce 0;write 0 8 1;syncs;wce 1;write 0 8 1;syncs;wce 0;write 0 8 1;syncs;start -1;write 0 8 1;syncs',
	     'write 0;syncs 1;write 0;syncs 0;write 0;syncs 1;write 0;syncs 0');
	says("$e: ... even without FLUSH", $fresh->(),
	     'start ' . (0xffff & ~(1 << 9)) . ';write 0 8 1;syncs;wce 0;write 0 8 1;syncs',
	     'write 0;syncs 0;write 0;syncs 1');
	says("$e: ... and not if it was not accepted", $fresh->(),
	     'start ' . (0xffff & ~(1 << 11)) . ';wce 0;write 0 8 1;syncs;wce 1;write 0 8 1;syncs',
	     'write 0;syncs 0;write 0;syncs 0');
	says("$e: cache=writethrough, whatever the driver says", $fresh->() . ',cache=writethrough',
	     'write 0 8 1;syncs;wce 1;write 0 8 1;syncs', 'write 0;syncs 1;write 0;syncs 1');
	says("$e: cache=unsafe is called so", $fresh->() . ',cache=unsafe',
	     'write 0 8 1;flush;wce 0;write 0 8 1;flush;syncs;read 0 8',
	     'write 0;flush 0;write 0;flush 0;syncs 0;read 0 01',
	     err => qr/\Alguest: disk [^\n]*: unsafe: flushes do nothing\n\z/);
	says("$e: many durable writes share their flushes", $fresh->(), 'wce 0;many 21 8;flush',
	     'many: 21 written, 21 read, 0 wrong;flush 0');

	says("$e: the end is a flush, too", $fresh->(), 'write 0 8 1;fail 1', 'write 0',
	     err => qr/\Alguest: disk [^\n]*: the last changes may be lost: Input[^\n]*\n\z/);
	says("$e: ... unless it is unsafe", $fresh->() . ',cache=unsafe', 'write 0 8 1;fail 1', 'write 0',
	     err => qr/\A[^\n]*unsafe[^\n]*\n\z/);

	# a failed flush
	says("$e: one failed flush, and no other is believed", $fresh->(),
	     'write 0 8 1;fail 1;flush;flush;write 0 8 2;flush;read 0 8;wce 0;write 0 8 3;wce 1;' .
	     'start -1;flush;write 8 1 4;syncs',
	     'write 0;flush 1;flush 1;write 0;flush 1;read 0 02;write 1;flush 1;write 0;syncs 1',
	     err => qr/\Alguest: disk [^\n]*: data was lost[^\n]*\n\z/);
	says("$e: ... by a durable write", $fresh->(), 'wce 0;fail 1;write 0 8 1;write 0 8 1;flush',
	     'write 1;write 1;flush 1', err => qr/\Alguest: disk [^\n]*: data was lost[^\n]*\n\z/);
	says("$e: ... but by the next Launcher", $fresh->(), 'flush', 'flush 0');

	# a file system that is full
	my $limit = 128 << 20;	# the Guest's memory is a file too
	my $sparse = "$dir/sparse";
	unlink $sparse;
	system('truncate', '-s', '200M', $sparse);
	says("$e: no room in the file system", "$sparse,$e",
	     'write 0 8 0xaa;write 300000 8 0xbb;write 8 8 0xcc;flush;read 0 8;read 300000 8',
	     'write 0;write 1;write 0;flush 0;read 0 aa;read 0 00',
	     under => ['prlimit', "--fsize=$limit"],
	     err => qr/\Alguest: disk [^\n]*: cannot write: File too large\n\z/);
	is(-s $sparse, 200 << 20, '... and the size is the same');
	says("$e: a file that gets shorter", $fresh->(), "read 64 8;shorten;read 64 8;read 0 8",
	     'read 0 11;read 1 dd;read 0 11', err => qr/\Alguest: disk [^\n]*: cannot read: Input[^\n]*\n\z/,
	     env => { IMAGE => "$dir/image" }, options => ['--sandbox', 'off']);

	# in flight
	says("$e: a reset with 21 reads in flight", $fresh->(), 'slow 1;' . 'reset 21 97 1;' x 2 . 'slow 0;read 8 2',
	     'reset, 0 bytes touched;reset, 0 bytes touched;read 0 11');
	says("$e: ... direct", $fresh->() . ',direct', 'slow 1;' . 'reset 21 96 4;' x 3 . 'read 8 2',
	     'reset, 0 bytes touched;' x 3 . 'read 0 11');
	says("$e: reboots: the disk stays", do { image(1 << 20); my $n = "$dir/image";
	     open my $o, '+<', $n; print $o "\0" x 512; close $o; "$n,$e" },
	     'reboot 5', join ';', map { "life $_" } 1 .. 5);
	for (1 .. 3) {
		my $pid = start($fresh->(), 'log 1000000');
		wait_for("$dir/run.out", qr/flushed \d{2}/);
		kill $_ == 3 ? 'TERM' : 'KILL', $pid;
		is(finish($pid, 20), $_ == 3 ? 143 : -9, "$e: killed while it writes");
		my ($n) = slurp("$dir/run.out") =~ /.*flushed (\d+)\n/s;
		my $at = ($n - 1) % 1000;
		is(unpack('Q<', substr slurp("$dir/image"), $at * 512, 8), $n,
		   "... what was flushed is there ($n)");
	}
}

common($_) for qw(uring threads);

# --- Engines -----------------------------------------------------------------------

says('io_uring that must be, and is forbidden', image(1 << 20) . ',engine=uring', '', '',
     env => { NO_URING => 1 }, status => 1, err => qr/cannot start its io_uring: Operation not permitted\n\z/);
says('... and need not be', image(1 << 20), 'many 21 97;flush;syncs',
     'many: 21 written, 21 read, 0 wrong;flush 0;syncs 1', env => { NO_URING => 1 });
for (['uring', 0, 4], ['threads', 4, 8], ['any', 0, 4]) {
	my ($engine, $min, $max) = @$_;
	my $pid = start(image(1 << 20) . ",engine=$engine", 'read 0 1;sleep');
	wait_for("$dir/run.out", qr/asleep/);
	my ($hands, $end) = (-1, time + 10);	# a thread gives itself its name
	while ($hands != $min && time < $end) {
		$hands = grep { slurp($_) =~ /disk hand/ } glob "/proc/$pid/task/*/comm";
	}
	is($hands, $min, "engine=$engine has $min threads");
	kill 'TERM', $pid;
	finish($pid, 20);
}
for (['NO_HOLES'], ['NO_ZERO_RANGE'], ['NO_HOLES', 'NO_ZERO_RANGE']) {
	says("a file system that has @$_", image(1 << 20) . ',engine=threads',
	     'ranges 13 1 64 8 0;ranges 13 2 80 3 1;read 64 8;read 80 6;read 72 8;read 86 1;' .
	     'ranges 13 1 100 1900 1;read 100 1900;read 2000 48;ranges 11 1 0 8 0',
	     'ranges 0;ranges 0;read 0 00;read 0 00;read 0 11;read 0 11;ranges 0;read 0 00;read 0 11;ranges 0',
	     env => { map { $_ => 1 } @$_ });
}

# --- Locks ---------------------------------------------------------------------------

sub holds {
	my ($disk) = @_;
	my $pid = start($disk, 'read 0 1;sleep', files => "$dir/first");
	ok(wait_for("$dir/first.out", qr/asleep/), "somebody has $disk");
	return $pid;
}
{
	my $name = image(1 << 20, "$dir/shared");
	my $pid = holds($name);
	says('a disk has one writer', $name, '', '', status => 1,
	     err => qr/\Alguest: disk \Q$name\E: is in use by another program; only[^\n]*\n\z/);
	says('... and no reader then', "$name,ro", '', '', status => 1,
	     err => qr/\Alguest: disk \Q$name\E: is in use by another program, which writes[^\n]*\n\z/);
	link $name, "$dir/other-name";
	says('... by no other name', "$dir/other-name", '', '', status => 1, err => qr/is in use/);
	kill 'KILL', $pid;
	finish($pid, 20);
	says('... and is free when it was killed', $name, 'read 0 1', 'read 0 11');
	$pid = holds("$name,ro");
	says('a read-only disk can be shared', "$name,ro", 'read 0 1', 'read 0 11');
	says('... but not with a writer', $name, '', '', status => 1, err => qr/is in use by another program; only/);
	kill 'TERM', $pid;
	finish($pid, 20);
	says('the same disk twice in one Guest', [$name, $name], '', '', status => 1, err => qr/is in use/);
	chmod 0444, $name;
	says('a file that may only be read', "$name,ro", 'read 0 1', 'read 0 11');
}

# --- Limits --------------------------------------------------------------------------

# The bucket holds a tenth of a second, and one may be in debt: for n requests
# at r in a second it takes at least (n - r / 10 - 1) / r. How much more it takes
# depends on the machine, and is not tested.
says('20 requests at 20 in a second', image(1 << 20) . ',iops=20', 'time 20 1 850', 'time long enough');
says('... and without a limit', image(1 << 20), 'time 20 1 850', 'time too short');
says('640 KB at 1 MB in a second', image(1 << 20) . ',bps=1M', 'time 10 128 450', 'time long enough');
says('both: the stricter one counts', image(1 << 20) . ',bps=1G,iops=20,queues=2', 'time 20 8 850',
     'time long enough');
says('a reset while it waits', image(1 << 20) . ',iops=1', 'reset 20 1 1', 'reset, 0 bytes touched');

done_testing();
