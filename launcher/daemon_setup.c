/*
 * daemon_setup.c - the daemon's process: descriptors, limits, signals, session directory.
 */
#include "launcher/daemon_impl.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "common/remove_tree.h"

/* What we inherit is for us alone: the launcher's sockets, a PMI descriptor (it is given to
 * cmpi-bcast by name). */
void daemon_prepare_process(void)
{
	/* Linux 5.11; where it is missing, strangers' descriptors are inherited as ever. */
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDWR);  /* the lowest free number: fd itself */
	signal(SIGPIPE, SIG_IGN);
}

void daemon_raise_limits(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* -- signals ------------------------------------------------------------ */

static int interrupt_count(const struct daemon *daemon)
{
	return daemon->interrupts > daemon->told_interrupts ? daemon->interrupts
							    : daemon->told_interrupts;
}

void daemon_interrupt(struct daemon *daemon, int signo, int *counter)
{
	int before = interrupt_count(daemon);
	++*counter;
	if (interrupt_count(daemon) == before)
		return;
	if (before > 0)
		daemon_end_ranks(daemon, true);
	daemon_fail(daemon, EXITCODE_SIGNAL + signo, "%s",
		    before == 0 && signo == SIGINT && daemon_is_root(daemon)
			    ? "interrupted: the ranks are asked to end; again to kill them"
			    : "");
}

static void on_interrupt(void *context, const struct signalfd_siginfo *info)
{
	struct daemon *daemon = context;
	int signo = (int)info->ssi_signo;
	/* The terminal gave it to the program too, and there it belongs. */
	if (daemon->plan.interactive && signo != SIGTERM && signo != SIGHUP)
		return;
	/* An mpiexec that has lost a node sends TERM to the others, often before they see it themselves. */
	bool is_first = daemon->held_timer == 0 || daemon->held_reason != REASON_TERM;
	if (signo == SIGTERM && daemon->node_count > 1 && is_first && !daemon_knows(daemon, FACT_ENDING))
		daemon_hold(daemon, REASON_TERM, EXITCODE_SIGNAL + SIGTERM, "");
	else
		daemon_interrupt(daemon, signo, &daemon->interrupts);
}

static void on_forward(void *context, const struct signalfd_siginfo *info)
{
	struct daemon *daemon = context;
	if (daemon_knows(daemon, FACT_SPAWNED))
		init_client_signal(daemon->init, (int)info->ssi_signo, NULL);
}

int daemon_watch_signals(struct daemon *daemon, struct err *err)
{
	static const struct {
		int signo;
		loop_signal_fn *function;
	} table[] = {
		{SIGINT, on_interrupt}, {SIGTERM, on_interrupt}, {SIGHUP, on_interrupt},
		{SIGQUIT, on_interrupt}, {SIGUSR1, on_forward},  {SIGUSR2, on_forward},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int rc = loop_add_signal(daemon->loop, table[i].signo, table[i].function, daemon, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* -- session directory -------------------------------------------------- */

/* Short names, since those of sockets are (unix(7)), so not $TMPDIR; and first what is in memory: PMIx
 * makes directories and files there at each start, which costs a millisecond or two on a disk. */
static const char *const session_bases[] = {"/dev/shm", "/tmp"};

static bool is_in_memory(const char *path)
{
	struct statfs status;
	return statfs(path, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

int daemon_make_session_dir(struct daemon *daemon, struct err *err)
{
	int number = ENOENT;
	if (daemon->session_dir[0] != '\0')
		return 0;
	for (size_t i = 0; i < sizeof session_bases / sizeof *session_bases; i++) {
		bool last = i + 1 == sizeof session_bases / sizeof *session_bases;
		if (!last && !is_in_memory(session_bases[i]))
			continue;
		snprintf(daemon->session_dir, sizeof daemon->session_dir, "%s/cmpirun.%u.XXXXXX",
			 session_bases[i], (unsigned)getuid());
		if (mkdtemp(daemon->session_dir) == NULL) {
			number = errno;
			daemon->session_dir[0] = '\0';
			continue;
		}
		/* Should we be killed, cmpi-init removes it. */
		AUTO_FD int base = open(session_bases[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		return init_client_set_session(daemon->init, base,
					       strrchr(daemon->session_dir, '/') + 1, err);
	}
	return err_errno(err, number, "session directory in /tmp");
}

int daemon_bind_session_dir(const struct daemon *daemon, struct mount_plan *mounts, struct err *err)
{
	char base[sizeof daemon->session_dir];
	snprintf(base, sizeof base, "%s", daemon->session_dir);
	*strrchr(base, '/') = '\0';
	/* Where the host's is bound, it is there already; a mount on it would only keep cmpi-init from
	 * removing it. */
	if (mount_plan_has_bind(mounts, base, base))
		return 0;
	return mount_plan_add_bind(mounts, daemon->session_dir, daemon->session_dir, 0, err);
}

void daemon_remove_session_dir(struct daemon *daemon)
{
	if (daemon->session_dir[0] != '\0')
		remove_tree(AT_FDCWD, daemon->session_dir);
	daemon->session_dir[0] = '\0';
}
