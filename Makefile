# mrmr: GNU make. A packager may set CC CFLAGS LDFLAGS PREFIX DESTDIR PKG_CONFIG, and B for
# another build folder. CI=1 turns warnings into errors; SANITIZE=address,undefined builds so;
# V=1 shows the whole commands. WITHOUT="sftp smb" leaves out kinds of drives and their libraries.
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
B ?= build
FUZZ_SECONDS ?= 60
# How far clang's analyzer follows the paths through one function: nearly all that clang-tidy takes.
# Its own default takes 8 times as long; check-long goes so far.
TIDY_NODES ?= 25000

# Kinds of drives that need a library of their own.
optional := sftp smb
library_sftp := libssh2
library_smb := smbclient
kinds := $(filter-out $(WITHOUT),$(optional))
pkgs := libsodium libcrypto libzstd sqlite3 jansson libisal libcurl expat \
	$(foreach k,$(kinds),$(library_$k))
warnings := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-missing-field-initializers
hardening := -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
linker := $(if $(shell command -v ld.lld),-fuse-ld=lld)
sanitizing := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
flags := -std=c11 -D_GNU_SOURCE $(warnings) $(if $(CI),-Werror) -fPIE -pthread -Ilib -I. -MMD -MP \
	$(if $(SANITIZE),$(sanitizing),$(hardening)) $(kinds:%=-DWITH_%) \
	$(shell $(PKG_CONFIG) --cflags $(pkgs) 2>/dev/null)
ldflags := -pthread -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),$(sanitizing))
# libsmbclient and the eighty libraries below it are loaded when a share is opened, libcurl and its
# twenty-five when there is the URL of a server.
libs := $(filter-out -lsmbclient -lcurl,$(shell $(PKG_CONFIG) --libs $(pkgs) 2>/dev/null))

say = $(if $(V),,@echo '  $1 $@';)

left_out := $(foreach k,$(filter $(WITHOUT),$(optional)),$(wildcard drivers/$k.c drivers/$k_*.c \
	tests/unit/test_$k.c tests/unit/test_$k_*.c tests/fuzz/fuzz_$k.c))
