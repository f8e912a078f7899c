/*
 * What ticket a log-in by Kerberos would use.
 *
 * libsmbclient logs in with the ticket that is there, whosever it is, and has one errno for all that
 * can be wrong with it. So the ticket is looked at before, by the Kerberos that the library itself
 * uses (GSSAPI, RFC 2744): that it holds, and that it is of the user the drive names. Where a log-in
 * did not come about, the ticket for the server is asked for once more: that tells why.
 */
#include "drivers/smb.h"

#include <stdio.h>
#include <string.h>

/* ---- GSSAPI, as far as it is used: the same in every implementation (RFC 2744, RFC 4121) ---- */

struct gss_oid {
	uint32_t len_bytes;
	const void *bytes;
};

struct gss_oids {
	size_t count;
	const struct gss_oid *all;
};

struct gss_buffer {
	size_t len_bytes;
	void *bytes;
};

struct gss_name;
struct gss_cred;
struct gss_ctx;

#define GSS_INITIATE 1
#define GSS_FOREVER UINT32_MAX
#define GSS_MUTUAL 2
#define GSS_OF_MECH 2 /* what kind of number is to be told in words */
#define GSS_FAILED(major) (((major) & 0xffff0000) != 0)
/* Numbers of Kerberos (com_err): these are the same in every implementation. */
#define SERVER_UNKNOWN ((uint32_t)-1765328377)
#define KDC_UNREACHABLE ((uint32_t)-1765328228)

static const struct gss_oid krb5_mech = { 9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" };
static const struct gss_oid service_at_host = { 10, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04" };

static struct {
	uint32_t (*acquire_cred)(uint32_t *minor, struct gss_name *name, uint32_t seconds,
				 const struct gss_oids *mechs, int usage, struct gss_cred **out,
				 struct gss_oids **actual, uint32_t *seconds_left);
	uint32_t (*inquire_cred)(uint32_t *minor, struct gss_cred *cred, struct gss_name **name,
				 uint32_t *seconds_left, int *usage, struct gss_oids **mechs);
	uint32_t (*release_cred)(uint32_t *minor, struct gss_cred **cred);
	uint32_t (*display_name)(uint32_t *minor, struct gss_name *name, struct gss_buffer *out,
				 const struct gss_oid **type);
	uint32_t (*import_name)(uint32_t *minor, const struct gss_buffer *text,
				const struct gss_oid *type, struct gss_name **out);
	uint32_t (*release_name)(uint32_t *minor, struct gss_name **name);
	uint32_t (*display_status)(uint32_t *minor, uint32_t status, int kind,
				   const struct gss_oid *mech, uint32_t *more,
				   struct gss_buffer *out);
	uint32_t (*init_sec_context)(uint32_t *minor, struct gss_cred *cred, struct gss_ctx **ctx,
				     struct gss_name *target, const struct gss_oid *mech,
				     uint32_t flags, uint32_t seconds, const void *bindings,
				     const struct gss_buffer *in, const struct gss_oid **actual,
				     struct gss_buffer *out, uint32_t *flags_out,
				     uint32_t *seconds_left);
	uint32_t (*delete_sec_context)(uint32_t *minor, struct gss_ctx **ctx,
				       struct gss_buffer *token);
	uint32_t (*release_buffer)(uint32_t *minor, struct gss_buffer *buffer);
} gss;

static const struct {
	const char *name;
	void **at;
} symbols[] = {
	{ "gss_acquire_cred", (void **)&gss.acquire_cred },
	{ "gss_inquire_cred", (void **)&gss.inquire_cred },
	{ "gss_release_cred", (void **)&gss.release_cred },
	{ "gss_display_name", (void **)&gss.display_name },
	{ "gss_import_name", (void **)&gss.import_name },
	{ "gss_release_name", (void **)&gss.release_name },
	{ "gss_display_status", (void **)&gss.display_status },
	{ "gss_init_sec_context", (void **)&gss.init_sec_context },
	{ "gss_delete_sec_context", (void **)&gss.delete_sec_context },
	{ "gss_release_buffer", (void **)&gss.release_buffer },
};

static int load(struct error *err)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		*symbols[i].at = smb_library_symbol(symbols[i].name);
		if (!*symbols[i].at)
			return err_set(err, ERR_UNSUPPORTED, "the libsmbclient here is without Kerberos (%s)",
				       symbols[i].name);
	}
	return ERR_NONE;
}

