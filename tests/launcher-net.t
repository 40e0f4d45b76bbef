#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The network device: frames in both directions, hostile ones in both
# directions, memory, and what happens when the other end goes away.  There is
# no module: see tests/launcher/fake-module.c; the Guests are in
# tests/launcher/net.c.  In passt's place is tests/launcher/peer, then passt
# itself, then a tap in a network namespace of our own.
#
# Needs a C compiler.  LGUEST names another binary, such as one that was built
# with sanitizers.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake qw($LGUEST make_kernel make_fake finish slurp);
use File::Temp qw(tempdir);
use POSIX qw(:sys_wait_h);
use Socket;
use Test::More;
use Time::HiRes qw(sleep time);

my $top = abs_path(dirname(__FILE__) . '/..');
my $sanitized = `nm $LGUEST 2> /dev/null` =~ /__asan_init/;
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
my $fake = make_fake("$dir/fake-module.so", 'net.c');
my $kernel = make_kernel("$dir/vmlinux");
mkdir "$dir/peer";
symlink "$top/tests/launcher/peer", "$dir/peer/passt";

# --- Running -----------------------------------------------------------------

sub start {
	my ($guest, %o) = @_;
	unlink map { "$dir/$_" } 'out', 'err', 'log';
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	POSIX::close($_) for 3 .. 255;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', "$dir/out";
	open STDERR, '>', "$dir/err";
	@ENV{'SCENARIO', 'LD_PRELOAD'} = ($guest, $fake);
	$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0';
	@ENV{'PEER', 'LOG'} = ($o{peer}, "$dir/log") if $o{peer};
	$ENV{PATH} = "$dir/peer:$ENV{PATH}" if $o{peer};
	$ENV{$_} = $o{env}{$_} for keys %{$o{env} // {}};
	$ENV{XDG_RUNTIME_DIR} = $dir;
	exec $LGUEST, 'run', '--kernel', $kernel, (map { ("--$_", 'none') } qw(console rng balloon)),
		(defined $o{net} ? ('--net', $o{net}) : ());
	die "exec: $!";
}

sub ends {
	my ($what, $guest, $status, $out, $err, %o) = @_;
	my $s = finish(start($guest, net => 'user', %o)) // 'timeout';
	my ($got, $said) = map { slurp("$dir/$_") } 'out', 'err';
	my $good = ok($s eq $status && $got =~ $out && $said =~ $err, $what);
	diag("status $s\nstdout: $got\nstderr: $said") if !$good;
	return $good;
}

sub wait_for {
	my ($name, $what, $limit) = @_;
	my $end = time + ($limit // 20);
	sleep .01 while slurp("$dir/$name") !~ $what && time < $end;
	my $good = slurp("$dir/$name") =~ $what;
	diag("$name: " . slurp("$dir/$name")) if !$good;
	return $good;
}

# KB of memory that are the process's own: what the Guest's and its own differ in
sub memory {
	my ($pid) = @_;
	my ($kb) = slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $kb;
}

# Seconds of processor time
sub spent {
	my ($pid) = @_;
	my @stat = split / /, slurp("/proc/$pid/stat") =~ s/.*\) //r;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

# The process is gone, or soon
sub goes {
	my ($pid) = @_;
	my $end = time + 10;
	sleep .01 while kill(0, $pid) && time < $end &&
		slurp("/proc/$pid/stat") !~ /\) Z/;
	return !kill(0, $pid) || slurp("/proc/$pid/stat") =~ /\) Z/;
}
sub peer_pid {
	wait_for('log', qr/^pid (\d+)/);
	return (slurp("$dir/log") =~ /^pid (\d+)/)[0];
}

my $none = qr/\A\z/;

# --- Settings ----------------------------------------------------------------------

