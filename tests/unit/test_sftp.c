/*
 * What the SFTP driver reads that needs no server to be tested: what ssh prints of its configuration,
 * known_hosts, the packets of a server. (Its calls: tests/servers/run sshd.)
 */
#include "base/child.h"
#include "drivers/sftp_config.h"
#include "drivers/sftp_known.h"
#include "drivers/sftp_wire.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- configuration ---- */

static void take(struct sftp_config *c, const char *printed)
{
	char *text = strdup(printed);
	struct error err;

	assert_non_null(text);
	assert_int_equal(sftp_config_take(c, text, "/home/me", &err), ERR_NONE);
	assert_string_equal(text, printed);
	assert_int_equal(sftp_config_complete(c, "/home/me", &err), ERR_NONE);
	free(text);
}

static struct sftp_config config_of(const char *host)
{
	struct sftp_config c = {.port = 0};

	c.host = strdup(host);
	assert_non_null(c.host);
	return c;
}

static void what_ssh_says_of_a_host_is_taken_over(void **state)
{
	struct sftp_config c = config_of("nas");

	(void)state;
	take(&c, "host nas\nuser bob\nhostname nas.example.org\nport 2222\n"
		 "globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2\n"
		 "userknownhostsfile /home/me/.ssh/known_hosts \"/home/me/my hosts\"\n"
		 "identitiesonly yes\nidentityfile ~/.ssh/id_%r\nidentityfile /keys/100%%\n"
		 "identityagent /run/agent\nproxyjump bob@a:22,c\n");
	assert_string_equal(c.host, "nas.example.org");
	assert_string_equal(c.user, "bob");
	assert_int_equal(c.port, 2222);
	assert_string_equal(c.place, "nas.example.org:2222");
	assert_string_equal(c.key_name, "[nas.example.org]:2222");
	assert_string_equal(c.plain_name, "nas.example.org");
	assert_int_equal(c.identities.count, 2);
	assert_string_equal(c.identities.paths[0], "/home/me/.ssh/id_bob");
	assert_string_equal(c.identities.paths[1], "/keys/100%");
	assert_true(c.identities_only);
	assert_string_equal(c.agent, "/run/agent");
	assert_int_equal(c.known_hosts.count, 4);
	assert_string_equal(c.known_hosts.paths[1], "/home/me/my hosts");
	assert_string_equal(c.known_hosts.paths[2], "/etc/ssh/ssh_known_hosts");
	assert_string_equal(c.proxy_jump, "bob@a:22,c");
	sftp_config_release(&c);
}

static void what_the_drive_itself_says_comes_before_what_ssh_does(void **state)
{
	struct sftp_config c = config_of("nas");

	(void)state;
	c.user = strdup("alice");
	c.port = 22;
	c.identities.paths[c.identities.count++] = strdup("/my/key");
	c.known_hosts.paths[c.known_hosts.count++] = strdup("/my/hosts");
	c.identity_given = c.identities_only = c.known_hosts_given = true;
	take(&c, "user bob\nport 2222\nidentityfile /other\nidentitiesonly no\n"
		 "userknownhostsfile /others\nglobalknownhostsfile /all\n");
	assert_string_equal(c.user, "alice");
	assert_int_equal(c.port, 22);
	assert_string_equal(c.key_name, "nas");
	assert_null(c.plain_name);
	assert_int_equal(c.identities.count, 1);
	assert_string_equal(c.identities.paths[0], "/my/key");
	assert_true(c.identities_only);
	assert_int_equal(c.known_hosts.count, 1);
	sftp_config_release(&c);
}

static void without_ssh_the_usual_is_taken(void **state)
{
	struct sftp_config c = config_of("NAS");

	(void)state;
	take(&c, "");
	assert_int_equal(c.port, 22);
	assert_string_equal(c.key_name, "nas");
	assert_int_equal(c.identities.count, 3);
	assert_string_equal(c.identities.paths[0], "/home/me/.ssh/id_ed25519");
	assert_string_equal(c.known_hosts.paths[0], "/home/me/.ssh/known_hosts");
	sftp_config_release(&c);
}

static void a_host_key_alias_is_looked_up_as_it_is(void **state)
{
	struct sftp_config c = config_of("nas");

	(void)state;
	take(&c, "port 2222\nhostkeyalias cluster\n");
	assert_string_equal(c.key_name, "cluster");
	assert_null(c.plain_name);
	sftp_config_release(&c);
}

