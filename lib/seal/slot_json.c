#include "seal/slot_json.h"

#include "base/json.h"

#include <string.h>

static const char *const kinds[] = {
	[SLOT_PASSPHRASE] = "passphrase",
	[SLOT_KEY_FILE] = "key-file",
	[SLOT_RECOVERY] = "recovery",
};
static const char argon2[] = "argon2id13";

static const char *const kdf_members[] = {"alg", "memory_bytes", "passes", "salt", NULL};
static const char *const slot_members[] = {
	"array_id", "commitment", "created_s", "epoch",	  "format",  "kdf",
	"kind",	    "mandatory",  "optional",  "slot_id", "wrapped", NULL,
};

/* Features this code knows. One that changes how a slot is opened gets a bit here. */
#define MANDATORY_KNOWN 0u

/* An object with the KDF's parameters; NULL: out of memory. */
static json_t *print_kdf(const struct slot *slot)
{
	const json_int_t memory_bytes = (json_int_t)slot->memory_bytes;
	json_t *kdf = json_object();

	if (json_object_set_new(kdf, "alg", json_string(argon2)) < 0 ||
	    json_object_set_new(kdf, "passes", json_integer((json_int_t)slot->passes)) < 0 ||
	    json_object_set_new(kdf, "memory_bytes", json_integer(memory_bytes)) < 0 ||
	    json_set_hex(kdf, "salt", slot->salt, sizeof(slot->salt)) < 0) {
		json_decref(kdf);
		return NULL;
	}
	return kdf;
}

int slot_print(const struct slot *slot, struct buf *out, struct error *err)
{
	json_t *o = json_object();
	int code = ERR_NOMEM;

	if (json_object_set_new(o, "format", json_integer(FORMAT_NUMBER)) < 0 ||
	    json_set_hex(o, "slot_id", slot->id.b, ID_BYTES) < 0 ||
	    json_set_hex(o, "array_id", slot->array_id.b, ID_BYTES) < 0 ||
	    json_object_set_new(o, "kind", json_string(kinds[slot->kind])) < 0 ||
	    json_object_set_new(o, "mandatory", json_integer(slot->mandatory)) < 0 ||
	    json_object_set_new(o, "optional", json_integer(slot->optional)) < 0 ||
	    json_object_set_new(o, "epoch", json_integer(slot->epoch)) < 0 ||
	    json_object_set_new(o, "created_s", json_integer(slot->created_s)) < 0 ||
	    json_set_hex(o, "commitment", slot->commitment, sizeof(slot->commitment)) < 0 ||
	    json_set_hex(o, "wrapped", slot->wrapped, sizeof(slot->wrapped)) < 0 ||
	    (slot->kind == SLOT_PASSPHRASE && json_object_set_new(o, "kdf", print_kdf(slot)) < 0))
		err_nomem(err);
	else
		code = json_print(o, out, err);
	json_decref(o);
	return code;
}

static int only_members(const json_t *object, const char *const *known, struct error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		const char *const *name = known;

		while (*name && strcmp(*name, key) != 0)
			name++;
		if (!*name)
			return err_set(err, ERR_CORRUPT, "unknown member \"%.100s\"", key);
	}
	return ERR_NONE;
}

static int parse_kind(const json_t *object, enum slot_kind *out, struct error *err)
{
	const char *word = NULL;
	int code = json_need_string(object, "kind", &word, err);

	if (code != ERR_NONE)
		return code;
	for (enum slot_kind kind = SLOT_PASSPHRASE; kind <= SLOT_RECOVERY; kind++) {
		if (strcmp(word, kinds[kind]) == 0) {
			*out = kind;
			return ERR_NONE;
		}
	}
	return err_set(err, ERR_UNSUPPORTED, "unknown kind \"%.100s\"", word);
}

static int parse_kdf(const json_t *kdf, struct slot *out, struct error *err)
{
	const char *alg = NULL;
	int code;

	if (!json_is_object(kdf))
		return err_set(err, ERR_CORRUPT, "\"kdf\" is missing or no object");
	code = json_need_string(kdf, "alg", &alg, err);
	if (code == ERR_NONE && strcmp(alg, argon2) != 0)
		code = err_set(err, ERR_UNSUPPORTED, "unknown kdf \"%.100s\"", alg);
	if (code == ERR_NONE)
		code = only_members(kdf, kdf_members, err);
	if (code == ERR_NONE)
		code = json_need_u64(kdf, "passes", &out->passes, err);
	if (code == ERR_NONE)
		code = json_need_u64(kdf, "memory_bytes", &out->memory_bytes, err);
	if (code == ERR_NONE)
		code = json_need_hex(kdf, "salt", out->salt, sizeof(out->salt), err);
	if (code != ERR_NONE)
		return code;
	if (out->passes < KDF_PASSES_MIN || out->passes > KDF_PASSES_MAX ||
	    out->memory_bytes < KDF_MEMORY_MIN_BYTES || out->memory_bytes > KDF_MEMORY_MAX_BYTES ||
	    out->memory_bytes % 1024 != 0)
		return err_set(err, ERR_CORRUPT, "%llu passes over %llu bytes are not allowed",
			       (unsigned long long)out->passes,
			       (unsigned long long)out->memory_bytes);
	return ERR_NONE;
}

