#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The hostile micro-Guests: groups A, B, C and E of the cases, all of them
# in one boot of the Host, with a witness Guest and a canary beside them.
#
# What a case has to end in stands in its first comment:
#
#	run: ARGUMENTS -> STATUS [/what is said/]
#	run: ARGUMENTS -> (STATUS|STATUS)
#	term: ARGUMENTS			(endless; SIGTERM ends it)
#
# "name=2-5" means four runs. A case passes if each of its runs ends so, and
# if the Host is unharmed by each:
#
#	1 nothing in its log that warns
#	2 the witness counts on, its memory and registers as they were; it
#	  never waits for a second longer than an ordinary process did
#	3 the canary's registers, breakpoints and memory are as they were
#	4 the end comes with its reason, at the latest 5 s after it is due
#	5 machines, frames, tables, module references are back to what they were
#	6 at most 10 lines a second in the Host's log
#
# SAMPLE=1 makes the bounded cases smaller; CASES='a01
# b10' selects; SEED=n is added to the seeds in the cases.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $dir = "$TOP/tests/evil/cases";
my $full = !$ENV{SAMPLE};
my $more_seed = $ENV{SEED} // 0;
# For a run that works, not its end; the debug Host is several times slower.
my $patience = $full ? 1800 : ($ENV{LGUEST_HOST} // '') eq 'debug' ? 720 : 120;

my @runs = find_runs();
my $list = join '', map { "$_->{file} $_->{how} $_->{args}\n" } @runs;
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
# Arguments: how many Guests in E5, and how long a run may work.
cd /tmp
mkfifo pipe
. /library.sh
launch() {
	micro /evil/$1 "$2"
}
beside

one() { # number, file, how, arguments
	before=$(counts)
	begin=$(now)
	: > text
	if [ $3 = term ]; then
		launch $2 "$4" > text 2>&1 &
	else
		# A Guest may say more than a Host has memory.
		tail -c 10000 < pipe > text &
		keeper=$!
		launch $2 "$4" > pipe 2>&1 &
	fi
	pid=$!
	due=$begin
	if [ $3 = term ]; then
		n=0
		until grep -q spinning text || [ $n = 100 ]; do
			usleep 50000
			n=$((n + 1))
		done
		sleep 0.5
		due=$(now)
		kill -TERM $pid
	else
		( sleep $patience; kill -KILL $pid ) > /dev/null 2>&1 &
		guard=$!
	fi
	wait $pid
	status=$?
	end=$(now)
	[ $3 = term ] || { kill $guard 2> /dev/null; wait $keeper; }
	same=$(counts_are "$before")
	harm > harm
	echo "=== run $1 $status $((end - begin)) $((end - due))" \
		"$(wc -l < log)"
	[ ! "$same" ] || echo "$same"
	cat harm
	[ $(wc -c < text) -lt 8000 ] || echo "--- $(wc -c < text) bytes"
	tail -c 3000 text | cat -v | sed 's/^/--- /'
}

crowd() { # many, one after the other and eight at a time
	failed=0
	n=0
	while [ $n -lt $1 ]; do
		pids=
		for i in 1 2 3 4 5 6 7 8; do
			launch hello > /dev/null 2>&1 &
			pids="$pids $!"
		done
		for pid in $pids; do
			wait $pid || failed=$((failed + 1))
		done
		n=$((n + 8))
	done
	echo "=== crowd $n $failed"
}

patience=$2
number=0
while read -r file how arguments; do
	one $number $file $how "$arguments"
	number=$((number + 1))
done < /list
before=$(counts)
crowd $1
sleep 1
after=$(counts)
echo "counts $before -> $after"
beside_ends
END

my $crowd = $full ? 1000 : 24;
my $result = try_host('--smp', 2, '--memory', 1024,
	'--timeout', $full ? 14400 : 2400,
	library('beside'), '--add', $job, '--add', spew(scratch() . '/list', $list) . ':/list',
	'--', 'job', $crowd, $patience);
spew($ENV{FORTRESS_LOG}, $result->{out}) if $ENV{FORTRESS_LOG};
my %part = $result->{out} =~
	/^=== (run \d+|crowd|end)[ \n](.*?)(?=^=== |\z)/msg;

is $result->{status}, 0, 'the Host survives all of it';
my (%cases, %passed, %file_of, @reasons);
check_run($_) for 0 .. $#runs;
check_crowd();
beside_is_well($part{end} // '');
check_list();
check_reasons();
table();
done_testing;

# All runs of all cases, from their comments.
sub find_runs {
	my @found;
	for my $path (sort glob "$dir/[a-e][0-9][0-9]-*.c") {
		my ($file) = $path =~ m{([^/]+)\.c$};
		next if $ENV{CASES} &&
			!grep { $file =~ /^$_/ } split ' ', $ENV{CASES};
		my ($text) = slurp($path) =~ m{^/\*\n(.*?)\n \*/}ms;
		while ($text =~ /^ \* (run|term):(.*)$/mg) {
			push @found, expand($file, $1, $2);
		}
	}
	return @found;
}

sub expand {
	my ($file, $how, $rest) = @_;
	my ($args, $wanted) = split / -> /, " $rest", 2;
	my ($status, $pattern) = ($wanted // '143') =~
		m{^(\d+|\(.*\))(?:\s+/(.*)/)?$}
		or die "$file: cannot read '$rest'";
	$args =~ s/^\s+|\s+$//g;
	my @each = $args =~ /(\w+)=(\d+)-(\d+)/ ?
		map { my $n = $_; $args =~ s/(\w+)=\d+-\d+/$1=$n/r } $2 .. $3 :
		($args);
	# (0|4 /pattern/): the pattern is for the 4
	my $killed = $status =~ s{ /(.*)/\)}{)} ? $1 : undef;
	return map { {
		file => $file, how => $how, status => qr/^(?:$status)$/,
		pattern => $pattern, killed => $killed,
		args => s/seed=(\d+)/'seed=' . ($1 + $more_seed)/er .
			($full ? ' full=1' : ''),
	} } @each;
}

sub check_run {
	my ($n) = @_;
	my $run = $runs[$n];
	my $case = uc substr $run->{file}, 0, 3;
	my $name = "$case $run->{file} $run->{args}";
	my $text = $part{"run $n"} // '';
	my ($status, $took, $late, $lines) =
		$text =~ /^(\d+) (\d+) (\d+) (\d+)$/m;
	my $said = join "\n", $text =~ /^--- (.*)$/mg;
	my @harm = $text =~ /^\+\+\+ (.*)$/mg;
	my @wrong;

	$cases{$case}++;
	$file_of{$case} = $run->{file} =~ s/^...-//r;
	push @wrong, 'it was not run' unless defined $status;
	$status //= -1;
	push @wrong, "status $status" unless $status =~ $run->{status};
	push @wrong, 'what it says'
		if defined $run->{pattern} && $said !~ $run->{pattern};
	push @wrong, 'why it was killed' if $status == 4 &&
		($said !~ /^lguest: the Host killed the Guest: \S/m ||
		 defined $run->{killed} && $said !~ $run->{killed});
	push @wrong, 'a test of its own fails'
		if $said =~ /^not ok|^Bail out/m;
	push @wrong, 'it did not finish'
		if $status == 0 && $said !~ /^1\.\.\d+/m;
	push @wrong, 'it was never there'
		if $run->{how} eq 'term' && $said !~ /spinning/;
	push @wrong, "the end took $late ms"
		if $run->{how} eq 'term' && $late > 5000;
	push @wrong, 'more than one line about its end'
		if (() = $said =~ /^lguest: /mg) > 1;
	push @wrong, 'escape sequences' if $said =~ /^lguest:.*\^\[/m;
	push @wrong, "$lines lines in the log in $took ms"
		if ($lines // 0) > 10 * (1 + ($took // 0) / 1000);
	push @reasons, $said =~ /killed the Guest: (.*)/;
	my $good = !@wrong && !@harm;
	$passed{$case}++ if $good;
	ok $good, $name or diag(join("\n", @wrong, @harm, '', $said));
	note(sprintf '%d ms', $took // -1);
}

sub check_crowd {
	my ($n, $failed) = ($part{crowd} // '') =~ /^(\d+) (\d+)$/m;
	my ($before, $after) = ($part{crowd} // '') =~
		/^counts (.*) -> (.*)$/m;
	my $good = defined $n && !$failed && ($before // 1) eq ($after // 2);

	$cases{E05} = 1;
	$file_of{E05} = 'crowd';
	$passed{E05} = $good ? 1 : 0;
	ok $good, sprintf 'E05 %d Guests, eight at a time', $n // 0
		or diag($part{crowd} // 'it was not run');
}

# Cases for which no Guest with one vCPU can be written: what we have in
# place of them. A pattern must be in the Host's code.
sub check_list {
	my @others = (
		['A09', 'two vCPUs: entries are read once, changed by cmpxchg',
		 'page-tables.c', qr/get_user\(value, w->entries\[level\]\)/,
		 qr/entry = w->entries\[level\];/,
		 qr/_cmpxchg_user\(entry, &old, new,/],
		['B19', 'needs NMIs: every instruction of the Switcher has its '.
		 'own test; #DF, NMI, #DB and #MC have stacks of their own',
		 'segments.c', qr/\[X86_TRAP_DF\] = 1, \[X86_TRAP_NMI\] = 2/,
		 qr/\[X86_TRAP_DB\] = 3, \[X86_TRAP_MC\] = 4/],
		['C04', 'two vCPUs: words of the shared page are read once',
		 'hypercalls.c', qr/cs = READ_ONCE\(shared->cs\)/,
		 qr/regs->rip = READ_ONCE\(shared->rip\)/],
		['C05', 'there are no batches: one exit serves one call',
		 'hypercalls.c',
		 qr/int do_hypercall.*\n\{(?:(?!\b(?:for|while) \().*\n)*?\}/,
		 qr/regs->rax = serve\(v, regs->rdi, regs->rsi, regs->rdx\)/],
		['C08', 'a machine has one vCPU, and nobody to send to',
		 'lg.h', qr/^#define LGUEST_MAX_VCPUS\t1$/m,
		 qr/struct vcpu \*vcpus\[LGUEST_MAX_VCPUS\]/],
		['E06', 'nobody asks to merge memory, and none of it may be '.
		 'dumped or inherited', 'launcher/memory.c',
		 qr/\A(?!.*MADV_MERGEABLE)/s, qr/MADV_DONTDUMP/,
		 qr/MADV_DONTFORK/, qr/memfd_create\("lguest"/],
		['E08', 'needs metal: what is not present is all zero, '.
		 'and branches of another machine are forgotten',
		 'x86.c', qr/indirect_branch_prediction_barrier\(\)/],
	);
	for (@others) {
		my ($case, $what, $file, @patterns) = @$_;
		my $code = slurp("$TOP/host/$file");
		my $good = !grep { $code !~ $_ } @patterns;
		ok $good, "$case in the source: $what";
		next if $ENV{CASES};
		$cases{$case}++;
		$passed{$case}++ if $good;
		$file_of{$case} = "host/$file";
	}
	like slurp("$TOP/host/page-tables.c"),
		qr/\*e = table_entry\(next, TABLE \| _PAGE_USER\);/,
		'E08 in the source: an entry is written whole, or is zero';
	# One way to say each thing, and none for a batch or another vCPU.
	my @calls = slurp("$TOP/host/include/lguest/abi.h") =~
		/^#define LHCALL_(?!COUNT)(\w+)\t/mg;
	is scalar(grep { /ASYNC|RING|BATCH|MULTI|IPI|SEND|VCPU/ } @calls), 0,
		'C05, C08 in the source: no such hypercall' if @calls;
	ok @calls > 10, scalar(@calls) . ' hypercalls are known';
	# No other way to words of the shared page than READ_ONCE.
	my @plain;
	for my $path (glob "$TOP/host/*.c") {
		for my $line (split /\n/, slurp($path)) {
			push @plain, $line if $line =~ /shared->\w+/ &&
				$line !~ /(?:READ|WRITE)_ONCE\(/ &&
				$line !~ /^\tshared->\w+ = /;
		}
	}
	is "@plain", '', 'C04 in the source: no plain read of the shared page';
}

# Each reason that is in the source was seen, or cannot be.
sub check_reasons {
	return if $ENV{CASES};
	my %never = (
		'reserved bit in a shadow table at' => 'it would be our mistake',
		'trap %llu in the Switcher' => 'it would be our mistake',
		'its registers were lost in an accident' => 'in accidents.t',
		'a page table is read-only' => 'host.t: no Guest can',
		'out of memory for page tables' => 'allocations.t sees it',
		'the Launcher has made itself an LDT' => 'no Guest can',
		'it was shut down' => 'the Guest wants it',
		'page table at %#llx is gone' => 'host.t: no Guest can',
	);
	my @missing;
	for my $path (glob "$TOP/host/*.c") {
		my $code = slurp($path);
		while ($code =~ /kill_guest\(v,\s*"([^"]+)"/g) {
			my $reason = $1;
			next if grep { index($reason, $_) == 0 } keys %never;
			next if $reason =~ /^%s:/;
			my $pattern = join '.*', map { quotemeta }
				split /%#?[a-z]+/, $reason;
			push @missing, $reason
				unless grep { /$pattern/ } @reasons;
		}
	}
	push @missing, $_ for grep { my $how = $_;
		!grep { /^\Q$how\E: trap/ } @reasons }
		'double fault', 'before LHCALL_INIT';
	is "@missing", '', 'C14 each reason for ending a Guest was seen';
	note("$_: $never{$_}") for sort keys %never;
}

sub table {
	my ($good, $all) = (0, 0);
	diag(sprintf '%-4s %-20s %s', 'case', '', 'runs passed');
	for my $case (sort keys %cases) {
		my $n = $passed{$case} // 0;
		$all++;
		$good++ if $n == $cases{$case};
		diag(sprintf '%-4s %-20s %d of %d', $case, $file_of{$case},
		     $n, $cases{$case});
	}
	tell('cases passed', sprintf '%d of %d, in %d runs', $good, $all,
	     scalar @runs);
}
