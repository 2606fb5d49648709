# SNAP_WARNINGS: every flag the C house is held to, in C_WARNINGS.
AC_DEFUN([SNAP_WARNINGS], [
  C_WARNINGS="-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wvla"
  CXX_WARNINGS="-Wall -Wextra -Wno-unused-parameter"
  AS_IF([test "x$enable_werror" = xyes], [
    C_WARNINGS="$C_WARNINGS -Werror"
    CXX_WARNINGS="$CXX_WARNINGS -Werror"
  ])
  AC_SUBST([C_WARNINGS])
  AC_SUBST([CXX_WARNINGS])
])

# SNAP_SANITIZERS: for the program and its tests alike, in SANITIZE.
AC_DEFUN([SNAP_SANITIZERS], [
  SANITIZE=
  AS_IF([test "x$enable_asan" = xyes], [
    SANITIZE="-fsanitize=address,undefined -fno-omit-frame-pointer"
    SANITIZE="$SANITIZE -fno-sanitize-recover=undefined"
    # GCC's analysis is led astray by the checks it adds to V8's headers.
    CXX_WARNINGS="$CXX_WARNINGS -Wno-maybe-uninitialized"
  ])
  AC_SUBST([SANITIZE])
])