static void lines_of_any_form_do_no_harm(void **state)
{
	static const char *const texts[] = {"\n\n\n", "port", "port \n", "port x\nuser ", " a\n  b c\n",
					    "identityagent none\nproxyjump none\nproxycommand none",
					    "userknownhostsfile none\nglobalknownhostsfile none\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sftp_config c = config_of("nas");

		take(&c, texts[i]);
		assert_int_equal(c.port, 22);
		assert_null(c.proxy_jump);
		assert_null(c.proxy_command);
		assert_true(c.known_hosts.count > 0);
		sftp_config_release(&c);
	}
}

static void assert_argv(char **argv, const char *const *want)
{
	unsigned i = 0;

	assert_non_null(argv);
	for (; want[i]; i++) {
		assert_non_null(argv[i]);
		assert_string_equal(argv[i], want[i]);
	}
	assert_null(argv[i]);
	words_free(argv);
}

static void a_jump_goes_through_ssh_to_the_last_host_before_ours(void **state)
{
	const char *const want[] = {"ssh",
				    "-aTxoBatchMode=yes",
				    "-oConnectTimeout=20",
				    "-oServerAliveInterval=15",
				    "-Ja@b,c:44",
				    "-W[nas]:22",
				    "--",
				    "ssh://d@e:55",
				    NULL};
	struct sftp_config c = config_of("nas");
	struct error err;
	char **argv;

	(void)state;
	take(&c, "proxyjump a@b,c:44,d@e:55\n");
	assert_int_equal(sftp_config_proxy(&c, &argv, &err), ERR_NONE);
	assert_argv(argv, want);
	sftp_config_release(&c);
}

static void a_proxy_command_is_told_host_port_and_user(void **state)
{
	const char *const want[] = {"/bin/sh", "-c", "exec nc -X 5 nas 2222 # bob 100%", NULL};
	struct sftp_config c = config_of("nas");
	struct error err;
	char **argv;

	(void)state;
	take(&c, "user bob\nport 2222\nproxycommand nc -X 5 %h %p # %r 100%%\n");
	assert_int_equal(sftp_config_proxy(&c, &argv, &err), ERR_NONE);
	assert_argv(argv, want);
	sftp_config_release(&c);
}

static void a_name_that_a_shell_would_read_gets_into_no_proxy_command(void **state)
{
	static const char *const users[] = {"a;b", "$(id)", "a b", "-x", "a'b", "`id`", "a|b", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct sftp_config c = config_of("nas");
		struct error err;
		char **argv;

		c.user = strdup(users[i]);
		take(&c, "proxycommand nc %h %p %r\n");
		assert_int_equal(sftp_config_proxy(&c, &argv, &err), ERR_USAGE);
		assert_null(argv);
		sftp_config_release(&c);
	}
}

static void the_path_of_a_url_is_absolute_or_in_the_home(void **state)
{
	static const struct {
		const char *url, *root;
	} cases[] = {
		{"sftp://nas/srv/a", "/srv/a"}, {"sftp://nas//srv/a/", "/srv/a"}, {"sftp://nas/", "/"},
		{"sftp://nas", "/"},		{"sftp://nas/~/x/y", "x/y"},	  {"sftp://nas/./x", "x"},
		{"sftp://nas/~", "."},		{"sftp://nas/~/", "."},		  {"sftp://nas/.", "."},
		{"sftp://nas/.x/y", "/.x/y"},	{"sftp://nas/a%20b", "/a b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sftp_config c;
		struct error err;

		assert_int_equal(sftp_config_read(cases[i].url, NULL, &c, &err), ERR_NONE);
		assert_string_equal(c.root, cases[i].root);
		sftp_config_release(&c);
	}
}

static void a_url_that_leads_nowhere_is_refused(void **state)
{
	static const char *const urls[] = {"sftp:///srv",	   "sftp://-oProxyCommand=x/a",
					   "sftp://nas/~bob/x",	   "sftp://nas/a?b=c",
					   "sftp://me:pw@nas/srv", "sftp://nas/a//b"};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct sftp_config c;
		struct error err;

		assert_int_equal(sftp_config_read(urls[i], NULL, &c, &err), ERR_USAGE);
		assert_null(strstr(err.message, "pw"));
		sftp_config_release(&c);
	}
}

/* ---- known_hosts ---- */

