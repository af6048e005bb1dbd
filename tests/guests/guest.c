// A wasi:http component that does by request what a host must bear; see README.md.
typedef int i32;
typedef long long i64;
typedef unsigned long size;
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#define HTTP "wasi:http/types@0.2.12"
#define IO "wasi:io/streams@0.2.12"
#define FS "wasi:filesystem/types@0.2.12"

IMPORT(HTTP, "[constructor]fields") i32 fields_new(void);
IMPORT(HTTP, "[constructor]outgoing-response") i32 response_new(i32 fields);
IMPORT(HTTP, "[method]outgoing-response.body") void response_body(i32 self, void *ret);
IMPORT(HTTP, "[method]outgoing-body.write") void body_write(i32 self, void *ret);
IMPORT(HTTP, "[static]outgoing-body.finish") void body_finish(i32 self, i32 has_trailers, i32 trailers, void *ret);
IMPORT(HTTP, "[static]response-outparam.set")
void outparam_set(i32 self, i32 is_err, i32 a, i32 b, i64 c, i32 d, i32 e, i32 f, i32 g);
IMPORT(HTTP, "[method]incoming-request.path-with-query") void request_path(i32 self, void *ret);
IMPORT(HTTP, "[method]incoming-request.consume") void request_consume(i32 self, void *ret);
IMPORT(HTTP, "[method]incoming-body.stream") void incoming_stream(i32 self, void *ret);
IMPORT(HTTP, "[constructor]outgoing-request") i32 outgoing_new(i32 fields);
IMPORT(HTTP, "[method]outgoing-request.set-authority") i32 outgoing_authority(i32 self, i32 some, const char *text, i32 len);
IMPORT(HTTP, "[method]future-incoming-response.subscribe") i32 future_subscribe(i32 self);
IMPORT(HTTP, "[method]future-incoming-response.get") void future_get(i32 self, void *ret);
IMPORT("wasi:http/outgoing-handler@0.2.12", "handle") void send(i32 request, i32 some, i32 options, void *ret);
IMPORT("wasi:io/poll@0.2.12", "[method]pollable.block") void pollable_block(i32 self);
IMPORT(IO, "[method]output-stream.blocking-write-and-flush")
void stream_write(i32 self, const char *data, i32 len, void *ret);
IMPORT(IO, "[method]output-stream.blocking-splice") void stream_splice(i32 self, i32 from, i64 len, void *ret);
IMPORT(IO, "[method]output-stream.blocking-flush") void stream_flush(i32 self, void *ret);
IMPORT(IO, "[resource-drop]output-stream") void output_drop(i32 self);
IMPORT(IO, "[resource-drop]input-stream") void input_drop(i32 self);
IMPORT("wasi:cli/environment@0.2.12", "get-environment") void get_environment(void *ret);
IMPORT("wasi:filesystem/preopens@0.2.12", "get-directories") void get_directories(void *ret);
IMPORT(FS, "[method]descriptor.open-at")
void open_at(i32 self, i32 flags, const char *path, i32 len, i32 open, i32 mode, void *ret);
IMPORT(FS, "[method]descriptor.read") void file_read(i32 self, i64 len, i64 offset, void *ret);

static i32 length(const char *text) {
  i32 n = 0;
  while (text[n]) n++;
  return n;
}

static i32 same(const char *text, i32 len, const char *other) {
  if (len != length(other)) return 0;
  for (i32 i = 0; i < len; i++)
    if (text[i] != other[i]) return 0;
  return 1;
}

static i32 begin(i32 out, i32 *body) {
  i32 ret[8];
  i32 response = response_new(fields_new());
  response_body(response, ret);
  *body = ret[1];
  outparam_set(out, 0, response, 0, 0, 0, 0, 0, 0);
  body_write(*body, ret);
  return ret[1];
}

static void end(i32 stream, i32 body) {
  i32 ret[16];
  output_drop(stream);
  body_finish(body, 0, 0, ret);
}

static void answer(i32 out, const char *text, i32 len) {
  i32 ret[8], body, stream = begin(out, &body);
  if (len) stream_write(stream, text, len, ret);
  end(stream, body);
}

