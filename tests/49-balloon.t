#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The small devices with Linux's own drivers: random numbers; memory that the
# Guest gives back when it is asked to, and when it is not; and connections
# between programs on both sides. The two sides wait for each other with the
# latter: `wire` is in tests/guest.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my (undef, $wire) = programs('wire');
my $guest = spew(scratch() . '/guest-job', <<'END', 0755);
#!/bin/sh
free() { awk '/^MemFree/ { print $2 }' /proc/meminfo; }
# It has no right to hold back memory that only makes the kernel faster.
settle() { sync; echo 3 > /proc/sys/vm/drop_caches; sleep 3; }
echo "rng $(cat /sys/class/misc/hw_random/rng_current)"
for i in 1 2 3; do dd if=/dev/hwrng bs=512 count=8 2> /dev/null | md5sum; done |
	sort -u | sed 's/^/random /'
echo "bytes $(dd if=/dev/hwrng bs=512 count=8 2> /dev/null | wc -c)"
wire call 5000 1000000
wire call 5001 1
wire serve 6000
# Linux reports free memory in pieces of 2 MB and more, which is most of it as long
# as nothing has left it in smaller ones.
mkdir -p /mnt
mount -t tmpfs -o size=150m none /mnt
settle
dd if=/dev/zero of=/mnt/file bs=1M count=100 2> /dev/null
wire serve 6003
rm /mnt/file
wire serve 6004
# Free memory in pieces too small to be reported, for the balloon to find: it
# is so large that it must take some of them.
for i in $(seq 400); do
	dd if=/dev/zero of=/mnt/part$i bs=256k count=1 2> /dev/null
done
rm /mnt/part*[02468]
settle; echo "free before $(free)"
wire serve 6005
wire serve 6001
echo "free inflated $(free)"
rm /mnt/*
# More than is left: the balloon must give way.
dd if=/dev/zero of=/dev/null bs=110M count=1 2> /dev/null
echo "large $? killed $(dmesg | grep -c 'Out of memory')"
wire serve 6006
wire serve 6002
settle; echo "free deflated $(free)"
echo 'guest done'
END
my $host = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
. /library.sh
export XDG_RUNTIME_DIR=/tmp
rss() { awk '/^RssShmem/ { print $2 }' /proc/$guest/status; }
shmem() { awk '/^Shmem:/ { print $2 }' /proc/meminfo; }
value() { lguest balloon g | awk -v name="$1" '$1 == name { print $2 }'; }
# Calls the Guest at a port, as soon as it listens there.
meet() {
	for i in $(seq 200); do
		wire unix-call /tmp/v $1 $2 > /tmp/meet 2>&1 && break
		sleep 1
	done
	sed "s/^/port $1 /" /tmp/meet
}
wire unix-serve /tmp/v_5000 &
lguest run --name g --memory 256M --kernel /guest/bzImage --initrd /guest/initrd \
	--vsock /tmp/v --rng rate=64K --stats --append 'quiet run="guest-job"' \
	< /dev/null > /tmp/out 2>&1 &
guest=$!
meet 6000 2000000
# The Guest has filled 100 MB and frees them.
meet 6003 0
full=$(rss); echo "rss full $full"; echo "shmem full $(shmem)"
for i in $(seq 60); do
	[ $((full - $(rss))) -lt 80000 ] || break
	sleep 1
done
echo "rss freed $(rss)"; echo "shmem freed $(shmem)"
meet 6004 0
meet 6005 0
for i in 1 2 3 4 5 6; do sleep 1; lguest balloon g > /dev/null; done
echo "rss before $(rss)"; echo "returned before $(value returned)"
lguest balloon g 155M > /dev/null
for i in $(seq 200); do [ "$(value actual)" != 162529280 ] || break; sleep 0.5; done
lguest balloon g | sed 's/^/inflated /'
echo "rss inflated $(rss)"
meet 6001 0
meet 6006 0
lguest balloon g | sed 's/^/pressed /'
lguest balloon g 0 > /dev/null
for i in $(seq 100); do [ "$(value actual)" != 0 ] || break; sleep 0.5; done
lguest balloon g | sed 's/^/deflated /'
meet 6002 0
wait $guest
echo "=== status $?"
cat /tmp/out
sed 's/^/total /' $stats
complaints | sed 's/^/log /'
END
my $result = try_host('--with-guest', '--guest-kernel', 'debian', '--memory', 768,
	'--timeout', 900, library(), '--add-host', $wire, '--add-guest', $wire,
	'--add-guest', $guest, '--add', $host, '--', 'job');
(my $out = $result->{out}) =~ tr/\r//d;
my %kb;
$kb{"$1 $2"} = $3 while $out =~ /^(free|rss|shmem|returned) (\w+) (\d+)$/mg;
note("$_: $kb{$_}") for sort keys %kb;
sub kb { return $kb{$_[0]} // 0 }

like $out, qr/^rng virtio_rng/m, 'the Guest has a generator';
is scalar(() = $out =~ /^random [0-9a-f]{32}/mg), 3, '... which never says the same';
like $out, qr/^bytes 4096$/m, '... and as much as was wanted';
like $out, qr/^wire: 1000000 of 1000000 bytes came back, unchanged$/m,
	'a program of the Guest calls one of the Host';
like $out, qr/^wire: connect: Connection reset by peer$/m, '... and learns that another is not there';
like $out, qr/^port 6000 wire: 2000000 of 2000000 bytes came back, unchanged$/m,
	'a program of the Host calls one of the Guest';
cmp_ok kb('rss full') - kb('rss freed'), '>', 80_000,
	'of 100 MB that were used and freed, the Host gets 80 back at least';
cmp_ok kb('shmem full') - kb('shmem freed'), '>', 80_000, '... as the Host says itself';
like $out, qr/^inflated actual +162529280$/m, 'the Guest gives 155 MB';
like $out, qr/^inflated free-memory +\d{7,}$/m, '... and says how it is doing';
cmp_ok kb('free before') - kb('free inflated'), '>', 145_000, '... has that much less';
my ($returned) = $out =~ /^inflated returned +(\d+)$/m;
cmp_ok +($returned // 0) - kb('returned before'), '>=', 155 << 20, '... and the Host has it';
cmp_ok kb('rss before') - kb('rss inflated'), '>', 15_000, '... by which the Launcher has become smaller';
like $out, qr/^large 0 killed 0$/m, 'a Guest that needs more takes it from the balloon';
my ($pressed) = $out =~ /^pressed actual +(\d+)$/m;
cmp_ok $pressed // 1e9, '<', 155 << 20, '... which is smaller now';
like $out, qr/^deflated actual +0$/m, 'the Guest gets them back';
cmp_ok kb('free deflated') - kb('free inflated'), '>', 145_000 + 45_000,
	'... and can use them, and what it has deleted since';
like $out, qr/^guest done$/m, 'the Guest has come to its end';
like $out, qr/^=== status 0$/m, '... and powers off';
like $out, qr/^total frames 0$/m, 'no page is in use at the end';
like $out, qr/^log clean$/m, 'nothing in the log of the Host';
diag(substr $out, -6000) unless Test::More->builder->is_passing;
done_testing;
