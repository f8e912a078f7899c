/*
 * Connections to a share, one for each call under way.
 *
 * libsmbclient allows several threads with a context each; what they have in common (settings,
 * names looked up, tables of the log-in) it keeps without locks. So over all drives of the process
 * one connection after the other logs in; afterwards nothing is shared. The library connects by
 * itself within any call: it asks find_server() first, where the lock is taken if it has to.
 */
#include "drivers/smb.h"

#include "base/url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 20000 /* of a request, and of connecting */
#define PIECE_MIN_BYTES ((size_t)64 << 10)
#define PIECE_MAX_BYTES ((size_t)1 << 20)

static pthread_mutex_t login_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- what the library calls back ---- */

static SMBCSRV *find_server(SMBCCTX *ctx, const char *server, const char *share,
			    const char *workgroup, const char *user)
{
	struct smb_conn *c = smb_conn_of(ctx);
	SMBCSRV *found = c->find_server(ctx, server, share, workgroup, user);

	if (!found && !c->logging_in) {
		pthread_mutex_lock(&login_lock);
		c->logging_in = true;
		c->logged_in = false;
	}
	return found;
}

static int add_server(SMBCCTX *ctx, SMBCSRV *srv, const char *server, const char *share,
		      const char *workgroup, const char *user)
{
	struct smb_conn *c = smb_conn_of(ctx);

	c->logged_in = true;
	return c->add_server(ctx, srv, server, share, workgroup, user);
}

static void fill(char *out, int cap_bytes, const char *text)
{
	if (text && strlen(text) < (size_t)cap_bytes)
		memcpy(out, text, strlen(text) + 1);
}

static void authenticate(SMBCCTX *ctx, const char *server, const char *share, char *domain,
			 int domain_bytes, char *user, int user_bytes, char *password,
			 int password_bytes)
{
	const struct smb_drive *s = smb_conn_of(ctx)->drive;

	(void)server;
	(void)share;
	fill(domain, domain_bytes, s->domain);
	fill(user, user_bytes, s->user);
	fill(password, password_bytes, s->password.text);
}

/* After every call of the library that may connect. */
static void settle(struct smb_conn *c)
{
	int saved = errno;

	c->out = c->logging_in && !c->logged_in;
	if (c->logging_in)
		pthread_mutex_unlock(&login_lock);
	c->logging_in = false;
	errno = saved;
}

/* ---- connections ---- */

static void set_options(struct smb_conn *c)
{
	const struct smb_library *lib = c->lib;
	const struct smb_drive *s = c->drive;

	lib->setOptionUserData(c->ctx, c);
	lib->setTimeout(c->ctx, TIMEOUT_MS);
	if (s->user)
		lib->setUser(c->ctx, s->user);
	if (s->domain)
		lib->setWorkgroup(c->ctx, s->domain);
	lib->setOptionSmbEncryptionLevel(c->ctx, s->encrypted ? SMBC_ENCRYPTLEVEL_REQUIRE
							       : SMBC_ENCRYPTLEVEL_DEFAULT);
	lib->setOptionUseKerberos(c->ctx, s->kerberos);
	lib->setOptionFallbackAfterKerberos(c->ctx, 0);
	lib->setOptionNoAutoAnonymousLogin(c->ctx, !s->guest);
	lib->setOptionUseCCache(c->ctx, 0);
	lib->setFunctionAuthDataWithContext(c->ctx, authenticate);
	c->find_server = lib->getFunctionGetCachedServer(c->ctx);
	c->add_server = lib->getFunctionAddCachedServer(c->ctx);
	lib->setFunctionGetCachedServer(c->ctx, find_server);
	lib->setFunctionAddCachedServer(c->ctx, add_server);
}

/*
 * To leave a server takes requests, which the library waits for. Where one was in vain already, more of
 * them would make a minute of it: such connections are kept as they are until the process ends.
 */
static pthread_mutex_t lost_lock = PTHREAD_MUTEX_INITIALIZER;
static struct smb_conn *lost;

static void lose(struct smb_conn *c)
{
	pthread_mutex_lock(&lost_lock);
	c->next = lost;
	lost = c;
	pthread_mutex_unlock(&lost_lock);
}

