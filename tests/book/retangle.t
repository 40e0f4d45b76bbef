#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the book prints is the program: the code, put together from the chunks
# of the printed document, is what noweb's own notangle makes of the quest, byte
# for byte, for each file.  (notangle gets the chapters in the order of the book:
# in that order it takes the pieces of a chunk that grows.)
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Book;
use Test::More;

my (%lines, %used, @files, %seen);
for my $chunk (chunks()) {
	push @files, $chunk->{file} if !$seen{$chunk->{file}}++;
	(my $text = $chunk->{text}) =~
		s/\x{e003}[^\x{e001}]*\x{e001}([^\x{e002}]*)\x{e002}/$1/g;
	push @{$lines{$chunk->{name}}}, split(/\n/, $text, -1);
	$used{$_}++ for $text =~ /\x{e000}[^\x{e001}]*\x{e001}([^\x{e002}]*)\x{e002}/g;
}

# As notangle -t8 indents: to the column of the use, with tabs where they fit.
sub column {
	my ($text) = @_;
	my $column = 0;
	$column += $_ eq "\t" ? 8 - $column % 8 : length for split /(\t)/, $text;
	return $column;
}

sub expand {
	my ($name, $indent) = @_;
	my @out;

	die "chunk <<$name>> is not in the book\n" if !$lines{$name};
	for my $line (@{$lines{$name}}) {
		my ($text, $rest) = ('', $line);
		my $before_it = @out ? '' : ' ' x $indent;	# our user has it
		$text = "\t" x ($indent / 8) . ' ' x ($indent % 8)
			if @out && $line ne '';
		while ($rest =~ s/^(.*?)\x{e000}[^\x{e001}]*\x{e001}([^\x{e002}]*)\x{e002}//) {
			$text .= $1;
			my ($first, @more) = expand($2, column($before_it . $text));
			$text .= $first;
			next if !@more;
			push @out, $text, @more[0 .. $#more - 1];
			($before_it, $text) = ('', $more[-1]);
		}
		push @out, $text . $rest;
	}
	return @out;
}

sub notangle {
	my ($root) = @_;
	open my $in, '-|', 'notangle', '-t8', "-R$root", @files
		or BAIL_OUT("notangle: $!");
	binmode $in, ':utf8';
	local $/;
	return scalar <$in>;
}

my @roots = grep { !$used{$_} } sort keys %lines;
cmp_ok scalar(@roots), '>', 50, 'there are files to compare';

# (noroots tells the same of the quest itself.)
$ENV{PATH} .= ':/usr/lib/noweb:/usr/local/lib/noweb';
open my $in, '-|', 'noroots', @files or BAIL_OUT("noroots: $!");
is_deeply [ sort map { /^<<(.*)>>$/ } <$in> ], \@roots,
	'the book has all roots of the quest';
close $in;

my @different;
for my $root (@roots) {
	my @got = eval { expand($root, 0) } or push(@different, "$root: $@"), next;
	my @want = split /\n/, notangle($root), -1;
	pop @want;
	my $n = 0;
	$n++ while $n < @got && $n < @want && $got[$n] eq $want[$n];
	push @different, sprintf "%s:%d\n    notangle: %s\n    the book: %s", $root, $n + 1,
		$want[$n] // '(end)', $got[$n] // '(end)' if $n < @got || $n < @want;
}
none(@roots . ' files of the book are what notangle makes', @different);

# This test sees a difference of one character.
my ($name) = grep { /\S/ && @{$lines{$_}} > 5 } @roots;
my $before = join "\n", expand($name, 0);
$lines{$name}[2] .= ' ';
isnt join("\n", expand($name, 0)), $before, '(a blank more would be seen)';
done_testing;
