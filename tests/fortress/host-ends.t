#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The Host ends while a Guest runs (F24): SysRq-B, a panic, kexec, and a
# kernel for after a crash. Each is a boot of its own. Nobody asks the Guest;
# the machine must be gone at once, or the next kernel be there.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $evil = evil();
my @in_guest = map { $_ eq '--add' ? '--add-guest' : $_ }
	programs(qw(random-memory));
my $kernel = `$TOP/build/kernel-host`;
chomp $kernel;
my $initrd = scratch() . '/initrd';
system("$TOP/build/image", '-o', $initrd) == 0 or die 'build/image';
my ($faults, $survived) = (0, 0);

sub host_ends {
	my ($name, $how, $memory, $append, @patterns) = @_;
	my $job = spew(scratch() . '/job', <<"BEGIN" . <<'END', 0755);
#!/bin/sh
how='$how'
BEGIN
. /library.sh
linux 'echo begun; random-memory 100000000' > /tmp/guest 2>&1 &
until grep -q begun /tmp/guest; do sleep 0.1; done
second='console=ttyS0 reset_devices nr_cpus=1 run="echo the second kernel"'
sleep 2
case $how in
now) kexec now /vmlinuz /initrd "$second" ;;
crash)
	kexec crash /vmlinuz /initrd "$second" &&
		echo c > /proc/sysrq-trigger ;;
*) echo $how > /proc/sysrq-trigger ;;
esac
sleep 20
echo 'still there'
END
	local $Try::stops = 1;
	my $result = try_host('--with-guest', '--smp', 2, '--memory', $memory,
		"--append=$append", '--timeout', 300, '--add', $job,
		'--add', "$evil/kexec", '--add', "$kernel/vmlinuz",
		'--add', $initrd, @in_guest, library(), '--', 'job');
	system('rm', '-rf', $1)
		if $result->{err} =~ m{kept in (/tmp/lguest-try-\w+)};
	my $good = $result->{status} == 125 &&
		$result->{out} !~ /still there/ &&
		!grep { $result->{err} !~ $_ } @patterns;
	ok $good, "F24: $name, with a Guest" or diag($result->{out} .
						    $result->{err});
	$faults++;
	$survived++ if $good;
}
my $reset = qr/the machine stopped \(guest-reset\)/;
my $second = qr/the second kernel/;
host_ends('SysRq-B', 'b', 512, '', $reset);
host_ends('a panic that reboots', 'c', 512, 'panic=1', $reset,
	  qr/Rebooting in 1 seconds/);
host_ends('kexec', 'now', 1024, '', $second,
	  qr/the machine stopped \(guest-shutdown\)/);
host_ends('a crash kernel', 'crash', 1024, 'crashkernel=192M', $second,
	  qr/the machine stopped \(guest-shutdown\)/);
tell('faults survived', "$survived of $faults");
done_testing;
