#include "drivers/smb.h"

#include "base/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIBRARY "libsmbclient.so.0"
#define FRAMES_KEYS 8

/* Read after the user's smb.conf, so that nothing there weakens a log-in. Names are looked up as any
 * other program does it: no broadcasts, no NetBIOS. */
static const char settings[] = "[global]\n"
			       "client signing = desired\n"
			       "client ntlmv2 auth = yes\n"
			       "client lanman auth = no\n"
			       "client plaintext auth = no\n"
			       "client smb encrypt = default\n"
			       "client protection = default\n"
			       "name resolve order = host\n"
			       "socket options = TCP_NODELAY\n";

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static struct smb_library library;
static void *library_handle;
static SMBCCTX *keeper; /* while there is one context, the library keeps what it has read */

/* ---- what the library keeps for a thread ---- */

struct smb_frames {
	void *values[FRAMES_KEYS];
	struct smb_frames *next; /* of the spare ones */
};

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct smb_frames *spare;
static _Thread_local struct smb_frames *used;
static unsigned keys;

struct smb_frames *smb_frames_take(void)
{
	struct smb_frames *f;

	pthread_mutex_lock(&spare_lock);
	f = spare;
	if (f)
		spare = f->next;
	pthread_mutex_unlock(&spare_lock);
	return f ? f : calloc(1, sizeof(*f));
}

/* Never freed: only the library knows how. There are as many as were ever in use at once. */
void smb_frames_give(struct smb_frames *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&spare_lock);
	f->next = spare;
	spare = f;
	pthread_mutex_unlock(&spare_lock);
}

struct smb_frames *smb_frames_use(struct smb_frames *f)
{
	struct smb_frames *before = used;

	used = f;
	return before;
}

/* A key is its number + 1, so that none is NULL. All are made while the library is loaded. */
static int create_key(const char *name, void **key, const char *location)
{
	(void)name;
	(void)location;
	if (keys == FRAMES_KEYS)
		return ENOMEM;
	*key = (void *)(uintptr_t)++keys;
	return 0;
}

static void destroy_key(void **key, const char *location)
{
	(void)location;
	*key = NULL;
}

static int set_value(void *key, const void *value, const char *location)
{
	(void)location;
	if (!key || !used)
		return EINVAL;
	used->values[(uintptr_t)key - 1] = (void *)(uintptr_t)value;
	return 0;
}

static void *get_value(void *key, const char *location)
{
	(void)location;
	return key && used ? used->values[(uintptr_t)key - 1] : NULL;
}

static int create_mutex(const char *name, void **lock, const char *location)
{
	pthread_mutex_t *m = calloc(1, sizeof(pthread_mutex_t));

	(void)name;
	(void)location;
	if (!m)
		return ENOMEM;
	pthread_mutex_init(m, NULL);
	*lock = m;
	return 0;
}

static void destroy_mutex(void *lock, const char *location)
{
	(void)location;
	pthread_mutex_destroy(lock);
	free(lock);
}

/* type: 1 locks, 2 unlocks (the library's documentation). */
static int lock_mutex(void *lock, int type, const char *location)
{
	(void)location;
	return type == 1 ? pthread_mutex_lock(lock) : pthread_mutex_unlock(lock);
}

/* As in lib/util/smb_threads.h of Samba, since 2009. libsmbclient.h names smbc_thread_impl(), which
 * does no more than hand this on; the library itself does not have it. */
struct thread_functions {
	int (*create_mutex)(const char *name, void **lock, const char *location);
	void (*destroy_mutex)(void *lock, const char *location);
	int (*lock_mutex)(void *lock, int type, const char *location);
	int (*create_tls)(const char *name, void **key, const char *location);
	void (*destroy_tls)(void **key, const char *location);
	int (*set_tls)(void *key, const void *value, const char *location);
	void *(*get_tls)(void *key, const char *location);
};

static const struct thread_functions thread_functions = {
	create_mutex, destroy_mutex, lock_mutex, create_key, destroy_key, set_value, get_value,
};
static int (*set_thread_functions)(const struct thread_functions *functions);

/* ---- loading ---- */

#define SYMBOL(name)                                                                               \
	{                                                                                          \
		"smbc_" #name, (void **)&library.name                                              \
	}

