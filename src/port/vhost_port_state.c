/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost_port.h"

#include <errno.h>

json_t *vhost_port_save(struct port *port, struct parcel *parcel)
{
	struct vhost_port *vp = CONTAINER_OF(port, struct vhost_port, port);
	json_t *backend =
		vhost_backend_save(vp->backend, parcel); /* first: from here on no worker writes vp->ctrl */

	return json_pack("{s:I, s:b, s:I, s:I, s:o, s:o}", "feature-mask", (json_int_t)vp->feature_mask,
		"in-band", (int)vp->in_band, "peer-mtu", (json_int_t)vp->peer_mtu, "announce",
		(json_int_t)vp->announce, "control", vnet_ctrl_save(&vp->ctrl), "backend", backend);
}

void vhost_port_resume(struct port *port)
{
	vhost_backend_resume(CONTAINER_OF(port, struct vhost_port, port)->backend);
}

/* After the rings: a reset of the driver came before them. No worker receives yet. */
static void driver_restore(struct vhost_port *vp, const json_t *state)
{
	vnet_ctrl_restore(&vp->ctrl, json_object_get(state, "control"));
	vhost_ctrl_apply(vp);
	vp->announce = parcel_u64(state, "announce", 0);
	vp->peer_mtu = (uint32_t)parcel_u64(state, "peer-mtu", UINT32_MAX);
}

int vhost_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	struct vhost_port *vp = vhost_port_alloc(parcel_u64(state, "feature-mask", UINT64_MAX));
	struct vhost_backend_config config;
	int err;

	if (!vp)
		return -ENOMEM;
	vp->in_band = parcel_bool(state, "in-band", false);
	err = port_add_restored(ports, &vp->port, state);
	if (err) {
		vp->port.ops->destroy(&vp->port);
		return err;
	}
	config = vhost_port_backend(vp);
	err = vhost_backend_restore(
		&vp->backend, ports->config.loop, &config, json_object_get(state, "backend"), parcel);
	if (err) {
		port_remove(&vp->port);
		return err;
	}
	if (vp->port.ops->connected(&vp->port))
		driver_restore(vp, state);
	*out = &vp->port;
	return 0;
}
