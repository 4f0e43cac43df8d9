/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list - a circular doubly linked list whose links live inside the elements.
 *
 * The head is a link too; an empty list points at itself. An element is in at most one list per link.
 */
#ifndef GINNEL_BASE_LIST_H
#define GINNEL_BASE_LIST_H

#include "base/check.h"

#include <stdbool.h>

struct list {
	struct list *prev, *next;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->prev = l;
	l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts item right before pos: before the head means at the end. */
static inline void list_add_before(struct list *pos, struct list *item)
{
	item->prev = pos->prev;
	item->next = pos;
	pos->prev->next = item;
	pos->prev = item;
}

static inline void list_add_tail(struct list *head, struct list *item)
{
	list_add_before(head, item);
}

/* Leaves item pointing at itself, so that a second removal is harmless. */
static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#define LIST_ENTRY(link, type, member) CONTAINER_OF(link, type, member)

#define list_for_each(pos, head, member)                                                             \
	for ((pos) = LIST_ENTRY((head)->next, __typeof__(*(pos)), member); &(pos)->member != (head); \
		(pos) = LIST_ENTRY((pos)->member.next, __typeof__(*(pos)), member))

/* The body may remove and free pos. */
#define list_for_each_safe(pos, tmp, head, member)                              \
	for ((pos) = LIST_ENTRY((head)->next, __typeof__(*(pos)), member),      \
	    (tmp) = LIST_ENTRY((pos)->member.next, __typeof__(*(pos)), member); \
		&(pos)->member != (head);                                       \
		(pos) = (tmp), (tmp) = LIST_ENTRY((tmp)->member.next, __typeof__(*(tmp)), member))

#endif
