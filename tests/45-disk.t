#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's own driver on our disks. One Guest writes to a file system, verifies
# a disk with fio, discards another and fails to write to a third; what it has
# left is checked by the programs of this machine, without Guest or Host. Then
# (S1) Launchers are killed while their Guests write and sync, and what was
# synced must be there. The disks are block devices and files of the Host.
#
# ROUNDS is how many Launchers are killed: 50, or 2 if there is a SAMPLE.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $rounds = $ENV{ROUNDS} // ($ENV{SAMPLE} ? 2 : 50);
my $verify = $ENV{SAMPLE} ? 32 : 256;			# MB

# fio has a hundred MB of libraries; it comes on the disk itself.
my $root = scratch() . '/root';
mkdir $_ for $root, "$root/fio";
my @libraries = `ldd /usr/bin/fio` =~ m{(/\S+)}g;
system('cp', '-L', '/usr/bin/fio', @libraries, "$root/fio") == 0 or BAIL_OUT('no fio');
my ($image, $raw) = (scratch() . '/disk', scratch() . '/raw');
spew($raw, '');
truncate $raw, ($verify + 8) << 20;
system("truncate -s 256M $image && /sbin/mkfs.ext4 -q -F -d $root $image") == 0
	or BAIL_OUT('no file system');

my $first = spew(scratch() . '/first', <<"END", 0755);
#!/bin/sh
fio() { /mnt/fio/ld-linux-x86-64.so.2 --library-path /mnt/fio /mnt/fio/fio "\$@"; }
for d in a b c d; do
	s=/sys/block/vd\$d
	echo "vd\$d ro \$(cat \$s/ro) size \$(cat \$s/size) serial \$(cat \$s/serial)" \\
		"discard \$(cat \$s/queue/discard_max_bytes) cache \$(cat \$s/cache_type)"
done
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt && echo mounted
mkdir /mnt/new
for i in 1 2 3 4 5 6 7 8; do
	head -c \$((i * 300000)) /dev/urandom > /mnt/new/\$i
done
(cd /mnt/new; sha256sum ? > /mnt/sums)
echo 'write through' > /sys/block/vdb/cache_type
echo "vdb is now \$(cat /sys/block/vdb/cache_type)"
fio --name=through --filename=/dev/vdb --offset=${verify}M --size=1M --bs=16k --rw=write \\
	--direct=1 --ioengine=psync --verify=crc32c --minimal > /dev/null
echo "fio through \$?"
echo 'write back' > /sys/block/vdb/cache_type
fio --name=back --filename=/dev/vdb --size=${verify}M --bsrange=4k-128k --rw=randwrite \\
	--direct=1 --ioengine=libaio --iodepth=16 --fsync=64 --verify=crc32c \\
	--verify_fatal=1 --minimal > /dev/null
echo "fio back \$?"
fio --name=trim --filename=/dev/vdc --size=8M --bs=64k --rw=randtrimwrite --direct=1 \\
	--ioengine=psync --minimal > /dev/null
echo "fio trim \$?"
dd if=/dev/urandom of=/dev/vdc bs=1M count=16 conv=fsync 2> /dev/null
echo "filled"
sleep 5					# the Host looks once in a second
blkdiscard /dev/vdc && echo discarded
cmp /dev/vdc /dev/zero 2>&1 | sed 's/^/compared /'
dd if=/dev/zero of=/dev/vdd bs=4k count=1 2> /dev/null || echo 'not written'
dd if=/dev/vdd bs=1M 2> /dev/null | sha256sum | sed 's/^/base in the Guest /'
umount /mnt && echo unmounted
END
my $writer = spew(scratch() . '/writer', <<'END', 0755);
#!/bin/sh
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt
for i in $(seq 100000); do
	seq $i $((i + 3000)) > /mnt/file-$((i % 20))
	sync && echo "synced $i"
done
END
my $reader = spew(scratch() . '/reader', <<'END', 0755);
#!/bin/sh
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt && echo mounted
last=$1
i=$((last - 18))
[ $i -gt 0 ] || i=1
while [ $i -le $last ]; do
	# the file after the last may have taken its place
	[ "$(head -n 1 /mnt/file-$((i % 20)))" = $i ] &&
		[ $(wc -l < /mnt/file-$((i % 20))) = 3001 ] || echo "lost $i"
	i=$((i + 1))
done
rm /mnt/file-*
umount /mnt && echo "verified $last"
END
my $host = spew(scratch() . '/job', <<"END", 0755);
#!/bin/sh
. /library.sh
run() {
	job=\$1
	shift
	lguest run --memory 192M --kernel /guest/bzImage --initrd /guest/initrd \\
		--append "quiet run=\\"\$job\\"" "\$@" < /dev/null
}
truncate -s 16M /tmp/trim
dd if=/dev/urandom of=/tmp/base bs=1M count=4 2> /dev/null
echo "base \$(sha256sum < /tmp/base)"
run first --disk /dev/vda --disk /dev/vdb,direct --disk /tmp/trim \\
	--disk /tmp/base,ro,serial=the-base > /tmp/out 2>&1 &