/* All files of it are closed. */
static void conn_free(struct smb_conn *c)
{
	struct smb_frames *before = smb_frames_use(c->frames);

	if (c->ctx)
		c->lib->free_context(c->ctx, 1);
	settle(c);
	smb_frames_use(before);
	smb_frames_give(c->frames);
	free(c);
}

bool smb_conn_end(struct smb_conn *c)
{
	uint64_t begin = now_us();

	if (c->late)
		lose(c);
	else
		conn_free(c);
	return now_us() - begin < TIMEOUT_MS * 500;
}

static int check_ticket(const struct smb_drive *s, bool for_host, struct smb_principal *whose,
			struct error *err)
{
	struct smb_principal ignored;
	int code;

	pthread_mutex_lock(&login_lock);
	code = smb_ticket(s, for_host, whose ? whose : &ignored, err);
	pthread_mutex_unlock(&login_lock);
	return code;
}

static int conn_new(struct smb_drive *s, struct smb_conn **out, struct error *err)
{
	struct smb_conn *c;
	struct smb_frames *before;
	int code = s->kerberos ? check_ticket(s, false, NULL, err) : ERR_NONE;

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err);
	c->drive = s;
	c->lib = s->lib;
	c->piece_bytes = PIECE_MIN_BYTES;
	c->frames = smb_frames_take();
	if (c->frames) {
		before = smb_frames_use(c->frames);
		pthread_mutex_lock(&login_lock);
		c->ctx = s->lib->new_context();
		if (c->ctx) {
			set_options(c);
			if (s->lib->init_context(c->ctx))
				*out = c;
		}
		pthread_mutex_unlock(&login_lock);
		smb_frames_use(before);
	}
	if (*out)
		return ERR_NONE;
	conn_free(c);
	return err_nomem(err);
}

static struct smb_conn *pop_idle(struct smb_drive *s)
{
	struct smb_conn *c;

	pthread_mutex_lock(&s->lock);
	c = s->idle;
	if (c)
		s->idle = c->next;
	pthread_mutex_unlock(&s->lock);
	return c;
}

/* A server that went away must not stop the process with SIGPIPE, whatever that does with it. */
static void block_sigpipe(struct smb_conn *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &c->signals);
}

static void unblock_sigpipe(struct smb_conn *c)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (!sigismember(&c->signals, SIGPIPE))
		while (sigtimedwait(&set, NULL, &now) > 0)
			;
	pthread_sigmask(SIG_SETMASK, &c->signals, NULL);
}

int smb_take(struct smb_drive *s, struct smb_conn **out, struct error *err)
{
	struct smb_conn *c = pop_idle(s);
	int code = ERR_NONE;

	if (!c)
		code = conn_new(s, &c, err);
	*out = c;
	if (code != ERR_NONE)
		return code;
	block_sigpipe(c);
	c->outer = smb_frames_use(c->frames);
	return ERR_NONE;
}

void smb_give(struct smb_conn *c)
{
	struct smb_drive *s = c->drive;
	bool broken = c->broken;

	smb_frames_use(c->outer);
	if (!broken) {
		unblock_sigpipe(c);
		pthread_mutex_lock(&s->lock);
		c->next = s->idle;
		s->idle = c;
		pthread_mutex_unlock(&s->lock);
		return;
	}
	/* Those that rest have most likely lost the same server. */
	for (struct smb_conn *idle = pop_idle(s); idle; idle = pop_idle(s)) {
		idle->late = c->late;
		c->late = !smb_conn_end(idle) || c->late;
	}
	unblock_sigpipe(c);
	smb_conn_end(c);
}

/* ---- calls ---- */

SMBCFILE *smb_open_file(struct smb_conn *c, const char *url, int flags)
{
	SMBCFILE *f;

	c->lib->setOptionOpenShareMode(c->ctx, flags & SMB_ALONE ? SMBC_SHAREMODE_DENY_ALL
								  : SMBC_SHAREMODE_DENY_NONE);
	f = c->lib->getFunctionOpen(c->ctx)(c->ctx, url, flags & ~SMB_ALONE, 0600);
	settle(c);
	return f;
}

int smb_close_file(struct smb_conn *c, SMBCFILE *f)
{
	int n;

	if (c->late) {
		errno = ETIMEDOUT;
		return -1;
	}
	n = c->lib->getFunctionClose(c->ctx)(c->ctx, f);

	settle(c);
	return n;
}

