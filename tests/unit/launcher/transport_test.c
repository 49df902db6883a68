/* transport: evidence of what a rank has mapped and opened, to words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "launcher/transport.h"

static const char mpich_maps[] =
	"7f00-7f01 r-xp 00000000 00:2a 77 /usr/lib/libmpich.so.12.2.2\n"
	"7f02-7f03 r-xp 00000000 00:2a 77 /usr/lib/libucp.so.0.0.0\n"
	"7f04-7f05 rw-p 00000000 00:00 0 \n"
	"7f06-7f07 rw-p 00000000 00:00 0 [heap]";
static const char openmpi_maps[] =
	"7f00-7f01 r-xp 00000000 00:2a 77 /usr/lib/libmpi.so.40.30.4\n"
	"7f00-7f01 r-xp 00000000 00:2a 77 /usr/lib/openmpi/lib/openmpi3/mca_pml_ob1.so\n"
	"7f00-7f01 r--p 00000000 00:2a 77 /usr/lib/openmpi/lib/openmpi3/mca_pml_ob1.so\n"
	"7f00-7f01 r-xp 00000000 00:2a 77 /usr/lib/openmpi/lib/openmpi3/mca_btl_tcp.so\n"
	"7f00-7f01 r-xp 00000000 00:2a 77 /usr/lib/openmpi/lib/openmpi3/mca_btl_vader.so\n"
	"7f00-7f01 r-xp 00000000 00:2a 77 /usr/lib/libucp.so.0\n";
static const char fabric_maps[] =
	"7f00-7f01 r-xp 0 00:2a 77 /opt/cray/lib/libmpi_gnu_112.so.12\n"
	"7f00-7f01 r-xp 0 00:2a 77 /usr/lib/libfabric.so.1\n7f00-7f01 r-xp 0 00:2a 77 /x/libcxi\"\n-fi.so\n"
	"7f00-7f01 r-xp 0 00:2a 77 /usr/lib/libfabric/libverbs-fi.so\n";

static const char *judged(const char *maps, const char *link, bool listens, uint32_t nodes,
			  enum transport_grade grade)
{
	static struct transport transport;
	struct transport_evidence evidence = {.listens_on_tcp = listens};
	transport = (struct transport){0};
	transport_add_maps(&evidence, maps, strlen(maps));
	if (link != NULL)
		transport_add_link(&evidence, link);
	transport_judge(&evidence, nodes, &transport);
	assert_int_equal(transport.grade, grade);
	return transport.words;
}

static void evidence_is_judged(void **state)
{
	(void)state;
	assert_string_equal(judged(mpich_maps, NULL, true, 2, TRANSPORT_TCP), "MPICH: UCX over TCP");
	assert_string_equal(judged(mpich_maps, NULL, true, 1, TRANSPORT_LOCAL), "MPICH: UCX within one node");
	assert_string_equal(judged(mpich_maps, NULL, false, 2, TRANSPORT_UNKNOWN),
			    "MPICH: UCX over what is not known");
	assert_string_equal(judged(mpich_maps, "/dev/infiniband/uverbs0", true, 2, TRANSPORT_FABRIC),
			    "MPICH: UCX over uverbs0");
	assert_string_equal(judged(mpich_maps, "/dev/infiniband/rdma_cm", true, 2, TRANSPORT_TCP),
			    "MPICH: UCX over TCP");
	assert_string_equal(judged(openmpi_maps, "/dev/null", true, 2, TRANSPORT_TCP),
			    "Open MPI: pml ob1, btl tcp vader over TCP");
	assert_string_equal(judged(fabric_maps, "/dev/cxi0", false, 2, TRANSPORT_FABRIC),
			    "MPICH: libfabric verbs over cxi0");
	assert_string_equal(judged("1-2 r-xp 0 0 0 /bin/sh\n", "/dev/cxi0", true, 2, TRANSPORT_UNKNOWN), "");
}

static void listening_sockets_are_found(void **state)
{
	static const char table[] =
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		"   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 0\n"
		"   1: 0100007F:0016 0100007F:1111 01 00000000:00000000 00:00000000 00000000  1000        0 78 1 0\n";
	(void)state;
	assert_true(transport_listens(table, strlen(table), (uint64_t[]){1, 77}, 2));
	assert_false(transport_listens(table, strlen(table), (uint64_t[]){78, 7}, 2));
	assert_false(transport_listens(table, strlen(table), NULL, 0));
}

static const char *no_cma(const char *maps, const char *environment, size_t len)
{
	struct transport_evidence evidence = {0};
	transport_add_maps(&evidence, maps, strlen(maps));
	const char *name = transport_no_cma(&evidence, environment, len);
	return name ? name : "";
}

static void cma_is_switched_off_by(void **state)
{
#define NO_CMA(maps, text) no_cma(maps, text, sizeof(text))
	(void)state;
	assert_string_equal(NO_CMA(mpich_maps, "A=1\0UCX_TLS=tcp,self"), "UCX_TLS");
	assert_string_equal(NO_CMA(mpich_maps, "UCX_TLS=^cma\0A=1"), "UCX_TLS");
	assert_string_equal(NO_CMA(mpich_maps, "UCX_TLS=rc,sm"), "");
	assert_string_equal(NO_CMA(mpich_maps, "UCX_TLS=^tcp"), "");
	assert_string_equal(NO_CMA(mpich_maps, "UCX_TLS=all"), "");
	assert_string_equal(NO_CMA(mpich_maps, "MPIR_CVAR_CH4_CMA_ENABLE=0"), "MPIR_CVAR_CH4_CMA_ENABLE");
	assert_string_equal(NO_CMA(mpich_maps, "OMPI_MCA_btl_vader_single_copy_mechanism=none"), "");
	assert_string_equal(NO_CMA(openmpi_maps, "OMPI_MCA_btl_vader_single_copy_mechanism=none"),
			    "OMPI_MCA_btl_vader_single_copy_mechanism");
	assert_string_equal(NO_CMA(openmpi_maps, "OMPI_MCA_btl_vader_single_copy_mechanism=cma"), "");
	assert_string_equal(NO_CMA(openmpi_maps, "UCX_TLS=tcp"), "");
	/* cut off: it is not known how it ends */
	assert_string_equal(no_cma(mpich_maps, "UCX_TLS=tcp", 11), "");
	assert_string_equal(no_cma(mpich_maps, "", 0), "");
}

