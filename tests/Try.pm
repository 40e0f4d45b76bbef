# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests here have in common: they boot machines with build/try,
# and programs in those machines speak TAP themselves.
package Try;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw($TOP boot try_host try_guest try_native programs evil
		 evil_user cases library beside_is_well memory_is_back log_is_clean
		 repeat_tap tell scratch slurp spew need);
our $TOP = abs_path(dirname(__FILE__) . '/..');

$ENV{LC_ALL} = 'C';

# True while a machine that stops is what we want.
our $stops;

my $scratch;
sub scratch { return $scratch //= tempdir('lguest-test-XXXXXX', TMPDIR => 1,
					  CLEANUP => 1) }

sub slurp {
	my ($path) = @_;
	open my $file, '<', $path or return '';
	binmode $file;
	local $/;
	return <$file> // '';
}

sub spew {
	my ($path, $text, $mode) = @_;
	open my $file, '>', $path or die "$path: $!";
	binmode $file;
	print $file $text;
	close $file or die "$path: $!";
	chmod $mode // 0644, $path;
	return $path;
}

# These files must have been built. (Skipping would look like a success.)
sub need {
	for my $file (@_) {
		next if -e "$TOP/$file";
		fail("there is a $file");
		diag('run make first');
		done_testing;
		exit 1;
	}
}

# Static programs for any Linux, and micro-Guests: build what is missing.
sub make_in {
	my ($directory) = @_;
	my $log = scratch() . '/make.log';
	system("make -s -C $TOP/tests/$directory > $log 2>&1") == 0
		or BAIL_OUT("tests/$directory does not build:\n" .
			    slurp($log));
}

# Options for build/try that bring these programs along.
sub programs {
	make_in('guest');
	return map { ('--add', "$TOP/tests/guest/out/$_") } @_;
}

sub evil {
	make_in('evil');
	return "$TOP/tests/evil/out";
}

# Programs for who is an ordinary user of a Guest, and not of good will.
sub evil_user {
	make_in('evil-user');
	return "$TOP/tests/evil-user/out";
}

# The micro-Guests of the fortress, one file per case.
sub cases {
	make_in('evil/cases');
	return "$TOP/tests/evil/cases/out";
}

# What jobs in the Host have in common, as /library.sh; and what they want
# beside them: the witness in /evil, the canary in the path.
sub library {
	return ('--add-host', "$TOP/tests/host-library.sh:/library.sh",
		(@_ ? ('--add-host', cases() . ":/evil",
		       '--add-host', cases() . '/canary:/bin/canary') : ()));
}

