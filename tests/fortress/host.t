#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The Host's side of a Guest, groups E and F22 of the cases: Launchers that
# give odd memory, take it away, fork and become other programs while their
# Guest runs; debuggers, core dumps, samplers, breakpoints, probes and
# tracers on every symbol of the module. With a witness Guest and a canary
# beside them, and nothing may be left of any.
#
# Probes and tracers write into the Host's code while it runs. With a thread of
# its own for each CPU QEMU 7.2 does not stand that: also without lguest, with
# probes on read() and write() and four of dd, the kernel jumps to address 0
# within a minute. So F22 has a Host with one CPU, and the others one with two.
#
# CASES='E02 F22' selects. SAMPLE=1 has micro-Guests where else a Linux works
# under observation, and for the graph a part of the kernel instead of it all.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $odd = evil() . '/odd';
my @in_guest = map { $_ eq '--add' ? '--add-guest' : $_ }
	programs(qw(registers random-memory debug));
my $seed = $ENV{SEED} // 4_711;
my $selected = $ENV{CASES} // 'E02 E03 E04 E06 E07 F22';
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
selected=$1 seed=$2 sample=$3
cd /tmp
. /library.sh
tracing=/sys/kernel/tracing
mount -t tracefs tracefs $tracing
echo 8 > /proc/sys/vm/nr_hugepages
echo 1 > /sys/kernel/mm/ksm/run
echo '/tmp/core' > /proc/sys/kernel/core_pattern
beside

# A case: what it writes, and then what harm it has done.
one() {		# one CASE NAME COMMAND...
	case " $selected " in *" $1 "*) ;; *) return ;; esac
	title="$1 $2"
	shift 2
	before=$(counts)
	begin=$(now)
	"$@" > text 2>&1
	status=$?
	took=$(($(now) - begin))
	same=$(counts_are "$before")
	harm > harm
	echo "=== $title: $status $took $(wc -l < log)"
	[ ! "$same" ] || echo "$same"
	cat harm
	tail -c 4000 text | cat -v
}
# A Linux Guest under observation, until it has done what it has to.
start() {
	linux "random-memory ${1:-6000} $seed; registers; debug" > guest.out 2>&1 &
	guest=$!
	until grep -q '^ok' guest.out || ! kill -0 $guest 2> /dev/null; do
		sleep 0.1
	done
}
finish() {
	wait $guest
	echo "guest: status $?, programs $(grep -c '^1\.\.' guest.out)," \
		"complaints $(grep -c '^not ok\|^Bail' guest.out)"
	grep '^not ok\|^Bail\|lguest:' guest.out | head -5
}
# A micro-Guest, for 20 s at most.
briefly() {
	micro /evil/$1 > micro.out 2>&1 &
	pid=$!
	for i in $(seq 200); do
		kill -0 $pid 2> /dev/null || break
		sleep 0.1
	done
	kill $pid 2> /dev/null
	wait $pid
	echo "$1: status $?"
	grep '^not ok\|^Bail\|^1\.\.\|lguest:' micro.out | head -5
}
# What a probe or a tracer has to stand.
work() {
	if [ "$sample" ]; then
		briefly c02-user-calls
		briefly b14-registers
	else
		start 3000
		finish
		odd e03_fork_private
	fi
	odd e04_munmap
}

for case in $(odd list); do
	one $(echo ${case%%_*} | tr e E) "${case#*_}" timeout 120 odd $case
done

flags() {	# what the kernel may do with the memory of a Guest
	start 100
	awk '/memfd:lguest/ { here = 1 } here && /^VmFlags/ { print; exit }' \
		/proc/$guest/smaps
	sleep 2
	echo "merged: $(cat /sys/kernel/mm/ksm/pages_shared)"
	finish
}
one E06 'memory is never merged' flags