/* Keys as ssh has them: a type, then bytes. */
static const char ed[] = "\0\0\0\013ssh-ed25519\0\0\0\004abcd";
static const char ed_other[] = "\0\0\0\013ssh-ed25519\0\0\0\004abcX";
static const char ec[] = "\0\0\0\023ecdsa-sha2-nistp256\0\0\0\004abcd";
#define ED "AAAAC3NzaC1lZDI1NTE5AAAABGFiY2Q="
#define EC "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAEYWJjZA=="

static struct buf text_of(const char *text)
{
	struct buf b = {0};

	buf_add(&b, text, strlen(text));
	assert_false(b.failed);
	return b;
}

static enum host_key_is judge(const char *text, const char *name, const void *key, size_t key_bytes)
{
	struct buf b = text_of(text);
	enum host_key_is verdict = known_hosts_judge(&b, name, key, key_bytes);

	buf_release(&b);
	return verdict;
}

#define JUDGE(text, name, key) judge(text, name, key, sizeof(key) - 1)

static void a_key_is_known_changed_or_unknown(void **state)
{
	static const char text[] = "# comment\n\nother ssh-ed25519 " ED "\n"
				   "nas,10.0.0.1 ssh-ed25519 " ED " me@here\r\n"
				   "[nas]:2222\tecdsa-sha2-nistp256  " EC "\n";

	(void)state;
	assert_int_equal(JUDGE(text, "nas", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "10.0.0.1", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "nas", ed_other), HOST_KEY_OTHER);
	assert_int_equal(JUDGE(text, "nas", ec), HOST_KEY_OTHER);
	assert_int_equal(JUDGE(text, "[nas]:2222", ec), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "[nas]:2223", ec), HOST_KEY_UNKNOWN);
	assert_int_equal(JUDGE(text, "na", ed), HOST_KEY_UNKNOWN);
	assert_int_equal(JUDGE(text, "nass", ed), HOST_KEY_UNKNOWN);
	assert_int_equal(JUDGE("", "nas", ed), HOST_KEY_UNKNOWN);
}

static void a_later_line_of_the_host_may_have_the_key(void **state)
{
	static const char text[] = "nas ecdsa-sha2-nistp256 " EC "\nnas ssh-ed25519 " ED;

	(void)state;
	assert_int_equal(JUDGE(text, "nas", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "nas", ec), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "nas", ed_other), HOST_KEY_OTHER);
}

static void patterns_fit_and_exclude(void **state)
{
	static const char text[] = "*.lan,!bad.lan,host? ssh-ed25519 " ED "\n";

	(void)state;
	assert_int_equal(JUDGE(text, "nas.lan", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "a.b.lan", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "bad.lan", ed), HOST_KEY_UNKNOWN);
	assert_int_equal(JUDGE(text, "host1", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE(text, "host12", ed), HOST_KEY_UNKNOWN);
	assert_int_equal(JUDGE(text, "lan", ed), HOST_KEY_UNKNOWN);
	assert_int_equal(JUDGE("NAS ssh-ed25519 " ED, "nas", ed), HOST_KEY_KNOWN);
	assert_int_equal(JUDGE("**a*b ssh-ed25519 " ED, "xxaab", ed), HOST_KEY_KNOWN);
}

static void a_revoked_key_is_refused_whatever_else_is_said_of_it(void **state)
{
	static const char text[] = "nas ssh-ed25519 " ED "\n@revoked * ssh-ed25519 " ED "\n"
				   "@cert-authority *.lan ssh-ed25519 " ED "\n";

	(void)state;
	assert_int_equal(JUDGE(text, "nas", ed), HOST_KEY_REVOKED);
	assert_int_equal(JUDGE(text, "nas", ed_other), HOST_KEY_OTHER);
	assert_int_equal(JUDGE(text, "x.lan", ed_other), HOST_KEY_UNKNOWN);
}

static void lines_that_are_none_are_passed_over(void **state)
{
	static const char *const lines[] = {"nas", "nas ssh-ed25519", "nas ssh-ed25519 !!!!", "@revoked",
					    "@revoked nas", "|1| ssh-ed25519 " ED,
					    "|1|x ssh-ed25519 " ED, "|1|x|y ssh-ed25519 " ED, ", , ,",
					    "!nas ssh-ed25519 " ED};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		enum host_key_is alone = JUDGE(lines[i], "nas", ed);
		char both[300];

		assert_true(alone == HOST_KEY_UNKNOWN || alone == HOST_KEY_OTHER);
		snprintf(both, sizeof(both), "%s\nnas ssh-ed25519 " ED "\n", lines[i]);
		assert_int_equal(JUDGE(both, "nas", ed), HOST_KEY_KNOWN);
	}
}

