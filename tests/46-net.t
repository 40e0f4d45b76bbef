#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's own driver on our network device, in one Guest with two of them:
# eth0 is a tap in a bridge of the Host, eth1 goes through passt. Beyond both
# is a network namespace of the Host, the "world", with servers in it. The
# Launcher belongs to an ordinary user.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

# GUEST_KERNEL=debian tries another kernel than the small one.
my $kernel = $ENV{GUEST_KERNEL} // 'small';
my $pings = $ENV{SAMPLE} ? 1000 : 10000;

# The world, its servers, and what the Guest can ask the Host to do.
my $host = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
. /real-root.sh
real_root /job "$1"		# for passt, which locks itself in
chmod 666 /dev/net/tun
chown tester /dev/lguest
unshare -n sleep 100000 &
world=$!
sleep 1
for pair in w p; do
	/real/ip link add ${pair}0 type veth peer name ${pair}1
	/real/ip link set ${pair}1 netns $world
done
/real/ip addr add 192.0.2.2/24 dev w0
/real/ip link add br0 type bridge
/real/ip tuntap add t0 mode tap user tester
/real/ip link set t0 master br0
/real/ip link set p0 master br0
/real/ip addr add 10.9.0.254/24 dev br0
for i in w0 p0 t0 br0; do /real/ip link set $i up; done
/real/ip route add default via 192.0.2.1
nsenter -t $world -n /world
echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range

