/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port - what stands behind an interface: how frames come in and go out. One file per kind.
 *
 * A port has receive queues, each polled by one worker, and sends whatever a worker hands it. Workers reach a port
 * only through its operations and only between rcu_quiet() points, so control may take anything away from them with
 * rcu_publish() and rcu_wait().
 *
 *	rx()   takes frames into the turn; their bodies stay where they are
 *	tx()   copies frames out, drops what cannot leave, and counts both
 *	rx_done()   end of the turn: the senders get their buffers back
 */
#ifndef GINNEL_PORT_PORT_H
#define GINNEL_PORT_PORT_H

#include "base/random.h"
#include "os/loop.h"
#include "os/parcel.h"
#include "os/waker.h"
#include "pkt/iface.h"
#include "pkt/netem.h"
#include "pkt/turn.h"

#include <stdbool.h>
#include <stdint.h>

#define PORT_MAX_RX_QUEUES 8
#define PORT_ANY_WORKER    UINT32_MAX

struct port;

/* Of struct wire_wait: which of the other end's queues; nobody is there to receive. */
#define WIRE_NO_QUEUE UINT32_MAX

/*
 * What the start of a lossless wire remembers of the frame that is first in one of its receive queues. Written by the
 * worker that polls the queue.
 */
struct wire_wait {
	struct port *to; /* whoever had no room; to be compared only, it may be gone */
	bool waits;      /* the frame stays where it is until there is more room, or somebody */
	bool last; /* it has waited for long: a receiver that sleeps, and has all that there was, will not give more */
	uint32_t queue;    /* of the other end, or WIRE_NO_QUEUE */
	uint16_t place;    /* in that queue, */
	uint32_t buffers;  /* and what was there and did not do */
	uint32_t segments; /* of a frame that stands for several: so many have been sent, */
	uint64_t frame;    /* and which it is: its queue may begin anew meanwhile */
	uint64_t until_ns; /* then it is tried again, whatever has come; UINT64_MAX: never */
};

/*
 * What it takes to be an end of a lossless wire (worker/wire.h), for a port whose receive queues keep frames until they
 * are taken, and whose peer says when there is room.
 */
struct port_wire_ops {
	/*
	 * After an rx() with turn->hold: the turn's first n packets are done with, the buffers of the others are given
	 * back to the queue as if never taken.
	 */
	void (*rx_settle)(struct port *port, uint32_t queue, struct turn *turn, uint32_t n);
	/* rx_arm() without the frames: what else goes along with the queue. */
	bool (*rx_arm_besides)(struct port *port, uint32_t queue);
	/*
	 * As tx(), but ends before a packet for which there is no room now. Returns how many are done, sent or dropped
	 * for ever; if that is less than n, *wait says what the next one waits for. A frame that can never have enough
	 * room goes in segments if it stands for several, and is dropped by its reason otherwise.
	 */
	uint32_t (*tx)(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n,
		struct wire_wait *wait);
	/* Nothing has come that wait would be about. */
	bool (*tx_short)(struct port *port, const struct wire_wait *wait);
	/* Asks to be woken when there is more room. True: there is, or nobody would wake us: do not sleep. */
	bool (*tx_arm)(struct port *port, const struct wire_wait *wait, uint32_t worker);
	/* This worker waits no longer. */
	void (*tx_disarm)(struct port *port, const struct wire_wait *wait, uint32_t worker);
	/* Control: what says that there is room wakes all workers, from now on or no longer. */
	void (*tx_watch)(struct port *port, bool watch);
};

struct port_ops {
	/* Takes up to max frames of a queue into the turn. Returns how many buffers were taken, dropped ones too. */
	uint32_t (*rx)(struct port *port, uint32_t queue, struct turn *turn, uint32_t max);
	/* After the last stage of a turn in which rx() took something. */
	void (*rx_done)(struct port *port, uint32_t queue);
	/* Asks to be woken for new frames. True: do not sleep, there is something already, or nobody would wake us. */
	bool (*rx_arm)(struct port *port, uint32_t queue);
	void (*rx_disarm)(struct port *port, uint32_t queue);
	/*
	 * Control: the queue's worker is about to change (false), or has (true): what wakes it goes along. May be NULL: then
	 * nothing but waker_wake() does.
	 */
	void (*rx_watch)(struct port *port, uint32_t queue, bool watch);
	/* Sends n packets, which are only borrowed and may be on their way through other ports too. */
	void (*tx)(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);
	/* Control, about once a second: look after the peer. */
	void (*tick)(struct port *port);
	/* Control: its peer is there. */
	bool (*connected)(const struct port *port);
	/* Control: a guarded mapping was lost (os/guard.h). */
	void (*check_memory)(struct port *port);
	/*
	 * Control, while no worker receives: stops, and says what a successor process needs to go on, which is its
	 * kind's restore function's business (port_state.c). NULL: its room saves and restores it. Then either this process ends, or resume() is called.
	 */
	json_t *(*save)(struct port *port, struct parcel *parcel);
	void (*resume)(struct port *port);
	/* Control: ends what the port has with its peer; workers may still look at the port itself. */
	void (*close)(struct port *port);
	/* Control: closed, polled by no worker, listed in no table. Frees it. */
	void (*destroy)(struct port *port);
	const struct port_wire_ops *wire; /* NULL: cannot be an end of a lossless wire */
};

