#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# `lguest run -- COMMAND` with a real Guest, the real Messenger and the real virtiofsd,
# for an ordinary user and for root: the status comes back, bytes go through as they
# are, the command finds the user's world, and nothing of what it does reaches the
# Host. SAMPLE: how many MB go through. (What the Launcher makes of Guests that lie is
# in launcher-errand.t.)
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');
my $sample = $ENV{SAMPLE} // 16;

# What the user's command looks at.
my $look = spew(scratch() . '/look', <<'END', 0755);
#!/bin/sh
echo "who: $(id -un) $(id -u):$(id -g)"
echo "where: $PWD $(pwd)"
echo "mask: $(umask) home: $HOME lang: $LANG secret: $SECRET"
echo "name: $(hostname)"
echo "own: $(stat -c %u:%g own) $(cat own)"
echo "group: $(cat group)"
cat others 2>&1
cat hidden 2>&1
echo "foreign: $(stat -c %u:%g others)"
touch /etc/new 2>&1
echo changed > own && echo "changed: $(cat own)"
echo new > new && echo "new: $(stat -c %u:%g:%a new)"
rm kept && ls kept 2>&1
mv dir moved && echo "moved: $(cat moved/file) $(ls dir 2>&1)"
ln own linked && echo "linked: $(stat -c %h linked)"
mkfifo fifo && { echo through a fifo > fifo & cat fifo; }
echo "to standard error" > /dev/stderr
[ -t 0 ] || [ -t 1 ] || echo "no terminal"
echo > /dev/tty
grep -c virtiofsd /proc/[0-9]*/comm | grep -v :0
echo "processes: $(ls -d /proc/[0-9]* | wc -l)"
echo "privileges: $(grep CapEff /proc/self/status)"
mount -t tmpfs none /mnt 2>&1 | tail -1
ip link show lo | grep -o UP,LOWER_UP
ls /share /memory /errand 2>&1
sleep 1000 > /dev/null 2>&1 &
END

my $host = spew(scratch() . '/errand-host', <<"END", 0755);
#!/bin/sh
. /real-root.sh
real_root /errand-host "\$1"
mkdir -p /etc /run /home/user/work/dir /home/small/bin /home/small/here
printf 'root:x:0:0::/:/bin/sh\\nuser:x:1000:1000::/home/user:/bin/sh\\n' > /etc/passwd
printf 'root:x:0:\\nuser:x:1000:\\nlguest:x:44:user\\nmore:x:45:user\\n' > /etc/group
chgrp 44 /dev/lguest && chmod 660 /dev/lguest
hostname the-host
mkdir -p /mnt
cd /home/user/work
echo mine > own && chmod 600 own
echo ours > group && echo theirs > others && echo hidden > hidden
echo kept > kept && echo inside > dir/file
printf 'no program' > /home/user/work/data
head -c \$(($sample << 20)) /dev/urandom > large
chown -R 1000:1000 /home/user
chown 0:45 group && chmod 640 group
chown 0:0 others hidden && chmod 640 others && chmod 600 hidden
cp /bin/busybox /home/small/bin/ && ln -s busybox /home/small/bin/sh
ulimit -l unlimited
sum() { find / -xdev \\( -path /tmp -o -path /run \\) -prune -o -exec stat -c '%n %f %u %g %s %Y %Z' {} + | sha256sum; }
before=\$(sum)
cat > /tmp/as-user <<'OF'
mkdir -m 700 -p /tmp/u; export XDG_RUNTIME_DIR=/tmp/u LANG=C.UTF-8 SECRET=x
cd /home/user/work; umask 027
r="lguest run --kernel /guest/bzImage --memory 192M"
\$r -- /look > /tmp/out 2> /tmp/err < /dev/null
echo "== look \$?"; cat /tmp/out; echo "== err"; cat /tmp/err
\$r -- sh -c 'exit 7' < /dev/null; echo "== seven \$?"
\$r -- sh -c 'kill -9 \$\$' < /dev/null; echo "== killed \$?"
\$r -- no-such-thing < /dev/null 2>&1; echo "== missing \$?"
\$r -- ./data < /dev/null 2>&1; echo "== data \$?"
cat large | \$r -- sh -c 'tee /tmp/copy; sha256sum /tmp/copy >&2' 2> /tmp/err | sha256sum > /tmp/out
echo "== sums"; sha256sum < large; cat /tmp/out /tmp/err
\$r -- sh -c 'yes; echo not reached' < /dev/null | { read -r line; echo "== yes \$line"; }
\$r -- sh -c 'rm -rf /home/user /etc /bin 2> /dev/null; echo gone' < /dev/null; echo "== gone \$?"
seen() {	# (not for ever: there may be nobody who prints)
	for i in \$(seq 500); do grep -q "\$1" /tmp/typed && return; sleep .2; done
	echo "== not seen: \$1" >&2
}
: > /tmp/typed
(seen ready; printf 'echo typed on \$(tty); [ -t 2 ] && echo thr""ee\\n'; seen three
 printf 'echo sle""eps; sleep 100\\n'; seen sleeps; sleep 1; printf '\\003'; sleep 1
 printf 'exit 9\\n'; sleep 3) |
	script -qfc "\$r -- sh -c 'echo ready; exec sh'; echo == shell \\\$?" /tmp/typed
