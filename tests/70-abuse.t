#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A Launcher is killed at ten random moments; two Guests run at once; a
# vCPU's thread is chased from one CPU to the other. Afterwards the Host is
# as it was: nothing in its log, its memory back, the module goes.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my @in_guest = map { $_ eq '--add' ? '--add-guest' : $_ }
	programs(qw(registers fpu random-memory crowd));
my $seed = $ENV{SEED} // int rand 100000;
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
seed=$1
. /library.sh

# Once for the caches that stay.
(linux 'random-memory 2000') > /tmp/first 2>&1
forget_unreferenced
before=$(free_memory)

echo '=== kill'
for i in 0 1 2 3 4 5 6 7 8 9; do
	linux 'random-memory 100000000' > /tmp/killed 2>&1 &
	# From the first page fault to the middle of its work.
	random 100
	ms=$((r * (i + 1) * 6))
	usleep $((ms * 1000))
	kill -9 $!
	wait
	echo "killed after $ms ms"
	none_left
done

echo '=== two'
linux 'registers; random-memory 20000 3' > /tmp/one 2>&1 &
one=$!
linux 'fpu; random-memory 20000 4' > /tmp/two 2>&1 &
two=$!
most=0
while kill -0 $one 2> /dev/null && kill -0 $two 2> /dev/null; do
	n=$(stat machines)
	[ "$n" -le "$most" ] || most=$n
	sleep 0.2
done
wait $one && wait $two && echo "both ended well, $most at once"
cat /tmp/one /tmp/two

echo '=== bounce'
linux 'registers; fpu; crowd 100; random-memory 30000 5' > /tmp/bounced 2>&1 &
bounced=$!
bounces=0
while kill -0 $bounced 2> /dev/null; do
	for task in /proc/$bounced/task/*; do
		taskset -p $((bounces % 2 + 1)) ${task##*/} > /dev/null 2>&1
	done
	bounces=$((bounces + 1))
	usleep 20000
done
wait $bounced && echo "ended well after $bounces bounces"
cat /tmp/bounced

echo '=== after'
cat $stats
after=$(free_memory)
echo "memory: $before $after"
# (Unloading patches the kernel's code, which QEMU before 8.1 may not notice if
# another CPU is about to run it: see 60-module.t.)
echo 0 > /sys/devices/system/cpu/cpu1/online
rmmod lg && echo 'unloaded'
unreferenced
echo '=== log'
complaints
END

note("seed $seed (set SEED to repeat)");
my $result = try_host('--with-guest', '--smp', 2, '--memory', 768,
	'--timeout', 900, @in_guest, library(), '--add', $job,
	'--', 'job', $seed);
(my $text = $result->{out}) =~ tr/\r//d;
my %part = $text =~ /^=== (\w+)\n(.*?)(?=^=== |\z)/msg;
is $result->{status}, 0, 'the Host goes through all of it';

my @killed = ($part{kill} // '') =~ /killed after (\d+) ms/g;
is scalar @killed, 10, 'ten Launchers are killed';
unlike $part{kill} // '', qr/^left/m, '... and nothing is left of them';
note("after @killed ms");
like $part{two} // '', qr/^both ended well, 2 at once$/m,
	'two Guests at once, and both power off';
sub programs_of {
	my ($name, $text, $expected) = @_;
	unlike $text, qr/^not ok|^Bail out/m, "$name: no program complains";
	is scalar(() = $text =~ /^1\.\./mg), $expected,
		"$name: $expected programs ran to their ends";
}
programs_of('two', $part{two} // '', 4);
like $part{bounce} // '', qr/^ended well after \d+ bounces$/m,
	'a thread that bounces between CPUs: its Guest powers off';
note($_) for ($part{bounce} // '') =~ /^(ended well.*)$/m;
programs_of('bounce', $part{bounce} // '', 4);
like $part{after} // '', qr/^machines 0$/m, 'no machine is left';
like $part{after} // '', qr/^(pinned|frames) 0$/m, '... nor a page of its memory';
like $part{after} // '', qr/^shadow_pages 0$/m, '... nor a shadow page';
memory_is_back($part{after} // '', 4096);
like $part{after} // '', qr/^unloaded$/m, 'the module goes';
log_is_clean($part{log});
diag(substr $text, -4000) unless Test::More->builder->is_passing;
done_testing;