/* By ssh-keygen itself: other people's hashes are found, and ours is no other line than theirs. */
static void names_that_ssh_keygen_hashed_are_found(void **state)
{
	char *folder = temp_folder_in_memory(), path[300];
	const char *argv[] = {"ssh-keygen", "-H", "-f", path, NULL};
	struct buf text = {0};
	char said[2000];
	struct error err;
	size_t said_bytes;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/known", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	/* a real key: ssh-keygen looks at it */
	fputs("nas ssh-ed25519 "
	      "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n"
	      "[nas]:2222 ssh-ed25519 "
	      "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n",
	      f);
	fclose(f);
	if (child_output(argv, said, sizeof(said), &said_bytes, &err) == ERR_NOT_FOUND)
		skip();
	f = fopen(path, "r");
	assert_non_null(f);
	text.len_bytes = fread(said, 1, sizeof(said) - 1, f);
	fclose(f);
	said[text.len_bytes] = '\0';
	assert_null(strstr(said, "nas"));
	assert_int_equal(JUDGE(said, "nas", ed), HOST_KEY_OTHER);
	assert_int_equal(JUDGE(said, "[nas]:2222", ed), HOST_KEY_OTHER);
	assert_int_equal(JUDGE(said, "nos", ed), HOST_KEY_UNKNOWN);
	temp_folder_remove(folder);
}

static void assert_types(const char *text, const char *name, const char *want)
{
	struct buf b = text_of(text);
	char types[100];

	known_hosts_types(&b, name, types, sizeof(types));
	assert_string_equal(types, want);
	buf_release(&b);
}

static void the_types_that_are_known_are_asked_for_first(void **state)
{
	(void)state;
	assert_types("nas ssh-ed25519 " ED "\nnas ecdsa-sha2-nistp256 " EC "\nnas ssh-ed25519 x\n", "nas",
		     "ssh-ed25519,ecdsa-sha2-nistp256");
	assert_types("nas ssh-ed25519 " ED "\n", "nos", "");
	assert_types("@revoked nas ssh-ed25519 " ED "\n", "nas", "");
	assert_types("nas a,b x\nnas ssh-ed255199 x\nnas ssh-ed25519 x\n", "nas",
		     "ssh-ed255199,ssh-ed25519");
}

static void a_key_that_was_accepted_is_known_from_then_on(void **state)
{
	char *folder = temp_folder_in_memory(), path[300], text[600];
	struct error err;
	struct stat st;
	size_t len;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/.ssh/known_hosts", folder);
	assert_int_equal(known_hosts_append(path, "[nas]:22", ed, sizeof(ed) - 1, &err), ERR_NONE);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("# no end of line", f);
	fclose(f);
	assert_int_equal(known_hosts_append(path, "nos", ec, sizeof(ec) - 1, &err), ERR_NONE);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	assert_string_equal(text, "[nas]:22 ssh-ed25519 " ED "\n# no end of line\n"
				  "nos ecdsa-sha2-nistp256 " EC "\n");
	assert_int_equal(JUDGE(text, "nos", ec), HOST_KEY_KNOWN);
	assert_int_equal(known_hosts_append(path, "x", "\0\0\0\377ab", 6, &err), ERR_CORRUPT);
	assert_int_equal(known_hosts_append("/dev/full", "x", ed, sizeof(ed) - 1, &err), ERR_FULL);
	temp_folder_remove(folder);
}

/* ---- packets ---- */

/* From its type on. Good until the next one. */
static struct sftp_packet packet_of(const void *bytes, size_t len_bytes)
{
	static uint8_t whole[300];
	struct sftp_packet p;
	struct error err;
	size_t used_bytes;

	assert_true(len_bytes < 256);
	whole[3] = (uint8_t)len_bytes;
	memcpy(whole + 4, bytes, len_bytes);
	assert_int_equal(sftp_packet_take(whole, len_bytes + 4, &p, &used_bytes, &err), ERR_NONE);
	assert_int_equal(used_bytes, len_bytes + 4);
	return p;
}

#define PACKET(bytes) packet_of(bytes, sizeof(bytes) - 1)

