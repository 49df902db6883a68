! hello.f90: the Fortran cell of the matrix: world, a sum over all ranks, version. Exit 0 only if it holds.
program hello
  use mpi
  implicit none
  integer :: rank, ranks, total, length, ierr
  character(len=MPI_MAX_LIBRARY_VERSION_STRING) :: version
  integer :: cut
  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks, ierr)
  call MPI_Allreduce(rank, total, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierr)
  call MPI_Get_library_version(version, length, ierr)
  cut = scan(version(1:length), char(10))
  if (cut > 0) length = cut - 1
  write (*, '(a,i0,a,i0,a,i0,2a)') 'fortran rank ', rank, ' of ', ranks, ' sum ', total, ' ', version(1:length)
  flush (6)
  if (total /= ranks * (ranks - 1) / 2) call MPI_Abort(MPI_COMM_WORLD, 99, ierr)
  call MPI_Finalize(ierr)
end program hello
