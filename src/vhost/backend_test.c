/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend.h"

#include "base/check.h"
#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30 (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTO 0x2bu

struct bed {
	struct fake_device device;
	struct fake_front front;
	int kick, call;
};

static void bed_open(struct bed *bed)
{
	fake_device_open(&bed->device, 8);
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	bed->kick = fake_eventfd();
	bed->call = fake_eventfd();
}

static void bed_close(struct bed *bed)
{
	close(bed->kick);
	close(bed->call);
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
}

static void qemu_starts_ring(struct bed *bed, uint32_t idx, uint16_t base)
{
	fake_state(&bed->front, VHOST_USER_SET_VRING_NUM, idx, FAKE_RING_SIZE);
	fake_state(&bed->front, VHOST_USER_SET_VRING_BASE, idx, base);
	fake_ring_addr(&bed->front, idx, 0);
	fake_ring_fd(&bed->front, VHOST_USER_SET_VRING_KICK, idx, bed->kick);
	fake_ring_fd(&bed->front, VHOST_USER_SET_VRING_CALL, idx, bed->call);
}

/* As recorded from QEMU 7.2 with two queue pairs, of which the guest uses one. */
static void qemu_comes(struct bed *bed, uint16_t base)
{
	struct fake_front *f = &bed->front;

	assert_true(fake_get_u64(f, VHOST_USER_GET_FEATURES) & BIT30);
	assert_int_equal(fake_get_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES) & PROTO, PROTO);
	fake_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTO);
	assert_int_equal(fake_get_u64(f, VHOST_USER_GET_QUEUE_NUM), 4);
	fake_plain(f, VHOST_USER_SET_OWNER, NULL, 0);
	fake_get_u64(f, VHOST_USER_GET_FEATURES);
	for (uint32_t i = 0; i < 4; i++) {
		fake_ring_fd(f, VHOST_USER_SET_VRING_CALL, i, bed->call);
		fake_ring_fd(f, VHOST_USER_SET_VRING_ERR, i, bed->call);
	}
	for (uint32_t i = 0; i < 4; i++)
		fake_state(f, VHOST_USER_SET_VRING_ENABLE, i, i < 2);
	fake_u64(f, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	fake_mem_table(f);
	qemu_starts_ring(bed, 0, base);
	qemu_starts_ring(bed, 1, base);
	fake_u64(f, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	qemu_starts_ring(bed, 2, 0);
	qemu_starts_ring(bed, 3, 0);
}

TEST(qemu_is_served_in_its_order)
{
	struct bed bed;

	bed_open(&bed);
	qemu_comes(&bed, 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_non_null(bed.device.rings[i]);
		assert_int_equal(bed.device.rings[i]->enabled, i < 2);
	}
	assert_int_equal(bed.device.features, FAKE_FEATURES);
	assert_int_equal(bed.device.features_set, 1);
	/* and it stops as it does before a migration or a reset */
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(fake_get_base(&bed.front, i), 0);
		assert_null(bed.device.rings[i]);
	}
	bed_close(&bed);
}

TEST(uml_is_served_in_its_order)
{
	struct vhost_user_mem mem = {.n = 1,
		.regions = {
			{.gpa = FAKE_GPA, .size = FAKE_MEM_LEN, .uaddr = FAKE_UADDR, .offset = FAKE_OFFSET},
			{.gpa = UINT64_MAX, .size = UINT64_MAX}}};
	struct fake_front *f;
	struct bed bed;

	bed_open(&bed);
	f = &bed.front;
	fake_plain(f, VHOST_USER_SET_OWNER, NULL, 0);
	assert_true(fake_get_u64(f, VHOST_USER_GET_FEATURES) & BIT30);
	fake_get_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES);
	fake_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, 1u << VHOST_USER_PROTOCOL_F_REPLY_ACK);
	fake_u64(f, VHOST_USER_SET_FEATURES, FAKE_FEATURES);
	/* room for two regions, one in use, and its acknowledgement is waited for */
	assert_int_equal(fake_acked(f, VHOST_USER_SET_MEM_TABLE, &mem, 72, &f->memfd, 1), 0);
	for (uint32_t i = 0; i < 2; i++) {
		fake_state(f, VHOST_USER_SET_VRING_NUM, i, FAKE_RING_SIZE);
		fake_state(f, VHOST_USER_SET_VRING_BASE, i, 0);
		fake_ring_addr(f, i, 0);
		fake_ring_fd(f, VHOST_USER_SET_VRING_CALL, i, bed.call);
		fake_ring_fd(f, VHOST_USER_SET_VRING_KICK, i, bed.kick);
		assert_non_null(bed.device.rings[i]);
		assert_true(bed.device.rings[i]->enabled);
	}
	bed_close(&bed);
}

