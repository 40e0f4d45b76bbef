#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All of the program is on paper: each line of each chunk stands in the text of
# the PDF, whole and in its order, and so does each line of the tangled code.  A
# line that runs off the page, or a sign that the font has not, is found here.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Book;
use Encode qw(decode);
use File::Temp qw(tempdir);
use Test::More;
use Unicode::Normalize qw(NFKC);

my $dir = tempdir(CLEANUP => 1);

# What is left of a line when fonts and spaces are not looked at.
sub squeeze {
	my ($line) = @_;
	return $line =~ /[^\x21-\x7e]/ ? NFKC($line) =~ s/[\s\x{ad}]+//gr : $line;
}

# The lines of this list that are not, in this order, among those of the PDF.
sub missing {
	my ($list, $pdf) = @_;
	my %name = (list => $list, pdf => $pdf);
	for my $name (keys %name) {
		open my $out, '>:utf8', "$dir/$name" or die "$dir/$name: $!";
		print $out "$_\n" for @{$name{$name}};
		close $out;
	}
	# diff is made for this: what it would delete is not there
	open my $in, '-|', 'diff', '-d', "$dir/list", "$dir/pdf" or BAIL_OUT("diff: $!");
	binmode $in, ':utf8';
	my @missing;
	my $at = 0;
	while (<$in>) {
		$at = $1 - 1 if /^(\d+)/;
		push @missing, $at++ if /^</;
	}
	close $in;
	return @missing;
}

open my $in, '-|', qw(pdftotext -raw -enc UTF-8 book/out/quest.pdf -)
	or BAIL_OUT("pdftotext: $!");
binmode $in, ':utf8';
my @paper = grep { length } map { squeeze($_) } map { tr/\f//dr } <$in>;
close $in;
cmp_ok scalar(@paper), '>', 10000, 'the PDF has text';

my (@code, @where);
for my $chunk (chunks()) {
	my $n = $chunk->{line};
	for my $line (split /\n/, $chunk->{text}, -1) {
		$n++;
		next if $line =~ /\x{e000}/;		# the name of another chunk
		$line =~ s/\x{e003}[^\x{e001}]*\x{e001}([^\x{e002}]*)\x{e002}/$1/g;
		my $squeezed = squeeze($line);
		next if $squeezed eq '';
		push @code, $squeezed;
		push @where, "$chunk->{file}:$n: $line";
	}
}
none(@code . ' lines of the chunks are on paper, in order',
     map { $where[$_] } missing(\@code, \@paper));

system('tangle/tangle', '--plain', "$dir/plain") == 0 or BAIL_OUT('tangle/tangle --plain');
my %paper = map { $_ => 1 } @paper;
my @lost;
my $lines = 0;
for my $root (map { chomp; $_ } `tangle/tangle --list`) {
	my $n = 0;
	for my $line (split /\n/, slurp("$dir/plain/$root")) {
		$n++;
		my $squeezed = squeeze($line);
		next if $squeezed eq '';
		$lines++;
		push @lost, "$root:$n: $line" if !$paper{$squeezed};
	}
}
none("$lines lines of the tangled code are on paper", @lost);

# A doctored text is found out.
my ($long) = grep { length $code[$_] > 60 } 1000 .. $#code;
my ($at) = grep { $paper[$_] eq $code[$long] } 0 .. $#paper;
for my $case ([ 'a line cut at its end', sub { chop $_[0] } ],
	      [ 'a missing glyph', sub { substr($_[0], 7, 1) = '' } ],
	      [ 'another glyph', sub { substr($_[0], 7, 1) = "\x{fffd}" } ],
	      [ 'a lost line', sub { $_[0] = '' } ]) {
	my ($name, $doctor) = @$case;
	my @doctored = @paper;
	$doctor->($doctored[$at]);
	is_deeply [ missing(\@code, \@doctored) ], [ $long ], "($name would be found)";
}
my @doctored = @paper;
my ($brace) = grep { $code[$_] eq '}' } $long .. $#code;
my ($there) = grep { $paper[$_] eq '}' && $paper[$_ - 1] eq $code[$brace - 1] } $at .. $#paper;
splice @doctored, $there, 1;
cmp_ok scalar(missing(\@code, \@doctored)), '>', 0, '(a lost brace would be found)';
done_testing;
