#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Static programs look at everything that a user notices of a processor
# and a kernel: registers over signals and faults, debuggers, vector state,
# bases, memory, clocks, timers, crowds. They have to find the same in a
# Guest as on the same kernel without lguest.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my @programs = qw(registers faults debug fpu bases memory clocks timers
		  crowd forkexec);
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
for program; do
	echo "=== $program"
	$program
	echo "=== status $?"
done
END
my @run = ('--timeout', 900, programs(@programs), '--add', $job, '--',
	   'job', @programs);

# The text of each program, by its name; and its status.
sub split_output {
	my ($text) = @_;
	my (%text, %status, $name);
	for (split /^/, $text) {
		if (/^=== status (\d+)/) {
			$status{$name} = $1;
		} elsif (/^=== (\S+)/) {
			$name = $1;
			$text{$name} = '';
		} elsif (defined $name) {
			$text{$name} .= $_;
		}
	}
	return \%text, \%status;
}

sub verdicts { return join '', grep { /^(not )?ok|^1\.\./ } split /^/, $_[0] }

my $native = try_native('--memory', 64, @run);
is $native->{status}, 0, 'the programs run on the Guest kernel alone';
my $guest = try_guest(@run);
is $guest->{status}, 0, 'the programs run in a Guest';

my ($texts, $statuses) = split_output($guest->{out});
my ($oracle) = split_output($native->{out});
for my $name (@programs) {
	repeat_tap("$name, in a Guest", $texts->{$name} // '');
	is $statuses->{$name}, 0, "$name has status 0";
	is verdicts($texts->{$name} // ''), verdicts($oracle->{$name} // ''),
		"$name finds the same as on the kernel alone";
}
done_testing;