int smb_unlink(struct smb_conn *c, const char *url)
{
	int n = c->lib->getFunctionUnlink(c->ctx)(c->ctx, url);

	settle(c);
	return n;
}

int smb_rename(struct smb_conn *c, const char *from, const char *to)
{
	int n = c->lib->getFunctionRename(c->ctx)(c->ctx, from, c->ctx, to);

	settle(c);
	return n;
}

int smb_mkdir(struct smb_conn *c, const char *url)
{
	int n = c->lib->getFunctionMkdir(c->ctx)(c->ctx, url, 0700);

	settle(c);
	return n;
}

int smb_stat_url(struct smb_conn *c, const char *url, struct stat *out)
{
	int n = c->lib->getFunctionStat(c->ctx)(c->ctx, url, out);

	settle(c);
	return n;
}

int smb_fstat(struct smb_conn *c, SMBCFILE *f, struct stat *out)
{
	int n = c->lib->getFunctionFstat(c->ctx)(c->ctx, f, out);

	settle(c);
	return n;
}

int smb_space(struct smb_conn *c, const char *url, struct statvfs *out)
{
	struct smb_url copy;
	int n;

	snprintf(copy.text, sizeof(copy.text), "%s", url);
	n = c->lib->getFunctionStatVFS(c->ctx)(c->ctx, copy.text, out);
	settle(c);
	return n;
}

SMBCFILE *smb_opendir(struct smb_conn *c, const char *url)
{
	SMBCFILE *dir = c->lib->getFunctionOpendir(c->ctx)(c->ctx, url);

	settle(c);
	return dir;
}

const struct libsmb_file_info *smb_readdir(struct smb_conn *c, SMBCFILE *dir)
{
	return c->lib->getFunctionReaddirPlus(c->ctx)(c->ctx, dir);
}

void smb_closedir(struct smb_conn *c, SMBCFILE *dir)
{
	c->lib->getFunctionClosedir(c->ctx)(c->ctx, dir);
	settle(c);
}

/* ---- bytes ---- */

/* Waits until len_bytes may move. */
static uint64_t book(struct limit *l, size_t len_bytes)
{
	uint64_t wait_us = limit_book_us(l, len_bytes);

	if (wait_us > 0) {
		struct timespec t = { (time_t)(wait_us / 1000000),
				      (long)(wait_us % 1000000) * 1000 };

		while (nanosleep(&t, &t) < 0 && errno == EINTR)
			;
	}
	return wait_us;
}

/* A request must end well within its time on the slowest link, and be large on a fast one. */
static void fit_piece(struct smb_conn *c, uint64_t wait_us, uint64_t took_us)
{
	if (wait_us > 200000 || took_us > 4000000)
		c->piece_bytes /= 2;
	else if (wait_us < 100000 && took_us < 500000)
		c->piece_bytes *= 2;
	if (c->piece_bytes < PIECE_MIN_BYTES)
		c->piece_bytes = PIECE_MIN_BYTES;
	if (c->piece_bytes > PIECE_MAX_BYTES)
		c->piece_bytes = PIECE_MAX_BYTES;
}

bool smb_write_all(struct smb_conn *c, SMBCFILE *f, const void *bytes, size_t len_bytes)
{
	const char *at = bytes;

	while (len_bytes > 0) {
		size_t piece = len_bytes < c->piece_bytes ? len_bytes : c->piece_bytes;
		uint64_t wait_us = book(c->drive->upload, piece), begin = now_us();
		ssize_t n = c->lib->getFunctionWrite(c->ctx)(c->ctx, f, at, piece);

		settle(c);
		if (n <= 0 || (size_t)n > piece) {
			if (n >= 0)
				errno = EIO;
			return false;
		}
		fit_piece(c, wait_us, now_us() - begin);
		at += n;
		len_bytes -= (size_t)n;
	}
	return true;
}

