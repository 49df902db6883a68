/*
 * user_db.h - passwd(5) and group(5) with the caller in them.  Pure.
 *
 * getpwuid(3) of a user that the image does not know fails, and programs with it (ssh, whoami,
 * Open MPI's session directory).  The texts are the image's, and foreign: lines that are not
 * understood are kept as they are.
 */
#ifndef RUNTIME_USER_DB_H
#define RUNTIME_USER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "runtime/mount_plan.h"

/* Does a line of this passwd or group text carry the id (third field)? */
bool user_db_has_id(const char *text, size_t len, uint32_t id);

/* The text, ending in a newline, plus the caller's line. */
void user_db_add_user(const char *text, size_t len, const struct mount_user *user, struct buf *out);
void user_db_add_group(const char *text, size_t len, const struct mount_user *user,
		       struct buf *out);

#endif
