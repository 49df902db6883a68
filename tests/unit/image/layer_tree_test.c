/* tree: the rules by which layers change each other, one table of cases. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "image/layer_tree.h"

/*
 * A layer is words: "a/b" a file, "a/" a directory, "a>t" a symbolic link, "a=t" a hard link,
 * "a!" a device, "a|" a fifo.  A "/" before the next layer.  The result is the tree in the same
 * language: files are marked with the layer that they come from.
 */
struct layer {
	struct layer_entry entries[40];
	size_t count;
	char *text;
};

static void make_layer(const char *words, struct layer *layer)
{
	layer->count = 0;
	layer->text = strdup(words);
	for (char *word = strtok(layer->text, " "); word; word = strtok(NULL, " ")) {
		struct layer_entry *entry = &layer->entries[layer->count++];
		char *mark = word + strcspn(word, ">=!|");
		*entry = (struct layer_entry){.path = word, .mode = S_IFREG | 0644};
		if (*mark == '>')
			entry->mode = S_IFLNK | 0777;
		else if (*mark == '!')
			entry->mode = S_IFCHR | 0644;
		else if (*mark == '|')
			entry->mode = S_IFIFO | 0644;
		else if (word[strlen(word) - 1] == '/')
			entry->mode = S_IFDIR | 0700;
		entry->hard_link = *mark == '=';
		if (*mark == '>' || *mark == '=')
			entry->target = mark + 1;
		*mark = '\0';
	}
}

static void show(struct layer_tree *tree, uint32_t dir, const char *path, struct buf *out)
{
	for (uint32_t id = layer_tree_node(tree, dir)->child; id; id = layer_tree_node(tree, id)->next) {
		const struct layer_tree_node *node = layer_tree_node(tree, id);
		const struct layer_tree_inode *inode = layer_tree_inode(tree, node);
		char full[5000];
		snprintf(full, sizeof full, "%s%.*s", path, node->name_len, node->name);
		buf_printf(out, "%s%s", out->len ? " " : "", full);
		if (S_ISDIR(layer_tree_mode(inode))) {
			buf_printf(out, inode->entry ? "/%u" : "/", inode->layer);
			snprintf(full + strlen(full), sizeof full - strlen(full), "/");
			show(tree, id, full, out);
		} else if (S_ISLNK(layer_tree_mode(inode))) {
			buf_printf(out, ">%s", inode->entry->target);
		} else {
			buf_printf(out, ":%u", inode->layer);
			if (inode->links > 1)
				buf_printf(out, "x%u", inode->links);
		}
	}
}

static int apply(const char *const *words, size_t count, struct buf *out, struct err *err)
{
	struct layer layers[4];
	struct layer_tree *tree = layer_tree_new();
	int rc = 0;
	for (size_t i = 0; i < count; i++)
		make_layer(words[i], &layers[i]);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = layer_tree_apply(tree, (uint32_t)i, layers[i].entries, layers[i].count, err);
	if (rc == 0)
		rc = layer_tree_sort(tree, err);
	if (rc == 0)
		show(tree, TREE_ROOT, "", out);
	buf_add_u8(out, '\0');
	for (size_t i = 0; i < count; i++)
		free(layers[i].text);
	layer_tree_free(&tree);
	return rc;
}

static const struct { const char *layers[4], *want; } cases[] = {
	/* paths */
	{{"./ ./b ./a/ a//c"}, "a/0 a/c:0 b:0"},
	{{"x/y/z"}, "x/ x/y/ x/y/z:0"},
	{{"a/../b c/./d/../e"}, "b:0 c/ c/e:0"},
	{{"/abs"}, "abs:0"},
	/* duplicates and changes of type */
	{{"a a"}, "a:0"},
	{{"a", "a"}, "a:1"},
	{{"a/ a/b", "a/"}, "a/1 a/b:0"},
	{{"a/ a/b", "a"}, "a:1"},
	{{"a", "a/ a/b"}, "a/1 a/b:1"},
	{{"a>b b/ b/c", "a/ a/d"}, "a/1 a/d:1 b/0 b/c:0"},
	{{"a/ a/b", "a!"}, ""},
	{{"f|"}, "f:0"},
	/* white-outs */
	{{"a b", ".wh.a"}, "b:0"},
	{{"d/ d/a d/b", "d/.wh.a"}, "d/0 d/b:0"},
	{{"d/ d/a d/e/f", ".wh.d"}, ""},
	{{"a", "a .wh.a"}, "a:1"},
	{{"a", ".wh.a a"}, "a:1"},
	{{"d/ d/a", "d/b .wh.d"}, "d/0 d/b:1"},
	{{"d/ d/a", ".wh.d d/b"}, "d/ d/b:1"},
	{{"d/ d/a d/b", "d/ d/.wh..wh..opq d/c"}, "d/1 d/c:1"},
	{{"d/ d/a d/b", "d/ d/c d/.wh..wh..opq"}, "d/1 d/c:1"},
	{{"d/ d/a d/e/f d/e/g", "d/e/g d/.wh..wh..opq"}, "d/0 d/e/ d/e/g:1"},
	{{"a b", ".wh..wh..opq c"}, "c:1"},
	{{"a", "b .wh..wh.plnk"}, "a:0 b:1"},
	{{"a", ".wh.nothing no/.wh.x a/.wh.b"}, "a:0"},
	{{"d>usr usr/ usr/a", "d/ d/.wh..wh..opq"}, "d/1 usr/0 usr/a:0"},
	{{"d/ d/a", "d/.wh.a", "d/a"}, "d/0 d/a:2"},
	/* symbolic links on the way */
	{{"usr/ lib>usr/lib usr/lib/ usr/lib/a", "lib/b"}, "lib>usr/lib usr/0 usr/lib/0 usr/lib/a:0 usr/lib/b:1"},
	{{"usr/lib/a lib>/usr/lib", "lib/.wh.a"}, "lib>/usr/lib usr/ usr/lib/"},
	{{"out>../../../etc", "out/passwd"}, "etc/ etc/passwd:1 out>../../../etc"},
	{{"run/ var/run>/run", "var/run/x"}, "run/0 run/x:1 var/ var/run>/run"},
	{{"a>b b>c c/ c/d/", "a/d/e"}, "a>b b>c c/0 c/d/0 c/d/e:1"},
	{{"a>b b", "a"}, "a:1 b:0"},
	{{"gone>no/where", "gone/x"}, "gone>no/where no/ no/where/ no/where/x:1"},
	/* hard links */
	{{"a b=a"}, "a:0x2 b:0x2"},
	{{"a", "b=a"}, "a:0x2 b:0x2"},
	{{"a b=a", "a"}, "a:1 b:0"},
	{{"a", "b=a", ".wh.a"}, "b:0"},
	{{"a a=a"}, "a:0"},
	{{"d/ d/a", "d=d/a"}, "d:0"},
	{{"s>x", "t=s"}, "s>x t>x"},
	{{"l>d d/a", "b=l/a"}, "b:0x2 d/ d/a:0x2 l>d"},
	{{"a b c=a", "b=a"}, "a:0x3 b:0x3 c:0x3"},
};

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = ERR_NONE;
		struct buf out = {0};
		size_t count = 0;
		while (count < 4 && cases[i].layers[count])
			count++;
		if (apply(cases[i].layers, count, &out, &err) < 0)
			fail_msg("case %zu (%s): %s", i, cases[i].layers[0], err.text);
		if (strcmp(out.data, cases[i].want) != 0)
			fail_msg("case %zu: '%s', not '%s'", i, out.data, cases[i].want);
		buf_free(&out);
	}
}

