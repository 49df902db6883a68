/* user_db_fuzz.c - after the caller's line is added, his id is there. */
#include "runtime/user_db.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mount_user user = {1000, 100, "u", "g", "/", "/bin/sh"};
	const char *text = (const char *)data;
	AUTO_BUF struct buf passwd = {0}, group = {0};
	user_db_has_id(text, size, 0);
	user_db_add_user(text, size, &user, &passwd);
	user_db_add_group(text, size, &user, &group);
	if (!user_db_has_id(passwd.data, passwd.len, 1000) || !user_db_has_id(group.data, group.len, 100))
		__builtin_trap();
	return 0;
}