mkdir -p /local /www/cgi-bin
echo 'local file' > /local/file
cat > /www/cgi-bin/ask <<-'CGI'
	#!/bin/sh
	printf 'Content-Type: text/plain\r\n\r\n'
	case $QUERY_STRING in
	life) echo x >> /lives; wc -l < /lives ;;
	forward) wget -q -O - http://127.0.0.1:2222/file ;;
	passt) pidof passt ;;
	unplug) kill -9 $(pidof passt) ;;
	t0-*) cat /sys/class/net/t0/statistics/${QUERY_STRING#*-} ;;
	esac
	CGI
chmod 755 /www/cgi-bin/ask
httpd -p 10.9.0.254:80 -h /www
httpd -p 127.0.0.1:80 -h /local

su tester -c "id -u; exec lguest run --kernel /guest/bzImage \
	--initrd /guest/initrd --memory 256M --net t0 \
	--net user,mac=02:00:00:00:00:07,loopback,tcp=127.0.0.1/2222:80 \
	--append 'console=hvc0 panic=-1 oops=panic quiet run=/job'" < /dev/null
echo "status $?"
sleep 2
echo "passts $(pidof passt | wc -w)"
END
my $world = spew(scratch() . '/world', <<'END', 0755);
#!/bin/sh
/real/ip addr add 192.0.2.1/24 dev w1
/real/ip addr add 198.51.100.1/32 dev lo
/real/ip addr add 10.9.0.1/24 dev p1
for i in lo w1 p1; do /real/ip link set $i up; done
mkdir -p /world-www
echo 'a file of the world' > /world-www/file
head -c 8000000 /dev/urandom > /world-www/large
md5sum < /world-www/large > /world-www/sum
httpd -p 198.51.100.1:80 -h /world-www
httpd -p 10.9.0.1:80 -h /world-www
iperf3 -s > /dev/null 2>&1 &
END
my $guest = spew(scratch() . '/guest-job', <<'END', 0755);
#!/bin/sh
ask() { wget -q -O - "http://10.9.0.254/cgi-bin/ask?$1"; }
dmesg -n 1
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
ip link set eth1 up
sleep 1
life=$(ask life)
for i in 0 1; do
	echo "$life eth$i $(cat /sys/class/net/eth$i/address)" \
		"mtu $(cat /sys/class/net/eth$i/mtu)" \
		"carrier $(cat /sys/class/net/eth$i/carrier)" \
		"features $(cat /sys/class/net/eth$i/device/features)"
done
cat > /dhcp <<-'DHCP'
	#!/bin/sh
	[ "$1" = bound ] || exit 0
	ip addr add $ip/$mask dev $interface
	ip route add default via $router
	echo "lease $ip $router"
	DHCP
chmod 755 /dhcp
udhcpc -q -n -f -i eth1 -s /dhcp 2> /dev/null
echo "$life passt $(ask passt)"
echo "$life world $(wget -q -O - http://198.51.100.1/file)"
if [ "$life" = 1 ]; then
	sleep 1
	reboot -f
	sleep 100
fi

echo "loopback $(wget -q -O - http://192.0.2.1/file)"
mkdir /www
echo 'a file of the Guest' > /www/file
httpd -p 80 -h /www
echo "forward $(ask forward)"
for from in 10.9.0.1 198.51.100.1; do
	wget -q -O /large http://$from/large
	wget -q -O /sum http://$from/sum
	[ "$(md5sum < /large)" = "$(cat /sum)" ] && echo "large $from good"
done

echo "ping tap $(ping -A -q -c PINGS 10.9.0.1 | grep transmitted)"
echo "ping size $(ping -q -c 20 -i 0.1 -s 1472 10.9.0.1 | grep transmitted)"
echo "ping parts $(ping -q -c 20 -i 0.1 -s 20000 10.9.0.1 | grep transmitted)"
echo "ping passt $(ping -A -q -c PINGS 198.51.100.1 | grep transmitted)"

speed() {
	iperf3 "$@" -t 4 -f m | sed -n 's/.* \([0-9.]* Mbits\/sec\).*receiver.*/\1/p'
}
count() { echo $(ask t0-${1}_bytes) $(ask t0-${1}_packets); }
before=$(count rx)
echo "speed tap out $(speed -c 10.9.0.1)"
echo "segments out $before $(count rx)"
before=$(count tx)
echo "speed tap in $(speed -c 10.9.0.1 -R)"
echo "segments in $before $(count tx)"
echo "speed passt out $(speed -c 198.51.100.1)"
echo "speed passt in $(speed -c 198.51.100.1 -R)"

# another driver comes, in the middle of something
(iperf3 -c 10.9.0.1 -R -t 20 > /dev/null 2>&1 &)
sleep 1
device=$(basename $(readlink /sys/class/net/eth0/device))
for i in 1 2 3 4 5; do
	echo $device > /sys/bus/virtio/drivers/virtio_net/unbind
	echo $device > /sys/bus/virtio/drivers/virtio_net/bind
done
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
echo "ping again $(ping -q -c 20 -i 0.1 10.9.0.1 | grep transmitted)"
killall iperf3

ask unplug
sleep 2
echo "carrier $(cat /sys/class/net/eth1/carrier)"
echo "ping still $(ping -q -c 20 -i 0.1 10.9.0.1 | grep transmitted)"
dmesg | grep -iE 'warn|error|virtio_net' | sed 's/^/kernel: /'
echo end
poweroff -f
END
spew($guest, slurp($guest) =~ s/PINGS/$pings/gr, 0755);
my $users = spew(scratch() . '/passwd', <<'END');
root:x:0:0:root:/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
tester:x:1000:1000:tester:/tmp:/bin/sh
END
chomp(my ($ip, $passt, $iperf) = map { `PATH=\$PATH:/sbin:/usr/sbin; command -v $_` }
	qw(ip passt iperf3));

my $try = try_host('--timeout', 900, '--with-guest', '--memory', 768,
	'--guest-kernel', $kernel,
	(map { ('--module', $_) } qw(tun veth bridge)),
	'--add-host', $host, '--add-host', $world, '--add-host', "$users:/etc/passwd",
	'--add-host', "$TOP/tests/launcher/real-root.sh:/real-root.sh",
	'--add-host', "$ip:/real/ip", '--add-host', "$passt:/bin/passt",
	'--add-host', "$iperf:/bin/iperf3", '--add-guest', "$iperf:/bin/iperf3",
	'--add-guest', "$guest:/job", '--', 'job');
my $out = $try->{out} =~ s/\r//gr;
diag("$out\n$try->{err}") if $out !~ /^end$/m || $ENV{TEST_VERBOSE};

is $try->{status}, 0, 'the Host is well';
like $out, qr/^1000\n/, 'the Launcher belongs to an ordinary user';

# Features: a bit each, the lowest first.
my %bit = (CSUM => 0, GUEST_CSUM => 1, MTU => 3, MAC => 5, GUEST_TSO4 => 7,
	   GUEST_TSO6 => 8, HOST_TSO4 => 11, HOST_TSO6 => 12, MRG_RXBUF => 15,
	   STATUS => 16);
my @offloads = qw(CSUM GUEST_CSUM GUEST_TSO4 GUEST_TSO6 HOST_TSO4 HOST_TSO6);
my %eth;
push @{$eth{$1}}, [$2, $3, $4, $5] while $out =~
	/^\d (eth\d) (\S+) mtu (\d+) carrier (\d) features (\d+)$/mg;
for (['eth0', 1500, 1], ['eth1', 65520, 0]) {
	my ($name, $mtu, $offloads) = @$_;
	my ($first, $second) = @{$eth{$name} // []};
	ok $first && $second, "$name is there, before and after a reboot" or next;
	is $second->[0], $first->[0], '... with one address';
	is $first->[1], $mtu, "... packets of $mtu bytes";
	is $first->[2], 1, '... and a link';
	my @bits = split //, $first->[3];
	ok $bits[$bit{$_}], "... the driver has accepted $_"
		for qw(MTU MAC MRG_RXBUF STATUS);
	is join(' ', grep { $bits[$bit{$_}] } @offloads),
		$offloads ? "@offloads" : '', '... and the offloads that there are';
}
is $eth{eth1}[0][0], '02:00:00:00:00:07', 'an address that the user has chosen';
is scalar(() = $out =~ /^lease 192\.0\.2\.2 192\.0\.2\.1$/mg), 2,
	'passt leases an address in each life';
ok $out =~ /^1 passt (\d+)$/m && $out =~ /^2 passt $1$/m, '... and is the same passt';
like $out, qr/^$_ world a file of the world$/m, "life $_ reaches the world through passt" for 1, 2;
like $out, qr/^loopback local file$/m, "the gateway's address is the Host's loopback";
like $out, qr/^forward a file of the Guest$/m, 'a port of the Host leads to the Guest';
like $out, qr/^large 10\.9\.0\.1 good$/m, '8 MB over the tap are what they were';
like $out, qr/^large 198\.51\.100\.1 good$/m, '8 MB over passt are what they were';

for (['tap', $pings, 'over the tap'], ['size', 20, 'of full size'],
     ['parts', 20, 'in fragments'], ['passt', $pings, 'over passt'],
     ['again', 20, 'after five drivers'], ['still', 20, 'over the tap when passt is dead']) {
	my ($name, $count, $what) = @$_;
	like $out, qr/^ping $name $count packets transmitted, $count packets received,/m,
		"$count pings $what";
}
for my $way ('tap out', 'tap in', 'passt out', 'passt in') {
	my ($speed) = $out =~ /^speed $way ([\d.]+ \S+)$/m;
	ok $speed, "iperf3: $way";
	note("$way: $speed") if $speed;
}
for my $way ('out', 'in') {
	my @n = $out =~ /^segments $way (\d+) (\d+) (\d+) (\d+)$/m;
	my $mean = @n ? ($n[2] - $n[0]) / (($n[3] - $n[1]) || 1) : 0;
	note(sprintf 'segments %s: %.0f bytes a packet', $way, $mean);
	cmp_ok $mean, '>', 2000, "segments go $way without being cut";
}
like $out, qr/^carrier 0$/m, 'the Guest sees that passt is dead';
like $try->{out} . $try->{err}, qr/net 2: passt has ended; the Guest has no link now/, '... and so does the user';
unlike $out, qr/^kernel: /m, "the Guest's kernel has nothing to say";
like $out, qr/^end\n(?:.*\n)*status 0\npassts 0\n/m, 'a clean end, and no passt is left';

done_testing;