debugger() {	# ... of a process that has nothing to do with Guests, first
	dd if=/dev/zero of=/dev/null bs=1M 2> /dev/null &
	dd=$!
	odd trace 3 $dd
	kill $dd
	wait $dd
	echo "control: status $?"
	start ${sample:+500}
	while kill -0 $guest 2> /dev/null; do odd trace 3 $guest; done
	finish
}
one E07 'a nasty debugger' debugger
core() {
	ulimit -c unlimited
	# (A Launcher in its cage may make no file, and so it has no core.)
	options='--sandbox off'
	for s in ABRT SEGV BUS; do
		rm -f core
		micro /evil/witness > micro.out 2>&1 &
		pid=$!
		until grep -q 'witness 32' micro.out; do sleep 0.1; done
		kill -$s $pid
		wait $pid
		echo "$s $? core $(($(wc -c < core) / 1024))"
	done
	options=
	rm -f core
}
one E07 'core dumps' core
samples() {
	start
	while kill -0 $guest 2> /dev/null; do odd perf 3; done
	finish
}
one E07 'samples and breakpoints of the kernel' samples

# All symbols of the module that are text; but not what the kernel's macros make of
# a tracepoint, where no tracer may go.
symbols() {
	awk '$4 == "[lg]" && tolower($2) == "t" && !seen[$3]++ { print $3 }' \
		/proc/kallsyms | grep -Ev \
		'^(__SCT__|(__bpf_trace|perf_trace|trace_event_raw_event|trace_raw_output)_)'
}
probes() {	# probes p|r
	: > wanted
	for s in $(symbols); do
		echo "$1:odd/n_$(echo $s | tr . _) lg:$s" > line
		echo "$s" >> wanted
		cat line >> $tracing/kprobe_events 2> /dev/null ||
			echo "not probed: $s"
	done
	echo "probes: $(grep -c . $tracing/kprobe_events) of $(grep -c . wanted)"
	echo 1 > $tracing/events/odd/enable
	work
	echo 0 > $tracing/events/odd/enable
	echo "hit: $(awk '$2 > 0' $tracing/kprobe_profile | grep -c .)"
	echo > $tracing/kprobe_events
	echo > $tracing/trace
}
one F22 'a kprobe on each symbol' probes p
one F22 'a kretprobe on each symbol' probes r
tracer() {	# tracer NAME
	echo ':mod:lg' > $tracing/set_ftrace_filter
	echo "traced: $(grep -c . $tracing/set_ftrace_filter)"
	echo $1 > $tracing/current_tracer
	work
	echo "seen: $(grep -c 'run_guest\|handle_exit' $tracing/trace)"
	echo nop > $tracing/current_tracer
	echo > $tracing/set_ftrace_filter
	echo > $tracing/trace
}
one F22 'function_graph on the module' tracer function_graph
one F22 'function on the module' tracer function
# The kernel, too, for as long as small Guests live: what RUN calls in it,
# and what interrupts that. Other functions have only the hook.
everything() {
	echo vcpu_ioctl > $tracing/set_graph_function
	if [ "$sample" ]; then
		echo '*fault*' > $tracing/set_ftrace_filter
		echo '*irq*' >> $tracing/set_ftrace_filter
		echo ':mod:lg' >> $tracing/set_ftrace_filter
	else
		echo > $tracing/set_ftrace_filter
	fi
	echo function_graph > $tracing/current_tracer
	briefly c02-user-calls
	briefly b14-registers
	echo "seen: $(grep -c 'run_guest\|handle_exit' $tracing/trace)"
	echo nop > $tracing/current_tracer
	echo > $tracing/set_ftrace_filter
	echo > $tracing/set_graph_function
	echo > $tracing/trace
}
one F22 'function_graph on the whole kernel' everything
events() {	# all tracepoints of the module, of exceptions, interrupts, the scheduler, ...
	for e in lguest exceptions irq irq_vectors sched signal kmem timer x86_fpu \
			mmu_notifier tlb raw_syscalls; do
		[ ! -e $tracing/events/$e ] || echo 1 > $tracing/events/$e/enable
	done
	work
	echo 0 > $tracing/events/enable
	echo > $tracing/trace
}
one F22 'tracepoints' events
echo 0 > /proc/sys/vm/nr_hugepages
beside_ends
END

my (%seen, %passed);
live_through(2, grep { !/^F/ } split ' ', $selected);
live_through(1, grep { /^F/ } split ' ', $selected);
is $seen{$_} // 0, $seen{$_} || -1, "$_ was run" for split ' ', $selected;
my $runs = 0;
$runs += $_ for values %seen;
tell('cases passed', sprintf '%d of %d, in %d runs',
	scalar(grep { $passed{$_} == $seen{$_} } keys %seen),
	scalar keys %seen, $runs);
