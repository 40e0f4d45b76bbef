#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# All sorts of Hosts: processors with and without FSGSBASE, AVX, protection
# keys and five levels of page tables, with and without page-table
# isolation, with one CPU and with two. On each, a Guest boots, and
# programs in it look at registers, faults and memory.
#
# SMAP is off on all models that have it (build/try adds smap=off):
# QEMU's emulator up to 7.2 reads the stack of an IRET in ring 3 as if
# ring 0 did, which SMAP forbids, and the Guest's kernel returns by IRET.
#
# The CPUs take turns, see `build/try --help`: that two of them run at the same time
# is for the tests of faults and races.
#
# QEMU boots the Host's ELF file directly, unless --bzimage is given; then
# there is neither KASLR nor a fifth level. So some are from the bzImage.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

# Model, CPUs, isolation, image, and what /proc/cpuinfo must show.
my @hosts = (
	['qemu64',         1, 'off', 'elf',     qr/^(?!.*\bfsgsbase)/],
	['qemu64',         2, 'on',  'elf',     qr/^(?!.*\bavx)/],
	['Nehalem',        1, 'on',  'elf',     qr/^(?!.*\bfsgsbase)/],
	['Nehalem',        2, 'off', 'elf',     qr/^(?!.*\bavx)/],
	['Skylake-Client', 2, 'on',  'bzimage', qr/\bpti\b/],
	['Skylake-Client', 1, 'off', 'elf',     qr/\bfsgsbase\b/],
	['EPYC',           2, 'on',  'elf',     qr/\bavx\b/],
	['EPYC',           1, 'off', 'bzimage', qr/\bavx\b/],
	['max',            2, 'off', 'bzimage', qr/\bla57\b/],
	['max',            1, 'on',  'bzimage', qr/\bla57\b/],
	['max,la57=off',   2, 'on',  'bzimage', qr/^(?!.*\bla57)/],
	['max,la57=off',   1, 'off', 'elf',     qr/\bpku\b/],
);
@hosts = @hosts[split /,/, $ENV{HOSTS}] if defined $ENV{HOSTS};

my @programs = qw(registers fpu bases memory);
my @in_guest = map { $_ eq '--add' ? '--add-guest' : $_ } programs(@programs);
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
echo "cpuinfo: $(grep -m1 ^flags /proc/cpuinfo)"
echo "cpus: $(grep -c ^processor /proc/cpuinfo)"
dmesg | grep -o 'page tables isolation: enabled'
lguest run --kernel /guest/bzImage --initrd /guest/initrd --append \
	"quiet run=\"for p in $*; do echo === \$p; \$p; done\"" \
	< /dev/null 2>&1
echo "=== status $?"
echo "=== log"
# (What some models are vulnerable to is a WARNING when any Linux boots.)
dmesg | sed '1,/lg: loading/d' | grep -E 'WARNING|BUG|Oops|stall|lockup'
rmmod lg && echo '=== unloaded'
END

for my $host (@hosts) {
	my ($cpu, $cpus, $isolation, $image, $flags) = @$host;
	my $name = "$cpu, $cpus CPU" . ($cpus > 1 ? 's' : '') .
		", pti=$isolation, $image";
	my $result = try_host('--with-guest', '--cpu', $cpu, '--smp', $cpus,
		'--append', "pti=$isolation", '--timeout', 300,
		$image eq 'bzimage' ? '--bzimage' : (), @in_guest,
		'--add', $job, '--', 'job', @programs);
	(my $text = $result->{out}) =~ tr/\r//d;
	subtest $name => sub {
		like $text, qr/^cpus: $cpus$/m, 'it has so many CPUs';
		like(($text =~ /^cpuinfo: (.*)/m)[0] // '', $flags,
		     'it is the processor that we mean');
		is scalar($text =~ /^page tables isolation: enabled$/m),
			$isolation eq 'on' ? 1 : '', "PTI is $isolation";
		for my $program (@programs) {
			my ($tap) = $text =~ /^=== $program\n(.*?)(?=^===|^init:)/ms;
			repeat_tap($program, $tap // '');
		}
		like $text, qr/^=== status 0$/m, 'the Guest powers off';
		like $text, qr/^=== log\n=== unloaded/m,
			'nothing in the log of the Host, and the module goes';
	} or diag(substr $result->{out}, -3000);
}
done_testing;