sources := $(filter-out $(left_out),$(wildcard lib/*/*.c drivers/*.c))
core := $(sources:%.c=$B/%.o)
command := $(patsubst %.c,$B/%.o,$(filter-out cmd/main.c,$(wildcard cmd/*.c)))
support := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
tests := $(patsubst %.c,$B/%,$(filter-out $(left_out),$(wildcard tests/unit/test_*.c)))
sweeps := $(patsubst %.c,$B/%,$(wildcard tests/sweeps/sweep_*.c))
fuzzers := $(patsubst %.c,$B/%,$(filter-out $(left_out),$(wildcard tests/fuzz/fuzz_*.c)))
benches := $(patsubst %.c,$B/%,$(wildcard tests/bench/bench_*.c))
preloads := $(patsubst %.c,$B/%.so,$(wildcard tests/preload/*.c))
shells := $(patsubst %,$B/completion/%,mrmr.bash _mrmr mrmr.fish)

all: $B/mrmr

$B/mrmr: $B/cmd/main.o $B/libcmd.a $B/libmrmr.a
	$(call say,LD)$(CC) $(ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

# A quicker linker is taken for tests where it is there; .ci/deps installs one.
$(tests) $(sweeps) $(benches): %: %.o $(support) $B/libcmd.a $B/libmrmr.a
	$(call say,LD)$(CC) $(ldflags) $(CFLAGS) $(linker) $(LDFLAGS) -o $@ $^ $(libs) -lcmocka

# libFuzzer calls the target by its name; no header declares it.
$(fuzzers:=.o): private flags += -Wno-missing-prototypes
fuzz_support := $(patsubst %,$B/tests/support/%.o,scribe temp whole_table)
$(fuzzers): %: %.o $(fuzz_support) $B/libmrmr.a
	$(call say,LD)$(CC) $(ldflags) -fsanitize=fuzzer $(CFLAGS) $(linker) $(LDFLAGS) -o $@ $^ $(libs)

$B/libmrmr.a: $(core)
$B/libcmd.a: $(command)
$B/libmrmr.a $B/libcmd.a:
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(flags) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Compiled anew when the flags change. Missing libraries are named before the compiler fails.
$B/flags: FORCE
	@$(PKG_CONFIG) --print-errors --exists $(pkgs) || \
		{ echo 'Libraries are missing: "make deps" installs them, WITHOUT="$(optional)" does without some.' >&2; exit 1; }
	@mkdir -p $B; echo '$(CC) $(flags) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(flags) $(CPPFLAGS) $(CFLAGS)' > $@

# For LD_PRELOAD: into any build of mrmr, so of no sanitizer.
$B/%.so: %.c $B/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=c11 -D_GNU_SOURCE $(warnings) $(if $(CI),-Werror) -O2 -g -fPIC -shared \
		-o $@ $<

unit: $(tests)
	@for t in $(tests); do $$t || exit 1; done

# What a bare machine lacks is installed first; only a new make then sees it.
deps:
	@.ci/deps build
deps-test:
	@.ci/deps build demo test $(if $(CI),servers)
deps-servers:
	@.ci/deps servers
check check-long: deps-test
	@MAKE='$(MAKE)' B='$B' CI='$(CI)' tests/run $@
demo:
	@.ci/deps build demo
	@$(MAKE) -s all
	@MRMR=$(abspath $B)/mrmr tests/demo

# Everything the runner executes, so that it starts with nothing left to compile.
check-build: all $(tests) $(sweeps) $(preloads) $(shells)
sanitized-build: all $(tests) $(sweeps) $(fuzzers)
# Of all the code that runs below these, little runs long: not optimized, it is compiled in a seventh
# of the time.
sanitized := B=$B/asan CC=clang CFLAGS='-O0 -g' SANITIZE=address,undefined,fuzzer-no-link CI=1
asan-build:
	@$(MAKE) $(sanitized) sanitized-build
asan:
	@$(MAKE) $(sanitized) unit
threaded := B=$B/tsan CC=clang CFLAGS='-O1 -g' SANITIZE=thread CI=1
tsan-build:
	@$(MAKE) $(threaded) all $(tests:$B/%=$B/tsan/%)
tsan:
	@$(MAKE) $(threaded) unit
fuzz: asan-build
	@tests/fuzz/run $(FUZZ_SECONDS) $(fuzzers:$B/%=$B/asan/%)
bench: all $(benches)
	@for b in $(benches); do $$b || exit 1; done
	@MRMR=$(abspath $B)/mrmr tests/bench/run $(BENCH)
coverage:
	@$(MAKE) B=$B/coverage CFLAGS='-O1 -g --coverage' all unit
	MRMR=$(abspath $B)/coverage/mrmr bats tests/scenarios
	lcov -q -c -d $B/coverage --no-external -b . -o $B/coverage/all.info
	lcov -q -r $B/coverage/all.info '*/tests/*' -o $B/coverage/mrmr.info
	lcov --list $B/coverage/mrmr.info

# The checks that run nothing. The compilers' part: gcc and clang with -Werror.
lint: lint-gcc lint-clang lint-cppcheck lint-tidy lint-man lint-layers lint-calls
lint-gcc:
	@$(MAKE) CI=1 B=$(if $(CI),$B,$B/werror) check-build
lint-clang: asan-build
lint-cppcheck:
	cppcheck -q -j2 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=legacyUninitvar --suppress=uninitvar \
		--library=tests/cppcheck.cfg \
		--error-exitcode=1 -D_GNU_SOURCE $(kinds:%=-DWITH_%) -Ilib -I. cmd lib drivers
lint-tidy: $(patsubst %.c,$B/tidy/%.ok,$(wildcard cmd/*.c) $(sources))
$B/tidy/%.ok: %.c .clang-tidy $(wildcard cmd/*.h lib/*/*.h drivers/*.h)
	@mkdir -p $(@D)
	@clang-tidy --quiet --warnings-as-errors='*' $< -- -std=c11 -D_GNU_SOURCE -Ilib -I. \
		$(kinds:%=-DWITH_%) \
		-Xclang -analyzer-config -Xclang max-nodes=$(TIDY_NODES) \
		$(shell $(PKG_CONFIG) --cflags $(pkgs) 2>/dev/null) 2>$(@:.ok=.log) || \
		{ cat $(@:.ok=.log); exit 1; }
	@touch $@
lint-man:
	mandoc -T lint -W warning $(wildcard man/*.[157])
lint-layers:
	tests/layers
lint-calls:
	tests/calls

$B/completion/mrmr.bash: shell = bash
$B/completion/_mrmr: shell = zsh
$B/completion/mrmr.fish: shell = fish
$(shells): $B/mrmr
	@mkdir -p $(@D)
	$B/mrmr help --completion $(shell) > $@.new && mv $@.new $@

root := $(DESTDIR)$(PREFIX)
install: $B/mrmr $(shells)
	install -D -m 755 $B/mrmr $(root)/bin/mrmr
	for m in $(wildcard man/*.[157]); do \
		install -D -m 644 $$m $(root)/share/man/man$${m##*.}/$${m##*/} || exit 1; done
	install -D -m 644 $B/completion/mrmr.bash $(root)/share/bash-completion/completions/mrmr
	install -D -m 644 $B/completion/_mrmr $(root)/share/zsh/site-functions/_mrmr
	install -D -m 644 $B/completion/mrmr.fish $(root)/share/fish/vendor_completions.d/mrmr.fish

version = $(shell sed -n 's/^#define MRMR_VERSION "\(.*\)"/\1/p' cmd/version.h)
dist:
	@mkdir -p $B
	git archive --prefix=mrmr-$(version)/ -o $B/mrmr-$(version).tar.gz HEAD

clean:
	rm -rf $B

.SECONDARY:
.PHONY: all unit deps deps-test deps-servers check check-long demo check-build sanitized-build asan-build asan \
	tsan-build tsan fuzz bench coverage lint lint-gcc lint-clang lint-cppcheck lint-tidy lint-man \
	lint-layers lint-calls install dist clean FORCE
-include $(patsubst %.c,$B/%.d,$(wildcard *.c */*.c */*/*.c))
