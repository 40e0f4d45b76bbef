#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What a Guest was told is on disk is there after the end of the world. Three
# writers in a Guest make one record after the other durable and say so: in a file
# of a file system, on a disk around the Guest's page cache, and in large pieces
# through it. Then, at a random moment,
#
#	S1: the Launcher is killed, again and again in one Host;
#	S2: the power of the Host is cut: its QEMU is killed, and with it whatever
#	    the Host has not written to its disk. Every other time that disk has a
#	    cache of its own (nbdkit's), which forgets what was not flushed.
#
# The next Guest on the same images looks for every record, and goes on. The Host
# keeps the images in an ext4 file system on a disk of its own, the way people
# do. Every fourth time nobody waits for the writers, so that what recovers
# is hit as well. In S2 a fourth writer has a disk with cache=unsafe: it must
# lose what it was promised, or the test could not see a loss at all.
#
# KILLS and CUTS say how often (50 and 20, or 4 and 2 if there is a SAMPLE; 0 leaves
# that part out); SEED chooses the moments.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Time::HiRes qw(sleep time);
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $kills = $ENV{KILLS} // ($ENV{SAMPLE} ? 4 : 50);
my $cuts = $ENV{CUTS} // ($ENV{SAMPLE} ? 2 : 20);
my $seed = $ENV{SEED} // 4_711;
my $kernel = $ENV{GUEST_KERNEL} // 'debian';
my $fs = $kernel eq 'debian' ? 'ext4' : 'ext2';
srand $seed;
note("seed $seed");

# Name, where, AT SLOTS SECTORS, how. (The first disk has a file system.)
my @ledgers = (
	['file', '/mnt/ledger', '0 256 16', ''],
	['direct', '/dev/vdb', '0 1024 8', 'direct'],
	['large', '/dev/vdb', '4194304 64 256', ''],
	['unsafe', '/dev/vdc', '0 1024 8', ''],
);

# guest DISKS GO-ON FROM LAST [FROM LAST]...: looks, and perhaps goes on.
my $guest = '';
for (@ledgers) {
	my ($name, $where, $what, $how) = @$_;
	$guest .= <<"END";
[ \$# -lt 2 ] || {
	ledger check $name $where $what \$1 \$2 > /tmp/$name
	cat /tmp/$name
	[ \$on = no ] || ledger write $name $where $what \\
		\$(sed 's/.* next //' /tmp/$name) $how &
	shift 2
}
END
}
$guest = spew(scratch() . '/guest', <<"END", 0755);
#!/bin/sh
on=\$1
shift
mkdir -p /mnt
mount -t $fs /dev/vda /mnt && echo mounted
[ -e /mnt/ledger ] || { touch /mnt/ledger; sync; }
$guest
wait
umount /mnt && echo looked
END

