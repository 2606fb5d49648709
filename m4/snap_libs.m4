# SNAP_LIBRARIES: libfcgi, inih, cmocka. With a static V8 the first two are
# linked from their archives: each shared object costs start-up time.
AC_DEFUN([SNAP_LIBRARIES], [
  AC_CHECK_HEADERS([fcgiapp.h ini.h], [],
    [AC_MSG_ERROR([install libfcgi-dev and libinih-dev])])
  AS_IF([test "x$V8_SUPPLY" = xstatic],
    [FCGI_LIBS="-l:libfcgi.a" INIH_LIBS="-l:libinih.a"],
    [FCGI_LIBS="-lfcgi" INIH_LIBS="-linih"])
  AC_SUBST([FCGI_LIBS])
  AC_SUBST([INIH_LIBS])
  AC_CHECK_LIB([cmocka], [_cmocka_run_group_tests],
    [CMOCKA_LIBS=-lcmocka], [CMOCKA_LIBS=])
  AC_SUBST([CMOCKA_LIBS])
  AM_CONDITIONAL([HAVE_CMOCKA], [test -n "$CMOCKA_LIBS"])
])

# SNAP_NPM: where `npm ci` put the pinned packages.
AC_DEFUN([SNAP_NPM], [
  AC_ARG_WITH([npm], [AS_HELP_STRING([--with-npm=DIR],
    [folder with node_modules, as `npm ci` made it])],
    [], [with_npm=$srcdir])
  NPM_MODULES=`cd "$with_npm/node_modules" 2>/dev/null && pwd`
  AS_IF([test ! -e "$NPM_MODULES/web-streams-polyfill/dist/ponyfill.js"],
    [AC_MSG_ERROR([web-streams-polyfill is not in $with_npm/node_modules:
    run `npm ci --ignore-scripts` there (contrib/setup.sh does this)])])
  AC_SUBST([NPM_MODULES])
])
