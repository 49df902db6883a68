/*
 * pmi_clients.c - what a rank does in the tests of pmi_server_test.c, which
 * includes this file: raw PMI-1 lines, or a PMIx client on a libpmix that is
 * loaded at run time.
 *
 * A client returns 0 when all was as it must be; it says what was not.
 */
#include <dlfcn.h>

#define CLIENT_CHECK(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "rank %d line %d: %s\n", client_rank, __LINE__,            \
				#condition);                                                       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static int client_rank, client_size;

static int number_of(const char *name)
{
	const char *text = getenv(name);
	return text ? atoi(text) : -1;
}

/* --- PMI-1 ---------------------------------------------------------------------- */

static FILE *pmi1_stream;

static const char *pmi1_ask(const char *format, ...)
{
	static char line[4096];
	va_list ap;
	va_start(ap, format);
	vfprintf(pmi1_stream, format, ap);
	va_end(ap);
	fflush(pmi1_stream);
	if (fgets(line, sizeof line, pmi1_stream) == NULL)
		return "end of file";
	return line;
}

static void pmi1_begin(void)
{
	pmi1_stream = fdopen(number_of("PMI_FD"), "r+");
	CLIENT_CHECK(pmi1_stream != NULL);
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=init pmi_version=1 pmi_subversion=1\n"),
			    "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n") == 0);
}

static int pmi1_exchange(void)
{
	char expected[256];
	pmi1_begin();
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=get_my_kvsname\n"),
			    "cmd=my_kvsname rc=0 kvsname=test.job-1\n") == 0);
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=get kvsname=test.job-1 key=PMI_process_mapping\n"),
			    "cmd=get_result rc=0 value=(vector,(0,5,3))\n") == 0);
	for (int round = 0; round < 20; round++) {
		CLIENT_CHECK(strcmp(pmi1_ask("cmd=put kvsname=test.job-1 key=k%d value=r%d of %d\n",
					     client_rank, round, client_rank),
				    "cmd=put_result rc=0\n") == 0);
		CLIENT_CHECK(strcmp(pmi1_ask("cmd=barrier_in\n"), "cmd=barrier_out rc=0\n") == 0);
		for (int i = 0; i < client_size; i++) {
			snprintf(expected, sizeof expected, "cmd=get_result rc=0 value=r%d of %d\n",
				 round, i);
			CLIENT_CHECK(strcmp(pmi1_ask("cmd=get kvsname=test.job-1 key=k%d\n", i),
					    expected) == 0);
		}
		CLIENT_CHECK(strcmp(pmi1_ask("cmd=barrier_in\n"), "cmd=barrier_out rc=0\n") == 0);
	}
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=finalize\n"), "cmd=finalize_ack rc=0\n") == 0);
	return 0;
}

static int pmi1_fence(void)
{
	pmi1_begin();
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=put key=k%d value=v\n", client_rank),
			    "cmd=put_result rc=0\n") == 0);
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=barrier_in\n"), "cmd=barrier_out rc=0\n") == 0);
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=get key=k%d\n", client_size - 1 - client_rank),
			    "cmd=get_result rc=0 value=v\n") == 0);
	CLIENT_CHECK(strcmp(pmi1_ask("cmd=finalize\n"), "cmd=finalize_ack rc=0\n") == 0);
	return 0;
}

static int pmi1_garbage(void)
{
	pmi1_begin();
	CLIENT_CHECK(strstr(pmi1_ask(client_rank == 3 ? "GET / HTTP/1.1\n" : "cmd=barrier_in\n"),
			    "end of file") != NULL);
	return 1;
}

static int pmi1_close(void)
{
	pmi1_begin();
	fclose(pmi1_stream);
	usleep(10000);
	return 0;
}

static int pmi1_death(void)
{
	pmi1_begin();
	if (client_rank == 1)
		raise(SIGKILL);
	pmi1_ask("cmd=barrier_in\n");
	pause();
	return 1;
}

/* --- PMIx ------------------------------------------------------------------------ */

#ifdef CMPIRUN_HAVE_PMIX
#include <pmix.h>

static struct {
	__typeof__(&PMIx_Init) init;
	__typeof__(&PMIx_Finalize) finalize;
	__typeof__(&PMIx_Put) put;
	__typeof__(&PMIx_Commit) commit;
	__typeof__(&PMIx_Fence) fence;
	__typeof__(&PMIx_Get) get;
	__typeof__(&PMIx_Abort) abort;
	__typeof__(&PMIx_Log) log;
	__typeof__(&PMIx_Connect) connect;
	__typeof__(&PMIx_Disconnect) disconnect;
	__typeof__(&PMIx_Spawn) spawn;
} client_pmix;

static pmix_proc_t client_proc;

static bool clients_have_pmix(void)
{
	return dlopen("libpmix.so.2", RTLD_NOW | RTLD_LOCAL) != NULL;
}