static void say(i32 out, const char *text) { answer(out, text, length(text)); }

// The first preopened folder.
static i32 folder(void) {
  i32 ret[2];
  get_directories(ret);
  return *(i32 *)ret[0];
}

static void read_manifest(i32 out) {
  i32 ret[8];
  open_at(folder(), 0, "greeting.txt", 12, 0, 1, ret);
  if (ret[0] & 255) return say(out, "cannot open");
  file_read(ret[1], 4096, 0, ret);
  if (ret[0] & 255) return say(out, "cannot read");
  answer(out, (char *)ret[1], ret[2]);
}

static void write_file(i32 out) {
  i32 ret[8];
  open_at(folder(), 0, "written.txt", 11, 1, 2, ret);
  say(out, ret[0] & 255 ? "refused" : "written");
}

static void variable(i32 out) {
  i32 ret[2];
  get_environment(ret);
  i32 *pair = (i32 *)ret[0];
  for (i32 i = 0; i < ret[1]; i++, pair += 4)
    if (same((char *)pair[0], pair[1], "GREETING")) return answer(out, (char *)pair[2], pair[3]);
  say(out, "not set");
}

static void fetch(i32 out) {
  i64 ret[8];
  i32 request = outgoing_new(fields_new());
  outgoing_authority(request, 1, "example.com", 11);
  send(request, 0, 0, ret);
  if (ret[0] & 255) return say(out, "refused at once");
  i32 future = (i32)ret[1];
  pollable_block(future_subscribe(future));
  future_get(future, ret);
  say(out, ret[2] & 255 ? "refused" : "sent");
}

static void echo(i32 request, i32 out) {
  i32 ret[8], body, stream = begin(out, &body);
  request_consume(request, ret);
  i32 incoming = ret[1];
  incoming_stream(incoming, ret);
  i32 from = ret[1];
  do {
    stream_splice(stream, from, 65536, ret);
  } while (!(ret[0] & 255));
  input_drop(from);
  end(stream, body);
}

static volatile i32 never;
// Reads its frame again after the call, so that no compiler makes a loop of it.
static __attribute__((noinline)) i32 deep(i32 n) {
  volatile char frame[64];
  frame[n & 63] = n;
  if (never) return n;
  return deep(n + 1) + frame[n & 63];
}

static void grow(i32 out) {
  char text[12];
  i32 pages = 0, at = sizeof text;
  while (__builtin_wasm_memory_grow(0, 16) != (size)-1) pages += 16;
  do text[--at] = '0' + pages % 10; while (pages /= 10);
  answer(out, text + at, sizeof text - at);
}

EXPORT("wasi:http/incoming-handler@0.2.12#handle")
void handle(i32 request, i32 out) {
  i32 ret[4];
  request_path(request, ret);
  const char *path = (char *)ret[1];
  i32 len = ret[2];
  if (same(path, len, "/")) say(out, "hello");
  if (same(path, len, "/env")) variable(out);
  if (same(path, len, "/read")) read_manifest(out);
  if (same(path, len, "/write")) write_file(out);
  if (same(path, len, "/fetch")) fetch(out);
  if (same(path, len, "/echo")) echo(request, out);
  if (same(path, len, "/grow")) grow(out);
  if (same(path, len, "/trap")) __builtin_trap();
  if (same(path, len, "/deep")) deep(1);
  if (same(path, len, "/loop")) while (!never) {}
  if (same(path, len, "/late")) {
    i32 body, stream = begin(out, &body);
    stream_write(stream, "begun", 5, ret);
    __builtin_trap();
  }
}

extern unsigned char __heap_base;
static size top;
EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size old_size, size align, size bytes) {
  if (!top) top = (size)&__heap_base;
  size at = (top + align - 1) & -align, pages = __builtin_wasm_memory_size(0);
  if (at + bytes > pages << 16 &&
      __builtin_wasm_memory_grow(0, ((at + bytes - (pages << 16)) >> 16) + 1) == (size)-1)
    __builtin_trap();
  top = at + bytes;
  for (size i = 0; i < old_size && i < bytes; i++) ((char *)at)[i] = ((char *)old)[i];
  return (void *)at;
}
