# SPDX-License-Identifier: GPL-2.0-or-later
# Cases with numbers that are spread over several tests: the name of a test that is
# part of case D10 begins with "D10: ". If FORTRESS_CASES names a directory, what came
# of them is left there, for tests/fortress/drivers.t to count.
package Cases;
use strict;
use warnings;
use File::Basename qw(basename);
use Test::More;

END {
	my $status = $?;
	my $to = $ENV{FORTRESS_CASES};
	if ($to && open my $file, '>', "$to/" . basename($0)) {
		for my $test (Test::More->builder->details) {
			print $file $test->{ok} ? 'ok' : 'not ok', " $1\n"
				if $test->{name} =~ /^(D\d\d): / && $test->{type} ne 'skip';
		}
		print $file $status || !Test::More->builder->is_passing ? "failed\n" : "end\n";
	}
	$? = $status;
}

1;
