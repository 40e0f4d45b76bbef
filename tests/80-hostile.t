#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Guests that mean no good: they jump to where no address is, map what is
# not theirs, never come to an end, or are random bytes from the start. The
# Launcher says why a Guest died; a signal ends one that does not die; and
# the Host is unharmed.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $evil = evil();
my $switches = cases() . '/a20-switches';
my @deaths = slurp("$TOP/tests/evil/die.S") =~
	m{^#.*CASE == (\d+)\s+/\* (.*?) \*/}mg;
my @spins = slurp("$TOP/tests/evil/spin.S") =~
	m{^#.*CASE == (\d+)\s+/\* (.*?) \*/}mg;
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
run() {
	lguest run --kernel /evil/$1 $2 --memory 32M --console none \
		< /dev/null > /tmp/text 2>&1
}
now() {
	awk '{ print int($1 * 1000) }' /proc/uptime
}
show() {
	echo "=== $1"
	head -c 20000 /tmp/text
	echo
}

run calls
show "calls $?"
run a20-switches --stats
show "switches $?"
for file in /evil/die-*; do
	run ${file##*/}
	show "${file##*/} $?"
done
# Is the Host usable meanwhile, and does a signal end it soon?
for file in /evil/spin-*; do
	: > /tmp/text
	run ${file##*/} &
	until grep -q spinning /tmp/text; do sleep 0.1; done
	begin=$(now)
	for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; done
	slept=$(($(now) - begin))
	begin=$(now)
	kill -TERM $(pidof lguest)
	wait $!
	status=$?
	show "${file##*/} $status $slept $(($(now) - begin))"
done
for file in /evil/garbage-?; do
	timeout -s TERM 3 lguest run --kernel $file --memory 32M \
		--console none < /dev/null > /tmp/text 2>&1
	show "${file##*/} $?"
done
run hello
show "hello $?"
cp /sys/kernel/debug/lguest/stats /tmp/text
show stats
rmmod lg
echo "=== unloaded $?"
echo '=== log'
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup|Bad page' || echo clean
END

my @hosts = (
	['one CPU, 4 levels', '--smp', 1],
	['two CPUs, 5 levels', '--smp', 2, '--bzimage'],
	['two CPUs, PTI, no FSGSBASE', '--smp', 2, '--cpu', 'Nehalem',
	 '--append', 'pti=on'],
);
for (@hosts) {
	my ($name, @options) = @$_;
	my $result = try_host(@options, '--timeout', 400,
		'--add', "$evil:/evil", '--add', "$switches:/evil/a20-switches",
		'--add', $job, '--', 'job');
	my $text = $result->{out};
	my %part = $text =~ /^=== (\S+)[ \n](.*?)(?=^=== |\z)/msg;
	subtest $name => sub {
		is $result->{status}, 0, 'the Host survives all of it';
		repeat_tap('hypercalls', ($part{calls} // '') =~ s/^0\n//r);
		check_switches($part{switches} // '');
		check_deaths(\%part);
		check_spins(\%part);
		check_garbage(\%part);
		like $part{hello} // '', qr/^0\nhello/,
			'a good Guest runs after all the bad ones';
		like $part{stats} // '', qr/^machines 0$/m,
			'no machine is left';
		like $part{unloaded} // '', qr/^0$/m, 'the module goes';
		log_is_clean($part{log});
	} or diag(substr $text, -2000);
}

# Address spaces: what the Guest has asked for, and who has done it.
sub check_switches {
	my ($text) = @_;
	repeat_tap('switches', $text =~ /^0\n(.*^1\.\.\d+)$/ms ? $1 : '');
	my ($direct, $asked) = $text =~
		/^# switches: (\d+) by the Switcher, (\d+) by the Host$/m;
	my %count = $text =~ /^(\w+) +(\d+)$/mg;
	is $count{direct_switches}, $direct // 'some',
		'the Switcher has changed alone to what it knows';
	is $count{cr3_switches}, $asked // 'some', '... and the Host to the rest';
}

# Either the Host kills it (4) and says why, or it is told of an event, says
# which, and powers off (0).
sub check_deaths {
	my ($part) = @_;
	for (my $i = 0; $i < @deaths; $i += 2) {
		my ($n, $pattern) = @deaths[$i, $i + 1];
		my ($status, $said) = split /\n/, $part->{"die-$n"} // '', 2;
		my $expected = ($said // '') =~ /killed the Guest/ ? 4 : 0;
		my $good = ($said // '') =~ /$pattern/ &&
			$said !~ /still alive/ && $status eq $expected &&
			(() = $said =~ /^lguest: /mg) <= 1;
		ok $good, "odd Guest $n: $pattern"
			or diag("status $status: ", $said // 'nothing');
	}
}

sub check_spins {
	my ($part) = @_;
	for (my $i = 0; $i < @spins; $i += 2) {
		my ($n, $what) = @spins[$i, $i + 1];
		my ($status, $slept, $ended) =
			($part->{"spin-$n"} // '') =~ /^(\d+) (\d+) (\d+)$/m;
		ok defined $status && $status == 143 && $ended < 5000,
			"endless Guest ($what) is ended by SIGTERM"
			or diag($part->{"spin-$n"} // 'nothing');
		cmp_ok $slept // 1e9, '<', 10000,
			'... and lets the Host work meanwhile';
		note(sprintf '10 times 50 ms took %d ms, the end %d ms',
		     $slept // -1, $ended // -1);
	}
}

sub check_garbage {
	my ($part) = @_;
	for my $n (1 .. 8) {
		my ($status, $said) = split /\n/, $part->{"garbage-$n"} // '', 2;
		# It may find the way to power itself off, or go on for ever.
		my $good = defined $said && $status =~ /^(0|3|4|143)$/ &&
			($status != 4 || $said =~
			 /^lguest: the Host killed the Guest: .+$/m);
		ok $good, "random bytes $n: status " . ($status // 'none')
			or diag($part->{"garbage-$n"} // 'nothing');
		note($_) for ($said // '') =~ /^(lguest: .*)$/m;
	}
}
done_testing;