OF
su user -c 'sh /tmp/as-user'
r="lguest run --kernel /guest/bzImage --memory 192M"
\$r -- sh -c 'id -u; mount -t tmpfs none /mnt && echo mounted; echo bad > /etc/passwd; cat /etc/passwd' < /dev/null
echo "== root \$?"
cd /home/small/here
\$r --root /home/small -- sh -c 'busybox pwd; busybox ls -d / /proc/self /dev/null; busybox ls /' < /dev/null
echo "== small \$?"
\$r -- reboot -f < /dev/null; echo "== reboot \$?"
cd /
[ "\$(sum)" = "\$before" ] && echo "the Host is as it was"
sleep 1
pidof virtiofsd || echo "no server is left"
END

my $r = try_host('--with-guest', '--guest-kernel', 'debian', '--timeout', 600,
	'--memory', 640 + 8 * $sample, '--add-host', $look, '--add-host', $host,
	'--add-host', "$TOP/tests/launcher/real-root.sh:/real-root.sh",
	'--add-host', '/usr/lib/qemu/virtiofsd:/usr/lib/qemu/virtiofsd',
	'--add-host', '/usr/bin/script:/bin/script', '--', 'sh', '/errand-host');
is $r->{status}, 0, 'the Host runs';
my $out = $r->{out};
$out =~ s/\r//g;
my %expect = (
	'status 0' => qr/^== look 0$/m,
	'the user' => qr/^who: user 1000:1000$/m,
	'the directory' => qr{^where: /home/user/work /home/user/work$}m,
	'mask and environment' => qr{^mask: 0027 home: /home/user lang: C.UTF-8 secret: $}m,
	"the Host's name" => qr/^name: the-host$/m,
	'own files are own, and can be read' => qr/^own: 1000:1000 mine$/m,
	'a file that a group of the user can read' => qr/^group: ours$/m,
	'files of others cannot be read' => qr/(Permission denied\n.*){2}^foreign/ms,
	'... and are those of nobody' => qr/^foreign: 65534:65534$/m,
	'nothing can be made where the user may not' => qr{touch: /etc/new: Permission denied},
	'a file is changed' => qr/^changed: changed$/m,
	'a new file is the user\'s' => qr/^new: 1000:1000:640$/m,
	'a file is deleted' => qr/^ls: kept: No such file/m,
	'a directory is moved' => qr/^moved: inside ls: dir: No such file/m,
	'a link is made' => qr/^linked: 2$/m,
	'a fifo works' => qr/^through a fifo$/m,
	'standard error can be opened again' => qr/^== err\n(.*\n)*to standard error\n/m,
	'no file is a terminal' => qr/^no terminal$/m,
	'... and there is none' => qr{/dev/tty: No such device or address},
	'there are no processes but its own' => qr/^processes: [1-9]?[0-9]$/m,
	'no privileges' => qr/^privileges: CapEff:\s+0+$/m,
	'... nor what goes with them' => qr/^mount: .*(not permitted|denied|you must be root)/mi,
	'the loop is up' => qr/^UP,LOWER_UP$/m,
	'the first root is gone' => qr{(^ls: /(share|memory|errand): No such file or directory\n){3}}m,
	'status 7' => qr/^== seven 7$/m,
	'a signal' => qr/^== killed 137$/m,
	'no such command' => qr/^lguest: cannot run no-such-thing: No such file or directory\n== missing 127$/m,
	'no program' => qr/^lguest: cannot run \.\/data: Permission denied\n== data 126$/m,
	'a pipe whose reader goes' => qr/^== yes y$/m,
	'everything is deleted' => qr/^gone\n== gone 0$/m,
	'a shell on a terminal' => qr{^typed on /dev/hvc0\nthree$}m,
	'Ctrl-C and its status' => qr/^== shell 9$/m,
	'root is root' => qr/^0\nmounted\nbad\n== root 0$/m,
	'a small root' => qr{^/here\n/\n/dev/null\n/proc/self\nbin\ndev\nhere\nproc\nsys\n== small 0$}m,
	'a reboot' => qr/^== reboot 125$/m,
	'the Host has not changed' => qr/^the Host is as it was$/m,
	'no server is left' => qr/^no server is left$/m,
);
like $out, $expect{$_}, $_ for sort keys %expect;
my ($sums) = $out =~ /^== sums\n((?:[0-9a-f]{64}.*\n){3})/m;
my %sums = map { substr($_, 0, 64) => 1 } split /\n/, $sums // '';
is scalar(keys %sums), 1, "$sample MB in and out, byte for byte" or diag($sums);
unlike $out, qr/not reached/, 'nothing is printed to nobody';
unlike $out, qr/^\[ +\d+\.\d+\]/m, "no word of the Guest's kernel";
diag $out, $r->{err} if $r->{status} || !$sums;
note $out;
note sprintf '%.0f s', $r->{seconds};
done_testing;