ssize_t smb_read_full(struct smb_conn *c, SMBCFILE *f, uint64_t offset_bytes, void *out,
		      size_t len_bytes)
{
	size_t done = 0;

	if (c->lib->getFunctionLseek(c->ctx)(c->ctx, f, (off_t)offset_bytes, SEEK_SET) < 0)
		return -1;
	while (done < len_bytes) {
		size_t left = len_bytes - done;
		size_t piece = left < c->piece_bytes ? left : c->piece_bytes;
		uint64_t wait_us = book(c->drive->download, piece), begin = now_us();
		ssize_t n = c->lib->getFunctionRead(c->ctx)(c->ctx, f, (char *)out + done, piece);

		settle(c);
		if (n < 0 || (size_t)n > piece) {
			if (n > 0)
				errno = EIO;
			return -1;
		}
		if (n == 0)
			break;
		fit_piece(c, wait_us, now_us() - begin);
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* ---- errors ---- */

/* The library has a number for few of the errors a server can give, EINVAL for all others: of these
 * it is not known whether they pass. A new connection and a second try find out. */
static bool may_pass(int e)
{
	switch (e) {
	case EAGAIN:
	case EBADF:
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EINVAL:
	case EIO:
	case EMFILE:
	case ENETRESET:
	case ENETUNREACH:
	case ENFILE:
	case ENOTCONN:
	case EPIPE:
	case ESHUTDOWN:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int smb_refused(struct smb_conn *c, struct error *err)
{
	const struct smb_drive *s = c->drive;
	struct smb_principal whose;

	c->broken = true;
	if (!s->kerberos)
		return err_set(err, ERR_DENIED, "the server refuses %s", s->guest ? "guests" : s->user);
	if (check_ticket(s, true, &whose, err) == ERR_NONE)
		err_set(err, ERR_DENIED, "the server refuses %s", whose.text);
	return (int)err->code;
}

/* The library was not connected, and has no number for the reason. */
static int not_in(const struct smb_conn *c, const char *what, struct error *err)
{
	struct smb_principal whose;

	if (!c->drive->kerberos)
		return err_set(err, ERR_TRANSIENT, "%s: no such host, or it does not speak SMB 2 or 3", what);
	if (check_ticket(c->drive, true, &whose, err) != ERR_NONE)
		return err_wrap(err, "%s", what);
	return err_set(err, ERR_TRANSIENT, "%s: it does not take the ticket of %s, or does not speak SMB 2 or 3",
		       what, whose.text);
}

int smb_errno(struct smb_conn *c, struct error *err, const char *fmt, ...)
{
	char what[ERR_MESSAGE_BYTES];
	int saved = errno;
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	c->broken |= c->out || may_pass(saved);
	/* Of one that was never there, nothing is left to take leave of. */
	c->late |= saved == ETIMEDOUT && !c->out;
	if (c->out && saved == EACCES) {
		smb_refused(c, err);
		return err_wrap(err, "%s", what);
	}
	if (c->out && saved == EINVAL)
		return not_in(c, what, err);
	errno = saved;
	if (saved == EINVAL)
		err_set(err, ERR_TRANSIENT, "%s: the server answered with an error of its own", what);
	else if (saved == EBUSY)
		err_set(err, ERR_TRANSIENT, "%s: somebody has it open", what);
	else
		err_errno(err, "%s", what);
	if (may_pass(saved))
		err->code = ERR_TRANSIENT;
	/* No share, or no such host: what is there is not known. */
	if (c->out && c->drive->opened && err->code == ERR_NOT_FOUND)
		err->code = ERR_TRANSIENT;
	return (int)err->code;
}

/* Below "smb://host:port/share/". */
static const char *below_share(const char *url)
{
	const char *at = strstr(url, "://");

	for (int slashes = 0; at && slashes < 2; slashes++)
		at = strchr(at + (slashes == 0 ? 3 : 1), '/');
	return at ? at + 1 : url + strlen(url);
}

int smb_make_folders(struct smb_conn *c, const char *url, struct error *err)
{
	struct smb_url part;
	char *slash;
	int code;

	if (smb_mkdir(c, url) == 0 || errno == EEXIST)
		return ERR_NONE;
	snprintf(part.text, sizeof(part.text), "%s", url);
	slash = strrchr(part.text, '/');
	if (errno != ENOENT || c->out || !slash || slash < below_share(part.text))
		return smb_errno(c, err, "create folder %s", url);
	*slash = '\0';
	code = smb_make_folders(c, part.text, err);
	if (code == ERR_NONE && smb_mkdir(c, url) < 0 && errno != EEXIST)
		code = smb_errno(c, err, "create folder %s", url);
	return code;
}
