#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A whole Debian 12 as a Guest, from a disk, with a network that needs no root: it
# boots until systemd has nothing left to do, somebody logs in on the console, apt
# installs a package from a server on the Host's own loopback, and systemd switches
# the machine off. The Launcher belongs to an ordinary user of the group lguest.
#
# Then the same disk again, through build/try --rootfs: a command in it, with what it
# reads, writes and returns.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
plan skip_all => 'the first Debian image takes root'
	if $> != 0 && system("$TOP/build/rootfs --find debian > /dev/null") != 0;

# What is written in a file system with a mount count.
chomp(my $image = `$TOP/build/rootfs debian`);
BAIL_OUT('build/rootfs has failed') if $? != 0;
sub superblock { return scalar `/sbin/dumpe2fs -h $image 2> /dev/null` }
my $before = superblock();

# The archive: one package, its index, and what we do once we are in.
my ($archive, $package) = (scratch() . '/archive', scratch() . '/package');
mkdir $_ for $archive, $package, map { "$package/$_" } qw(DEBIAN usr usr/bin);
spew("$package/usr/bin/greeting", "#!/bin/sh\necho \"greetings from \$(hostname)\"\n", 0755);
my $control = spew("$package/DEBIAN/control", <<'END');
Package: greeting
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: systemd
Description: a greeting
END
system("dpkg-deb --root-owner-group -b $package $archive/greeting.deb > /dev/null") == 0
	or BAIL_OUT('no package');
my $deb = slurp("$archive/greeting.deb");
my $index = slurp($control) . "Filename: ./greeting.deb\nSize: " . length($deb) .
	"\nSHA256: " . sha256_hex($deb) . "\n";
spew("$archive/Packages", $index);
spew("$archive/Release", "Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n " .
     sha256_hex($index) . ' ' . length($index) . " Packages\n");
spew("$archive/job", <<'END');
stty cols 200
echo "state $(systemctl is-system-running --wait)"
systemctl --failed --plain --no-legend | sed 's/^/failed /'
systemd-analyze | sed -n 's/^Startup finished/startup/p'
systemd-analyze blame --no-pager | head -n 12 | sed 's/^/blame /'
free -m | sed 's/^/memory /'
ip -4 -o address show eth0 | awk '{ print "address", $4 }'
ip route | awk '/^default/ { print "router", $3 }'
sed -n 's/^nameserver/server/p' /run/systemd/resolve/resolv.conf
findmnt -n -o SOURCE,FSTYPE / | sed 's/^/root /'
echo 'deb [trusted=yes] http://192.0.2.1 ./' > /etc/apt/sources.list
apt-get -q update < /dev/null
echo "update $?"
apt-get -q -y install greeting < /dev/null
echo "install $?"
greeting
dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Status}\n' greeting
dmesg -l emerg,alert,crit,err | sed 's/^/kernel: /'
echo 'job done'
END

my $host = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
. /real-root.sh
real_root /job "$1"		# for passt, which locks itself in
. /library.sh
chown root:lguest /dev/lguest
chmod 660 /dev/lguest
chown tester /dev/vda
chmod 1777 /tmp
ip link add w0 type dummy
ip addr add 192.0.2.2/24 dev w0
ip link set w0 up
ip route add default via 192.0.2.1
httpd -p 127.0.0.1:80 -h /archive

mkfifo -m 666 /tmp/keys
as_user tester:lguest /start > /tmp/screen 2>&1 &
guest=$!
exec 3> /tmp/keys
tail -f /tmp/screen > /dev/console &
begin=$(now)
seen() {	# waits for a text on the screen
	until grep -q "$1" /tmp/screen; do
		if ! kill -0 $guest 2> /dev/null; then
			echo "the Guest ended before: $1"
			return 1
		fi
		sleep 0.2
	done
	echo "seen $1 after $(($(now) - begin))"
}
fetch='/usr/lib/apt/apt-helper download-file'
seen 'lguest login:' && echo root >&3 && seen 'root@lguest' &&
	echo "$fetch http://192.0.2.1/job /run/job && . /run/job" >&3 &&
	seen '^job done' && echo 'systemctl poweroff' >&3
