/*
 * err.c - fills in error values (err.h).
 *
 * Pure but for strerror.  Texts longer than the value holds are cut at the
 * end, where the least important words stand.
 */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>

static int err_vset(struct err *err, int number, const char *tail, const char *format, va_list ap)
{
	if (number == 0)
		number = EIO;
	if (err == NULL)
		return -number;
	err->number = number;
	int len = vsnprintf(err->text, sizeof err->text, format, ap);
	if (len < 0)
		err->text[0] = '\0';
	else if (tail != NULL && (size_t)len < sizeof err->text)
		snprintf(err->text + len, sizeof err->text - (size_t)len, ": %s", tail);
	return -number;
}

int err_set(struct err *err, int number, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int rc = err_vset(err, number, NULL, format, ap);
	va_end(ap);
	return rc;
}

int err_errno(struct err *err, int number, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int rc = err_vset(err, number, strerror(number), format, ap);
	va_end(ap);
	return rc;
}

int err_prefix(struct err *err, const char *format, ...)
{
	if (err == NULL)
		return -EIO;
	struct err inner = *err;
	va_list ap;
	va_start(ap, format);
	int rc = err_vset(err, inner.number, inner.text, format, ap);
	va_end(ap);
	return rc;
}