static void a_packet_is_taken_when_all_of_it_is_there(void **state)
{
	static const char bytes[] = "\0\0\0\011\145\0\0\0\007\0\0\0\004next";
	struct sftp_packet p;
	struct error err;
	size_t used_bytes;

	(void)state;
	for (size_t len = 0; len < 13; len++) {
		assert_int_equal(sftp_packet_take((const uint8_t *)bytes, len, &p, &used_bytes, &err),
				 ERR_NONE);
		assert_int_equal(used_bytes, 0);
	}
	assert_int_equal(sftp_packet_take((const uint8_t *)bytes, 17, &p, &used_bytes, &err), ERR_NONE);
	assert_int_equal(used_bytes, 13);
	assert_int_equal(p.type, SFTP_STATUS);
	assert_int_equal(p.id, 7);
}

static void a_packet_of_an_absurd_length_is_refused_before_it_comes(void **state)
{
	static const char *const heads[] = {"\377\377\377\377", "\0\020\0\001", "SSH-", "\0\0\0\0",
					    "\0\0\0\004"};
	struct sftp_packet p;
	struct error err;
	size_t used_bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		assert_int_equal(sftp_packet_take((const uint8_t *)heads[i], 4, &p, &used_bytes, &err),
				 ERR_CORRUPT);
}

static void lengths_inside_a_packet_are_believed_only_as_far_as_it_goes(void **state)
{
	struct sftp_packet p;
	struct sftp_handle handle;
	struct sftp_attrs attrs;
	struct sftp_names names;
	struct sftp_space space;
	const uint8_t *data;
	uint32_t status;
	char text[20], name[SFTP_NAME_BYTES_MAX];
	size_t len;

	(void)state;
	p = PACKET("\146\0\0\0\1\0\0\0\002a");
	assert_false(sftp_read_handle(&p, &handle));
	p = PACKET("\147\0\0\0\1\377\377\377\377ab");
	assert_false(sftp_read_data(&p, &data, &len));
	p = PACKET("\151\0\0\0\1\0\0\0\1\0\0\0\0\0");
	assert_false(sftp_read_attrs(&p, &attrs));
	p = PACKET("\151\0\0\0\1\200\0\0\0\377\377\377\377\0\0\0\0");
	assert_false(sftp_read_attrs(&p, &attrs));
	p = PACKET("\311\0\0\0\1\0\0\0\1");
	assert_false(sftp_read_space(&p, &space));
	p = PACKET("\145\0\0\0\1\0\0");
	assert_false(sftp_read_status(&p, &status, text, sizeof(text)));
	p = PACKET("\150\0\0\0\1\377\377\377\377\0\0\0\377");
	assert_true(sftp_names_begin(&p, &names));
	assert_false(sftp_names_next(&names, name, &attrs));
}

static void a_status_is_told_in_printable_words(void **state)
{
	struct sftp_packet p = PACKET("\145\0\0\0\1\0\0\0\4\0\0\0\7a\nb\033c\0d");
	uint32_t status;
	char text[20], cut[4];
	struct error err;

	(void)state;
	assert_true(sftp_read_status(&p, &status, text, sizeof(text)));
	assert_int_equal(status, SFTP_FAILURE);
	assert_string_equal(text, "a?b?c?d");
	assert_true(sftp_read_status(&p, &status, cut, sizeof(cut)));
	assert_string_equal(cut, "a?b");
	assert_int_equal(sftp_status_error(4, "write: No space left on device", "x", &err), ERR_FULL);
	assert_int_equal(sftp_status_error(4, "Disk quota exceeded", "x", &err), ERR_FULL);
	assert_int_equal(sftp_status_error(4, "Read-only file system", "x", &err), ERR_READONLY);
	assert_int_equal(sftp_status_error(4, "Failure", "x", &err), ERR_IO);
	assert_int_equal(sftp_status_error(2, "", "x", &err), ERR_NOT_FOUND);
	assert_int_equal(sftp_status_error(3, "", "x", &err), ERR_DENIED);
	assert_int_equal(sftp_status_error(7, "", "x", &err), ERR_TRANSIENT);
	assert_int_equal(sftp_status_error(8, "", "x", &err), ERR_UNSUPPORTED);
	assert_int_equal(sftp_status_error(14, "", "x", &err), ERR_FULL);
	assert_int_equal(sftp_status_error(77, "", "x", &err), ERR_IO);
}