for (['', 'needs a value|is not known|letters'],
     ['mtu=1500', 'needs one of'], ['user,tap=t0', 'needs one of'],
     ['tap=t0,bridge=br0', 'needs one of'], ['user=off', 'needs one of'],
     ['tap=' . 'x' x 16, '1 to 15 letters'], ['bridge=', '1 to 15 letters'],
     ['user,mac=52:54:00:12:34', 'mac is not'], ['user,mac=53:54:00:12:34:56', 'mac is not'],
     ['user,mac=52:54:00:12:34:5g', 'mac is not'], ['user,mac=52:54:00:12:34:56:', 'mac is not'],
     ['user,mtu=67', 'mtu is not'], ['user,mtu=65521', 'mtu is not'], ['user,mtu=-1', 'mtu is not'],
     ['t0,tcp=80', 'go with user'], ['t0,udp=80', 'go with user'],
     ['t0,loopback', 'go with user'], ['user,speed=1', 'is not known']) {
	my ($net, $why) = @$_;
	ends("--net '$net'", 'quiet', 2, $none, qr/\Alguest: --net \Q$net\E: .*(?:$why).*\n\z/, net => $net);
}
ends('--net none', 'hello', 0, qr/hello/, $none, net => 'none');

# --- passt's place: a fake one ---------------------------------------------------------

my $mac = qr/mac ([0-9a-f:]{17})/;
ends('what the Guest sees', 'net-looks', 0,
     qr/\Atype 1 queues 2 config 12 features 110018028\n$mac status 1 mtu 65520 pairs 1\n\z/,
     $none, peer => 'echo');
like(slurp("$dir/out"), qr/mac .[26ae]/, '... and the address is a local one');
like(slurp("$dir/log"), qr/^pid \d+ args --foreground --quiet --fd 3 --mtu 65520 --no-map-gw$/m,
     'what passt is told');
like(slurp("$dir/log"), qr/^files 0 1 2 3$/m, '... and which files it has');
{
	my ($first) = slurp("$dir/out") =~ $mac;
	finish(start('net-looks', net => 'user', peer => 'echo'));
	my ($second) = slurp("$dir/out") =~ $mac;
	isnt($first, $second, 'another Launcher has another address');
}
ends('a Guest with wishes', 'net-looks', 0,
     qr/^mac 02:00:5e:0a:0b:0c status 1 mtu 1400 /m, $none, peer => 'echo',
     net => 'user,mac=02:00:5E:0a:0b:0C,mtu=1400,tcp=127.0.0.1/2222:22,,80,udp=53,loopback');
like(slurp("$dir/log"), qr/--mtu 1400 --tcp-ports 127.0.0.1\/2222:22,80 --udp-ports 53$/m,
     '... which passt hears of');

ends('D13: frames of all sizes, and one in pieces of one byte and of none', 'net-echo', 0,
     qr/\A1009 of 1009 came back\nin pieces: good\n32 at once\n\z/, $none, peer => 'echo');
like(slurp("$dir/log"), qr/^closed$/m, '... and passt is told to end');
ends('frames that come in small pieces', 'net-plain', 0, qr/\A-1\nbuffers 1\ndone\n\z/,
     $none, peer => 'drips');
ends('a driver without mergeable buffers', 'net-plain', 0, qr/\A-1\nbuffers 1\ndone\n\z/,
     $none, peer => 'echo');
ends('small buffers, and rings that can never hold a frame', 'net-small', 0,
     qr/\Abuffers 16\nbuffers 64\n-1\nbuffers 60\n3\d\d\d bytes\n\z/, $none, peer => 'echo');
ends('buffers without room for a header', 'net-headless', 0, qr/\Awell again\n\z/,
     qr/\Alguest: net 0: queue 0 has no room for a header; the device is stopped\n\z/,
     peer => 'echo');
{
	my $pid = start('net-held', net => 'user', peer => 'echo');
	wait_for('out', qr/waiting/);
	sleep .5;
	my $before = spent($pid);
	sleep 1;
	cmp_ok(spent($pid) - $before, '<', .3, 'with too few buffers we sleep');
	is(finish($pid), 0, '... until there are more');
	is(slurp("$dir/out"), "waiting\nused 0\n1514\ngood\n", '... and nothing is lost');
}

ends('four lives', 'net-reboots', 0, qr/\A(?:type.*\nmac (\S+).*\n)(?:type.*\nmac \1 .*\n){3}\z/,
     $none, peer => 'echo');
is(() = slurp("$dir/log") =~ /^pid/mg, 1, '... have one address and one passt');

