# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every entry point of lguest.  `make help` prints them.
#
# The source is the quest: the files that quest/order lists.  What stands below
# guest/, host/ and switcher/ is tangled from it, and is never edited.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

QUEST := $(shell cat quest/order)
$(foreach f,$(filter-out $(QUEST),$(wildcard quest/*/*.nw)),$(error $f is not in quest/order))

# The kernel to build the module for: the running one if its headers are here,
# else the stock one, of the newest Debian headers.  What runs in QEMU is always
# the stock one.
RUNNING := /lib/modules/$(shell uname -r)/build
STOCK := $(lastword $(shell ls -d /usr/src/linux-headers-*-amd64 2>/dev/null | sort -V))
KDIR ?= $(if $(wildcard $(RUNNING)/Makefile),$(RUNNING),$(STOCK))

ifeq ($(origin CC),default)
CC := gcc
endif
# (With DWARF 5, binutils 2.40 mistakes the file of a #line.)
LAUNCHER_CFLAGS := -O2 -gdwarf-4 -std=c11 -Wall -Wextra -Werror -Ihost/include
LAUNCHER_LIBS := -lseccomp -lcap-ng -ljansson -luring -lz -llzma -lzstd -llz4 -lbz2 \
	-lpthread

# Of the fortress `make test` runs a sample. Not in it: allocations.t, which needs
# the debug Host.
TESTS ?= $(sort $(wildcard tests/*.t)) \
	$(sort $(filter-out %/allocations.t,$(wildcard tests/fortress/*.t))) \
	$(CHECKS)
CHECKS := $(sort $(wildcard tests/book/*.t))

# --- The code -----------------------------------------------------------------

## all		the default: host/lg.ko and host/launcher/lguest
.PHONY: all
all: module launcher

# make reads the list of tangled files, finds that it is older than the quest,
# tangles, and starts again with the new list.  A quest directory is older than
# a file that was added to it or taken away.
PARTS := Preparation Guest Drivers Launcher Host Switcher Mastery
READ := $(PARTS) Beer Puppy
READ += $(READ:=!)
NEED_CODE := $(filter-out help kernel module-debug run try test test-debug \
	test-bochs fuzz bench figures lint book html epub check-book $(READ) uninstall deb clean distclean \
	packages-%,$(or $(MAKECMDGOALS),all))
ifneq ($(NEED_CODE),)
include tangle/tangled.mk
endif

tangle/tangled.mk: $(QUEST) quest/order $(wildcard quest/*/.) tangle/tangle
	@tangle/tangle --makefile $@ $(QUEST)

## tangle		the quest to code in guest/, host/ and switcher/
.PHONY: tangle
tangle: tangle/tangled.mk
	@:

## module		host/lg.ko, for the kernel in KDIR
.PHONY: module
module: host/lg.ko

.PHONY: FORCE
host/lg.ko: FORCE
	@$(if $(KDIR),,echo 'No kernel headers: build/packages build, or set KDIR' >&2; exit 1)
	$(MAKE) -C $(KDIR) M=$(CURDIR)/host modules

## module-debug	build/out/debug/host/lg.ko, for the debug Host
# It is built from a copy, so that host/lg.ko stays.
DEBUG := build/out/debug
.PHONY: module-debug
module-debug: packages-run
	$(MAKE) tangle
	build/kernel-host --debug
	mkdir -p $(DEBUG)/host $(DEBUG)/switcher
	cp -pu host/Kbuild host/*.[chS] $(DEBUG)/host
	cp -pur host/include $(DEBUG)/host
	cp -pu switcher/*.[chS] $(DEBUG)/switcher
	$(MAKE) -C $$(build/kernel-host --debug)/build ARCH=x86_64 \
		M=$(CURDIR)/$(DEBUG)/host modules

## launcher	host/launcher/lguest
.PHONY: launcher
launcher: host/launcher/lguest

# The Messenger is a program for the Guest, and a part of the Launcher: an object with
# nothing but a file in it.
MESSENGER := host/launcher/messenger
LAUNCHER_OBJECTS := $(patsubst %.c,%.o,$(filter-out $(MESSENGER).c,\
	$(filter host/launcher/%.c,$(TANGLED))))

host/launcher/lguest: $(LAUNCHER_OBJECTS) $(MESSENGER).o
	$(CC) $(LDFLAGS) -o $@ $^ $(LAUNCHER_LIBS)

$(MESSENGER).o: $(MESSENGER)
	cd $(@D) && $(LD) -r -b binary -z noexecstack -o $(@F) $(<F)

$(MESSENGER): $(MESSENGER).c host/launcher/wire.h Makefile
	$(CC) -Os -std=c11 -Wall -Wextra -Werror -static -s -o $@ $<

host/launcher/%.o: host/launcher/%.c Makefile
	$(CC) $(LAUNCHER_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(LAUNCHER_OBJECTS:.o=.d)

## kernel		the small Guest kernel that the tests boot
.PHONY: kernel
kernel: packages-run
	$(MAKE) tangle
	build/kernel-guest small

# --- Running and testing --------------------------------------------------------

PACKAGES := $(addprefix packages-,run test bench bochs lint book read check-book deb)
.PHONY: $(PACKAGES)
$(PACKAGES): packages-%:
	@build/packages $*

# a new make, for headers that were not there when this one began
STOCK_ALL = $(MAKE) all $(if $(filter file,$(origin KDIR)),KDIR="$$(ls -d \
	/usr/src/linux-headers-*-amd64 | sort -V | tail -1)")

## run		boot a stock distribution kernel in QEMU, and a Guest on it
.PHONY: run
run: packages-run
	$(STOCK_ALL)
	build/try --guest

## try		the same, but stop at the stock kernel's shell
.PHONY: try
try: packages-run
	$(STOCK_ALL)
	build/try

## test		all tests; TESTS='tests/a.t ...' selects
.PHONY: test
test: packages-test $(if $(filter $(CHECKS),$(TESTS)),packages-check-book)
	$(STOCK_ALL)
	build/kernel-guest small
	build/kernel-guest debian
	$(if $(filter $(CHECKS),$(TESTS)),$(WEAVE))
	rm -rf tests/fortress/out/cases
	mkdir -p tests/fortress/out/cases
	SAMPLE=1 FORTRESS_CASES=$(CURDIR)/tests/fortress/out/cases \
		prove --verbose --timer $(PROVEFLAGS) $(TESTS)

## test-fortress	all of tests/fortress, in hours; ends with a table
# THREADS=1 gives each CPU of a Host a thread of QEMU.
FORTRESS ?= tests/51-power-cut.t tests/52-storage-faults.t \
	$(sort $(wildcard tests/fortress/*.t))
.PHONY: test-fortress
test-fortress: packages-test
	$(STOCK_ALL)
	$(MAKE) module-debug
	build/kernel-guest small
	build/kernel-guest debian
	tests/fortress/table $(FORTRESS)

## test-debug	the tests on a Host whose kernel checks itself
# Not there: 90-figures.t and bounds.t count instructions, which are not the
# stock Host's; accidents.t stops the machine at each of them;
# launcher-*.t, drivers.t, tangle.t, fuzz.t and packages.t boot no Host; the
# book is about the stock one; 51 and
# 52 need the stock Host's file systems and device mapper, and 53 would take
# half an hour. Each test boots an emulator that is several times slower than
# in `make test`, so hosts are two of the twelve, and random operations a tenth;
# what is in the environment goes first.
DEBUG_TESTS ?= $(filter-out $(CHECKS) tests/90-figures.t tests/launcher-%.t \
	tests/tangle.t tests/fuzz.t tests/packages.t tests/51-% tests/52-% \
	tests/53-% $(addprefix tests/fortress/,bounds.t accidents.t drivers.t),\
	$(TESTS)) tests/fortress/allocations.t
.PHONY: test-debug
test-debug: packages-test
	$(STOCK_ALL)
	$(MAKE) module-debug
	build/kernel-guest small
	env LGUEST_HOST=debug HOSTS=$${HOSTS-3,9} SAMPLE=$${SAMPLE-1} \
		AUDIT_OPERATIONS=$${AUDIT_OPERATIONS-100000} \
		prove --verbose --timer $(PROVEFLAGS) $(DEBUG_TESTS)

## test-bochs	the Switcher in Bochs, which checks what QEMU does not
.PHONY: test-bochs
test-bochs: packages-bochs
	$(STOCK_ALL)
	build/kernel-guest small
	prove --verbose --timer $(PROVEFLAGS) $(sort $(wildcard tests/bochs/*.t))

## fuzz		fuzzers of what strangers write; FUZZ_SECONDS=60 each
.PHONY: fuzz
fuzz: packages-test
	$(MAKE) tangle
	prove --verbose --timer tests/fuzz.t

## bench		count instructions, in a Guest and elsewhere; compare with git
.PHONY: bench
bench: packages-bench
	$(STOCK_ALL)
	build/kernel-guest small
	tests/bench --devices
	tests/bench --scale
	tests/bench --check

## figures	boot a Guest, and draw what it did; the drawings are in git
.PHONY: figures
figures: packages-test
	$(STOCK_ALL)
	build/kernel-guest small
	book/draw

## lint		check the quest and the tangled code
.PHONY: lint
lint: packages-lint
	KDIR=$(KDIR) tangle/lint $(QUEST)

## book		book/out/quest.pdf
.PHONY: book
book: packages-book
	book/make pdf

## html		book/out/html: the book as a site, also for reading from a disk
.PHONY: html
html: packages-book
	book/make html

## epub		book/out/quest.epub
.PHONY: epub
epub: packages-book
	book/make epub

## Preparation	read a part in the terminal; so do Guest, Drivers, Launcher,
## 		Host, Switcher and Mastery; or Preparation! and so on
## Beer		read all seven, and see what is left to do
## Puppy		a puppy
.PHONY: $(READ)
$(READ): packages-read
	@book/terminal $(@:!=)

## check-book	the book in all editions: make it, and check what it says
# (a part of make test; CONSOLES=WORD plays only the transcripts with this WORD)
WEAVE = set -e; for edition in pdf html epub; do book/make $$edition; done
.PHONY: check-book
check-book: packages-check-book
	$(STOCK_ALL)
	build/kernel-guest small
	$(WEAVE)
	prove $(PROVEFLAGS) $(CHECKS)

# --- Installing -----------------------------------------------------------------

VERSION := $(shell sed -n 's/^\#define LGUEST_RELEASE.*"\(.*\)"$$/\1/p' \
	quest/4-launcher/command.nw)
PREFIX ?= /usr/local
SHARE := $(DESTDIR)$(PREFIX)/share
SOURCE ?= /usr/src/lguest-$(VERSION)

## install		the Launcher, its manual, udev's rule; DESTDIR, PREFIX
.PHONY: install
install: launcher
	install -D -m 755 host/launcher/lguest $(DESTDIR)$(PREFIX)/bin/lguest
	install -D -m 644 host/launcher/lguest.1 $(SHARE)/man/man1/lguest.1
	install -D -m 644 build/install/completion.bash \
		$(SHARE)/bash-completion/completions/lguest
	install -D -m 644 build/install/lguest.rules \
		$(DESTDIR)/usr/lib/udev/rules.d/60-lguest.rules
	install -D -m 644 build/install/lguest.sysusers \
		$(DESTDIR)/usr/lib/sysusers.d/lguest.conf

## uninstall	take that away again
.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/lguest $(SHARE)/man/man1/lguest.1 \
		$(SHARE)/bash-completion/completions/lguest \
		$(DESTDIR)/usr/lib/udev/rules.d/60-lguest.rules \
		$(DESTDIR)/usr/lib/sysusers.d/lguest.conf

# the module's source, as DKMS wants it
.PHONY: install-source
install-source: tangle
	mkdir -p $(SOURCE)/host/include/lguest $(SOURCE)/switcher
	install -m 644 host/Kbuild $(filter host/%.c host/%.h host/%.S,\
		$(filter-out host/launcher/% host/include/%,$(TANGLED))) \
		$(SOURCE)/host
	install -m 644 host/include/lguest/* $(SOURCE)/host/include/lguest
	install -m 644 switcher/*.[chS] $(SOURCE)/switcher

## dkms		the module for each kernel of this machine, through DKMS
.PHONY: dkms
dkms: install-source
	sed 's/#MODULE_VERSION#/$(VERSION)/' build/install/dkms.conf \
		> $(SOURCE)/dkms.conf
	dkms install --force lguest/$(VERSION)

## deb		build/out/deb: packages of the Launcher and of the module
.PHONY: deb
deb: packages-deb
	rm -rf build/out/deb
	debian/rules clean
	debian/rules binary
	debian/rules clean
	@ls build/out/deb/*.deb

# --- Housekeeping -----------------------------------------------------------------

## clean		remove what was built, keep what was tangled and downloaded
.PHONY: clean
clean:
	$(if $(wildcard host/Kbuild),-$(MAKE) -C $(KDIR) M=$(CURDIR)/host clean)
	rm -f host/launcher/*.[od] host/launcher/lguest $(MESSENGER) switcher/*.o switcher/.*.cmd
	rm -rf book/out

## distclean	remove everything that is not in git, except downloads
.PHONY: distclean
distclean: clean
	test ! -f tangle/.tangled || xargs -r rm -f < tangle/.tangled
	rm -f tangle/.tangled tangle/tangled.mk
	find guest host switcher -mindepth 1 -type d -empty -delete
	rm -rf build/out

## help		this list
.PHONY: help
help:
	@sed -n 's/^## //p' Makefile
	@echo
	@echo 'KDIR=$(KDIR)'
