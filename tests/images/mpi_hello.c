/*
 * mpi_hello: the program in the test images. Each rank says who it is, and whose MPI it got.
 *
 *   rank R of N on NODE: VERSION from PATH sum S
 *
 * R, N: rank and size of MPI_COMM_WORLD. NODE: MPI_Get_processor_name. VERSION: the first line of
 * MPI_Get_library_version. PATH: the file from which the code of MPI_Init was loaded, so a swapped
 * library shows. S: the sum of all ranks, by MPI_Allreduce, so N(N-1)/2 when every rank took part.
 *
 * Options, in any number and order:
 *   --bytes N         before the line is printed, an Allreduce of N bytes, and a ring in which each
 *                     rank passes N bytes on; both are compared with what must come out
 *   --sleep SECONDS   sleep after the line (a fraction is allowed)
 *   --exit CODE@RANK  that rank leaves with CODE after MPI_Finalize
 *   --abort CODE@RANK that rank calls MPI_Abort(CODE)
 *   --kill SIG@RANK   that rank raises the signal SIG (a number)
 *
 * Invariants: one line a rank, written by one write(2), so lines of ranks never mix. Exit 0 only if
 * every check held. Without options nothing is sent but the one Allreduce.
 *
 * Caveats
 * - PATH is what the dynamic linker calls the library (l_name), which inside a container is a path of
 *   the container. A static MPI shows the program itself.
 * - MPICH before 4.2 over UCX and TCP often hangs in MPI_Finalize when ranks are on several nodes: a
 *   rank that waits in its last PMI barrier answers no peer that still closes its connections. There
 *   the ranks leave without MPI_Finalize: a barrier, a good-bye to the PMI server, exit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* An act of one rank: CODE@RANK of --exit, --abort, --kill. Nobody's when rank is -1. */
struct act {
    int code;
    int rank;
};

struct options {
    long bytes;
    double sleep;
    struct act exit;
    struct act abort;
    struct act kill;
};

static _Noreturn void usage(const char *why)
{
    fprintf(stderr,
            "mpi_hello: %s\nusage: mpi_hello [--bytes N] [--sleep SECONDS] [--exit CODE@RANK]"
            " [--abort CODE@RANK] [--kill SIG@RANK]\n",
            why);
    exit(2);
}

static struct act parse_act(const char *text)
{
    struct act act;
    char rest;

    if (sscanf(text, "%d@%d%c", &act.code, &act.rank, &rest) != 2)
        usage("expected CODE@RANK");
    return act;
}

static struct options parse(int argc, char **argv)
{
    struct options opt = {.exit.rank = -1, .abort.rank = -1, .kill.rank = -1};

    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!value)
            usage("an option lacks its value");
        if (!strcmp(name, "--bytes"))
            opt.bytes = atol(value);
        else if (!strcmp(name, "--sleep"))
            opt.sleep = atof(value);
        else if (!strcmp(name, "--exit"))
            opt.exit = parse_act(value);
        else if (!strcmp(name, "--abort"))
            opt.abort = parse_act(value);
        else if (!strcmp(name, "--kill"))
            opt.kill = parse_act(value);
        else
            usage(name);
    }
    return opt;
}

/* The file that holds MPI_Init. Its address in this program may be that of a stub of ours, so the
 * dynamic linker is asked for the symbol, not the compiler for a pointer. */
static const char *library_path(void)
{
    Dl_info info;
    void *init = dlsym(RTLD_DEFAULT, "MPI_Init");

    if (!init || !dladdr(init, &info) || !info.dli_fname)
        return "?";
    return info.dli_fname;
}

static const char *library_version(char text[MPI_MAX_LIBRARY_VERSION_STRING])
{
    int length = 0;

    MPI_Get_library_version(text, &length);
    text[strcspn(text, "\n")] = '\0';
    for (char *at = text; *at; at++)
        if (*at == '\t')
            *at = ' ';
    return text;
}

static _Noreturn void broken(int rank, const char *what)
{
    fprintf(stderr, "mpi_hello: rank %d: wrong data after %s\n", rank, what);
    MPI_Abort(MPI_COMM_WORLD, 99);
    abort();
}