TEST(virtio_user_is_served_in_its_order)
{
	struct fake_front *f;
	struct bed bed;

	bed_open(&bed);
	f = &bed.front;
	fake_plain(f, VHOST_USER_SET_OWNER, NULL, 0);
	fake_get_u64(f, VHOST_USER_GET_FEATURES);
	fake_get_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES);
	fake_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, 0x9);
	for (uint32_t i = 0; i < 2; i++)
		fake_ring_fd(f, VHOST_USER_SET_VRING_CALL, i, bed.call);
	fake_u64(f, VHOST_USER_SET_FEATURES, FAKE_FEATURES | BIT30);
	fake_mem_table(f);
	for (uint32_t i = 0; i < 2; i++) {
		fake_state(f, VHOST_USER_SET_VRING_NUM, i, FAKE_RING_SIZE);
		fake_state(f, VHOST_USER_SET_VRING_BASE, i, 0);
		fake_ring_addr(f, i, 0);
		fake_ring_fd(f, VHOST_USER_SET_VRING_KICK, i, bed.kick);
		assert_false(bed.device.rings[i]->enabled);
	}
	for (uint32_t i = 0; i < 2; i++)
		fake_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1);
	assert_true(bed.device.rings[0]->enabled && bed.device.rings[1]->enabled);
	bed_close(&bed);
}

TEST(a_front_end_of_old_that_knows_no_protocol_features_is_served)
{
	struct bed bed;

	bed_open(&bed);
	fake_negotiate(&bed.front, 1ull << 15, 0);
	fake_ring_start(&bed.front, 0, 0, bed.kick);
	assert_true(bed.device.rings[0]->enabled);
	assert_false(bed.device.rings[0]->vq.event_idx);
	bed_close(&bed);
}

TEST(the_next_front_end_starts_from_nothing)
{
	struct vhost_backend_status status;
	struct bed bed;

	bed_open(&bed);
	qemu_comes(&bed, 0);
	fake_front_hang_up(&bed.front);
	assert_false(bed.device.connected);
	for (uint32_t i = 0; i < 8; i++)
		assert_null(bed.device.rings[i]);
	status = fake_device_status(&bed.device);
	assert_null(status.mem);
	assert_int_equal(status.features, 0);
	assert_int_equal(status.protocol_features, 0);
	assert_int_equal(status.error, -ECONNRESET);
	assert_int_equal(status.protocol_errors, 0);
	fake_front_reopen(&bed.front, bed.device.path);
	assert_true(bed.device.connected);
	assert_int_equal(fake_device_status(&bed.device).error, 0);
	fake_negotiate(&bed.front, FAKE_FEATURES | BIT30, 0);
	fake_ring_start(&bed.front, 0, 0, -1);
	assert_false(bed.device.rings[0]->enabled);
	bed_close(&bed);
}

TEST(a_front_end_that_comes_back_finds_its_rings_where_they_were)
{
	struct bed bed;

	bed_open(&bed);
	qemu_comes(&bed, 0);
	for (uint16_t life = 0; life < 20; life++) {
		for (int i = 0; i < 5; i++)
			fake_offer(&bed.front, 0, 64);
		fake_device_fill(&bed.device, 0, 5, 64);
		fake_front_hang_up(&bed.front);
		fake_front_reopen(&bed.front, bed.device.path);
		/* QEMU takes the used index for its base when it could not ask */
		qemu_comes(&bed, fake_used(&bed.front, 0)->idx);
		assert_int_equal(bed.device.rings[0]->vq.next_avail, 5 * (life + 1));
	}
	assert_int_equal(fake_device_status(&bed.device).connections, 21);
	bed_close(&bed);
}

TEST(a_second_front_end_waits_and_is_served_when_the_first_has_left)
{
	struct fake_front second;
	struct bed bed;

	bed_open(&bed);
	fake_front_open(&second, bed.device.loop, bed.device.path);
	assert_true(fake_alive(&bed.front));
	assert_false(fake_closed(&second));
	assert_int_equal(fake_device_status(&bed.device).connections, 1);
	fake_front_hang_up(&bed.front);
	assert_true(fake_alive(&second));
	assert_int_equal(fake_device_status(&bed.device).connections, 2);
	fake_front_close(&second);
	bed_close(&bed);
}