done_testing;

# These cases, on a Host with so many CPUs.
sub live_through {
	my ($cpus, @cases) = @_;
	return unless @cases;
	my $result = try_host('--with-guest', '--smp', $cpus, '--memory', 1024,
		'--timeout', 2400, @in_guest, '--add', "$odd:/odd",
		library('beside'), '--add', $job, '--', 'job', "@cases", $seed,
		$ENV{SAMPLE} // '');
	(my $text = $result->{out}) =~ tr/\r//d;
	spew("$ENV{FORTRESS_LOG}.$cpus", $text) if $ENV{FORTRESS_LOG};
	is $result->{status}, 0, "the Host goes through @cases";
	check($1, $2, $3, $4, $5, $6) while $text =~
		/^=== ([EF]\d\d) ([^:\n]*): (\d+) (\d+) (\d+)\n(.*?)(?=^=== |\z)/msg;
	my ($end) = $text =~ /^=== end \d+\n(.*)/ms;
	beside_is_well($end // '');
}

sub check {
	my ($case, $name, $status, $took, $lines, $text) = @_;
	my @wrong = $text =~ /^\+\+\+ (.*)$/mg;

	$name =~ tr/_/ /;
	$seen{$case}++;
	$passed{$case} //= 0;
	push @wrong, "status $status" if $status;
	push @wrong, $1 while $text =~ /^(not ok .*|Bail out!.*)$/mg;
	push @wrong, 'it says nothing'
		if $text !~ /^ok |^guest: |^\w+ \d+ core|^[bc]\d\d-/m;
	push @wrong, $1 while $text =~
		/^([bc]\d\d-\S+: status (?!0$|143$).*)$/mg;
	push @wrong, "$lines lines in the log in $took ms"
		if $lines > 10 * (1 + $took / 1000);
	push @wrong, 'the Guest did not go on' if $text =~ /^guest: /m &&
		$text !~ /^guest: status 0, programs 3, complaints 0$/m;
	push @wrong, special($case, $name, $text);
	ok !@wrong, "$case $name" or diag(join("\n", @wrong, '', $text));
	$passed{$case}++ unless @wrong;
	note("$took ms");
	note($_) for $text =~ /^((?:probes|traced|seen|hit|not\ probed|[bc]\d\d-|perf|
				    trace|control|merged|VmFlags).*)$/mgx;
}

# What some of them must have found.
sub special {
	my ($case, $name, $text) = @_;
	my @wrong;

	if ($name =~ /merged/) {
		push @wrong, 'flags of its memory' unless
			$text =~ /^VmFlags:(?!.* mg\b).* dc (?=.*dd\b)/m;
		push @wrong, 'it is merged' unless $text =~ /^merged: 0$/m;
	} elsif ($name =~ /core/) {
		my %status = (ABRT => 134, BUS => 135, SEGV => 139);
		for my $signal (sort keys %status) {
			my ($size) = $text =~
				/^$signal $status{$signal} core (\d+)$/m;
			push @wrong, "no core after SIG$signal" unless $size;
			push @wrong, "$size kB in the core: the Guest's too"
				if ($size // 0) > 16384;	# it has 32 MB
		}
	} elsif ($name =~ /probe/) {
		my ($got, $all) = $text =~ /^probes: (\d+) of (\d+)$/m;
		push @wrong, 'too few probes' if !$all || $got < 0.9 * $all;
		my ($hit) = $text =~ /^hit: (\d+)$/m;
		push @wrong, 'too few were hit' if ($hit // 0) < 40;
	} elsif ($name =~ /function/) {
		my ($n) = $text =~ /^seen: (\d+)$/m;
		push @wrong, 'the tracer has seen nothing' unless $n;
	} elsif ($name =~ /debugger/) {
		push @wrong, 'no visits' unless
			$text =~ /^control.*^trace: [1-9]\d* visits/ms;
		push @wrong, 'an ordinary process does not live through it'
			unless $text =~ /^control: status 143$/m;
	} elsif ($name =~ /samples/) {
		push @wrong, 'no samples' unless
			$text =~ /^perf: [1-9]\d* ns sampled, [1-9]/m;
	}
	return @wrong;
}
