#* @get /
#* @serializer text
function() {
  "Hello from R\n"
}
