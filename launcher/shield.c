/*
 * shield.c - fork, pass signals on, end with the daemon's status (shield.h).
 *
 * In: signals of the launcher.  Out: the same to the daemon; at last its exit status.  The shield
 * keeps nothing but its standard descriptors, so that the end of a socket or pipe is the daemon's.
 */
#include "launcher/shield.h"

#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/exitcode.h"

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT};

static sigset_t signals_of_shield(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
		sigaddset(&set, passed_on[i]);
	return set;
}

static _Noreturn void stand(pid_t daemon, const sigset_t *signals)
{
	int status = 0;
	close_range(3, ~0u, 0);
	for (;;) {
		int signo = sigwaitinfo(signals, NULL);
		if (signo > 0 && signo != SIGCHLD)
			kill(daemon, signo);
		if (waitpid(daemon, &status, WNOHANG) == daemon)
			break;
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXITCODE_SIGNAL + WTERMSIG(status));
}

/* The launcher may have killed the shield before the kernel knew that we want to hear of it. */
static void stand_behind(pid_t shield)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != shield)
		raise(SIGTERM);
}

int shield_raise(struct err *err)
{
	sigset_t before, signals = signals_of_shield();
	pid_t shield = getpid();
	sigprocmask(SIG_BLOCK, &signals, &before);
	pid_t daemon = fork();
	int number = errno;
	if (daemon > 0)
		stand(daemon, &signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (daemon < 0)
		return err_errno(err, number, "fork the daemon");
	stand_behind(shield);
	return 0;
}
