/*
 * manifest_aci.c - appc's ImageManifest → an OCI config (manifest_aci.h).
 *
 * What has no counterpart (event handlers, mount points, ports, isolators) is left out: none of it
 * means anything to a program that is started in parallel.
 */
#include "image/manifest_aci.h"

#include <jansson.h>
#include <string.h>

/* What appc calls the machines; the others are named as in OCI. */
static const struct { const char *appc, *oci, *variant; } machines[] = {
	{"i386", "386", NULL},      {"aarch64", "arm64", NULL}, {"aarch64_be", "arm64be", NULL},
	{"armv6l", "arm", "v6"},    {"armv7l", "arm", "v7"},    {"armv7b", "armbe", "v7"},
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* Of a list of {"name": …, "value": …}. */
static const char *value_of(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		const char *is = text_of(pair, "name");
		if (is != NULL && strcmp(is, name) == 0)
			return text_of(pair, "value");
	}
	return NULL;
}

static void add_platform(const json_t *labels, json_t *root)
{
	const char *machine = value_of(labels, "arch"), *system = value_of(labels, "os"), *variant = NULL;
	for (size_t i = 0; machine != NULL && i < sizeof machines / sizeof *machines; i++) {
		if (strcmp(machine, machines[i].appc) != 0)
			continue;
		machine = machines[i].oci;
		variant = machines[i].variant;
		break;
	}
	if (machine != NULL)
		json_object_set_new(root, "architecture", json_string(machine));
	if (variant != NULL)
		json_object_set_new(root, "variant", json_string(variant));
	if (system != NULL)
		json_object_set_new(root, "os", json_string(system));
}

static int add_environment(const json_t *list, json_t *config, struct err *err)
{
	json_t *variables = json_array();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = text_of(json_array_get(list, i), "name");
		const char *value = text_of(json_array_get(list, i), "value");
		if (name == NULL || value == NULL || strchr(name, '=') != NULL) {
			json_decref(variables);
			return err_set(err, EBADMSG, "manifest: a variable of app.environment is none");
		}
		json_array_append_new(variables, json_sprintf("%s=%s", name, value));
	}
	json_object_set_new(config, "Env", variables);
	return 0;
}

static int add_program(json_t *words, json_t *config, struct err *err)
{
	if (words == NULL)
		return 0;
	for (size_t i = 0; i < json_array_size(words); i++)
		if (!json_is_string(json_array_get(words, i)))
			words = NULL;
	if (!json_is_array(words))
		return err_set(err, EBADMSG, "manifest: app.exec is no list of words");
	json_object_set(config, "Entrypoint", words);
	return 0;
}

static int add_app(const json_t *app, json_t *config, struct err *err)
{
	const char *user = text_of(app, "user"), *group = text_of(app, "group");
	const char *directory = text_of(app, "workingDirectory");
	if (directory != NULL)
		json_object_set_new(config, "WorkingDir", json_string(directory));
	/* A path stands for that file's owner, which nobody here asks. */
	if (user != NULL && user[0] != '/' && group != NULL && group[0] != '/')
		json_object_set_new(config, "User", json_sprintf("%s:%s", user, group));
	int rc = add_program(json_object_get(app, "exec"), config, err);
	return rc < 0 ? rc : add_environment(json_object_get(app, "environment"), config, err);
}

static void add_labels(const json_t *manifest, json_t *config)
{
	const json_t *annotations = json_object_get(manifest, "annotations");
	json_t *labels = json_object();
	for (size_t i = 0; i < json_array_size(annotations); i++) {
		const char *name = text_of(json_array_get(annotations, i), "name");
		const char *value = text_of(json_array_get(annotations, i), "value");
		if (name != NULL && value != NULL)
			json_object_set_new(labels, name, json_string(value));
	}
	json_object_set_new(config, "Labels", labels);
}

static int check(const json_t *manifest, struct err *err)
{
	const char *kind = text_of(manifest, "acKind");
	const json_t *dependencies = json_object_get(manifest, "dependencies");
	const char *first = text_of(json_array_get(dependencies, 0), "imageName");
	if (kind == NULL || strcmp(kind, "ImageManifest") != 0)
		return err_set(err, EBADMSG, "manifest: it is no ImageManifest");
	if (json_array_size(dependencies) > 0)
		return err_set(err, ENOTSUP, "the image depends on others (%.200s), which is not supported; make one of "
			       "them all (docker2aci without --nosquash), or give what rkt has rendered with dir:", first ? first : "without a name");
	if (json_array_size(json_object_get(manifest, "pathWhitelist")) > 0)
		return err_set(err, ENOTSUP, "the image takes only a part of its files (pathWhitelist), which is not "
			       "supported; unpack it, and give what it takes with dir:");
	return 0;
}

int manifest_aci_config_new(const void *bytes, size_t len, char **config, struct err *err)
{
	json_error_t where;
	json_t *manifest = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &where);
	json_t *inner = json_object(), *root = json_pack("{s:O}", "config", inner);
	int rc = json_is_object(manifest) ? check(manifest, err)
					  : err_set(err, EBADMSG, "manifest: %s",
						    manifest ? "it is not an object" : where.text);
	if (rc == 0)
		rc = add_app(json_object_get(manifest, "app"), inner, err);
	if (rc == 0) {
		add_platform(json_object_get(manifest, "labels"), root);
		add_labels(manifest, inner);
		*config = json_dumps(root, JSON_COMPACT);
		rc = *config ? 0 : err_set(err, ENOMEM, "no memory for the image's config");
	}
	json_decref(root);
	json_decref(inner);
	json_decref(manifest);
	return rc;
}
