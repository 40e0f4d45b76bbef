#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What does it cost? QEMU counts instructions here (-icount): a tick of the
# TSC is one instruction. The figures are printed, and compared with what we
# have set ourselves as the limit.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my %limit = (direct => 60, exit => 500, boot => 2,
	     disk_read => 35000, disk_write => 48000, disk_read_16 => 13000);

sub figure { diag(sprintf $_[0], @_[1 .. $#_]) }

# --- The two ways to cross -----------------------------------------------------
my $evil = evil();
for (['', '--append', 'pti=off'], [' with PTI', '--append', 'pti=on']) {
	my ($how, @options) = @$_;
	my $result = try_host('--icount', '--timeout', 300, @options,
		'--add', "$evil:/evil", '--', 'sh', '-c',
		'for k in exit direct; do lguest run --kernel /evil/bench-$k ' .
		'--memory 32M --console none < /dev/null; done');
	my ($with, $without) = $result->{out} =~ /^exit (\d+) (\d+)/m;
	my ($all, $ours) = $result->{out} =~ /^direct (\d+) (\d+)/m;
	my $exit = defined $with ? ($with - $without) / 1000 : 1e9;
	my $direct = defined $all ? ($all - $ours) / 1000 : 1e9;
	figure('full exit and re-entry%s: %.0f instructions', $how, $exit);
	figure('direct system call and return%s: %.0f instructions of the ' .
	       'Switcher', $how, $direct);
	cmp_ok $exit, '<=', $limit{exit},
		"a full exit$how takes at most $limit{exit} instructions";
	cmp_ok $direct, '<=', $limit{direct},
		"a direct round trip$how takes at most $limit{direct}";
}

# --- A kernel's boot, and what its users do ---------------------------------------
# The kernel's own clock says when it started its first process; it begins
# with the kernel, and so leaves out who loads it: a BIOS, or a Launcher.
my @run = ('--icount', '--cpu', 'max,smap=off,erms=off',
	'--append', 'random.trust_cpu=on', '--timeout', 900, programs('bench', 'ticks'), '--',
	'sh', '-c', 'ticks; dmesg | grep -m1 "Run .* as init"; ' .
	'bench -r 2 -s 0.2');
my $native = try_native('--memory', 64, @run);
my $guest = try_guest(@run);
is $native->{status}, 0, 'the programs run on the kernel alone';
is $guest->{status}, 0, 'the programs run in a Guest';
my ($boot0) = $native->{out} =~ /^\[ *([0-9.]+)\] Run/m;
my ($boot1) = $guest->{out} =~ /^\[ *([0-9.]+)\] Run/m;
figure('kernel to its first process: %.1f million instructions alone, ' .
       '%.1f in a Guest, %.2f times as many', $boot0 * 1000, $boot1 * 1000,
       $boot1 / $boot0) if $boot0 && $boot1;
cmp_ok(($boot1 // 1e9) / ($boot0 || 1), '<=', $limit{boot},
       "a Guest's boot takes at most $limit{boot} times as many");

my %alone = $native->{out} =~ /^(\w+)\t\d+\t([0-9.]+)\t/mg;
my %within = $guest->{out} =~ /^(\w+)\t\d+\t([0-9.]+)\t/mg;
figure('%-16s %12s %12s %7s', 'instructions', 'alone', 'in a Guest', 'times');
for my $name ($native->{out} =~ /^(\w+)\t\d+\t/mg) {
	ok defined $within{$name}, "$name was measured in both";
	figure('%-16s %12.0f %12.0f %7.2f', $name, $alone{$name},
	       $within{$name}, $within{$name} / $alone{$name})
		if $within{$name} && $alone{$name};
}

# --- A request to a disk --------------------------------------------------------
# Of 4 KiB: one or 16 at a time, by Guest, Launcher and Host together. The image
# is in memory. (A fast REP MOVSB is counted byte by byte; see tests/bench.)
my $guest_job = spew(scratch() . '/guest-job', <<'END', 0755);
#!/bin/sh
dmesg -n 1
devices -r 2 -s 0.5 -o disk_read,disk_write,disk_read_16 disk /dev/vda
END
my $host_job = spew(scratch() . '/host-job', <<'END', 0755);
#!/bin/sh
dd if=/dev/zero of=/tmp/disk bs=1M count=32 2> /dev/null
lguest run --kernel /guest/bzImage --initrd /guest/initrd --memory 64M \
	--disk /tmp/disk --append "quiet panic=-1 run=/job" < /dev/null
END
my $disk = try_host('--icount', '--cpu', 'max,erms=off', '--timeout', 300,
	'--with-guest', '--add-host', "$host_job:/job",
	'--add-guest', "$guest_job:/job",
	(map { $_ eq '--add' ? '--add-guest' : $_ } programs('devices')),
	'--', 'job');
is $disk->{status}, 0, 'a Guest with a disk runs';
for my $name (qw(disk_read disk_write disk_read_16)) {
	my ($count) = $disk->{out} =~ /^$name\t\d+\t([0-9.]+)\t/m;
	figure('%s: %.0f instructions', $name, $count // 0);
	cmp_ok $count // 1e9, '<=', $limit{$name},
		"$name takes at most $limit{$name} instructions";
}
done_testing;
