/*
 * policy_files.h - where policies are, for a launch that has none and shall not pay for them.
 */
#ifndef IMAGE_POLICY_FILES_H
#define IMAGE_POLICY_FILES_H

#include <stdbool.h>

#define POLICY_SITE_FILE "/etc/cmpirun/policy.json"

/* $CMPIRUN_POLICY, else cmpirun/policy.json in $XDG_CONFIG_HOME or ~/.config; the caller frees it.
 * NULL: no memory. */
char *policy_user_file_new(void);

/* Is there a policy, or something in its place that cannot be looked at? */
bool policy_files_exist(void);

#endif
