#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Every exit status of the Launcher, on a Host with the module: each of them
# means what its help says, and comes with a line that says what happened.
# Micro-Guests of a page or two play the Guest, so that none needs to boot.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

# Each line: a name, a status, a pattern for what is said, the command.
my $evil = evil();
my @cases = map { [split /\s*\|\s*/, $_, 4] } grep { /\S/ } split /\n/, <<'END';
help                    | 0   | 128.n +stopped by signal  | lguest --help
a kernel that is none   | 2   | neither                   | $run /init
hello                   | 0   | hello from a micro-Guest  | $run /evil/hello
power-off               | 0   | ending                    | $run /evil/poweroff
panic                   | 3   | panicked: the micro-Guest.s ..31mreason | $run /evil/crash
killed by the Host      | 4   | killed the Guest: double fault: trap 6 | $run /evil/die-14
counters                | 0   | exits                     | $run /evil/hello --stats
SIGTERM                 | 143 | spinning                  | killed TERM $run /evil/spin-1
SIGINT                  | 130 | spinning                  | killed INT $run /evil/spin-1
SIGHUP                  | 129 | spinning                  | killed HUP $run /evil/spin-1
SIGKILL                 | 137 | spinning                  | killed KILL $run /evil/spin-1
no module               | 1   | /dev/lguest               | without_module $run /evil/hello
a command, no virtiofsd | 125 | share                     | $run /evil/hello -- true
END

my $job = <<'END';
#!/bin/sh
# Run a command, and send it a signal as soon as it says "spinning". (It runs
# in the foreground: a shell lets what is in the background ignore SIGINT.)
killed() {
	signal=$1
	shift
	: > /tmp/spin
	(
		until grep -q spinning /tmp/spin; do sleep 0.1; done
		kill -"$signal" $(pidof lguest)
	) &
	"$@" > /tmp/spin 2>&1
	status=$?
	wait
	cat /tmp/spin
	return $status
}
without_module() {
	rmmod lg
	"$@"
	status=$?
	insmod /lg.ko
	return $status
}
run="lguest run --console none --kernel"
END
my $n = 0;
for my $case (@cases) {
	my $command = $case->[3];
	$command =~ s/\$run (\S+)/\$run $1 --memory 32M/
		unless $command =~ /--memory/;
	$job .= "$command < /dev/null > /tmp/text 2>&1\n" .
		"echo \"=== $n \$?\"\ncat /tmp/text\n";
	$n++;
}
$job .= "echo === end 0\n";

my $result = try_host('--timeout', 300, '--add', "$evil:/evil", '--add',
	spew(scratch() . '/job', $job, 0755), '--', 'job');
is $result->{status}, 0, 'the Host runs all commands';
my %seen = $result->{out} =~ /^=== (\w+) (\d+\n.*?)(?=^=== |\z)/msg;
for my $i (0 .. $#cases) {
	my ($name, $status, $pattern, $command) = @{$cases[$i]};
	my ($is, $text) = split /\n/, $seen{$i} // "nothing\n", 2;
	is $is, $status, "$name: status $status";
	like $text, qr/$pattern/, "$name: says so" or diag($command);
	unlike $text, qr/[^\n\t -~]/, "$name: says it in plain characters";
}

done_testing;
