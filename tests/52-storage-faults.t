#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk of the Host that fails beneath a Guest, and one that is full; and a Guest
# that reboots again and again while it writes. The disks fail for real: the
# Host's device mapper refuses to write for a while (S4), somebody else's
# writeback fails long before the Guest asks for its data to be made durable (S14),
# the file system of a sparse image has no room (S5). A writer in the Guest says
# what was confirmed to it (tests/guest/ledger.c), and who looks afterwards finds
# all of it. After a failed flush nothing is confirmed any more, and what is
# read from then on is what the disk has, and not what it should have had.
#
# REBOOTS is how often the Guest reboots: 20, or 3 if there is a SAMPLE.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $reboots = $ENV{REBOOTS} // ($ENV{SAMPLE} ? 3 : 20);

# --- In the Guest -------------------------------------------------------------
# look LAST; write FROM; late; lives
my $guest = spew(scratch() . '/guest', <<"BEGIN" . <<'END', 0755);
#!/bin/sh
reboots=$reboots
BEGIN
where='/dev/vda 0 512 16'
case $1 in
look)
	ledger check one $where 1 $2
	;;
write)
	ledger write one $where $2
	;;
through)	# around its own page cache, so that no error waits there
	ledger write one $where $2 direct
	;;
late)
	dd if=/dev/urandom of=/dev/vda bs=64k count=4 oflag=direct 2> /dev/null
	echo 'written, not flushed'
	read -r word
	exec 3<> /dev/vda
	dd if=/dev/zero of=/dev/vda bs=4k seek=100 count=1 conv=fsync 2>&1 |
		grep -i error
	echo asked
	;;
full)
	# More than there is room for.
	ledger write one /dev/vda 0 4096 16 $2 direct
	;;
found)
	ledger check one /dev/vda 0 4096 16 1 $2
	blkdiscard -o 0 -l 1048576 /dev/vda && echo discarded
	ledger write two /dev/vda 0 32 16 1 direct &
	sleep 3
	;;
lives)
	life=$(dd if=/dev/vdd bs=512 count=1 2> /dev/null | tr -dc 0-9)
	life=$((life + 1))
	printf '%-512d' $life | dd of=/dev/vdd bs=512 conv=fsync 2> /dev/null
	for d in vda vdb vdc; do
		ledger check $d /dev/$d 0 256 16 1 0
		[ $life -gt $reboots ] || ledger write $d /dev/$d 0 256 16 \
			$(ledger check $d /dev/$d 0 256 16 1 0 |
			sed 's/.* next //') &
	done
	[ $life -gt $reboots ] && exit
	while :; do dd if=/dev/vda of=/dev/null bs=64k iflag=direct; done 2> /dev/null &
	while :; do dd if=/dev/zero of=/dev/vdb bs=64k seek=64 count=64; done 2> /dev/null &
	sleep 1
	echo "life $life"
	usleep $(((life * 7919 % 23) * 100000))
	reboot -f
	sleep 100
	;;
esac
END

# --- In the Host --------------------------------------------------------------
my $host = spew(scratch() . '/faults', <<'END', 0755);
#!/bin/sh
. /library.sh
reboots=$1 engines=$2
run() {		# run JOB OPTIONS...
	job=$1
	shift
	exec lguest run --kernel /guest/bzImage --initrd /guest/initrd \
		--append "quiet run=\"guest $job\"" "$@"
}
here() { run "$@" < /dev/null 2>&1; }
until_says() {	# until_says COUNT PATTERN
	for n in $(seq 1200); do
		[ "$(grep -c "$2" /tmp/out)" -lt $1 ] || return 0
		none_runs && break
		usleep 100000
	done
	echo "never said: $2"
	return 1
}
none_runs() { [ $n -gt 100 ] && ! pidof lguest > /dev/null; }
last() { sed -n "s/^one durable //p" $1 | tr -d '\r' | tail -n 1; }
ends() {	# ends SIGNAL
	kill -$1 $launcher
	wait $launcher
	echo "ended $?"
}
show() { tr -d '\r' < /tmp/out | awk '!n[$0 ~ /durable/ ? "d" : $0]++'; }

# A disk whose writes fail when we say so.
size=$(cat /sys/block/vda/size)
dm() { dmsetup --noudevsync --noudevrules "$@"; }
dm create flaky --table "0 $size linear /dev/vda 0"
dmsetup mknodes
turn() {
	dm suspend --nolockfs flaky
	dm reload flaky --table "0 $size $1"
	dm resume flaky
}
fails() { turn 'flakey /dev/vda 0 0 1000000 1 error_writes'; }
works() { turn 'linear /dev/vda 0'; }

