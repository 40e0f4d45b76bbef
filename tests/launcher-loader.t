#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Launcher's loader, by `lguest run --dry-run`: a small kernel made by hand,
# as an ELF file and in a bzImage packed in every way that Linux knows; and some
# hundred kernels that are wrong.  A wrong one is refused with status 2 and one
# line that names the file; nothing may crash, hang or take much memory.
#
# Needs no /dev/lguest and builds nothing.  LGUEST names another binary, such as
# one that was built with sanitizers.

use strict;
use warnings;
no warnings q(portable);	# 64-bit numbers in hexadecimal
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use lib dirname(__FILE__);
use Cases;
use Test::More;

my $top = dirname(__FILE__) . '/..';
my $lguest = $ENV{LGUEST} // "$top/host/launcher/lguest";
die "$lguest is missing: run make launcher\n" if !-x $lguest;
my $dir = tempdir(CLEANUP => 1);

# --- Making kernels -----------------------------------------------------------

my $VIRT = 0xffffffff81000000;
my $PHYS = 0x1000000;
my $PGD = $PHYS + 0x202000;

sub elf_note {
	my %o = (name => "Lguest\0", type => 1, version => 1,
		 entry => $VIRT + 0x10, pgd => $PGD, @_);
	my $desc = $o{desc} // pack 'Q<3', @o{qw(version entry pgd)};
	my $pad = sub { $_[0] . "\0" x (-length($_[0]) % 4) };
	return pack('V3', $o{namesz} // length $o{name}, length $desc, $o{type}) .
		$pad->($o{name}) . $desc;
}

# A segment: type, flags, offset, vaddr, paddr, filesz, memsz, align.
sub ph { pack 'V2Q<6', @_ }

# Text with the notes at its end, and data of which most is zero.
sub elf {
	my %o = (machine => 62, class => 2, type => 2, notes => elf_note(),
		 phentsize => 56, extra => [], @_);
	my $text = "\xf4" x 0x1000;
	my $data = join '', map { pack 'V', $_ * 2654435761 & 0xffffffff } 1 .. 1024;
	my ($at_text, $at_note) = (0x1000, 0x2000);
	my $at_data = 0x3000 + (length($o{notes}) & ~0xfff);
	my @ph = $o{ph} ? @{$o{ph}} : (
		ph(1, 5, $at_text, $VIRT, $PHYS, 0x1000, 0x1000, 4096),
		ph(1, 6, $at_data, $VIRT + 0x200000, $PHYS + 0x200000,
		   0x1000, 0x100000, 4096),
		ph(4, 4, $at_note, 0, 0, length $o{notes}, length $o{notes}, 4));
	push @ph, @{$o{extra}};
	my $file = pack('a4C4x8v2VQ<3Vv6', "\x7fELF", $o{class}, 1, 1, 0,
			$o{type}, $o{machine}, 1, 0, $o{phoff} // 64, 0, 0, 64,
			$o{phentsize}, $o{phnum} // scalar @ph, 0, 0, 0) .
		join '', @ph;
	$file .= "\0" x ($at_text - length $file) . $text . $o{notes};
	return $file . "\0" x ($at_data - length $file) . $data;
}

# The first sectors of a bzImage, and the payload where they say.
sub bzimage {
	my ($payload, %o) = @_;
	my $sects = 3;
	my $head = "\0" x 0x1f1 . pack('C', $o{setup_sects} // $sects);
	$head .= "\0" x (0x202 - length $head) . 'HdrS' .
		pack('v', $o{version} // 0x20f);
	$head .= "\0" x (0x248 - length $head) .
		pack('V2', $o{offset} // 0x40, $o{length} // length $payload);
	return $head . "\0" x (512 * ($sects + 1) + 0x40 - length $head) .
		$payload . "\0" x 0x100;
}

my $files = 0;
sub file {
	my ($bytes, $name) = @_;
	my $path = "$dir/" . ($name // 'k' . $files++);
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $bytes;
	close $out or die "$path: $!";
	return $path;
}

# --- Running ------------------------------------------------------------------

# Returns the status (negative: killed by that signal), stdout and stderr. How many KB
# of memory it had at most is in $peak: wait4().
my $peak;
sub run {
	my @command = ('timeout', '-s', 'KILL', 60, $lguest, @_);
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/out";
		open STDERR, '>', "$dir/err";
		exec @command;
		die "exec: $!";
	}
	my ($how, $usage) = (pack('i', 0), "\0" x 144);
	syscall(61, $pid, $how, 0, $usage) == $pid or die "wait4: $!";
	$? = unpack 'i', $how;
	$peak = unpack 'q', substr $usage, 32, 8;
	my $status = $? & 127 ? -($? & 127) : $? >> 8;
	my @text = map { local (@ARGV, $/) = "$dir/$_"; scalar(<>) // '' } 'out', 'err';
	return ($status, @text);
}

sub dry { run('run', '--dry-run', @_) }

sub accepted {
	my ($what, $kernel, $expect, @options) = @_;
	my ($status, $out, $err) = dry('--kernel', $kernel, @options);
	my $good = ok($status == 0 && $err eq '' && $out =~ $expect, $what);
	diag("status $status\n$out$err") if !$good;
}

sub refused {
	my ($what, $kernel, $expect, @options) = @_;
	my ($status, $out, $err) = dry('--kernel', $kernel, @options);
	my $lines = () = $err =~ /\n/g;
	my $good = ok($status == 2 && $out eq '' && $lines == 1 &&
		      $err =~ /^lguest: / && $err =~ $expect, $what);
	diag("status $status\n$out$err") if !$good;
}

sub slurp { local (@ARGV, $/) = shift; return scalar <> }

# --- Kernels that are right -----------------------------------------------------

my $good = elf();
my $vmlinux = file($good, 'vmlinux');
accepted('a vmlinux', $vmlinux, qr/\(not packed\)
segment: 0x1000000-0x1001000, 4096 bytes from the file, code
segment: 0x1200000-0x1300000, 4096 bytes from the file
entry: 0xffffffff81000010
page table: 0x1202000
boot_params: 0x7000
command line: console=hvc0
memory: 64M\n\z/);

my %packer = (
	gzip => 'gzip -9', xz => 'xz --check=crc32 --x86 --lzma2=dict=32MiB',
	zstd => 'zstd -19 -q', lz4 => 'lz4 -l -9 -q', lzma => 'lzma -9',
	bzip2 => 'bzip2 -9',
);
my %packed;
my $size = pack 'V', length $good;
for my $how (sort keys %packer) {
	my $path = "$dir/vmlinux.$how";
	SKIP: {
		system("$packer{$how} <$vmlinux >$path") == 0
			or skip "no $how here", 1;
		$packed{$how} = slurp($path);
		my $tail = $how eq 'gzip' ? '' : $size;
		my $bz = file(bzimage($packed{$how} . $tail), "bzImage.$how");
		accepted("a bzImage packed with $how", $bz,
			 qr/\($how\)\nsegment: 0x1000000-/);
	}
}
{
	my $bz = bzimage('', setup_sects => 0, offset => 0x40,
			 length => length $packed{gzip});
	$bz = substr($bz, 0, 512 * 4) . "\0" x (512 + 0x40) . $packed{gzip};
	accepted('setup_sects 0 means 4', file($bz), qr/\(gzip\)/);
}

# --- ELF files that are wrong -----------------------------------------------------

my ($T, $D) = (0x1000, 0x3000);	# offsets in the file
my $text = ph(1, 5, $T, $VIRT, $PHYS, 0x1000, 0x1000, 4096);
my $data = ph(1, 6, $D, $VIRT + 0x200000, $PHYS + 0x200000, 0x1000, 0x100000, 4096);
my $notes = ph(4, 4, 0x2000, 0, 0, length(elf_note()), length(elf_note()), 4);
my $huge = ~0;

my @wrong = (
	['an empty file', '', qr/neither/],
	['four bytes', "\x7fELF", qr/too short/],
	['text', "Hello, world\n" x 100, qr/neither/],
	['32-bit class', elf(class => 1), qr/64-bit x86/],
	['another machine', elf(machine => 183), qr/64-bit x86/],
	['a shared object', elf(type => 3), qr/not an executable/],
	['no program headers', elf(phnum => 0), qr/no program headers/],
	['program headers of odd size', elf(phentsize => 32), qr/no program headers/],
	['65535 program headers', elf(phnum => 65535), qr/too many/],
	['program headers beyond the end', elf(phoff => 1 << 40), qr/too short/],
	['program headers at 2^64-1', elf(phoff => $huge), qr/too short/],
	['no note', elf(notes => elf_note(name => "Linux\0")), qr/no Lguest note/],
	['a note of another type', elf(notes => elf_note(type => 2)), qr/no Lguest note/],
	['two notes', elf(notes => elf_note() . elf_note()), qr/two Lguest notes/],
	['a note of another version', elf(notes => elf_note(version => 2)),
	 qr/version 2 of the Treaty, and we speak 1/],
	['a note that is too short', elf(notes => elf_note(desc => 'x' x 16)), qr/odd length/],
	['a note whose name never ends', elf(notes => elf_note(namesz => 0xfffffff0)),
	 qr/endless note/],
	['a note of which half is missing', elf(ph => [$text, $data,
	 ph(4, 4, 0x2000, 0, 0, 30, 30, 4)]), qr/endless note/],
	['100 KB of notes', elf(notes => elf_note() . elf_note(type => 9) x 2500), qr/too many notes/],
	['an entry outside of the code', elf(notes => elf_note(entry => $VIRT + 0x1000)),
	 qr/begins outside/],
	['an entry in the data', elf(notes => elf_note(entry => $VIRT + 0x200000)),
	 qr/begins outside/],
	['an entry of 0', elf(notes => elf_note(entry => 0)), qr/no Lguest note/],
	['a page table outside', elf(notes => elf_note(pgd => 0x3000000)), qr/page table/],
	['a page table that is not aligned', elf(notes => elf_note(pgd => $PGD + 8)), qr/page table/],
	['a page table at the end of all', elf(notes => elf_note(pgd => $huge & ~0xfff)),
	 qr/page table/],
	['more bytes than room', elf(ph => [ph(1, 5, $T, $VIRT, $PHYS, 0x1000, 0x800, 0),
	 $data, $notes]), qr/more bytes than room/],
	['a segment in the first megabyte', elf(ph => [ph(1, 5, $T, $VIRT, 0x7000, 1, 1, 0),
	 $data, $notes]), qr/does not fit/],
	['a segment beyond the memory', elf(ph => [$text, $notes,
	 ph(1, 6, $D, $VIRT, 64 << 20, 1, 1, 0)]), qr/does not fit/],
	['a segment across the end', elf(ph => [$text, $notes,
	 ph(1, 6, $D, $VIRT, (64 << 20) - 1, 1, 2, 0)]), qr/does not fit/],
	['a segment that wraps around', elf(ph => [$text, $notes,
	 ph(1, 6, $D, $VIRT, $huge - 4095, 1, 8192, 0)]), qr/does not fit/],
	['a segment of 2^64-1 bytes', elf(ph => [$text, $notes,
	 ph(1, 6, $D, $VIRT, $PHYS + 0x200000, 1, $huge, 0)]), qr/does not fit/],
	['overlapping segments', elf(extra => [ph(1, 6, $D, $VIRT, $PHYS + 0xfff, 1, 1, 0)]),
	 qr/overlaps/],
	['the same segment twice', elf(extra => [$text]), qr/overlaps/],
	['bytes beyond the end of the file', elf(ph => [$text, $notes,
	 ph(1, 6, 1 << 30, $VIRT, $PHYS + 0x200000, 4096, 4096, 0)]), qr/too short/],
	['bytes at an offset of 2^64-1', elf(ph => [$text, $notes,
	 ph(1, 6, $huge, $VIRT, $PHYS + 0x200000, 2, 2, 0)]), qr/too short/],
);
refused("D19: $_->[0]", file($_->[1]), $_->[2]) for @wrong;
refused('a file that is not there', "$dir/nowhere", qr/No such file/);
refused('a directory', $dir, qr/not a regular file/);
refused('a device', '/dev/zero', qr/not a regular file/);
system('mkfifo', "$dir/fifo");
refused('a FIFO that nobody writes to', "$dir/fifo", qr/not a regular file/);
{
	my $evil = file('x', "evil\e[2J\nname");
	refused('a name with control characters', $evil, qr/evil\?\[2J\?name: is neither/);
}

# --- bzImages that are wrong --------------------------------------------------------

refused('a bzImage of 1995', file(bzimage($packed{gzip}, version => 0x201)), qr/older/);
refused('a payload beyond the end', file(bzimage($packed{gzip}, offset => 1 << 30)),
	qr/beyond its end/);
refused('a payload of 4 GB', file(bzimage($packed{gzip}, length => 0xffffffff)),
	qr/beyond its end/);
refused('no payload at all', file(bzimage($packed{gzip}, length => 0)), qr/nobody knows/);
refused('a payload of noise', file(bzimage('noise' x 100)), qr/nobody knows/);
refused('a payload packed with lzo', file(bzimage("\x89LZO" . 'x' x 100)), qr/lzo/);
{
	my $inner = file(bzimage($packed{gzip}));
	system("gzip <$inner >$dir/inner.gz");
	refused('a bzImage in a bzImage', file(bzimage(slurp("$dir/inner.gz"))),
		qr/no vmlinux/);
}
system("head -c 100M /dev/zero >$dir/zeroes");
for my $how (sort keys %packed) {
	my $p = $packed{$how};
	my $tail = $how eq 'gzip' ? '' : $size;
	my $half = substr($p, 0, length($p) / 2);
	refused("half of what $how has packed", file(bzimage($half)),
		qr/its $how payload (?:is (?:truncated|corrupt)|has not the size|is followed)/);
	my $hurt = $p;
	substr($hurt, length($p) / 2, 16) = 'sixteen bad byte';
	# lz4's legacy format has no checksum: the ELF file may still be good
	my ($status, undef, $err) = dry('--kernel', file(bzimage($hurt . $tail)));
	ok($status == 2 && $err =~ /^lguest: [^\n]+\n\z/ ||
	   $status == 0 && $how eq 'lz4', "what $how has packed, hurt") or diag($err);
	refused("what $how has packed and something more",
		file(bzimage($p . $tail . 'more!')),
		qr/its $how payload (?:is followed|has not|is corrupt|is truncated)/);
	refused("what $how has packed, of another size",
		file(bzimage($p . pack 'V', 4711)), qr/has not the size/);
	system("$packer{$how} <$dir/zeroes >$dir/bomb");
	my $ratio = (100 << 20) / -s "$dir/bomb";
	refused(sprintf("D19: a bomb of 1:%d, packed with $how", $ratio),
		file(bzimage(slurp("$dir/bomb"))), qr/more than the Guest's memory/);
	cmp_ok($peak, '<', 160 << 10, "D19: ... takes $peak KB") if !$ENV{LGUEST};
	# (The others cannot do that: their formats have limits of some thousands.)
	cmp_ok($ratio, '>', 10_000, "... is a large one") if $how =~ /zstd|bzip2/;
}
unlink "$dir/zeroes";

# --- What goes with the kernel ------------------------------------------------------

my $initrd = file('i' x 10000);
accepted('an initrd', $vmlinux, qr/^initrd: 0x3ffd000-0x3fff710$/m, '--initrd', $initrd);
refused('an empty initrd', $vmlinux, qr/is empty/, '--initrd', file(''));
refused('an initrd that is not there', $vmlinux, qr/No such file/, '--initrd', "$dir/none");
{
	my $large = file('');
	truncate $large, 46 << 20;
	refused('an initrd that is too large', $vmlinux, qr/beside the kernel/,
		'--initrd', $large);
	accepted('... for 64 MB', $vmlinux, qr/^initrd:/m, '--initrd', $large,
		 '--memory', '128M');
	truncate $large, 1 << 40;
	refused('an initrd of a terabyte', $vmlinux, qr/beside the kernel/,
		'--initrd', $large);
}
# An initrd is the Guest's to read. We only copy it, whatever it is.
refused('D19: an initrd that never ends', $vmlinux, qr/./, '--initrd', '/dev/zero');
refused('D19: an initrd that is a FIFO', $vmlinux, qr/./, '--initrd', "$dir/fifo");
accepted("D19: an initrd of $_ bytes of noise", $vmlinux, qr/^initrd: 0x/m,
	 '--initrd', file(join '', map { chr rand 256 } 1 .. $_))
	for 1, 2, 511, 4095, 4096, 4097, 65535, 100_000;

accepted('a command line', $vmlinux, qr/^command line: console=hvc0 quiet$/m,
	 '--append', 'quiet');
accepted('a command line with a console', $vmlinux, qr/^command line: console=tty0$/m,
	 '--append', 'console=tty0');
accepted('a command line without a console', $vmlinux, qr/^command line: quiet$/m,
	 '--append=quiet', '--console', 'none');
accepted('a command line of 2047 characters', $vmlinux, qr/^command line: console=x{2039}$/m,
	 '--append', 'console=' . 'x' x 2039);
refused('a command line of 2048 characters', $vmlinux, qr/2047 is the limit|limit/,
	'--append', 'console=' . 'x' x 2040);
refused('a command line of 100000 characters', $vmlinux, qr/too many/,
	'--append', 'x' x 100000);

# --- Two hundred that chance has made --------------------------------------------------
#
# Whatever becomes of them, they are accepted or refused, and nothing else.

sub mutants {
	my ($what, $from, $count) = @_;
	my %seen;
	my @bad;
	for my $i (1 .. $count) {
		my $bytes = $from;
		for (0 .. rand 3) {
			my $kind = rand;
			my $at = int rand($kind < .8 ? 0x300 : length $bytes);
			if ($kind < .1) { $bytes = substr $bytes, 0, int rand length $bytes }
			elsif ($at + 8 > length $bytes) { next }
			elsif ($kind < .5) { substr($bytes, $at & ~7, 8) = pack 'Q<',
				(~0, 1 << 63, ~0 - 4095, 1 << 32, 0)[rand 5] }
			else { substr($bytes, $at, 1) = chr rand 256 }
		}
		my ($status, undef, $err) = dry('--kernel', file($bytes, 'mutant'));
		$seen{$status}++;
		next if $status == 0 || $status == 2 && $err =~ /^lguest: [^\n]+\n\z/;
		push @bad, "mutant $i: status $status: $err";
	}
	ok(!@bad, "D19: $count mutants of $what: " .
	   join ', ', map { "$seen{$_} with status $_" } sort keys %seen);
	diag(@bad) if @bad;
}
srand 2007;
mutants('a vmlinux', $good, 200);
mutants("a bzImage ($_)", bzimage($packed{$_} . ($_ eq 'gzip' ? '' : $size)), 40)
	for sort keys %packed;

done_testing();
