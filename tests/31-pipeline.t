#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# An hour's work of a shell in a minute: what comes out of a Guest must be
# the same, byte for byte, as what comes out of the kernel alone.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $job = spew(scratch() . '/pipeline', <<'END', 0755);
#!/bin/sh
set -e
mkdir -p /tmp/work
cd /tmp/work
# 20000 numbers that only look random, and everything that a shell does
awk 'BEGIN { x = 42; for (i = 0; i < 20000; i++) {
	x = (x * 1103 + 12345) % 1000003
	print x, i % 97, (x * 7) % 1009 } }' > numbers
wc numbers
md5sum numbers
sort -n numbers | uniq | head -20
sort -k2,2n -k1,1nr numbers | awk '{ s += $1 * NR } END { printf "%d\n", s }'
cut -d' ' -f2 numbers | sort | uniq -c | sort -rn | head -5
tr '0-9' 'a-j' < numbers | sed 's/\(.*\) \(.*\) \(.*\)/\3-\1-\2/' | md5sum
grep -c '7.*7' numbers
gzip -c numbers | gunzip | cmp - numbers && echo 'gzip: the same'
i=0
while [ $i -lt 60 ]; do
	mkdir -p "d$((i % 7))/e$((i % 3))"
	head -$((i + 1)) numbers | tail -1 > "d$((i % 7))/e$((i % 3))/f$i"
	i=$((i + 1))
done
find . -type f | sort | xargs cat | md5sum
tar cf - d* | tar tf - | sort | md5sum
tar cf - d* | (mkdir -p copy && cd copy && tar xf -)
diff -r d1 copy/d1 && echo 'tar: the same'
ln -s numbers link
ln numbers hard
ls -l link hard | awk '{ print $1, $2, $5 }'
(echo one; echo two >&2) 2>&1 | sort -r
echo "$(for n in 3 1 2; do echo $n; done | sort | tr '\n' +)0" | bc 2> /dev/null || expr 1 + 2 + 3
dd if=/dev/zero bs=1k count=3000 2> /dev/null | tr '\0' 'x' | sha1sum
mkfifo fifo
(cat numbers > fifo) &
sha256sum < fifo
wait
factorial() { [ "$1" -le 1 ] && echo 1 || echo $(($1 * $(factorial $(($1 - 1))))); }
factorial 15
sh -c 'exit 3' || echo "status $?"
sh -c 'kill -TERM $$' || echo "status $?"
od -An -tx1 numbers | head -50 | md5sum
head -c 300 numbers | base64 2> /dev/null || head -c 300 numbers | uuencode - 
seq 1 2000 | while read n; do echo $((n * n % 1013)); done | sort -n | md5sum
trap 'echo trapped' USR1
kill -USR1 $$
yes | head -100000 | md5sum
echo 'done'
END

sub differ {
	my ($native, $guest) = @_;
	my @files = (spew(scratch() . '/native', $native),
		     spew(scratch() . '/guest', $guest));
	diag(scalar `diff -u @files | head -30`);
}

my @run = ('--timeout', 600, '--add', $job, '--', 'pipeline');
my $native = try_native('--memory', 64, @run);
is $native->{status}, 0, 'the pipeline runs on the kernel alone';
like $native->{out}, qr/^done$/m, '... to its end';
my $guest = try_guest(@run);
is $guest->{status}, 0, 'the pipeline runs in a Guest';
ok $guest->{out} eq $native->{out},
	'both have written the same ' . length($native->{out}) . ' bytes'
	or differ($native->{out}, $guest->{out});
is $guest->{err}, $native->{err}, '... and the same errors';
done_testing;
