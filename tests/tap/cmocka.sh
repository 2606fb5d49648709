#!/bin/sh
# cmocka.sh PROGRAM: runs a unit test. cmocka 1.1 writes "not ok" for a test
# that is skipped, which the reader of TAP would count as a failure.
exec 4>&1
status=$({ { "$@" 3>&- 4>&-; echo $? >&3; } |
    sed 's/^not ok \([0-9]* # SKIP\)/ok \1/' >&4; } 3>&1)
exit "$status"