wait $guest
echo "lguest $? after $(($(now) - begin))"
echo '=== screen'
tr -d '\r' < /tmp/screen
echo '=== end'
complaints
none_left
END
my $start = spew(scratch() . '/start', <<'END', 0755);
#!/bin/sh
id
exec lguest run --kernel /guest/bzImage --memory 256M --disk /dev/vda --net user,loopback \
	--append root=/dev/vda < /tmp/keys
END
my $users = spew(scratch() . '/passwd', <<'END');
root:x:0:0::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh
tester:x:1000:900::/tmp:/bin/sh
END
my $groups = spew(scratch() . '/group', "root:x:0:\nnogroup:x:65534:\nlguest:x:900:\n");
my $servers = spew(scratch() . '/resolv.conf', "nameserver 192.0.2.53\n");
chomp(my $passt = `PATH=\$PATH:/sbin:/usr/sbin; command -v passt`);
my $result = try_host('--timeout', 900, '--rootfs', 'debian', '--with-guest',
	'--module', 'dummy', library(), '--add', $host, '--add', $start,
	'--add', "$TOP/tests/launcher/real-root.sh:/real-root.sh",
	'--add', "$users:/etc/passwd", '--add', "$groups:/etc/group",
	'--add', "$servers:/etc/resolv.conf", '--add', "$passt:/bin/passt",
	'--add', "$archive:/archive", '--', 'job');

my ($out, $screen, $end) = split /^=== \w+\n/m,
	$result->{out} =~ s/\e\[[0-9;?]*[A-Za-z]//gr;
$_ //= '' for $out, $screen, $end;
is $result->{status}, 0, 'the Host goes through it';
like $screen, qr/^uid=1000\S* gid=900\(lguest\)/m, 'the Launcher belongs to an ordinary user';
my ($boot) = $out =~ /^seen lguest login: after (\d+)/m;
ok $boot, 'the Guest boots until it asks who is there' and
	tell('Debian boots to its login prompt in ms', $boot);
like $out, qr/^seen root\@lguest/m, 'root may log in';
like $screen, qr/^state running$/m, 'systemd is done, and nothing has failed';
is join('; ', $screen =~ /^failed (.*)/mg), '', '... no unit has';
like $screen, qr{^root /dev/vda +ext4$}m, 'the root file system is the disk';
like $screen, qr{^address 192\.0\.2\.2/24$}m, 'networkd has an address from passt';
like $screen, qr/^router 192\.0\.2\.1$/m, '... and a router';
like $screen, qr/^server 192\.0\.2\.53$/m, '... and resolved the Host\'s name server';
like $screen, qr/^update 0$/m, 'apt-get update';
like $screen, qr/^install 0$/m, 'apt-get install';
like $screen, qr/^package greeting 1\.0 installed$/m, '... has installed it';
like $screen, qr/^greetings from lguest$/m, '... and it runs';
is join('; ', $screen =~ /^kernel: (.*)/mg), '', 'the Guest\'s kernel has logged no error';
like $out, qr/^lguest 0 after/m, 'systemctl poweroff ends lguest with 0';
like $end, qr/^clean$/m, 'the Host has nothing to complain of';
unlike $end, qr/left/, 'and no machine is left';
note $1 while $out =~ /^(seen .*|lguest .*)/mg;
note $1 while $screen =~ /^((?:startup|blame|memory) .*)/mg;
diag $result->{out} unless Test::More->builder->is_passing;

# build/try, with something to read.
my $input = spew(scratch() . '/input', join '', map { chr } 0 .. 255);
my $what = spew(scratch() . '/what', <<'END', 0755);
#!/bin/sh
cat
. /etc/os-release
echo "$ID $VERSION_ID $(systemctl is-active multi-user.target)" >&2
exit 7
END
local $ENV{TRY} = spew(scratch() . '/try', "#!/bin/sh\nexec $TOP/build/try \"\$@\" < $input\n",
		       0755);
$result = try_guest('--timeout', 600, '--rootfs', 'debian', '--add', $what, '--', 'what');
is $result->{status}, 7, 'build/try --rootfs: the status of a command in it';
ok $result->{out} eq slurp($input), '... what it has read, and written again';
is $result->{err}, "debian 12 active\n", '... and said, after all that systemd starts';
ok $before && superblock() eq $before, 'the image has not been written to';
done_testing;
