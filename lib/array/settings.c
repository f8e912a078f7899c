#include "array/settings_inner.h"

#include "base/drive_option.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

int settings_begin(struct array *a, struct settings **out, struct error *err)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	s->a = a;
	s->policy = a->policy;
	for (unsigned i = 0; i < a->count; i++)
		s->records[i] = a->drives[i].record;
	*out = s;
	return ERR_NONE;
}

void settings_end(struct settings *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < DRIVES_MAX; i++)
		json_decref(s->options[i]);
	free(s);
}

/* ---- of the array ---- */

/* What is promised stays, and is something where there are two drives. */
static void set_extra(struct settings *s)
{
	s->policy.extra = true;
	if (s->policy.parity == 0 && array_member_count(s->a) > 1)
		s->policy.parity = 1;
}

static int set_parity(struct settings *s, const char *value, struct error *err)
{
	uint64_t m;
	int code;

	if (strcmp(value, "max") == 0) {
		set_extra(s);
		return ERR_NONE;
	}
	code = number_parse(value, 0, PARITY_MAX, &m, err);
	if (code == ERR_NONE) {
		s->policy.parity = (unsigned)m;
		s->policy.copies = s->policy.extra = false;
	}
	return code;
}

static int set_copies(struct settings *s, const char *value, struct error *err)
{
	uint64_t n;
	int code = number_parse(value, 1, PARITY_MAX + 1, &n, err);

	if (code == ERR_NONE) {
		s->policy.parity = (unsigned)n - 1;
		s->policy.copies = true;
		s->policy.extra = false;
	}
	return code;
}

static int set_width(struct settings *s, const char *value, struct error *err)
{
	uint64_t k;
	int code = number_parse(value, 1, WIDTH_MAX - 1, &k, err);

	if (code == ERR_NONE)
		s->policy.width = (unsigned)k;
	return code;
}

static const char *const profiles[] = { [PROFILE_FINE] = "fine",
					[PROFILE_DEFAULT] = "default",
					[PROFILE_COARSE] = "coarse" };
#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

/* The sizes as init makes them of these two. */
static struct geometry geometry_of(uint32_t block_bytes, unsigned profile)
{
	struct geometry g = geometry_default();

	geometry_set_block(&g, block_bytes);
	geometry_set_profile(&g, (enum chunk_profile)profile);
	return g;
}

/* Which profile made the chunks of g. */
static unsigned profile_of(const struct geometry *g)
{
	for (unsigned i = 0; i < PROFILES; i++) {
		struct geometry of_i = geometry_of(g->block_bytes, i);

		if (of_i.chunk_avg_bytes == g->chunk_avg_bytes)
			return i;
	}
	return PROFILE_DEFAULT;
}

static int set_profile(struct settings *s, const char *value, struct error *err)
{
	for (unsigned i = 0; i < PROFILES; i++) {
		if (strcmp(value, profiles[i]) != 0)
			continue;
		s->policy.geometry = geometry_of(s->policy.geometry.block_bytes, i);
		return ERR_NONE;
	}
	return err_set(err, ERR_USAGE, "'%s' is none of fine, default and coarse", value);
}

static int set_block_size(struct settings *s, const char *value, struct error *err)
{
	uint64_t bytes;
	int code = size_parse(value, &bytes, err);

	if (code != ERR_NONE)
		return code;
	if (bytes < BLOCK_USER_BYTES_MIN || bytes > BLOCK_BYTES_MAX)
		return err_set(err, ERR_USAGE, "'%s' is not 64K to 64M", value);
	s->policy.geometry = geometry_of((uint32_t)bytes, profile_of(&s->policy.geometry));
	return ERR_NONE;
}

/* ---- of a drive ---- */

static int yes_or_no(const char *value, bool *out, struct error *err)
{
	*out = strcmp(value, "yes") == 0;
	if (*out || strcmp(value, "no") == 0)
		return ERR_NONE;
	return err_set(err, ERR_USAGE, "'%s' is neither yes nor no", value);
}

static int set_role(struct drive_record *d, const char *value, struct error *err)
{
	if (strcmp(value, "both") == 0)
		d->role = ROLE_BOTH;
	else if (strcmp(value, "data") == 0)
		d->role = ROLE_DATA;
	else if (strcmp(value, "parity") == 0)
		d->role = ROLE_PARITY;
	else
		return err_set(err, ERR_USAGE, "'%s' is none of both, data and parity", value);
	return ERR_NONE;
}

static int set_removable(struct drive_record *d, const char *value, struct error *err)
{
	return yes_or_no(value, &d->removable, err);
}

static int set_journal(struct drive_record *d, const char *value, struct error *err)
{
	return yes_or_no(value, &d->journal, err);
}

