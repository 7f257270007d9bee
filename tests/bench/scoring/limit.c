/* What do HTTP, JSON and ONNX Runtime cost with nothing around them? One thread, epoll, the runtime's C interface.
 *
 * limit PORT MODEL INPUT OUTPUT KIND FEATURES CLASSES: KIND json takes {"data": [[...], ...]} with so many features
 * a row, KIND binary raw float32 values. It trusts what it reads: this is a measure, not a server.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9, CREATE_OPTIONS = 10, INTRA_THREADS = 24, /* places in the */
       TENSOR_OF_DATA = 49, TENSOR_DATA = 51, CPU_MEMORY = 69, RELEASE_VALUE = 96 };       /* first interface */
enum { SIZE = 1 << 17, MOST = 1024, ROWS = 256 };

struct client { size_t have; char data[SIZE]; };
static struct client *clients[MOST];
static void **api, *session, *memory;
static const char *input_name, *output_name;
static int features, classes, binary;
static float *values;

static void must(int holds, const char *what) {
    if (!holds) { perror(what); exit(1); }
}

static void ok(void *status) { must(status == NULL, "onnxruntime"); }

static void load(const char *library, const char *model) {
    void *handle = dlopen(library, RTLD_NOW);
    must(handle != NULL, library);
    struct base { void **(*get)(uint32_t); } *(*find)(void) = dlsym(handle, "OrtGetApiBase");
    void *environment, *options;
    api = find()->get(1);
    ok(((void *(*)(int, const char *, void **))api[CREATE_ENV])(3, "limit", &environment));
    ok(((void *(*)(void **))api[CREATE_OPTIONS])(&options));
    ok(((void *(*)(void *, int))api[INTRA_THREADS])(options, 1));
    ok(((void *(*)(void *, const char *, void *, void **))api[CREATE_SESSION])(environment, model, options, &session));
    ok(((void *(*)(int, int, void **))api[CPU_MEMORY])(1, 0, &memory));
}

static int parse(const char *at, const char *end) {
    int count = 0;
    while (at < end) {
        if (*at == '-' || (*at >= '0' && *at <= '9')) {
            int negative = *at == '-', scale = 0;
            double value = 0;
            for (at += negative; at < end && *at >= '0' && *at <= '9'; at++) value = value * 10 + (*at - '0');
            if (at < end && *at == '.')
                for (at++; at < end && *at >= '0' && *at <= '9'; at++, scale++) value = value * 10 + (*at - '0');
            while (scale-- > 0) value /= 10;
            values[count++] = (float)(negative ? -value : value);
        } else at++;
    }
    return count;
}

static size_t score(const char *body, size_t length, char *out) {
    int count;
    if (binary) memcpy(values, body, length), count = (int)(length / sizeof(float));
    else count = parse(body, body + length);
    int rows = count / features;
    /* an image of 3 channels, or a row of features */
    int64_t side = 1, flat[] = {rows, features}, image[] = {rows, 3, 0, 0};
    while (side * side * 3 < features) side++;
    image[2] = image[3] = side;
    int is_image = side * side * 3 == features && features > 100;
    void *input, *output = NULL;
    float *found;
    ok(((void *(*)(void *, void *, size_t, const int64_t *, size_t, int, void **))api[TENSOR_OF_DATA])(
        memory, values, count * sizeof(float), is_image ? image : flat, is_image ? 4 : 2, 1, &input));
    ok(((void *(*)(void *, void *, const char **, void **, size_t, const char **, size_t, void **))api[RUN])(
        session, NULL, &input_name, &input, 1, &output_name, 1, &output));
    ok(((void *(*)(void *, void **))api[TENSOR_DATA])(output, (void **)&found));
    size_t at = 0;
    for (int row = 0; row < rows; row++) {
        at += sprintf(out + at, row ? ",[" : "[[");
        for (int one = 0; one < classes; one++)
            at += sprintf(out + at, one ? ",%.9g" : "%.9g", found[row * classes + one]);
        out[at++] = ']';
    }
    out[at++] = ']';
    ((void (*)(void *))api[RELEASE_VALUE])(input);
    ((void (*)(void *))api[RELEASE_VALUE])(output);
    return at;
}

static void answer(int to, struct client *client) {
    static char said[SIZE], body[SIZE];
    for (;;) {
        client->data[client->have] = 0;
        char *end = memmem(client->data, client->have, "\r\n\r\n", 4);
        if (end == NULL) return;
        char *header = strcasestr(client->data, "content-length:");
        size_t length = header != NULL && header < end ? strtoul(header + 15, NULL, 10) : 0;
        size_t whole = (size_t)(end + 4 - client->data) + length;
        if (client->have < whole) return;
        size_t size = length ? score(end + 4, length, body) : (size_t)sprintf(body, "Healthy");
        size_t head = sprintf(said, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
        memcpy(said + head, body, size);
        must(write(to, said, head + size) > 0, "write");
        memmove(client->data, client->data + whole, client->have -= whole);
    }
}

int main(int count, char **told) {
    must(count == 9, "arguments");
    features = atoi(told[7]), classes = atoi(told[8]);
    input_name = told[4], output_name = told[5], binary = !strcmp(told[6], "binary");
    values = malloc(sizeof(float) * ROWS * features);
    load(told[2], told[3]);
    int one = 1, poll = epoll_create1(0), door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(told[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(bind(door, (struct sockaddr *)&here, sizeof here) == 0 && listen(door, MOST) == 0, "listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, events[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 64, -1);
        for (int at = 0; at < ready; at++) {
            int from = events[at].data.fd;
            if (from == door) {
                int new = accept4(door, NULL, NULL, SOCK_NONBLOCK);
                if (new < 0 || new >= MOST) continue;
                setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                if (clients[new] == NULL) clients[new] = malloc(sizeof(struct client));
                clients[new]->have = 0;
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = new};
                epoll_ctl(poll, EPOLL_CTL_ADD, new, &event);
                continue;
            }
            struct client *client = clients[from];
            ssize_t got = read(from, client->data + client->have, SIZE - 1 - client->have);
            if (got <= 0) { close(from); continue; }
            client->have += got;
            answer(from, client);
        }
    }
}