ends('D13: 24 frames without sense', 'net-evil', 0, qr/\Alast: 100\n-1\n\z/,
     qr/\A(lguest:\ net\ 0:\ a\ frame\ [^\n]*;\ it\ is\ dropped\n){7}[^\n]*last\ complaint\)\n
	lguest:\ net\ 0:\ 24\ frames\ of\ the\ Guest\ were\ dropped[^\n]*\n\z/x, peer => 'echo');
ends("a mad Guest, seed $_", 'mad', 0, qr/\nsane again\n\z/,
     qr/\A(lguest: net 0: [^\n]*\n){0,9}\z/, peer => 'echo', env => { SEED => $_ }) for 1 .. 5;

for my $net ('user') {
	my $pid = start('net-deaf', net => $net, peer => 'flood');
	ok(wait_for('out', qr/deaf/), 'a Guest that does not read');
	sleep .5;
	my ($before, $begin) = (memory($pid), spent($pid));
	sleep 2;
	cmp_ok(memory($pid) - $before, '<', 100, 'D14: a Guest that does not read costs no memory');
	cmp_ok(spent($pid) - $begin, '<', .3, 'D14: ... and no time');
	is(finish($pid), 0, '... and can change its mind');
	is(slurp("$dir/out"), "deaf\n5000 in order\n", 'D14: it has lost nothing that was held');
}
{
	my $pid = start('net-drinks', net => 'user', peer => 'flood');
	my $peak = 0;
	while (waitpid($pid, WNOHANG) == 0) {
		my $exe = readlink "/proc/$pid/exe" // '';
		my $now = $exe eq $LGUEST ? memory($pid) // 0 : 0;
		$peak = $now if $now > $peak;
		sleep .05;
	}
	is($?, 0, '100,000 frames in a row');
	is(slurp("$dir/out"), "100000\n", '... arrive');
	note("peak $peak KB");
	cmp_ok($peak, '<', $sanitized ? 100000 : 4000, 'D14: 100,000 frames in little memory');
}

ends('300 resets in the rain', 'net-resets', 0, qr/\A2850\n\z/, $none, peer => 'flood');