TEST(a_client_serves_the_front_end_that_listens)
{
	struct fake_device device;
	struct fake_front front;
	int listener, fd;

	fake_device_open_client(&device, 4);
	fake_turns(device.loop);
	assert_int_equal(fake_device_status(&device).error, -ENOENT);
	assert_false(fake_device_status(&device).connected);
	listener = unix_listen(device.path, 0600, 4);
	for (int life = 0; life < 2; life++) {
		/* it tries again by itself, within a second */
		while (!device.connected)
			assert_int_equal(loop_turn(device.loop, 1000000000), 0);
		fd = unix_accept(listener);
		assert_true(fd >= 0);
		fake_front_attach(&front, device.loop, fd);
		fake_negotiate(&front, FAKE_FEATURES | BIT30, PROTO);
		fake_ring_start(&front, 0, 0, -1);
		assert_non_null(device.rings[0]);
		fake_front_close(&front);
		assert_false(device.connected);
	}
	close(listener);
	fake_device_close(&device);
}

TEST(destroying_ends_the_connection)
{
	uint32_t fds = fake_open_fds(), maps = fake_mappings();
	struct bed bed;

	bed_open(&bed);
	qemu_comes(&bed, 0);
	fake_device_close(&bed.device);
	close(bed.front.fd);
	bed.front.fd = -1;
	fake_front_close(&bed.front);
	close(bed.kick);
	close(bed.call);
	assert_int_equal(fake_open_fds(), fds);
	assert_int_equal(fake_mappings(), maps);
}

TEST(status_tells_what_is_there)
{
	struct vhost_backend_status status;
	struct bed bed;

	bed_open(&bed);
	qemu_comes(&bed, 0);
	status = fake_device_status(&bed.device);
	assert_string_equal(status.path, bed.device.path);
	assert_true(status.server && status.connected && !status.logging);
	assert_int_equal(status.features, FAKE_FEATURES | BIT30);
	assert_int_equal(status.features_offered, FAKE_OFFERED | BIT30 | 1ull << VHOST_F_LOG_ALL);
	assert_int_equal(status.protocol_features, PROTO);
	assert_int_equal(status.mem->n, 1);
	assert_int_equal(status.n_rings, 8);
	assert_true(status.messages > 30);
	assert_string_equal(status.why, "");
	assert_string_equal(
		vhost_protocol_feature_name(VHOST_USER_PROTOCOL_F_MQ), "VHOST_USER_PROTOCOL_F_MQ");
	assert_null(vhost_protocol_feature_name(VHOST_USER_PROTOCOL_F_COUNT));
	assert_null(vhost_protocol_feature_name(64));
	bed_close(&bed);
}

TEST(a_connection_that_was_given_is_served_until_it_ends)
{
	struct fake_device device;
	struct fake_front front;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fake_device_open_with(&device, 4, &(struct vhost_backend_config){.fd = pair[0]});
	fake_front_attach(&front, device.loop, pair[1]);
	fake_negotiate(&front, FAKE_FEATURES | BIT30, PROTO);
	fake_ring_start(&front, 0, 0, -1);
	assert_non_null(device.rings[0]);
	assert_false(fake_device_status(&device).over);
	fake_front_close(&front);
	assert_int_equal(device.over, 1);
	assert_true(fake_device_status(&device).over);
	fake_turns(device.loop);
	assert_int_equal(device.over, 1);
	fake_device_close(&device);
}

TESTS(cmocka_unit_test(a_connection_that_was_given_is_served_until_it_ends),
	cmocka_unit_test(qemu_is_served_in_its_order), cmocka_unit_test(uml_is_served_in_its_order),
	cmocka_unit_test(virtio_user_is_served_in_its_order),
	cmocka_unit_test(a_front_end_of_old_that_knows_no_protocol_features_is_served),
	cmocka_unit_test(the_next_front_end_starts_from_nothing),
	cmocka_unit_test(a_front_end_that_comes_back_finds_its_rings_where_they_were),
	cmocka_unit_test(a_second_front_end_waits_and_is_served_when_the_first_has_left),
	cmocka_unit_test(a_client_serves_the_front_end_that_listens),
	cmocka_unit_test(destroying_ends_the_connection), cmocka_unit_test(status_tells_what_is_there))
