#include "tests/support/fail_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct fail_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct, in the memory SQLite gave */
};

static sqlite3_vfs layer, *under;
static sqlite3_io_methods methods;
static bool arm_reads, failed;
static long until_failure = -1;
static int failure;

static bool fails(bool reads)
{
	if (reads != arm_reads || until_failure < 0 || until_failure-- > 0)
		return false;
	failed = true;
	return true;
}

void fail_vfs_arm(bool reads, long n, int code)
{
	arm_reads = reads;
	until_failure = n;
	failure = code;
	failed = false;
}

bool fail_vfs_failed(void)
{
	return failed;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	struct fail_file *file = (struct fail_file *)f;

	return file->real;
}

static int file_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *out, int len, sqlite3_int64 at)
{
	return fails(true) ? failure : real_of(f)->pMethods->xRead(real_of(f), out, len, at);
}

static int file_write(sqlite3_file *f, const void *bytes, int len, sqlite3_int64 at)
{
	if (!fails(false))
		return real_of(f)->pMethods->xWrite(real_of(f), bytes, len, at);
	/* What a full disk leaves behind: a part. */
	real_of(f)->pMethods->xWrite(real_of(f), bytes, len / 2, at);
	return failure;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return fails(false) ? failure : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	return fails(false) ? failure : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_check_lock(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_about(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shm_unmap(sqlite3_file *f, int remove)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static int vfs_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
	struct fail_file *file = (struct fail_file *)f;
	int rc;

	(void)v;
	file->base.pMethods = NULL;
	file->real = (sqlite3_file *)(file + 1);
	rc = under->xOpen(under, name, file->real, flags, out);
	if (file->real->pMethods)
		file->base.pMethods = &methods;
	return rc;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync)
{
	(void)v;
	return fails(false) ? failure : under->xDelete(under, name, sync);
}

void fail_vfs_install(void)
{
	under = sqlite3_vfs_find(NULL);
	layer = *under;
	layer.zName = "fail";
	layer.szOsFile = (int)sizeof(struct fail_file) + under->szOsFile;
	layer.xOpen = vfs_open;
	layer.xDelete = vfs_delete;
	methods = (sqlite3_io_methods){
		.iVersion = 2,
		.xClose = file_close,
		.xRead = file_read,
		.xWrite = file_write,
		.xTruncate = file_truncate,
		.xSync = file_sync,
		.xFileSize = file_size,
		.xLock = file_lock,
		.xUnlock = file_unlock,
		.xCheckReservedLock = file_check_lock,
		.xFileControl = file_control,
		.xSectorSize = file_sector,
		.xDeviceCharacteristics = file_about,
		.xShmMap = shm_map,
		.xShmLock = shm_lock,
		.xShmBarrier = shm_barrier,
		.xShmUnmap = shm_unmap,
	};
	if (sqlite3_vfs_register(&layer, 1) != SQLITE_OK)
		abort();
}
