/* challenge_fuzz.c - WWW-Authenticate */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	char *text = malloc(size + 1);
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	(void)err;
	struct challenge *challenge = calloc(1, sizeof *challenge);
	if (challenge != NULL)
		challenge_add(challenge, text);
	free(challenge);
	free(text);
	return 0;
}
