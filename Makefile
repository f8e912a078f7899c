# mrmr: GNU make. A packager may set CC CFLAGS LDFLAGS PREFIX DESTDIR PKG_CONFIG, and B for
# another build folder.
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
B ?= build

pkgs := libsodium libcrypto libzstd sqlite3 jansson libisal
warnings := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
hardening := -fstack-protector-strong -fstack-clash-protection -fPIE -D_FORTIFY_SOURCE=2
flags = -std=c11 -D_GNU_SOURCE $(warnings) $(if $(CI),-Werror) $(hardening) -pthread \
	-Ilib -I. -MMD -MP $(shell $(PKG_CONFIG) --cflags $(pkgs))
ldflags = -pthread -pie -Wl,-z,relro,-z,now
libs = $(shell $(PKG_CONFIG) --libs $(pkgs))

core := $(patsubst %.c,$B/%.o,$(wildcard lib/*/*.c) $(wildcard drivers/*.c))
command := $(patsubst %.c,$B/%.o,$(wildcard cmd/*.c))
support := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
tests := $(patsubst %.c,$B/%,$(wildcard tests/unit/test_*.c))

all: $B/mrmr

$B/mrmr: $(command) $B/libmrmr.a
	$(CC) $(ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

$(tests): %: %.o $(support) $B/libmrmr.a
	$(CC) $(ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs) -lcmocka

$B/libmrmr.a: $(core)
	@rm -f $@
	$(AR) rcs $@ $^

$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	$(CC) $(flags) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Compiled anew when the flags change.
$B/flags: FORCE
	@mkdir -p $B; echo '$(CC) $(flags) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(flags) $(CPPFLAGS) $(CFLAGS)' > $@

unit: $(tests)
	@for t in $(tests); do $$t || exit 1; done

clean:
	rm -rf $B

.SECONDARY:
.PHONY: all unit clean FORCE
-include $(shell find $B -name '*.d' 2>/dev/null)
