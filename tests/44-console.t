#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's own driver on a console with ports, in one Guest: hvc0 at a socket
# where somebody comes late, a named port both ways, and the size of a window.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

# GUEST_KERNEL=debian tries another kernel than the small one.
my $kernel = $ENV{GUEST_KERNEL} // 'small';

# A megabyte each way.
my $down = spew(scratch() . '/down', join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 262144);

# Talks to a socket: waits for a word of the other side, sends a file, keeps what
# comes, and ends when the other end closes or when there was enough.
my $talk = spew(scratch() . '/talk.c', <<'END');
// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* talk SOCKET WAIT-FOR SEND-FILE KEEP-FILE BYTES-IN-ALL: 0 if it went well */
static char all[1 << 22];
int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), keep, file = -1;
	size_t len = 0, until = 0;
	char buffer[65536];
	ssize_t n;

	if (argc < 6)
		return 2;
	strcpy(a.sun_path, argv[1]);
	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		return 1;
	keep = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	sscanf(argv[5], "%zu", &until);
	while (len < sizeof(all) - 1) {
		if (file < 0 && memmem(all, len, argv[2], strlen(argv[2]))) {
			file = open(argv[3], O_RDONLY);
			while ((n = read(file, buffer, sizeof(buffer))) > 0)
				for (ssize_t at = 0; at < n;)
					at += write(fd, buffer + at, n - at);
		}
		if (file >= 0 && until && len >= until)
			break;
		n = read(fd, all + len, sizeof(all) - 1 - len);
		if (n <= 0)
			break;
		if (write(keep, all + len, n) != n)
			return 3;
		len += n;
	}
	return file < 0;
}
END
system('gcc', '-O2', '-static', '-o', scratch() . '/talk', $talk) == 0 or BAIL_OUT('talk.c does not build');

my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
mkdir -p /tmp/run
export XDG_RUNTIME_DIR=/tmp/run
until_log() {
	until grep -q "^$1" /tmp/log 2> /dev/null; do
		kill -0 $launcher || exit 1
		sleep 0.2
	done
}
lguest run --kernel /guest/bzImage --initrd /guest/initrd --memory 256M --name web \
	--console socket:/tmp/hvc0,log=/tmp/log --port org.test.0,to=socket:/tmp/port \
	--append 'panic=-1 oops=panic quiet run=/guest-job' < /dev/null > /tmp/early 2>&1 &
launcher=$!

until_log met
echo go > /tmp/go
/talk /tmp/hvc0 met /tmp/go /tmp/hvc0.text 0 &
console=$!

until_log ready
/talk /tmp/port ready /down /tmp/up 1048582
echo "port $?"
sed 1d /tmp/up | cmp - /down && echo 'port same'

until_log window
echo '{"command": "resize", "columns": 132, "rows": 43}' > /tmp/size
/talk /tmp/run/lguest/web.sock '' /tmp/size /tmp/answer 5
cat /tmp/answer
wait $launcher
echo "status $?"
wait $console
echo "client $?"
cmp /tmp/log /tmp/hvc0.text && echo 'log same'
echo "early $(cat /tmp/early)"
cat /tmp/hvc0.text
# A kernel that finds no console for its first process, as it may be with ports.
mkdir /mute && cd /mute && cpio -i < /guest/initrd 2> /dev/null && rm dev/console &&
	mkdir dev/console &&
	find . | cpio -o -H newc > /tmp/mute 2> /dev/null
lguest run --kernel /guest/bzImage --initrd /tmp/mute --memory 64M \
	--append 'run="dmesg | grep -o Warn[i]ng:.unable.to.open; echo spoken"' < /dev/null 2>&1 |
	sed 's/^/mute /'
END
my $guest = spew(scratch() . '/guest-job', <<'END', 0755);
#!/bin/sh
echo met
read word
echo "word $word"
echo "name $(cat /sys/class/virtio-ports/vport0p1/name)"
echo ready
exec 3<> /dev/vport0p1
echo ready >&3
head -c 1048576 <&3 > /tmp/down
echo "sum $(sha256sum < /tmp/down)"
cat /tmp/down >&3
exec 3>&-
echo "window $(stty size 2>&1)"
for i in $(seq 200); do
	[ "$(stty size 2> /dev/null)" = "43 132" ] && break
	sleep 0.1
done
echo "size $(stty size 2>&1)"
END

my $run = boot('--host', '--guest-kernel', $kernel, '--with-guest', '--memory', 512,
	       '--timeout', 900, '--add-host', "$job:/job",
	       '--add-host', scratch() . '/talk:/talk', '--add-host', "$down:/down",
	       '--add-guest', "$guest:/guest-job", '--', '/job');
my $text = $run->{out} =~ s/\r//gr;
my $sum = sha256_hex(slurp($down));

is $run->{status}, 0, 'a Guest with a console at a socket' or diag($run->{err});
like $text, qr/^status 0$/m, '... ends well';
like $text, qr/^client 0$/m, '... and so does its client';
like $text, qr/^met\n(go\n)?word go$/m, 'who comes late sees what was before, and is heard';
like $text, qr/^log same$/m, '... and the log has the same';
like $text, qr/^name org\.test\.0$/m, "a port has its name";
like $text, qr/^sum $sum\b/m, '... takes a megabyte to the Guest';
like $text, qr/^port 0\nport same$/m, '... and back';
like $text, qr/^window (0 0|stty: .*)$/m, 'the window has no size';
like $text, qr/^\{"ok":true\}$/m, '... until it gets one';
like $text, qr/^size 43 132$/m, '... that the Guest sees';
like $text, qr/^mute Warning: unable to open\nmute spoken$/m,
	'the first process waits for a console where the kernel found none';
diag($text) if !Test::More->builder->is_passing;
done_testing;
