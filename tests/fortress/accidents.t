#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# An NMI at every instruction of the Switcher, a machine check at every
# instruction, a single step after each of the short cut; machine checks in
# the handler of an NMI, and the other way round; and all of them on the way
# out after a mistake of the Switcher's own. The machine stops at each
# instruction (accidents.py does that, with gdb), gets its accident, and goes
# on; meanwhile a micro-Guest goes all ways through the Switcher and looks at
# its registers.
#
# VISITS: how many visits to each instruction get an accident.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/..";
use JSON::PP;
use Test::More;
use Try;

need('host/lg.ko', 'host/launcher/lguest', 'switcher/switcher.o');

my $visits = $ENV{VISITS} // ($ENV{SAMPLE} ? 1 : 6);
my $cases = cases();
my $paths = "$cases/paths";

# --- What the Switcher consists of ---------------------------------------------
my (%text, @code, @bytes);
for (`objdump -D -w -j .rodata.switcher $TOP/switcher/switcher.o`) {
	my ($offset, $bytes, $text) =
		/^\s+([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*?)\s*$/ or next;
	$offset = hex $offset;
	$bytes[$offset / 16] .= $bytes if $offset < 4096;
	next if $text eq 'int3';
	$text{$offset} = $text;
	push @code, $offset;
}
my %symbol = map { /^([0-9a-f]+) \w (\w+)$/ ? ($2 => hex $1) : () }
	`nm $TOP/switcher/switcher.o`;
$symbol{end} = 1 + $code[-1];
for (`nm $paths`) {
	$symbol{round} = address($1) if /^([0-9a-f]+) T round_begins$/;
	$symbol{enough} = address($1) if /^([0-9a-f]+) [BDV] enough$/;
}
is scalar(grep { exists $symbol{$_} } qw(round enough switcher_enter
	switcher_syscall switcher_nmi switcher_debug switcher_ring0)), 7,
	'all places are known';

# Of the stubs for 256 vectors a Guest reaches few; all are alike.
my @odd;
for my $n (0 .. 255) {
	my $number = unpack 'H*', pack 'V', $n;
	push @odd, $n unless $bytes[$n] =~ s/ //gr =~
		/^(?:(?:6a00)?68${number})?e9....0000(?:cc)*$/;
}
is "@odd", '', 'each stub pushes its number and jumps';

# --- Hosts that differ in the instructions they need -----------------------------
my (%hit, %count, @wrong, $fatal_guests);
my @plain = (['nmi', 'all'], ['mce', 'all'], ['step', 'calls']);
my @nested = (['mce', 'in', 'nmi'], ['nmi', 'in', 'mce'],
	['mce', 'in', 'step'], ['nmi', 'in', 'step']);
accidents('Skylake-Client,smap=off',
	[@plain, $ENV{SAMPLE} ? () : @nested],
	$ENV{SAMPLE} ? [] : ['nmi', 'mce']);
accidents('Nehalem', \@plain, []);

# --- Every instruction, or why not ----------------------------------------------
my %never = reasons();
for my $kind (qw(nmi mce step)) {
	my @all = grep { $_ >= 4096 && ($kind ne 'step' ||
		$_ >= $symbol{switcher_syscall} &&
		$_ < $symbol{switcher_nmi}) } @code;
	my @missing = grep { !$hit{$kind}{$_} && !$never{$kind}{$_} } @all;
	is join("\n", map { sprintf '%x: %s', $_, $text{$_} } @missing), '',
		"$kind: no instruction is left out without a reason";
	note(sprintf '%x: %s: %s', $_, $text{$_}, $never{$kind}{$_})
		for grep { !$hit{$kind}{$_} } @all;
	my %name = (nmi => 'NMIs', mce => 'machine checks',
		    step => 'single steps');
	tell("$name{$kind} delivered to the Switcher", $count{$kind});
	tell("... at so many of its instructions",
	     sprintf '%d of %d; the others are listed with their reasons',
	     scalar(grep { $hit{$kind}{$_} } @all), scalar @all);
}
done_testing;

# Instructions that an accident cannot hit.
sub reasons {
	my %never;
	my $say = sub {
		my ($kind, $why, @offsets) = @_;
		$never{$kind}{$_} //= $why for @offsets;
	};
	my $between = sub {
		my ($first, $last) = map { $symbol{"switcher_$_"} } @_;
		return grep { $_ >= $first && $_ < $last } @code;
	};
	$say->('nmi', 'the handler of an NMI: no other is let in',
	       $between->('nmi', 'mend'));
	$say->('mce', 'the handler of a machine check: a second one would ' .
	       'reset the machine', $between->('machine_check', 'debug'));
	for my $kind ($ENV{SAMPLE} ? qw(nmi mce) : ()) {
		$say->($kind, 'during or after another accident: in ' .
		       '`make test-fortress`', grep {
			$_ >= $symbol{switcher_tail_nmi} } @code);
	}
	$say->('step', 'the last instruction: the step ends in ring 3',
	       grep { $text{$_} =~ /^(?:iret|sysret)/ } @code);
	$say->('step', 'only when an NMI has come, which ends a step',
	       $between->('tail_nmi', 'nmi'));
	return %never;
}

sub address {
	no warnings 'portable';
	return hex shift;
}

sub accidents {
	my ($cpu, $sweeps, $fatal) = @_;
	my $dir = scratch();
	my $guests = @$fatal * (2 * grep { $_ >= $symbol{switcher_ring0} }
		@code) + @$fatal * grep { $_ >= $symbol{switcher_double_fault}
		&& $_ < $symbol{switcher_ring0} } @code;
	# the words of an NMI's frame, by those who save the Guest
	my @fetches = grep { $_ >= $symbol{switcher_nmi} &&
		$_ < $symbol{switcher_mend} &&
		$text{$_} =~ /^mov +(?:0x[0-9a-f]+)?\(%rsp\),%rax/ } @code;
	my $lost = @$fatal ? @fetches : 0;
	my $plan = encode_json({
		socket => "$dir/gdb", base => 0 + 18446603336221196288,
		code => \@code, symbols => \%symbol, visits => 0 + $visits,
		held => [grep { $text{$_} =~ /,%ss$/ } @code],
		ltr => [grep { $text{$_} =~ /^ltr/ } @code],
		fetches => [@fetches],
		last => [grep { $text{$_} =~ /^(?:sysret|iret)/ } @code],
		sweeps => $sweeps, fatal => $fatal,
		result => "$dir/result",
	});
	my $job = spew("$dir/job", <<'JOB', 0755);
#!/bin/sh
dmesg -n 1
echo "before $(grep -h 'NMI:\|MCE:' /proc/interrupts | tr -s ' \n' ' ')"
launch() {
	lguest run --kernel /paths --memory 32M --console none < /dev/null
}
launch
echo "first $?"
n=0
while [ $n -lt $1 ]; do
	launch > /tmp/text 2>&1
	echo "fatal $? $(grep lguest: /tmp/text)"
	n=$((n + 1))
done
lguest run --kernel /paths --memory 32M --console none --append rounds=5 \
	< /dev/null
echo "last $?"
echo "after $(grep -h 'NMI:\|MCE:' /proc/interrupts | tr -s ' \n' ' ')"
cat /sys/kernel/debug/lguest/stats
dmesg | sed '1,/lg: loading/d' |
	grep -E 'WARN|BUG|Oops|stall|lockup|Bad page|general protection'
rmmod lg && echo unloaded
JOB
	unlink "$dir/gdb", "$dir/result";
	my $gdb = fork // die "fork: $!";
	if (!$gdb) {
		for (1 .. 600) {
			last if -S "$dir/gdb";
			select undef, undef, undef, 0.1;
		}
		$ENV{ACCIDENTS} = $plan;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/gdb.log";
		open STDERR, '>&', \*STDOUT;
		exec 'gdb', '-nx', '-q', '-batch', '-x',
			"$TOP/tests/fortress/accidents.py";
		exit 1;
	}
	my $result = try_host('--cpu', $cpu, '--timeout', 3600,
		"--qemu=-gdb", "--qemu=unix:$dir/gdb,server=on,wait=off",
		'--qemu=-S', '--append', 'mds=full', '--add', $paths,
		'--add', $job, '--', 'job', $guests + $lost);
	waitpid $gdb, 0;
	my $said = slurp("$dir/result");
	my $out = $result->{out};
	like $said, qr/^end$/m, "$cpu: all of it was tried"
		or diag(slurp("$dir/gdb.log"), substr $said, -2000);
	my %delivered;
	for (split /\n/, $said) {
		my ($what, $kind, $offset) = split ' ';
		$hit{$kind}{$offset}++ if $what eq 'hit';
		next unless $what eq 'hit';
		$count{$kind}++;
		$delivered{$kind}++;
	}
	my @bad = $said =~ /^(?:wrong|gone) .*/mg;
	is "@bad", '', '... and each accident struck where it should'
		or diag(map { sprintf "%s: %s\n", $_, /\w+ \w+ (\d+)/ ?
			$text{$1} // '' : '' } @bad);
	is $result->{status}, 0, 'the Host survives';
	like $out, qr/^ok 1 - \d+ rounds, 0 surprises.*\n1\.\.1\nfirst 0$/m,
		'no register of the Guest was changed';
	my @fatal = $out =~ /^fatal 4 lguest: .*trap (?:8|13) in the Switcher/mg;
	my @gone = $out =~ /^fatal 4 lguest: .*lost in an accident$/mg;
	# Once CS is fetched, it is the return to the Guest that fails.
	is scalar(@gone) . ' ' . (@fatal + @gone),
		($lost ? 2 : 0) . ' ' . ($guests + $lost),
		"$guests mistakes, and $lost times three accidents in a row, " .
		'end as many Guests';
	like $out, qr/^ok 1 - 5 rounds, 0 surprises.*\n1\.\.1\nlast 0$/m,
		'... and the next one runs';
	like $out, qr/^machines 0$/m, 'nothing is left';
	like $out, qr/^unloaded$/m, 'the module goes';
	unlike $out, qr/WARN|BUG|Oops|stall|lockup|Bad page|general protection/,
		'nothing in the log of the Host';
	for my $kind (qw(nmi mce)) {
		my ($before) = $out =~ /^before .*\U$kind\E: (\d+)/m;
		my ($after) = $out =~ /^after .*\U$kind\E: (\d+)/m;
		is(($after // 0) - ($before // 0), $delivered{$kind} // 0,
		   "\U$kind\E: the Host counts as many as were delivered");
	}
	diag($out) unless Test::More->builder->is_passing;
	note("$cpu: " . join ', ', map { "$_ $delivered{$_}" }
	     sort keys %delivered);
}
