#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A user who is not root, in the group lguest, runs a Linux Guest and calls it by
# its name; and what the Launcher has given up by the time the Guest runs, for each
# of its threads, for that user and for root.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
. /library.sh
mkdir -p /etc /run
cat > /etc/passwd << 'EOF'
root:x:0:0::/:/bin/sh
member:x:1000:1000::/tmp:/bin/sh
stranger:x:1001:1001::/tmp:/bin/sh
EOF
cat > /etc/group << 'EOF'
root:x:0:
lguest:x:900:
member:x:1000:
stranger:x:1001:
EOF
chown root:lguest /dev/lguest
chmod 660 /dev/lguest
chmod 1777 /tmp

# The Guest says "up" and waits to be stopped.
cat > /tmp/start << 'EOF'
#!/bin/sh
exec lguest run --name "$1" --kernel /guest/bzImage --initrd /guest/initrd \
	--append 'quiet run="id -u; echo up; sleep 1000"' < /dev/null > "/tmp/$1.out" 2>&1
EOF
# (start-stop-daemon starts no program that is running.)
cat > /tmp/call << 'EOF'
#!/bin/sh
exec lguest "$@"
EOF
chmod 755 /tmp/start /tmp/call

echo '=== stranger'
as_user stranger:stranger /tmp/start stranger
echo "status $?"
cat /tmp/stranger.out

threads() {	# what each thread of this process may still do
	for t in /proc/$1/task/*; do
		awk -v name="$(cat "$t/comm")" '/^(NoNewPrivs|Seccomp|CapEff|CapPrm|CapBnd|Uid):/ {
			s = s " " $1 $2 } END { print "thread", name s }' "$t/status"
	done
}
for user in member root; do
	group=lguest
	[ $user != root ] || group=root
	echo "=== $user"
	as_user $user:$group /tmp/start $user &
	started=$!
	until grep -q '^up' /tmp/$user.out 2> /dev/null; do
		kill -0 $started 2> /dev/null || break
		sleep 0.2
	done
	cat /tmp/$user.out
	threads $(pidof lguest)
	as_user $user:$group /tmp/call list
	for verb in pause resume stats; do
		as_user $user:$group /tmp/call $verb $user > /tmp/verb 2>&1
		echo "$verb $? $(wc -l < /tmp/verb)"
		sed -n 1p /tmp/verb
	done
	as_user stranger:stranger /tmp/call list
	as_user stranger:stranger /tmp/call stop $user
	echo "stranger's stop $?"
	as_user $user:$group /tmp/call stop $user
	echo "stop $?"
	pidof lguest || echo gone
	killall lguest
	wait
done
echo '=== end'
complaints
none_left
END
my $result = try_host('--with-guest', library(), '--add', $job, '--', 'job');
my $out = $result->{out};
is $result->{status}, 0, 'the Host goes through it';
my %part = $out =~ /^=== (\w+)\n(.*?)(?=^=== |\z)/gms;
like $part{stranger} // '', qr/^status 1$/m, 'who is not in the group gets a status of 1';
like $part{stranger} // '', qr{cannot open /dev/lguest: .*; are you a member of the group lguest\?},
	'... and is told why';
for my $who (qw(member root)) {
	my $text = $part{$who} // '';
	my @threads = $text =~ /^thread (.*)$/mg;
	cmp_ok scalar @threads, '>=', 3, "$who: main, vCPU and queue threads run";
	is scalar(grep { !/NoNewPrivs:1/ } @threads), 0, "$who: no new privileges, in each of them";
	is scalar(grep { !/Seccomp:2/ } @threads), 0, "$who: a filter of system calls in each";
	is scalar(grep { !/CapPrm:0+ CapEff:0+ / } @threads), 0, "$who: no capabilities in any";
	like $text, qr/^$who +\d+ running +64M/m, "$who: is listed";
	like $text, qr/^pause 0 0\nresume 0 0\nstats 0 20\nexits +\d+$/m, "$who: can be paused, resumed and counted";
	is scalar(() = $text =~ /^NAME/mg), 2, "$who: a stranger has a list too";
	is scalar(() = $text =~ /^$who +\d+ running/mg), 1, '... with nobody in it';
	like $text, qr/^stranger's stop 1$/m, "$who: a stranger cannot stop it";
	like $text, qr/^stop 0\ngone$/m, "$who: can be stopped";
}
is scalar(grep { !/CapBnd:0+\b/ } ($part{root} // '') =~ /^thread (.*)$/mg), 0,
	'root could not get one back';
like $part{end} // '', qr/^clean$/m, 'the Host has nothing to complain of';
unlike $part{end} // '', qr/left/, 'and no machine is left';
diag $out unless Test::More->builder->is_passing;
done_testing;