/* Every rank gives its number in each place; each place must come out as the sum of all. */
static void check_allreduce(long bytes, int rank, int size)
{
    int count = (int)(bytes / (long)sizeof(long));
    long *data = malloc((size_t)count * sizeof *data + 1);

    if (!data)
        usage("no memory for --bytes");
    for (int i = 0; i < count; i++)
        data[i] = rank + i;
    MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < count; i++)
        if (data[i] != (long)size * (size - 1) / 2 + (long)size * i)
            broken(rank, "MPI_Allreduce");
    free(data);
}

/* Each rank sends a pattern of its own to the next one and knows that of the one before. */
static void check_ring(long bytes, int rank, int size)
{
    int next = (rank + 1) % size, before = (rank + size - 1) % size;
    unsigned char *out = malloc((size_t)bytes + 1), *in = malloc((size_t)bytes + 1);

    if (!out || !in)
        usage("no memory for --bytes");
    for (long i = 0; i < bytes; i++)
        out[i] = (unsigned char)(rank * 131 + i * 7);
    MPI_Sendrecv(out, (int)bytes, MPI_BYTE, next, 1, in, (int)bytes, MPI_BYTE, before, 1,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (long i = 0; i < bytes; i++)
        if (in[i] != (unsigned char)(before * 131 + i * 7))
            broken(rank, "the ring");
    free(out);
    free(in);
}

static void say_hello(int rank, int size)
{
    char node[MPI_MAX_PROCESSOR_NAME], version[MPI_MAX_LIBRARY_VERSION_STRING];
    static char line[MPI_MAX_PROCESSOR_NAME + MPI_MAX_LIBRARY_VERSION_STRING + 8192];
    int length = 0, sum = 0;

    MPI_Get_processor_name(node, &length);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    length = snprintf(line, sizeof line, "rank %d of %d on %s: %s from %s sum %d\n", rank, size,
                      node, library_version(version), library_path(), sum);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        perror("mpi_hello: stdout");
}

/* Whether MPI_Finalize may hang: see the caveats. All ranks come to the same answer. */
static int finalize_hangs(int size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0, major = 0, minor = 0, here = 0;
    MPI_Comm node;

    MPI_Get_library_version(text, &length);
    if (sscanf(text, "MPICH Version: %d.%d", &major, &minor) != 2 || !getenv("PMI_FD"))
        return 0;
    if (major > 4 || (major == 4 && minor >= 2))
        return 0;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &here);
    MPI_Comm_free(&node);
    MPI_Allreduce(MPI_IN_PLACE, &here, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    return here < size;
}

/* What MPI_Finalize would do at its end: the PMI server is told, in PMI-1, that this is no crash. */
static _Noreturn void leave(int code)
{
    static const char bye[] = "cmd=finalize\n";
    int fd = atoi(getenv("PMI_FD"));
    char answer[256];

    MPI_Barrier(MPI_COMM_WORLD);
    if (write(fd, bye, sizeof bye - 1) != (ssize_t)(sizeof bye - 1)
        || read(fd, answer, sizeof answer) <= 0)
        perror("mpi_hello: PMI_FD");
    _exit(code);
}

static void sleep_for(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    while (nanosleep(&rest, &rest))
        ;
}

int main(int argc, char **argv)
{
    struct options opt = parse(argc, argv);
    int rank = 0, size = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (opt.bytes > 0) {
        check_allreduce(opt.bytes, rank, size);
        check_ring(opt.bytes, rank, size);
    }
    say_hello(rank, size);
    if (opt.sleep > 0)
        sleep_for(opt.sleep);
    if (opt.kill.rank == rank)
        raise(opt.kill.code);
    if (opt.abort.rank == rank)
        MPI_Abort(MPI_COMM_WORLD, opt.abort.code);
    int code = opt.exit.rank == rank ? opt.exit.code : 0;
    if (finalize_hangs(size))
        leave(code);
    MPI_Finalize();
    return code;
}