static int parse_numbers(const json_t *object, struct slot *out, struct error *err)
{
	uint64_t epoch = 0, created_s = 0;
	int code = json_need_u64(object, "epoch", &epoch, err);

	if (code == ERR_NONE)
		code = json_need_u64(object, "created_s", &created_s, err);
	if (code != ERR_NONE)
		return code;
	if (epoch < 1 || epoch > KEY_EPOCHS_MAX)
		return err_set(err, ERR_CORRUPT, "key epoch %llu", (unsigned long long)epoch);
	out->epoch = (uint32_t)epoch;
	out->created_s = (int64_t)created_s; /* JSON integers are signed 64-bit already */
	return ERR_NONE;
}

static int parse_features(const json_t *object, struct slot *out, struct error *err)
{
	uint64_t mandatory = 0, optional = 0;
	int code = json_need_u64(object, "mandatory", &mandatory, err);

	if (code == ERR_NONE)
		code = json_need_u64(object, "optional", &optional, err);
	if (code != ERR_NONE)
		return code;
	if (mandatory > UINT32_MAX || optional > UINT32_MAX)
		return err_set(err, ERR_CORRUPT, "features of more than 32 bits");
	if (mandatory & ~MANDATORY_KNOWN)
		return err_set(err, ERR_UNSUPPORTED, "unknown mandatory features 0x%x",
			       (unsigned)(mandatory & ~MANDATORY_KNOWN));
	out->mandatory = (uint32_t)mandatory;
	out->optional = (uint32_t)optional;
	return ERR_NONE;
}

static int parse_object(const json_t *object, struct slot *out, struct error *err)
{
	uint64_t format = 0;
	int code = json_need_u64(object, "format", &format, err);

	if (code != ERR_NONE)
		return code;
	if (format > FORMAT_NUMBER)
		return err_set(err, ERR_UNSUPPORTED, "format %llu is newer than this mrmr",
			       (unsigned long long)format);
	if (format == 0)
		return err_set(err, ERR_CORRUPT, "format 0");
	code = parse_features(object, out, err);
	if (code == ERR_NONE)
		code = parse_kind(object, &out->kind, err);
	if (code == ERR_NONE)
		code = only_members(object, slot_members, err);
	if (code == ERR_NONE)
		code = json_need_hex(object, "slot_id", out->id.b, ID_BYTES, err);
	if (code == ERR_NONE)
		code = json_need_hex(object, "array_id", out->array_id.b, ID_BYTES, err);
	if (code == ERR_NONE)
		code = parse_numbers(object, out, err);
	if (code == ERR_NONE)
		code = json_need_hex(object, "commitment", out->commitment, sizeof(out->commitment),
				     err);
	if (code == ERR_NONE)
		code = json_need_hex(object, "wrapped", out->wrapped, sizeof(out->wrapped), err);
	if (code != ERR_NONE)
		return code;
	if (out->kind == SLOT_PASSPHRASE)
		return parse_kdf(json_object_get(object, "kdf"), out, err);
	if (json_object_get(object, "kdf"))
		return err_set(err, ERR_CORRUPT, "a \"kdf\" with a key that needs none");
	return ERR_NONE;
}

int slot_parse(const void *bytes, size_t len_bytes, struct slot *out, struct error *err)
{
	struct slot slot = {0};
	json_t *object = NULL;
	int code;

	if (len_bytes > SLOT_BYTES_MAX)
		return err_set(err, ERR_CORRUPT, "key slot: %zu bytes", len_bytes);
	code = json_parse_object(bytes, len_bytes, "key slot", &object, err);
	if (code != ERR_NONE)
		return code;
	code = parse_object(object, &slot, err);
	json_decref(object);
	if (code != ERR_NONE)
		return err_wrap(err, "key slot");
	*out = slot;
	return ERR_NONE;
}