one=0
fail() {	# fail NAME JOB DISK: S4
	echo "=== $1"
	here "$2 $((one + 1))" --disk "$3" > /tmp/out &
	launcher=$!
	until_says 5 durable
	fails
	until_says 3 '^one .*error'
	works
	sleep 3
	fails
	ends TERM
	works
	echo "after: $(sed '1,/^one .*error/d' /tmp/out | grep -c durable) durable," \
		"$(grep -c '^one .*error' /tmp/out) errors"
	grep -ao 'lguest: .*' /tmp/out
	one=$(last /tmp/out)
	: "${one:=0}"
	(here "look $one" --disk "$3")
	file=${3%%,*}
	echo 3 > /proc/sys/vm/drop_caches
	echo "really: $(ledger check one $file 0 512 16 1 $one)"
	here "$2 $((one + 1))" --disk "$3" > /tmp/out &
	launcher=$!
	until_says 3 durable
	ends KILL
	one=$(last /tmp/out)
	(here "look $one" --disk "$3")
}
late() {	# late NAME DISK: S14
	echo "=== $1"
	rm -f /tmp/go
	(
		until [ -e /tmp/go ]; do usleep 100000; done
		echo go
		sleep 1000
	) | (run late --disk "$2" > /tmp/out 2>&1) &
	until_says 1 'written, not flushed'
	fails
	sync
	works
	touch /tmp/go
	until_says 1 '^asked'
	until_says 1 'exit'
	kill $(pidof sleep)
	wait
	show
}

for e in $engines; do
	one=0
	other=threads
	[ $e = uring ] || other=uring
	fail "S4 $e" write /dev/mapper/flaky,engine=$e
	fail "S4 $other direct" through /dev/mapper/flaky,engine=$other,direct
	late "S14 $e" /dev/mapper/flaky,engine=$e
	# No journal, which would end with the first error.
	mkfs.ext4 -q -F -O ^has_journal /dev/mapper/flaky > /dev/null 2>&1
	mkdir -p /disk
	mount -t ext4 /dev/mapper/flaky /disk
	dd if=/dev/zero of=/disk/image bs=64k count=64 2> /dev/null
	sync
	one=0
	fail "S4 $other file" through /disk/image,engine=$other
	late "S14 $other file" /disk/image,engine=$other
	umount /disk
	dd if=/dev/zero of=/dev/vda bs=64k count=128 conv=fsync 2> /dev/null
done

full() {	# full NAME DIRECTORY ENGINE: S5
	echo "=== $1"
	truncate -s 32M $2/image
	dd if=/dev/zero of=$2/ballast bs=64k count=32 2> /dev/null
	here 'full 1' --disk $2/image,engine=$3 > /tmp/out &
	launcher=$!
	until_says 3 'one write'
	echo "full at $(last /tmp/out)"
	echo "size $(wc -c < $2/image)"
	rm $2/ballast
	n=$(grep -c durable /tmp/out)
	until_says $((n + 10)) durable
	until_says 5 'one write .*error'
	sleep 3
	ends TERM
	one=$(last /tmp/out)
	echo "full again at $one"
	grep -ao 'lguest: .*' /tmp/out
	(here "found $one" --disk $2/image,engine=$3) > /tmp/out
	show
	rm $2/image
}
mkdir /small
mount -t tmpfs -o size=8M small /small
full 'S5 tmpfs' /small threads
umount /small
mkfs.ext4 -q -F /dev/mapper/flaky 10M > /dev/null 2>&1
mount -t ext4 /dev/mapper/flaky /small
full 'S5 ext4' /small uring
umount /small

