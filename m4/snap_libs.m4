# SNAP_LIBRARIES: libfcgi, inih, ICU, zlib, cmocka. With a static V8 the first
# two are linked from their archives, for each shared object costs start-up
# time, and V8_LIBS has the next two. Of libcurl and OpenSSL the headers are
# needed only: the program opens the libraries when a script first needs them.
AC_DEFUN([SNAP_LIBRARIES], [
  AC_CHECK_HEADERS([fcgiapp.h ini.h], [],
    [AC_MSG_ERROR([install libfcgi-dev and libinih-dev])])
  AC_CHECK_HEADERS([curl/curl.h openssl/evp.h unicode/ucnv.h zlib.h], [],
    [AC_MSG_ERROR([install libcurl4-openssl-dev, libssl-dev, libicu-dev and
    zlib1g-dev])])
  AS_IF([test "x$V8_SUPPLY" = xstatic],
    [FCGI_LIBS="-l:libfcgi.a" INIH_LIBS="-l:libinih.a" TEXT_LIBS=],
    [FCGI_LIBS="-lfcgi" INIH_LIBS="-linih" TEXT_LIBS="-licuuc -lz"])
  AC_SUBST([TEXT_LIBS])
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