static void take_words(struct gss_buffer *words, char *out, size_t cap_bytes)
{
	uint32_t minor;

	snprintf(out, cap_bytes, "%.*s", (int)words->len_bytes,
		 words->bytes ? (const char *)words->bytes : "");
	gss.release_buffer(&minor, words);
}

/* ---- whose ticket there is ---- */

/* "alice" is alice of any realm, "alice@REALM" of that one. */
static bool is_of(const char *principal, const char *user)
{
	size_t len = strlen(user);

	return strncmp(principal, user, len) == 0 &&
	       (principal[len] == '\0' || (principal[len] == '@' && !strchr(user, '@')));
}

static int look_at(struct gss_cred *cred, const struct smb_drive *s, struct smb_principal *whose,
		   struct error *err)
{
	struct gss_buffer words = { 0 };
	struct gss_name *name = NULL;
	uint32_t minor;

	if (!GSS_FAILED(gss.inquire_cred(&minor, cred, &name, NULL, NULL, NULL)))
		gss.display_name(&minor, name, &words, NULL);
	take_words(&words, whose->text, sizeof(whose->text));
	if (name)
		gss.release_name(&minor, &name);
	if (s->user && !is_of(whose->text, s->user))
		return err_set(err, ERR_DENIED, "the ticket is of %s, not of %s", whose->text, s->user);
	return ERR_NONE;
}

static int no_ticket_for_host(const struct smb_drive *s, uint32_t minor, struct error *err)
{
	struct gss_buffer words = { 0 };
	uint32_t ignored, more = 0;

	if (minor == SERVER_UNKNOWN)
		return err_set(err, ERR_DENIED, "no such host, or Kerberos does not know it as cifs/%s",
			       s->host);
	gss.display_status(&ignored, minor, GSS_OF_MECH, &krb5_mech, &more, &words);
	err_set(err, minor == KDC_UNREACHABLE ? ERR_TRANSIENT : ERR_DENIED, "no ticket for cifs/%s: %.*s",
		s->host, (int)words.len_bytes, words.bytes ? (const char *)words.bytes : "");
	gss.release_buffer(&ignored, &words);
	return (int)err->code;
}

/* The ticket for the server; where there is none yet, it is got. */
static int ask_for_host(struct gss_cred *cred, const struct smb_drive *s, struct error *err)
{
	char text[sizeof(s->host) + 8];
	struct gss_buffer service = { 0 }, token = { 0 };
	struct gss_name *target = NULL;
	struct gss_ctx *ctx = NULL;
	uint32_t minor = 0, ignored, major;

	service.len_bytes = (size_t)snprintf(text, sizeof(text), "cifs@%s", s->host);
	service.bytes = text;
	major = gss.import_name(&minor, &service, &service_at_host, &target);
	if (!GSS_FAILED(major))
		major = gss.init_sec_context(&minor, cred, &ctx, target, &krb5_mech, GSS_MUTUAL, 0,
					     NULL, NULL, NULL, &token, NULL, NULL);
	gss.release_buffer(&ignored, &token);
	if (ctx)
		gss.delete_sec_context(&ignored, &ctx, NULL);
	if (target)
		gss.release_name(&ignored, &target);
	return GSS_FAILED(major) ? no_ticket_for_host(s, minor, err) : ERR_NONE;
}

int smb_ticket(const struct smb_drive *s, bool for_host, struct smb_principal *whose,
	       struct error *err)
{
	const struct gss_oids mechs = { 1, &krb5_mech };
	struct gss_cred *cred = NULL;
	uint32_t minor;
	int code = load(err);

	whose->text[0] = '\0';
	if (code != ERR_NONE)
		return code;
	if (GSS_FAILED(gss.acquire_cred(&minor, NULL, GSS_FOREVER, &mechs, GSS_INITIATE, &cred, NULL,
					NULL)))
		return err_set(err, ERR_DENIED,
			       "no ticket of Kerberos, or it has expired (kinit gets one)");
	code = look_at(cred, s, whose, err);
	if (code == ERR_NONE && for_host)
		code = ask_for_host(cred, s, err);
	gss.release_cred(&minor, &cred);
	return code;
}
