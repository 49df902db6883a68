/*
 * policy.c - rules about images (policy.h).  Pure.
 */
#include "image/policy.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/cleanup.h"

struct rule {
	const char *match, *why;
	bool allow;
	const char *keys[POLICY_KEYS_MAX + 1];
};

struct policy {
	json_t *root;  /* the rules' texts are in it */
	bool allow;
	struct rule *rules;
	size_t count;
};

static int broken(struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "policy: %s", what);
}

/* Are all members of these names? */
static bool knows_all(json_t *object, const char *const *names)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value) {
		size_t i = 0;
		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i])
			return false;
	}
	return true;
}

static int take_keys(const json_t *keys, struct rule *rule, struct err *err)
{
	size_t count = json_array_size(keys);
	if (!keys)
		return 0;
	if (!json_is_array(keys) || count == 0 || count > POLICY_KEYS_MAX)
		return broken(err, "\"keys\" is a list of 1 to 16 files");
	for (size_t i = 0; i < count; i++) {
		rule->keys[i] = json_string_value(json_array_get(keys, i));
		if (!rule->keys[i] || rule->keys[i][0] != '/')
			return broken(err, "a key is an absolute path");
	}
	return 0;
}

static int take_rule(json_t *object, struct rule *rule, struct err *err)
{
	static const char *const names[] = {"match", "allow", "why", "keys", NULL};
	const json_t *allow = json_object_get(object, "allow"), *why = json_object_get(object, "why");
	if (!json_is_object(object) || !knows_all(object, names))
		return broken(err, "a rule has \"match\", \"allow\", \"why\" and \"keys\", nothing else");
	rule->match = json_string_value(json_object_get(object, "match"));
	rule->why = json_string_value(why);
	rule->allow = !allow || json_is_true(allow);
	if (!rule->match || (strncmp(rule->match, "docker://", 9) != 0 && strncmp(rule->match, "file:", 5) != 0))
		return broken(err, "\"match\" begins with docker:// or file:");
	if ((allow && !json_is_boolean(allow)) || (why && !rule->why))
		return broken(err, "\"allow\" is true or false, \"why\" a text");
	return take_keys(json_object_get(object, "keys"), rule, err);
}

static int take_all(struct policy *policy, struct err *err)
{
	static const char *const names[] = {"default", "rules", NULL};
	const json_t *rules = json_object_get(policy->root, "rules");
	const json_t *otherwise = json_object_get(policy->root, "default");
	const char *word = otherwise ? json_string_value(otherwise) : "allow";
	if (!json_is_object(policy->root) || !knows_all(policy->root, names))
		return broken(err, "an object of \"default\" and \"rules\" is wanted");
	if (!word || (strcmp(word, "allow") != 0 && strcmp(word, "refuse") != 0))
		return broken(err, "\"default\" is \"allow\" or \"refuse\"");
	policy->allow = strcmp(word, "allow") == 0;
	policy->count = json_array_size(rules);
	if ((rules && !json_is_array(rules)) || policy->count > POLICY_RULES_MAX)
		return broken(err, "\"rules\" is a list, of at most 10000");
	policy->rules = calloc(policy->count + 1, sizeof *policy->rules);
	if (!policy->rules)
		return err_set(err, ENOMEM, "no memory for the policy");
	for (size_t i = 0; i < policy->count; i++) {
		int rc = take_rule(json_array_get(rules, i), &policy->rules[i], err);
		if (rc < 0)
			return err_prefix(err, "rule %zu", i + 1);
	}
	return 0;
}

int policy_parse(const char *json, size_t len, struct policy **out, struct err *err)
{
	json_error_t where;
	AUTO_CALL(policy_free) struct policy *policy = calloc(1, sizeof *policy);
	if (!policy)
		return err_set(err, ENOMEM, "no memory for the policy");
	if (len > POLICY_BYTES_MAX)
		return broken(err, "more than 1 MiB");
	policy->root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &where);
	if (!policy->root)
		return err_set(err, EBADMSG, "policy: line %d: %s", where.line, where.text);
	int rc = take_all(policy, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&policy);
	return 0;
}

void policy_free(struct policy **policy)
{
	if (*policy) {
		json_decref((*policy)->root);
		free((*policy)->rules);
	}
	free(*policy);
	*policy = NULL;
}

static bool matches(const char *match, const char *reference)
{
	size_t len = strlen(match);
	if (strncmp(match, reference, len) != 0)
		return false;
	return reference[len] == '\0' || strchr("/:@", reference[len]) || strchr("/:@", match[len - 1]);
}

struct policy_verdict policy_decide(const struct policy *policy, const char *reference)
{
	static const char *const none[] = {NULL};
	for (size_t i = 0; i < policy->count; i++) {
		const struct rule *rule = &policy->rules[i];
		if (matches(rule->match, reference))
			return (struct policy_verdict){rule->allow, rule->why, rule->keys};
	}
	return (struct policy_verdict){policy->allow, NULL, none};
}