static void a_server_says_what_it_can(void **state)
{
	struct sftp_packet p = PACKET("\002\0\0\0\003\0\0\0\021fsync@openssh.com\0\0\0\0011"
				      "\0\0\0\021other@example.com\0\0\0\0");
	enum sftp_extensions has;
	uint32_t version;

	(void)state;
	assert_true(sftp_read_version(&p, &version, &has));
	assert_int_equal(version, 3);
	assert_int_equal(has, SFTP_HAS_FSYNC);
}

static void a_page_of_names_is_read_to_its_end(void **state)
{
	static const char bytes[] = "\150\0\0\0\1\0\0\0\2"
				    "\0\0\0\3abc\0\0\0\2ls\0\0\0\5\0\0\0\0\0\0\1\0\0\0\201\244"
				    "\0\0\0\4a\0bc\0\0\0\0\0\0\0\4\0\0\100\0\0\0\0\0\0\0\0\0\0";
	struct sftp_packet p = PACKET(bytes);
	char name[SFTP_NAME_BYTES_MAX];
	struct sftp_attrs attrs;
	struct sftp_names names;

	(void)state;
	assert_true(sftp_names_begin(&p, &names));
	assert_true(sftp_names_next(&names, name, &attrs));
	assert_string_equal(name, "abc");
	assert_true(attrs.has_size);
	assert_int_equal(attrs.size_bytes, 256);
	assert_true(S_ISREG(attrs.mode));
	assert_true(sftp_names_next(&names, name, &attrs));
	assert_string_equal(name, "");
	assert_false(attrs.has_size);
	assert_true(S_ISDIR(attrs.mode));
	assert_false(sftp_names_next(&names, name, &attrs));
	assert_int_equal(names.left, 0);
}

static void requests_have_their_lengths(void **state)
{
	static const char want[] = "\0\0\0\030\003\0\0\0\005\0\0\0\003a/b\0\0\0\032\0\0\0\004\0\0\001\200"
				   "\0\0\0\005\001\0\0\0\003";
	struct buf b = {0};
	size_t begun = sftp_begin(&b, SFTP_OPEN, 5);

	(void)state;
	sftp_add_text(&b, "a/b");
	sftp_add_u32(&b, 26);
	sftp_add_mode(&b, 0600);
	sftp_end(&b, begun);
	sftp_end(&b, sftp_begin(&b, SFTP_INIT, 3));
	assert_int_equal(b.len_bytes, sizeof(want) - 1);
	assert_memory_equal(b.data, want, sizeof(want) - 1);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ssh_says_of_a_host_is_taken_over),
		cmocka_unit_test(what_the_drive_itself_says_comes_before_what_ssh_does),
		cmocka_unit_test(without_ssh_the_usual_is_taken),
		cmocka_unit_test(a_host_key_alias_is_looked_up_as_it_is),
		cmocka_unit_test(lines_of_any_form_do_no_harm),
		cmocka_unit_test(a_jump_goes_through_ssh_to_the_last_host_before_ours),
		cmocka_unit_test(a_proxy_command_is_told_host_port_and_user),
		cmocka_unit_test(a_name_that_a_shell_would_read_gets_into_no_proxy_command),
		cmocka_unit_test(the_path_of_a_url_is_absolute_or_in_the_home),
		cmocka_unit_test(a_url_that_leads_nowhere_is_refused),
		cmocka_unit_test(a_key_is_known_changed_or_unknown),
		cmocka_unit_test(a_later_line_of_the_host_may_have_the_key),
		cmocka_unit_test(patterns_fit_and_exclude),
		cmocka_unit_test(a_revoked_key_is_refused_whatever_else_is_said_of_it),
		cmocka_unit_test(lines_that_are_none_are_passed_over),
		cmocka_unit_test(names_that_ssh_keygen_hashed_are_found),
		cmocka_unit_test(the_types_that_are_known_are_asked_for_first),
		cmocka_unit_test(a_key_that_was_accepted_is_known_from_then_on),
		cmocka_unit_test(a_packet_is_taken_when_all_of_it_is_there),
		cmocka_unit_test(a_packet_of_an_absurd_length_is_refused_before_it_comes),
		cmocka_unit_test(lengths_inside_a_packet_are_believed_only_as_far_as_it_goes),
		cmocka_unit_test(a_status_is_told_in_printable_words),
		cmocka_unit_test(a_server_says_what_it_can),
		cmocka_unit_test(a_page_of_names_is_read_to_its_end),
		cmocka_unit_test(requests_have_their_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
