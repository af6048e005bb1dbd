module app

go 1.22.0

require github.com/mccutchen/go-httpbin/v2 v2.15.0
