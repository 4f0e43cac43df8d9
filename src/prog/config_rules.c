/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/config_rules.h"

#define IFACE  "interfaces/$interface"
#define DOMAIN "bridges/$bd-id"

/* A kind of port: how it is made, the word for it in a file, the argument that may stand alone there, how it goes. */
#define PORT(create, word, alone, end)                                                                \
	{                                                                                             \
		.method = create, .kind = CONFIG_MAKE, .place = "interfaces/=/" word, .value = alone, \
		.undo = end                                                                           \
	}
#define PORT_END(end, arg)                                                     \
	{                                                                      \
		.method = end, .kind = CONFIG_END, .place = "interfaces/$" arg \
	}

/* Something of a bridge domain that is on or off. */
#define SWITCH(word)                                                                               \
	{                                                                                          \
		.method = "set.bridge-domain." word, .kind = CONFIG_SET, .place = DOMAIN "/" word, \
		.value = word, .off = "disable", .initial = "true"                                 \
	}

static const struct config_rule rules[] = {
	{.method = "create.bridge-domain",
		.kind = CONFIG_MAKE,
		.place = DOMAIN,
		.del = "del",
		.undo = "delete.bridge-domain"},
	{.method = "delete.bridge-domain", .kind = CONFIG_END, .place = DOMAIN},
	SWITCH("learn"),
	SWITCH("forward"),
	SWITCH("uu-flood"),
	SWITCH("flood"),
	{.method = "set.bridge-domain.mac-age",
		.kind = CONFIG_SET,
		.place = DOMAIN "/mac-age",
		.value = "mac-age",
		.initial = "5"},
	{.method = "set.bridge-domain.learn-limit",
		.kind = CONFIG_SET,
		.place = DOMAIN "/learn-limit",
		.value = "learn-limit",
		.initial = "16384"},

	PORT("create.vhost-user.socket", "vhost-user", "socket", "delete.vhost-user"),
	PORT_END("delete.vhost-user", "interface"),
	PORT_END("delete.vhost-user.sw_if_index", "sw_if_index"),
	PORT("create.virtio-user.socket", "virtio-user", "socket", "delete.virtio-user"),
	PORT_END("delete.virtio-user", "interface"),
	PORT_END("delete.virtio-user.sw_if_index", "sw_if_index"),
	PORT("create.tap", "tap", "host-if-name", "delete.tap"),
	PORT("create.tap.fd", "tap-fd", "fd", "delete.tap"),
	PORT_END("delete.tap", "interface"),
	PORT("create.host-interface.name", "host-interface", "name", "delete.host-interface"),
	PORT("create.host-interface.fd", "host-interface-fd", "fd", "delete.host-interface"),
	PORT_END("delete.host-interface", "interface"),
	PORT("create.dgram.socket", "dgram", "local", "delete.dgram"),
	PORT_END("delete.dgram", "interface"),
	PORT("create.stream.socket", "stream", "socket", "delete.stream"),
	PORT_END("delete.stream", "interface"),
	PORT("create.passt.socket", "passt", "socket", "delete.passt"),
	PORT("create.passt.spawn", "passt-spawn", NULL, "delete.passt"),
	PORT_END("delete.passt", "interface"),
	{.method = "set.interface.name", .kind = CONFIG_RENAME, .place = IFACE, .value = "name"},

	{.method = "set.interface.mtu",
		.kind = CONFIG_SET,
		.place = IFACE "/mtu",
		.value = "mtu",
		.ignore = "packet",
		.initial = "9000"},
	{.method = "set.interface.rx-placement",
		.kind = CONFIG_SET,
		.place = IFACE "/rx-placement/$queue=0",
		.value = "worker",
		.undo = "set.interface.rx-placement"},
	{.method = "set.interface.l2.bridge",
		.kind = CONFIG_SET,
		.place = IFACE "/bridge",
		.value = "bd-id",
		.undo = "set.interface.l3"},
	{.method = "set.interface.l2.bridge", .kind = CONFIG_MAKE, .place = DOMAIN, .implied = true},
	{.method = "set.interface.l2.bridge", .kind = CONFIG_CLEAR, .place = IFACE "/xconnect"},
	{.method = "set.interface.l2.xconnect",
		.kind = CONFIG_SET,
		.place = IFACE "/xconnect",
		.value = "to",
		.names = "to",
		.names_in = "interfaces",
		.undo = "set.interface.l3"},
	{.method = "set.interface.l2.xconnect", .kind = CONFIG_CLEAR, .place = IFACE "/bridge"},
	{.method = "set.interface.l3", .kind = CONFIG_CLEAR, .place = IFACE "/bridge"},
	{.method = "set.interface.l3", .kind = CONFIG_CLEAR, .place = IFACE "/xconnect"},
	{.method = "l2fib.add",
		.kind = CONFIG_ADD,
		.place = "addresses",
		.only = "static filter",
		.names = "interface",
		.names_in = "interfaces",
		.undo = "l2fib.del",
		.undo_args = "mac bd-id"},
	{.method = "l2fib.del", .kind = CONFIG_TAKE, .place = "addresses"},
	{.method = "clear.l2fib", .kind = CONFIG_CLEAR, .place = "addresses"},

	{.method = "set.interface.state",
		.kind = CONFIG_SET,
		.place = IFACE "/state",
		.value = "state",
		.initial = "\"down\"",
		.presumed = "\"up\""},
	{0},
};

const struct config_rules config_rules = {rules};
