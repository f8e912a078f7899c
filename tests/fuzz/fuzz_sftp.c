/*
 * What the SFTP driver parses: a server's packets; and, the user's own but of any form, known_hosts
 * and what `ssh -G` prints.
 */
#include "drivers/sftp_config.h"
#include "drivers/sftp_known.h"
#include "drivers/sftp_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void try_packet(const struct sftp_packet *p)
{
	char name[SFTP_NAME_BYTES_MAX], text[40];
	enum sftp_extensions extensions;
	struct sftp_handle handle;
	struct sftp_attrs attrs;
	struct sftp_names names;
	struct sftp_space space;
	const uint8_t *bytes;
	uint32_t number;
	size_t len;

	if (sftp_read_status(p, &number, text, sizeof(text)))
		must_be(strlen(text) < sizeof(text));
	if (sftp_read_handle(p, &handle))
		must_be(handle.len_bytes <= SFTP_HANDLE_BYTES_MAX);
	if (sftp_read_data(p, &bytes, &len))
		must_be(bytes >= p->rest && len <= p->rest_bytes);
	if (sftp_read_space(p, &space))
		must_be(space.free_bytes <= space.total_bytes);
	sftp_read_attrs(p, &attrs);
	sftp_read_version(p, &number, &extensions);
	if (sftp_names_begin(p, &names))
		while (sftp_names_next(&names, name, &attrs))
			must_be(memchr(name, '\0', sizeof(name)) != NULL);
}

static void try_packets(const uint8_t *data, size_t size)
{
	struct sftp_packet p;
	struct error err;
	size_t used = 0;

	do {
		data += used;
		size -= used;
		if (sftp_packet_take(data, size, &p, &used, &err) != ERR_NONE)
			return;
		must_be(used <= size);
		if (used > 0)
			try_packet(&p);
	} while (used > 0);
}

static void try_known_hosts(const uint8_t *data, size_t size)
{
	static const char key[] = "\0\0\0\013ssh-ed25519\0\0\0\004abcd";
	struct buf text = {.data = (uint8_t *)data, .len_bytes = size};
	char types[64];

	known_hosts_judge(&text, "nas", key, sizeof(key) - 1);
	known_hosts_judge(&text, "[nas]:2222", key, sizeof(key) - 1);
	known_hosts_types(&text, "nas", types, sizeof(types));
	must_be(memchr(types, '\0', sizeof(types)) != NULL);
}

static void try_config(const uint8_t *data, size_t size)
{
	struct sftp_config c = {.port = 0};
	char *text = malloc(size + 1), **argv;
	struct error err;

	must_be(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	c.host = strdup("nas");
	must_be(c.host != NULL);
	if (sftp_config_take(&c, text, "/home/me", &err) == ERR_NONE &&
	    sftp_config_complete(&c, "/home/me", &err) == ERR_NONE) {
		must_be(c.key_name && c.user && c.known_hosts.count > 0);
		sftp_config_proxy(&c, &argv, &err);
		for (unsigned i = 0; argv && argv[i]; i++)
			free(argv[i]);
		free(argv);
	}
	sftp_config_release(&c);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'k':
		try_known_hosts(data + 1, size - 1);
		break;
	case 'c':
		try_config(data + 1, size - 1);
		break;
	default:
		try_packets(data + 1, size - 1);
	}
	return 0;
}