guest=\$!
while kill -0 \$guest 2> /dev/null; do
	du -k /tmp/trim >> /tmp/sizes
	if grep -q mounted /tmp/out && [ ! -e /tmp/second ]; then
		lguest run --kernel /guest/bzImage --disk /dev/vda > /tmp/second 2>&1
		echo "second \$? \$(cat /tmp/second)"
	fi
	sleep 1
done
wait \$guest
echo "first status \$?"
cat /tmp/out
echo "largest \$(sort -n /tmp/sizes | tail -1)"
echo "trimmed \$(du -k /tmp/trim)"
echo "base after \$(sha256sum < /tmp/base)"
for round in \$(seq $rounds); do
	run writer --disk /dev/vda > /tmp/out 2>&1 &
	while ! grep -q "synced \$((round * 7 % 23 + 2))" /tmp/out; do sleep 1; done
	kill -9 \$(pidof lguest)
	wait
	last=\$(sed -n 's/^synced //p' /tmp/out | tr -d '\\r' | tail -1)
	echo "killed after \$last"
	run "reader \$last" --disk /dev/vda 2>&1
	echo "reader status \$?"
done
complaints | sed 's/^/log /'
END
my $result = try_host('--with-guest', '--guest-kernel', 'debian', '--memory', 768,
	'--disk', $image, '--disk', $raw, '--timeout', 900 + 240 * $rounds, library(),
	(map { ('--add-guest', $_) } $first, $writer, $reader), '--add', $host, '--', 'job');
(my $out = $result->{out}) =~ tr/\r//d;
# All of the output is shown once, at the end.
sub sees { my ($what, $name) = @_; return ok($out =~ $what, $name) }
is $result->{status}, 0, 'the Host has come to its end';

my $sectors = (-s $raw) / 512;
sees qr/^vda ro 0 size 524288 serial  discard [1-9]\d* cache write back$/m, 'a block device';
sees qr/^vdb ro 0 size $sectors .*cache write back$/m, '... and another';
sees qr/^vdc ro 0 size 32768 .*discard [1-9]/m, 'a file';
sees qr/^vdd ro 1 size 8192 serial the-base discard 0 /m, '... and one that is read-only';
sees qr{^second 1 lguest: disk /dev/vda: is (?:mounted, or )?in use}m,
	'no second Guest can have the disk';
sees qr/^vdb is now write through$/m, 'the driver changes the cache';
sees qr/^fio $_ 0$/m, "fio: $_" for qw(through back trim);
sees qr/^discarded\ncompared cmp: EOF on \/dev\/vdc/m, 'what was discarded is zero';
my ($largest) = $out =~ /^largest (\d+)/m;
my ($trimmed) = $out =~ /^trimmed (\d+)/m;
cmp_ok $largest // 0, '>=', 16384, '... has taken space in the Host';
cmp_ok $trimmed // 1e9, '<', 1000, '... and has given it back';
note('largest ', $largest // '?', ' KB, trimmed ', $trimmed // '?', ' KB');
sees qr/^not written$/m, 'a read-only disk is not written to';
my ($base) = $out =~ /^base (\w{64})/m;
$base //= 'none';
sees qr/^base in the Guest $base/m, '... is read';
sees qr/^base after $base/m, '... and has not changed';
sees qr/^unmounted$/m, 'the file system is unmounted';
sees qr/^first status 0$/m, '... and the Guest powers off';
is scalar(() = $out =~ /^mounted\nverified \d+$/mg), $rounds,
	"$rounds times killed, and what was synced is there";
ok $out !~ /^lost /m, '... all of it';
sees qr/^log clean$/m, 'nothing in the log of the Host';

# What this machine says of the disks.
is system("/sbin/fsck.ext4 -fn $image > " . scratch() . '/fsck 2>&1'), 0,
	'the file system is clean' or diag(slurp(scratch() . '/fsck'));
my $sums = `/sbin/debugfs -R 'cat sums' $image 2> /dev/null`;
is scalar(() = $sums =~ /^\w{64}  \d$/mg), 8, 'there are eight files';
for my $line (split /\n/, $sums) {
	my ($sum, $name) = split ' ', $line;
	my ($is) = split ' ', `/sbin/debugfs -R 'cat new/$name' $image 2> /dev/null | sha256sum`;
	is $is, $sum, "file $name has the sum that the Guest has computed";
}
diag(substr $out, -6000) unless Test::More->builder->is_passing;
done_testing;
