#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A directory of the Host in the Guest, with the real driver and the real
# virtiofsd, for an ordinary user: files go both ways whole, nothing leads out
# of the directory, a share that may only be read is only read, and the share
# is there again after a reboot in the middle of writing. SAMPLE: how many MB
# go in (1024); a quarter of that comes back.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $sample = $ENV{SAMPLE} // 1024;
my $back = int(($sample + 3) / 4);

my $guest = spew(scratch() . '/share-guest', <<"END", 0755);
#!/bin/sh
mkdir -p /m /r
mount -t virtiofs share /m && mount -t virtiofs r /r && echo "both are mounted"
if [ ! -e /m/second ]; then
	(cd /m && sha256sum -c sums) > /tmp/sums && echo "all came in whole: \$(stat -c %s /m/large)"
	dd if=/dev/urandom of=/m/back bs=1M count=$back 2> /dev/null && sha256sum /m/back > /m/back.sum
	echo "only here" > /etc/secret
	echo "link: \$(cat /m/link)"
	echo "dots: \$(cat /m/../etc/secret)"
	cat /m/up 2> /dev/null || echo "no way up"
	echo "root of the share: \$(ls -A /m/.. | grep -c secret)"
	mknod /m/node b 8 0 2> /dev/null || echo "no device made"
	mkfifo /m/pipe && echo "fifo made"
	mkdir /m/d && mv /m/d /m/e && rmdir /m/e && echo "directory moved"
	echo a > /m/a && ln /m/a /m/b && chmod 600 /m/b && rm /m/a && echo "linked: \$(cat /m/b)"
	touch /r/new 2>&1 | grep -o "Read-only file system"
	rm /r/file 2>&1 | grep -o "Read-only file system"
	chmod 777 /r/file 2>&1 | grep -o "Read-only file system"
	mount -o remount,rw /r; touch /r/new 2>&1 | grep -o "Read-only file system"
	echo "reads: \$(cat /r/file)"
	for i in \$(seq 500); do echo \$i > /m/many/\$i; done
	echo "many: \$(ls /m/many | wc -l) \$(cat /m/many/* | wc -l)"
	touch /m/second
	sync
	while :; do dd if=/dev/zero of=/m/noise bs=64k count=64 2> /dev/null; done &
	sleep 1
	echo "rebooting"
	reboot -f
	sleep 100
fi
rm /m/second
echo "after the reboot: \$(cat /m/b)"
cat /m/back | sha256sum | cut -c-64 | grep -qf - /m/back.sum && echo "still whole"
umount /m /r && echo "unmounted"
END

my $host = spew(scratch() . '/share-host', <<"END", 0755);
#!/bin/sh
. /real-root.sh
real_root /share-host "\$1"
mkdir -p /etc /run /home
echo user:x:1000:1000::/home:/bin/sh > /etc/passwd
printf 'user:x:1000:\\nlguest:x:44:user\\nmore:x:45:user\\n' > /etc/group
chgrp 44 /dev/lguest && chmod 660 /dev/lguest
echo "secret of the Host" > /etc/secret
mkdir -p /home/s/many /home/r
dd if=/dev/urandom of=/home/s/large bs=1M count=$sample 2> /dev/null
for i in 1 2 3 4 5; do head -c \$((i * 12345)) /dev/urandom > /home/s/small\$i; done
(cd /home/s && sha256sum large small* > sums)
ln -s /etc/secret /home/s/link
ln -s ../../../../etc/secret /home/s/up
echo for reading > /home/r/file
chown -R 1000:1000 /home
su user -c 'id -G; ulimit -l unlimited; mkdir -m 700 /tmp/u; XDG_RUNTIME_DIR=/tmp/u lguest run --kernel /guest/bzImage \\
	--initrd /guest/initrd --memory 160M --share dir=/home/s --share dir=/home/r,tag=r,ro \\
	--append "console=hvc0 panic=-1 oops=panic quiet run=share-guest" < /dev/null'
echo "status \$?"
cd /home/s && sha256sum back | cut -c-64 | grep -qf - back.sum && echo "came back whole: \$(stat -c %s back)"
echo "owner \$(stat -c %u:%g back) mode \$(stat -c %a b)"
[ -e /home/r/new ] || echo "nothing new"
[ "\$(stat -c %a /home/r/file)" != 777 ] && echo "mode as before"
cat /etc/secret
sleep 1
pidof virtiofsd || echo "no server is left"
END

my $r = try_host('--with-guest', '--guest-kernel', 'debian', '--timeout', 600,
	'--memory', 700 + 3 * $sample, '--add-guest', $guest, '--add-host', $host,
	'--add-host', "$TOP/tests/launcher/real-root.sh:/real-root.sh",
	'--add-host', '/usr/lib/qemu/virtiofsd:/usr/lib/qemu/virtiofsd',
	'--', 'sh', '/share-host');
is $r->{status}, 0, 'the Host runs';
my $out = $r->{out};
my %expect = (
	'an ordinary user with more groups' => qr/^1000 44 45$|^1000 .*45/m,
	'both shares are mounted, in both lives' => qr/both are mounted.*both are mounted/s,
	"$sample MB came in whole" => qr/all came in whole: ${\($sample << 20)}\b/,
	"$back MB came back whole" => qr/came back whole: ${\($back << 20)}\b/,
	'an absolute link leads into the Guest' => qr/^link: only here/m,
	'.. leads into the Guest' => qr/^dots: only here/m,
	'a link upwards leads into the Guest' => qr/^only here\r?$|^no way up\r?$/m,
	'a device cannot be made' => qr/no device made/,
	'a fifo can' => qr/fifo made/,
	'directories are moved' => qr/directory moved/,
	'hard links' => qr/^linked: a\r?$/m,
	'the other share is only read, even when remounted' =>
		qr/(Read-only file system\r?\n){4}/,
	'... and it can be' => qr/^reads: for reading/m,
	'five hundred files' => qr/^many: 500 500/m,
	'the share is there after a reboot' => qr/^after the reboot: a/m,
	'... with what was written' => qr/^still whole/m,
	'... and lets go' => qr/^unmounted/m,
	'the Launcher ends well' => qr/^status 0$/m,
	'files belong to the user' => qr/^owner 1000:1000 mode 600$/m,
	'nothing was made where nothing may be made' => qr/^nothing new$/m,
	'... nor changed' => qr/^mode as before$/m,
	"the Host's secret is as it was" => qr/^secret of the Host$/m,
	'no server is left' => qr/^no server is left$/m,
);
like $out, $expect{$_}, $_ for sort keys %expect;
unlike $out, qr/secret of the Host.*status/s, 'the Guest has not seen the secret';
diag $r->{err} if $r->{status};
note sprintf '%.0f s', $r->{seconds};
done_testing;
