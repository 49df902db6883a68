/*
 * node_order.c - a sort by place (node_order.h).  Pure.
 *
 * Any order by prefix keeps the nodes below one switch together, and that is all that is needed; that
 * numbers count as such puts switch 2 next to 3 and not to 20.
 */
#include "bcast/node_order.h"

#include <stdlib.h>

#include "common/cleanup.h"

struct item {
	const struct node_site *site;
	int index;
};

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Two runs of digits; both pointers come to their ends. */
static int compare_numbers(const char **a, const char **b)
{
	while (**a == '0')
		++*a;
	while (**b == '0')
		++*b;
	int difference = 0;
	for (; is_digit(**a) && is_digit(**b); ++*a, ++*b)
		if (difference == 0)
			difference = **a - **b;
	/* The longer one is larger, whatever its digits are. */
	if (is_digit(**a) || is_digit(**b))
		return is_digit(**a) ? 1 : -1;
	return difference;
}

int node_order_compare(const char *a, const char *b)
{
	while (*a != '\0' && *b != '\0') {
		if (is_digit(*a) && is_digit(*b)) {
			int difference = compare_numbers(&a, &b);
			if (difference != 0)
				return difference;
		} else if (*a != *b) {
			return (unsigned char)*a - (unsigned char)*b;
		} else {
			a++, b++;
		}
	}
	return (unsigned char)*a - (unsigned char)*b;
}

static int compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	int difference = node_order_compare(a->site->switches, b->site->switches);
	if (difference == 0)
		difference = node_order_compare(a->site->name, b->site->name);
	return difference != 0 ? difference : a->index - b->index;
}

int node_order_make(const struct node_site *sites, int count, int first, int *order,
		    struct err *err)
{
	AUTO_FREE struct item *items = calloc((size_t)count + 1, sizeof *items);
	if (items == NULL)
		return err_errno(err, ENOMEM, "the order of %d nodes", count);
	for (int i = 0; i < count; i++)
		items[i] = (struct item){&sites[i], i};
	qsort(items, (size_t)count, sizeof *items, compare_items);
	int at = 0;
	while (at < count && items[at].index != first)
		at++;
	for (int i = 0; i < count; i++)
		order[i] = items[(at + i) % count].index;
	return 0;
}
