#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's own driver on our disks. One Guest writes to a file system, verifies
# two disks with fio, one for each engine, lets random writes, discards and zeroes
# be compared with a model, discards another disk and fails to write to one more;
# what it has left is checked by the programs of this machine, without Guest or
# Host. The disks are block devices and files of the Host.
#
# fio writes and verifies 256 MB of each, or 16 if there is a SAMPLE.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $verify = $ENV{SAMPLE} ? 16 : 256;			# MB
my $operations = $ENV{SAMPLE} ? 500 : 10_000;

# fio has a hundred MB of libraries; it comes on the disk itself.
my $root = scratch() . '/root';
mkdir $_ for $root, "$root/fio";
my @libraries = `ldd /usr/bin/fio` =~ m{(/\S+)}g;
system('cp', '-L', '/usr/bin/fio', @libraries, "$root/fio") == 0 or BAIL_OUT('no fio');
my ($image, @raw) = map { scratch() . "/$_" } qw(disk raw other);
for my $raw (@raw) {
	spew($raw, '');
	truncate $raw, ($verify + 8) << 20;
}
system("truncate -s 256M $image && /sbin/mkfs.ext4 -q -F -d $root $image") == 0
	or BAIL_OUT('no file system');

my $back = "--size=${verify}M --bsrange=4k-128k --rw=randwrite --verify=crc32c --verify_fatal=1";

my $first = spew(scratch() . '/first', <<"END", 0755);
#!/bin/sh
fio() { /mnt/fio/ld-linux-x86-64.so.2 --library-path /mnt/fio /mnt/fio/fio "\$@"; }
for d in a b c d e; do
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
fio --name=back --filename=/dev/vdb $back \\
	--direct=1 --ioengine=libaio --iodepth=16 --fsync=64 --minimal > /dev/null
echo "fio back \$?"
fio --name=back --filename=/dev/vde $back \\
	--ioengine=psync --fdatasync=32 --minimal > /dev/null
echo "fio other \$?"
for d in b c e; do
	for part in 0 1; do
		random-disk /dev/vd\$d \$((\$(cat /sys/block/vd\$d/size) - (part + 1) * 4096)) \\
			4096 $operations \$part > /tmp/random-\$d-\$part &
	done
done
wait
for d in b-0 b-1 c-0 c-1 e-0 e-1; do
	sed "s/^/random \$d /" /tmp/random-\$d
done
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
run first --disk /dev/vda --disk /dev/vdb,direct,engine=uring,queues=4 --disk /tmp/trim \\
	--disk /tmp/base,ro,serial=the-base --disk /dev/vdc,engine=threads > /tmp/out 2>&1 &
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
complaints | sed 's/^/log /'
END
my $result = try_host('--with-guest', '--guest-kernel', 'debian', '--memory', 768,
	(map { ('--disk', $_) } $image, @raw), '--timeout', 900 + 10 * $verify, library(),
	(map { $_ eq '--add' ? '--add-guest' : $_ } programs('random-disk')),
	'--add-guest', $first, '--add', $host, '--', 'job');
(my $out = $result->{out}) =~ tr/\r//d;
# All of the output is shown once, at the end.
sub sees { my ($what, $name) = @_; return ok($out =~ $what, $name) }
is $result->{status}, 0, 'the Host has come to its end';

my $sectors = (-s $raw[0]) / 512;
sees qr/^vda ro 0 size 524288 serial  discard [1-9]\d* cache write back$/m, 'a block device';
sees qr/^vdb ro 0 size $sectors .*cache write back$/m, '... and another';
sees qr/^vdc ro 0 size 32768 .*discard [1-9]/m, 'a file';
sees qr/^vde ro 0 size $sectors /m, '... and one for threads';
sees qr/^vdd ro 1 size 8192 serial the-base discard 0 /m, '... and one that is read-only';
sees qr{^second 1 lguest: disk /dev/vda: is (?:mounted, or )?in use}m,
	'no second Guest can have the disk';
sees qr/^vdb is now write through$/m, 'the driver changes the cache';
sees qr/^fio $_ 0$/m, "fio: $_" for qw(through back other trim);
is scalar(() = $out =~ /^random \S+ ok 1 - /mg), 6, 'random operations agree with their models'
	or diag(join "\n", $out =~ /^random .*/mg);
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
sees qr/^log clean$/m, 'nothing in the log of the Host';

# What this machine says of the disks.
is system("fio --name=back --filename=$_ $back --verify_only --ioengine=psync --minimal --aux-path=" . scratch() .
	  ' > /dev/null'), 0, 'fio finds here what it has written there' for @raw;
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
