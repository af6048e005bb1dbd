// A wasi:http handler in plain C: no libc, no generated bindings. Each import is one function
// of WASI 0.2, declared by its signature in the component model's canonical ABI.
typedef int i32;
typedef long long i64;
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#define HTTP "wasi:http/types@0.2.12"
#define IO "wasi:io/streams@0.2.12"

IMPORT("wasi:cli/stdout@0.2.12", "get-stdout") i32 get_stdout(void);
IMPORT(HTTP, "[constructor]fields") i32 fields_new(void);
IMPORT(HTTP, "[method]fields.append")
void fields_append(i32 self, const char *name, i32 name_len, const char *value, i32 value_len, void *ret);
IMPORT(HTTP, "[constructor]outgoing-response") i32 response_new(i32 fields);
IMPORT(HTTP, "[method]outgoing-response.body") void response_body(i32 self, void *ret);
IMPORT(HTTP, "[method]outgoing-body.write") void body_write(i32 self, void *ret);
IMPORT(HTTP, "[static]outgoing-body.finish") void body_finish(i32 self, i32 has_trailers, i32 trailers, void *ret);
IMPORT(HTTP, "[static]response-outparam.set")
void outparam_set(i32 self, i32 is_err, i32 a, i32 b, i64 c, i32 d, i32 e, i32 f, i32 g);
IMPORT(HTTP, "[resource-drop]incoming-request") void request_drop(i32 self);
IMPORT(IO, "[method]output-stream.blocking-write-and-flush")
void stream_write(i32 self, const char *data, i32 len, void *ret);
IMPORT(IO, "[resource-drop]output-stream") void stream_drop(i32 self);

static const char text[] = "Hello from WebAssembly\n";
static const char line[] = "wasm example: a request\n";
static const char length[] = "23";
_Static_assert(sizeof text - 1 == 23, "the length above is the text's");

EXPORT("wasi:http/incoming-handler@0.2.12#handle")
void handle(i32 request, i32 out) {
  // Results that do not fit one value land here: the tag, then what it carries.
  i32 ret[8];
  i32 log = get_stdout();
  stream_write(log, line, sizeof line - 1, ret);
  stream_drop(log);

  i32 headers = fields_new();
  fields_append(headers, "content-type", 12, "text/plain; charset=utf-8", 25, ret);
  fields_append(headers, "content-length", 14, length, sizeof length - 1, ret);
  i32 response = response_new(headers);
  response_body(response, ret);
  i32 body = ret[1];
  outparam_set(out, 0, response, 0, 0, 0, 0, 0, 0);
  body_write(body, ret);
  i32 stream = ret[1];
  stream_write(stream, text, sizeof text - 1, ret);
  stream_drop(stream);
  body_finish(body, 0, 0, ret);
  request_drop(request);
}

// The host places texts and lists through this; nothing is ever freed, since each request
// has an instance of its own.
extern unsigned char __heap_base;
static unsigned long top;
EXPORT("cabi_realloc")
void *cabi_realloc(void *old, unsigned long old_size, unsigned long align, unsigned long size) {
  if (!top) top = (unsigned long)&__heap_base;
  unsigned long at = (top + align - 1) & -align;
  unsigned long end = at + size, pages = __builtin_wasm_memory_size(0);
  if (end > pages << 16 &&
      __builtin_wasm_memory_grow(0, ((end - (pages << 16)) >> 16) + 1) == (unsigned long)-1)
    __builtin_trap();
  top = end;
  for (unsigned long i = 0; i < old_size && i < size; i++) ((char *)at)[i] = ((char *)old)[i];
  return (void *)at;
}