struct port {
	struct iface iface; /* struct iface is embedded: port_of() */
	const struct port_ops *ops;
	struct ports *ports;
	struct list link;
	/* Where each receive queue is polled; NULL: nowhere. Control. */
	struct waker *rx_waker[PORT_MAX_RX_QUEUES];
	uint32_t rx_worker[PORT_MAX_RX_QUEUES];
	/* And where the user wants it, for as long as the port lives; PORT_ANY_WORKER: anywhere. */
	uint32_t rx_wanted[PORT_MAX_RX_QUEUES];
	struct wire_wait rx_wait[PORT_MAX_RX_QUEUES]; /* lossless wires that begin here */
	struct netem *netem
		[PORT_MAX_RX_QUEUES]; /* makes such a wire worse; rcu_publish(); NULL: nobody wants that */
	bool tx_watched;              /* and whether any ends here */
};

static inline struct port *port_of(struct iface *iface)
{
	return CONTAINER_OF(iface, struct port, iface);
}

/* Who polls: implemented by worker/, which ports may not see. Control thread. */
struct port_placer {
	/* Lets a worker poll the queue, rx_wanted if there is one; sets rx_waker and rx_worker. 0 or -errno. */
	int (*start)(void *subject, struct port *port, uint32_t queue);
	/* Returns when the worker has let go of the queue. Does nothing if nobody polls it. */
	void (*stop)(void *subject, struct port *port, uint32_t queue);
	/* Any thread: all workers look again at what they wait for. */
	void (*wake)(void *subject);
	/* A peer's notification wakes all workers, from now on or no longer. 0 or -errno. */
	int (*watch)(void *subject, int fd, bool watch);
};

/* What ports stand on; all of it must outlive them. */
struct ports_config {
	struct loop *loop;
	struct iface_table *ifaces;
	const struct port_placer *placer;
	void *placer_subject;
	uint32_t n_workers;
	uint64_t seed; /* for addresses we make up */
};

/* All ports of the process. */
struct ports {
	struct ports_config config;
	struct random random;
	struct list list;
	struct loop_timer tick;
};

/* The struct is the caller's. */
void ports_init(struct ports *ports, const struct ports_config *config);
/* Removes every port. */
void ports_fini(struct ports *ports);

/* Names a port prefixN: N is the lowest free one, or the wanted one if that is not negative. */
void port_pick_name(struct ports *ports, struct port *port, const char *prefix, int32_t wanted);
/* Gives it an address; NULL: one is made up, locally administered, as VPP makes them: 02:fe:xx:xx:xx:xx. */
void port_pick_mac(struct ports *ports, struct port *port, const uint8_t mac[6]);

/* Lists a port whose iface has name, mac and kind set. 0 or -errno; on error the port is still the caller's. */
int port_add(struct ports *ports, struct port *port);
/* The same for one that was saved; of its interface only the kind is set. */
int port_add_restored(struct ports *ports, struct port *port, const json_t *state);
/* Closes it, stops its queues, takes its interface away and destroys it. */
void port_remove(struct port *port);

/* What rx_watch() mostly is: the queue's worker is woken by fd, or no longer. Edge-triggered; nothing is read. */
void port_watch_fd(struct port *port, uint32_t queue, int fd, bool on);

int port_rx_start(struct port *port, uint32_t queue);
void port_rx_stop(struct port *port, uint32_t queue);
/* From now on worker polls the queue, when it is polled at all. 0 or -errno: it stays where it was. */
int port_rx_place(struct port *port, uint32_t queue, uint32_t worker);

/* Any thread: something changed that a lossless wire may wait for. */
static inline void ports_wake(const struct ports *ports)
{
	ports->config.placer->wake(ports->config.placer_subject);
}

/* NULL if iface idx is no port (local0), or none. */
struct port *ports_get(const struct ports *ports, uint32_t idx);

/* SIGBUS replaced a mapping: each port looks whether it was its own. */
void ports_check_memory(struct ports *ports);

/* All ports for a successor process; no worker receives. Then either this process ends, or it resumes. */
json_t *ports_save(struct ports *ports, struct parcel *parcel);
void ports_resume(struct ports *ports);

struct ports_restored {
	uint32_t ports;
	uint32_t peers;       /* connected, and notice nothing */
	uint32_t left_behind; /* were connected, and have to connect anew; logged by name */
};

/* 0 or -errno: one of them is not there. */
int ports_restore(
	struct ports *ports, const json_t *state, struct parcel *parcel, struct ports_restored *restored);

/* The stages of this room, subject unused. */
void eth_input(void *subject, struct turn *turn, const struct vec *vec);
void port_output(void *subject, struct turn *turn, const struct vec *vec);

extern const struct ctl_table interface_commands; /* subject: struct ports */
extern const struct ctl_table placement_commands; /* subject: struct ports */
extern const struct ctl_table netem_commands;     /* subject: struct ports */

/* For all receive queues of a port, each by itself; config NULL: none. Frames that are held are dropped. 0 or -ENOMEM. */
int port_set_netem(struct port *port, const struct netem_config *config);

/* Of wires that begin here, for a successor (wire_state.c). Nothing is stopped. */
json_t *port_wire_save(const struct port *port);
void port_wire_restore(struct port *port, const json_t *state);

#endif
