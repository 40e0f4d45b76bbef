#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One command and its status, `lguest run -- COMMAND`, from the Launcher's side of the
# wire: what the Guest is given, what becomes of what it says, and of Guests that
# lie, babble or die.  (The Messenger and a real Guest are in 54-errand.t.)
#
# There is no module: see tests/Fake.pm; the Guests are in tests/launcher/errand.c.
# The share of the root is the real virtiofsd's.

use strict;
use warnings;
use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Fake;
use IO::Poll qw(POLLIN);
use POSIX qw(setsid);
use Test::More;

my $dir = fake_dir('errand.c');
$ENV{XDG_RUNTIME_DIR} = $dir;
my $none = qr/\A\z/;

# A command in a Guest: status, standard output, standard error.
sub errand {
	my (%o) = @_;
	my $status = finish(start(%o, options => [@{$o{options} // []}, '--', @{$o{words} // ['true']}]));
	return ($status, slurp("$dir/out"), slurp("$dir/err"));
}

sub ends {
	my ($what, $status, $out, $err, %o) = @_;
	my ($s, $o, $e) = errand(%o);
	$s //= 'none';
	my $good = ok($s eq $status && $o =~ $out && $e =~ $err, $what);
	diag("status $s\nstdout: " . substr($o, 0, 500) . "\nstderr: " . substr($e, 0, 2000)) if !$good;
}

sub with { my %env = @_; return (setup => sub { @ENV{keys %env} = values %env }) }

# --- The result ------------------------------------------------------------------

ends("status $_", $_, qr/\Asome output\n\z/, qr/\Athe console\nsome err\n\z|\Asome err\nthe console\n\z/,
     guest => 'does-it', with(STATUS => $_)) for 0, 1, 7, 125, 143, 255;
ends("messages in pieces of $_", 3, qr/\Asome output\n\z/, qr/^some err$/m,
     guest => 'does-it', with(STATUS => 3, PIECE => $_)) for 1, 3, 7, 8, 9;
ends('the first status counts', 5, $none, $none, guest => 'has-last-word');
ends('trouble', 125, $none, qr/\Alguest: the Guest cannot run it: cannot \.\[31mfly\n\z/, guest => 'cannot');
ends('a Guest that says nothing', 125, $none,
     qr/\Alguest: the Guest has ended and not said how the command did\n\z/, guest => 'quiet');
ends('... but its kernel does', 125, $none, qr/not said how.*\nlguest: its kernel said: hello, world\n\z/,
     guest => 'hello');
ends('a Guest that is only ready', 125, $none,
     qr/\Alguest: the Guest has ended and not said how the command did\n\z/, guest => 'only-ready');
ends('a panic', 125, $none, qr/\Alguest: the Guest panicked: VFS: no root/, guest => 'panics');
ends('a panic after the status', 125, $none, qr/\Alguest: the Guest panicked: at the last moment\n\z/,
     guest => 'panics-late');
ends('killed by the Host', 125, $none, qr/\Alguest: the Host killed the Guest: bad page table\n\z/,
     guest => 'dies');
ends('a reboot', 125, $none, qr/\Alguest: the Guest has rebooted, and the command is lost\n\z/,
     guest => 'reboots-late');

{
	my $pid = start(guest => 'ticks', options => ['--name', 'errand', '--', 'true']);
	my $list = '';
	for (1 .. 400) {
		$list = `LD_PRELOAD= $LGUEST list`;
		last if $list =~ /^errand/m;
		select undef, undef, undef, .02;
	}
	like($list, qr/^errand +$pid running +512M/m, 'it has a name and 512M');
	kill 'TERM', $pid;
	is(finish($pid), 143, 'SIGTERM ends it with 143');
}

# --- Nonsense ------------------------------------------------------------------------

ends("nonsense: $_", 125, $none, qr/\Alguest: the Guest talks nonsense, and is stopped\n\z/,
     guest => 'talks-nonsense', with(NONSENSE => $_))
	for 'x0', 'i0', 'i5', 'r1', 's0', 's3', 's4', 's5', 's4294967295', 't256', 't4294967295';
ends('... one byte at a time', 125, $none, qr/talks nonsense/, guest => 'talks-nonsense',
     with(NONSENSE => 's4', PIECE => 1));
ends('output without end is no nonsense', 125, qr/\A\xff{300}s\x00{3}\x04\x00{7}\z/, qr/not said how/,
     guest => 'talks-nonsense', with(NONSENSE => 'o4294967295'));
ends('the longest trouble', 125, $none, qr/\Alguest: the Guest cannot run it: \.{255}\n\z/,
     guest => 'talks-nonsense', with(NONSENSE => 't255'));

# --- Nobody reads ----------------------------------------------------------------------

{
	pipe my $out, my $in;
	my $pid = start(guest => 'babbles', stdout => $in, options => ['--', 'yes']);
	close $in;
	is(scalar <$out>, "babble\n", 'a reader that wants one line');
	close $out;
	is(finish($pid), 141, '... ends the command as SIGPIPE would');
	is(slurp("$dir/err"), '', '... without a word');
}
ends('a full disk', 125, $none, qr{\Alguest: cannot write to standard output: No space left on device\n\z},
     guest => 'babbles', stdout => '/dev/full');

# --- Input --------------------------------------------------------------------------------

{
	my $bytes = join '', map { chr(rand 256) } 1 .. 300_000;
	open my $file, '>:raw', "$dir/in" or die;
	print $file $bytes;
	close $file;
	my ($status, $out, $err) = errand(guest => 'repeats-input', stdin => "$dir/in");
	is(length $out, length $bytes, 'all of a file arrives');
	ok($out eq $bytes, '... byte for byte');
	is($status, 255, '... in many messages');
	is($err, '', '... without a word');
}
ends('no input', 1, $none, $none, guest => 'repeats-input');
ends('a directory as input', 1, $none, $none, guest => 'repeats-input', stdin => $dir);
{
	pipe my $out, my $in;
	my $pid = start(guest => 'repeats-input', stdin => $out, options => ['--', 'cat']);
	close $out;
	for my $word (qw(one two three)) {
		syswrite $in, "$word\n";
		ok(wait_for('out', qr/^$word$/m), "'$word' comes through a pipe at once");
	}
	close $in;
	is(finish($pid), 4, '... and its end');
}
{
	my ($status) = errand(guest => 'does-it', setup => sub { close STDIN });
	is($status, 0, 'input that is closed');
}

# --- What the Guest is given -----------------------------------------------------------------

# The archive: name => [mode, content].
sub unpack_cpio {
	my ($text) = @_;
	my (%files, $at);
	for ($at = 0; substr($text, $at, 6) eq '070701'; ) {
		my @n = map { hex } unpack '(a8)13', substr $text, $at + 6, 104;
		my $name = substr $text, $at + 110, $n[11] - 1;
		$at += 110 + $n[11];
		$at += -$at % 4;
		return \%files if $name eq 'TRAILER!!!';
		$files{$name} = [$n[1], substr $text, $at, $n[6]];
		$at += $n[6];
		$at += -$at % 4;
	}
	return undef;
}

sub given {
	my (%o) = @_;
	my ($status, $out, $err) = errand(guest => 'shows-archive', %o);
	my $files = unpack_cpio($out);
	diag("status $status, $err") if !$files;
	return ($files, split /\0/, $files->{errand}[1], -1);
}

{
	my $here = "$dir/a, b";
	mkdir $here;
	my @words = ('printf', '%s\n', '', "two\nlines", "--", '-x');
	my @in = (words => \@words, setup => sub {
		chdir $here;
		umask 027;
		%ENV = (%ENV, HOME => '/h', LANG => 'C.UTF-8', LC_TIME => 'x', SECRET => 'y', TERM => 'dumb');
	});
	my ($files, @e) = given(@in);
	is_deeply([sort keys %$files], [qw(errand init)], 'the archive has two files');
	is($files->{init}[0], 0100755, '... a program');
	is($files->{errand}[0], 0100600, '... and a text');
	ok($files->{init}[1] eq slurp(dirname($LGUEST) . '/messenger'), 'the program is the Messenger')
		if -e dirname($LGUEST) . '/messenger';
	is_deeply([@e[0 .. 3]], [$<, (split / /, $()[0], '27', 0], 'user, group, mask; no terminals');
	is($e[5], $here, 'the directory');
	is($e[6], @words, 'the number of words');
	is_deeply([@e[7 .. 6 + @words]], \@words, 'the words, as they are');
	my %env = map { split /=/, $_, 2 } grep { length } @e[7 + @words .. $#e];
	is_deeply([grep { !/^(PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|LC_\w+|TZ)$/ } keys %env], [],
		  'no variable but those that travel');
	is("$env{HOME} $env{LC_TIME}", '/h x', '... which do');

	(undef, @e) = given(@in, options => ['--root', $here]);
	is($e[5], '/', 'with the directory as the root it is /');
	mkdir "$here/below";
	(undef, @e) = given(options => ['--root', $here], setup => sub { chdir "$here/below" });
	is($e[5], '/below', 'below the root');
	mkdir "$here-not";
	(undef, @e) = given(options => ['--root', $here], setup => sub { chdir "$here-not" });
	is($e[5], '/', 'beside the root');
	symlink $here, "$dir/link";
	(undef, @e) = given(options => ['--root', "$dir/link"], setup => sub { chdir "$here/below" });
	is($e[5], '/below', 'a link to the root');
}

# --- A terminal --------------------------------------------------------------------------------

# Master and slave of a pseudo-terminal.
sub open_pty {
	open my $master, '+<', '/dev/ptmx' or return;
	my $n = pack 'i', 0;
	ioctl $master, 0x40045431, $n or return;	# TIOCSPTLCK
	ioctl $master, 0x80045430, $n or return;	# TIOCGPTN
	open my $slave, '+<', '/dev/pts/' . unpack 'i', $n or return;
	return ($master, $slave);
}

SKIP: {
	my ($master, $slave) = open_pty();
	skip 'no pseudo-terminals here', 5 if !$slave;
	my ($status, $out) = errand(guest => 'shows-archive', stdin => $slave);
	my @e = split /\0/, unpack_cpio($out)->{errand}[1];
	is($e[3], 1, 'standard input is a terminal');
	my $pid = start(guest => 'does-it', stdin => $slave, stdout => $slave,
			options => ['--', 'true'], with(STATUS => 9));
	is(finish($pid), 9, 'a command on a terminal');
	my $poll = IO::Poll->new;
	my $text = '';
	$poll->mask($master => POLLIN);
	sysread $master, $text, 4096, length $text while $poll->poll(.3);
	like($text, qr/the console\r\n/, 'the console is the terminal');
	unlike($text, qr/early words/, '... without the early words');
	is(slurp("$dir/err"), "some err\n", 'standard error is none');
}

# --- Bad usage: 125, too ------------------------------------------------------------------------

ends('no command', 125, $none, qr/\Alguest: there is no command after the --\n\z/, words => []);
ends('an initrd', 125, $none, qr/\Alguest: --initrd: a command brings its own\n\z/,
     options => ['--initrd', '/dev/null']);
ends('no console', 125, $none, qr/\Alguest: a command needs a console, and there is none\n\z/,
     options => ['--console', 'none']);
ends('no such root', 125, $none, qr{\Alguest: --root /nowhere: No such file or directory\n\z},
     options => ['--root', '/nowhere']);
ends('a root that is a file', 125, $none, qr{\Alguest: share 0?.*cannot mount it}s,
     options => ['--root', '/etc/passwd']);
ends('a bad option', 125, $none, qr/\Alguest: there is no option '--frob'\n\z/, options => ['--frob']);
ends('too many ports', 125, $none, qr/port lguest\.errand: the console has no room for it/,
     options => [map { ('--port', "name=p$_,to=null") } 1 .. 7]);
ends('help', 0, qr/-- COMMAND/, $none, options => ['--help']);
ends('a dry run', 0, qr/^initrd: 0x.*^memory: 512M$/ms, $none, options => ['--dry-run']);
{
	my $status = finish(start(guest => 'quiet', options => ['--root', '/']));
	is($status, 2, 'a root without a command');
	is(slurp("$dir/err"), "lguest: --root is for a command; write it after --\n", '... says so');
}

# --- In the cage, and nothing is left -------------------------------------------------------------

select undef, undef, undef, .5;
my @left = grep { m{virtiofsd} && m{source=/tmp} } `ps -eo pid,ppid,args`;
is("@left", '', 'no server is left');
done_testing;