echo '=== reboots'
for d in 1 2 3 4; do truncate -s 16M /tmp/d$d; done
# The Launcher's files and threads. Those of the dice and of the console end,
# with one file each, when they have had nothing to do for a second: one of each is
# not counted. What changes meanwhile is looked at again.
look() {
	names=$(cat /proc/$launcher/task/*/comm | grep -v iou-)
	files=$(ls /proc/$launcher/fd | wc -l)
	at_times=$(echo "$names" | grep '^rng\|^console' | sort -u | wc -l)
	echo "$((files - at_times)) files," \
		"$(($(echo "$names" | wc -l) - at_times)) threads"
}
census() {
	now=
	for again in 1 2 3 4 5 6 7 8 9 10; do
		before=$now
		now=$(look 2> /dev/null)
		[ "$now" = "$before" ] && break
		sleep 0.1
	done
	echo $now
}
here lives --disk /tmp/d1,engine=uring --disk /tmp/d2,engine=threads \
	--disk /tmp/d3,engine=uring,queues=4 --disk /tmp/d4 > /tmp/out &
launcher=$!
for life in $(seq $reboots); do
	until_says 1 "^life $life" || break
	echo "has $(census)"
done
wait $launcher
echo "ended $?"
tr -d '\r' < /tmp/out

echo '=== log'
complaints
END

my $disk = scratch() . '/disk';
spew($disk, '');
truncate $disk, 32 << 20;
my $result = try_host('--with-guest', '--memory', 512, '--disk', $disk,
	'--append=no_timer_check',	# a busy emulator may fail it
	(map { ('--module', $_) } qw(crc32c_generic ext4 dm-mod dm-flakey)),
	'--add', '/sbin/dmsetup:/bin/dmsetup', '--add', '/sbin/mke2fs:/bin/mkfs.ext4',
	programs('ledger'),
	(map { $_ eq '--add' ? '--add-guest' : $_ } programs('ledger')),
	'--add-guest', $guest, library(), '--timeout', 600 + 60 * $reboots,
	'--add', $host, '--', 'faults', $reboots,
	$ENV{SAMPLE} ? 'uring' : 'uring threads');
(my $out = $result->{out}) =~ tr/\r//d;
is $result->{status}, 0, 'the Host has come to its end' or diag($result->{err});
my %part = $out =~ /^=== (.*?)\n(.*?)(?=^=== |\z)/msg;

sub part_has {
	my ($name, @patterns) = @_;
	my $text = $part{$name} // '';
	my $good = 1;
	while (my ($what, $pattern) = splice @patterns, 0, 2) {
		$good &= ok($text =~ $pattern, "$name: $what");
	}
	diag($text) if !$good;
	return $text;
}
my @engines = $ENV{SAMPLE} ? 'uring' : qw(uring threads);
my %other = (uring => 'threads', threads => 'uring');
my $line = qr/^lguest: disk \S+:/m;
my $whole = qr/^one checked: last \d+ highest \d+ lost 0 bad 0/m;
my $lost = qr/$line data was lost \(Input\/output error\); it cannot flush/;
for my $e (@engines) {
	my $o = $other{$e};
	for my $name ("S4 $e", "S4 $o file") {
		my $text = part_has($name,
			'the Guest gets errors, and nothing is durable after the first' =>
				qr/^after: 0 durable, (?:[3-9]|\d\d+) errors$/m,
			'the user is told' => $lost,
			'... and again at the end' =>
				qr/$line the last changes may be lost/,
			'the Launcher ends when it is asked' => qr/^ended 143$/m,
			'what was durable is there' => qr/$whole.*$whole/s,
			'with the next Launcher it is so again' =>
				qr/^ended 137\n(?:.*\n)*?one checked: last [1-9]/m);
		is(scalar(() = $text =~ /$lost/g), 1, "$name: ... once");
		my ($seen) = $text =~ /^one checked: last (\d+ highest \d+)/m;
		my ($real) = $text =~ /^really: one checked: last (\d+ highest \d+)/m;
		is $seen, $real, "$name: what the next Guest reads is on the disk";
	}
	my $name = "S4 $o direct";
	my $text = part_has($name, 'the Guest gets errors' =>
			qr/^after: \d+ durable, (?:[3-9]|\d\d+) errors$/m,
		'the user is told' => qr/$line cannot write: Input\/output error$/m,
		'what was durable is there' => qr/$whole.*$whole/s);
	cmp_ok scalar(() = $text =~ /$line cannot write/g), '<=', 4,
		"$name: ... but not for ever";
	for my $name ("S14 $e", "S14 $o file") {
		part_has($name, 'the Guest hears what it did not cause' =>
				qr/^dd: .*Input\/output error\nasked$/m,
			'and so does the user' => $lost,
			'the Guest goes on' => qr/^init: exit 0$/m);
	}
}
for my $name ('S5 tmpfs', 'S5 ext4') {
	my $text = part_has($name,
		'there is room again, and then it is full again' => qr/^full again at \d+$/m,
		'the image is as long as it was' => qr/^size 33554432$/m,
		'the user is told' => qr/$line cannot write: No space left on device$/m,
		'the Launcher lives' => qr/^ended 143$/m,
		'what was durable is there' => $whole,
		'the Guest makes room itself' => qr/^discarded\n(?:.*\n)*?two durable \d/m);
	my ($first) = $text =~ /^full at (\d+)/m;
	my ($second) = $text =~ /^full again at (\d+)/m;
	cmp_ok $second // 0, '>=', ($first // 1e9) + 10, "$name: the room is used";
	cmp_ok scalar(() = $text =~ /$line cannot write/g), '<=', 4,
		"$name: ... but the user is not told for ever";
}

# Each life finds what the lives before were told.
my $lives = part_has('reboots', "$reboots lives" => qr/^life $reboots$/m,
	'a good end' => qr/^ended 0$/m);
my (%durable, %looks, @wrong);
for (split /\n/, $lives) {
	if (/^(\w+) durable (\d+)/) {
		$durable{$1} = $2;
	} elsif (/^(\w+) checked: last 0 highest (\d+) lost (\d+) bad (\d+)/) {
		$looks{$1}++;
		push @wrong, $_ if $3 || $4 || $2 < ($durable{$1} // 0);
	}
}
is_deeply \@wrong, [], 'reboots: what was durable is there in each life';
is_deeply \%looks, { map { $_ => $reboots + 1 } qw(vda vdb vdc) },
	'... on three disks';
my %uses;
$uses{$_}++ for $lives =~ /^has (\d+ files, \d+ threads)$/mg;
ok keys %uses == 1 && (values %uses)[0] == $reboots,
	'... with the same number of files and threads' or diag(join "\n", %uses);
note($_) for keys %uses;
note("$_: durable $durable{$_}") for sort keys %durable;
unlike $lives, qr/^lguest:/m, '... without a word from the Launcher';
like $part{log} // '', qr/^clean$/, 'nothing in the log of the Host';
tell('reboots while three disks are written, nothing lost', @wrong ? 'FAILED' : $reboots);
diag($out) if $ENV{SHOW};
done_testing;
