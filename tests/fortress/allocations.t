#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The Host has no memory to give: on the debug Host, each allocation that is
# made in the life of a machine fails once; then all from the Nth one on; then
# those of loading the module; then the Launcher's own. Every time there is an
# error or the orderly end of a Guest, what is tried again works, and nothing
# is left. SAMPLE=1 takes every eleventh of what takes long; LAUNCHES=n that
# many lives of the Launcher at most, of each kind.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use Test::More;
use Try;

need('build/out/debug/host/lg.ko', 'host/launcher/lguest');

my $sample = $ENV{SAMPLE};
my $launches = $ENV{LAUNCHES} // ($sample ? 25 : 300);
my $stride = $sample ? 11 : 1;
my $evil = evil();
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
stride=$1 launches=$2
stats=/sys/kernel/debug/lguest/stats
leaks=/sys/kernel/debug/kmemleak
group=/sys/fs/cgroup/all
dmesg -n 1		# what fails, the kernel tells at length
dmesg -c > /dev/null	# (kmemleak introduces itself)
mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir $group
echo $$ > $group/cgroup.procs
# What the kernel holds for us: bytes of its own memory.
held() {
	sleep 2
	echo "held $1 $(awk '$1 == "kernel" { print $2 }' $group/memory.stat)"
}
scan() {	# what is younger than five seconds is not yet a leak
	sleep 6
	echo scan > $leaks
	sleep 6
	echo scan > $leaks
}
now() {
	awk '{ print int($1) }' /proc/uptime
}
alarming() {
	grep -E 'WARNING|BUG|Oops|stall|lockup|Bad page|suspected memory leaks'
}
part() {
	echo "=== $1"
	begin=$(now)
	shift
	"$@" 2>&1
	echo "status $?"
	echo "seconds $(($(now) - begin))"
}
shortage once > /dev/null	# for the caches that stay
scan
echo clear > $leaks
held before
part once shortage once
held once
part from shortage from
held from
# Here the kernel's own jump labels warn that they have no memory, and then that
# they do not find what they could not add. That is not ours.
echo 0 > /proc/sys/kernel/panic_on_warn
part load shortage load /lg.ko $stride
echo '=== load-log'
dmesg -c | alarming | grep -v -e 'WARNING: .* at kernel/jump_label.c:' \
	-e 'WARNING: .* at kernel/trace/trace_events.c:' || echo clean
echo 1 > /proc/sys/kernel/panic_on_warn

# The Launcher, with a micro-Guest.
launcher() {	# pages or slabs, of how many are given how much more, times
	case $1 in
	pages) file=/sys/kernel/debug/fail_page_alloc ;;
	slabs) file=/sys/kernel/debug/failslab ;;
	esac
	n=0 step=$2
	while [ $n -lt $((launches * step)) ]; do
		LD_PRELOAD=/shortage-begin.so shortage run $1 $n $3 \
			lguest run --kernel /evil/hello --memory 32M \
			--console none < /dev/null > /tmp/text 2>&1
		status=$?
		left=$(cat $file/times)
		echo 0 > $file/probability
		echo "launch $1 $3 $n $status $((left != $3))" \
			"$(grep -c . /tmp/text) $(tr '\n' '|' < /tmp/text)"
		tries=0
		until grep -q '^machines 0' $stats; do
			[ $tries -lt 50 ] || break
			tries=$((tries + 1))
			usleep 100000
		done
		grep -q '^machines 0' $stats || echo 'bad: a machine is left'
		[ $left != $3 ] || break
		n=$((n + step))
	done
}
part pages-once launcher pages $stride 1
part pages-from launcher pages $stride 1000000
part slabs-once launcher slabs $((stride * 100)) 1
part slabs-from launcher slabs $((stride * 100)) 1000000
held launcher

echo '=== after'
cat $stats
scan
cat $leaks | head -60
echo '=== log'
rmmod lg && echo unloaded
dmesg | alarming || echo clean
END

my $result = try_host('--debug-host', '--memory', 512, '--timeout', 1800,
	'--add', "$evil/hello:/evil/hello", '--add', "$evil/shortage",
	'--add', "$evil/shortage-begin.so", '--add', $job, '--',
	'job', $stride, $launches);