# In the Host: its disk, and a Launcher for them.
my $library = spew(scratch() . '/disks.sh', <<"END");
. /library.sh
mkdir -p /disk
mount -t ext4 /dev/vda /disk && echo 'host: mounted'
repaired() {	# ext2 needs it; what ext4 has in its journal is the Guest's
	[ $fs = ext4 ] || {
		e2fsck -fy /disk/file > /tmp/fsck 2>&1
		[ \$? -lt 4 ] || cat /tmp/fsck
	}
}
launch() {	# launch OPTIONS GO-ON FROM LAST ...
	o=\$1
	shift
	unsafe=
	[ \$# -lt 9 ] || unsafe='--disk /disk/unsafe,cache=unsafe'
	exec lguest run --kernel /guest/bzImage --initrd /guest/initrd \\
		--memory 128M --append "quiet run=\\"guest \$*\\"" \\
		--disk /disk/file\$o --disk /disk/raw\$o \$unsafe < /dev/null
}
END
my $killer = spew(scratch() . '/killer', <<'END', 0755);
#!/bin/sh
. /disks.sh
seed=$2
last() { sed -n "s/^$1 durable //p" /tmp/out | tr -d '\r' | tail -n 1; }
files=0 directs=0 larges=0
options() {
	options=,engine=threads
	[ $(($1 % 2)) = 0 ] || options=,engine=uring
	[ $(($1 % 4)) -lt 2 ] || options=$options,direct
	[ $(($1 % 3)) != 0 ] || options=$options,queues=2
}
for round in $(seq $1); do
	repaired
	options $round
	launch $options yes 1 $files 1 $directs 1 $larges > /tmp/out 2>&1 &
	launcher=$!
	until [ $((round % 4)) = 3 ] ||
		{ [ "$(last large)" ] && [ "$(last file)" ] && [ "$(last direct)" ]; }
	do
		kill -0 $launcher 2> /dev/null || break
		usleep 20000
	done
	random 3000
	[ $((round % 4)) != 3 ] || r=$((r * 3))
	usleep $((r * 1000))
	kill -9 $launcher
	wait $launcher
	echo "round $round ended $?$options"
	grep -v durable /tmp/out
	l=$(last file) files=${l:-$files}
	l=$(last direct) directs=${l:-$directs}
	l=$(last large) larges=${l:-$larges}
	echo "durable $files $directs $larges"
done
repaired
(launch '' no 1 $files 1 $directs 1 $larges) 2>&1
echo "status $?"
e2fsck -fn /disk/file > /tmp/fsck 2>&1
echo "clean $?"
complaints | sed 's/^/log /'
END
my $cutter = spew(scratch() . '/cutter', <<'END', 0755);
#!/bin/sh
. /disks.sh
dmesg | grep -c 'EXT4-fs.*recovery complete' | sed 's/^/recovered /'
repaired
[ $2 = yes ] || options=
(launch "$@") 2>&1
echo "status $?"
[ $2 = yes ] || {
	e2fsck -fn /disk/file > /tmp/fsck 2>&1
	echo "clean $?"
}
complaints | sed 's/^/log /'
END

# The Host's disk: sparse images, but for the one that must lose. (Only a place
# that the file system knows already is written without a word to its journal.)
my $disk = scratch() . '/disk';
my $root = scratch() . '/root';
sub fresh_disk {
	system("rm -rf $root; mkdir $root; cd $root && truncate -s 16M file && " .
	       "/sbin/mkfs.$fs -q -F file && truncate -s 12M raw && " .
	       'head -c 4M /dev/zero > unsafe') == 0 or BAIL_OUT('no images');
	unlink $disk;
	system("truncate -s 128M $disk && /sbin/mkfs.ext4 -q -F -d $root $disk") == 0
		or BAIL_OUT('no file system');
}
my @host = ('--with-guest', '--guest-kernel', $kernel, '--memory', 512,
	'--append=no_timer_check',	# a busy emulator may fail it
	'--module', 'crc32c_generic', '--module', 'ext4',
	'--add-host', '/sbin/e2fsck:/bin/e2fsck', '--add-host', $library,
	(map { $_ eq '--add' ? '--add-guest' : $_ } programs('ledger')),
	'--add-guest', $guest, library());

# What the Guests have found: only good news.
sub looks_good {
	my ($text, $name) = @_;
	my @bad = grep { !/ lost 0 bad 0 / } grep { !/^unsafe/ }
		$text =~ /^\w+ checked: .*$/mg;
	my $looks = () = $text =~ /^\w+ checked: /mg;
	return ok(!@bad && $looks, "$name: what was durable is there") ||
		diag(join "\n", @bad, substr $text, -4000);
}

# --- S1 ---------------------------------------------------------------------------
sub kill_launchers {
	fresh_disk();
	my $result = try_host(@host, '--disk', $disk, '--timeout', 300 + 60 * $kills,
		'--add', $killer, '--', 'killer', $kills, $seed);
	(my $out = $result->{out}) =~ tr/\r//d;
	my $good = is(scalar(() = $out =~ /^round \d+ ended 137/mg), $kills,
		"S1: $kills Launchers are killed");
	cmp_ok scalar(() = $out =~ /^mounted$/mg), '>', $kills * 3 / 4, '... the Guests mount';
	$good &= looks_good($out, 'S1');
	my %records;
	while ($out =~ /^(\w+) checked: last (\d+)/mg) { $records{$1} = $2 }
	cmp_ok $records{$_} // 0, '>', $kills, "... in many records ($_)" for qw(file direct large);
	like $out, qr/^$_$/m, "... $_" for 'looked', 'status 0', 'clean 0', 'log clean';
	note($_) for $out =~ /^(?:durable|\w+ checked).*$/mg;
	diag(substr $out, -4000) unless Test::More->builder->is_passing;
	tell('S1 Launchers killed, nothing durable lost', $good ? "$kills of $kills" : 'FAILED');
	tell('... records that had to be there', $records{file} + $records{direct} + $records{large})
		if $good;
}
kill_launchers() if $kills;

# --- S2 ---------------------------------------------------------------------------
my @names = map { $_->[0] } @ledgers;
my (%last, %from);
@last{@names} = (0) x @names;

# A boot, until a random moment after all have promised something.
sub boot_and_cut {
	my ($round, $early) = @_;
	my ($pids, $socket) = (scratch() . '/pid', scratch() . '/socket');
	my $drive = $disk;
	my ($nbdkit, %seen, $cut, $text) = (0);
	if ($round % 2) {
		unlink $socket;
		$nbdkit = fork // die "fork: $!";
		exec 'nbdkit', '-f', '-U', $socket, '--filter=cache', 'file', $disk,
			'cache=writeback' or die 'nbdkit' if !$nbdkit;
		sleep 0.02 until -S $socket;
		$drive = "nbd+unix:///?socket=$socket";
	}
	my $options = ',engine=' . ($round & 2 ? 'threads' : 'uring') .
		($round & 4 ? '' : ',direct');
	unlink $pids;
	my $err = scratch() . '/err';
	my @command = ($ENV{TRY} // "$TOP/build/try", '--host', @host, '--disk', $drive,
		'--qemu=-pidfile', "--qemu=$pids", '--timeout', 300, '--add', $cutter,
		'--', 'cutter', $options, 'yes', map { ($from{$_} // 1, $last{$_}) } @names);
	my $try = open(my $lines, '-|') // die "fork: $!";
	if (!$try) {
		open STDERR, '>', $err;
		exec @command;
	}
	my $buffer = $text = '';
	while (!$cut || time < $cut) {
		my $left = $cut ? $cut - time : 300;
		vec(my $ready = '', fileno $lines, 1) = 1;
		next if select($ready, undef, undef, $left > 0 ? $left : 0) <= 0;
		sysread($lines, $buffer, 65536, length $buffer) or last;
		while ($buffer =~ s/^(.*?)\r?\n//) {
			my $line = $1;
			if ($line =~ /^(\w+) durable (\d+)$/) {
				$seen{$1} = $2;
			} else {
				$text .= "$line\n";
				$cut //= time + rand 10
					if $early && $line eq 'host: mounted';
			}
		}
		$cut //= time + rand 4 if keys %seen == @names;
	}
	kill 'KILL', ($nbdkit ? $nbdkit : ()), slurp($pids) =~ /(\d+)/;
	# What it has still said was true.
	while (sysread $lines, $buffer, 65536, length $buffer) { }
	$seen{$1} = $2 while $buffer =~ /^(\w+) durable (\d+)\r?$/mg;
	close $lines;
	waitpid $nbdkit, 0 if $nbdkit;
	system('rm', '-rf', $1) if slurp($err) =~ m{kept in (\S+/lguest-try-\w+)};
	diag(slurp($err)) if !$cut;
	$from{unsafe} = $last{unsafe} + 1 if $text =~ /^unsafe checked/m;
	@last{keys %seen} = values %seen;
	note("cut $round$options, disk " . ($nbdkit ? 'with' : 'without') .
	     ' a cache: durable ' . join ' ', map { "$_ $last{$_}" } @names);
	return (defined $cut, $text);
}
sub cut_power {
	fresh_disk();
	my ($survived, $since, $lost, $text, $begun) = (0, 0, 0);
	for my $round (1 .. $cuts + 1) {
		my $early = $round <= $cuts && $round % 4 == 3;
		if ($round <= $cuts) {
			($begun, $text) = boot_and_cut($round, $early);
		} else {
			my $r = try_host(@host, '--disk', $disk, '--add', $cutter, '--', 'cutter', '', 'no',
				map { ($from{$_} // 1, $last{$_}) } @names);
			$begun = $r->{status} == 0;
			($text = $r->{out}) =~ tr/\r//d;
			like $text, qr/^$_$/m, "S2: at the end: $_"
				for 'looked', 'status 0', 'clean 0', 'log clean';
		}
		my $well = ok($begun && $text =~ /^host: mounted$/m, "S2: boot $round: the Host's disk is there");
		if (!$early) {
			$well &= ok($text =~ /^mounted$/m, '... the Guest mounts') || diag($text);
		}
		$well &= looks_good($text, "S2: boot $round") if !$early || $text =~ /checked/;
		if (!$early) {
			$survived += $since if $well;
			$since = 0;
		}
		$since++;
		if ($round > 1) {
			$lost++ if $text =~ /^unsafe checked: .* lost [1-9]/m;
			note($_) for $text =~ /^(?:recovered|\w+ checked).*$/mg;
		}
	}
	is $survived, $cuts, "S2: nothing that was durable is lost in $cuts power cuts";
	cmp_ok $lost, '>', 0, "... and what cache=unsafe promised is, in $lost of them";
	tell('S2 power cuts, nothing durable lost', "$survived of $cuts");
	tell('... cuts in which cache=unsafe lost something', "$lost of $cuts");
}
cut_power() if $cuts;
done_testing;
