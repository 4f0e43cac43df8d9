/* SPDX-License-Identifier: Apache-2.0 */
/* What to tell QEMU, libvirt or a User-Mode-Linux so that a guest comes to a vhost-user port: to be copied. */
#include "ctl/command.h"
#include "port/vhost_port.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The guest's own address: QEMU gives every guest the same one unless told. The port's last bytes, in QEMU's range. */
static void guest_mac(const struct vhost_port *vp, char out[18])
{
	const uint8_t *mac = vp->port.iface.mac;

	snprintf(out, 18, "52:54:00:%02x:%02x:%02x", mac[3], mac[4], mac[5]);
}

struct guest {
	char mac[18];
	const char *path;
	bool we_listen;
};

static bool guest_of(struct ctl_call *call, struct guest *guest)
{
	struct vhost_port *vp =
		vhost_port_of(ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0)));
	struct vhost_backend_status status;

	if (!vp) {
		ctl_fail(call,
			"guests attach to vhost-user interfaces, and this is none: see show vhost-user");
		return false;
	}
	vhost_backend_status(vp->backend, &status);
	if (!status.path) {
		ctl_fail(call, "this interface was given its socket: whoever gave it knows the other end");
		return false;
	}
	guest_mac(vp, guest->mac);
	guest->path = status.path;
	guest->we_listen = status.server;
	return true;
}

static int __attribute__((format(printf, 2, 3))) say(struct ctl_call *call, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		return ctl_fail(call, "out of memory");
	call->result = json_string(text);
	free(text);
	return 0;
}

static int run_qemu(struct ctl_call *call)
{
	struct guest g;

	if (!guest_of(call, &g))
		return -1;
	return say(call,
		"qemu-system-x86_64 -accel kvm -accel tcg -m 512M \\\n"
		"  -object memory-backend-memfd,id=mem,size=512M,share=on -machine q35,memory-backend=mem "
		"\\\n"
		"  -chardev socket,id=ginnel0,path=%s,%s -netdev vhost-user,id=ginnel0,chardev=ginnel0 \\\n"
		"  -device virtio-net-pci,netdev=ginnel0,mac=%s%s\n",
		g.path, g.we_listen ? "reconnect=1" : "server=on,wait=off", g.mac,
		access("/dev/kvm", R_OK | W_OK) == 0 ? "" : ",vectors=0");
}

static int run_libvirt(struct ctl_call *call)
{
	struct guest g;

	if (!guest_of(call, &g))
		return -1;
	return say(call,
		"<!-- in <domain> -->\n"
		"<memoryBacking>\n"
		"  <source type='memfd'/>\n"
		"  <access mode='shared'/>\n"
		"</memoryBacking>\n"
		"<!-- in <devices> -->\n"
		"<interface type='vhostuser'>\n"
		"  <mac address='%s'/>\n"
		"  <source type='unix' path='%s' mode='%s'>%s</source>\n"
		"  <model type='virtio'/>\n"
		"</interface>\n",
		g.mac, g.path, g.we_listen ? "client" : "server",
		g.we_listen ? "<reconnect enabled='yes' timeout='1'/>" : "");
}

static int run_uml(struct ctl_call *call)
{
	struct guest g;

	if (!guest_of(call, &g))
		return -1;
	if (!g.we_listen)
		return ctl_fail(call, "User-Mode-Linux connects to a socket: make the port with server");
	return say(call, "TMPDIR=/dev/shm linux.uml mem=512M virtio_uml.device=%s:1\n", g.path);
}

static const struct ctl_command commands[] = {
	{"print qemu <interface:interface>", "The options with which QEMU attaches a guest", run_qemu, NULL},
	{"print libvirt <interface:interface>", "The XML with which libvirt attaches a guest", run_libvirt,
		NULL},
	{"print uml <interface:interface>", "The command with which a User-Mode-Linux attaches itself",
		run_uml, NULL},
	{0},
};

const struct ctl_table print_commands = {commands};