(my $text = $result->{out}) =~ tr/\r//d;
spew($ENV{FORTRESS_LOG}, $text) if $ENV{FORTRESS_LOG};
my %part = $text =~ /^=== ([\w-]+)\n(.*?)(?=^=== |\z)/msg;
is $result->{status}, 0, 'the Host goes through all of it';

# --- Calls, one by one ---------------------------------------------------------
sub sweep {
	my ($name) = @_;
	my $text = $part{$name} // '';
	like $text, qr/^done \w+ bad 0\nstatus 0$/m,
		"$name: all is as it should be";
	my @bad = grep { /^bad/ } split /\n/, $text;
	diag($_) for grep { defined } @bad[0 .. 20];
	note($_) for $text =~ /^((?:step|end|seconds) .*)$/mg;
	return $text =~ /^step (\S+ \S+) failures (\d+)$/mg;
}
my %once = sweep('once');
cmp_ok $once{"once $_"} // 0, '>', 0, "$_ fails once at each of its places"
	for qw(open memory vcpu irqfd bell run set_state get_state);
is $once{'once close'}, 0, 'nothing in the end of a machine can fail';
my %from = sweep('from');
cmp_ok $from{"from-pages $_"} // 0, '>', 0, "$_ has no page from the Nth on"
	for qw(vcpu run);
cmp_ok $from{"from-slabs $_"} // 0, '>', 0, "$_ has no slab from the Nth on"
	for qw(open memory vcpu irqfd bell);
like $part{once} // '', qr/^end once run \d+: good$/m,
	'a Guest lives through a single refusal';
like $part{from} // '',
	qr/^end from-pages run \d+: out of memory for page tables$/m,
	'a Guest ends for want of memory for page tables';
my %load = sweep('load');
is $part{'load-log'} // '', "clean\n", 'its log is clean, but for what the kernel says of itself';
cmp_ok $load{'load module'} // 0, '>', 20 / $stride,
	'loading the module fails';
my $failures = 0;
$failures += $_ for values %once, values %from, values %load;

# --- The Launcher ----------------------------------------------------------------
sub as_the_manual_says {
	my ($status, $said) = @_;
	return $said =~ /^hello from a micro-Guest/ if $status == 0;
	return 0 unless $said =~ /^(?:hello from a micro-Guest\|)?lguest: ([^|]*)\|$/;
	return 1 if $status == 1 || $status == 2;
	return $status == 4 &&
		$1 eq 'the Host killed the Guest: out of memory for page tables';
}
for my $kind (qw(pages-once pages-from slabs-once slabs-from)) {
	my $text = $part{$kind} // '';
	my ($failed, %seen, @wrong) = (0);
	for ($text =~ /^launch (.*)$/mg) {
		my ($what, $times, $n, $status, $failure, $lines, $said) =
			split / /, $_, 7;
		$failed += $failure;
		push @wrong, "space $n: status $status: $said"
			unless as_the_manual_says($status, $said);
		$seen{"status $status: $said"}++;
	}
	is scalar @wrong, 0, "$kind: the Launcher ends as its manual says";
	diag($_) for @wrong;
	$failures += $failed;
	cmp_ok $failed, '>', 2, "$kind: something failed, $failed times";
	note("$kind: $seen{$_} times $_") for sort keys %seen;
	note("$kind: $_") for $text =~ /^(seconds .*)/m;
	unlike $text, qr/^bad/m, "$kind: no machine is left";
}

# --- Afterwards --------------------------------------------------------------------
my %held = $text =~ /^held (\w+) (\d+)$/mg;
note(join ', ', map { "held $_: " . ($held{$_} // 'nothing') }
	qw(before once from launcher));
my $after = $part{after} // '';
like $after, qr/^$_ 0$/m, "afterwards there are no $_"
	for qw(machines frames shadow_pages audit_failures);
unlike $after, qr/unreferenced object/, 'kmemleak finds nothing';
diag($after) if $after =~ /unreferenced/;
tell('allocations that failed, in a program and in the Launcher', $failures);
is $part{log} // '', "unloaded\nclean\n",
	'the module goes, and the log of the Host is clean';
diag(substr $text, -4000) unless Test::More->builder->is_passing;
done_testing;