static void the_worst_node_stays(void **state)
{
	AUTO_BUF struct buf packed = {0};
	struct transport fabric = {.grade = TRANSPORT_FABRIC, .words = "a", .node = "n1"};
	struct transport tcp = {.grade = TRANSPORT_TCP, .words = "b", .node = "n2"};
	struct transport worse = {.grade = TRANSPORT_TCP, .words = "c", .better = "cxi (cxi0)", .node = "n3"}, parsed;
	(void)state;
	transport_merge(&fabric, &tcp);
	assert_string_equal(fabric.node, "n2");
	transport_merge(&fabric, &worse);
	assert_string_equal(fabric.better, "cxi (cxi0)");
	transport_merge(&fabric, &tcp);
	assert_string_equal(fabric.node, "n3");
	transport_pack(&fabric, &packed);
	struct cursor in = cursor_of(packed.data, packed.len);
	transport_parse(&in, &parsed);
	assert_false(in.bad);
	assert_memory_equal(&parsed.grade, &fabric.grade, sizeof parsed.grade);
	assert_string_equal(parsed.words, "c");
	assert_string_equal(parsed.node, "n3");
	packed.data[0] = packed.data[1] = packed.data[2] = packed.data[3] = 0x7f;
	in = cursor_of(packed.data, packed.len);
	transport_parse(&in, &parsed);
	assert_true(in.bad);
}

static void a_process_without_mpi_shows_nothing(void **state)
{
	struct transport transport = {0};
	(void)state;
	transport_look(getpid(), 2, 2, &transport);
	assert_string_equal(transport.words, "");
	transport_look(-1, 2, 2, &transport);
	assert_string_equal(transport.words, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_is_judged), cmocka_unit_test(listening_sockets_are_found),
		cmocka_unit_test(cma_is_switched_off_by), cmocka_unit_test(the_worst_node_stays),
		cmocka_unit_test(a_process_without_mpi_shows_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
