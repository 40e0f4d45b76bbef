#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A qcow2 image as a disk of a Guest: the real driver, and qemu-storage-daemon as
# its back end. A file system is made, filled and checked; a reboot
# in the middle of writing finds it again; when the daemon is killed, the Guest lives.
# (Linux's driver knows of no disk that has gone: who reads from it waits.)
# SAMPLE: how many MB are written.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $sample = $ENV{SAMPLE} // 64;
my $size = $sample * 3 + 64;
my $image = scratch() . '/disk.qcow2';
system('qemu-img', 'create', '-q', '-f', 'qcow2', $image, "${size}M") == 0 or die 'qemu-img';

my $guest = spew(scratch() . '/disk-guest', <<"END", 0755);
#!/bin/sh
echo "size \$(cat /sys/block/vda/size)"
echo "cache \$(cat /sys/block/vda/queue/write_cache)"
mkdir -p /m
if mount -t ext2 /dev/vda /m 2> /dev/null; then
	(cd /m && sha256sum -c sums) > /dev/null && echo "all is there after the reboot"
	umount /m
	echo waiting
	sleep 3
	dd if=/dev/vda of=/dev/null bs=4096 count=1 skip=1000 2> /dev/null &
	sleep 3
	echo "the Guest lives"
	poweroff -f
	sleep 100
else
	mke2fs /dev/vda > /dev/null 2>&1 && mount -t ext2 /dev/vda /m && echo "made and mounted"
	for i in 1 2 3 4; do dd if=/dev/urandom of=/m/file\$i bs=256k count=$sample 2> /dev/null; done
	(cd /m && sha256sum file* > sums)
	sync
	echo 3 > /proc/sys/vm/drop_caches
	(cd /m && sha256sum -c sums) > /dev/null && echo "written and read"
	while :; do dd if=/dev/zero of=/m/noise bs=64k count=64 2> /dev/null; sync; done &
	while :; do dd if=/dev/vda of=/dev/null bs=64k count=64 2> /dev/null; echo 1 > /proc/sys/vm/drop_caches; done &
	sleep 2
	echo rebooting
	reboot -f
	sleep 100
fi
END

my $host = spew(scratch() . '/disk-host', <<"END", 0755);
#!/bin/sh
qemu-storage-daemon --blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=/disk.qcow2 \\
	--export vhost-user-blk,id=e,node-name=d,writable=on,addr.type=unix,addr.path=/disk.sock &
daemon=\$!
while [ ! -S /disk.sock ]; do sleep .1; done
mkfifo /words
lguest run --kernel /guest/bzImage --initrd /guest/initrd --memory 128M --vhost-disk /disk.sock \\
	--append "console=hvc0 panic=-1 oops=panic quiet run=disk-guest" < /dev/null > /words 2>&1 &
launcher=\$!
while read line; do
	echo "\$line"
	case \$line in waiting*) kill -9 \$daemon ;; esac
done < /words
wait \$launcher
echo "status \$?"
END

my $r = try_host('--with-guest', '--guest-kernel', 'debian', '--timeout', 600,
	'--memory', 700 + 3 * $sample, '--add-guest', $guest, '--add-host', "$host:/disk-host",
	'--add-host', "$image:/disk.qcow2",
	'--add-host', '/usr/bin/qemu-storage-daemon:/bin/qemu-storage-daemon',
	'--', 'sh', '/disk-host');
is $r->{status}, 0, 'the Host runs';
my $sectors = $size * 2048;
my @expect = (
	[ 'the disk has its size, in both lives' => qr/(^size $sectors\b.*){2}/ms ],
	[ '... and a cache' => qr/^cache write back/m ],
	[ 'a file system' => qr/^made and mounted/m ],
	[ "$sample MB are written and read" => qr/^written and read/m ],
	[ '... and are there after a reboot in the middle of writing' =>
		qr/^rebooting.*^all is there after the reboot/ms ],
	[ 'a daemon that is killed is one line for the user' =>
		qr/^lguest: vhost-disk \d+: its back end has closed the connection; the device is stopped\r?$/m ],
	[ '... and the Guest lives' => qr/^the Guest lives/m ],
	[ '... and ends well' => qr/^status 0$/m ],
);
like $r->{out}, $_->[1], $_->[0] for @expect;
diag $r->{err} if $r->{status};
note sprintf '%.0f s', $r->{seconds};
done_testing;