static void client_load(void *function, const char *name)
{
	void *address = dlsym(dlopen("libpmix.so.2", RTLD_NOW | RTLD_LOCAL), name);
	CLIENT_CHECK(address != NULL);
	memcpy(function, &address, sizeof address);
}

static void pmix_begin(void)
{
	client_load(&client_pmix.init, "PMIx_Init");
	client_load(&client_pmix.finalize, "PMIx_Finalize");
	client_load(&client_pmix.put, "PMIx_Put");
	client_load(&client_pmix.commit, "PMIx_Commit");
	client_load(&client_pmix.fence, "PMIx_Fence");
	client_load(&client_pmix.get, "PMIx_Get");
	client_load(&client_pmix.abort, "PMIx_Abort");
	client_load(&client_pmix.log, "PMIx_Log");
	client_load(&client_pmix.connect, "PMIx_Connect");
	client_load(&client_pmix.disconnect, "PMIx_Disconnect");
	client_load(&client_pmix.spawn, "PMIx_Spawn");
	CLIENT_CHECK(client_pmix.init(&client_proc, NULL, 0) == PMIX_SUCCESS);
	CLIENT_CHECK((int)client_proc.rank == client_rank);
}

static void client_put(const char *key, int number)
{
	char text[64];
	pmix_value_t value = {.type = PMIX_STRING, .data.string = text};
	snprintf(text, sizeof text, "%s of rank %d is %d", key, client_rank, number);
	CLIENT_CHECK(client_pmix.put(PMIX_GLOBAL, key, &value) == PMIX_SUCCESS);
	CLIENT_CHECK(client_pmix.commit() == PMIX_SUCCESS);
}

static pmix_proc_t client_peer(uint32_t rank)
{
	pmix_proc_t peer = client_proc;
	peer.rank = rank;
	return peer;
}

static void client_expect(const char *key, int rank, int number)
{
	char text[64];
	pmix_value_t *value = NULL;
	pmix_proc_t peer = client_peer((uint32_t)rank);
	snprintf(text, sizeof text, "%s of rank %d is %d", key, rank, number);
	pmix_status_t status = client_pmix.get(&peer, key, NULL, 0, &value);
	if (status != PMIX_SUCCESS)
		fprintf(stderr, "rank %d: %s of rank %d: status %d\n", client_rank, key, rank, status);
	CLIENT_CHECK(status == PMIX_SUCCESS);
	CLIENT_CHECK(value->type == PMIX_STRING && strcmp(value->data.string, text) == 0);
}

static void client_fence(const pmix_proc_t *procs, size_t count, bool collect)
{
	pmix_info_t info = {.value = {.type = PMIX_BOOL, .data.flag = collect}};
	snprintf(info.key, sizeof info.key, "%s", PMIX_COLLECT_DATA);
	CLIENT_CHECK(client_pmix.fence(procs, count, &info, 1) == PMIX_SUCCESS);
}

static uint32_t client_job_size(void)
{
	pmix_value_t *value = NULL;
	pmix_proc_t all = client_peer(PMIX_RANK_WILDCARD);
	CLIENT_CHECK(client_pmix.get(&all, PMIX_JOB_SIZE, NULL, 0, &value) == PMIX_SUCCESS);
	return value->data.uint32;
}

static int pmix_end(void)
{
	CLIENT_CHECK(client_pmix.finalize(NULL, 0) == PMIX_SUCCESS);
	return 0;
}

static int pmix_collect(void)
{
	pmix_begin();
	CLIENT_CHECK((int)client_job_size() == client_size);
	client_put("card", 1);
	client_fence(NULL, 0, true);
	for (int i = 0; i < client_size; i++)
		client_expect("card", i, 1);
	for (int round = 0; round < 10; round++)
		client_fence(NULL, 0, false);
	client_put("later", 2);
	client_fence(NULL, 0, true);
	for (int i = 0; i < client_size; i++)
		client_expect("later", i, 2);
	return pmix_end();
}

/* No data travels in the fence: each key is fetched from its node, also before
 * it was put there.  (A rank of the same node must have committed: libpmix
 * 4.2.2 sometimes says "not found" at once.) */
static int pmix_modex(void)
{
	pmix_value_t *value = NULL;
	pmix_begin();
	if (client_rank == 0)
		usleep(50000);
	client_put("card", 3);
	for (int i = 2; i < client_size - 1; i++)
		client_expect("card", (client_rank / 2 * 2 + i) % client_size, 3);
	client_fence(NULL, 0, false);
	for (int i = 0; i < client_size; i++)
		client_expect("card", i, 3);
	pmix_proc_t peer = client_peer((uint32_t)(client_rank + 2) % (uint32_t)client_size);
	CLIENT_CHECK(client_pmix.get(&peer, PMIX_HOSTNAME, NULL, 0, &value) == PMIX_SUCCESS);
	char host[32];
	snprintf(host, sizeof host, "virtual%u", peer.rank / 2);
	CLIENT_CHECK(strcmp(value->data.string, host) == 0);
	client_fence(NULL, 0, false);
	return pmix_end();
}