static int set_reserve(struct drive_record *d, const char *value, struct error *err)
{
	return size_parse(value, &d->reserve_bytes, err);
}

static int set_max(struct drive_record *d, const char *value, struct error *err)
{
	return size_parse(value, &d->max_bytes, err);
}

static int set_domain(struct drive_record *d, const char *value, struct error *err)
{
	if (strlen(value) > DOMAIN_MAX)
		return err_set(err, ERR_USAGE, "longer than %d bytes", DOMAIN_MAX);
	memcpy(d->domain, value, strlen(value) + 1);
	return ERR_NONE;
}

/* All options of drive i, as they shall be, are such as its kind takes. */
static int check_way(struct settings *s, unsigned i, struct error *err)
{
	const struct array_options *o = &s->a->options;
	char *json;
	int code;

	if (!o->check_way)
		return ERR_NONE;
	json = json_dumps(s->options[i], JSON_COMPACT | JSON_SORT_KEYS);
	code = json ? o->check_way(o->open_drive_ctx, s->a->drives[i].url, json, err)
		    : err_nomem(err);
	free(json);
	return code;
}

static int set_option(struct settings *s, unsigned i, const char *key, const char *value,
		      struct error *err)
{
	const struct array_drive *d = &s->a->drives[i];
	int failed, code = drive_option_check(key, value, err);

	if (code != ERR_NONE)
		return code;
	if (!d->url)
		return err_set(err, ERR_USAGE, "this host's config has no way to drive %s", d->name);
	if (!s->options[i])
		s->options[i] = json_loads(d->options_json, JSON_REJECT_DUPLICATES, NULL);
	if (!s->options[i])
		return err_set(err, ERR_CORRUPT, "the options of drive %s in the config", d->name);
	if (value[0] == '\0') {
		json_object_del(s->options[i], key);
		return ERR_NONE;
	}
	failed = json_object_set_new(s->options[i], key, json_string(value));
	return failed ? err_set(err, ERR_USAGE, "not valid UTF-8") : check_way(s, i, err);
}

static const struct {
	const char *name;
	int (*set)(struct drive_record *d, const char *value, struct error *err);
} drive_properties[] = {
	{ "role", set_role },	    { "removable", set_removable }, { "journal", set_journal },
	{ "reserve", set_reserve }, { "max", set_max },		    { "domain", set_domain },
};

static int set_drive(struct settings *s, const char *name, const char *property,
		     const char *value, struct error *err)
{
	const struct array_drive *d = array_drive_by_name(s->a, name);
	unsigned i;

	if (!d || d->record.state == DRIVE_LOST || d->record.state == DRIVE_REMOVED)
		return err_set(err, ERR_USAGE, "there is no drive named %s", name);
	i = (unsigned)(d - s->a->drives);
	for (size_t n = 0; n < sizeof(drive_properties) / sizeof(drive_properties[0]); n++) {
		if (strcmp(drive_properties[n].name, property) == 0)
			return drive_properties[n].set(&s->records[i], value, err);
	}
	return set_option(s, i, property, value, err);
}

/* ---- all of it ---- */

static const struct {
	const char *name;
	int (*set)(struct settings *s, const char *value, struct error *err);
} array_properties[] = {
	{ "parity", set_parity },
	{ "copies", set_copies },
	{ "width", set_width },
	{ "chunk-profile", set_profile },
	{ "block-size", set_block_size },
};

static int set_named(struct settings *s, const char *name, const char *value, struct error *err)
{
	const char *dot = strrchr(name, '.');
	char *drive;
	int code;

	for (size_t n = 0; n < sizeof(array_properties) / sizeof(array_properties[0]); n++) {
		if (strcmp(array_properties[n].name, name) == 0)
			return array_properties[n].set(s, value, err);
	}
	if (!dot)
		return err_set(err, ERR_USAGE, "an array has no such property");
	/* The last dot: drives may have dots in their names, properties have none. */
	drive = strndup(name, (size_t)(dot - name));
	code = drive ? set_drive(s, drive, dot + 1, value, err) : err_nomem(err);
	free(drive);
	return code;
}

int settings_set(struct settings *s, const char *assignment, struct error *err)
{
	const char *equals = strchr(assignment, '=');
	char *name;
	int code;

	if (!equals || equals == assignment)
		return err_set(err, ERR_USAGE, "'%s' is not NAME=VALUE", assignment);
	name = strndup(assignment, (size_t)(equals - assignment));
	code = name ? set_named(s, name, equals + 1, err) : err_nomem(err);
	if (code != ERR_NONE && code != ERR_NOMEM)
		err_wrap(err, "%s", name);
	free(name);
	return code;
}
