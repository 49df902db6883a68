/*
 * hello_ext.c - a Python extension module that calls MPI: what mpi4py is to the linker, for suites
 * whose mpi4py is linked with another MPI.  world() gives (rank, size, sum of all ranks, version).
 */
#include <Python.h>
#include <mpi.h>

static PyObject *world(PyObject *self, PyObject *args)
{
	char version[MPI_MAX_LIBRARY_VERSION_STRING];
	int rank, size, sum, length;
	(void)self;
	(void)args;
	MPI_Init(NULL, NULL);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	MPI_Get_library_version(version, &length);
	return Py_BuildValue("(iiis)", rank, size, sum, version);
}

static PyObject *finalize(PyObject *self, PyObject *args)
{
	(void)self;
	(void)args;
	MPI_Finalize();
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"world", world, METH_NOARGS, NULL}, {"finalize", finalize, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "hello_ext", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_hello_ext(void)
{
	return PyModule_Create(&module);
}