static const struct {
	const char *name;
	void **at;
} symbols[] = {
	/* Of libsamba-util, which comes with it. */
	{ "smb_thread_set_functions", (void **)&set_thread_functions },
	SYMBOL(setLogCallback),
	SYMBOL(new_context),
	SYMBOL(init_context),
	SYMBOL(free_context),
	SYMBOL(setConfiguration),
	SYMBOL(setDebug),
	SYMBOL(setTimeout),
	SYMBOL(setUser),
	SYMBOL(setWorkgroup),
	SYMBOL(setOptionUserData),
	SYMBOL(getOptionUserData),
	SYMBOL(setOptionProtocols),
	SYMBOL(setOptionSmbEncryptionLevel),
	SYMBOL(setOptionUseKerberos),
	SYMBOL(setOptionFallbackAfterKerberos),
	SYMBOL(setOptionNoAutoAnonymousLogin),
	SYMBOL(setOptionUseCCache),
	SYMBOL(setOptionOpenShareMode),
	SYMBOL(setFunctionAuthDataWithContext),
	SYMBOL(getFunctionGetCachedServer),
	SYMBOL(setFunctionGetCachedServer),
	SYMBOL(getFunctionAddCachedServer),
	SYMBOL(setFunctionAddCachedServer),
	SYMBOL(getFunctionOpen),
	SYMBOL(getFunctionRead),
	SYMBOL(getFunctionWrite),
	SYMBOL(getFunctionLseek),
	SYMBOL(getFunctionFstat),
	SYMBOL(getFunctionClose),
	SYMBOL(getFunctionStat),
	SYMBOL(getFunctionStatVFS),
	SYMBOL(getFunctionUnlink),
	SYMBOL(getFunctionRename),
	SYMBOL(getFunctionMkdir),
	SYMBOL(getFunctionOpendir),
	SYMBOL(getFunctionReaddirPlus),
	SYMBOL(getFunctionClosedir),
};

/* The library's own words are for nobody: what matters of them comes as errno. */
static void swallow(void *ctx, int level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static int load(struct error *err)
{
	/* RTLD_LOCAL: its names are not to meet others. It is never unloaded. */
	library_handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library_handle)
		return err_set(err, ERR_UNSUPPORTED, "load %s: %s", LIBRARY, dlerror());
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		*symbols[i].at = dlsym(library_handle, symbols[i].name);
		if (!*symbols[i].at)
			return err_set(err, ERR_UNSUPPORTED, "%s has no %s: it is too old", LIBRARY,
				       symbols[i].name);
	}
	return ERR_NONE;
}

/* There is no other way than by a file to change a setting; this one has no name. */
static int configure(struct error *err)
{
	int fd = memfd_create("settings", MFD_CLOEXEC), code = ERR_NONE;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || !write_all(fd, settings, sizeof(settings) - 1))
		code = err_errno(err, "write the settings of %s", LIBRARY);
	else if (library.setConfiguration(keeper, path) != 0 ||
		 !library.setOptionProtocols(keeper, "SMB2_02", "SMB3"))
		code = err_set(err, ERR_IO, "%s does not take its settings", LIBRARY);
	if (fd >= 0)
		close(fd);
	return code;
}

static int start(struct error *err)
{
	struct smb_frames *frames = smb_frames_take(), *before;
	sigset_t signals;
	int code;

	if (!frames)
		return err_nomem(err);
	/* It blocks SIGPIPE for whoever comes first. */
	pthread_sigmask(SIG_BLOCK, NULL, &signals);
	before = smb_frames_use(frames);
	set_thread_functions(&thread_functions);
	library.setLogCallback(NULL, NULL, swallow);
	keeper = library.new_context();
	if (keeper && library.init_context(keeper))
		code = configure(err);
	else
		code = err_errno(err, "start %s", LIBRARY);
	smb_frames_use(before);
	smb_frames_give(frames);
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	return code;
}

int smb_library(const struct smb_library **out, struct error *err)
{
	static bool tried;
	static struct error failure;

	pthread_mutex_lock(&load_lock);
	if (!tried && load(&failure) == ERR_NONE && start(&failure) == ERR_NONE)
		failure.code = ERR_NONE;
	tried = true;
	pthread_mutex_unlock(&load_lock);
	*out = &library;
	if (failure.code != ERR_NONE)
		*err = failure;
	return (int)failure.code;
}

void *smb_library_symbol(const char *name)
{
	return dlsym(library_handle, name);
}

struct smb_conn *smb_conn_of(SMBCCTX *ctx)
{
	return library.getOptionUserData(ctx);
}
