# SPDX-License-Identifier: GPL-2.0-or-later
# The Launcher without a module: a preloaded library, made from
# tests/launcher/fake-module.c, answers in place of /dev/lguest, and its "Guests"
# are C functions with names.
#
# LGUEST in the environment names another Launcher, such as one that was built with
# sanitizers.
package Fake;
use strict;
use warnings;
no warnings 'portable';
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our @EXPORT = qw($LGUEST fake_dir start finish slurp wait_for);
our @EXPORT_OK = qw(make_kernel make_fake spent limit_files);
my $top = abs_path(dirname(__FILE__) . '/..');
our $LGUEST = $ENV{LGUEST} // "$top/host/launcher/lguest";

# Whoever runs us in the background may ignore some of them.
$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM);

my ($dir, $fake, $kernel);

# A kernel of one page that could run, if there were a module.
sub make_kernel {
	my ($path) = @_;
	my $virt = 0xffffffff81000000;
	my $note = pack('V3a8Q<3', 7, 24, 1, "Lguest\0", 1, $virt, 0x1000000);
	my $file = pack('a4C4x8v2VQ<3Vv6', "\x7fELF", 2, 1, 1, 0, 2, 62, 1, 0, 64,
			0, 0, 64, 56, 2, 0, 0, 0) .
		pack('V2Q<6', 1, 5, 0x1000, $virt, 0x1000000, 4096, 8192, 4096) .
		pack('V2Q<6', 4, 4, 0x2000, 0, 0, length $note, length $note, 4);
	$file .= "\0" x (0x1000 - length $file) . "\xf4" x 4096 . $note;
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $file;
	close $out or die "$path: $!";
	return $path;
}

# The library, made from @source in tests/launcher, which may include the usual one.
sub make_fake {
	my ($path, $source) = @_;
	die "$LGUEST is missing: run make launcher\n" if !-x $LGUEST;
	system('gcc', qw(-O2 -shared -fPIC), "-I$top/host/include", '-o', $path,
	       "$top/tests/launcher/" . ($source // 'fake-module.c'), '-ldl') == 0
		or die "cannot compile the fake module\n";
	return $path;
}

# A directory for one test, with both of them in it.
sub fake_dir {
	my ($source) = @_;
	return $dir if $dir;
	$dir = tempdir(CLEANUP => 1);
	$fake = make_fake("$dir/fake-module.so", $source);
	$kernel = make_kernel("$dir/vmlinux");
	return $dir;
}

# Starts the Launcher. guest: the function; options: of lguest run; stdin, stdout:
# files or handles; fail: the call that fails; seed; setup: code for the child, where
# PRELOAD_FIRST in the environment is one more library; as: what the files with its
# output are called.
sub start {
	my (%o) = @_;
	my $as = $o{as} ? "$o{as}." : '';
	fake_dir();
	unlink "$dir/${as}out", "$dir/${as}err";
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	$o{setup}->() if $o{setup};
	open STDIN, '<', $o{stdin} // '/dev/null' if !ref $o{stdin};
	open STDIN, '<&', $o{stdin} if ref $o{stdin};
	open STDOUT, '>', $o{stdout} // "$dir/${as}out" if !ref $o{stdout};
	open STDOUT, '>&', $o{stdout} if ref $o{stdout};
	open STDERR, '>', "$dir/${as}err";
	$ENV{SCENARIO} = $o{guest};
	$ENV{FAIL} = $o{fail} if $o{fail};
	$ENV{SEED} = $o{seed} if $o{seed};
	$ENV{LD_PRELOAD} = join ' ', delete $ENV{PRELOAD_FIRST} // (), $fake;
	$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0';
	exec $LGUEST, 'run', '--kernel', $kernel, @{$o{options} // []};
	die "exec: $!";
}

# Waits; the status (negative: died of that signal), or undef after @limit seconds.
sub finish {
	my ($pid, $limit) = @_;
	my $end = time + ($limit // 60);
	while (waitpid($pid, WNOHANG) == 0) {
		if (time > $end) {
			kill 'KILL', $pid;
			waitpid $pid, 0;
			return undef;
		}
		sleep .01;
	}
	return $? & 127 ? -($? & 127) : $? >> 8;
}

sub slurp {
	open my $in, '<:raw', shift or return '';
	local $/;
	my $text = <$in> // '';
	$text =~ s/^==\d+==WARNING: ASan doesn't fully support.*\n//m;
	return $text;
}

# Seconds of processor time that process $pid has used.
sub spent {
	my ($pid) = @_;
	my @stat = split / /, slurp("/proc/$pid/stat") =~ s/.*\) //r;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

# How many files process $pid may have open from now on: prlimit(RLIMIT_NOFILE). With
# 3 there is no number left for any other, and what is open stays so.
sub limit_files {
	my ($pid, $count) = @_;
	my $limits = "\0" x 16;
	syscall(302, $pid, 7, 0, $limits) == 0 or die "prlimit: $!";
	substr $limits, 0, 8, pack 'Q', $count;
	syscall(302, $pid, 7, $limits, 0) == 0 or die "prlimit: $!";
}

# Until the file @name holds something that matches.
sub wait_for {
	my ($name, $what) = @_;
	my $end = time + 20;
	sleep .01 while slurp("$dir/$name") !~ $what && time < $end;
	return slurp("$dir/$name") =~ $what;
}

1;
