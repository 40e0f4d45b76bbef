#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Hostile programs of an ordinary user in a Linux Guest: they load, call,
# jump to and return to everything that they must not. Each finds the same as
# on the same kernel without lguest; afterwards that kernel has nothing to
# complain of and works, and the Host, with a witness Guest and a canary
# beside, is unharmed.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $count = $ENV{SAMPLE} ? 5000 : 20000;
my $seed = $ENV{SEED} // 1;
# What is run, and the cases of the list that it is about.
my @programs = (
	['selectors', 'B10'], ['interrupts', 'B05'], ["opcodes $count $seed",
	'B20'], ['frames', 'B01 B03 B04'], ['probe', 'A17'], ['gs', 'B13'],
	['steps', 'B06 B07'], ['calls', 'B02 C02'], ['xstate', 'B14 B15'],
	['leaks', 'B17'],
);
my @checkers = qw(registers faults fpu memory);

my $evil = evil_user();
my @files = programs(@checkers);
push @files, '--add', "$evil/" . (split ' ', $_->[0])[0] for @programs;
my $lines = join '', map { "$_->[0]\n" } @programs;
my $users = spew(scratch() . '/users', <<"USERS" . <<'END', 0755);
#!/bin/sh
checkers='@checkers'
cat > /tmp/programs << EOF
${lines}EOF
USERS
now() {
	awk '{ print int($1 * 1000) }' /proc/uptime
}
dmesg -c > /dev/null
while read -r program arguments; do
	echo "=== $program"
	begin=$(now)
	start-stop-daemon -S -c 65534:65534 -x /$program -- $arguments \
		< /dev/null 2>&1
	status=$?
	echo "=== status $status $(($(now) - begin))"
	dmesg -c | grep -E 'WARN|BUG|Oops|stall|lockup|Bad|hung|Call Trace' |
		head -5
done < /tmp/programs
for program in $checkers; do
	echo "=== $program"
	$program 2>&1
	echo "=== status $? 0"
done
echo '=== end'
END

my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
. /library.sh
beside
before=$(counts)
(linux users)
echo "=== guest $?"
counts_are "$before"
harm
beside_ends
END

my $native = try_native('--memory', 64, '--timeout', 900, @files,
	'--add', $users, '--', 'users');
is $native->{status}, 0, 'the programs run on the Guest kernel alone';
my @in_guest = map { $_ eq '--add' ? '--add-guest' : $_ } @files;
my $host = try_host('--with-guest', '--smp', 2, '--memory', 768,
	'--timeout', 1800, @in_guest, '--add-guest', $users,
	library('beside'), '--add', $job, '--', 'job');
is $host->{status}, 0, 'the Host goes through all of it';
spew("$ENV{FORTRESS_LOG}.native", $native->{out}) if $ENV{FORTRESS_LOG};
spew($ENV{FORTRESS_LOG}, $host->{out}) if $ENV{FORTRESS_LOG};

my ($alone, $in) = map { read_output($_->{out}) } $native, $host;
my ($passed, $cases) = (0, 0);
check_program(@$_) for @programs;
for my $name (@checkers) {
	repeat_tap("afterwards, $name", $in->{$name}{text} // '');
	is $in->{$name}{status}, 0, "... with status 0";
}
(my $text = $host->{out}) =~ tr/\r//d;
like $text, qr/^=== guest 0$/m, 'the Guest powers off when all is done';
is join("\n", $text =~ /^(\+\+\+ .*)$/mg), '', 'the Host is unharmed';
my ($end) = $text =~ /^=== end \d+\n(.*)/ms;
beside_is_well($end // '');
tell('cases passed', "$passed of $cases");
done_testing;

# By program: its text, its status, and what the kernel had to say.
sub read_output {
	my ($text) = @_;
	my (%seen, $name, $what);

	$text =~ tr/\r//d;
	for (split /^/, $text) {
		if (/^=== status (\d+) (\d+)$/ && defined $name) {
			@{$seen{$name}}{qw(status took)} = ($1, $2);
			$what = 'log';
		} elsif (/^=== (\w+)$/) {
			$name = $1;
			$what = 'text';
		} elsif (defined $name) {
			$seen{$name}{$what} .= $_;
		}
	}
	return \%seen;
}

sub verdicts { return join '', grep { /^(not )?ok|^1\.\./ } split /^/, $_[0] }

sub check_program {
	my ($program, $of) = @_;
	my ($name) = split ' ', $program;
	my ($guest, $native) = ($in->{$name} // {}, $alone->{$name} // {});
	my ($was, $is) = map { $_->{text} // '' } $native, $guest;
	my @wrong;

	$cases++;
	push @wrong, 'alone: it did not come to its end'
		unless $was =~ /^1\.\.\d+$/m;
	push @wrong, 'alone: status ' . ($native->{status} // 'none')
		if $native->{status} // 1;
	push @wrong, 'status ' . ($guest->{status} // 'none')
		if $guest->{status} // 1;
	push @wrong, "alone: $1" while $was =~ /^(not ok .*|Bail out!.*)$/mg;
	push @wrong, $1 while $is =~ /^(not ok .*|Bail out!.*)$/mg;
	push @wrong, difference(verdicts($was), verdicts($is));
	push @wrong, "the Guest's kernel: $guest->{log}" if $guest->{log};
	my $tests = () = $is =~ /^ok /mg;
	$passed++ unless @wrong;
	ok !@wrong, "$of: $program, as on the kernel alone ($tests tests)"
		or diag(join "\n", @wrong[0 .. ($#wrong < 20 ? $#wrong : 20)]);
	note(sprintf '%d ms, alone %d ms', $guest->{took} // -1,
	     $native->{took} // -1);
	note($1) while $is =~ /^# (.*)$/mg;
}

# The first lines that are not the same.
sub difference {
	my @was = split /\n/, $_[0];
	my @is = split /\n/, $_[1];
	my @found;

	while (@was || @is) {
		my ($w, $i) = (shift @was // 'nothing', shift @is // 'nothing');
		push @found, "alone: $w", "in a Guest: $i" if $w ne $i;
		last if @found >= 8;
	}
	return @found;
}