static void refused(void **state)
{
	(void)state;
	static const struct { const char *layers[4]; int number; const char *text; } bad[] = {
		{{"../a"}, -EBADMSG, "out of the image"},
		{{"a/../../b"}, -EBADMSG, "out of the image"},
		{{"a a/b"}, -EBADMSG, "not a directory"},
		{{"b=a"}, -EBADMSG, "not there"},
		{{"a/ b=a"}, -EBADMSG, "a directory"},
		{{"b=../../a"}, -EBADMSG, "out of the image"},
		{{"a>b b>a a/x"}, -ELOOP, "symbolic links"},
		{{".wh..."}, -EBADMSG, "white-out"},
		{{"d/.wh.."}, -EBADMSG, "white-out"},
		{{"."}, -EBADMSG, "root"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_NONE;
		struct buf out = {0};
		assert_int_equal(apply(bad[i].layers, 1, &out, &err), bad[i].number);
		if (!strstr(err.text, bad[i].text))
			fail_msg("'%s' lacks '%s'", err.text, bad[i].text);
		buf_free(&out);
	}
}

static void deep_and_long(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct buf out = {0};
	char text[4000];
	const char *words[] = {text};
	for (int i = 0; i < 200; i++)
		memcpy(text + 2 * i, "d/", 3);
	assert_int_equal(apply(words, 1, &out, &err), -E2BIG);
	memset(text, 'n', 256);
	text[256] = '\0';
	out.len = 0;
	assert_int_equal(apply(words, 1, &out, &err), -ENAMETOOLONG);
	/* deeper by links than by any one path */
	strcpy(text, "l>");
	for (int i = 0; i < 119; i++)
		strcat(text, "d/");
	strcat(text, " l/e/e/e/e/");
	out.len = 0;
	assert_int_equal(apply(words, 1, &out, &err), -E2BIG);
	buf_free(&out);
}

/* Many names: the table grows, removal and reuse leave it whole. */
static void many(void **state)
{
	(void)state;
	enum { COUNT = 20000 };
	struct err err = ERR_NONE;
	struct layer_tree *tree = layer_tree_new();
	struct layer_entry *entries = calloc(COUNT, sizeof *entries);
	char (*names)[32] = calloc(COUNT, sizeof *names);
	struct layer_entry opaque = {.path = "d7/.wh..wh..opq", .mode = S_IFREG};
	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof *names, "d%d/f%d", i % 100, i);
		entries[i] = (struct layer_entry){.path = names[i], .mode = S_IFREG | 0600};
	}
	assert_int_equal(layer_tree_apply(tree, 0, entries, COUNT, &err), 0);
	assert_int_equal(layer_tree_apply(tree, 1, &opaque, 1, &err), 0);
	assert_int_equal(layer_tree_apply(tree, 2, entries, 100, &err), 0);
	assert_int_equal(layer_tree_sort(tree, &err), 0);
	uint32_t dir = layer_tree_find(tree, TREE_ROOT, "d7", 2), count = 0;
	for (uint32_t id = layer_tree_node(tree, dir)->child; id; id = layer_tree_node(tree, id)->next)
		count++;
	assert_int_equal(count, 1);
	dir = layer_tree_find(tree, TREE_ROOT, "d8", 2);
	assert_true(layer_tree_find(tree, dir, "f19908", 6));
	assert_false(layer_tree_find(tree, dir, "f19907", 6));
	char text[16];
	assert_string_equal(layer_tree_path(tree, layer_tree_find(tree, dir, "f108", 4), text, sizeof text), "/d8/f108");
	free(names);
	free(entries);
	layer_tree_free(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules), cmocka_unit_test(refused), cmocka_unit_test(deep_and_long),
		cmocka_unit_test(many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
