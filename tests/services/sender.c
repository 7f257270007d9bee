/* sender PATH JSON: posts one document to $EDGETENDER_MESSAGES and prints the answer; no more than a module needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    const char *path = getenv("EDGETENDER_MESSAGES");
    if (argc != 3 || !path)
        return 2;
    strncpy(where.sun_path, path, sizeof where.sun_path - 1);
    int link = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(link, (struct sockaddr *)&where, sizeof where) != 0) {
        perror(path);
        return 1;
    }
    dprintf(link, "POST /v1/%s HTTP/1.1\r\nHost: agent\r\nContent-Length: %zu\r\n\r\n%s", argv[1],
            strlen(argv[2]), argv[2]);
    char answer[4096];
    for (ssize_t n; (n = read(link, answer, sizeof answer)) > 0;)
        fwrite(answer, 1, n, stdout);
    return 0;
}