# Lengths that a hostile passt sends
for my $length (0, 1, 13, 65554, 0x7fffffff, 0x80000000, 0xffffffff) {
	ends("passt says $length", 'net-unplugged', 0,
	     qr/\Astatus 1\nstatus 0 generation 2\nstatus 0 after a reset\nsilence\n\z/,
	     qr/\Alguest:\ net\ 0:\ passt\ sends\ a\ frame\ of\ $length\ bytes,\ which\ cannot\ be;
		\ the\ Guest\ has\ no\ link\ now\n\z/x, peer => "length $length 70000");
}
for my $half (1, 3, 4, 5, 103) {
	ends("passt ends after $half bytes", 'net-unplugged', 0, qr/^status 0 after a reset\nsilence/m,
	     qr/\Alguest: net 0: passt has ended; the Guest has no link now\n\z/, peer => "half $half");
}
ends('passt has a reason to end', 'net-unplugged', 0, qr/^status 0 after a reset\nsilence/m,
     qr/\Alguest: net 0: passt has ended: No \.\[31minterface; the Guest has no link now\n\z/,
     peer => 'dies');
ends('passt closes, and stays', 'net-unplugged', 0, qr/^status 0 after a reset\nsilence/m,
     qr/\Alguest: net 0: passt has ended; the Guest has no link now\n\z/, peer => 'lingers');
ok(goes(peer_pid()), '... and is ended');
ends('passt talks too much', 'net-echo', 0, qr/^1009 of 1009/, $none, peer => 'chatters');
mkdir "$dir/nothing";
ends('passt is not installed', 'net-looks', 0, qr/ status 0 mtu 65520 /,
     qr/\Alguest: net 0: cannot start passt: No such file[^\n]*is it installed\?; the Guest has no link\n\z/,
     env => { PATH => "$dir/nothing" });
ends('... and the Guest can try to use it', 'net-unplugged', 0,
     qr/\Astatus 0\nstatus 0 generation 1\nstatus 0 after a reset\nsilence\n\z/, qr/no link\n\z/,
     env => { PATH => "$dir/nothing" });

# A passt that does not read
ends('a reset while passt does not listen', 'net-stuck', 0, qr/\Astuck after some\nreset\ndone\n\z/,
     $none, peer => 'late');
like(slurp("$dir/log"), qr/\Apid.*\nfiles.*\nthe small ones\nclosed\n\z/, '... and the stream is in step');
{
	my $pid = start('net-stuck', net => 'user', peer => 'deaf', env => { STAY => 1 });
	wait_for('out', qr/stuck/);
	my $begin = time;
	kill 'TERM', $pid;
	is(finish($pid, 20), 143, 'SIGTERM while passt does not listen');
	cmp_ok(time - $begin, '<', 8, '... is quick');
	ok(goes(peer_pid()), '... and ends passt as well');

	$pid = start('net-waits', net => 'user', peer => 'echo');
	wait_for('out', qr/here/);
	kill 'KILL', $pid;
	waitpid $pid, 0;
	ok(goes(peer_pid()), 'nothing is left after SIGKILL');
}

# --- passt -----------------------------------------------------------------------------

SKIP: {
	skip 'passt is not installed', 1 if system('command -v passt > /dev/null') != 0;
	skip 'no default route, without which passt does not start', 1
		if `ip -4 route show default 2> /dev/null` eq '';
	ends('passt answers', 'net-asks', 0, qr/\Aarp: answered\ndhcp: offered\n\z/, $none);
	ends('passt does not like its ports', 'net-unplugged', 0, qr/^status 0 after a reset/m,
	     qr/\Alguest: net 0: passt has ended: Invalid port specifier 99999; the Guest has no link now\n\z/,
	     net => 'user,tcp=99999');
	my $pid = start('net-waits', net => 'user');
	wait_for('out', qr/here/);
	my ($passt) = grep { slurp("/proc/$_/stat") =~ /^\d+ \(passt\S*\) \S $pid / }
		map { m{/(\d+)$} } glob '/proc/[0-9]*';
	ok($passt, 'passt is our child');
	kill 'KILL', $passt;
	ok(wait_for('err', qr/net 0: passt has ended; the Guest has no link now\n/), '... and can be killed');
	kill 'TERM', $pid;
	is(finish($pid), 143, '... while the Guest goes on');
	$pid = start('net-waits', net => 'user');
	wait_for('out', qr/here/);
	($passt) = grep { slurp("/proc/$_/stat") =~ /^\d+ \(passt\S*\) \S $pid / }
		map { m{/(\d+)$} } glob '/proc/[0-9]*';
	kill 'KILL', $pid;
	waitpid $pid, 0;
	ok(goes($passt), 'passt ends when we are killed');
}

# --- A tap ---------------------------------------------------------------------------------

# In a network of our own, with a /sys that shows it: unshare(CLONE_NEWNET |
# CLONE_NEWNS)
SKIP: {
	skip 'no network namespace for us (not root?)', 1 if syscall(272, 0x40020000) != 0 ||
		system('mount --make-rprivate / && mount -t sysfs sysfs /sys') != 0;
	skip 'no taps here', 1 if system('ip tuntap add t0 mode tap && ip addr add 10.9.0.1/24 dev t0 &&
		ip link set t0 up && ip link set lo up') != 0;

	ends('what a tap offers', 'net-looks', 0, qr/features 11001bbab\nmac .* status 1 mtu 1500 /,
	     $none, net => 't0');
	system('ip link set t0 mtu 9000');
	ends('... and how long its packets may be', 'net-looks', 0, qr/ mtu 9000 /, $none, net => 'tap=t0');
	system('ip link set t0 mtu 1500');
	ends('100 pings over a tap', 'net-pings', 0, qr/\Aarp: answered\n100 of 100 pings\n\z/,
	     $none, net => 't0');

	socket my $udp, PF_INET, SOCK_DGRAM, 0;
	bind $udp, sockaddr_in(5000, INADDR_ANY);
	my $pid = start('net-sums', net => 't0');
	for (1, 2) {
		my $from = recv $udp, my $text, 100, 0;
		is($text, 'partial', 'a checksum that the Guest has left to the Host') if $_ == 1;
		is($text, 'partial', '... and one that is complete') if $_ == 2;
		send $udp, 'reply', 0, $from;
	}
	is(finish($pid), 0, '... and in the other direction');
	is(slurp("$dir/out"), "flags 1, sum partial\nflags 0, sum complete\n",
	   '... as the driver has agreed');
	close $udp;

	sub counter { return 0 + slurp("/sys/class/net/t0/statistics/$_[0]") }
	my $before = counter('rx_packets');
	ends('D13: 24 frames without sense for a tap', 'net-evil', 0, qr/\Alast: 0\n-1\n\z/,
	     qr/net 0: 24 frames of the Guest were dropped/, net => 't0');
	is(counter('rx_packets') - $before, 1, 'D13: they do not reach the tap');
	ends("a mad Guest, seed $_", 'mad', 0, qr/\nsane again\n\z/,
	     qr/\A(lguest: net 0: [^\n]*\n){0,9}\z/, net => 't0', env => { SEED => $_ }) for 1 .. 3;

	# The Host sends, the Guest has no buffers
	$pid = start('net-deaf', net => 't0');
	wait_for('out', qr/deaf/);
	socket $udp, PF_INET, SOCK_DGRAM, 0;
	connect $udp, sockaddr_in(9, inet_aton('10.9.0.2'));
	system('ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:01 dev t0');
	my $own = memory($pid);
	my $dropped = counter('tx_dropped');
	my $begin = spent($pid);
	my $end = time + 1.5;
	my $sent = 0;
	while (time < $end) {
		send($udp, 'x' x 1472, 0) && $sent++ for 1 .. 100;
	}
	cmp_ok($sent, '>', 2000, "a Guest that does not read $sent frames");
	cmp_ok(memory($pid) - $own, '<', 100, 'D14: a flood of UDP that nobody reads costs no memory');
	cmp_ok(spent($pid) - $begin, '<', .3, 'D14: ... and no time');
	cmp_ok(counter('tx_dropped') - $dropped, '>', $sent - 1200, '... the Host drops them');
	finish($pid);

	$pid = start('net-waits', net => 't0');
	wait_for('out', qr/here/);
	ends('a tap that is in use', 'net-looks', 1, $none,
	     qr/\Alguest: net: cannot have the tap t0: Device or resource busy\n\z/, net => 't0');
	kill 'TERM', $pid;
	finish($pid);
	$pid = start('net-waits', net => 't0');
	wait_for('out', qr/here/);
	system('ip link del t0');
	ok(wait_for('err', qr/\Alguest: net 0: the tap t0 is gone: [^\n]*; the Guest has no link now\n\z/),
	   'a tap that is deleted');
	kill 'TERM', $pid;
	is(finish($pid), 143, '... while the Guest goes on');

	$pid = start('net-waits', net => 't1,mtu=4000');
	wait_for('out', qr/here/);
	like(`ip link show t1`, qr/<[^>]*\bUP\b.* mtu 4000 /, 'a tap that we make');
	kill 'TERM', $pid;
	finish($pid);
	ok(!-e '/sys/class/net/t1', '... is gone when we are');

	system('ip link add br7 type bridge && ip link set br7 up');
	my @pids = (start('net-waits', net => 'bridge=br7'));
	wait_for('out', qr/here/);
	push @pids, start('net-waits', net => 'bridge=br7');
	wait_for('out', qr/here/);
	is(join(' ', sort map { s/.*\///r } glob '/sys/class/net/br7/brif/*'), 'lguest0 lguest1',
	   'two Guests at a bridge');
	kill 'TERM', @pids;
	finish($_) for @pids;
	is(join(' ', glob '/sys/class/net/br7/brif/*'), '', '... leave it');
	ends('a bridge that is not there', 'net-looks', 1, $none,
	     qr/\Alguest: net: cannot make a tap for the bridge br8: No such device\n\z/, net => 'bridge=br8');
	ends('a name that is no tap', 'net-looks', 1, $none,
	     qr/\Alguest: net: cannot have the tap br7: Invalid argument\n\z/, net => 'tap=br7');
}

done_testing();