# The text of "=== end", which beside_ends in the library has written.
sub beside_is_well {
	my ($text) = @_;
	my ($rounds, $own, $bad) =
		$text =~ /^canary (\d+) longest (\d+) bad (\d+)$/m;
	my ($count, $longest, $odd) =
		$text =~ /^witness (\d+) longest (\d+) bad (\d+)$/m;

	ok defined $bad && !$bad,
		"the canary's registers, breakpoints and memory are unchanged";
	note("$rounds rounds, the longest pause $own ms") if defined $own;
	ok defined $odd && !$odd,
		"the witness's registers and memory are unchanged";
	note("$count counts, the longest pause $longest ms")
		if defined $longest;
	# An emulator on a busy machine stands still itself at times; and on the
	# debug Host time is counted in other units, as build/try does.
	my $second = ($ENV{LGUEST_HOST} // '') eq 'debug' ? 6000 : 1000;
	cmp_ok $longest // 1e9, '<=', $second + ($own // 0),
		'the witness never waits a second longer than a process';
	like $text, qr/^machines 0$/m, 'no machine is left';
	like $text, qr/^frames 0$/m, '... nor a page of one';
	like $text, qr/^shadow_pages 0$/m, '... nor a shadow page';
	like $text, qr/^unloaded$/m, 'the module goes';
}

# "memory: BEFORE AFTER" of a job, in kB: not more than so much is missing. The debug
# Host holds freed memory back to see who still uses it; there kmemleak has looked
# ("unreferenced: N" in the library).
sub memory_is_back {
	my ($text, $limit) = @_;
	my ($before, $after) = $text =~ /^memory: (\d+) (\d+)$/m;

	note(sprintf '%d kB free before, %d after', $before // 0, $after // 0);
	if (($ENV{LGUEST_HOST} // '') eq 'debug') {
		like $text, qr/^unreferenced: 0$/m, 'kmemleak finds nothing';
	} else {
		cmp_ok $after // 0, '>', ($before // 1e9) - $limit,
			"the memory is back (less than $limit kB are missing)";
	}
}

# That none of the complaints of tests/host-library.sh was heard.
sub log_is_clean {
	my ($log) = @_;
	is $log // 'no log', "clean\n", 'nothing in the log of the Host' .
		(($log // '') =~ /^(?!clean$)(.+)/ ? ": $1" : '');
}

# Run build/try (or what TRY names in the environment); returns what the
# command wrote and how it ended. When the machine failed (125) or time was
# up (124), says so at once. LGUEST_HOST=debug makes every Host the debug Host
# (see build/try --help).
sub boot {
	my (@options) = @_;
	my $out = scratch() . '/out';
	my $err = scratch() . '/err';
	my $begin = time;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $out;
		open STDERR, '>', $err;
		exec $ENV{TRY} // "$TOP/build/try", @options;
		exit 125;
	}
	waitpid $pid, 0;
	my %result = (
		status => $? & 127 ? 128 + ($? & 127) : $? >> 8,
		out => slurp($out), err => slurp($err),
		seconds => time - $begin,
	);
	if (($result{status} == 124 || $result{status} == 125) && !$stops) {
		diag("build/try @options");
		diag($result{out}) if length $result{out} < 4000;
		diag($result{err});
	}
	note(sprintf 'build/try %s: %.0f s', short(@options),
	     $result{seconds});
	return \%result;
}

# The options that matter to who reads the log.
sub short {
	my @options = @_;
	my @short;
	while (defined(my $o = shift @options)) {
		last if $o eq '--';
		if ($o =~ /^--add/) {
			shift @options;
		} else {
			push @short, $o;
		}
	}
	return "@short";
}

# THREADS=1 makes races likelier, and QEMU less to be trusted (build/try --help).
sub try_host {
	return boot('--host', ('--threads') x !!$ENV{THREADS}, @_);
}
sub try_guest { return boot('--guest', @_) }

# QEMU's emulator reads the stack of an IRET or a far return in ring 3 as
# if ring 0 did; with SMAP that is a page fault in the *kernel's* name, and
# Linux oopses, on its own too. So the tests, which try such instructions,
# switch SMAP off in both worlds. (build/try does so by itself for a Host,
# where the Guest's kernel needs IRET.)
sub try_native { return boot('--native', '--cpu', 'max,smap=off', @_) }

# A figure for people: in the log of the test, and for `make test-fortress` in
# the table that FORTRESS_TABLE names.
sub tell {
	my ($what, $figure) = @_;
	diag("$what: $figure");
	return unless $ENV{FORTRESS_TABLE};
	open my $table, '>>', $ENV{FORTRESS_TABLE} or die "table: $!";
	print $table "$what\t$figure\n";
	close $table;
	return;
}

# Turn the TAP of a program into ours: one subtest.
sub repeat_tap {
	my ($name, $text) = @_;
	subtest $name => sub {
		my ($planned, $seen) = (undef, 0);
		for (split /\n/, $text) {
			if (/^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/) {
				$seen++;
				if (defined $3) {
					SKIP: { skip "$2: $3", 1 }
				} else {
					ok !$1, $2;
				}
			} elsif (/^1\.\.(\d+)/) {
				$planned = $1;
			} elsif (/^# (.*)/) {
				note $1;
			} elsif (/^Bail out! (.*)/) {
				fail "bailed out: $1";
			} elsif (/\S/) {
				diag "$name: $_";
			}
		}
		ok defined $planned && $planned == $seen && $seen,
			'all of its tests were run';
	};
}

1;
