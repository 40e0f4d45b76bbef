#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A Guest on the stock kernel in Bochs, a second opinion on what an x86 is:
# it has PCID, SMAP and page-table isolation, keeps global translations, and
# checks that what IRETQ and SYSRETQ load is canonical.  QEMU's emulator does
# none of that.  The last result is kept in result.txt.  Takes five to ten minutes, most of them for unpacking the
# Host's kernel; run by make test-bochs only.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";
use Test::More;
use Try;

need(qw(host/lg.ko host/launcher/lguest));

my $dir = scratch();
my $model = $ENV{BOCHS_MODEL} // 'broadwell_ult';
my $append = $ENV{BOCHS_APPEND} // q();
my $limit = $ENV{BOCHS_TIMEOUT} // 2400;
my @programs = qw(registers bases fpu);

sub output { my $out = qx(@_); chomp $out; $? == 0 or BAIL_OUT("@_"); $out }
my $host = output("$TOP/build/kernel-host");
my $guest = output("$TOP/build/kernel-guest small");
system("make -s -C $TOP/tests/guest") == 0 or BAIL_OUT('tests/guest');

# The Guest runs the programs and powers off; the Host runs the Guest.
spew("$dir/guest-job", "#!/bin/sh\n" .
     join('', map { "echo \"== $_\"; /$_; echo \"== $_ ended with \$?\"\n" }
	  @programs), 0755);
spew("$dir/host-job", <<'END', 0755);
#!/bin/sh
grep -o -w -E 'pcid|invpcid|smep|smap|pti|fsgsbase' /proc/cpuinfo | sort -u |
	tr '\n' ' '
echo "== features"
lguest run --kernel /guest/bzImage --initrd /guest/initrd --memory 64M \
	--stats --append 'quiet run=/guest-job' < /dev/null
echo "== launcher ended with $?"
rmmod lg
echo "== rmmod ended with $?"
dmesg | grep -E 'BUG|WARNING|Oops|stall|lg:'
echo '== end of the log'
END
system("$TOP/build/image", '-o', "$dir/guest.cpio",
       '--add', "$dir/guest-job:/guest-job",
       map { ('--add', "$TOP/tests/guest/out/$_:/$_") } @programs) == 0
	or BAIL_OUT('build/image');
system("$TOP/build/image", '-o', "$dir/host.cpio",
       '--add', "$dir/host-job:/host-job", '--add', "$TOP/host/lg.ko:/lg.ko",
       '--add', "$TOP/host/launcher/lguest:/bin/lguest",
       '--add', "$guest/bzImage:/guest/bzImage",
       '--add', "$dir/guest.cpio:/guest/initrd") == 0
	or BAIL_OUT('build/image');

# A disc that isolinux boots.
system(<<"END") == 0 or BAIL_OUT('the disc');
set -e
mkdir -p $dir/iso/isolinux
cp $host/vmlinuz $dir/iso/vmlinuz
cp $dir/host.cpio $dir/iso/initrd
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 \\
	$dir/iso/isolinux/
cat > $dir/iso/isolinux/isolinux.cfg <<'CFG'
SERIAL 0 115200
DEFAULT l
PROMPT 0
TIMEOUT 1
LABEL l
 KERNEL /vmlinuz
 INITRD /initrd
 APPEND console=ttyS0,115200 panic=-1 quiet run=/host-job $append
CFG
xorriso -as mkisofs -quiet -o $dir/disc.iso -b isolinux/isolinux.bin \\
	-c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \\
	-boot-info-table $dir/iso 2> $dir/xorriso.log
END

spew("$dir/bochsrc", <<"END");
cpu: model=$model, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
megs: 512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$dir/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$dir/serial
log: $dir/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
clock: sync=none, time0=1700000000
display_library: rfb, options="timeout=0"
speaker: enabled=0
sound: waveoutdrv=dummy
END
spew("$dir/commands", "c\n");
spew("$dir/serial", '');
note("booting the stock kernel and a Guest in Bochs ($model)");

my $pid = fork // die;
if (!$pid) {
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', "$dir/stdout";
	open STDERR, '>&', \*STDOUT;
	exec qw(bochs -q -f), "$dir/bochsrc", '-rc', "$dir/commands";
	exit 127;
}
END { kill 'KILL', $pid if $pid }

my ($said, $seen) = (0, '');
for my $second (1 .. $limit) {
	sleep 1;
	$seen = slurp("$dir/serial");
	last if $seen =~ /^== end of the log/m;
	last if waitpid($pid, 1) == $pid;
	next if $second % 60;
	note("after $second s: " . (split /\n/, $seen)[-1] // 'nothing yet');
}
kill 'KILL', $pid;
$seen =~ s/\r//g;

my ($features) = $seen =~ /^(.*)== features/m;
note('the Host has ' . ($features // 'not come up'));
like($features // '', qr/pcid/, 'the Host uses PCIDs');
for my $program (@programs) {
	my ($text) = $seen =~ /^== $program\n(.*?)^== $program ended/ms;
	ok(defined $text && $text =~ /^ok /m && $text !~ /^not ok/m,
	   "$program: all is well in the Guest") or diag($text // 'no output');
	like($seen, qr/^== $program ended with 0/m, "$program: it says so");
}
like($seen, qr/^== launcher ended with 0/m, 'the Guest powers off');
like($seen, qr/^== rmmod ended with 0/m, 'the module can be unloaded');
unlike($seen, qr/BUG|WARNING|Oops|stall/, 'the Host has nothing to complain of');
my ($stats) = $seen =~ /(exits.*?)^== launcher/ms;
note($stats // 'no statistics');
diag("the last lines of the console:\n" .
     join("\n", (split /\n/, $seen)[-30 .. -1])) unless Test::More->builder->is_passing;
done_testing();