/* Of nodes 0 .. 5 with two ranks each: ranks 3, 8, 11, i.e. nodes 1, 4, 5,
 * named in another order by each; at the same time all even ranks. */
static int pmix_subset(void)
{
	pmix_begin();
	client_put("card", 4);
	if (client_rank == 3 || client_rank == 8 || client_rank == 11) {
		pmix_proc_t members[3] = {client_peer(3), client_peer(8), client_peer(11)};
		pmix_proc_t turned[3] = {client_peer(11), client_peer(3), client_peer(8)};
		for (int round = 0; round < 5; round++)
			client_fence(client_rank == 8 ? turned : members, 3, round == 4);
		client_expect("card", 11, 4);
	}
	if (client_rank % 2 == 0) {
		pmix_proc_t evens[6];
		for (uint32_t i = 0; i < 6; i++)
			evens[i] = client_peer(2 * i);
		for (int round = 0; round < 5; round++)
			client_fence(evens, 6, true);
		client_expect("card", (client_rank + 2) % 12, 4);
	}
	client_fence(NULL, 0, true);
	for (int i = 0; i < client_size; i++)
		client_expect("card", i, 4);
	return pmix_end();
}

static int pmix_cpus(void)
{
	pmix_value_t *value = NULL;
	pmix_begin();
	CLIENT_CHECK(client_pmix.get(&client_proc, PMIX_CPUSET, NULL, 0, &value) == PMIX_SUCCESS);
	CLIENT_CHECK(strcmp(value->data.string, "hwloc:0") == 0);
	CLIENT_CHECK(client_pmix.get(&client_proc, PMIX_LOCALITY_STRING, NULL, 0, &value) ==
		     PMIX_SUCCESS);
	printf("locality %s\n", value->data.string);
	CLIENT_CHECK(value->data.string[0] != '\0');
	return pmix_end();
}

static int pmix_connect(void)
{
	pmix_begin();
	pmix_proc_t all = client_peer(PMIX_RANK_WILDCARD);
	CLIENT_CHECK(client_pmix.connect(&all, 1, NULL, 0) == PMIX_SUCCESS);
	CLIENT_CHECK(client_pmix.disconnect(&all, 1, NULL, 0) == PMIX_SUCCESS);
	return pmix_end();
}

static int pmix_spawn(void)
{
	char command[] = "/bin/true", *argv[] = {command, NULL};
	pmix_app_t app = {.cmd = command, .argv = argv, .maxprocs = 1};
	pmix_nspace_t child;
	pmix_begin();
	CLIENT_CHECK(client_pmix.spawn(NULL, 0, &app, 1, child) == PMIX_ERR_NOT_SUPPORTED);
	return pmix_end();
}

static int pmix_log(void)
{
	char text[64];
	pmix_info_t info = {.value = {.type = PMIX_STRING, .data.string = text}};
	pmix_begin();
	snprintf(info.key, sizeof info.key, "%s", PMIX_LOG_STDERR);
	snprintf(text, sizeof text, "a word from rank %d", client_rank);
	CLIENT_CHECK(client_pmix.log(&info, 1, NULL, 0) == PMIX_SUCCESS);
	client_fence(NULL, 0, false);
	return pmix_end();
}

static int pmix_abort(void)
{
	pmix_begin();
	if (client_rank == 2)
		client_pmix.abort(9, "no more", NULL, 0);
	client_fence(NULL, 0, false);
	pause();
	return 1;
}
#else
static bool clients_have_pmix(void)
{
	return false;
}
#endif

static const struct client {
	const char *name;
	int (*run)(void);
} clients[] = {
	{"pmi1-exchange", pmi1_exchange},
	{"pmi1-fence", pmi1_fence},
	{"pmi1-garbage", pmi1_garbage},
	{"pmi1-close", pmi1_close},
	{"pmi1-death", pmi1_death},
#ifdef CMPIRUN_HAVE_PMIX
	{"pmix-collect", pmix_collect},
	{"pmix-modex", pmix_modex},
	{"pmix-subset", pmix_subset},
	{"pmix-cpus", pmix_cpus},
	{"pmix-connect", pmix_connect},
	{"pmix-spawn", pmix_spawn},
	{"pmix-log", pmix_log},
	{"pmix-abort", pmix_abort},
#endif
};

static int client_main(const char *name)
{
	client_rank = number_of("PMI_RANK");
	client_size = number_of("PMI_SIZE");
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
		if (strcmp(clients[i].name, name) == 0)
			return clients[i].run();
	return 2;
}
