#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The module comes and goes a hundred times, leaves nothing behind, says
# what its parameters are for, and refuses to load where it could not keep
# its promises, with the reason. On the debug Host kmemleak looks for what
# it has left. SAMPLE=1: twenty times.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

# --- What modinfo says ---------------------------------------------------------
my $info = slurp("$TOP/host/lg.ko");
my %described = $info =~ /\0parm=(\w+):([^\0]+)/g;
my %typed = $info =~ /\0parmtype=(\w+):([^\0]+)/g;
ok scalar(keys %typed), 'the module has parameters';
ok length($described{$_} // '') > 10, "$_: $described{$_}"
	for sort keys %typed;
like $info, qr/\0license=GPL/, 'its license is the kernel\'s';

# --- A hundred times ------------------------------------------------------------
my $rounds = $ENV{SAMPLE} ? 20 : 100;
my $evil = evil();
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
rounds=$1
. /library.sh
# The first rounds fill caches that stay.
round() {
	insmod /lg.ko &&
	test -c /dev/lguest &&
	test -e /sys/kernel/debug/lguest/stats &&
	lguest run --kernel /evil/hello --memory 32M --console none \
		< /dev/null > /tmp/text 2>&1 &&
	grep -q hello /tmp/text &&
	rmmod lg &&
	test ! -e /dev/lguest &&
	test ! -e /sys/kernel/debug/lguest
}
rmmod lg
round; round; round
forget_unreferenced
before=$(free_memory)
for i in $(seq $rounds); do
	round || { echo "round $i failed"; exit 1; }
done
after=$(free_memory)
echo "memory: $before $after"
unreferenced
insmod /lg.ko
lguest run --kernel /evil/spin-4 --memory 32M --console none > /dev/null 2>&1 &
until grep -q '^machines 1' /sys/kernel/debug/lguest/stats; do sleep 0.1; done
rmmod lg 2> /dev/null || echo 'busy while a Guest runs'
kill %1 2> /dev/null || kill $!
wait
rmmod lg && echo 'gone when it has ended'
insmod /lg.ko no_such_parameter=1 2> /dev/null
rmmod lg 2> /dev/null
insmod /lg.ko pcid=0 shadow_limit=64 audit=1 &&
lguest run --kernel /evil/hello --memory 32M --console none < /dev/null &&
rmmod lg && echo 'parameters are taken'
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup' || echo 'the log is clean'
END
# Loading it makes the Host's kernel patch its own code (the switch of preempt
# notifiers). QEMU before 8.1 may miss such a change if another CPU's thread is
# just translating that code, and then that CPU is lost. So there is one CPU.
my $result = try_host('--timeout', 550, library(), '--add', "$evil:/evil",
	'--add', $job, '--', 'job', $rounds);
is $result->{status}, 0, "loaded and unloaded $rounds times, with a Guest each";
memory_is_back($result->{out}, 1024);
like $result->{out}, qr/^busy while a Guest runs$/m,
	'it stays while a Guest runs';
like $result->{out}, qr/^gone when it has ended$/m, 'and goes afterwards';
like $result->{out}, qr/^parameters are taken$/m,
	'it takes its parameters';
like $result->{out}, qr/^the log is clean$/m, 'the log of the Host is clean';
diag($result->{out}) unless Test::More->builder->is_passing;

# --- Where it refuses ------------------------------------------------------------
# There are more reasons in the module (Xen, SEV-ES, TDX, FRED, LASS), for
# processors that QEMU 7.2 does not have.
for (['no NX', ['--cpu', 'qemu64,-nx'], qr/no NX/]) {
	my ($name, $options, $reason) = @$_;
	# (KASAN's shadow is mapped with NX, long before it says anything.)
	last if ($ENV{LGUEST_HOST} // '') eq 'debug';
	my $result = try_host(@$options, '--lg', 'none', '--', 'sh', '-c',
		'insmod /lg.ko; echo "status $?"; dmesg | grep "lg:"; ' .
		'test ! -e /dev/lguest && echo none');
	like $result->{out}, qr/^status [1-9]/m, "$name: it does not load";
	like $result->{out}, qr/cannot run Guests here: .*$reason/,
		'... and says why';
	like $result->{out}, qr/^none$/m, '... and there is no device';
}
# The kernel patches the returns that are listed; objtool does not list those
# of cross.S, where they matter most.
my @thunks = grep { /__x86_return_thunk/ } `objdump -r $TOP/host/lg.ko`;
my @sites = grep { /R_X86_64/ } `objdump -r -j .return_sites $TOP/host/lg.ko`;
is scalar @sites, scalar @thunks, 'every return is known to the kernel';
cmp_ok scalar @thunks, '>', 256, '... and there are some';
done_testing;
