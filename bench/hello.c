/* hello.c - the least a CGI program can do, for comparison. */
#include <unistd.h>

int main(void)
{
    static const char reply[] = "Status: 200 OK\r\n"
                                "Content-Type: text/plain\r\n\r\nhello\n";
    return write(1, reply, sizeof reply - 1) == sizeof reply - 1 ? 0 : 1;
}
