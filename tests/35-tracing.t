#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The tracepoints of the module say what its counters say, and more: each turn of
# the circle leaves its footprints, in order, with plausible times. Nothing is
# written down when they are off, and the module goes while they are on.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest');

my $evil = evil();
my $job = spew(scratch() . '/job', <<'END', 0755);
#!/bin/sh
. /library.sh
t=/sys/kernel/debug/tracing
events=$t/events/lguest
ls $events | sed 's/^/event /'
echo x86-tsc > $t/trace_clock
echo 100000 > $t/buffer_size_kb
hello() { micro /evil/hello > /tmp/text 2>&1; }

echo '=== off'
(hello)
grep lguest_ $t/trace
echo 1 > $events/enable
(linux 'ls / | sort | wc -l') > /tmp/text 2>&1 || cat /tmp/text
echo 0 > $events/enable
gzip -c $t/trace > /tmp/linux.gz
echo '=== counters'
cat $stats
grep overrun $t/per_cpu/cpu0/stats
echo '=== off again'
echo > $t/trace
(hello)
grep lguest_ $t/trace
echo '=== one'
echo 1 > $events/lguest_handled/enable
(micro /evil/bench-exit) > /tmp/text
grep lguest_ $t/trace
echo '=== turns'
echo > $t/trace
echo 1 > $events/enable
(micro /evil/bench-exit) > /tmp/text
grep lguest_ $t/trace
echo '=== unload'
rmmod lg && echo gone
[ -e $events ] || echo 'no events'
insmod /lg.ko && (hello) && cat /tmp/text
cat $events/enable
rmmod lg && echo 'gone again'
complaints
echo '=== linux'
cat /tmp/linux.gz
END
# (The debug Host takes its own time, and is slow enough as it is.)
my $stock = ($ENV{LGUEST_HOST} // '') ne 'debug';
my $result = try_host($stock ? '--icount' : (), '--with-guest', '--timeout', 300, library(),
	'--add', "$evil:/evil", '--add', $job, '--', 'job');
is $result->{status}, 0, 'the Host runs';
my ($text, $zipped) = split /^=== linux\n/m, $result->{out}, 2;
my ($before, @parts) = split /^=== (.*)\n/m, $text;
my %part = @parts;

my @names = qw(entry exit fill flush handled hypercall inject return run);
is_deeply [sort map { /^event lguest_(\w+)$/ ? $1 : () } split /\n/, $before],
	\@names, 'there are nine events';
is $part{off}, '', 'nothing is written down before they are on';
is $part{'off again'}, '', '... nor when they are off again';

# --- A Linux --------------------------------------------------------------------
# Events as [name, text, time]. There is one vCPU, and so one story.
sub events {
	my ($text) = @_;
	return map { / (\d+): lguest_(\w+): (.*)/ ? [$2, $3, $1] : () }
		split /\n/, $text;
}
gunzip \($zipped // '') => \my $trace;
my @linux = events($trace // '');
cmp_ok scalar(@linux), '>', 10000, 'a Linux leaves many footprints';
my ($lost) = $part{counters} =~ /^overrun: (\d+)/m;
is $lost, 0, '... of which none is lost';

# What has two sources must agree.
my %counter = $part{counters} =~ /^(\w+) (\d+)$/mg;
sub seen { my ($name, $like) = @_;
	return scalar grep { $_->[0] eq $name && $_->[1] =~ $like } @linux }
# (The first Guest was not traced. It is small, and does nothing of these three
# kinds, and little of the others.)
is seen('hypercall', qr/^SET_CR3 /), $counter{cr3_switches},
	'changes of CR3 are as many as were counted';
is seen('inject', qr/^interrupt /), $counter{interrupts}, 'and interrupts';
is seen('inject', qr/^exception 14 /), $counter{reflected},
	'and page faults that the Guest was told of';
for (['exit', qr//, 'exits'], ['hypercall', qr//, 'hypercalls'],
     ['fill', qr/(?<!ahead)$/, 'fills'], ['fill', qr/ahead$/, 'prefills']) {
	my ($name, $like, $counter) = @$_;
	my $more = $counter{$counter} - seen($name, $like);
	ok $more >= 0 && $more < 100,
		"$counter: as many as were counted, but for the first Guest's"
		or diag("$counter{$counter} were counted, $more are missing");
}

# Every turn has its three footprints, in this order.
my %after = (run => 'entry|return', entry => 'exit', exit => 'handled',
	     handled => 'entry|return', return => 'run');
my ($last, @wrong) = 'return';
for (grep { $after{$_->[0]} } @linux) {
	push @wrong, "$last, $_->[0] $_->[1]" if $_->[0] !~ /^(?:$after{$last})$/;
	$last = $_->[0];
}
is "@wrong[0 .. ($#wrong < 3 ? $#wrong : 3)]", '', 'each follows its like';
is $last, 'return', '... and the last is a return';
my ($shutdown) = grep { $_->[1] =~ /^SHUTDOWN / } @linux;
ok $shutdown, 'the Guest switched itself off';

my ($bad) = grep { $_->[0] eq 'fill' && $_->[1] !~
	/^gva 0x[0-9a-f]+000 gpa 0x[0-9a-f]*0 level [1-3] (user|kernel) [rw]x?( ahead)?$/ }
	@linux;
is $bad && $bad->[1], undef, 'leaves have addresses, a level, and rights';
ok !(grep { $_->[0] eq 'fill' && $_->[1] =~ /^gva 0x[89a-f].{15} .* user / } @linux),
	'... and no page of the upper half is the user\'s';
ok scalar(grep { $_->[0] eq 'exit' && $_->[1] =~ /user rip 0x4\w{5} trap 14 / } @linux),
	'a program has page faults where it lies';
for my $kind (qw(page user all space)) {
	ok seen('flush', qr/^$kind /), "there are flushes: $kind";
}

# --- A thousand times nothing --------------------------------------------------
# The Guest asks for nothing a thousand times. The laps of each turn are the same,
# and do not contain what it costs to write them down.
my @one = events($part{one});
cmp_ok scalar(@one), '>', 1000, 'one event alone is written down';
is scalar(grep { $_->[0] ne 'handled' } @one), 0, '... and no other';
sub ticks { return $_[0][1] =~ /^ticks (\d+) / ? $1 : () }
my @turns = events($part{turns});
my (@laps, @times);
for my $i (4 .. $#turns) {
	next unless $turns[$i][0] eq 'handled' &&
		$turns[$i - 1][1] =~ /^NOP / && $turns[$i - 4][0] eq 'handled';
	my ($entry, $exit) = @turns[$i - 3, $i - 2];
	push @laps, ticks($entry) + ticks($exit) + ticks($turns[$i]);
	push @times, $turns[$i][2] - $turns[$i - 4][2];
}
cmp_ok scalar(@laps), '>', 900, 'a thousand calls for nothing';
@$_ = sort { $a <=> $b } @$_ for \@laps, \@times;
my ($lap, $time) = ($laps[$#laps / 2], $times[$#times / 2]);
note("three laps: $lap instructions; between their records: $time");
cmp_ok $lap, '>', 300, 'the laps of a turn take some time';
SKIP: {
	skip 'nobody counts instructions', 3 unless $stock;
	cmp_ok $lap, '<', 600, '... which is that of a turn without the tracer';
	cmp_ok $time, '>', 2 * $lap, '... unlike that between their records';
	my @alone = sort { $a <=> $b } map { ticks($_) } @one;
	my @together = sort { $a <=> $b } map { ticks($_) }
		grep { $_->[0] eq 'handled' } @turns;
	cmp_ok abs($alone[$#alone / 2] - $together[$#together / 2]), '<', 20,
		'a lap is as long when its event alone is on';
}

# --- The end ---------------------------------------------------------------------
like $part{unload}, qr/^gone\nno events$/m, 'the module goes while they are on';
like $part{unload}, qr/hello.*^0\ngone again$/ms,
	'when it comes back, they are off, and Guests run';
like $part{unload}, qr/^clean$/m, 'the log of the Host is clean';
done_testing;
