# SNAP_V8: which V8, its flags, and proof that headers and library agree.
#
#   --with-v8=auto      the distribution's libnode
#   --with-v8=PREFIX    PREFIX/include/v8.h, PREFIX/lib/libv8_monolith.a and
#                       libada.a
#   --with-libnode=DIR  libnode-dev and libnode unpacked under DIR, for
#                       machines where they cannot be installed
AC_DEFUN([SNAP_V8], [
  AC_ARG_WITH([v8], [AS_HELP_STRING([--with-v8=auto|PREFIX],
    [the distribution's libnode, or a static V8 under PREFIX])],
    [], [with_v8=auto])
  AC_ARG_WITH([libnode], [AS_HELP_STRING([--with-libnode=DIR],
    [libnode's packages unpacked under DIR])], [], [with_libnode=])

  AS_CASE([$with_v8],
    [auto|yes|no], [_SNAP_V8_LIBNODE],
    [_SNAP_V8_STATIC])

  AC_DEFINE_UNQUOTED([V8_SUPPLY], ["$V8_SUPPLY"], [libnode or static])
  AM_CONDITIONAL([STATIC_V8], [test "x$V8_SUPPLY" = xstatic])
  AC_SUBST([V8_CPPFLAGS])
  AC_SUBST([V8_CXXFLAGS])
  AC_SUBST([V8_LIBS])
  AC_SUBST([V8_LDFLAGS])
  AC_SUBST([PIE_FLAGS])
  _SNAP_V8_AGREE
])

AC_DEFUN([_SNAP_V8_LIBNODE], [
  V8_SUPPLY=libnode
  V8_LINKING="dynamic, position independent"
  multiarch=`$CC -print-multiarch 2>/dev/null`
  V8_WHERE=${with_libnode:-/usr}
  AS_IF([test -n "$with_libnode" && test -d "$with_libnode/usr"],
    [V8_WHERE=$with_libnode/usr])
  V8_LIBDIR=$V8_WHERE/lib/$multiarch
  AS_IF([test ! -e "$V8_LIBDIR/libnode.so"], [AC_MSG_ERROR(
    [no libnode.so in $V8_LIBDIR: install libnode-dev, or unpack it and give
    --with-libnode=DIR, or give --with-v8=PREFIX (contrib/setup.sh does this)])])
  V8_INCLUDE=
  for dir in "$V8_WHERE/include/node" "$V8_WHERE/include/v8" \
             "$V8_WHERE/include"; do
    AS_IF([test -z "$V8_INCLUDE" && test -e "$dir/v8.h"], [V8_INCLUDE=$dir])
  done
  AS_IF([test -z "$V8_INCLUDE"],
    [AC_MSG_ERROR([no v8.h under $V8_WHERE/include])])
  V8_CPPFLAGS="-isystem $V8_INCLUDE"
  V8_LIBS="-L$V8_LIBDIR -lnode"
  AS_IF([test "x$V8_WHERE" != x/usr], [V8_LDFLAGS="-Wl,-rpath,$V8_LIBDIR"])
  PIE_FLAGS=
])

AC_DEFUN([_SNAP_V8_STATIC], [
  V8_SUPPLY=static
  V8_WHERE=$with_v8
  V8_LINKING="static but for libc and libm, not position independent"
  V8_MONOLITH=$with_v8/lib/libv8_monolith.a
  AS_IF([test ! -e "$V8_MONOLITH" || test ! -e "$with_v8/include/v8.h"],
    [AC_MSG_ERROR([$with_v8 has no include/v8.h and lib/libv8_monolith.a])])
  V8_CPPFLAGS="-isystem $with_v8/include"
  V8_LIBS="$V8_MONOLITH $with_v8/lib/libada.a"
  V8_LIBS="$V8_LIBS -Wl,-Bstatic -licui18n -licuuc -licudata -lz"
  V8_LIBS="$V8_LIBS -Wl,-Bdynamic -ldl -lpthread -lm"
  V8_LDFLAGS="-no-pie -static-libstdc++ -static-libgcc -Wl,--gc-sections"
  PIE_FLAGS="-fno-pie"
  # An image belongs to the very archive it was made with.
  AC_CHECK_PROG([SHA256SUM], [sha256sum], [sha256sum])
  AS_IF([test -z "$SHA256SUM"], [AC_MSG_ERROR([sha256sum is needed])])
  V8_BUILD_ID=0x`$SHA256SUM < "$V8_MONOLITH" | cut -c1-16`
  AC_DEFINE_UNQUOTED([V8_BUILD_ID], [UINT64_C($V8_BUILD_ID)],
    [identity of a V8 that is linked in])
])

# Headers of one V8 and a library of another build a program that crashes: a
# machine may hold both. Compiles, links, runs and compares.
AC_DEFUN([_SNAP_V8_AGREE], [
  AC_LANG_PUSH([C++])
  save_CPPFLAGS=$CPPFLAGS save_LIBS=$LIBS save_LDFLAGS=$LDFLAGS
  save_CXXFLAGS=$CXXFLAGS
  CPPFLAGS="$CPPFLAGS $V8_CPPFLAGS"
  AC_MSG_CHECKING([the V8 of the headers])
  V8_MAJOR=`AS_ECHO(['#include <v8-version.h>
V8MAJOR V8_MAJOR_VERSION']) | $CXX $CPPFLAGS -E -P -x c++ - 2>/dev/null |
    sed -n 's/^V8MAJOR *//p'`
  AS_IF([test -z "$V8_MAJOR"], [AC_MSG_ERROR([v8-version.h cannot be read])])
  AC_MSG_RESULT([$V8_MAJOR])
  AS_IF([test "$V8_MAJOR" -ge 12],
    [V8_CXXFLAGS="-std=gnu++20"], [V8_CXXFLAGS="-std=gnu++17"])
  # As V8 itself is built: its classes have no type information to refer to.
  V8_CXXFLAGS="$V8_CXXFLAGS -fno-rtti -fno-exceptions"

  AC_MSG_CHECKING([that V8's headers and library agree])
  CXXFLAGS="$CXXFLAGS $V8_CXXFLAGS $PIE_FLAGS"
  LIBS="$V8_LIBS $LIBS"
  LDFLAGS="$LDFLAGS $V8_LDFLAGS"
  AC_RUN_IFELSE([AC_LANG_PROGRAM([[
#include <stdio.h>
#include <string.h>
#include <v8.h>
]], [[
    char want[64];
    snprintf(want, sizeof want, "%d.%d.%d.%d", V8_MAJOR_VERSION,
             V8_MINOR_VERSION, V8_BUILD_NUMBER, V8_PATCH_LEVEL);
    const char *have = v8::V8::GetVersion();
    FILE *f = fopen("conftest.v8", "w");
    if (f == NULL)
        return 2;
    fprintf(f, "%s\n", have);
    fclose(f);
    size_t n = strlen(want);
    return strncmp(want, have, n) == 0 &&
           (have[n] == '\0' || have[n] == '-') ? 0 : 1;
]])], [
    V8_VERSION=`cat conftest.v8`
    AC_MSG_RESULT([yes, $V8_VERSION])
  ], [
    V8_VERSION=`cat conftest.v8 2>/dev/null`
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([the headers under $V8_WHERE are of V8 $V8_MAJOR and the
    library is ${V8_VERSION:-one that cannot be linked (see config.log)}])
  ])
  CPPFLAGS=$save_CPPFLAGS LIBS=$save_LIBS LDFLAGS=$save_LDFLAGS
  CXXFLAGS=$save_CXXFLAGS
  AC_LANG_POP([C++])
])
